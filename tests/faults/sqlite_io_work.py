"""A process whose disk fails at the Nth call, or has no room left: what it was told, as JSON.

    python -m tests.faults.sqlite_io_work calls FOLDER --kind write --errno 5 [--world sync] ...
    python -m tests.faults.sqlite_io_work full FOLDER --squeeze tmpfs|limit|pages [--world sync] ...

Each error is caught as a careful, and as a careless, caller would; then the disk is whole again and
the same handle goes on. What is left is for `sqlite_work.judge`.
"""

from __future__ import annotations

import argparse
import asyncio
import errno
import json
import resource
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from rowstead import RowsteadError, StorageError, TransactionFailed

from .disk import Disk
from .sqlite_work import TABLE, Item, connect, go_on_after_failures, items, judge, pragmas, write

BULK = 40


@dataclass
class Report:
    """What was found over all rounds."""

    rounds: int = 0
    calls: int = 0
    failures: int = 0
    acknowledged: int = 0
    lost: int = 0
    half: int = 0
    damaged: int = 0
    applied: int = 0
    """Batches that were said to have failed, and are there."""
    unusable: list[str] = field(default_factory=list)
    untyped: list[str] = field(default_factory=list)
    rolled_back_by_sqlite: int = 0
    """Blocks that had no transaction any more when they ended."""


class Round:
    """One file, and what is known of each batch of it."""

    def __init__(self, db: Any, report: Report, first: int = 1) -> None:
        self.db, self.report = db, report
        self.batch = first
        self.acknowledged: set[int] = set()
        self.begun: set[int] = set()
        self.failed: set[int] = set()

    def next(self) -> int:
        self.batch += 1
        self.begun.add(self.batch)
        return self.batch

    async def attempt(self, *batches: int, step: Callable[[], Awaitable[None]]) -> bool:
        """Do it; note what was said about the batches."""
        try:
            await step()
        except Exception as error:
            self.report.failures += 1
            if not is_typed(error):
                self.report.untyped.append(repr(error))
            self.failed |= set(batches)
            return False
        self.acknowledged |= set(batches)
        return True

    async def attempt_kind(self, kind: str) -> bool:
        """One batch as a careful caller writes it."""
        if kind == "careless":
            batch = self.next()
            return await self.attempt(batch, step=lambda: self._careless(batch))
        if kind == "savepoint":
            return await self._savepoint()
        if kind == "read":
            return await self.attempt(step=self._read)
        batch = self.next()
        return await self.attempt(batch, step=lambda: write(self.db, batch, kind))

    async def _careless(self, batch: int) -> None:
        """A block whose body takes no notice of errors; the block itself must."""
        async with self.db.transaction() as tx:
            for start in range(0, 4 * BULK, BULK):
                rows = items(batch, 4 * BULK, range(start, start + BULK))
                try:
                    await tx.insert_many(rows)
                except RowsteadError as error:
                    if not is_typed(error):
                        self.report.untyped.append(repr(error))
                    # Read off the handle's inside: what SQLite itself did.
                    inside = getattr(tx, "_handle", tx).session.connection
                    self.report.rolled_back_by_sqlite += not inside.in_transaction

    async def _savepoint(self) -> bool:
        """An inner block may fail alone, or take the outer one with it, but never half of either."""
        outer, inner = self.next(), self.next()
        kept = False

        async def step() -> None:
            nonlocal kept
            async with self.db.transaction() as tx:
                await tx.insert(items(outer, 2)[0])
                try:
                    async with tx.transaction() as nested:
                        await nested.insert_many(items(inner, 3 * BULK))
                    kept = True
                except StorageError:
                    self.report.failures += 1
                await tx.insert(items(outer, 2)[1])

        done = await self.attempt(outer, step=step)
        (self.acknowledged if done and kept else self.failed).add(inner)
        return done

    async def _read(self) -> None:
        await self.db.query(Item, order="batch,number", limit=400)

    async def look(self) -> None:
        """Now that the disk is whole: the handle works, and shows what it said."""
        for kind in ("one", "bulk", "read", "savepoint"):
            if not await self.attempt_kind(kind):
                self.report.unusable.append(kind)
        stored = {row["batch"] for row in await self.db.fetch("SELECT DISTINCT batch FROM items")}
        self.report.applied += len(self.failed & stored)
        self.report.lost += len(self.acknowledged - stored)

    def settle(self, file: Path) -> None:
        """Judge the file from outside."""
        verdict = judge(file, self.acknowledged, self.begun.__contains__)
        self.report.rounds += 1
        self.report.acknowledged += len(self.acknowledged)
        self.report.lost += len(verdict.lost)
        self.report.half += len(verdict.half) + len(verdict.strange)
        self.report.damaged += bool(verdict.damage)


def is_typed(error: BaseException) -> bool:
    """Whether the error says that it was the disk."""
    if isinstance(error, TransactionFailed):
        return error.__cause__ is not None and is_typed(error.__cause__)
    return isinstance(error, StorageError)


STEPS = ("one", "block", "careless", "read", "savepoint", "bulk", "one", "change")


async def fail_at_calls(options: argparse.Namespace) -> Report:
    """In round N the Nth call of a kind fails, once or from then on; until a round has no such call."""
    disk = Disk.here()
    report = Report()
    after = 0
    while True:
        file = disk.folder / "work.sqlite"
        disk.heal()
        db = await connect(file, options.world)
        await db.execute(TABLE)
        now = Round(db, report)
        for kind in ("one", "bulk", "block"):
            await now.attempt_kind(kind)
        before = disk.calls(options.kind)
        disk.fail(options.kind, after, 1 if options.once else 10**9, options.errno)
        for kind in STEPS:
            await now.attempt_kind(kind)
        await now.attempt(step=partial(open_and_close, file, options.world))
        hits, calls = disk.hits, disk.calls(options.kind) - before
        disk.heal()
        await now.look()
        await db.close()
        now.settle(file)
        for path in disk.folder.iterdir():
            path.unlink()
        if not hits:
            report.calls = calls
            return report
        after += 1 + int(after * options.growth)


async def open_and_close(file: Path, world: str) -> None:
    """A second handle, as another process would have."""
    other = await connect(file, world)
    try:
        await other.execute("UPDATE items SET size = size WHERE batch = 2")
    finally:
        await other.close()


# No room


class Squeeze:
    """Takes the room away, and gives it back."""

    def __init__(self, folder: Path, db: Any) -> None:
        self.folder, self.db = folder, db

    async def full(self) -> None:
        raise NotImplementedError

    async def room(self) -> None:
        raise NotImplementedError


class FullDisk(Squeeze):
    """A small file system, filled up with something else but for a little."""

    async def full(self) -> None:
        with (self.folder / "ballast").open("wb", buffering=0) as ballast, suppress(OSError):
            while True:
                ballast.write(bytes(4096))
        with (self.folder / "ballast").open("r+b") as ballast:
            ballast.truncate(max(0, (self.folder / "ballast").stat().st_size - 8192))

    async def room(self) -> None:
        (self.folder / "ballast").unlink()


class FileLimit(Squeeze):
    """No file of this process may grow beyond the log as it is now, and a little."""

    async def full(self) -> None:
        log = max(path.stat().st_size for path in self.folder.iterdir())
        resource.setrlimit(resource.RLIMIT_FSIZE, (log + 8192, resource.RLIM_INFINITY))

    async def room(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


class PageLimit(Squeeze):
    """SQLite itself refuses to let the file grow."""

    async def full(self) -> None:
        pages = await self.db.fetchval("PRAGMA page_count")
        await self.db.execute(f"PRAGMA max_page_count = {pages + 1}")

    async def room(self) -> None:
        await self.db.execute("PRAGMA max_page_count = 1000000")


SQUEEZES: dict[str, type[Squeeze]] = {"tmpfs": FullDisk, "limit": FileLimit, "pages": PageLimit}


async def fill(options: argparse.Namespace) -> Report:
    """Each kind of write meets a full disk; then there is room again, and the same handle goes on."""
    report = Report()
    file = options.folder / "full.sqlite"
    db = await connect(file, options.world)
    await db.execute(TABLE)
    now = Round(db, report)
    squeeze = SQUEEZES[options.squeeze](options.folder, db)
    for kind in ("careless", "savepoint", "bulk", "block", "one"):
        for _ in range(2):
            await now.attempt_kind("bulk")
            await squeeze.full()
            report.calls += 1
            tries = 0
            while await now.attempt_kind(kind):
                # A small write may still find a free page.
                tries += 1
                assert tries < 1000, f"{kind} never met the full disk"
                if kind == "savepoint" and now.batch in now.failed:
                    break
            await now.attempt_kind("read")
            await squeeze.room()
            await now.look()
    await db.close()
    now.settle(file)
    return report


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("calls", "full"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--world", default="async")
    parser.add_argument("--kind", default="write")
    parser.add_argument("--errno", type=int, default=errno.EIO)
    parser.add_argument("--once", action="store_true")
    parser.add_argument("--growth", type=float, default=0.0, help="leave out ever more of the later calls")
    parser.add_argument("--squeeze", default="tmpfs")
    parser.add_argument("--careless", action="store_true", help="the broken variant")
    options = parser.parse_args()
    if options.careless:
        go_on_after_failures()
    with pragmas("PRAGMA cache_size = 8", "PRAGMA wal_autocheckpoint = 8"):
        report = asyncio.run((fail_at_calls if options.what == "calls" else fill)(options))
    print(json.dumps(asdict(report)))


if __name__ == "__main__":
    main()
