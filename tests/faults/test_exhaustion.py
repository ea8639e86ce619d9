"""A thousand who wait for five connections, and a server that stands still under them.

Each is served in its turn or told within a tenth of its limit that it is not; who comes later never
overtakes. What bounds a statement that already runs when the server stands still is the client's own
clock: `statement_timeout` and a twentieth of it (`client_limit`). Without a `statement_timeout`
nothing bounds it; those who wait for its connection are still bounded by `acquire_timeout`.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from conftest import Backend
from rowstead import DB, OutcomeUnknown, PoolTimeout, Row, RowsteadError, StatementTimeout
from rowstead.drivers.pool import Pool
from rowstead.transaction import ROLL_BACK_TIMEOUT
from servers import PostgresServer, with_driver

from .figures import LONG, record_figure, size

WAITERS = 1000
CONNECTIONS = 5
LATE = 0.1
"""The share of a limit by which it may be missed."""
LIMIT = 1.0


class Mark(Row):
    __table__ = "mark"
    id: int


class Impolite(Pool[Any]):
    """The control: who comes and finds nothing free puts itself first."""

    def _join(self, me: object) -> Any:
        turn = super()._join(me)
        if turn in self._queue:
            self._queue.move_to_end(turn, last=random.random() < 0.5)
        return turn


class Served:
    """In what order connections were lent, and how long the others waited."""

    def __init__(self, db: DB) -> None:
        self.db = db
        self.order: list[int] = []
        self.waited: list[float] = []
        self.ended: Counter[str] = Counter()
        self._tasks: list[asyncio.Task[None]] = []

    async def wait(self, number: int, seconds: float) -> None:
        """Take a connection and hold it for so long."""
        driver = self.db.database.driver
        started = time.monotonic()
        try:
            connection = await driver.lend(True)
        except PoolTimeout:
            self.ended["timed out"] += 1
            self.waited.append(time.monotonic() - started)
            return
        self.order.append(number)
        try:
            await connection.fetch("SELECT 1", ())
            await asyncio.sleep(seconds)
        finally:
            driver.take_back(connection)
        self.ended["served"] += 1

    async def all(self, number: int, seconds: float) -> None:
        await asyncio.gather(*(self.wait(index, seconds) for index in range(number)))

    @property
    def overtaken(self) -> int:
        """How many were served although one who came later had been before."""
        return sum(later < earlier for earlier, later in zip(self.order, self.order[1:], strict=False))


def late(waited: list[float], limit: float) -> float:
    """By what share of the limit the slowest missed it, or the hastiest fell short."""
    return max(max(waited) / limit - 1, 1 - min(waited) / limit)


@asynccontextmanager
async def opened(backend: Backend, acquire_timeout: float) -> AsyncIterator[DB]:
    async with await DB.from_url(
        backend.url, min_size=CONNECTIONS, max_size=CONNECTIONS, acquire_timeout=acquire_timeout
    ) as db:
        yield db


async def test_a_thousand_waiters_are_served_in_order_or_told_in_time(backend: Backend) -> None:
    connections = CONNECTIONS if backend.is_postgres else 1  # SQLite has one writer
    async with opened(backend, LIMIT) as db:
        # Each holds its connection for so long that about half are served within the limit.
        served = Served(db)
        await served.all(WAITERS, connections * LIMIT / (WAITERS / 2))
    async with opened(backend, 60.0) as db:
        patient = Served(db)
        await patient.all(WAITERS, 0)
    async with opened(backend, 60.0) as db:
        pool: Any = getattr(db.database.driver, "pool", None) or getattr(db.database.driver, "_writer", None)
        pool.__class__ = Impolite
        impolite = Served(db)
        await impolite.all(WAITERS, 0)
    record_figure(
        f"{WAITERS} waiters on {connections} connection(s), {backend.name}",
        f"{served.ended['served']} served, {served.ended['timed out']} told within "
        f"{late(served.waited, LIMIT):.1%} of the limit, {served.overtaken + patient.overtaken} overtaken",
        f"all served or told within {LATE:.0%}, 0 overtaken",
        f"a pool that lets newcomers in first: {impolite.overtaken} overtaken",
    )
    assert served.ended.total() == WAITERS
    assert served.ended["served"] > 0
    assert served.ended["timed out"] > 0
    assert late(served.waited, LIMIT) <= LATE
    assert served.overtaken == 0
    assert patient.order == list(range(WAITERS))
    assert impolite.overtaken > 0


# ── the server stands still ──────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def stoppable() -> Iterator[PostgresServer]:
    with PostgresServer(fast=True) as server:
        yield server


@contextmanager
def standing_still(server: PostgresServer) -> Iterator[None]:
    """The postmaster and all its processes, stopped where they are."""
    stopped = [server.pid, *children(server.pid)]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in stopped:
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                pass


def children(pid: int) -> list[int]:
    found: list[int] = []
    for tasks in Path(f"/proc/{pid}/task").iterdir():
        found += map(int, (tasks / "children").read_text().split())
    return found


async def ends(
    db: DB, number: int, waiting: list[tuple[str, float]], sql: str = "SELECT pg_sleep(0.005)"
) -> None:
    """One of the crowd: how its statement ended, and after how long."""
    started = time.monotonic()
    try:
        if number % 2:
            await db.insert(Mark(id=number))
        else:
            await db.fetchval(sql)
        how = "served"
    except RowsteadError as error:
        how = type(error).__name__
    waiting.append((how, time.monotonic() - started))


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_a_server_that_stands_still_holds_nobody_beyond_the_limits(
    stoppable: PostgresServer, driver: str
) -> None:
    statement_limit, acquire_limit = 2.0, 3.0
    ended: list[tuple[str, float]] = []
    unbounded: list[asyncio.Task[Any]] = []
    async with (
        await DB.from_url(
            with_driver(stoppable.url, driver),
            min_size=CONNECTIONS,
            max_size=CONNECTIONS,
            statement_timeout=statement_limit,
            acquire_timeout=acquire_limit,
        ) as db,
        await DB.from_url(with_driver(stoppable.url, driver), max_size=1) as control,
    ):
        await db.execute("DROP TABLE IF EXISTS mark")
        await db.execute("CREATE TABLE mark (id int)")
        crowd = [asyncio.create_task(ends(db, number, ended)) for number in range(WAITERS)]
        await asyncio.wait(crowd[: WAITERS // 4])
        before = len(ended)
        with standing_still(stoppable):
            started = time.monotonic()
            unbounded.append(asyncio.create_task(control.fetchval("SELECT 1")))
            await asyncio.wait(crowd)
            held = time.monotonic() - started
            still_waits = not unbounded[0].done()
        back = time.monotonic()
        assert await db.fetchval("SELECT 7") == 7
        service = time.monotonic() - back
        assert await unbounded[0] == 1
        await asyncio.gather(*(db.fetchval("SELECT 1") for _ in range(50)))
        assert pool_is_whole(db)
        known = await marks(db)
    after = ended[before:]
    how = Counter(name for name, _ in after)
    # Who waits for a connection may get it at the last moment, and then has a statement's time too.
    running = [seconds for name, seconds in after if name in ("StatementTimeout", "OutcomeUnknown")]
    waiting = [seconds for name, seconds in after if name in ("PoolTimeout", "UnreachableError")]
    record_figure(
        f"the server stopped under {WAITERS} waiters on {CONNECTIONS} connections, {driver}",
        f"{dict(how)}, the last after {held:.2f} s; service back {service:.2f} s after it went on",
        f"running ones bounded by statement_timeout ({statement_limit:g} s), waiting ones by "
        f"acquire_timeout ({acquire_limit:g} s), each by {LATE:.0%} more at most; back within 1 s",
        f"without statement_timeout: {'still waits' if still_waits else 'ended'} after {held:.2f} s",
    )
    assert len(ended) == WAITERS
    assert set(how) <= {"served", "StatementTimeout", "OutcomeUnknown", "PoolTimeout", "UnreachableError"}
    assert 1 <= len(running) <= CONNECTIONS
    assert how["served"] <= CONNECTIONS
    assert len(waiting) > WAITERS // 4
    assert max(waiting) <= acquire_limit * (1 + LATE)
    assert min(waiting) >= acquire_limit * (1 - LATE)
    assert held <= acquire_limit * (1 + LATE)
    assert still_waits
    assert service < 1
    # What was acknowledged is there, and nothing is there twice.
    assert max(known.values()) == 1


async def marks(db: DB) -> Counter[int]:
    return Counter(row["id"] for row in await db.fetch("SELECT id FROM mark"))


async def applied_in_time(db: DB, number: int) -> int:
    """How often a mark is there; a little time is given to a server that has just gone on."""
    for _ in range(200):
        if count := (await marks(db))[number]:
            return count
        await asyncio.sleep(0.02)
    return 0


def pool_is_whole(db: DB) -> bool:
    pool: Pool[Any] = db.database.driver.pool  # pyright: ignore
    return pool.idle <= pool.size <= CONNECTIONS and not pool.waiting and not pool.holders()


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_a_write_that_a_silent_server_may_still_apply_is_unknown(
    stoppable: PostgresServer, driver: str
) -> None:
    """A client's own time-out is no proof that nothing happened: the server goes on and applies it."""
    url, limit = with_driver(stoppable.url, driver), 2.0
    async with (
        await DB.from_url(url, max_size=1, statement_timeout=limit) as db,
        await DB.from_url(url, max_size=1, statement_timeout=limit) as reader,
    ):
        await db.execute("DROP TABLE IF EXISTS mark")
        await db.execute("CREATE TABLE mark (id int)")
        # Prepared by then: else the server would stop before it was even sent the write.
        for number in range(1, 3):
            await db.insert(Mark(id=number))
            await db.insert(Mark(id=-number))
        assert await reader.get(Mark, id=1) == Mark(id=1)
        started = time.monotonic()
        with standing_still(stoppable):
            # A read, whose answer nobody misses, is a plain time-out.
            wrote, read = await asyncio.gather(
                db.insert(Mark(id=3)), reader.get(Mark, id=1), return_exceptions=True
            )
            took = time.monotonic() - started
        applied = await applied_in_time(reader, 3)
        assert await db.get(Mark, id=1) == Mark(id=1)
    record_figure(
        f"a write under a stopped server, {driver}",
        f"unknown after {took:.2f} s, applied {applied} time(s) when it went on",
        f"unknown within {limit * (1 + LATE)} s",
        "a client that calls it a time-out is wrong",
    )
    assert type(wrote) is OutcomeUnknown
    assert type(read) is StatementTimeout
    assert applied == 1
    assert took <= limit * (1 + LATE)


# psycopg itself waits up to ten seconds for an answer to its own request to cancel.
@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"] if LONG else ["asyncpg"])
async def test_a_task_cancelled_under_a_stopped_server_ends_and_leaves_the_pool_whole(
    stoppable: PostgresServer, driver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds = size(short=1, long=3)
    slowest, limit = 0.0, size(short=1.0, long=ROLL_BACK_TIMEOUT)
    monkeypatch.setattr("rowstead.transaction.ROLL_BACK_TIMEOUT", limit)
    async with await DB.from_url(with_driver(stoppable.url, driver), max_size=2, acquire_timeout=30) as db:
        for _ in range(rounds):
            inside = asyncio.Event()

            async def hold(inside: asyncio.Event) -> None:
                async with db.transaction() as tx:
                    await tx.fetchval("SELECT 1")
                    inside.set()
                    await asyncio.Event().wait()

            task = asyncio.create_task(hold(inside))
            await inside.wait()
            with standing_still(stoppable):
                started = time.monotonic()
                task.cancel()
                await asyncio.wait([task])
                slowest = max(slowest, time.monotonic() - started)
            assert task.cancelled()
            assert await db.fetchval("SELECT 1") == 1
        assert not db.database.driver.pool.holders()  # pyright: ignore
    record_figure(
        f"a block cancelled under a stopped server, {driver}",
        f"over after {slowest:.1f} s",
        f"within {limit:g} s, by psycopg within 10 s more",
        "a ROLLBACK without a limit waits until the server goes on",
    )
    assert slowest < limit + (11 if driver == "psycopg" else 1)
