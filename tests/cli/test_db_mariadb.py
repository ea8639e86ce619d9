"""`rowstead db` on MariaDB, run as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote, urlsplit

import pymysql
import pytest

from servers import MariaDatabase, with_driver

from .conftest import Run, environment

pytestmark = pytest.mark.mariadb

PASSWORD = "pl4nted@s/s:w rd%&='x"
FILE = (
    "-- +goose Up\nCREATE TABLE users (id INTEGER PRIMARY KEY, note TEXT);\n"
    "INSERT INTO users VALUES (1, '100% %s');\n"
    "-- +goose StatementBegin\nCREATE TRIGGER noted BEFORE INSERT ON users FOR EACH ROW\n"
    "BEGIN\n    SET NEW.note = 'noted;';\nEND\n-- +goose StatementEnd\n"
    "-- +goose Down\nDROP TABLE users;\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "migrations"
    path.mkdir()
    (path / "00001_users.sql").write_text(FILE)
    (tmp_path / "app.py").write_text(
        "import sqlalchemy as sa\nthings = sa.Table('things', sa.MetaData(), sa.Column('id', sa.Integer))\n"
    )
    return path


@pytest.fixture
def admin(_shared_maria: tuple[MariaDatabase, pymysql.Connection]) -> pymysql.Connection:
    return _shared_maria[1]


@pytest.mark.parametrize("driver", ["asyncmy", "aiomysql"])
def test_every_command_works_on_mariadb(rowstead: Run, folder: Path, mariadb_url: str, driver: str) -> None:
    variable = {"DATABASE_URL": with_driver(mariadb_url, driver)}
    assert rowstead("db", "up", **variable) == (0, "applied 1 migration\n  00001_users.sql\n", "")
    assert "applied (1)" in rowstead("db", "status", **variable)[1]
    assert rowstead("db", "redo", **variable)[:1] == (0,)
    assert rowstead("db", "down-to", "0", **variable) == (0, "undid 1 migration\n  00001_users.sql\n", "")
    made = (0, "created 1 table, 0 there already\n  things\n", "")
    assert rowstead("db", "init", "--models", "app", **variable) == made
    found = json.loads(rowstead("db", "health", "--json", **variable)[1])
    assert (found["healthy"], found["driver"]) == (True, driver)
    assert found["server"].startswith("MariaDB 1")


def test_ten_commands_at_once_on_mariadb_all_exit_0(folder: Path, tmp_path: Path, mariadb_url: str) -> None:
    (folder / "00002_more.sql").write_text("-- +goose Up\nALTER TABLE users ADD COLUMN more INT;\n")
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "rowstead", "db", "up"],
            cwd=tmp_path,
            env=environment(DATABASE_URL=mariadb_url),
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


@pytest.mark.parametrize("driver", ["asyncmy", "aiomysql"])
def test_repository_p01_p02_a_hard_password_reaches_mariadb_and_no_output(
    rowstead: Run,
    folder: Path,
    mariadb_url: str,
    admin: pymysql.Connection,
    driver: str,
) -> None:
    parts = urlsplit(mariadb_url)
    with admin.cursor() as cursor:
        cursor.execute("CREATE OR REPLACE USER planted@'%%' IDENTIFIED BY %s", [PASSWORD])
        cursor.execute("GRANT ALL ON *.* TO planted@'%'")
    place = f"{parts.hostname}:{parts.port}{parts.path}"
    commands = (("health",), ("up",), ("status",), ("down",), ("init", "--models", "app"))
    try:
        for password, expected in ((PASSWORD, 0), (f"not {PASSWORD}", 3)):
            url = f"mysql+{driver}://planted:{quote(password, safe='')}@{place}"
            for command in commands:
                code, out, error = rowstead("db", *command, "--json", DATABASE_URL=url)
                assert code == expected, (command, error)
                shown = [
                    each for each in (PASSWORD, quote(PASSWORD, safe=""), "pl4nted") if each in out + error
                ]
                assert shown == []
    finally:
        with admin.cursor() as cursor:
            cursor.execute("DROP USER planted@'%'")
