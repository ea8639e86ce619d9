"""Work on a SQLite file that can be judged afterwards: whoever breaks it, nothing may be lost or half.

    python -m tests.faults.sqlite_work FILE ACKS [--world sync] [--broken NAME] [--batches N] ...

writes batches and acknowledges each by a line in the file ACKS (`-`: standard output). A batch is one
transaction: some rows that know how many they are, and sometimes a change to all rows of an earlier
one. `judge` reads the file with the standard library alone.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rowstead import DB, DuplicateError, Row
from rowstead.drivers.sqlite_connection import Settings
from rowstead.sync import DB as SyncDB
from rowstead.sync.transaction import Transaction as SyncTransaction
from rowstead.transaction import Transaction

TABLE = """
CREATE TABLE IF NOT EXISTS items (
    batch INTEGER, number INTEGER, size INTEGER NOT NULL, generation INTEGER NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (batch, number)
)
"""
SCATTER = "CREATE INDEX IF NOT EXISTS items_body ON items (body)"
KINDS = ("one", "block", "bulk", "savepoint", "change")
BULK = 60
GROUP = 50


class Item(Row):
    __table__ = "items"
    __pk__ = ("batch", "number")
    batch: int
    number: int
    size: int
    generation: int
    body: str


def body(batch: int, number: int) -> str:
    """What a row of this place says: as good as random, so that pages are split everywhere."""
    return f"{hash((batch, number)) & 0xFFFFFFFFFFFF:012x}" * (1 + (batch * 7 + number) % 20)


def items(batch: int, size: int, numbers: Iterable[int] | None = None) -> list[Item]:
    chosen = range(size) if numbers is None else numbers
    return [Item(batch=batch, number=n, size=size, generation=0, body=body(batch, n)) for n in chosen]


# Both worlds by one text


class Stepped:
    """The synchronous handle in the notation of the asynchronous one."""

    def __init__(self, handle: SyncDB) -> None:
        self._handle = handle

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        verb = getattr(self._handle, name)

        async def call(*arguments: Any, **options: Any) -> Any:
            return verb(*arguments, **options)

        return call

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Stepped]:
        with self._handle.transaction() as tx:
            yield Stepped(tx)


async def connect(path: Path, world: str, **options: Any) -> Any:
    """A `DB`, or what looks like one and is of the synchronous world."""
    url = f"sqlite:///{path}"
    return await DB.from_url(url, **options) if world == "async" else Stepped(SyncDB.from_url(url, **options))


async def write(db: Any, batch: int, kind: str) -> None:
    """One batch, all or nothing. When this returns it is there for good."""
    match kind:
        case "one":
            await db.insert(items(batch, 1)[0])
        case "block":
            async with db.transaction() as tx:
                for item in items(batch, 5):
                    await tx.insert(item)
        case "bulk":
            await db.insert_many(items(batch, BULK))
        case "savepoint":
            async with db.transaction() as tx:
                await tx.insert(items(batch, 3)[0])
                try:
                    async with tx.transaction() as inner:
                        await inner.insert(items(batch, 3)[1])
                        await inner.insert(items(batch, 3)[0])
                except DuplicateError:
                    pass  # undone alone: the same row is written again
                await tx.insert_many(items(batch, 3, (1, 2)))
        case _:
            async with db.transaction() as tx:
                earlier = batch - 1 - batch % 3
                await tx.execute("UPDATE items SET generation = generation + 1 WHERE batch = $1", earlier)
                await tx.insert(items(batch, 1)[0])


# The judge


@dataclass
class Verdict:
    """What is wrong with a file; nothing is an empty verdict."""

    lost: list[int] = field(default_factory=list)
    """Batches that were acknowledged and are not there."""
    half: list[int] = field(default_factory=list)
    strange: list[int] = field(default_factory=list)
    """Batches that nobody began."""
    damage: str = ""

    def __bool__(self) -> bool:
        return bool(self.lost or self.half or self.strange or self.damage)


def judge(path: Path, acknowledged: Iterable[int], begun: Callable[[int], bool] = bool) -> Verdict:
    """Open the file, as the next one would, and look; `begun` tells whether a batch may be there."""
    verdict = Verdict()
    acknowledged = set(acknowledged)
    db = sqlite3.connect(path)
    try:
        integrity = [message for (message,) in db.execute("PRAGMA integrity_check")]
        if integrity != ["ok"]:
            verdict.damage = "; ".join(integrity[:3])
        db.execute("BEGIN IMMEDIATE")
        stored: dict[int, list[tuple[int, int, int, str]]] = {}
        if db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'items'").fetchone()[0]:
            for batch, *rest in db.execute("SELECT batch, number, size, generation, body FROM items"):
                if isinstance(batch, int) and isinstance(rest[0], int):
                    stored.setdefault(batch, []).append(tuple(rest))
                else:
                    verdict.damage = verdict.damage or "a row has lost its key"
        db.execute("ROLLBACK")
    except sqlite3.Error as error:
        verdict.damage = verdict.damage or str(error)
        return verdict
    finally:
        db.close()
    for batch, rows in sorted(stored.items()):
        sizes, generations = {size for _, size, _, _ in rows}, {made for _, _, made, _ in rows}
        whole = sizes == {len(rows)} and len(generations) == 1
        if not whole or any(text != body(batch, number) for number, _, _, text in rows):
            verdict.half.append(batch)
        if batch not in acknowledged and not begun(batch):
            verdict.strange.append(batch)
    verdict.lost = sorted(acknowledged - set(stored))
    return verdict


# Broken variants: what the judge has to catch


@contextmanager
def pragmas(*more: str) -> Iterator[None]:
    """Connections that write get these after our own settings."""
    own = Settings.pragmas
    Settings.pragmas = property(lambda self: (*own.fget(self), *(() if self.reader else more)))
    try:
        yield
    finally:
        Settings.pragmas = own


def go_on_after_failures() -> None:
    """A block that takes an error of a statement for the caller's business alone, as most layers do."""
    for each in (Transaction, SyncTransaction):
        each.fail = lambda self, error: None


BROKEN_PRAGMAS = {
    "synchronous off": "PRAGMA synchronous = OFF",
    "synchronous normal": "PRAGMA synchronous = NORMAL",
    "journal in memory": "PRAGMA journal_mode = MEMORY",
}


# The process that works


async def work(options: argparse.Namespace) -> None:
    acks = 1 if options.acks == "-" else os.open(options.acks, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    db = await connect(options.file, options.world)
    for index in range(options.batches):
        batch = options.start + index
        if index == 0:
            await db.execute(TABLE)
            await db.execute(SCATTER)
        elif index % options.reopen == 0:
            await db.close()
            db = await connect(options.file, options.world)
        await write(db, batch, KINDS[batch % len(KINDS)])
        os.write(acks, b"%d\n" % batch)
    await db.close()


async def work_in_groups(options: argparse.Namespace) -> None:
    """The same, but many batches share one COMMIT and each is acknowledged at once: fast, and wrong."""
    db = await connect(options.file, options.world)
    await db.execute(TABLE)
    for first in range(options.start, options.start + options.batches, GROUP):
        async with db.transaction() as tx:
            for batch in range(first, first + GROUP):
                await write(tx, batch, KINDS[batch % len(KINDS)])
                os.write(1, b"%d\n" % batch)
    await db.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path)
    parser.add_argument("acks")
    parser.add_argument("--world", default="async")
    parser.add_argument("--broken", default="")
    parser.add_argument("--start", type=int, default=1)
    parser.add_argument("--batches", type=int, default=10**9)
    parser.add_argument("--reopen", type=int, default=25)
    parser.add_argument("--pages", type=int, default=40, help="of the log, then it is folded into the file")
    options = parser.parse_args()
    broken = BROKEN_PRAGMAS.get(options.broken)
    # A small cache, so that a large transaction reaches the disk before its end.
    more = ("PRAGMA cache_size = 8", f"PRAGMA wal_autocheckpoint = {options.pages}")
    with pragmas(*more, *([broken] if broken else [])):
        asyncio.run((work_in_groups if options.broken == "groups" else work)(options))


if __name__ == "__main__":
    main()
