"""The job of a program that reads, adds and writes. See `processes.py`.

An order: `{"url": …, "world": "async" | "sync", "work": "add" | "transfer", "how": "function" | "block" |
"bare", "times": …, "tasks": …, "seed": …}`. It tells a dot for each transaction that was acknowledged
and an `x` for each that gave up after all its retries. `block` and `bare` are the controls: a block at
the database's usual level without a retry, and no transaction at all.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from processes import Tell, serve

from rowstead import DB, ConflictError, Row
from rowstead.sync import DB as SyncDB

ACCOUNTS = 20
START = 100
"""What each account of the bank holds at first."""


class Account(Row):
    __table__ = "accounts"
    id: int
    balance: int


Work: TypeAlias = Callable[[DB], Awaitable[None]]


def work_of(kind: str, dice: random.Random) -> Work:
    """One read-add-write; the same one each time it is run again."""
    if kind == "add":
        return add
    source, target = dice.sample(range(1, ACCOUNTS + 1), 2)
    amount = dice.randint(1, 5)

    async def transfer(tx: DB) -> None:
        first = await tx.get(Account, id=source)
        second = await tx.get(Account, id=target)
        assert first is not None
        assert second is not None
        # The program thinks, and others get their turn.
        await asyncio.sleep(0)
        await tx.update(Account.patch(id=source, balance=first.balance - amount))
        await tx.update(Account.patch(id=target, balance=second.balance + amount))

    return transfer


async def add(tx: DB) -> None:
    account = await tx.get(Account, id=1)
    assert account is not None
    await asyncio.sleep(0)
    await tx.update(Account.patch(id=1, balance=account.balance + 1))


async def once(db: DB, work: Work, how: str) -> None:
    """One transaction, in the way that is asked for."""
    if how == "function":
        await db.transaction(work)
    elif how == "block":
        async with db.transaction() as tx:
            await work(tx)
    else:
        await work(db)


async def task(db: DB, order: dict[str, Any], seed: int, tell: Tell) -> None:
    """One program: one transaction after the other."""
    dice = random.Random(seed)
    for _ in range(order["times"]):
        work = work_of(order["work"], dice)
        try:
            await once(db, work, order["how"])
        except ConflictError:
            tell(b"x")
        else:
            tell(b".")


async def transact(order: dict[str, Any], tell: Tell) -> None:
    async with await DB.from_url(order["url"]) as db:
        await asyncio.gather(*[task(db, order, order["seed"] + n, tell) for n in range(order["tasks"])])


# The same, synchronously: the asynchronous work is written once and driven by hand, since the
# synchronous handle has the same verbs.


class Awaited:
    """A synchronous handle's verbs, to be awaited; nothing ever waits."""

    def __init__(self, tx: SyncDB) -> None:
        self._tx = tx

    async def get(self, *args: Any, **filters: Any) -> Any:
        return self._tx.get(*args, **filters)

    async def update(self, row: Any) -> Any:
        return self._tx.update(row)


def once_sync(db: SyncDB, work: Work, how: str) -> None:
    if how == "function":
        db.transaction(lambda tx: drive(work, tx))
    elif how == "block":
        with db.transaction() as tx:
            drive(work, tx)
    else:
        drive(work, db)


def drive(work: Work, tx: SyncDB) -> None:
    running: Any = work(Awaited(tx))  # type: ignore[arg-type]
    try:
        while True:
            running.send(None)  # `sleep(0)` gives way once
    except StopIteration:
        pass


def task_sync(db: SyncDB, order: dict[str, Any], seed: int, tell: Tell) -> None:
    dice = random.Random(seed)
    for _ in range(order["times"]):
        work = work_of(order["work"], dice)
        try:
            once_sync(db, work, order["how"])
        except ConflictError:
            tell(b"x")
        else:
            tell(b".")


def transact_sync(order: dict[str, Any], tell: Tell) -> None:
    with SyncDB.from_url(order["url"]) as db:
        threads = [
            threading.Thread(target=task_sync, args=(db, order, order["seed"] + n, tell))
            for n in range(order["tasks"])
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def job(order: dict[str, Any], tell: Tell) -> int:
    """Exit code 0 when every transaction was tried; what came of each is told."""
    if order["world"] == "sync":
        transact_sync(order, tell)
    else:
        asyncio.run(transact(order, tell))
    return 0


if __name__ == "__main__":
    serve(job)
