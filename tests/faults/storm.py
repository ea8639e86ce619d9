"""A crowd of tasks over one pool, most of which are cancelled, and what it left behind.

`test_cancellation` lets it loose on every driver, and on blocks that are broken.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import psycopg

from conftest import Backend
from rowstead import DB, ConflictError, Inc, Row
from rowstead.drivers.pool import Pool

POOL = 5
STRUCK_WAITING = 0.5
STRUCK_AT_WORK = 0.3
"""Shares of the tasks that are to be cancelled; a third of the latter have ended before."""
ACCOUNTS = 20
START = 1_000


class Account(Row):
    __table__ = "account"
    id: int
    balance: int


class Entry(Row):
    __table__ = "journal"
    __pk__ = ("op",)
    op: int
    source: int
    target: int


Work = Callable[[DB, "Move"], Awaitable[None]]


class Move:
    """One transfer of 1 from one account to another, always touched in one order."""

    def __init__(self, op: int, rng: random.Random) -> None:
        self.op = op
        self.source, self.target = rng.sample(range(ACCOUNTS), 2)

    async def make(self, tx: DB) -> None:
        for account in sorted((self.source, self.target)):
            by = 1 if account == self.target else -1
            assert await tx.update(Account.patch(id=account, balance=Inc(by))) is not None
        await tx.insert(Entry(op=self.op, source=self.source, target=self.target))


# ── what a task may do ───────────────────────────────────────────────────────────────────────


async def block(db: DB, move: Move) -> None:
    async with db.transaction() as tx:
        await move.make(tx)


async def function(db: DB, move: Move) -> None:
    await db.transaction(move.make)


async def nested(db: DB, move: Move) -> None:
    async with db.transaction() as tx:
        with contextlib.suppress(ZeroDivisionError):
            async with tx.transaction() as undone:
                await undone.update(Account.patch(id=move.source, balance=Inc(500)))
                raise ZeroDivisionError
        async with tx.transaction() as kept:
            await move.make(kept)


async def undone(db: DB, move: Move) -> None:
    with contextlib.suppress(ZeroDivisionError):
        async with db.transaction() as tx:
            await tx.update(Account.patch(id=move.source, balance=Inc(500)))
            raise ZeroDivisionError


async def get(db: DB, move: Move) -> None:
    assert await db.get(Account, id=move.source) is not None


async def raw(db: DB, move: Move) -> None:
    assert await db.fetchval("SELECT count(*) FROM account") == ACCOUNTS


async def bulk(db: DB, move: Move) -> None:
    # Of no effect on the balances: as much there as back, in one transaction.
    await db.insert_many(
        [
            Entry(op=move.op, source=move.source, target=move.target),
            Entry(op=move.op, source=move.target, target=move.source),
        ]
    )


async def rows(db: DB, move: Move) -> None:
    found = [account async for account in db.iter_rows(Account, batch_size=7)]
    assert len(found) == ACCOUNTS


async def total(db: DB, move: Move) -> None:
    found = await db.query(Account)
    assert sum(account.balance for account in found) == ACCOUNTS * START


MOVES: tuple[Work, ...] = (block, function, nested)
WORKS: tuple[Work, ...] = (*MOVES, undone, get, raw, bulk, rows, total)


# ── the storm ────────────────────────────────────────────────────────────────────────────────


class Storm:
    """A crowd of tasks, most of them cancelled; then `faults` says what it left behind."""

    def __init__(self, db: DB, url: str, seed: int, tasks: int, moment: float) -> None:
        self.db = db
        self.url = url
        self.moment = moment
        """Seconds after which, on average, those who got a connection are cancelled."""
        self.rng = random.Random(seed)
        self.count = tasks
        self.works: dict[int, Work] = {}
        self.tasks: dict[int, asyncio.Task[None]] = {}
        self.struck: set[int] = set()
        """Who was cancelled before it had ended."""
        self.doomed: dict[Any, float] = {}
        """Who will be cancelled so many seconds after it got a connection."""
        self.waiting: dict[int, list[asyncio.Task[None]]] = {}
        """Who will be cancelled when so many others have ended: most of them still wait then."""
        self.over = 0
        self.found: list[str] = []

    @property
    def cancelled(self) -> int:
        return sum(task.cancelled() for task in self.tasks.values())

    async def blow(self) -> None:
        loop = asyncio.get_running_loop()
        driver: Any = self.db.database.driver
        lend = driver.lend

        async def lend_to_the_doomed(write: bool) -> Any:
            connection = await lend(write)
            task = asyncio.current_task()
            if task in self.doomed:
                loop.call_later(self.doomed.pop(task), self.strike, task)
            return connection

        driver.lend = lend_to_the_doomed
        try:
            for op in range(self.count):
                work = self.works[op] = self.rng.choice(WORKS)
                task = loop.create_task(self.one(op, work), name=str(op))
                self.tasks[op] = task
                fate = self.rng.random()
                if fate < STRUCK_WAITING:
                    self.waiting.setdefault(1 + self.rng.randrange(op + 1), []).append(task)
                elif fate < STRUCK_WAITING + STRUCK_AT_WORK:
                    self.doomed[task] = self.rng.expovariate(1 / self.moment)
                task.add_done_callback(self.ended)
            await asyncio.wait(self.tasks.values(), timeout=60)
        finally:
            driver.lend = lend
        stuck = [task for task in self.tasks.values() if not task.done()]
        self.found += [f"{len(stuck)} tasks never ended"] if stuck else []
        for task in stuck:
            task.cancel()
        await asyncio.gather(*stuck, return_exceptions=True)

    def ended(self, task: asyncio.Task[None]) -> None:
        self.over += 1
        for victim in self.waiting.pop(self.over, ()):
            self.strike(victim)

    def strike(self, task: asyncio.Task[None]) -> None:
        if task.cancel():
            self.struck.add(int(task.get_name()))

    async def one(self, op: int, work: Work) -> None:
        await work(self.db, Move(op, self.rng))

    async def faults(self, look: Callable[[], list[str]]) -> list[str]:
        """What is wrong now, in words; empty: nothing. `look` sees the database from outside."""
        found = self.found
        swallowed = [op for op in self.struck if not self.tasks[op].cancelled() and not self.error(op)]
        if swallowed:
            by = Counter(self.works[op].__name__ for op in swallowed)
            found.append(f"swallowed cancellations: {dict(by)}")
        odd = Counter(
            f"{self.works[op].__name__}: {self.error(op)!r}"
            for op in self.tasks
            # Serializable transactions may give up when too many are in their way.
            if self.error(op) and not (isinstance(self.error(op), ConflictError) and op not in self.struck)
        )
        found += [f"{count} x {text}" for text, count in odd.items()]
        for name, pool in pools(self.db):
            await at_rest(pool)
            state = (pool.size - pool.idle, pool.waiting, len(pool.holders()), len(pool._lent))
            if any(state):
                found.append(f"the {name} has {state} of (busy, waiting, held, lent)")
        return found + look() + await self.untrue()

    def error(self, op: int) -> BaseException | None:
        task = self.tasks[op]
        return None if task.cancelled() or not task.done() else task.exception()

    async def untrue(self) -> list[str]:
        """Where balances, journal and what the tasks said differ. By a handle that no storm has seen."""
        found: list[str] = []
        async with await DB.from_url(self.url) as db:
            balances = {account.id: account.balance for account in await db.query(Account)}
            entries = await db.query(Entry)
        told = Counter(entry.op for entry in entries)
        expected = dict.fromkeys(range(ACCOUNTS), START)
        for entry in entries:
            if self.works[entry.op] is not bulk:
                expected[entry.source] -= 1
                expected[entry.target] += 1
        if balances != expected:
            found.append("the balances are not those of the journal")
        for op, task in self.tasks.items():
            work = self.works[op]
            whole = 2 if work is bulk else 1 if work in MOVES else 0
            ended_well = not task.cancelled() and self.error(op) is None
            if told[op] not in ((whole,) if ended_well else (0, whole)):
                found.append(f"{work.__name__} left {told[op]} entries of {whole}")
        return found


def pools(db: DB) -> list[tuple[str, Pool[Any]]]:
    driver: Any = db.database.driver
    names = ("pool", "_writer", "_readers")
    return [(name.strip("_"), getattr(driver, name)) for name in names if hasattr(driver, name)]


async def at_rest(pool: Pool[Any]) -> None:
    """Wait until nothing is being mended."""
    while pool._tasks:
        await asyncio.wait(set(pool._tasks), timeout=10)


@asynccontextmanager
async def storm(backend: Backend, seed: int, tasks: int, timeout: float = 60.0) -> AsyncIterator[Storm]:
    async with await DB.from_url(backend.url, max_size=POOL, acquire_timeout=timeout) as db:
        for _, pool in pools(db):
            pool._close_timeout = min(timeout, 5.0)
        for table in ("account", "journal"):
            await db.execute(f"DROP TABLE IF EXISTS {table}")
        await db.execute("CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL)")
        await db.execute("CREATE TABLE journal (op INTEGER, source INTEGER, target INTEGER)")
        await db.insert_many([Account(id=number, balance=START) for number in range(ACCOUNTS)])
        yield Storm(db, backend.url, seed, tasks, 0.002 if backend.is_postgres else 0.0003)


def outside(backend: Backend) -> Callable[[], list[str]]:
    return lambda: seen_by_postgres(backend.url) if backend.is_postgres else seen_by_sqlite(backend.url)


def seen_by_postgres(url: str) -> list[str]:
    """Open transactions and locks of this database, once the server has noticed what was dropped."""
    parts = urlsplit(url)
    open_ones = (
        "SELECT state, query FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        " AND (xact_start IS NOT NULL OR state <> 'idle')"
    )
    locks = (
        "SELECT mode, relation::regclass::text FROM pg_locks JOIN pg_database d ON d.oid = database"
        " WHERE d.datname = current_database() AND pid <> pg_backend_pid()"
    )
    until = time.monotonic() + 5
    with psycopg.connect(parts._replace(scheme="postgresql").geturl(), autocommit=True) as admin:
        while True:
            found = [
                f"{what}: {row}"
                for what, sql in (("open", open_ones), ("lock", locks))
                for row in admin.execute(sql).fetchall()
            ]
            if not found or time.monotonic() > until:
                return found
            time.sleep(0.01)


def seen_by_sqlite(url: str) -> list[str]:
    """What a second handle, which does not wait, is refused: the right to write, or to fold the log in."""
    with contextlib.closing(
        sqlite3.connect(url.removeprefix("sqlite:///"), timeout=0, isolation_level=None)
    ) as other:
        try:
            other.execute("BEGIN IMMEDIATE")
            other.execute("ROLLBACK")
            (busy, *_rest) = other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.OperationalError as error:
            return [f"a second handle cannot write: {error}"]
        return ["a reader holds an old snapshot"] if busy else []
