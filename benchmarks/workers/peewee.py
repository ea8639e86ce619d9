"""Peewee: synchronous, a connection that the thread keeps; on PostgreSQL by psycopg 3."""

from __future__ import annotations

from typing import Any

import peewee
from playhouse.postgres_ext import PostgresqlExtDatabase, ServerSide

from benchmarks.people import COLUMNS
from benchmarks.sql_sqlite import SETTINGS
from benchmarks.workers.loop import SyncWorker, serve
from benchmarks.workers.work import PAGE

CHUNK = 1000
"""Rows to an INSERT, by `chunked`, as its documentation writes many."""

database = peewee.DatabaseProxy()


class Columns(peewee.Model):
    id = peewee.BigAutoField()
    name = peewee.TextField()
    email = peewee.TextField(null=True)
    age = peewee.IntegerField()
    score = peewee.DoubleField()
    active = peewee.BooleanField()
    created_at = peewee.DateTimeField()

    class Meta:
        database = database


class Person(Columns):
    class Meta:
        table_name = "people"


class NewPerson(Columns):
    class Meta:
        table_name = "people_new"


class Peewee(SyncWorker):
    packages = ("peewee",)

    def open(self) -> None:
        if self.target.is_sqlite:
            pragmas = [tuple(setting.split(" = ")) for setting in SETTINGS]
            database.initialize(peewee.SqliteDatabase(self.target.place, pragmas=pragmas))
        else:
            database.initialize(PostgresqlExtDatabase(self.target.place, prefer_psycopg3=True))
        database.connect()

    def close(self) -> None:
        database.close()

    def notes(self) -> dict[str, str]:
        chunks = f"by INSERTs of {CHUNK:,} rows in a transaction, as its documentation shows"
        return {"insert_many": chunks, "upsert_many": chunks}

    def get(self, key: int) -> Any:
        return Person.get_by_id(key)

    def insert(self, values: dict[str, Any]) -> Any:
        return NewPerson.create(**values)

    def update(self, key: int, name: str, score: float) -> Any:
        changed = Person.update(name=name, score=score).where(Person.id == key).returning(Person)
        return next(iter(changed.execute()))

    def insert_in_transaction(self, rows: list[dict[str, Any]]) -> Any:
        with database.atomic():
            return [NewPerson.create(**row) for row in rows]

    def insert_many(self, rows: list[dict[str, Any]]) -> None:
        with database.atomic():
            for chunk in peewee.chunked(rows, CHUNK):
                NewPerson.insert_many(chunk).execute()

    def upsert_many(self, rows: list[dict[str, Any]]) -> None:
        changed = [getattr(NewPerson, name) for name in COLUMNS[1:]]
        with database.atomic():
            for chunk in peewee.chunked(rows, CHUNK):
                NewPerson.insert_many(chunk).on_conflict(
                    conflict_target=[NewPerson.id], preserve=changed
                ).execute()

    def page(self, age: int) -> Any:
        limit, offset = PAGE
        chosen = Person.select().where(Person.age == age)
        people = list(chosen.order_by(Person.id).limit(limit).offset(offset))
        return chosen.count(), people

    def by_age(self, age: int) -> Any:
        return list(Person.select().where(Person.age == age))

    def first_rows(self, count: int) -> Any:
        return list(Person.select().where(Person.id <= count))

    def stream(self, count: int) -> int:
        people = Person.select().where(Person.id <= count).order_by(Person.id)
        if self.target.is_sqlite:
            return sum(person.age + person.id for person in people.iterator())
        return sum(person.age + person.id for person in ServerSide(people))


if __name__ == "__main__":
    serve(Peewee)
