"""The pool in both worlds, on real SQLite connections."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic

import pytest

from rowstead.drivers import pool as pool_module
from rowstead.drivers.addresses import Options
from rowstead.drivers.pool import Pool
from rowstead.drivers.sqlite_connection import Settings, SQLiteConnection
from rowstead.drivers.sqlite_thread import ThreadConnection
from rowstead.errors import HandleClosed, PoolTimeout, StorageError, UsageError, ValidationError
from rowstead.sync.drivers.pool import Pool as SyncPool

MEMORY = Settings(":memory:")


class Source:
    """Makes connections and remembers them."""

    def __init__(self) -> None:
        self.made: list[ThreadConnection] = []
        self.failing: Exception | None = None

    async def __call__(self) -> ThreadConnection:
        if self.failing is not None:
            raise self.failing
        connection = ThreadConnection(MEMORY)
        await connection.connect()
        self.made.append(connection)
        return connection

    @property
    def alive(self) -> int:
        return sum(not connection.is_closed for connection in self.made)


@asynccontextmanager
async def opened(
    source: Source,
    min_size: int = 1,
    max_size: int = 3,
    acquire_timeout: float | None = 5.0,
    **options: float,
) -> AsyncIterator[Pool[ThreadConnection]]:
    pool = Pool(source, min_size=min_size, max_size=max_size, acquire_timeout=acquire_timeout, **options)
    await pool.open()
    try:
        yield pool
    finally:
        await pool.close()


async def settled(pool: Pool[ThreadConnection]) -> None:
    """Wait until nothing is being mended."""
    while pool._tasks:
        await asyncio.wait(set(pool._tasks))


async def test_open_makes_the_least_number_and_close_closes_all() -> None:
    source = Source()
    async with opened(source, min_size=2) as pool:
        assert (len(source.made), pool.size, pool.idle) == (2, 2, 2)
    assert source.alive == 0


async def test_open_raises_what_connecting_raises_and_leaves_nothing() -> None:
    source = Source()
    source.failing = StorageError("no such folder")
    pool = Pool(source)
    with pytest.raises(StorageError, match="no such folder"):
        await pool.open()
    assert pool.size == 0


async def test_the_connection_used_last_is_lent_first() -> None:
    async with opened(Source(), min_size=3) as pool:
        lent = [await pool.acquire() for _ in range(3)]
        for connection in lent:
            pool.release(connection)
        assert await pool.acquire() is lent[-1]
        pool.release(lent[-1])


async def test_waiters_are_served_in_their_order_of_arrival_under_load() -> None:
    async with opened(Source(), min_size=2, max_size=2) as pool:
        served: list[int] = []

        async def use(number: int) -> None:
            connection = await pool.acquire()
            served.append(number)
            await connection.execute("SELECT 1", ())
            pool.release(connection)

        await asyncio.gather(*(use(number) for number in range(300)))
        assert served == list(range(300))
        assert (pool.waiting, pool.size, pool.idle) == (0, 2, 2)


async def test_a_newcomer_does_not_overtake_who_waits() -> None:
    async with opened(Source(), max_size=1) as pool:
        order: list[str] = []
        connection = await pool.acquire()

        async def wait() -> None:
            mine = await pool.acquire()
            order.append("waiter")
            pool.release(mine)

        waiter = asyncio.create_task(wait())
        await asyncio.sleep(0)
        pool.release(connection)
        newcomer = asyncio.create_task(pool.acquire())
        pool.release(await newcomer)
        order.append("newcomer")
        await waiter
        assert order == ["waiter", "newcomer"]


async def test_a_time_out_names_who_holds_the_connections() -> None:
    async with opened(Source(), max_size=2, acquire_timeout=0.05) as pool:
        release = asyncio.Event()
        holding = asyncio.Semaphore(0)

        async def hold() -> None:
            connection = await pool.acquire()
            holding.release()
            await release.wait()
            pool.release(connection)

        holders = [asyncio.create_task(hold(), name=name) for name in ("report", "nightly-import")]
        for _ in holders:
            await holding.acquire()
        started = monotonic()
        with pytest.raises(PoolTimeout) as caught:
            await pool.acquire()
        assert 0.045 <= monotonic() - started < 0.5
        assert "report for 0." in str(caught.value)
        assert "nightly-import for 0." in str(caught.value)
        assert caught.value.code == "POOL_TIMEOUT"
        assert pool.waiting == 0
        release.set()
        await asyncio.gather(*holders)


async def test_rows_d22_asking_for_what_one_holds_oneself_raises_at_once() -> None:
    async with opened(Source(), max_size=1, acquire_timeout=None) as pool:
        connection = await pool.acquire()
        with pytest.raises(UsageError, match="`tx`"):
            await pool.acquire()
        pool.release(connection)
        assert await pool.acquire() is connection
        pool.release(connection)


async def test_another_task_waits_where_the_holder_would_be_refused() -> None:
    async with opened(Source(), max_size=1) as pool:
        connection = await pool.acquire()
        other = asyncio.create_task(pool.acquire())
        await asyncio.sleep(0)
        pool.release(connection)
        assert await other is connection
        pool.release(connection)


async def test_a_dirty_connection_is_reset_before_its_next_turn() -> None:
    async with opened(Source(), max_size=1) as pool:
        connection = await pool.acquire()
        await connection.fetch_raw("CREATE TEMP TABLE mine (id)", ())
        await connection.fetch_raw("PRAGMA foreign_keys = OFF", ())
        connection.dirty = True
        pool.release(connection)
        again = await pool.acquire()
        assert again is connection
        assert again.dirty is False
        assert await again.fetch("PRAGMA foreign_keys", ()) == [(1,)]
        assert await again.fetch("SELECT count(*) FROM temp.sqlite_master", ()) == [(0,)]
        pool.release(again)


async def test_a_suspect_connection_is_mended_behind_the_callers_back() -> None:
    async with opened(Source(), max_size=1) as pool:
        connection = await pool.acquire()
        await connection.execute("BEGIN", ())
        pool.release(connection, suspect=True)
        assert pool.idle == 0
        again = await pool.acquire()
        assert again is connection
        assert not again.in_transaction
        pool.release(again)


async def test_a_connection_given_back_with_an_open_transaction_is_rolled_back() -> None:
    async with opened(Source(), max_size=1) as pool:
        connection = await pool.acquire()
        await connection.execute("CREATE TABLE t (id)", ())
        await connection.execute("BEGIN", ())
        await connection.execute("INSERT INTO t VALUES (1)", ())
        pool.release(connection)
        again = await pool.acquire()
        assert await again.fetch("SELECT count(*) FROM t", ()) == [(0,)]
        pool.release(again)


async def test_what_broke_while_idle_is_replaced() -> None:
    source = Source()
    async with opened(source, min_size=2, max_size=2) as pool:
        for connection in source.made:
            connection.terminate()
        fresh = await pool.acquire()
        assert fresh not in source.made[:2]
        assert await fresh.fetch("SELECT 1", ()) == [(1,)]
        pool.release(fresh)
        assert pool.size == 2


async def test_one_broken_connection_makes_the_pool_ping_the_others() -> None:
    source = Source()
    async with opened(source, min_size=2, max_size=2) as pool:
        silent, broken = source.made
        # Its file is gone, though it does not know yet: only a ping can tell.
        silent._connection.terminate()
        first = await pool.acquire()
        assert first is broken
        broken.terminate()
        pool.release(broken)
        second = await pool.acquire()
        assert second is not silent
        assert silent.is_closed
        pool.release(second)
        assert source.alive == pool.size


async def test_a_failure_to_replace_goes_to_the_caller_and_the_next_one_succeeds() -> None:
    source = Source()
    async with opened(source, max_size=1) as pool:
        source.made[0].terminate()
        source.failing = StorageError("disk gone")
        with pytest.raises(StorageError, match="disk gone"):
            await pool.acquire()
        source.failing = None
        connection = await pool.acquire()
        assert (pool.size, connection.is_closed) == (1, False)
        pool.release(connection)


async def test_the_right_to_a_broken_connection_goes_to_who_waits() -> None:
    source = Source()
    async with opened(source, max_size=1) as pool:
        connection = await pool.acquire()
        waiters = [asyncio.create_task(pool.acquire()) for _ in range(2)]
        await asyncio.sleep(0)
        connection.terminate()
        pool.release(connection, suspect=True)
        first = await waiters[0]
        assert first is not connection
        pool.release(first)
        pool.release(await waiters[1])
        assert (pool.size, pool.idle) == (1, 1)


async def test_a_connection_past_its_lifetime_is_replaced() -> None:
    source = Source()
    async with opened(source, max_size=1, max_lifetime=0.0) as pool:
        connection = await pool.acquire()
        pool.release(connection)
        other = await pool.acquire()
        assert other is not connection
        await settled(pool)
        assert connection.is_closed
        pool.release(other)


async def test_connections_idle_for_too_long_are_closed_down_to_the_least_number() -> None:
    source = Source()
    async with opened(source, min_size=1, max_size=3, max_idle=0.0) as pool:
        lent = [await pool.acquire() for _ in range(3)]
        for connection in lent:
            pool.release(connection)
        for _ in range(3):
            pool.release(await pool.acquire())
        await settled(pool)
        assert (pool.size, source.alive) == (1, 1)


async def test_a_long_idle_connection_is_pinged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "CHECK_AFTER_IDLE", 0.0)
    source = Source()
    async with opened(source, max_size=1) as pool:
        source.made[0]._connection.terminate()
        connection = await pool.acquire()
        assert connection is not source.made[0]
        pool.release(connection)


async def test_giving_back_twice_is_an_error() -> None:
    async with opened(Source()) as pool:
        connection = await pool.acquire()
        pool.release(connection)
        with pytest.raises(UsageError, match="given back before"):
            pool.release(connection)


async def test_close_wakes_who_waits_and_waits_for_who_works() -> None:
    source = Source()
    pool = Pool(source, max_size=1)
    await pool.open()
    working = asyncio.Event()
    go_on = asyncio.Event()

    async def work() -> list[object]:
        connection = await pool.acquire()
        working.set()
        await go_on.wait()
        rows = await connection.fetch("SELECT 7", ())
        pool.release(connection)
        return list(rows)

    worker = asyncio.create_task(work())
    await working.wait()
    waiter = asyncio.create_task(pool.acquire())
    await asyncio.sleep(0)
    closing = asyncio.create_task(pool.close())
    with pytest.raises(HandleClosed):
        await waiter
    go_on.set()
    await closing
    assert await worker == [(7,)]
    assert source.alive == 0
    with pytest.raises(HandleClosed):
        await pool.acquire()


async def test_close_does_not_wait_for_ever() -> None:
    source = Source()
    pool = Pool(source, max_size=1, close_timeout=0.05)
    await pool.open()
    holder = asyncio.create_task(pool.acquire())
    connection = await holder
    started = monotonic()
    await pool.close()
    assert monotonic() - started < 1
    assert connection.is_closed


@pytest.mark.parametrize("seed", range(5))
async def test_a_storm_of_cancellations_leaks_no_connection(seed: int) -> None:
    rng = random.Random(seed)
    source = Source()
    async with opened(source, max_size=5, acquire_timeout=None) as pool:
        ended: Counter[str] = Counter()

        async def use() -> None:
            connection = await pool.acquire()
            suspect = True
            try:
                await connection.execute("BEGIN", ())
                await connection.fetch("SELECT 1 + (SELECT 1)", ())
                await connection.execute("COMMIT", ())
                if rng.random() < 0.2:
                    connection.dirty = True
                suspect = rng.random() < 0.1
            finally:
                pool.release(connection, suspect)

        tasks = [asyncio.create_task(use()) for _ in range(1000)]
        doomed = rng.sample(tasks, 700)
        for task in doomed:
            for _ in range(rng.randrange(4)):
                await asyncio.sleep(0)
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            ended["cancelled" if isinstance(outcome, asyncio.CancelledError) else repr(outcome)] += 1
        await settled(pool)
        assert set(ended) <= {"None", "cancelled"}
        assert ended["None"] >= 300
        assert ended["cancelled"] > 0
        assert (pool.idle, pool.waiting, pool.holders()) == (pool.size, 0, [])
        lent = [await pool.acquire() for _ in range(5)]
        assert all(not connection.in_transaction for connection in lent)
        for connection in lent:
            pool.release(connection)
    assert source.alive == 0


async def test_cancelling_a_waiter_who_was_just_served_passes_the_connection_on() -> None:
    async with opened(Source(), max_size=1) as pool:
        connection = await pool.acquire()
        first = asyncio.create_task(pool.acquire())
        second = asyncio.create_task(pool.acquire())
        await asyncio.sleep(0)
        pool.release(connection)
        first.cancel()
        assert await second is connection
        with pytest.raises(asyncio.CancelledError):
            await first
        pool.release(connection)


def test_a_loop_that_ends_while_a_connection_is_mended_loses_nothing() -> None:
    source = Source()
    pool = Pool(source, max_size=1, acquire_timeout=5.0)

    async def stop_in_the_middle() -> None:
        connection = await pool.acquire()
        await connection.execute("BEGIN", ())
        pool.release(connection, suspect=True)

    async def go_on() -> list[object]:
        connection = await pool.acquire()
        rows = await connection.fetch("SELECT 1", ())
        assert not connection.in_transaction
        pool.release(connection)
        await pool.close()
        return list(rows)

    asyncio.run(stop_in_the_middle())
    assert asyncio.run(go_on()) == [(1,)]
    assert source.alive == 0


@pytest.mark.parametrize(
    ("given", "bounds"),
    [
        ({}, (1, 10)),
        ({"max_size": 3}, (1, 3)),
        ({"min_size": 20}, (20, 20)),
        ({"min_size": 2, "max_size": 2}, (2, 2)),
    ],
)
def test_rows_d21_one_bound_alone_is_enough(given: dict[str, int], bounds: tuple[int, int]) -> None:
    assert Options(**given).bounds() == bounds


@pytest.mark.parametrize(
    "given", [{"min_size": 3, "max_size": 2}, {"max_size": 0}, {"min_size": -1}, {"max_size": True}]
)
def test_bounds_that_make_no_sense_are_refused(given: dict[str, int]) -> None:
    with pytest.raises(ValidationError, match="_size"):
        Options(**given).bounds()


# ── threads ──────────────────────────────────────────────────────────────────────────────────


def connect() -> SQLiteConnection:
    connection = SQLiteConnection(MEMORY)
    connection.connect()
    return connection


def test_twenty_threads_share_three_connections_one_at_a_time() -> None:
    pool = SyncPool(connect, max_size=3)
    pool.open()
    in_use: set[int] = set()
    clashes: list[int] = []
    done: list[int] = []

    def work() -> None:
        for number in range(50):
            connection = pool.acquire()
            if id(connection) in in_use:
                clashes.append(number)
            in_use.add(id(connection))
            connection.fetch("SELECT 1", ())
            in_use.discard(id(connection))
            pool.release(connection, suspect=number % 10 == 0)
            done.append(number)

    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(done), clashes) == (1000, [])
    assert (pool.idle, pool.waiting) == (pool.size, 0)
    pool.close()


def test_a_thread_that_waits_too_long_learns_which_thread_holds_the_connection() -> None:
    pool = SyncPool(connect, max_size=1, acquire_timeout=0.05)
    pool.open()
    connection = pool.acquire()
    caught: list[PoolTimeout] = []

    def ask() -> None:
        try:
            pool.acquire()
        except PoolTimeout as error:
            caught.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert threading.current_thread().name in str(caught[0])
    pool.release(connection)
    pool.close()


def test_rows_d22_a_thread_that_would_wait_for_itself_is_told_at_once() -> None:
    pool = SyncPool(connect, max_size=1, acquire_timeout=None)
    connection = pool.acquire()
    with pytest.raises(UsageError, match="`tx`"):
        pool.acquire()
    pool.release(connection)
    pool.close()


def test_close_wakes_the_threads_that_wait() -> None:
    pool = SyncPool(connect, max_size=1, close_timeout=0.05)
    pool.acquire()
    caught: list[str] = []

    def ask() -> None:
        try:
            pool.acquire()
        except HandleClosed as error:
            caught.append(error.code)

    thread = threading.Thread(target=ask)
    thread.start()
    while not pool.waiting:
        threading.Event().wait(0.001)
    pool.close()
    thread.join()
    assert caught == ["HANDLE_CLOSED"]
