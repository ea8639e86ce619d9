"""SQLAlchemy's ORM by ordinary sessions, one for each piece of work."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import sessionmaker

from benchmarks.people import COLUMNS
from benchmarks.workers.loop import SyncWorker, serve
from benchmarks.workers.sqlalchemy_engine import sync_engine
from benchmarks.workers.sqlalchemy_models import NewPerson, Person
from benchmarks.workers.work import PAGE, PREFETCH


class ORM(SyncWorker):
    packages = ("sqlalchemy",)

    def open(self) -> None:
        self.engine = sync_engine(self.target)
        # As in the asynchronous form: otherwise each row that was written is read again.
        self.session = sessionmaker(self.engine, expire_on_commit=False)
        self.insert_into = sqlite.insert if self.target.is_sqlite else postgresql.insert

    def close(self) -> None:
        self.engine.dispose()

    def get(self, key: int) -> Any:
        with self.session() as session:
            return session.get(Person, key)

    def insert(self, values: dict[str, Any]) -> Any:
        with self.session.begin() as session:
            person = NewPerson(**values)
            session.add(person)
        return person

    def update(self, key: int, name: str, score: float) -> Any:
        changed = sa.update(Person).where(Person.id == key).values(name=name, score=score).returning(Person)
        with self.session.begin() as session:
            return session.scalars(changed).one()

    def insert_in_transaction(self, rows: list[dict[str, Any]]) -> Any:
        people: list[NewPerson] = []
        with self.session.begin() as session:
            for row in rows:
                person = NewPerson(**row)
                session.add(person)
                session.flush()
                people.append(person)
        return people

    def insert_many(self, rows: list[dict[str, Any]]) -> None:
        with self.session.begin() as session:
            session.execute(sa.insert(NewPerson), rows)

    def upsert_many(self, rows: list[dict[str, Any]]) -> None:
        statement = self.insert_into(NewPerson)
        changed = {name: statement.excluded[name] for name in COLUMNS[1:]}
        with self.session.begin() as session:
            session.execute(statement.on_conflict_do_update(index_elements=["id"], set_=changed), rows)

    def page(self, age: int) -> Any:
        limit, offset = PAGE
        chosen = sa.select(Person).where(Person.age == age)
        with self.session() as session:
            found = session.scalars(chosen.order_by(Person.id).limit(limit).offset(offset)).all()
            count = session.scalar(sa.select(sa.func.count()).select_from(Person).where(Person.age == age))
            return count, found

    def by_age(self, age: int) -> Any:
        with self.session() as session:
            return session.scalars(sa.select(Person).where(Person.age == age)).all()

    def first_rows(self, count: int) -> Any:
        with self.session() as session:
            return session.scalars(sa.select(Person).where(Person.id <= count)).all()

    def stream(self, count: int) -> int:
        statement = sa.select(Person).where(Person.id <= count).order_by(Person.id)
        with self.session() as session:
            people = session.scalars(statement.execution_options(yield_per=PREFETCH))
            return sum(person.age + person.id for person in people)


if __name__ == "__main__":
    serve(ORM)
