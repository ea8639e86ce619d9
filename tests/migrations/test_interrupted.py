"""Runners that are killed, or many at once: every step is applied once, and the next run heals."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from conftest import Backend
from rowstead.errors import MigrationError

from .conftest import opened
from .runners import Runners, runners

ROUNDS = 3


@pytest.fixture(scope="module")
def processes() -> Iterator[Runners]:
    with runners() as found:
        yield found


def fill(folder, postgres: bool) -> None:
    folder["0001_seen.sql"] = "CREATE TABLE seen (step INTEGER NOT NULL, note TEXT);"
    folder["0002_data.sql"] = "INSERT INTO seen (step) VALUES (1);\nINSERT INTO seen (step) VALUES (2);"
    alone = "CREATE INDEX CONCURRENTLY seen_note ON seen (note);\nVACUUM seen;\nSET work_mem TO '8MB';\n"
    folder["0003_steps.sql"] = (
        "-- rowstead:no-transaction\nINSERT INTO seen (step) VALUES (3);\n"
        + (alone if postgres else "PRAGMA foreign_keys = OFF;\nVACUUM;\n")
        + "INSERT INTO seen (step) VALUES (4);\n"
        + ("DROP INDEX CONCURRENTLY seen_note;\n" if postgres else "")
    )
    folder["0004_last.sql"] = "INSERT INTO seen (step) VALUES (5);"


FILES = ["0001_seen.sql", "0002_data.sql", "0003_steps.sql", "0004_last.sql"]


class Place:
    """The database of a test, emptied at will and read without Rowstead."""

    def __init__(self, backend: Backend, empty: Callable[[], None], steps: Callable[[], list[int]]) -> None:
        self.url = backend.url
        self.is_postgres = backend.is_postgres
        self.empty = empty
        self.steps = steps


@pytest.fixture
def place(backend: Backend, request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    query = "SELECT step FROM seen ORDER BY step"
    if not backend.is_postgres:
        file = tmp_path / "test.sqlite"

        def empty() -> None:
            for left in tmp_path.glob("test.sqlite*"):
                left.unlink()

        def steps() -> list[int]:
            with closing(sqlite3.connect(file)) as connection:
                return [step for (step,) in connection.execute(query)]

        return Place(backend, empty, steps)
    database, admin = request.getfixturevalue("_shared_database")
    return Place(
        backend,
        lambda: database.empty(admin),
        lambda: [step for (step,) in admin.execute(query).fetchall()],
    )


async def test_rows_d07_ten_runners_at_once_all_succeed_and_apply_each_step_once(
    place, folder, processes
) -> None:
    fill(folder, place.is_postgres)
    for _ in range(ROUNDS):
        place.empty()
        ended = processes.round(place.url, folder.path, [None] * 10)
        assert [code for code, _ in ended] == [0] * 10
        assert place.steps() == [1, 2, 3, 4, 5]


async def test_a_runner_killed_after_any_statement_is_healed_by_the_next(place, folder, processes) -> None:
    fill(folder, place.is_postgres)
    place.empty()
    ((code, statements),) = processes.round(place.url, folder.path, [None])
    assert (code, statements > 20) == (0, True)
    for number in range(1, statements + 1):
        place.empty()
        ((killed, sent),) = processes.round(place.url, folder.path, [number])
        assert (killed, sent) == (-signal.SIGKILL, number)
        ((healed, _),) = processes.round(place.url, folder.path, [None])
        assert (number, healed, place.steps()) == (number, 0, [1, 2, 3, 4, 5])
    async with opened(place.url) as db:
        assert (await db.status(folder)).applied == FILES


async def test_five_runners_of_which_one_is_killed_finish_its_work(place, folder, processes) -> None:
    fill(folder, place.is_postgres)
    for number in (5, 12, 18):
        place.empty()
        ended = processes.round(place.url, folder.path, [number] + [None] * 4)
        assert [code for code, _ in ended[1:]] == [0] * 4
        assert place.steps() == [1, 2, 3, 4, 5]


# What a statement that cannot share a transaction leaves behind


@pytest.fixture
def postgres(postgres_url: str, _shared_database) -> tuple[str, psycopg.Connection]:
    return postgres_url, _shared_database[1]


def indexes(admin: psycopg.Connection) -> list[tuple[str, bool]]:
    return admin.execute(
        "SELECT c.relname, i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
        "WHERE i.indrelid = to_regclass('seen') ORDER BY 1"
    ).fetchall()


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("CREATE INDEX CONCURRENTLY seen_step ON seen (step);", "seen_step"),
        ("CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS Seen_Step ON public.seen (step);", "seen_step"),
        ('CREATE INDEX CONCURRENTLY "Seen; Step" ON ONLY "public"."seen" (step);', "Seen; Step"),
        ("CREATE INDEX CONCURRENTLY ON seen (step);", "seen_step_idx"),
    ],
)
async def test_an_index_build_that_was_interrupted_is_dropped_and_done_again(
    postgres, folder, statement: str, name: str
) -> None:
    url, admin = postgres
    folder["0001.sql"] = "CREATE TABLE seen (step INTEGER);"
    folder["0002.sql"] = f"-- rowstead:no-transaction\n{statement}"
    async with opened(url) as db:
        del folder["0002.sql"]
        await db.migrate(folder)
        folder["0002.sql"] = f"-- rowstead:no-transaction\n{statement}"
        interrupt_the_build(url, admin, folder)
        assert indexes(admin) == [(name, False)]
        assert await db.migrate(folder) == ["0002.sql"]
    assert indexes(admin) == [(name, True)]


def interrupt_the_build(url: str, admin: psycopg.Connection, folder) -> None:
    """Kill a runner, and then its server process, while an index is half built."""
    command = [sys.executable, "-m", "rowstead", "migrate", str(folder.path), "--url", url]
    with psycopg.connect(url) as writer:
        # The build waits for this transaction, in its second phase: the index is there, invalid.
        writer.execute("INSERT INTO seen VALUES (1)")
        with subprocess.Popen(command) as runner:
            waiting = wait_for_build(admin)
            runner.kill()
        admin.execute("SELECT pg_terminate_backend(%s)", [waiting])


def wait_for_build(admin: psycopg.Connection) -> int:
    """The server process that waits in CREATE INDEX CONCURRENTLY."""
    for _ in range(2_000):
        found = admin.execute(
            "SELECT a.pid FROM pg_stat_activity a JOIN pg_locks l ON l.pid = a.pid AND NOT l.granted "
            "WHERE a.query LIKE 'CREATE %INDEX CONCURRENTLY%'"
        ).fetchone()
        if found:
            return found[0]
        threading.Event().wait(0.005)
    raise AssertionError("no index build began")


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
