"""Statements that cannot share a transaction: what a failed or an interrupted one leaves is settled.

Runners that are killed, and many at once, are in `tests/faults`.
"""

from __future__ import annotations

import psycopg
import pytest

from rowstead.errors import MigrationError

from .conftest import opened


@pytest.fixture
def postgres(postgres_url: str, _shared_database) -> tuple[str, psycopg.Connection]:
    return postgres_url, _shared_database[1]


def indexes(admin: psycopg.Connection) -> list[tuple[str, bool]]:
    return admin.execute(
        "SELECT c.relname, i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
        "WHERE i.indrelid = to_regclass('seen') ORDER BY 1"
    ).fetchall()


async def test_an_index_build_that_failed_can_be_mended(postgres, folder) -> None:
    url, admin = postgres
    folder["0001.sql"] = "CREATE TABLE seen (step INTEGER); INSERT INTO seen VALUES (1), (1);"
    folder["0002.sql"] = "-- rowstead:no-transaction\nCREATE UNIQUE INDEX CONCURRENTLY one ON seen (step);"
    async with opened(url) as db:
        with pytest.raises(MigrationError, match=r"0002\.sql failed at line 2 \(CREATE UNIQUE INDEX"):
            await db.migrate(folder)
        assert indexes(admin) == [("one", False)]
        folder["0002.sql"] = "-- rowstead:no-transaction\nCREATE INDEX CONCURRENTLY two ON seen (step);"
        assert await db.migrate(folder) == ["0002.sql"]
    assert indexes(admin) == [("two", True)]


async def test_a_block_that_commits_runs_alone_and_cannot_be_told_after_an_interruption(
    postgres, folder
) -> None:
    url, admin = postgres
    folder["0001.sql"] = "CREATE TABLE seen (step INTEGER);"
    folder["0002.sql"] = (
        "-- rowstead:no-transaction\n"
        "DO $$ BEGIN INSERT INTO seen VALUES (1); COMMIT; INSERT INTO seen VALUES (2); END $$;\n"
        "DO $$ BEGIN INSERT INTO seen VALUES (3); COMMIT; RAISE 'stop'; END $$;\n"
        "INSERT INTO seen VALUES (4);"
    )
    async with opened(url) as db:
        with pytest.raises(MigrationError, match=r"failed at line 3"):
            await db.migrate(folder)
        with pytest.raises(MigrationError, match="cannot be told whether it ran") as undecided:
            await db.migrate(folder)
        applied = (
            "UPDATE _rowstead_migrations SET progress = 2, detail = NULL "
            "WHERE filename = '0002.sql' AND source = 'plain'"
        )
        assert applied in str(undecided.value)
        admin.execute(applied)
        assert await db.migrate(folder) == ["0002.sql"]
    assert [s for (s,) in admin.execute("SELECT step FROM seen ORDER BY 1")] == [1, 2, 3, 4]


async def test_a_database_made_before_an_interruption_is_not_made_again(postgres, folder) -> None:
    url, admin = postgres
    folder["0001.sql"] = "-- rowstead:no-transaction\nCREATE DATABASE made_once;\nDROP DATABASE made_once;"
    started: list[str] = []
    async with opened(url) as db:
        with pytest.raises(KeyboardInterrupt):
            await interrupted_after(db, folder, "CREATE DATABASE", started)
        assert admin.execute("SELECT progress FROM _rowstead_migrations").fetchone() == (0,)
        assert await db.migrate(folder) == ["0001.sql"]
    assert admin.execute("SELECT 1 FROM pg_database WHERE datname = 'made_once'").fetchone() is None


async def interrupted_after(db, folder, words: str, started: list[str]) -> None:
    """A run that ends as soon as a statement that begins so has been answered, without a goodbye."""
    from rowstead.database import Database
    from rowstead.drivers.urls import Options

    def stop(trace) -> None:
        if trace.sql.startswith(words):
            raise KeyboardInterrupt

    database = await Database.from_url(db.url, Options(min_size=1, max_size=1), trace=stop)
    try:
        await type(db)(database, db.url).migrate(folder)
    finally:
        await database.close()


async def test_rows_d08_a_concurrent_index_and_a_vacuum_work_in_one_file(postgres, folder) -> None:
    url, admin = postgres
    folder["0001.sql"] = "CREATE TABLE seen (step INTEGER);"
    folder["0002.sql"] = (
        "-- migrations/0002.sql\n-- rowstead:no-transaction\n"
        "CREATE INDEX CONCURRENTLY seen_step ON seen (step);\nVACUUM seen;\n"
        "REINDEX INDEX CONCURRENTLY seen_step;"
    )
    async with opened(url) as db:
        assert await db.migrate(folder) == ["0001.sql", "0002.sql"]
    assert indexes(admin) == [("seen_step", True)]


async def test_a_read_only_role_can_ask_for_the_status(postgres, folder, postgres_server) -> None:
    url, admin = postgres
    folder["0001.sql"] = "CREATE TABLE seen (step INTEGER);"
    with postgres_server.role() as (user, password):
        theirs = postgres_server.url_of(url.rpartition("/")[2], user=user, password=password)
        async with opened(theirs) as db:
            assert (await db.status(folder)).pending == ["0001.sql"]
        async with opened(url) as db:
            await db.migrate(folder)
        admin.execute(f'GRANT SELECT ON _rowstead_migrations TO "{user}"')
        async with opened(theirs) as db:
            assert (await db.status(folder)).applied == ["0001.sql"]
