"""Rowstead's rows face, synchronous: on PostgreSQL by psycopg."""

from __future__ import annotations

from typing import Any

from benchmarks.model import NewPerson, Person
from benchmarks.people import named
from benchmarks.workers.loop import SyncWorker, serve
from benchmarks.workers.work import PAGE, PREFETCH
from rowstead.sync import DB


class Rowstead(SyncWorker):
    packages = ("rowstead", "pydantic", "psycopg")

    def open(self) -> None:
        scheme = "sqlite" if self.target.is_sqlite else "postgresql+psycopg"
        sizes = {} if self.target.is_sqlite else {"min_size": self.target.pool, "max_size": self.target.pool}
        self.db = DB.from_url(self.target.url(scheme), **sizes)

    def close(self) -> None:
        self.db.close()

    def bulk(self, rows: list[tuple[Any, ...]]) -> Any:
        return [NewPerson(**named(row)) for row in rows]

    def get(self, key: int) -> Any:
        return self.db.get(Person, id=key)

    def insert(self, values: dict[str, Any]) -> Any:
        return self.db.insert(NewPerson(**values))

    def update(self, key: int, name: str, score: float) -> Any:
        return self.db.update(Person.patch(id=key, name=name, score=score))

    def insert_in_transaction(self, rows: list[dict[str, Any]]) -> Any:
        with self.db.transaction() as tx:
            return [tx.insert(NewPerson(**row)) for row in rows]

    def insert_many(self, people: list[NewPerson]) -> None:
        self.db.insert_many(people)

    def upsert_many(self, people: list[NewPerson]) -> None:
        self.db.insert_many(people, on_conflict="upsert")

    def page(self, age: int) -> Any:
        limit, offset = PAGE
        page = self.db.page(Person, age=age, order="id", limit=limit, offset=offset)
        return page.count, page.rows

    def by_age(self, age: int) -> Any:
        return self.db.query(Person, age=age)

    def first_rows(self, count: int) -> Any:
        return self.db.query(Person, where={"id": {"lte": count}})

    def stream(self, count: int) -> int:
        people = self.db.iter_rows(Person, where={"id": {"lte": count}}, batch_size=PREFETCH)
        return sum(person.age + (person.id or 0) for person in people)


if __name__ == "__main__":
    serve(Rowstead)
