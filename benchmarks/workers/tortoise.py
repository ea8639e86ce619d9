"""Tortoise ORM, over asyncpg and aiosqlite."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from tortoise import Tortoise, fields
from tortoise.models import Model
from tortoise.transactions import in_transaction

from benchmarks.people import COLUMNS, named
from benchmarks.workers.loop import AsyncWorker, serve
from benchmarks.workers.work import PAGE


class Columns(Model):
    id = fields.BigIntField(primary_key=True)
    name = fields.TextField()
    email = fields.TextField(null=True)
    age = fields.IntField()
    score = fields.FloatField()
    active = fields.BooleanField()
    created_at = fields.DatetimeField()

    class Meta:
        abstract = True


class Person(Columns):
    class Meta:
        table = "people"


class NewPerson(Columns):
    class Meta:
        table = "people_new"


class TortoiseWorker(AsyncWorker):
    packages = ("tortoise-orm",)

    async def open(self) -> None:
        await Tortoise.init(
            config={
                "connections": {"default": self.connection()},
                "apps": {"people": {"models": [__name__], "default_connection": "default"}},
                "use_tz": False,
                "timezone": "UTC",
            }
        )

    def connection(self) -> dict[str, Any]:
        if self.target.is_sqlite:
            credentials = {"file_path": self.target.place, "journal_mode": "WAL", "synchronous": "FULL"}
            return {"engine": "tortoise.backends.sqlite", "credentials": credentials}
        url = urlsplit(self.target.place)
        return {
            "engine": "tortoise.backends.asyncpg",
            "credentials": {
                "host": url.hostname,
                "port": url.port,
                "user": url.username,
                "password": url.password,
                "database": url.path[1:],
                "minsize": self.target.pool,
                "maxsize": self.target.pool,
            },
        }

    async def close(self) -> None:
        await Tortoise.close_connections()

    def left_out(self) -> dict[str, str]:
        return {"stream": "iterating a query loads all its rows first"}

    def notes(self) -> dict[str, str]:
        return {"update": "reads the row, then saves it (two statements): updates return no rows"}

    def bulk(self, rows: list[tuple[Any, ...]]) -> Any:
        return [NewPerson(**named(row)) for row in rows]

    async def get(self, key: int) -> Any:
        return await Person.get(id=key)

    async def insert(self, values: dict[str, Any]) -> Any:
        return await NewPerson.create(**values)

    async def update(self, key: int, name: str, score: float) -> Any:
        person = await Person.get(id=key)
        person.name, person.score = name, score
        await person.save(update_fields=["name", "score"])
        return person

    async def insert_in_transaction(self, rows: list[dict[str, Any]]) -> Any:
        async with in_transaction():
            return [await NewPerson.create(**row) for row in rows]

    async def insert_many(self, people: list[NewPerson]) -> None:
        await NewPerson.bulk_create(people)

    async def upsert_many(self, people: list[NewPerson]) -> None:
        await NewPerson.bulk_create(people, on_conflict=["id"], update_fields=list(COLUMNS[1:]))

    async def page(self, age: int) -> Any:
        limit, offset = PAGE
        chosen = Person.filter(age=age)
        people = await chosen.order_by("id").limit(limit).offset(offset)
        return await chosen.count(), people

    async def by_age(self, age: int) -> Any:
        return await Person.filter(age=age)

    async def first_rows(self, count: int) -> Any:
        return await Person.filter(id__lte=count)


if __name__ == "__main__":
    serve(TortoiseWorker)
