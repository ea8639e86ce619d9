"""Which database `rowstead db` takes, how its address travels, and that its password is shown nowhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import psycopg
import pytest

from servers import Server

from .conftest import Run, environment

PASSWORD = "pl4nted@s/s:w rd%&='x sslmode=disable"
UP = "-- +goose Up\nCREATE TABLE users (id INTEGER PRIMARY KEY);\n-- +goose Down\nDROP TABLE users;\n"
SLOW = "-- +goose Up\nSELECT pg_sleep(600);\n"
COMMANDS = (
    ("db", "health"),
    ("db", "status"),
    ("db", "up"),
    ("db", "redo"),
    ("db", "down"),
    ("db", "down-to", "0"),
    ("db", "up-to", "1"),
    ("db", "init", "--models", "app"),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "migrations"
    path.mkdir()
    (path / "00001_users.sql").write_text(UP)
    (tmp_path / "app.py").write_text(
        "import sqlalchemy as sa\nthings = sa.Table('things', sa.MetaData(), sa.Column('id', sa.Integer))\n"
    )
    return path


@pytest.fixture
def settings(postgres_server: Server, postgres_url: str) -> Iterator[dict[str, Any]]:
    """A role with a hard password that owns the database's schema, as separate fields."""
    parts = urlsplit(postgres_url)
    with postgres_server.role(options="LOGIN SUPERUSER") as (user, _):
        with psycopg.connect(postgres_url, autocommit=True) as admin:
            literal = "'" + PASSWORD.replace("'", "''") + "'"
            admin.execute(f'ALTER ROLE "{user}" PASSWORD {literal}')
        yield {
            "host": parts.hostname,
            "port": parts.port,
            "db": parts.path[1:],
            "user": user,
            "password": PASSWORD,
        }


def spelled(password: str) -> set[str]:
    """The password and its parts, in each way in which it may be written."""
    return {password, quote(password, safe=""), json.dumps(password)[1:-1], "pl4nted"}


def require_silent(*texts: str) -> None:
    for text in texts:
        assert [each for each in spelled(PASSWORD) if each in text] == []


def test_control_a_password_that_is_shown_is_found() -> None:
    for each in spelled(PASSWORD):
        with pytest.raises(AssertionError):
            require_silent(f"… {each} …")


@pytest.mark.postgresql
@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
def test_repository_p01_p02_a_hard_password_reaches_the_server_and_no_output(
    rowstead: Run, folder: Path, tmp_path: Path, settings: dict[str, Any], driver: str
) -> None:
    config = {"database": {**settings, "driver": driver}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    for command in COMMANDS:
        for form in ((), ("--json",)):
            code, out, error = rowstead(*command, "-c", "config.json", *form)
            assert (code, error) == (0, ""), (command, error)
            require_silent(out)


@pytest.mark.postgresql
@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
def test_repository_p01_a_wrong_password_is_in_no_error(
    rowstead: Run, folder: Path, settings: dict[str, Any], driver: str
) -> None:
    place = f"{settings['host']}:{settings['port']}/{settings['db']}"
    url = f"postgresql+{driver}://{settings['user']}:{quote('not ' + PASSWORD, safe='')}@{place}"
    for command in COMMANDS:
        code, out, error = rowstead(*command, "--json", DATABASE_URL=url)
        assert code == 3, (command, error)
        require_silent(out, error)


@pytest.mark.postgresql
@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
def test_repository_p01_the_password_is_in_no_command_line_while_a_command_runs(
    folder: Path, tmp_path: Path, settings: dict[str, Any], postgres_url: str, driver: str
) -> None:
    (folder / "00002_slow.sql").write_text(SLOW)
    place = f"{settings['host']}:{settings['port']}/{settings['db']}"
    url = f"postgresql+{driver}://{settings['user']}:{quote(PASSWORD, safe='')}@{place}"
    command = [sys.executable, "-m", "rowstead", "db", "up"]
    with (
        psycopg.connect(postgres_url, autocommit=True) as admin,
        subprocess.Popen(
            command,
            cwd=tmp_path,
            env=environment(DATABASE_URL=url),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        wait_for_statement(admin, "SELECT pg_sleep")
        lines = subprocess.run(["ps", "-ww", "-e", "-o", "args"], capture_output=True, text=True, check=True)
        process.terminate()
        out, error = process.communicate(timeout=30)
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sl%'"
        )
    # The control: the command that runs is among them.
    assert "-m rowstead db up" in lines.stdout
    require_silent(lines.stdout, out, error)


def wait_for_statement(admin: psycopg.Connection, words: str) -> None:
    end = time.monotonic() + 30
    query = (
        "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() AND query LIKE %s"
    )
    while not admin.execute(query, [f"{words}%"]).fetchone():
        assert time.monotonic() < end, f"{words} never ran"


@pytest.mark.postgresql
@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
def test_repository_p04_tls_that_the_dsn_asks_for_is_not_given_up(
    rowstead: Run, folder: Path, postgres_url: str, driver: str
) -> None:
    # The private server speaks no TLS, so that what asks for it must fail and what does not must not.
    url = postgres_url.replace("postgresql://", f"postgresql+{driver}://")
    for command in (("db", "up"), ("db", "status"), ("db", "health")):
        for asked in ("sslmode=require", "ssl=require"):
            code, _, error = rowstead(*command, DATABASE_URL=f"{url}?{asked}")
            assert code == 3, (command, asked)
            assert "SSL" in error
        assert rowstead(*command, DATABASE_URL=f"{url}?sslmode=disable")[0] == 0


# Which database


@pytest.mark.sqlite
@pytest.mark.parametrize("command", [c for c in COMMANDS if c[1] != "create"], ids=lambda c: c[1])
def test_repository_p05_a_mistyped_config_is_an_error_and_touches_no_other_database(
    rowstead: Run, folder: Path, tmp_path: Path, command: tuple[str, ...]
) -> None:
    (tmp_path / "config.toml").write_text('[database]\ndsn = "sqlite+aiosqlite:///found.db"\n')
    code, out, error = rowstead(*command, "-c", "confgi.toml", DATABASE_URL="sqlite:///env.db")
    assert (code, out) == (2, "")
    assert "confgi.toml" in error
    assert sorted(path.name for path in tmp_path.iterdir()) == ["app.py", "config.toml", "migrations"]


@pytest.mark.sqlite
def test_what_names_the_database_and_what_wins(rowstead: Run, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[database]\ndsn = "sqlite+aiosqlite:///found.db"\n')
    (tmp_path / "other.toml").write_text('[database]\ndsn = "sqlite+aiosqlite:///other.db"\n')
    variable = {"DATABASE_URL": "sqlite:///env.db"}
    ours = {"ROWSTEAD_DATABASE__DSN": "sqlite+aiosqlite:///ours.db"}

    def made(*options: str, **more: str) -> str:
        code, _, error = rowstead("db", "up", *options, **more)
        assert (code, error) == (0, "")
        (file,) = (path for path in tmp_path.iterdir() if path.suffix == ".db")
        for left in tmp_path.glob("*.db*"):
            left.unlink()
        return file.name

    assert made() == "found.db"
    assert made(**variable) == "env.db"
    assert made(**variable, **ours) == "ours.db"
    assert made("-c", "other.toml", **variable) == "other.db"
    assert made("-c", "other.toml", **ours) == "ours.db"
    assert made("-c", "other.toml", "--url", "sqlite:///url.db", **variable, **ours) == "url.db"
    assert made(ROWSTEAD_CONFIG="other.toml", **variable) == "other.db"
    (tmp_path / "config.toml").unlink()
    assert made() == "rowstead.db"
    assert os.environ.get("ROWSTEAD_CONFIG") is None
