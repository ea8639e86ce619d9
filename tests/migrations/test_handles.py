"""The verbs on the handles of both worlds: `migrate` counts, `migration_status` tells."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from rowstead import DB, MigrationStatus

USERS = "CREATE TABLE users (id INTEGER PRIMARY KEY);"


def names(path: Path) -> list[str]:
    return sorted(child.name for child in path.iterdir())


async def test_migrate_takes_a_text_or_a_path_and_gives_the_count(backend, folder) -> None:
    folder["0001_users.sql"] = USERS
    folder["0002_more.sql"] = "CREATE TABLE more (id INTEGER);"
    async with await DB.from_url(backend.url) as db:
        assert await db.migrate(str(folder.path)) == 2
        assert await db.migrate(folder.path) == 0
        assert await db.migration_status(folder.path) == MigrationStatus(
            pending=[], applied=["0001_users.sql", "0002_more.sql"], drifted=[], missing=[]
        )


@pytest.mark.parametrize("backend", ["sqlite", "asyncpg", "psycopg"], indirect=True)
async def test_migrate_in_a_transaction_is_undone_with_it(backend, folder) -> None:
    folder["0001_users.sql"] = USERS
    async with await DB.from_url(backend.url) as db:

        async def undone() -> None:
            async with db.transaction() as tx:
                assert await tx.migrate(folder.path) == 1
                raise KeyError("undo")

        with pytest.raises(KeyError):
            await undone()
        assert (await db.migration_status(folder.path)).pending == ["0001_users.sql"]
        assert await db.migrate(folder.path) == 1


async def test_a_database_in_memory_is_migrated_without_a_file(folder, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder["0001_users.sql"] = "-- rowstead:no-transaction\n" + USERS
    async with await DB.from_url("sqlite:///:memory:") as db:
        assert await db.migrate(folder.path) == 1
        assert await db.fetchval("SELECT count(*) FROM users") == 0
    assert names(tmp_path) == ["migrations"]


async def test_no_lock_file_is_left_beside_the_database(folder, tmp_path: Path) -> None:
    folder["0001_users.sql"] = USERS
    async with await DB.from_url(f"sqlite:///{tmp_path / 'a.db'}") as db:
        assert await db.migrate(folder.path) == 1
    assert names(tmp_path) == ["a.db", "migrations"]
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
        assert connection.execute("SELECT filename FROM _rowstead_migrations").fetchall() == [
            ("0001_users.sql",)
        ]


def test_the_synchronous_handle_does_the_same(sync_db, folder) -> None:
    folder["0001_users.sql"] = USERS
    folder["0002.sql"] = "-- rowstead:no-transaction\nVACUUM;"
    assert sync_db.migrate(folder.path) == 2
    assert sync_db.migration_status(folder.path).applied == ["0001_users.sql", "0002.sql"]
