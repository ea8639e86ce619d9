"""`rowstead db`: migrations in goose's format from the command line, run as a user runs them."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from servers import with_driver

from .conftest import Run, environment

pytestmark = pytest.mark.sqlite

URL = ("--url", "sqlite:///app.db")
FIRST = "-- +goose Up\nCREATE TABLE users (id INTEGER PRIMARY KEY);\n-- +goose Down\nDROP TABLE users;\n"
SECOND = "-- +goose Up\nCREATE TABLE more (id INTEGER);\n-- +goose Down\nDROP TABLE more;\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "migrations"
    path.mkdir()
    (path / "00001_users.sql").write_text(FIRST)
    (path / "00002_more.sql").write_text(SECOND)
    return path


def tables(file: Path) -> list[str]:
    with closing(sqlite3.connect(file)) as connection:
        sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY 1"
        return [name for (name,) in connection.execute(sql)]


BOTH = ["_rowstead_migrations", "goose_db_version"]


def test_the_guides_commands_go_forth_and_back(rowstead: Run, tmp_path: Path) -> None:
    code, out, error = rowstead("db", "create", "add_users_table")
    assert (code, error) == (0, "")
    assert re.fullmatch(r"created migrations/\d{14}_add_users_table\.sql\n", out)
    (file,) = (tmp_path / "migrations").iterdir()
    file.write_text(FIRST)
    assert rowstead("db", "up") == (0, f"applied 1 migration\n  {file.name}\n", "")
    assert rowstead("db", "up") == (0, "applied 0 migrations\n", "")
    assert rowstead("db", "status") == (
        0,
        f"Migration status (migrations):\n  applied (1):\n    {file.name}\n",
        "",
    )
    assert rowstead("db", "down") == (0, f"undid 1 migration\n  {file.name}\n", "")
    assert rowstead("db", "health")[0] == 0
    # Without any configuration it is a SQLite file.
    assert tables(tmp_path / "rowstead.db") == BOTH


def test_up_to_down_to_and_redo(rowstead: Run, folder: Path, tmp_path: Path) -> None:
    assert rowstead("db", "up-to", "1", *URL) == (0, "applied 1 migration\n  00001_users.sql\n", "")
    assert rowstead("db", "up", *URL)[1] == "applied 1 migration\n  00002_more.sql\n"
    assert rowstead("db", "redo", *URL) == (0, "applied again 1 migration\n  00002_more.sql\n", "")
    expected = "undid 2 migrations\n  00002_more.sql\n  00001_users.sql\n"
    assert rowstead("db", "down-to", "0", *URL) == (0, expected, "")
    assert tables(tmp_path / "app.db") == BOTH


def test_a_dry_run_of_each_move_writes_nothing(rowstead: Run, folder: Path, tmp_path: Path) -> None:
    would = "would apply 2 migrations\n  00001_users.sql\n  00002_more.sql\n"
    assert rowstead("db", "up", "--dry-run", *URL) == (0, would, "")
    assert rowstead("db", "status", *URL)[0] == 0
    assert [path.name for path in tmp_path.iterdir()] == ["migrations"]
    rowstead("db", "up", *URL)
    before = (tmp_path / "app.db").read_bytes()
    assert rowstead("db", "down", "--dry-run", *URL)[1] == "would undo 1 migration\n  00002_more.sql\n"
    assert rowstead("db", "redo", "--dry-run", *URL)[1] == "would apply again 1 migration\n  00002_more.sql\n"
    assert "would undo 2" in rowstead("db", "down-to", "0", "--dry-run", *URL)[1]
    assert "would apply 0" in rowstead("db", "up-to", "1", "--dry-run", *URL)[1]
    assert (tmp_path / "app.db").read_bytes() == before


def test_json_gives_results_to_programs(rowstead: Run, folder: Path) -> None:
    names = ["00001_users.sql", "00002_more.sql"]
    moved = {"command": "up", "directory": "migrations", "dry_run": False, "migrations": names}
    assert json.loads(rowstead("db", "up", "--json", *URL)[1]) == moved
    assert json.loads(rowstead("db", "status", "--json", *URL)[1])["applied"] == names
    undone = {"command": "down", "directory": "migrations", "dry_run": False, "migrations": names[1:]}
    assert json.loads(rowstead("db", "down", "--json", *URL)[1]) == undone
    made = json.loads(rowstead("db", "create", "x", "--json")[1])
    assert made == {"file": "migrations/00003_x.sql"}


def test_what_is_missing_below_is_refused_until_allowed(rowstead: Run, folder: Path) -> None:
    late = folder / "00001_users.sql"
    text = late.read_text()
    late.unlink()
    rowstead("db", "up", *URL)
    late.write_text(text)
    code, out, error = rowstead("db", "up", *URL)
    assert (code, out) == (1, "")
    assert "found 1 missing below version 2" in error
    assert "--allow-missing" in error
    assert rowstead("db", "up", "--allow-missing", *URL)[:2] == (
        0,
        "applied 1 migration\n  00001_users.sql\n",
    )


def test_an_inconsistent_state_exits_1(rowstead: Run, folder: Path) -> None:
    rowstead("db", "up", *URL)
    (folder / "00001_users.sql").write_text(FIRST.replace("INTEGER", "BIGINT"))
    code, out, _ = rowstead("db", "status", *URL)
    assert code == 1
    assert "drifted (1):\n    00001_users.sql" in out
    for command in ("up", "down", "redo"):
        assert rowstead("db", command, *URL)[0] == 1


def test_a_failure_exits_1_and_names_what_was_applied(rowstead: Run, folder: Path) -> None:
    (folder / "00003_bad.sql").write_text("-- +goose Up\nINSERT INTO nowhere VALUES (1);\n")
    code, out, error = rowstead("db", "up", "--json", *URL)
    assert code == 1
    assert json.loads(out)["applied"] == ["00001_users.sql", "00002_more.sql"]
    assert error.startswith("error: migration 00003_bad.sql failed at line 2 (INSERT INTO nowhere VALUES (")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("db",), "COMMAND"),
        (("db", "ups"), "invalid choice"),
        (("db", "up-to", *URL), "VERSION"),
        (("db", "up-to", "x", *URL), "invalid int value"),
        (("db", "up-to", "7", *URL), "there is no migration 7 in migrations; there are: 1, 2"),
        (("db", "up", "--dir", "nowhere", *URL), "not found: nowhere; give the folder with --dir"),
        (("db", "status", "--dir", "nowhere", *URL), "not found: nowhere"),
        (("db", "create"), "NAME"),
        (("db", "create", "!!"), "gives no file's name"),
        (("db", "create", "x", "--timestamp", "--numbered"), "not allowed with"),
        (("db", "up", "--url", "oracle+oracledb://localhost/x"), "use Alembic or the database's own client"),
        (("db", "up", "--url", "mssql+aioodbc://localhost/x"), "use Alembic or the database's own client"),
        (("db", "up", "--url", "clickhouse://localhost/x"), "use Alembic or the database's own client"),
    ],
)
def test_wrong_usage_exits_2_and_says_what_to_do(
    rowstead: Run, folder: Path, arguments: tuple[str, ...], told: str
) -> None:
    code, out, error = rowstead(*arguments)
    assert (code, out) == (2, "")
    assert told in error


def test_a_file_that_is_wrong_exits_2_with_its_line(rowstead: Run, folder: Path) -> None:
    (folder / "00003_bad.sql").write_text("-- +goose Up\nSELECT 1\n")
    code, _, error = rowstead("db", "up", *URL)
    assert code == 2
    assert error.startswith("error: 00003_bad.sql line 2: the statement that begins here (SELECT 1)")


def test_who_reads_no_more_changes_no_exit_code(folder: Path, tmp_path: Path) -> None:
    def ended(*arguments: str) -> int:
        reading, writing = os.pipe()
        os.close(reading)
        command = [sys.executable, "-m", "rowstead", *arguments, *URL]
        done = subprocess.run(
            command, cwd=tmp_path, stdout=writing, stderr=subprocess.DEVNULL, timeout=60, check=False
        )
        os.close(writing)
        return done.returncode

    assert ended("db", "up", "--json") == 0
    assert ended("db", "status") == 0
    (folder / "00001_users.sql").write_text(FIRST.replace("INTEGER", "TEXT"))
    assert ended("db", "status") == 1
    assert ended("db", "up", "--json") == 1


# Creating


def test_new_files_go_on_as_the_folder_has_begun(rowstead: Run, tmp_path: Path) -> None:
    assert rowstead("db", "create", "one", "--numbered")[1] == "created migrations/00001_one.sql\n"
    assert (
        rowstead("db", "create", "AddTwo Words/../é")[1] == "created migrations/00002_add_two_words_e.sql\n"
    )
    assert rowstead("db", "create", "../../etc/passwd")[1] == "created migrations/00003_etc_passwd.sql\n"
    assert re.search(r"/\d{14}_late\.sql", rowstead("db", "create", "late", "--timestamp")[1])
    code, _, error = rowstead("db", "create", "number", "--numbered")
    assert code == 2
    assert "are numbered by time" in error
    assert [path.name for path in tmp_path.iterdir()] == ["migrations"]
    assert (tmp_path / "migrations" / "00001_one.sql").read_text() == "-- +goose Up\n\n\n-- +goose Down\n\n"
    assert rowstead("db", "up", *URL)[0] == 0


def test_two_files_made_within_a_second_have_versions_of_their_own(rowstead: Run, tmp_path: Path) -> None:
    far = tmp_path / "migrations"
    far.mkdir()
    (far / "99991231235959_far.sql").write_text(FIRST)
    assert rowstead("db", "create", "a")[1] == "created migrations/99991231235960_a.sql\n"
    assert rowstead("db", "create", "a")[1] == "created migrations/99991231235961_a.sql\n"


# Ten at once


@pytest.mark.postgresql
@pytest.mark.parametrize("backend", ["sqlite", "asyncpg", "psycopg"])
def test_ten_commands_at_once_all_exit_0(
    folder: Path, tmp_path: Path, backend: str, request: pytest.FixtureRequest
) -> None:
    url = "sqlite:///app.db"
    if backend != "sqlite":
        url = with_driver(request.getfixturevalue("postgres_url"), backend)
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "rowstead", "db", "up"],
            cwd=tmp_path,
            env=environment(DATABASE_URL=url),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(10)
    ]
    ended = [(process.communicate(timeout=120), process.returncode) for process in started]
    assert [(code, error) for (_, error), code in ended] == [(0, "")] * 10
    applied = [name for (out, _), _ in ended for name in out.splitlines()[1:]]
    assert sorted(applied) == ["  00001_users.sql", "  00002_more.sql"]


def test_the_version_is_printed_for_people_and_programs(rowstead: Run) -> None:
    from rowstead import __version__

    assert rowstead("version") == (0, f"rowstead {__version__}\n", "")
    assert json.loads(rowstead("version", "-o", "json")[1]) == {"version": __version__}
    assert rowstead("version", "-o", "xml")[0] == 2
