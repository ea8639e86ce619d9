"""Rowstead's rows face, asynchronous."""

from __future__ import annotations

from typing import Any

from benchmarks.model import NewPerson, Person
from benchmarks.people import named
from benchmarks.workers.loop import AsyncWorker, serve
from benchmarks.workers.work import PAGE, PREFETCH
from rowstead import DB


class Rowstead(AsyncWorker):
    packages = ("rowstead", "pydantic", "asyncpg")

    async def open(self) -> None:
        scheme = "sqlite" if self.target.is_sqlite else "postgresql+asyncpg"
        sizes = {} if self.target.is_sqlite else {"min_size": self.target.pool, "max_size": self.target.pool}
        self.db = await DB.from_url(self.target.url(scheme), **sizes)

    async def close(self) -> None:
        await self.db.close()

    def bulk(self, rows: list[tuple[Any, ...]]) -> Any:
        return [NewPerson(**named(row)) for row in rows]

    async def get(self, key: int) -> Any:
        return await self.db.get(Person, id=key)

    async def insert(self, values: dict[str, Any]) -> Any:
        return await self.db.insert(NewPerson(**values))

    async def update(self, key: int, name: str, score: float) -> Any:
        return await self.db.update(Person.patch(id=key, name=name, score=score))

    async def insert_in_transaction(self, rows: list[dict[str, Any]]) -> Any:
        async with self.db.transaction() as tx:
            return [await tx.insert(NewPerson(**row)) for row in rows]

    async def insert_many(self, people: list[NewPerson]) -> None:
        await self.db.insert_many(people)

    async def upsert_many(self, people: list[NewPerson]) -> None:
        await self.db.insert_many(people, on_conflict="upsert")

    async def page(self, age: int) -> Any:
        limit, offset = PAGE
        page = await self.db.page(Person, age=age, order="id", limit=limit, offset=offset)
        return page.count, page.rows

    async def by_age(self, age: int) -> Any:
        return await self.db.query(Person, age=age)

    async def first_rows(self, count: int) -> Any:
        return await self.db.query(Person, where={"id": {"lte": count}})

    async def stream(self, count: int) -> int:
        total = 0
        async for person in self.db.iter_rows(Person, where={"id": {"lte": count}}, batch_size=PREFETCH):
            total += person.age + (person.id or 0)
        return total


if __name__ == "__main__":
    serve(Rowstead)
