"""A SQLite file on a disk that fails or fills up, and writes that are interrupted half-way.

Whatever happens: what was acknowledged is there, what failed is not, nothing is half, the error says
that it was the disk, and the same handle works on once the disk does. Both worlds.
"""

from __future__ import annotations

import asyncio
import errno
import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import AsyncExitStack, suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from rowstead import DB, StatementTimeout, TransactionFailed
from rowstead.sync.transaction import Transaction as SyncTransaction
from rowstead.transaction import Transaction

from .disk import ROOT, Disk, environment, python
from .figures import record_figure, size
from .sqlite_io_work import Report
from .sqlite_work import TABLE, Item, connect, items

WORLDS = ("async", "sync")
CASES = (
    ("write", errno.EIO, True),
    ("write", errno.ENOSPC, False),
    ("sync", errno.EIO, True),
    ("sync", errno.EIO, False),
    ("read", errno.EIO, True),
    ("read", errno.EIO, False),
    ("truncate", errno.EIO, True),
    ("open", errno.EMFILE, False),
)
"""Kind of call, its error, and whether only the Nth call fails, or all from the Nth on."""
GROWTH = size(short=0.4, long=0.0)
"""In the short run the places lie further apart the later they are."""
MEMORY = Path("/dev/shm")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where a sync costs nothing, if this machine has that."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else tmp_path) as made:
        yield Path(made)


def reported(words: list[str], disk: Disk | None = None) -> Report:
    done = subprocess.run(
        words, cwd=ROOT, env=environment(disk), capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return Report(**json.loads(done.stdout))


def fail_at_calls(folder: Path, kind: str, code: int, once: bool, *more: object) -> Report:
    with tempfile.TemporaryDirectory(dir=folder) as inside:
        (Path(inside) / "disk").mkdir()
        disk = Disk(Path(inside) / "disk", Path(inside) / "control")
        options = ("--kind", kind, "--errno", code, "--growth", GROWTH, *(["--once"] if once else []))
        return reported(python("sqlite_io_work", "calls", disk.folder, *options, *more), disk)


def fill(folder: Path, squeeze: str, *more: object) -> Report:
    with tempfile.TemporaryDirectory(dir=folder) as inside:
        prefix = [*small_file_system(), inside] if squeeze == "tmpfs" else []
        return reported([*prefix, *python("sqlite_io_work", "full", inside, "--squeeze", squeeze, *more)])


@cache
def small_file_system() -> tuple[str, ...] | None:
    """Words that run a command where a small tmpfs stands on a folder; None where nobody may mount.

    It ends with the command: nothing is mounted for anybody else.
    """
    mount = 'mount -t tmpfs -o size=1m rowstead "$0" && exec "$@"'
    for options in ("-rm", "-m"):
        words = ("unshare", options, "sh", "-c", mount)
        with suppress(FileNotFoundError), tempfile.TemporaryDirectory() as place:
            if subprocess.run([*words, place, "true"], capture_output=True, check=False).returncode == 0:
                return words
    return None


def said(reports: list[Report]) -> str:
    total = {
        name: sum(len(v) if isinstance(v := getattr(r, name), list) else v for r in reports)
        for name in COUNTS
    }
    return ", ".join(f"{number} {COUNTS[name]}" for name, number in total.items())


COUNTS = {
    "failures": "steps failed",
    "acknowledged": "batches acknowledged",
    "lost": "lost",
    "half": "half",
    "damaged": "damaged",
    "applied": "failed but applied",
    "untyped": "untyped errors",
    "unusable": "unusable handles",
}


def wrong(report: Report) -> dict[str, Any]:
    """What must be nothing."""
    names = ("lost", "half", "damaged", "applied", "untyped", "unusable")
    return {name: value for name in names if (value := getattr(report, name))}


@pytest.mark.parametrize("world", WORLDS)
def test_a_disk_that_fails_at_the_nth_call_costs_no_acknowledged_batch(folder: Path, world: str) -> None:
    ours = {case: fail_at_calls(folder, *case, "--world", world) for case in CASES}
    naive = fail_at_calls(folder, "write", errno.EIO, True, "--world", world, "--careless")
    rounds = sum(report.rounds for report in ours.values())
    record_figure(
        f"SQLite, I/O error at the Nth call, {world}",
        f"{said(list(ours.values()))}; {rounds} places",
        "nothing lost, half, damaged, untyped or unusable",
        f"a block that goes on after an error: {said([naive])}",
    )
    assert {case: wrong(report) for case, report in ours.items() if wrong(report)} == {}
    # Each kind of call was there, and the errors came through to the caller.
    assert all(report.calls for report in ours.values())
    assert all(r.failures for (kind, _, _), r in ours.items() if kind != "truncate")
    # SQLite gave up whole transactions by itself, so that case was met.
    assert ours["write", errno.EIO, True].rolled_back_by_sqlite > 0
    assert naive.half > 0


@pytest.mark.parametrize("world", WORLDS)
def test_a_full_disk_costs_no_acknowledged_batch(folder: Path, world: str) -> None:
    # A limit on a file's size and SQLite's own are everywhere; a file system of one's own is not.
    squeezes = (*(["tmpfs"] if small_file_system() else []), "limit", "pages")
    ours = {squeeze: fill(folder, squeeze, "--world", world) for squeeze in squeezes}
    naive = fill(folder, squeezes[0], "--world", world, "--careless")
    record_figure(
        f"SQLite, disk full, {world}",
        f"{said(list(ours.values()))} ({', '.join(squeezes)})",
        "nothing lost, half, damaged, untyped or unusable",
        f"a block that goes on after an error: {said([naive])}",
    )
    assert {squeeze: wrong(report) for squeeze, report in ours.items() if wrong(report)} == {}
    assert all(report.failures >= report.calls for report in ours.values())
    # Of some INSERTs SQLite undoes only the statement, of others the whole transaction; both were met.
    assert ours["limit"].rolled_back_by_sqlite > 0
    assert naive.half > 0


# Interrupted writes

ENDLESS = """
INSERT INTO items (batch, number, size, generation, body)
WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n) SELECT 3, i, 1, 0, 'half' FROM n
"""
ENDLESS_READ = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


class Interrupted(Exception):
    """What the write below ends with, whoever ended it."""


async def endless(tx: Any, file: Path, how: str) -> None:
    """A write that is stopped half-way: when some of it has reached the disk, or by its time limit."""
    try:
        if how == "time limit":
            await tx.execute(ENDLESS)
        async with asyncio.timeout(60) as scope:
            looking = asyncio.create_task(stop_when_begun(file, scope))
            try:
                await tx.execute(ENDLESS)
            finally:
                looking.cancel()
    except (TimeoutError, StatementTimeout) as error:
        raise Interrupted from error


async def stop_when_begun(file: Path, scope: asyncio.Timeout) -> None:
    log = file.with_name(file.name + "-wal")
    before = log.stat().st_size
    while log.stat().st_size < before + 100_000:  # noqa: ASYNC110  (a file tells nobody that it grows)
        await asyncio.sleep(0.002)
    scope.reschedule(asyncio.get_running_loop().time())


async def interrupt(file: Path, world: str, how: str, nested: bool) -> tuple[int, str]:
    """Rows of the batch that stay after a careless caller went on, and how its block ended."""
    limit = 0.2 if how == "time limit" else None
    db = await connect(file, world, statement_timeout=limit)
    ended = "committed"
    try:
        await db.execute(TABLE)
        await db.insert(items(1, 1)[0])
        async with AsyncExitStack() as outer:
            tx = await outer.enter_async_context(db.transaction())
            await tx.insert(items(2, 2)[0])
            with suppress(Interrupted):
                if nested:
                    async with tx.transaction() as inner:
                        await inner.insert(items(4, 1)[0])
                        await endless(inner, file, how)
                else:
                    await endless(tx, file, how)
            with suppress(TransactionFailed):
                await tx.insert(items(2, 2)[1])
    except Exception as error:
        ended = type(error).__name__
    # The handle works, and shows what stayed.
    await db.insert(items(5, 1)[0])
    stayed = await db.fetchval("SELECT count(*) FROM items WHERE batch IN (2, 3, 4)")
    assert await db.count(Item) == stayed + 2
    await db.close()
    return stayed, ended


WAYS = (("async", "cancel"), ("async", "time limit"), ("sync", "time limit"))


@pytest.mark.parametrize("nested", [False, True], ids=["in a block", "in a savepoint"])
async def test_an_interrupted_write_fails_its_whole_block(
    folder: Path, nested: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = {way: await interrupt(folder / f"{'-'.join(way)}.sqlite", *way, nested) for way in WAYS}
    for each in (Transaction, SyncTransaction):
        monkeypatch.setattr(each, "fail", lambda self, error: None)
    naive = {way: await interrupt(folder / f"naive-{'-'.join(way)}.sqlite", *way, nested) for way in WAYS}
    record_figure(
        f"SQLite, write interrupted {'in a savepoint' if nested else 'in a block'}: rows kept, block's end",
        " ".join(f"{stayed} {end}" for stayed, end in ours.values()),
        "0 TransactionFailed",
        " ".join(f"{stayed} {end}" for stayed, end in naive.values()),
    )
    assert set(ours.values()) == {(0, "TransactionFailed")}
    assert all(stayed == 1 for stayed, _ in naive.values())


async def test_an_interrupted_read_in_a_savepoint_costs_the_outer_block_nothing(folder: Path) -> None:
    file = folder / "read.sqlite"
    async with await DB.from_url(f"sqlite:///{file}", statement_timeout=0.2) as db:
        await db.execute(TABLE)
        async with db.transaction() as tx:
            await tx.insert(items(1, 2)[0])
            with pytest.raises(StatementTimeout):
                async with tx.transaction() as inner:
                    await inner.insert(items(2, 1)[0])
                    await inner.fetchval(ENDLESS_READ)
            await tx.insert(items(1, 2)[1])
        assert [(item.batch, item.number) for item in await db.query(Item, order="number")] == [
            (1, 0),
            (1, 1),
        ]
