"""Reads on standbys: what a handle has written it reads, from whichever server; the rest may lag.

A primary and two standbys; one can be told to replay everything seconds later.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from rowstead import DB, Row
from rowstead.drivers.replicas import ReplicatedDriver
from rowstead.errors import UnreachableError, ValidationError
from rowstead.session import Trace
from rowstead.sync import DB as SyncDB

from .cluster import Cluster, Node, Standby
from .figures import record_figure, size

DRIVERS = ("asyncpg", "psycopg")
WRITES = size(short=40, long=1_000)
DELAY = "4s"
SCHEMA = "CREATE TABLE item (id integer PRIMARY KEY, number integer NOT NULL)"


class Item(Row):
    __table__ = "item"
    id: int
    number: int


@pytest.fixture(scope="module")
def shared() -> Iterator[Cluster]:
    with Cluster(2, synchronous=False, fsync=False) as cluster:
        yield cluster


@pytest.fixture
def cluster(shared: Cluster) -> Cluster:
    """The cluster with one empty table, which every standby has."""
    for standby in shared.standbys:
        standby.set(recovery_min_apply_delay="0")
    with shared.primary.connect() as connection:
        connection.execute("DROP TABLE IF EXISTS item")
        connection.execute(SCHEMA)
    shared.wait_for_replay()
    return shared


@asynccontextmanager
async def opened(cluster: Cluster, driver: str, *replicas: Node, **options: Any) -> AsyncIterator[DB]:
    """A handle on the primary with these replicas (all, where none is named)."""
    urls = [cluster.url(driver, node) for node in replicas or cluster.standbys]
    db = await DB.from_url(cluster.url(driver, cluster.primary), replicas=urls, **options)
    try:
        yield db
    finally:
        await db.close()


def reads(db: DB | SyncDB) -> list[int]:
    """How many reads each replica was lent for."""
    driver: Any = db.database.driver
    return [status.reads for status in driver.status()]


def delay(standby: Standby) -> None:
    """From now on it replays each commit seconds after it was made."""
    standby.set(recovery_min_apply_delay=DELAY)
    wait = f"SELECT current_setting('recovery_min_apply_delay') = '{DELAY}'"
    assert standby.ask(wait)


async def stale_reads(db: DB, writes: int) -> int:
    """How many reads do not see what this handle has just written; by every verb that reads."""
    stale = 0
    for number in range(writes):
        if number % 2:
            await db.update(Item(id=0, number=number))
        else:
            async with db.transaction() as tx:
                if number:
                    await tx.update(Item(id=0, number=number))
                else:
                    await tx.insert(Item(id=0, number=number))
        rows = [
            await db.get(Item, id=0),
            *(await db.query(Item, number=number)),
            *(await db.page(Item, number=number)).rows,
            *[row async for row in db.iter_rows(Item, number=number)],
        ]
        seen = [row.number for row in rows if row is not None]
        stale += 4 - seen.count(number)
        stale += 2 - int(await db.exists(Item, number=number)) - await db.count(Item, number=number)
    return stale


class NeverAsks(ReplicatedDriver):
    """Control: takes every replica for up to date."""

    async def _wanted(self) -> int:
        return 0


async def test_a_handle_reads_its_own_writes_from_standbys(cluster: Cluster) -> None:
    figures: dict[str, tuple[int, list[int]]] = {}
    for driver in DRIVERS:
        async with opened(cluster, driver) as db:
            await db.execute("DELETE FROM item")
            figures[driver] = await stale_reads(db, WRITES), reads(db)
    for standby in cluster.standbys:
        standby.set(recovery_min_apply_delay="300ms")
    async with opened(cluster, "asyncpg") as db:
        await db.execute("DELETE FROM item")
        naive: Any = db.database.driver
        naive.__class__ = NeverAsks
        missed = await stale_reads(db, 4)
    for driver, (stale, answered) in figures.items():
        record_figure(
            f"stale reads on the same handle, {driver}, two standbys",
            f"{stale} of {WRITES * 6}; the standbys answered {sum(answered)}",
            "0",
            f"without the wait, the standbys 0.3 s late: {missed} of 24",
        )
        assert stale == 0
        assert min(answered) > WRITES, "the standbys took part"
    assert missed > 0


@pytest.mark.parametrize("driver", DRIVERS)
async def test_a_delayed_standby_gives_no_stale_read(driver: str, cluster: Cluster) -> None:
    late = cluster.standbys[0]
    async with opened(cluster, driver, late, replica_wait=0.05) as db:
        driver_: Any = db.database.driver
        delay(late)
        begun = time.monotonic()
        stale, answered = await stale_reads(db, 6), reads(db)
        seconds = time.monotonic() - begun
        driver_.__class__ = NeverAsks
        await db.update(Item(id=0, number=99))
        row = await db.get(Item, id=0)
        naive = row is None or row.number != 99
    record_figure(
        f"stale reads with a standby {DELAY} late, {driver}",
        f"{stale} of 36, in {seconds:.2f} s",
        "0",
        f"without the wait: {'stale' if naive else 'not stale'}",
    )
    assert stale == 0
    assert answered == [0]
    assert naive
    assert seconds < 3.0, "nobody waits again and again for one that is late"


async def test_a_standby_that_catches_up_in_time_is_waited_for(cluster: Cluster) -> None:
    standby = cluster.standbys[0]
    async with opened(cluster, "asyncpg", standby, replica_wait=20.0) as db:
        standby.set(recovery_min_apply_delay="300ms")
        await db.insert(Item(id=1, number=7))
        assert [item.number for item in await db.query(Item)] == [7]
        assert reads(db) == [1]


async def test_reads_take_turns_and_a_handle_that_wrote_nothing_asks_nothing(cluster: Cluster) -> None:
    seen: list[Trace] = []
    async with opened(cluster, "asyncpg", trace=seen.append) as db:
        driver: Any = db.database.driver
        for _ in range(10):
            assert await db.count(Item) == 0
        assert reads(db) == [5, 5]
        assert (driver._asked, driver._position) == (0, 0)
        assert {trace.sql for trace in seen} == {"SELECT count(*) FROM item"}


async def test_writes_transactions_and_raw_sql_go_to_the_primary(cluster: Cluster) -> None:
    async with opened(cluster, "psycopg") as db:
        recovering = "SELECT pg_is_in_recovery()"
        assert await db.fetchval(recovering) is False
        for options in ({}, {"readonly": True}):
            async with db.transaction(**options) as tx:
                assert await tx.fetchval(recovering) is False
                assert await tx.count(Item) == 0
        await db.insert_many([Item(id=n, number=n) for n in range(3)])
        assert await db.transaction(lambda tx: tx.count(Item)) == 3
        assert reads(db) == [0, 0]


async def test_reads_go_on_while_standbys_die_and_come_back(cluster: Cluster) -> None:
    first, second = cluster.standbys
    alone = await DB.from_url(cluster.url("asyncpg", first))
    async with alone, opened(cluster, "asyncpg", max_size=4) as db:
        await db.insert(Item(id=1, number=1))
        await asyncio.gather(*(db.get(Item, id=1) for _ in range(16)))
        first.kill()
        answers = [await db.get(Item, id=1) for _ in range(8)]
        failed = await asyncio.gather(*(alone.get(Item, id=1) for _ in range(8)), return_exceptions=True)
        assert [answer and answer.number for answer in answers] == [1] * 8
        second.kill()
        answers = await asyncio.gather(*(db.get(Item, id=1) for _ in range(16)))
        assert [answer and answer.number for answer in answers] == [1] * 16
        driver: Any = db.database.driver
        assert all("cannot reach" in status.failure for status in driver.status())
        # Not in another thread: the kernel stops a server together with the thread that started it.
        first.start()
        second.start()
        before = reads(db)
        until = time.monotonic() + 10
        while min(now - then for now, then in zip(reads(db), before, strict=True)) < 1:
            assert time.monotonic() < until
            answer = await db.get(Item, id=1)
            assert answer is not None
            await asyncio.sleep(0.01)
    unreachable = sum(isinstance(error, UnreachableError) for error in failed)
    record_figure(
        "reads that fail while both standbys are killed",
        "0 of 24",
        "0",
        f"a handle on one standby alone: {unreachable} of 8",
    )
    assert unreachable == 8


async def test_many_tasks_that_write_and_read_never_see_an_older_value(cluster: Cluster) -> None:
    tasks, rounds = 8, size(short=15, long=200)

    async def work(db: DB, key: int) -> int:
        older = 0
        await db.insert(Item(id=key, number=0))
        for number in range(1, rounds):
            await db.update(Item(id=key, number=number))
            row = await db.get(Item, id=key)
            older += row is None or row.number < number
        return older

    async with opened(cluster, "asyncpg", max_size=8) as db:
        older = sum(await asyncio.gather(*(work(db, key) for key in range(tasks))))
        assert older == 0
        assert sum(reads(db)) > 0


def test_the_synchronous_handle_reads_from_standbys_too(cluster: Cluster) -> None:
    urls = [cluster.url("psycopg", node) for node in cluster.standbys]
    with SyncDB.from_url(cluster.url("psycopg", cluster.primary), replicas=urls) as db:
        for number in range(20):
            if number:
                db.update(Item(id=1, number=number))
            else:
                db.insert(Item(id=1, number=number))
            row = db.get(Item, id=1)
            assert row is not None
            assert row.number == number
        assert sum(reads(db)) > 10


@pytest.mark.parametrize(
    ("url", "replica", "message"),
    [
        ("sqlite:///:memory:", "postgresql+asyncpg://u:hush@h/db", "hot standbys"),
        ("postgresql+asyncpg://u:hush@h/db", "sqlite:///x.db", "hot standbys"),
        (
            "postgresql+asyncpg://u:hush@h/db",
            "postgresql+psycopg://u:hush@h2/db",
            r"write postgresql\+asyncpg",
        ),
    ],
)
async def test_replicas_that_cannot_be_are_refused(url: str, replica: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message) as caught:
        await DB.from_url(url, replicas=[replica])
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("wait", [-1, float("inf"), float("nan"), True])
async def test_a_wait_that_is_none_is_refused(wait: float) -> None:
    with pytest.raises(ValidationError, match="replica_wait"):
        await DB.from_url("postgresql+asyncpg://h/db", replicas=["postgresql://h2/db"], replica_wait=wait)
