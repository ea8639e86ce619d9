"""MariaDB: what commits a block, what is lost and what is not, cancellation, kills, the other world."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest

from faults.proxy import Proxy
from rowstead import (
    DB,
    CheckError,
    CommitOutcomeUnknown,
    ConflictError,
    DataError,
    DisconnectedError,
    DuplicateError,
    OutcomeUnknown,
    RowsteadError,
    StatementTimeout,
    TransactionFailed,
    UsageError,
)
from rowstead.sync import DB as SyncDB
from servers import with_driver
from suite.maria import (
    USERS,
    User,
    db_by_each_library,  # noqa: F401
    gone,
    library_of,
    there,
)

pytestmark = pytest.mark.mariadb


# ── transactions ─────────────────────────────────────────────────────────────────────────────

COMMITTING = [
    "CREATE TABLE more (id INTEGER)",
    "  -- a comment\n/* another */ drop table users",
    "ALTER TABLE users ADD COLUMN x INTEGER",
    "TRUNCATE users",
    "# a comment\nDROP TABLE users",
    "RENAME TABLE users TO others",
    "GRANT SELECT ON *.* TO nobody",
    "LOCK TABLES users WRITE",
    "SET autocommit = 1",
    "SET @@session.autocommit = ON",
    "SET SESSION sort_buffer_size = 300000, autocommit = 1",
    "CREATE OR REPLACE VIEW v AS SELECT 1",
]


@pytest.mark.parametrize("statement", COMMITTING)
async def test_a_statement_that_would_commit_the_block_is_refused_and_not_sent(
    db: DB, statement: str
) -> None:
    with pytest.raises(KeyError):
        async with db.transaction() as tx:
            await tx.insert(User(email="a"))
            with pytest.raises(UsageError, match="would commit this transaction block"):
                await tx.execute(statement)
            assert await tx.count(User) == 1
            raise KeyError
    assert await db.count(User) == 0


async def test_a_temporary_table_is_none_of_these(db: DB) -> None:
    with pytest.raises(KeyError):
        async with db.transaction() as tx:
            await tx.insert(User(email="a"))
            await tx.execute("CREATE TEMPORARY TABLE t (id INTEGER)")
            await tx.execute("INSERT INTO t VALUES (1)")
            await tx.execute("DROP TEMPORARY TABLE t")
            raise KeyError
    assert await db.count(User) == 0


async def test_a_statement_that_ended_the_block_all_the_same_is_told(db: DB) -> None:
    await db.execute("CREATE PROCEDURE sly() BEGIN COMMIT; END")
    for statement in ("CALL sly()", "/*! CREATE TABLE more (id INTEGER) */"):
        with pytest.raises(UsageError, match="ended this transaction block"):
            async with db.transaction() as tx:
                await tx.insert(User(email=statement))
                await tx.execute(statement)
    assert await db.count(User) == 2, "what the message says: it is committed"


async def test_a_function_in_a_transaction_loses_no_update(db: DB) -> None:
    await db.insert(User(id=1))

    async def add(tx: DB) -> None:
        user = await tx.get(User, id=1)
        assert user is not None
        await tx.update(User(id=1, n=user.n + 1))

    await asyncio.gather(*(db.transaction(add, max_retries=100) for _ in range(20)))
    assert (await db.get(User, id=1)) == User(id=1, n=20)


async def test_a_block_at_the_servers_own_level_is_told_of_a_change_it_did_not_see(db: DB) -> None:
    # The control of the test above: here nothing is retried, and a lost update is an error, not silence.
    await db.insert(User(id=1))
    with pytest.raises(ConflictError):
        async with db.transaction() as tx:
            assert (await tx.get(User, id=1)) == User(id=1)
            await db.update(User(id=1, n=5))
            await tx.update(User(id=1, n=1))
    assert (await db.get(User, id=1)) == User(id=1, n=5)


async def test_a_deadlock_undoes_the_whole_transaction_and_can_be_tried_again(db: DB) -> None:
    await db.insert_many([User(id=1), User(id=2)])
    ready = asyncio.Barrier(2)

    async def block(first: int, second: int) -> None:
        async with db.transaction() as tx:
            await tx.update(User(id=first, n=1))
            await ready.wait()
            async with tx.transaction() as inner:
                await inner.update(User(id=second, n=2))

    results = await asyncio.gather(block(1, 2), block(2, 1), return_exceptions=True)
    (error,) = [result for result in results if result is not None]
    assert isinstance(error, (ConflictError, TransactionFailed))
    assert error.retryable
    assert {(user.id, user.n) for user in await db.query(User)} in ({(1, 1), (2, 2)}, {(1, 2), (2, 1)})


async def test_a_lock_that_is_waited_for_too_long_undoes_the_whole_transaction(db: DB) -> None:
    await db.insert_many([User(id=1), User(id=2)])
    async with db.transaction() as holder:
        await holder.update(User(id=1, n=5))
        with pytest.raises(ConflictError, match="the whole transaction is rolled back"):
            async with db.transaction() as tx:
                await tx.execute("SET SESSION innodb_lock_wait_timeout = 1")
                await tx.update(User(id=2, n=7))
                await tx.update(User(id=1, n=7))
    assert [(user.id, user.n) for user in await db.query(User, order="id")] == [(1, 5), (2, 0)]


@pytest.mark.parametrize("on_conflict", ["upsert", "ignore"])
async def test_a_write_that_was_looked_into_fails_its_block_as_any_other(db: DB, on_conflict: Any) -> None:
    await db.insert(User(email="a", nick="x"))
    refused = (User(email="b", nick="x", n=1), User(email="b", n=-1), User(email="b" * 200, n=1))
    for row in refused:
        with pytest.raises(TransactionFailed):
            async with db.transaction() as tx:
                await tx.insert(User(email="before"))
                with pytest.raises((DuplicateError, CheckError, DataError)):
                    await tx.insert(row, on_conflict=on_conflict, conflict_target="email")
    # What is not refused leaves the block as it is.
    async with db.transaction() as tx:
        await tx.insert(User(email="a", n=3), on_conflict=on_conflict, conflict_target="email")
        await tx.insert(User(email="behind"))
    assert {user.email for user in await db.query(User)} == {"a", "behind"}


async def test_tasks_never_share_a_transaction(db: DB) -> None:
    async def block(number: int) -> None:
        with suppress(KeyError):
            async with db.transaction() as tx:
                await tx.insert_many([User(email=f"{number}{part}") for part in "xyz"])
                await asyncio.sleep(0)
                if number % 2:
                    raise KeyError

    await asyncio.gather(*(block(number) for number in range(12)))
    wanted = sorted(f"{number}{part}" for number in range(0, 12, 2) for part in "xyz")
    assert [user.email for user in await db.query(User, order="email")] == wanted


async def test_isolation_levels_and_reading_only(db: DB) -> None:
    async with db.transaction(isolation="read committed") as tx:
        assert await tx.count(User) == 0
        await db.insert(User(email="a"))
        assert await tx.count(User) == 1
    async with db.transaction(isolation="repeatable read") as tx:
        assert await tx.count(User) == 1
        await db.insert(User(email="b"))
        assert await tx.count(User) == 1
    with pytest.raises(RowsteadError) as told:
        async with db.transaction(readonly=True) as tx:
            await tx.insert(User(email="c"))
    assert told.value.code == "READ_ONLY"
    assert await db.insert(User(email="d")), "no level and no mode is left behind"


# ── cancellation, kills, timeouts ────────────────────────────────────────────────────────────


async def test_a_cancelled_statement_stops_on_the_server_and_leaks_nothing(db: DB) -> None:
    pool: Any = db.database.driver.pool
    for _ in range(5):
        task = asyncio.create_task(db.fetch("SELECT SLEEP(100)"))
        await there(db, "SELECT SLEEP")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await gone(db, "SELECT SLEEP")
    assert not pool.holders()
    assert await db.count(User) == 0


async def test_a_cancelled_block_leaves_no_lock_and_no_row(db: DB) -> None:
    await db.insert(User(id=1))
    locked = asyncio.Event()

    async def block() -> None:
        async with db.transaction() as tx:
            await tx.update(User(id=1, n=1))
            locked.set()
            await tx.fetch("SELECT SLEEP(100)")

    task = asyncio.create_task(block())
    await locked.wait()
    await there(db, "SELECT SLEEP")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(10):
        assert await db.update(User(id=1, n=5)) == User(id=1, n=5)


async def test_a_block_whose_connection_is_killed_is_undone_and_the_next_one_works(db: DB) -> None:
    with pytest.raises(DisconnectedError):
        async with db.transaction() as tx:
            await tx.insert(User(email="a"))
            number = await tx.fetchval("SELECT connection_id()")
            await db.execute(f"KILL CONNECTION {number}")
            await tx.insert(User(email="b"))
    assert await db.count(User) == 0
    assert await db.insert(User(email="c"))


async def test_a_commit_whose_answer_is_lost_is_an_unknown_outcome(db: DB, mariadb_url: str) -> None:
    parts = urlsplit(with_driver(mariadb_url, library_of(db)))
    assert parts.hostname is not None
    assert parts.port is not None
    async with Proxy(parts.hostname, parts.port) as proxy:
        login = parts.netloc.rpartition("@")[0]
        url = urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{proxy.port}"))
        async with await DB.from_url(url) as other:
            with pytest.raises(CommitOutcomeUnknown):
                async with other.transaction() as tx:
                    await tx.insert(User(email="a"))
                    proxy.cut("to client", 0)
            assert await other.count(User) <= 1
            proxy.cut("to client", 0)
            with pytest.raises(OutcomeUnknown):
                await other.insert(User(email="b"))
            # What was never sent was not applied.
            assert await other.insert(User(email="c"))
    assert {user.email for user in await db.query(User)} >= {"a", "c"}


async def test_a_statement_that_takes_too_long_is_stopped(db: DB, mariadb_url: str) -> None:
    url = with_driver(mariadb_url, library_of(db))
    async with await DB.from_url(url, statement_timeout=0.2) as hasty:
        with pytest.raises(StatementTimeout):
            await hasty.fetch(
                "SELECT count(*) FROM information_schema.columns a, information_schema.columns b, "
                "information_schema.columns c"
            )
        await hasty.execute("SET SESSION max_error_count = 10")  # reset before its next turn
        assert await hasty.fetchval("SELECT @@max_statement_time") == pytest.approx(0.2)


async def test_a_session_is_ours_again_after_raw_sql_changed_it(db: DB) -> None:
    for change in ("SET time_zone = '+05:00'", "SET NAMES latin1", "SET sql_mode = ''", "SET @mine = 1"):
        await db.execute(change)
    seen = await db.fetchrow(
        "SELECT @@time_zone AS zone, @@collation_connection AS c, @@autocommit AS a, @mine AS m"
    )
    assert seen == {"zone": "+00:00", "c": "utf8mb4_nopad_bin", "a": 1, "m": None}


# ── without asyncio ──────────────────────────────────────────────────────────────────────────


@pytest.fixture
def sync_db(mariadb_url: str) -> Iterator[SyncDB]:
    with SyncDB.from_url(mariadb_url) as handle:
        handle.execute(USERS)
        yield handle


def test_without_asyncio_too_values_are_values_in_every_mode(sync_db: SyncDB) -> None:
    attacks = ["\\", "\\' OR 1=1 -- ", "' OR ''='", "\x00"]
    for sql_mode in ("", "NO_BACKSLASH_ESCAPES"):
        with sync_db.transaction() as tx:
            tx.execute(f"SET SESSION sql_mode = '{sql_mode}'")
            for attack in attacks:
                for value in (attack, attack.encode()):
                    assert tx.fetchval("SELECT $1", value) == value
                assert tx.count(User, email=attack) == 0


def test_without_asyncio_too_no_update_is_lost_and_no_upsert_goes_astray(sync_db: SyncDB) -> None:
    sync_db.insert(User(id=1, email="a", nick="x"))

    def add(tx: SyncDB) -> None:
        user = tx.get(User, id=1)
        assert user is not None
        tx.update(User(id=1, n=user.n + 1))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: sync_db.transaction(add, max_retries=100), range(20)))
    with pytest.raises(DuplicateError):
        sync_db.insert(User(email="b", nick="x", n=1), on_conflict="upsert", conflict_target="email")
    assert sync_db.query(User) == [User(id=1, email="a", nick="x", n=20)]


def test_without_asyncio_too_a_kill_undoes_the_block_and_silence_ends(
    sync_db: SyncDB, mariadb_url: str
) -> None:
    with pytest.raises(DisconnectedError), sync_db.transaction() as tx:
        tx.insert(User(email="a"))
        sync_db.execute(f"KILL CONNECTION {tx.fetchval('SELECT connection_id()')}")
        tx.insert(User(email="b"))
    assert sync_db.count(User) == 0
    with SyncDB.from_url(mariadb_url, statement_timeout=0.2) as hasty:
        with pytest.raises(StatementTimeout):
            hasty.fetch("SELECT count(*) FROM seq_1_to_100000 a, seq_1_to_100000 b")
        assert hasty.count(User) == 0
