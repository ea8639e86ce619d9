"""PostgreSQL: typed rows beside asyncpg through its own pool, autocommit, raw records.

The bare side is what a user writes today. Both have ten connections. The server does not wait for
its disk (`synchronous_commit` off, unless `durable`): measured is the layer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from benchmarks.harness import BARE, OURS, Benchmark, Side
from benchmarks.model import TASK_COUNT, NewPerson, Person, keyless, plain, plains
from benchmarks.people import NAMES, named, record, records
from benchmarks.sql_postgresql import (
    BULK_INSERT,
    BY_AGE,
    COUNT,
    FIRST,
    GET,
    INSERT,
    PAGE,
    TABLE,
    UPDATE,
    UPSERT,
)
from rowstead import DB

POOL = 10
ROWS = 100_000
BULK = 10_000


def new(values: Sequence[Any]) -> NewPerson:
    return NewPerson(**named(values))


@asynccontextmanager
async def benchmarks(server: str, durable: bool) -> AsyncIterator[list[Benchmark]]:
    """The benchmarks on a database of their own on this server, removed at the end."""
    name = "rowstead_bench"
    url = urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    admin = await asyncpg.connect(server)
    try:
        await admin.execute(f"DROP DATABASE IF EXISTS {name} (FORCE)")
        await admin.execute(f"CREATE DATABASE {name}")
        if not durable:
            await admin.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
        try:
            async with _sides(url) as found:
                yield found
        finally:
            await admin.execute(f"DROP DATABASE {name} (FORCE)")
    finally:
        await admin.close()


@asynccontextmanager
async def _sides(url: str) -> AsyncIterator[list[Benchmark]]:
    async with asyncpg.create_pool(url, min_size=POOL, max_size=POOL) as pool:
        await pool.execute(TABLE.format("people"))
        await pool.execute(TABLE.format("people_new"))
        await pool.copy_records_to_table("people", records=records(1, ROWS + 1))
        await pool.execute("CREATE INDEX ON people (age)")
        await pool.execute("VACUUM ANALYZE people")
        ours = await DB.from_url(f"postgresql+asyncpg{url[url.index('://') :]}", min_size=POOL, max_size=POOL)
        async with ours as db:
            yield [*_single(pool, db), *_many(pool, db)]


def _single(pool: Any, db: DB) -> list[Benchmark]:
    async def bare_get(i: int) -> Any:
        return await pool.fetchrow(GET, i % ROWS + 1)

    async def our_get(i: int) -> Any:
        return await db.get(Person, id=i % ROWS + 1)

    async def bare_insert(i: int) -> Any:
        return await pool.fetchrow(INSERT, *record(i))

    async def our_insert(i: int) -> Any:
        return await db.insert(new(record(i)))

    async def bare_update(i: int) -> Any:
        return await pool.fetchrow(UPDATE, f"changed {i}", i / 4, i % 1000 + 1)

    async def our_update(i: int) -> Any:
        return await db.update(Person.patch(id=i % 1000 + 1, name=f"changed {i}", score=i / 4))

    async def bare_transaction(_: int) -> Any:
        async with pool.acquire() as connection, connection.transaction():
            return [await connection.fetchrow(INSERT, *record(n)) for n in range(20)]

    async def our_transaction(_: int) -> Any:
        async with db.transaction() as tx:
            return [await tx.insert(new(record(n))) for n in range(20)]

    async def bare_page(_: int) -> Any:
        rows = await pool.fetch(PAGE, 7)
        return await pool.fetchval(COUNT, 7), rows

    async def our_page(_: int) -> Any:
        page = await db.page(Person, age=7, order="id", limit=50, offset=100)
        return page.count, page.rows

    async def tasks(get: Callable[[int], Any]) -> list[Any]:
        async def one(start: int) -> list[Any]:
            return [await get(start + n) for n in range(10)]

        return [row for rows in await asyncio.gather(*map(one, range(TASK_COUNT))) for row in rows]

    async def bare_tasks(_: int) -> Any:
        return await tasks(bare_get)

    async def our_tasks(_: int) -> Any:
        return await tasks(our_get)

    async def empty() -> None:
        await pool.execute("TRUNCATE people_new")

    def several(rows: Any) -> Any:
        return [keyless(row) for row in rows]

    def page(result: Any) -> Any:
        return result[0], plains(result[1])

    def sides(bare: Any, our: Any, **more: Any) -> list[Side]:
        return [Side(name, run, **more) for name, run in ((BARE, bare), (OURS, our))]

    return [
        Benchmark("get by key", sides(bare_get, our_get, seen=plain), 300, wanted=0.40),
        Benchmark(
            "insert one and get it back",
            sides(bare_insert, our_insert, prepare=empty, seen=keyless),
            200,
            wanted=0.40,
        ),
        Benchmark("update one", sides(bare_update, our_update, seen=plain), 200, wanted=0.45),
        Benchmark(
            "20 inserts in a transaction",
            sides(bare_transaction, our_transaction, prepare=empty, seen=several),
            20,
            wanted=1.0,
        ),
        Benchmark("page with count and 50 rows", sides(bare_page, our_page, seen=page), 30, wanted=0.85),
        Benchmark("50 tasks over a pool of 10", sides(bare_tasks, our_tasks, seen=plains), wanted=0.15),
    ]


def _many(pool: Any, db: DB) -> list[Benchmark]:
    values = records(1, BULK + 1)
    people = [new(v) for v in values]
    half = values[: BULK // 2]

    async def empty() -> None:
        await pool.execute("TRUNCATE people_new")

    async def half_full() -> None:
        await empty()
        await pool.copy_records_to_table("people_new", records=half)

    async def stored(_result: Any) -> Any:
        return plains(await pool.fetch(f"SELECT {NAMES} FROM people_new ORDER BY id"))

    async def bare_bulk(_: int) -> None:
        await pool.executemany(BULK_INSERT, values)

    async def our_bulk(_: int) -> None:
        await db.insert_many(people)

    async def bare_upsert(_: int) -> None:
        await pool.executemany(UPSERT, values)

    async def our_upsert(_: int) -> None:
        await db.insert_many(people, on_conflict="upsert")

    async def bare_filter(_: int) -> Any:
        return await pool.fetch(BY_AGE, 7)

    async def our_filter(_: int) -> Any:
        return await db.query(Person, age=7)

    async def bare_10000(_: int) -> Any:
        return await pool.fetch(FIRST, BULK)

    async def our_10000(_: int) -> Any:
        return await db.query(Person, where={"id": {"lte": BULK}})

    async def bare_stream(_: int) -> Any:
        total = 0
        async with pool.acquire() as connection, connection.transaction():
            async for row in connection.cursor(f"SELECT {NAMES} FROM people ORDER BY id", prefetch=500):
                total += row["age"] + row["id"]
        return total

    async def our_stream(_: int) -> Any:
        total = 0
        async for row in db.iter_rows(Person, batch_size=500):
            total += row.age + (row.id or 0)
        return total

    def by_key(rows: Any) -> Any:
        return sorted(plains(rows))

    def sides(bare: Any, our: Any, **more: Any) -> list[Side]:
        return [Side(name, run, **more) for name, run in ((BARE, bare), (OURS, our))]

    bulk = sides(bare_bulk, our_bulk, prepare=empty, seen=stored)
    upsert = sides(bare_upsert, our_upsert, prepare=half_full, seen=stored)
    return [
        Benchmark("bulk insert 10,000", bulk, rounds=9, wanted=0.85),
        Benchmark("upsert 10,000", upsert, rounds=9, wanted=0.70),
        Benchmark("1,000 rows by filter", sides(bare_filter, our_filter, seen=by_key), 10, wanted=3.0),
        Benchmark("10,000 rows", sides(bare_10000, our_10000, seen=by_key), 2, wanted=4.0),
        Benchmark("stream 100,000", sides(bare_stream, our_stream), rounds=7, wanted=2.5),
    ]
