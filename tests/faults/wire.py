"""A transfer of money whose wire is cut, or falls silent, at one byte after the other.

What was said of each transfer stands beside what the journal tells: it has no unique key, so it shows
how often each was applied. `test_wire` judges.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg

from rowstead import (
    DB,
    ConflictError,
    DisconnectedError,
    Inc,
    OutcomeUnknown,
    PoolTimeout,
    Row,
    StatementTimeout,
    TransactionFailed,
    UnreachableError,
)
from rowstead.sync import DB as SyncDB
from servers import PostgresDatabase, with_driver

from .proxy import DIRECTIONS, Direction, Proxy

WORKERS = 4
START = 1_000
NOT_APPLIED = (
    ConflictError,
    DisconnectedError,
    UnreachableError,
    PoolTimeout,
    StatementTimeout,
    TransactionFailed,
)

Work = Callable[[Any, int, int], Awaitable[None]]
Cut = tuple[Direction, int]


class Account(Row):
    __table__ = "account"
    id: int
    balance: int


class Entry(Row):
    __table__ = "journal"
    __pk__ = ("op",)
    op: int
    worker: int


@dataclass
class Findings:
    """What was said of each transfer, and how often the journal holds it."""

    said: dict[int, str] = field(default_factory=dict)
    classes: dict[int, str] = field(default_factory=dict)
    applied: Counter[int] = field(default_factory=Counter)
    cuts: int = 0
    poisoned: int = 0
    """Transfers that failed though nothing was cut: what a broken connection left behind."""
    longest: float = 0.0
    """Seconds that the slowest cut transfer took."""
    balances: dict[int, int] = field(default_factory=dict)
    expected_balances: dict[int, int] = field(default_factory=dict)

    def all_that(self, said: str) -> list[int]:
        return [op for op, word in self.said.items() if word == said]

    @property
    def lost(self) -> int:
        return sum(not self.applied[op] for op in self.all_that("applied"))

    @property
    def twice(self) -> int:
        return sum(count > 1 for count in self.applied.values())

    @property
    def denied(self) -> int:
        """Applied, though the error said that it was not."""
        return sum(self.applied[op] > 0 for op in self.all_that("not applied"))

    @property
    def faults(self) -> list[str]:
        untyped = self.all_that("untyped")
        found = {
            "acknowledged and lost": self.lost,
            "applied twice": self.twice,
            "said not to be applied, and applied": self.denied,
            f"of no type {sorted({self.classes[op] for op in untyped})}": len(untyped),
            "failed without a cut": self.poisoned,
        }
        return [f"{count} {what}" for what, count in found.items() if count]

    def __str__(self) -> str:
        words = Counter(self.said.values())
        told = ", ".join(f"{words[word]} {word}" for word in ("applied", "not applied", "unknown"))
        return f"{'; '.join(self.faults) or 'none wrong'} ({self.cuts} cuts; {told})"


async def block(db: DB, op: int, worker: int) -> None:
    async with db.transaction() as tx:
        await transfer(tx, op, worker)


async def function(db: DB, op: int, worker: int) -> None:
    # A connection that was cut holds its transaction for some moments yet, and others conflict with it.
    await db.transaction(lambda tx: transfer(tx, op, worker), max_retries=50)


async def transfer(tx: DB, op: int, worker: int) -> None:
    await tx.update(Account.patch(id=2 * worker, balance=Inc(-1)))
    await tx.update(Account.patch(id=2 * worker + 1, balance=Inc(1)))
    await tx.insert(Entry(op=op, worker=worker))


async def lone(db: DB, op: int, worker: int) -> None:
    await db.insert(Entry(op=op, worker=worker))


async def lone_raw(db: DB, op: int, worker: int) -> None:
    sql = (
        "WITH new AS (INSERT INTO journal (op, worker) VALUES ($1, $2) RETURNING 1) SELECT count(*) FROM new"
    )
    await db.fetchval(sql, op, worker)


LONE: dict[str, Work] = {"typed": lone, "raw": lone_raw}


async def sync_block(db: SyncDB, op: int, worker: int) -> None:
    def run() -> None:
        with db.transaction() as tx:
            tx.update(Account.patch(id=2 * worker, balance=Inc(-1)))
            tx.update(Account.patch(id=2 * worker + 1, balance=Inc(1)))
            tx.insert(Entry(op=op, worker=worker))

    await asyncio.to_thread(run)


@asynccontextmanager
async def through(proxy: Proxy, url: str, driver: str, limit: float | None = None) -> AsyncIterator[Any]:
    parts = urlsplit(with_driver(url, driver.removesuffix(" sync")))
    place = f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{proxy.port}"
    address = urlunsplit(parts._replace(netloc=place))
    if driver.endswith(" sync"):
        sync_db = await asyncio.to_thread(SyncDB.from_url, address, max_size=1, statement_timeout=limit)
        try:
            yield sync_db
        finally:
            await asyncio.to_thread(sync_db.close)
        return
    async with await DB.from_url(address, max_size=1, statement_timeout=limit) as db:
        yield db


def places(span: dict[Direction, int], step: int, at_least: float = 0.0) -> list[Cut]:
    """Where to cut: behind every `step`th byte of both directions, from the share `at_least` of them on."""
    return [
        (direction, byte)
        for direction in DIRECTIONS
        for byte in range(int(span[direction] * at_least), span[direction] + 1, step)
    ]


async def span_of(db: Any, proxy: Proxy, work: Work) -> dict[Direction, int]:
    """How many bytes the second transfer on a connection is in each direction."""
    await work(db, -1, 0)
    spans: list[dict[Direction, int]] = []
    # The least of three: one may have met what the connection cut before it still held.
    for _ in range(3):
        proxy.cut("to server", 0)
        await attempt(Findings(), work, db, -2, 0)
        await work(db, -3, 0)
        before = dict(proxy.counts)
        await work(db, -4, 0)
        spans.append({direction: proxy.counts[direction] - before[direction] for direction in DIRECTIONS})
    return min(spans, key=lambda span: sum(span.values()))


async def cut_through(
    database: PostgresDatabase,
    driver: str,
    work: Work,
    step: int,
    at_least: float = 0.0,
    silence: float | None = None,
) -> Findings:
    """Cut a transfer at each place, and compare what was said with what is in the database.

    With `silence` the wire is not cut but falls silent, and statements are given so many seconds.
    """
    findings = Findings()
    parts = urlsplit(database.url)
    with database.connect() as admin:
        admin.execute("TRUNCATE account, journal")
        admin.execute("INSERT INTO account SELECT g, %s FROM generate_series(0, 99) g", [START])
        async with (
            Proxy("127.0.0.1", parts.port or 5432) as proxy,
            through(proxy, database.url, driver) as db,
        ):
            span = await span_of(db, proxy, work)
        admin.execute("TRUNCATE journal")
        admin.execute("UPDATE account SET balance = %s", [START])
        cuts = list(enumerate(places(span, step, at_least)))

        async def worker(number: int, mine: Iterable[tuple[int, Cut]]) -> None:
            async with (
                Proxy("127.0.0.1", parts.port or 5432) as proxy,
                through(proxy, database.url, driver, silence) as db,
            ):
                for index, (direction, byte) in mine:
                    # Whole: it prepares the statements anew, and shows that the pool has recovered.
                    if await attempt(findings, work, db, 2 * index, number) != "applied":
                        findings.poisoned += 1
                    proxy.cut(direction, byte, silently=silence is not None)
                    started = time.monotonic()
                    await attempt(findings, work, db, 2 * index + 1, number)
                    findings.longest = max(findings.longest, time.monotonic() - started)
                    proxy.spare()
                findings.cuts += proxy.cuts

        async with asyncio.TaskGroup() as group:
            for number in range(WORKERS):
                group.create_task(worker(number, cuts[number::WORKERS]))
        await gone(admin)
        findings.applied.update(op for (op,) in admin.execute("SELECT op FROM journal"))
        findings.balances = dict(admin.execute("SELECT id, balance FROM account ORDER BY id").fetchall())
        findings.expected_balances = expected(admin)
    return findings


def expected(admin: psycopg.Connection) -> dict[int, int]:
    """The balances that the journal tells of."""
    moved = dict(admin.execute("SELECT worker, count(*)::int FROM journal GROUP BY worker").fetchall())
    return {number: START + (1 if number % 2 else -1) * moved.get(number // 2, 0) for number in range(100)}


async def attempt(findings: Findings, work: Work, db: Any, op: int, worker: int) -> str:
    try:
        await work(db, op, worker)
        said = "applied"
    except Exception as error:
        said = kind_of(error)
        findings.classes[op] = type(error).__name__
    findings.said[op] = said
    return said


def kind_of(error: Exception) -> str:
    if isinstance(error, OutcomeUnknown):
        return "unknown"
    if isinstance(error, NOT_APPLIED):
        return "not applied"
    return "untyped"


async def gone(admin: psycopg.Connection) -> None:
    """Wait until the server has noticed every cut: what it still runs could still be applied."""
    others = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    until = time.monotonic() + 20
    while (admin.execute(others).fetchone() or (0,))[0]:
        assert time.monotonic() < until, "a connection is still open 20 s after its end"
        await asyncio.sleep(0.01)
