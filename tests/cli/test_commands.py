"""The `rowstead` command, run as a user runs it."""

from __future__ import annotations

import argparse
import json
import os
import pty
import re
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from importlib import import_module
from pathlib import Path

import psycopg
import pytest

from rowstead.cli import COMMANDS, parser
from rowstead.cli.command import Command
from servers import with_driver

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "migrations"
    path.mkdir()
    (path / "0001_users.sql").write_text("CREATE TABLE users (id INTEGER PRIMARY KEY);")
    (path / "0002_more.sql").write_text("CREATE TABLE more (id INTEGER);")
    return path


@pytest.fixture
def run(tmp_path: Path):
    """Runs a command line in the test's folder: its code, stdout and stderr."""

    def run(*arguments: str, **environment: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, "-m", "rowstead", *arguments],
            cwd=tmp_path,
            env={k: v for k, v in os.environ.items() if k != "DATABASE_URL"} | environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout, done.stderr

    return run


URL = ("--url", "sqlite:///app.db")


def test_migrate_and_status_print_what_the_guide_shows(run, folder: Path) -> None:
    assert run("migrate", "./migrations", *URL) == (0, "applied 2 migrations\n", "")
    (folder / "0003_last.sql").write_text("CREATE TABLE last (id INTEGER);")
    assert run("status", "./migrations", *URL) == (
        0,
        "Migration status (./migrations):\n"
        "  applied (2):\n    0001_users.sql\n    0002_more.sql\n"
        "  pending (1):\n    0003_last.sql\n",
        "",
    )
    assert run("migrate", "./migrations", *URL) == (0, "applied 1 migration\n", "")
    assert run("migrate", "./migrations", *URL) == (0, "applied 0 migrations\n", "")


def test_the_environment_gives_the_url_where_the_option_is_empty(run, folder: Path) -> None:
    done = run("migrate", "migrations", "--url", "", DATABASE_URL="sqlite:///env.db")
    assert done == (0, "applied 2 migrations\n", "")


def test_an_empty_folder_has_no_migrations(run, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    assert run("status", "none", *URL) == (0, "Migration status (none):\n  (no migrations found)\n", "")


def test_an_inconsistent_state_exits_1_and_is_shown(run, folder: Path) -> None:
    run("migrate", "migrations", *URL)
    (folder / "0001_users.sql").write_text("-- changed")
    (folder / "0002_more.sql").unlink()
    assert run("status", "migrations", *URL) == (
        1,
        "Migration status (migrations):\n"
        "  ! INCONSISTENT -- fix before applying\n"
        "  drifted (1):\n    0001_users.sql\n  missing (1):\n    0002_more.sql\n",
        "",
    )
    code, out, error = run("migrate", "migrations", *URL)
    assert (code, out) == (1, "")
    assert error.startswith("error: Migration state is inconsistent")


def test_a_failed_migration_exits_1_and_names_file_line_and_what_was_applied(run, folder: Path) -> None:
    (folder / "0003_bad.sql").write_text("\nINSERT INTO nowhere VALUES (1);")
    code, out, error = run("migrate", "migrations", "--json", *URL)
    assert code == 1
    assert json.loads(out)["error"]["code"] == "MIGRATION"
    assert json.loads(out)["applied"] == ["0001_users.sql", "0002_more.sql"]
    assert error.startswith("error: migration 0003_bad.sql failed at line 2 (INSERT INTO nowhere VALUES (")


def test_dry_run_prints_what_would_be_applied_and_makes_no_file(run, folder: Path, tmp_path: Path) -> None:
    expected = "would apply 2 migrations\n  0001_users.sql\n  0002_more.sql\n"
    assert run("migrate", "migrations", "--dry-run", *URL) == (0, expected, "")
    assert [path.name for path in tmp_path.iterdir()] == ["migrations"]


def test_rows_d23_status_makes_no_file_and_changes_none(run, folder: Path, tmp_path: Path) -> None:
    assert run("status", "migrations", *URL)[0] == 0
    assert [path.name for path in tmp_path.iterdir()] == ["migrations"]
    with closing(sqlite3.connect(tmp_path / "app.db")) as connection:
        connection.execute("CREATE TABLE users (id INTEGER)")
    before = (tmp_path / "app.db").read_bytes()
    assert "pending (2)" in run("status", "migrations", *URL)[1]
    assert (tmp_path / "app.db").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["app.db", "migrations"]


def test_json_gives_results_to_programs(run, folder: Path) -> None:
    applied = {"directory": "migrations", "dry_run": False, "applied": ["0001_users.sql", "0002_more.sql"]}
    preview = {"directory": "migrations", "dry_run": True, "pending": applied["applied"]}
    assert json.loads(run("migrate", "migrations", "--dry-run", "--json", *URL)[1]) == preview
    assert json.loads(run("migrate", "migrations", "--json", *URL)[1]) == applied
    assert json.loads(run("status", "migrations", "--json", *URL)[1]) == {
        "directory": "migrations",
        "consistent": True,
        "drifted": [],
        "missing": [],
        "applied": applied["applied"],
        "pending": [],
    }


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "COMMAND"),
        (("migrate",), "DIRECTORY"),
        (("migrate", "migrations"), "give --url URL or set DATABASE_URL"),
        (("status", "nowhere", *URL), "error: migrations directory not found: nowhere"),
        (("status", "nowhere", "--url", "postgresql://127.0.0.1:1/x"), "not found: nowhere"),
        (("status", "migrations", "--url", "postgrse://x"), "postgrse"),
        (("migrate", "migrations", "--url", "sqlite://app.db"), "sqlite:///"),
        (("migrate", "migrations", "--dry", *URL), "--dry"),
        (("status", "migrations", "--dry-run", *URL), "--dry-run"),
    ],
)
def test_wrong_usage_exits_2_and_says_what_is_wrong(run, folder: Path, arguments, told: str) -> None:
    code, out, error = run(*arguments)
    assert (code, out) == (2, "")
    assert told in error


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("0003.sql", b"COMMIT;", "0003.sql line 1: COMMIT is explicit transaction control"),
        ("0003.sql", b"\xe4", "0003.sql is not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_accepted_exits_2(run, folder: Path, name: str, text: bytes, told: str) -> None:
    (folder / name).write_bytes(text)
    code, _, error = run("migrate", "migrations", *URL)
    assert code == 2
    assert told in error


@pytest.mark.parametrize("command", ["migrate", "status"])
@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://user:s3cret-word@127.0.0.1:1/x",
        "postgresql+asyncpg://user:s3cret-word@127.0.0.1:1/x",
    ],
)
def test_rows_d23_an_unreachable_server_exits_3_without_a_word_of_the_password(
    run, folder: Path, command: str, url: str
) -> None:
    code, out, error = run(command, "migrations", "--url", url)
    assert (code, out) == (3, "")
    assert error.startswith("error: ")
    assert "s3cret-word" not in error


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
def test_a_wrong_password_exits_3_and_is_not_told(run, folder: Path, postgres_url: str, driver: str) -> None:
    url = with_driver(re.sub(r":[^:@/]+@", ":wr0ng-word@", postgres_url), driver)
    code, _, error = run("status", "migrations", "--url", url)
    assert code == 3
    assert "wr0ng-word" not in error


def test_rows_d23_a_file_that_cannot_be_opened_exits_3(run, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "app.db").mkdir()
    code, _, error = run("migrate", "migrations", *URL)
    assert code == 3
    assert error.startswith("error: ")


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
def test_ctrl_c_exits_130_and_the_same_command_goes_on(
    run, folder: Path, postgres_url: str, driver: str
) -> None:
    url = with_driver(postgres_url, driver)
    (folder / "0003_slow.sql").write_text("CREATE TABLE slow (id INTEGER); SELECT pg_sleep(600);")
    command = [sys.executable, "-m", "rowstead", "migrate", str(folder), "--url", url]
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            wait_for_statement(admin, "SELECT pg_sleep")
            process.send_signal(signal.SIGINT)
            out, error = process.communicate(timeout=30)
        assert (process.returncode, out) == (130, "")
        assert error.startswith("interrupted")
        assert "Traceback" not in error
        assert admin.execute("SELECT to_regclass('slow')").fetchone() == (None,)
        (folder / "0003_slow.sql").write_text("CREATE TABLE slow (id INTEGER);")
        assert run("migrate", "migrations", "--url", url) == (0, "applied 1 migration\n", "")


def wait_for_statement(admin: psycopg.Connection, words: str) -> None:
    end = time.monotonic() + 30
    query = (
        "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() AND query LIKE %s"
    )
    while not admin.execute(query, [f"{words}%"]).fetchone():
        assert time.monotonic() < end, f"{words} never ran"


def test_a_terminal_sees_progress_and_a_pipe_does_not(folder: Path, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "rowstead", "migrate", "migrations", *URL]
    done = subprocess.run(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=theirs, text=True, timeout=60, check=True
    )
    os.close(theirs)
    shown = os.read(ours, 65_536).decode()
    os.close(ours)
    assert done.stdout == "applied 2 migrations\n"
    assert "0/2 0001_users.sql" in shown
    assert re.search(r"1/2 0002_more\.sql  \d+\.\d/s, about \d+ s left", shown)
    assert shown.endswith("\r\x1b[K")


def test_the_version_is_the_packages(run) -> None:
    import rowstead

    assert run("--version") == (0, f"rowstead {rowstead.__version__}\n", "")


def test_help_answers_without_loading_a_database_library() -> None:
    program = (
        "import sys; from rowstead.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print([name for name in ('sqlalchemy', 'pydantic', 'sqlite3', 'psycopg', 'asyncpg', 'asyncio') "
        "if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_every_command_and_option_is_documented() -> None:
    words = set(re.findall(r"`([^`]+)`", (ROOT / "docs" / "cli.md").read_text()))
    for command in COMMANDS:
        positional, options = taken_by(command)
        names = [str(action.metavar) for action in positional]
        assert " ".join(["rowstead", command.words, *names]) in words
        for option in (option for action in options for option in action.option_strings):
            assert any(option in word.split() for word in words), (
                f"{option} of {command.words} is not in docs/cli.md"
            )


def test_each_command_is_on_the_command_line_and_carried_out_by_somebody() -> None:
    for command in COMMANDS:
        given = ["1"] * len(taken_by(command)[0])
        module, _, function = parser().parse_args([*command.words.split(), *given]).run.partition(":")
        assert callable(getattr(import_module(module), function))


def taken_by(command: Command) -> tuple[list[argparse.Action], list[argparse.Action]]:
    """What a command has to be given, in order, and its options."""
    made = argparse.ArgumentParser()
    command.options(made)
    required = [a for a in made._actions if not a.option_strings and a.nargs not in ("*", "?")]
    return required, [action for action in made._actions if action.option_strings]
