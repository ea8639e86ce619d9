"""Piccolo, over asyncpg and aiosqlite."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from piccolo.columns import BigSerial, Boolean, DoublePrecision, Integer, Serial, Text, Timestamp
from piccolo.engine import Engine
from piccolo.engine.postgres import PostgresEngine
from piccolo.engine.sqlite import SQLiteEngine
from piccolo.table import Table

from benchmarks.people import named
from benchmarks.workers.loop import AsyncWorker, Target, serve
from benchmarks.workers.work import PAGE, PREFETCH

CHUNK = 1000
"""Rows to an INSERT: ten thousand of seven columns are more values than a statement may have."""


def engine(target: Target) -> Engine[Any]:
    if target.is_sqlite:
        return SQLiteEngine(path=target.place)
    url = urlsplit(target.place)
    return PostgresEngine(
        config={
            "host": url.hostname,
            "port": url.port,
            "user": url.username,
            "password": url.password,
            "database": url.path[1:],
        },
        extensions=(),
    )


def table(name: str, tablename: str, db: Engine[Any], is_sqlite: bool) -> Any:
    """A table's class; made here since Piccolo binds its classes to an engine."""

    class Person(Table, tablename=tablename, db=db):
        id = Serial(primary_key=True) if is_sqlite else BigSerial(primary_key=True)
        name = Text()
        email = Text(null=True, default=None)
        age = Integer()
        score = DoublePrecision()
        active = Boolean()
        created_at = Timestamp(default=None, null=True)

    Person.__name__ = name
    return Person


class Piccolo(AsyncWorker):
    packages = ("piccolo",)

    async def open(self) -> None:
        self.engine: Any = engine(self.target)
        self.person = table("Person", "people", self.engine, self.target.is_sqlite)
        self.new_person = table("NewPerson", "people_new", self.engine, self.target.is_sqlite)
        if not self.target.is_sqlite:
            await self.engine.start_connection_pool(min_size=self.target.pool, max_size=self.target.pool)

    async def close(self) -> None:
        if not self.target.is_sqlite:
            await self.engine.close_connection_pool()

    def left_out(self) -> dict[str, str]:
        if self.target.is_sqlite:
            return {"stream": "its batches fail on SQLite when the query has parameters"}
        return {}

    def notes(self) -> dict[str, str]:
        chunks = f"by INSERTs of {CHUNK:,} rows: its own would have too many values"
        notes = {
            "update": "reads the row, then saves it (two statements): returned rows are no objects",
            "insert_many": chunks,
            "upsert_many": chunks,
        }
        if self.target.is_sqlite:
            notes["get"] = "opens a connection for each statement, here and in all rows"
        else:
            notes["stream"] = "opens a connection for each stream, beside its pool"
        return notes

    def bulk(self, rows: list[tuple[Any, ...]]) -> Any:
        return [self.new_person(**named(row)) for row in rows]

    async def get(self, key: int) -> Any:
        return await self.person.objects().get(self.person.id == key)

    async def insert(self, values: dict[str, Any]) -> Any:
        return await self.new_person.objects().create(**values)

    async def update(self, key: int, name: str, score: float) -> Any:
        person = await self.person.objects().get(self.person.id == key)
        await person.update_self({self.person.name: name, self.person.score: score})
        return person

    async def insert_in_transaction(self, rows: list[dict[str, Any]]) -> Any:
        async with self.engine.transaction():
            return [await self.new_person.objects().create(**row) for row in rows]

    async def insert_many(self, people: list[Any]) -> None:
        async with self.engine.transaction():
            for start in range(0, len(people), CHUNK):
                await self.new_person.insert(*people[start : start + CHUNK])

    async def upsert_many(self, people: list[Any]) -> None:
        new = self.new_person
        changed = [new.name, new.email, new.age, new.score, new.active, new.created_at]
        async with self.engine.transaction():
            for start in range(0, len(people), CHUNK):
                await new.insert(*people[start : start + CHUNK]).on_conflict(
                    target=new.id, action="DO UPDATE", values=changed
                )

    async def page(self, age: int) -> Any:
        limit, offset = PAGE
        chosen = self.person.age == age
        people = (
            await self.person.objects().where(chosen).order_by(self.person.id).limit(limit).offset(offset)
        )
        return await self.person.count().where(chosen), people

    async def by_age(self, age: int) -> Any:
        return await self.person.objects().where(self.person.age == age)

    async def first_rows(self, count: int) -> Any:
        return await self.person.objects().where(self.person.id <= count)

    async def stream(self, count: int) -> int:
        total = 0
        query = self.person.objects().where(self.person.id <= count).order_by(self.person.id)
        async with await query.batch(batch_size=PREFETCH) as batches:
            async for batch in batches:
                for person in batch:
                    total += person.age + person.id
        return total


if __name__ == "__main__":
    serve(Piccolo)
