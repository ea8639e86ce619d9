"""SQLAlchemy's ORM by asynchronous sessions, one for each piece of work."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import async_sessionmaker

from benchmarks.people import COLUMNS
from benchmarks.workers.loop import AsyncWorker, serve
from benchmarks.workers.sqlalchemy_engine import async_engine
from benchmarks.workers.sqlalchemy_models import NewPerson, Person
from benchmarks.workers.work import PAGE, PREFETCH


class ORM(AsyncWorker):
    packages = ("sqlalchemy",)

    async def open(self) -> None:
        self.engine = async_engine(self.target)
        # Objects stay readable after a commit: what its documentation wants of asynchronous sessions.
        self.session = async_sessionmaker(self.engine, expire_on_commit=False)
        self.insert_into = sqlite.insert if self.target.is_sqlite else postgresql.insert

    async def close(self) -> None:
        await self.engine.dispose()

    async def get(self, key: int) -> Any:
        async with self.session() as session:
            return await session.get(Person, key)

    async def insert(self, values: dict[str, Any]) -> Any:
        async with self.session.begin() as session:
            person = NewPerson(**values)
            session.add(person)
        return person

    async def update(self, key: int, name: str, score: float) -> Any:
        changed = sa.update(Person).where(Person.id == key).values(name=name, score=score).returning(Person)
        async with self.session.begin() as session:
            return (await session.scalars(changed)).one()

    async def insert_in_transaction(self, rows: list[dict[str, Any]]) -> Any:
        people: list[NewPerson] = []
        async with self.session.begin() as session:
            for row in rows:
                person = NewPerson(**row)
                session.add(person)
                await session.flush()
                people.append(person)
        return people

    async def insert_many(self, rows: list[dict[str, Any]]) -> None:
        async with self.session.begin() as session:
            await session.execute(sa.insert(NewPerson), rows)

    async def upsert_many(self, rows: list[dict[str, Any]]) -> None:
        statement = self.insert_into(NewPerson)
        changed = {name: statement.excluded[name] for name in COLUMNS[1:]}
        async with self.session.begin() as session:
            await session.execute(statement.on_conflict_do_update(index_elements=["id"], set_=changed), rows)

    async def page(self, age: int) -> Any:
        limit, offset = PAGE
        chosen = sa.select(Person).where(Person.age == age)
        async with self.session() as session:
            found = (await session.scalars(chosen.order_by(Person.id).limit(limit).offset(offset))).all()
            count = await session.scalar(
                sa.select(sa.func.count()).select_from(Person).where(Person.age == age)
            )
            return count, found

    async def by_age(self, age: int) -> Any:
        async with self.session() as session:
            return (await session.scalars(sa.select(Person).where(Person.age == age))).all()

    async def first_rows(self, count: int) -> Any:
        async with self.session() as session:
            return (await session.scalars(sa.select(Person).where(Person.id <= count))).all()

    async def stream(self, count: int) -> int:
        total = 0
        statement = sa.select(Person).where(Person.id <= count).order_by(Person.id)
        async with self.session() as session:
            people = await session.stream_scalars(statement.execution_options(yield_per=PREFETCH))
            async for person in people:
                total += person.age + person.id
        return total


if __name__ == "__main__":
    serve(ORM)
