"""One client of the soak: transfers, notes and reads at a rate, each outcome a line in a file.

    python -m tests.faults.soak_client URL OUTCOMES --life N --rate 200 [--broken bare leaking ...]

Lines: `a ID` acknowledged, `u ID` said to be unknown, `f ID` said not to be applied, `x TEXT` an error
that is not typed, `t SUM` a read that saw a wrong total, `m SECONDS BYTES` the memory held, `o COUNT`
the operations so far. SIGUSR1 cuts its sockets; SIGTERM ends it politely.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import os
import random
import signal
import socket
import stat
import time
from collections.abc import Collection
from contextlib import suppress
from typing import Any

from rowstead import DB, OutcomeUnknown, Row, RowsteadError

ACCOUNTS = 200
BALANCE = 1000
TOTAL = ACCOUNTS * BALANCE
LIVES_APART = 2**32
"""The id of what a client writes: the number of its life times this, and a count."""
TASKS = 4
BROKEN = ("bare", "forgetful", "repeating", "denying", "raising", "leaking")
"""The ways in which a client can be wrong, as controls: transfers without a transaction; acknowledges
what it does not write; writes again what was written; calls a failure what was written; lets an error pass
that is none of ours; keeps memory."""
LEAK = 100_000
"""Bytes that a leaking client keeps of each operation."""
LIBC = ctypes.CDLL(None)
SOMETIMES = 7
"""A client that forgets, denies or raises does so at each of so many operations."""


class Account(Row):
    __table__ = "accounts"
    id: int
    balance: int


class Entry(Row):
    """One transfer that happened (`source` to `target`), or a note (no amount)."""

    __table__ = "entries"
    id: int
    source: int
    target: int
    amount: int


class Client:
    def __init__(self, db: DB, outcomes: int, life: int, rate: float, broken: Collection[str]) -> None:
        self.db, self.life, self.rate, self.broken = db, life, rate, broken
        self.outcomes = outcomes
        self.count = 0
        self.done = 0
        self.chance = random.Random(life)
        self.stopping = asyncio.Event()
        self.started = self.next_turn = time.monotonic()
        self.kept: list[bytes] = []

    def say(self, kind: str, what: object) -> None:
        # One write, so that a kill leaves whole lines.
        os.write(self.outcomes, f"{kind} {what}\n".encode())

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(TASKS):
                group.create_task(self.work())
            group.create_task(self.report())

    async def report(self) -> None:
        while not self.stopping.is_set():
            self.say("m", f"{time.monotonic() - self.started:.2f} {memory()}")
            for _ in range(2):
                self.say("o", self.done)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.stopping.wait(), 0.05)

    async def work(self) -> None:
        while not self.stopping.is_set():
            if self.rate:
                # Behind by more than a second, it does not run after the time that was lost.
                self.next_turn = max(self.next_turn, time.monotonic() - 1.0) + 1 / self.rate
                await asyncio.sleep(max(0.0, self.next_turn - time.monotonic()))
            self.count += 1
            await self.attempt(self.life * LIVES_APART + self.count)

    async def attempt(self, number: int) -> None:
        """One operation, and what became of it."""
        try:
            if number % 10 == 0:
                total = await self.db.fetchval("SELECT sum(balance) FROM accounts")
                if total != TOTAL:
                    self.say("t", total)
                self.done += 1
                return
            for _ in range(self.times(number)):
                await self.write(number)
            self.done += 1
            self.say("f" if "denying" in self.broken and number % SOMETIMES == 0 else "a", number)
            self.break_down(number)
        except OutcomeUnknown:
            self.say("u", number)
        except RowsteadError:
            self.say("f", number)
            await asyncio.sleep(0.02)
        except Exception as error:
            self.say("x", repr(error))

    def times(self, number: int) -> int:
        """How often this client writes what it acknowledges."""
        if "forgetful" in self.broken and number % SOMETIMES == 2:
            return 0
        return 2 if "repeating" in self.broken else 1

    def break_down(self, number: int) -> None:
        """The faults of a broken client that concern no row."""
        if "leaking" in self.broken:
            self.kept.append(b"x" * LEAK)
        if "raising" in self.broken and number % SOMETIMES == 1:
            raise LookupError(number)

    async def write(self, number: int) -> None:
        """A note, or a transfer."""
        if number % 10 == 1:
            await self.db.insert(Entry(id=number, source=1, target=1, amount=0))
        elif "bare" in self.broken:
            await self.transfer(self.db, number)
        else:
            await self.db.transaction(lambda tx: self.transfer(tx, number), max_retries=20)

    async def transfer(self, db: Any, number: int) -> None:
        """Read, add, write: two accounts and the entry."""
        source, target = self.chance.sample(range(1, ACCOUNTS + 1), 2)
        amount = self.chance.randint(1, 9)
        giver, taker = await db.get(Account, id=source), await db.get(Account, id=target)
        await db.update(Account.patch(id=source, balance=giver.balance - amount))
        await db.insert(Entry(id=number, source=source, target=target, amount=amount))
        await db.update(Account.patch(id=target, balance=taker.balance + amount))


def memory() -> int:
    """Bytes of this process in memory, after glibc gave back what is free.

    Each connecting makes and frees a context of OpenSSL's; what the allocator keeps of that grows by a
    few KiB for each, and would hide, or pass for, what somebody still holds.
    """
    trim = getattr(LIBC, "malloc_trim", None)
    if trim is not None:
        trim(0)
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def cut_sockets() -> None:
    """Break every TCP connection off, as a network would."""
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            descriptor = int(name)
            if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                with socket.socket(fileno=os.dup(descriptor)) as found:
                    if found.family in (socket.AF_INET, socket.AF_INET6):
                        found.shutdown(socket.SHUT_RDWR)


async def connected(url: str) -> DB:
    """A handle; waits for a server that is not up yet."""
    while True:
        try:
            return await DB.from_url(url, max_size=TASKS)
        except RowsteadError:
            await asyncio.sleep(0.1)


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("outcomes")
    parser.add_argument("--life", type=int, required=True)
    parser.add_argument("--rate", type=float, default=0.0, help="operations in a second; 0: all it can")
    parser.add_argument("--broken", nargs="*", default=(), choices=BROKEN)
    options = parser.parse_args()
    outcomes = os.open(options.outcomes, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, cut_sockets)
    async with await connected(options.url) as db:
        client = Client(db, outcomes, options.life, options.rate, options.broken)
        loop.add_signal_handler(signal.SIGTERM, client.stopping.set)
        await client.run()


if __name__ == "__main__":
    asyncio.run(main())
