"""SQLite: typed rows beside the standard library called bare in the same thread.

The bare side has one connection, set as ours are (WAL, `synchronous=FULL`, foreign keys on), and
gives tuples as SQLite stores them. The file is in memory where the machine has such a folder, so
that the layer is measured and not the disk.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from benchmarks.harness import BARE, OURS, Benchmark, Side
from benchmarks.model import NewPerson, Person, keyless, plain
from benchmarks.people import NAMES, named, record, records
from benchmarks.sql_sqlite import BULK_INSERT, BY_AGE, GET, INDEX, INSERT, SETTINGS, TABLE, stored, unstored
from rowstead import DB
from rowstead.dialects import POSTGRESQL
from rowstead.rows import calls
from rowstead.statements.compiled import Compiler
from rowstead.sync import DB as SyncDB

ROWS = 100_000
BULK = 10_000
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None


def new(values: Sequence[Any]) -> NewPerson:
    return NewPerson(**named(values))


def seen(row: Any) -> tuple[Any, ...]:
    """A row of either side as typed values."""
    return plain(row) if isinstance(row, Person) else unstored(row)


@asynccontextmanager
async def benchmarks() -> AsyncIterator[list[Benchmark]]:
    """The benchmarks on a file of their own, removed at the end."""
    with tempfile.TemporaryDirectory(prefix="rowstead-bench-", dir=MEMORY) as folder:
        path = str(Path(folder) / "bench.db")
        bare = sqlite3.connect(path, isolation_level=None, timeout=30)
        try:
            for pragma in SETTINGS:
                bare.execute(f"PRAGMA {pragma}")
            bare.execute(TABLE.format("people"))
            bare.execute(TABLE.format("people_new"))
            bare.execute(INDEX)
            bare.execute("BEGIN")
            bare.executemany(BULK_INSERT.format("people"), map(stored, records(1, ROWS + 1)))
            bare.execute("COMMIT")
            async with await DB.from_url(f"sqlite:///{path}") as db:
                with SyncDB.from_url(f"sqlite:///{path}") as sync:
                    yield [*_reads(bare, db, sync), *_writes(bare, db, sync), *_composing(db)]
        finally:
            bare.close()


def _reads(bare: sqlite3.Connection, db: DB, sync: SyncDB) -> list[Benchmark]:
    def bare_get(i: int) -> Any:
        return bare.execute(GET, (i % ROWS + 1,)).fetchone()

    async def our_get(i: int) -> Any:
        return await db.get(Person, id=i % ROWS + 1)

    def our_sync_get(i: int) -> Any:
        return sync.get(Person, id=i % ROWS + 1)

    def bare_filter(_: int) -> Any:
        return bare.execute(BY_AGE, (7,)).fetchall()

    async def our_filter(_: int) -> Any:
        return await db.query(Person, age=7)

    def rows(found: Any) -> Any:
        return sorted(map(seen, found))

    return [
        Benchmark(
            "get by key, asynchronous",
            [
                Side(BARE, bare_get, seen=unstored),
                Side(OURS, our_get, seen=plain),
            ],
            400,
            wanted=5.0,
        ),
        Benchmark(
            "get by key, synchronous",
            [Side(BARE, bare_get, seen=unstored), Side(OURS, our_sync_get, seen=plain)],
            1000,
            wanted=2.5,
        ),
        Benchmark(
            "1,000 rows by filter",
            [
                Side(BARE, bare_filter, seen=rows),
                Side(OURS, our_filter, seen=rows),
            ],
            20,
            wanted=4.0,
        ),
    ]


def _writes(bare: sqlite3.Connection, db: DB, sync: SyncDB) -> list[Benchmark]:
    values = records(1, BULK + 1)
    people = [new(v) for v in values]

    async def empty() -> None:
        bare.execute("DELETE FROM people_new")

    def there(_result: Any) -> Any:
        return [unstored(row) for row in bare.execute(f"SELECT {NAMES} FROM people_new ORDER BY id")]

    def bare_insert(i: int) -> Any:
        return bare.execute(INSERT, stored(record(i))).fetchall()[0]

    async def our_insert(i: int) -> Any:
        return await db.insert(new(record(i)))

    def our_sync_insert(i: int) -> Any:
        return sync.insert(new(record(i)))

    def bare_bulk(_: int) -> None:
        bare.execute("BEGIN IMMEDIATE")
        bare.executemany(BULK_INSERT.format("people_new"), map(stored, values))
        bare.execute("COMMIT")

    async def our_bulk(_: int) -> None:
        await db.insert_many(people)

    def one(row: Any) -> Any:
        return unstored(row)[1:]

    return [
        Benchmark(
            "insert one and get it back, asynchronous",
            [
                Side(BARE, bare_insert, empty, one),
                Side(OURS, our_insert, empty, keyless),
            ],
            200,
            wanted=2.6,
        ),
        Benchmark(
            "insert one and get it back, synchronous",
            [Side(BARE, bare_insert, empty, one), Side(OURS, our_sync_insert, empty, keyless)],
            200,
        ),
        Benchmark(
            "bulk insert 10,000",
            [
                Side(BARE, bare_bulk, empty, there),
                Side(OURS, our_bulk, empty, there),
            ],
            rounds=9,
            wanted=0.85,
        ),
    ]


def _composing(db: DB) -> list[Benchmark]:
    """What a call costs before anything is sent, warm."""
    compiler = Compiler(POSTGRESQL, "asyncpg", "numeric_dollar")
    patch = Person.patch(id=1, name="changed", score=1.0)
    row = new(record(1))

    def compose(i: int) -> None:
        db.compose("get", Person, id=i)

    def get(i: int) -> None:
        calls.get(compiler, Person, {"id": i})

    def query(i: int) -> None:
        calls.query(compiler, Person, {"age": i}, None, "-id", 50, None)

    def update(_: int) -> None:
        calls.update(compiler, patch, None)

    def insert(_: int) -> None:
        calls.insert(compiler, row, None, None)

    made = (
        ("db.compose get", compose),
        ("get's call", get),
        ("query's call, with order and limit", query),
        ("update's call", update),
        ("insert's call", insert),
    )
    return [Benchmark(name, [Side(OURS, function)], 5000, wanted=4.0) for name, function in made]
