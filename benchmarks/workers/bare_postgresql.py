"""asyncpg through its own pool, autocommit, raw records: what a user writes without a layer."""

from __future__ import annotations

from typing import Any

import asyncpg

from benchmarks import sql_postgresql as sql
from benchmarks.people import NAMES
from benchmarks.workers.loop import AsyncWorker, serve
from benchmarks.workers.work import PREFETCH

STREAM = f"SELECT {NAMES} FROM people WHERE id <= $1 ORDER BY id"


class Bare(AsyncWorker):
    packages = ("asyncpg",)

    async def open(self) -> None:
        size = self.target.pool
        self.pool = await asyncpg.create_pool(self.target.place, min_size=size, max_size=size)

    async def close(self) -> None:
        await self.pool.close()

    def plain(self, row: Any) -> tuple[Any, ...]:
        return tuple(row)

    def bulk(self, rows: list[tuple[Any, ...]]) -> Any:
        return rows

    async def get(self, key: int) -> Any:
        return await self.pool.fetchrow(sql.GET, key)

    async def insert(self, values: dict[str, Any]) -> Any:
        return await self.pool.fetchrow(sql.INSERT, *values.values())

    async def update(self, key: int, name: str, score: float) -> Any:
        return await self.pool.fetchrow(sql.UPDATE, name, score, key)

    async def insert_in_transaction(self, rows: list[dict[str, Any]]) -> Any:
        async with self.pool.acquire() as connection, connection.transaction():
            return [await connection.fetchrow(sql.INSERT, *row.values()) for row in rows]

    async def insert_many(self, rows: list[tuple[Any, ...]]) -> None:
        await self.pool.executemany(sql.BULK_INSERT, rows)

    async def upsert_many(self, rows: list[tuple[Any, ...]]) -> None:
        await self.pool.executemany(sql.UPSERT, rows)

    async def page(self, age: int) -> Any:
        rows = await self.pool.fetch(sql.PAGE, age)
        return await self.pool.fetchval(sql.COUNT, age), rows

    async def by_age(self, age: int) -> Any:
        return await self.pool.fetch(sql.BY_AGE, age)

    async def first_rows(self, count: int) -> Any:
        return await self.pool.fetch(sql.FIRST, count)

    async def stream(self, count: int) -> int:
        total = 0
        async with self.pool.acquire() as connection, connection.transaction():
            async for row in connection.cursor(STREAM, count, prefetch=PREFETCH):
                total += row["age"] + row["id"]
        return total


if __name__ == "__main__":
    serve(Bare)
