"""Nothing is lost, and nobody's transaction is another's: by tasks, threads and processes, on every driver.

`transaction(fn)` reads, adds and writes; a bank's total is exact at every read; a neighbour's commit
never commits mine; a row that was rolled back never stays.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from conftest import POSTGRES_WORDS, SQLITE_WORDS, Backend
from rowstead import DB, Row, RowsteadError
from rowstead.sync import DB as SyncDB
from servers import with_driver

from .figures import record_figure, size
from .processes import Ended, Processes, processes
from .sharing import shared_handle

ACCOUNTS = 20
START = 100
TRANSFERS = size(short=10, long=150)
BLOCKS = size(short=60, long=600)
SEEDS = size(short=1, long=10)


class Account(Row):
    __table__ = "accounts"
    id: int
    balance: int


class Mark(Row):
    __table__ = "marks"
    id: int | None = None
    block: int


@pytest.fixture(scope="module")
def programs() -> Iterator[Processes]:
    with processes("job_transact.py") as found:
        yield found


@pytest.fixture(params=["sqlite", "asyncpg", "psycopg", "sync sqlite", "sync psycopg"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Each driver of both worlds, with a bank of accounts."""
    world, _, driver = request.param.rpartition(" ")
    if driver == "sqlite":
        backend = Backend(driver, f"sqlite:///{tmp_path / 'test.sqlite'}", SQLITE_WORDS)
    else:
        url = request.getfixturevalue("postgres_url")
        backend = Backend(driver, with_driver(url, driver), POSTGRES_WORDS)
    return Place(request.param, world or "async", backend)


class Place:
    """A driver of one world, and its database."""

    def __init__(self, name: str, world: str, backend: Backend) -> None:
        self.name = name
        self.backend = backend
        self.url = backend.url
        self.world = world
        # A block on SQLite has the right to write from its beginning: it loses nothing by itself.
        self.naive = "block" if backend.is_postgres else "bare"

    def order(self, work: str, how: str, **numbers: int) -> dict[str, Any]:
        """An order for `job_transact.py`."""
        return {"url": self.url, "world": self.world, "work": work, "how": how, "seed": 0, **numbers}

    def fill(self, accounts: int, start: int) -> None:
        with SyncDB.from_url(self.url.replace("+asyncpg", "+psycopg")) as db:
            db.execute("DROP TABLE IF EXISTS accounts")
            db.execute("CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL)")
            db.insert_many([Account(id=n, balance=start) for n in range(1, accounts + 1)])

    def total(self) -> int:
        with SyncDB.from_url(self.url.replace("+asyncpg", "+psycopg")) as db:
            return sum(account.balance for account in db.query(Account))


CONTROLS = {"block": "blocks at READ COMMITTED, no retry", "bare": "no transaction"}


# Lost updates


def adding(programs: Processes, place: Place, how: str, orders: int, **numbers: int) -> tuple[int, int, int]:
    """How many adds were acknowledged, how many gave up, and how many of the acknowledged are lost."""
    place.fill(1, 0)
    ended = programs.round([place.order("add", how, **numbers)] * orders)
    assert [each.code for each in ended] == [0] * orders
    told = Counter("".join(each.told for each in ended))
    return told["."], told["x"], told["."] - place.total()


SHAPES = {"2 tasks x 50": (1, {"tasks": 2, "times": 50}), "4 processes x 25": (4, {"tasks": 1, "times": 25})}


@pytest.mark.parametrize("shape", SHAPES)
def test_no_read_add_write_is_lost(programs: Processes, place: Place, shape: str) -> None:
    orders, numbers = SHAPES[shape]
    rounds = size(short=1, long=10)
    control = caught(lambda: adding(programs, place, place.naive, orders, **numbers)[2])
    seen = [adding(programs, place, "function", orders, **numbers) for _ in range(rounds)]
    record_figure(
        f"{shape} read-add-write by transaction(fn) on {place.name}: acknowledged / gave up / lost",
        " / ".join(str(sum(each[n] for each in seen)) for n in range(3)),
        "all / 0 / 0",
        f"{CONTROLS[place.naive]}: {control} lost of 100",
    )
    assert seen == [(100, 0, 0)] * rounds
    assert control > 0


def caught(attempt: Callable[[], int]) -> int:
    """What a broken variant got wrong, in the first of ten rounds in which it did."""
    return next(filter(None, (attempt() for _ in range(10))), 0)


# A bank


async def load(programs: Processes, place: Place, how: str, read: Read) -> tuple[list[int], list[Ended]]:
    """The totals that `read` saw while programs moved money about, and what these told."""
    place.fill(ACCOUNTS, START)
    order = place.order("transfer", how, tasks=3, times=TRANSFERS)
    programs.start([order | {"seed": seed} for seed in (0, 100)])
    running = asyncio.create_task(asyncio.to_thread(programs.ended))
    totals: list[int] = []
    async with reader(place) as handle:
        while not running.done():
            totals.append(await read(handle))
        totals.append(await read(handle))
    return totals, await running


@asynccontextmanager
async def reader(place: Place) -> AsyncIterator[Any]:
    if place.world == "async":
        async with await DB.from_url(place.url) as db:
            yield db
    else:
        with SyncDB.from_url(place.url) as db:
            yield db


Read = Callable[[Any], Any]


async def by_query(db: DB | SyncDB) -> int:
    """One statement, a transaction of its own."""
    rows = await asyncio.to_thread(db.query, Account) if isinstance(db, SyncDB) else await db.query(Account)
    return sum(account.balance for account in rows)


async def by_function(db: DB | SyncDB) -> int:
    """Each account by a statement of its own, in one transaction."""
    if isinstance(db, SyncDB):
        return await asyncio.to_thread(db.transaction, one_by_one_sync)
    return await db.transaction(one_by_one)


async def by_snapshot(db: DB | SyncDB) -> int:
    """The same in a block that only reads."""
    if isinstance(db, SyncDB):
        return await asyncio.to_thread(in_snapshot_sync, db)
    async with db.transaction(isolation="repeatable read", readonly=True) as tx:
        return await one_by_one(tx)


async def by_bare_reads(db: DB | SyncDB) -> int:
    """Control: the same without a transaction."""
    return await asyncio.to_thread(one_by_one_sync, db) if isinstance(db, SyncDB) else await one_by_one(db)


async def one_by_one(db: DB) -> int:
    total = 0
    for number in range(1, ACCOUNTS + 1):
        account = await db.get(Account, id=number)
        assert account is not None
        total += account.balance
        await asyncio.sleep(0)
    return total


def one_by_one_sync(db: SyncDB) -> int:
    rows = [db.get(Account, id=number) for number in range(1, ACCOUNTS + 1)]
    return sum(row.balance for row in rows if row is not None)


def in_snapshot_sync(db: SyncDB) -> int:
    with db.transaction(isolation="repeatable read", readonly=True) as tx:
        return one_by_one_sync(tx)


async def wrong_totals(programs: Processes, place: Place, how: str, read: Read) -> int:
    totals, _ = await load(programs, place, how, read)
    return sum(total != ACCOUNTS * START for total in totals)


async def test_the_total_of_a_bank_under_load_is_exact_at_every_read(
    programs: Processes, place: Place
) -> None:
    writers = readers = 0
    for _ in range(10):
        writers = writers or await wrong_totals(programs, place, place.naive, by_query)
        readers = readers or await wrong_totals(programs, place, "function", by_bare_reads)
    totals: list[int] = []
    told: Counter[str] = Counter()
    for read in (by_query, by_function, by_snapshot):
        seen, ended = await load(programs, place, "function", read)
        assert [each.code for each in ended] == [0, 0]
        totals += seen
        told.update("".join(each.told for each in ended))
    wrong = sum(total != ACCOUNTS * START for total in totals)
    record_figure(
        f"bank of {ACCOUNTS} accounts under load on {place.name}: wrong totals",
        f"{wrong} of {len(totals)} reads beside {told['.']} transfers ({told['x']} gave up)",
        0,
        f"writers by {CONTROLS[place.naive]}: {writers}; reads without a transaction: {readers}",
    )
    assert wrong == 0
    assert told["x"] == 0
    assert told["."] == 3 * 2 * 3 * TRANSFERS
    assert writers > 0
    assert readers > 0


# Neighbours


class Neighbours:
    """Tasks that commit and roll back beside each other on one handle."""

    def __init__(self, db: DB, seed: int) -> None:
        self._db = db
        self._dice = random.Random(seed)
        self._kept: Counter[int] = Counter()
        self.errors: list[RowsteadError] = []

    async def run(self) -> list[str]:
        """Of which blocks other rows are there at the end than should be."""
        await self._db.execute("DELETE FROM marks")
        numbers = iter(range(1, BLOCKS + 1))
        await asyncio.gather(*[self._task(numbers) for _ in range(8)])
        found = Counter(mark.block for mark in await self._db.query(Mark))
        return [
            f"block {number}: {found[number]} rows instead of {self._kept[number]}"
            for number in sorted(found | self._kept)
            if found[number] != self._kept[number]
        ]

    async def _task(self, numbers: Iterator[int]) -> None:
        for number in numbers:
            commits, inner_commits, lone = (self._dice.random() < 0.5 for _ in range(3))
            try:
                await self._block(number, commits, inner_commits)
                if lone:
                    await self._db.insert(Mark(block=-number))
                    self._kept[-number] += 1
            except RowsteadError as error:
                self.errors.append(error)

    async def _block(self, number: int, commits: bool, inner_commits: bool) -> None:
        with suppress(KeyError):
            async with self._db.transaction() as tx:
                await tx.insert(Mark(block=number))
                await asyncio.sleep(0)
                with suppress(KeyError):
                    async with tx.transaction() as inner:
                        await inner.insert(Mark(block=number))
                        if not inner_commits:
                            raise KeyError
                await asyncio.sleep(0)
                await tx.insert(Mark(block=number))
                if not commits:
                    raise KeyError
            self._kept[number] += 2 + inner_commits


async def test_a_neighbours_commit_never_commits_mine_and_a_row_rolled_back_never_stays(
    db: DB, backend: Backend, ddl: Callable[[str], str]
) -> None:
    await db.execute(ddl("CREATE TABLE marks (id {serial_pk}, block INTEGER NOT NULL)"))
    async with await shared_handle(backend.url) as shared:
        control = await Neighbours(shared, 0).run()
    wrong: list[str] = []
    for seed in range(SEEDS):
        neighbours = Neighbours(db, seed)
        wrong += await neighbours.run()
        wrong += [str(error) for error in neighbours.errors]
    record_figure(
        f"blocks of 8 tasks on {backend.name}, half rolled back: not whole or not gone",
        f"{len(wrong)} of {SEEDS * BLOCKS}",
        0,
        f"one connection shared between the tasks: {len(control)} of {BLOCKS}",
    )
    assert wrong == []
    assert control != []


def queueing(db: DB) -> int:
    """How many wait for the right to write on SQLite."""
    driver: Any = db.session.driver
    return driver._writer.waiting if db.session.dialect.one_writer else 0


async def step_by_step(mine: DB, url: str) -> tuple[list[int], bool]:
    """A neighbour commits between my write and my rollback: what is left, and whether he was served."""
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def rolled_back() -> None:
        async with mine.transaction() as tx:
            await tx.insert(Mark(block=1))
            begun.set()
            await go_on.wait()
            await tx.insert(Mark(block=1))
            raise KeyError

    async def committed() -> None:
        async with mine.transaction() as tx:
            await tx.insert(Mark(block=2))

    block = asyncio.create_task(rolled_back())
    await begun.wait()
    neighbour = asyncio.create_task(committed())
    # On SQLite one may write at a time, and he queues behind my block.
    while not neighbour.done() and not queueing(mine):  # noqa: ASYNC110  (a pool's queue tells nobody)
        await asyncio.sleep(0)
    go_on.set()
    ended = await asyncio.gather(block, neighbour, return_exceptions=True)
    async with await DB.from_url(url) as other:
        left = sorted(mark.block for mark in await other.query(Mark))
    return left, ended[1] is None


async def test_a_commit_between_my_write_and_my_rollback_is_his_alone(
    db: DB, backend: Backend, ddl: Callable[[str], str]
) -> None:
    await db.execute(ddl("CREATE TABLE marks (id {serial_pk}, block INTEGER NOT NULL)"))
    async with await shared_handle(backend.url) as shared:
        control = await step_by_step(shared, backend.url)
    await db.execute("DELETE FROM marks")
    seen = await step_by_step(db, backend.url)
    record_figure(
        f"a neighbour's commit before my rollback on {backend.name}: rows of mine (1) and his (2) that stay",
        seen[0],
        [2],
        f"one connection shared between the tasks: {control[0]}",
    )
    assert seen == ([2], True)
    assert control != ([2], True)
