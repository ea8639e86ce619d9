"""The load of the failover tests: transfers in transactions and lone writes, counted as they are told.

And what the database must then hold: every acknowledged write, no refused one, none twice.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from rowstead import DB, Inc, Row
from rowstead.errors import OutcomeUnknown, RowsteadError

from .cluster import Node

ACCOUNTS = 100
STAKE = 1_000
MOVERS, WRITERS = 6, 3
"""Tasks of each handle that move money in transactions, and that write lone rows."""

SCHEMA = """
CREATE TABLE account (id integer PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE moved (id serial PRIMARY KEY, number integer NOT NULL);
CREATE TABLE noted (id serial PRIMARY KEY, number integer NOT NULL);
"""


class Account(Row):
    __table__ = "account"
    id: int
    balance: int


class Moved(Row):
    __table__ = "moved"
    __pk__ = ()
    number: int


class Noted(Row):
    __table__ = "noted"
    __pk__ = ()
    number: int


@dataclass
class Told:
    """What a load was told about its writes, by their numbers."""

    acknowledged: set[int] = field(default_factory=set)
    unknown: set[int] = field(default_factory=set)
    refused: set[int] = field(default_factory=set)

    def faults(self, stored: Counter[int], kind: str) -> list[str]:
        """Where the database contradicts what was said; empty: it was all true."""
        lost = len(self.acknowledged - stored.keys())
        twice = sum(count > 1 for count in stored.values())
        denied = len(self.refused & stored.keys())
        said = ((lost, "acknowledged and lost"), (twice, "applied twice"), (denied, "refused and applied"))
        return [f"{count} {kind} {what}" for count, what in said if count]


Move = Callable[[int], Awaitable[None]]


def bare(url: str) -> Move:
    """Control: asyncpg alone, which takes every error for a failure and writes again."""

    async def move(number: int) -> None:
        for _ in range(500):
            try:
                connection: Any = await asyncpg.connect(url)
                try:
                    async with connection.transaction():
                        await connection.execute("INSERT INTO moved (number) VALUES ($1)", number)
                finally:
                    connection.terminate()
            except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError):
                await asyncio.sleep(0.02)
            else:
                return

    return move


class Load:
    """Transfers and lone writes by one handle until it is stopped; remembers what it was told."""

    def __init__(self, db: DB, first: int, move: Move | None = None) -> None:
        self.db = db
        self.moved, self.noted = Told(), Told()
        self.times: list[float] = []
        self._numbers = iter(range(first, first + 1_000_000))
        self._move = move or self._transfer
        self._stopped = False
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        works = [self._move] * MOVERS + [self._note] * WRITERS
        self._tasks = [asyncio.create_task(self._go_on(work)) for work in works]

    async def stop(self) -> None:
        self._stopped = True
        await asyncio.gather(*self._tasks)

    async def acknowledged(self, count: int, after: float, seconds: float = 20.0) -> float | None:
        """When the first write was acknowledged after this moment, once `count` were; None: too few."""
        until = time.monotonic() + seconds
        while len(times := [t for t in self.times if t > after]) < count:
            if time.monotonic() > until:
                return None
            await asyncio.sleep(0.005)
        return times[0]

    async def _go_on(self, work: Move) -> None:
        while not self._stopped:
            number = next(self._numbers)
            told = self.moved if work == self._move else self.noted
            try:
                await work(number)
            except OutcomeUnknown:
                told.unknown.add(number)
            except RowsteadError:
                told.refused.add(number)
                await asyncio.sleep(0.02)
            else:
                told.acknowledged.add(number)
                self.times.append(time.monotonic())

    async def _transfer(self, number: int) -> None:
        giver, taker = random.sample(range(ACCOUNTS), 2)

        async def move(tx: DB) -> None:
            for account, amount in ((giver, -1), (taker, 1)):
                await tx.update(Account.patch(id=account, balance=Inc(amount)))
            await tx.insert(Moved(number=number))

        await self.db.transaction(move, max_retries=30)

    async def _note(self, number: int) -> None:
        await self.db.insert(Noted(number=number))


def prepare(primary: Node) -> None:
    with primary.connect() as connection:
        connection.execute(SCHEMA)
        connection.execute(
            "INSERT INTO account SELECT n, %s FROM generate_series(0, %s) n", [STAKE, ACCOUNTS - 1]
        )


def stored(node: Node, table: str) -> Counter[int]:
    with node.connect() as connection:
        return Counter(number for (number,) in connection.execute(f"SELECT number FROM {table}".encode()))


def faults(node: Node, *loads: Load) -> list[str]:
    """What is wrong with what these loads were told, and with the sum of the money."""
    moved, noted = stored(node, "moved"), stored(node, "noted")
    found = [fault for load in loads for fault in load.moved.faults(of_load(moved, load), "transfers")]
    found += [fault for load in loads for fault in load.noted.faults(of_load(noted, load), "lone writes")]
    total = node.ask("SELECT sum(balance) FROM account")
    return found + ([f"the accounts hold {total}"] if total != ACCOUNTS * STAKE else [])


def of_load(counts: Counter[int], load: Load) -> Counter[int]:
    numbers = {
        number
        for told in (load.moved, load.noted)
        for number in (*told.acknowledged, *told.unknown, *told.refused)
    }
    return Counter({number: count for number, count in counts.items() if number in numbers})
