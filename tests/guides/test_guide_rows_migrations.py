"""Guide 002, its migrations and command line: as written there, with only the names changed."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import Backend
from rowstead import DB, MigrationStatus, Row

IMPORTABLE = os.pathsep.join(os.path.abspath(p) for p in sys.path if p)
"""What a process that runs in another folder needs to find this checkout."""
ON_POSTGRES = pytest.mark.parametrize("backend", ["asyncpg", "psycopg"], indirect=True)


class User(Row):
    __table__ = "users"
    id: int | None = None
    name: str
    email: str | None = None


CREATE_USERS = """\
-- migrations/0001_create_users.sql
CREATE TABLE users (
    id          SERIAL PRIMARY KEY,
    name        TEXT NOT NULL,
    email       TEXT UNIQUE,
    created_at  TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE INDEX users_email_idx ON users (email);
"""
CONCURRENT_INDEX = """\
-- migrations/0004_concurrent_index.sql
-- rowstead:no-transaction
CREATE INDEX CONCURRENTLY users_lower_email_idx ON users (lower(email));
"""


@pytest.fixture
def migrations(backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The guide's folder in the working directory; SQLite gets its own spelling of a default."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "migrations"
    folder.mkdir()
    text = CREATE_USERS
    if not backend.is_postgres:
        text = text.replace("SERIAL", "INTEGER").replace("now()", "CURRENT_TIMESTAMP")
    (folder / "0001_create_users.sql").write_text(text)
    (folder / "0002_add_email_index.sql").write_text(
        "CREATE INDEX users_email_name_idx ON users (email, name);"
    )
    return folder


async def test_migrations_are_applied_and_their_status_told(
    db: DB, migrations: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    applied = await db.migrate("migrations/")
    print(f"applied {applied} migrations")
    assert capsys.readouterr().out == "applied 2 migrations\n"
    (migrations / "0003_add_articles.sql").write_text("CREATE TABLE articles (id INTEGER);")
    status = await db.migration_status("migrations/")
    assert status == MigrationStatus(
        pending=["0003_add_articles.sql"],
        applied=["0001_create_users.sql", "0002_add_email_index.sql"],
        drifted=[],
        missing=[],
    )
    assert status.is_consistent is True
    assert await db.migrate("migrations/") == 1
    assert (await db.insert(User(name="Ann"))).id == 1


@ON_POSTGRES
async def test_a_concurrent_index_is_made_outside_a_transaction(db: DB, migrations: Path) -> None:
    (migrations / "0004_concurrent_index.sql").write_text(CONCURRENT_INDEX)
    assert await db.migrate("migrations/") == 3
    valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'users_lower_email_idx'::regclass"
    assert await db.fetchval(valid) is True


async def test_an_inconsistent_state_is_refused_with_its_recovery(db: DB, migrations: Path) -> None:
    await db.migrate("migrations/")
    (migrations / "0001_create_users.sql").write_text("SELECT 1;")
    (migrations / "0002_add_email_index.sql").unlink()
    status = await db.migration_status("migrations/")
    assert not status.is_consistent
    assert (status.drifted, status.missing) == (["0001_create_users.sql"], ["0002_add_email_index.sql"])
    with pytest.raises(
        RuntimeError, match="DELETE FROM _rowstead_migrations WHERE filename = '0001_create"
    ) as told:
        await db.migrate("migrations/")
    assert "0002_add_email_index.sql" in str(told.value)


# The command line


async def rowstead(*arguments: str, folder: Path, url: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run `rowstead …` in `folder`, with DATABASE_URL if given."""
    environment = {k: v for k, v in os.environ.items() if k != "DATABASE_URL"}
    environment["PYTHONPATH"] = IMPORTABLE
    if url is not None:
        environment["DATABASE_URL"] = url
    command = [sys.executable, "-m", "rowstead", *arguments]
    return await asyncio.to_thread(
        subprocess.run,
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def test_the_command_line_migrates_and_tells_the_status(backend: Backend, migrations: Path) -> None:
    where = migrations.parent
    done = await rowstead("migrate", "./migrations", "--url", backend.url, folder=where)
    assert (done.returncode, done.stdout, done.stderr) == (0, "applied 2 migrations\n", "")
    (migrations / "0003_add_articles.sql").write_text("CREATE TABLE articles (id INTEGER);")
    told = await rowstead("status", "./migrations", "--url", backend.url, folder=where)
    assert told.stdout == (
        "Migration status (./migrations):\n"
        "  applied (2):\n"
        "    0001_create_users.sql\n"
        "    0002_add_email_index.sql\n"
        "  pending (1):\n"
        "    0003_add_articles.sql\n"
    )
    assert told.returncode == 0
    again = await rowstead("migrate", "./migrations", folder=where, url=backend.url)
    assert (again.returncode, again.stdout) == (0, "applied 1 migration\n")


async def test_the_exit_code_tells_an_inconsistent_state_from_wrong_usage(
    backend: Backend, migrations: Path
) -> None:
    where = migrations.parent
    await rowstead("migrate", "migrations", folder=where, url=backend.url)
    (migrations / "0001_create_users.sql").write_text("SELECT 1;")
    for command in ("status", "migrate"):
        assert (await rowstead(command, "migrations", folder=where, url=backend.url)).returncode == 1
    no_url = await rowstead("status", "migrations", folder=where)
    no_folder = await rowstead("migrate", "elsewhere", folder=where, url=backend.url)
    assert (no_url.returncode, no_folder.returncode) == (2, 2)
    assert "DATABASE_URL" in no_url.stderr
    assert "elsewhere" in no_folder.stderr
