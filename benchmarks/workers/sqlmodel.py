"""SQLModel by its asynchronous session, one for each piece of work.

Its table classes do not validate; that is how SQLModel defines them.
"""

from typing import Any

import sqlalchemy as sa
from pydantic import NaiveDatetime
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Field, SQLModel, col, func, insert, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from benchmarks.people import COLUMNS
from benchmarks.workers.loop import AsyncWorker, serve
from benchmarks.workers.sqlalchemy_engine import async_engine
from benchmarks.workers.work import PAGE, PREFETCH


class Columns(SQLModel):
    id: int | None = Field(default=None, primary_key=True)
    name: str
    email: str | None = None
    age: int
    score: float
    active: bool
    created_at: NaiveDatetime


class Person(Columns, table=True):
    __tablename__ = "people"


class NewPerson(Columns, table=True):
    __tablename__ = "people_new"


class Model(AsyncWorker):
    packages = ("sqlmodel", "sqlalchemy", "pydantic")

    async def open(self) -> None:
        self.engine = async_engine(self.target)
        self.insert_into = sqlite.insert if self.target.is_sqlite else postgresql.insert

    async def close(self) -> None:
        await self.engine.dispose()

    def session(self) -> AsyncSession:
        return AsyncSession(self.engine, expire_on_commit=False)

    async def get(self, key: int) -> Any:
        async with self.session() as session:
            return await session.get(Person, key)

    async def insert(self, values: dict[str, Any]) -> Any:
        async with self.session() as session:
            person = NewPerson(**values)
            session.add(person)
            await session.commit()
        return person

    async def update(self, key: int, name: str, score: float) -> Any:
        changed = update(Person).where(col(Person.id) == key).values(name=name, score=score)
        async with self.session() as session:
            person = (await session.exec(changed.returning(Person))).scalar_one()
            await session.commit()
        return person

    async def insert_in_transaction(self, rows: list[dict[str, Any]]) -> Any:
        people: list[NewPerson] = []
        async with self.session() as session:
            for row in rows:
                person = NewPerson(**row)
                session.add(person)
                await session.flush()
                people.append(person)
            await session.commit()
        return people

    async def insert_many(self, rows: list[dict[str, Any]]) -> None:
        async with self.session() as session:
            await session.exec(insert(NewPerson), params=rows)
            await session.commit()

    async def upsert_many(self, rows: list[dict[str, Any]]) -> None:
        statement = self.insert_into(NewPerson)
        changed = {name: statement.excluded[name] for name in COLUMNS[1:]}
        async with self.session() as session:
            await session.exec(
                statement.on_conflict_do_update(index_elements=["id"], set_=changed), params=rows
            )
            await session.commit()

    async def page(self, age: int) -> Any:
        limit, offset = PAGE
        chosen = select(Person).where(Person.age == age)
        async with self.session() as session:
            found = (await session.exec(chosen.order_by(col(Person.id)).limit(limit).offset(offset))).all()
            count = (
                await session.exec(select(func.count()).select_from(Person).where(Person.age == age))
            ).one()
            return count, found

    async def by_age(self, age: int) -> Any:
        async with self.session() as session:
            return (await session.exec(select(Person).where(Person.age == age))).all()

    async def first_rows(self, count: int) -> Any:
        async with self.session() as session:
            return (await session.exec(select(Person).where(col(Person.id) <= count))).all()

    async def stream(self, count: int) -> int:
        total = 0
        statement = sa.select(Person).where(col(Person.id) <= count).order_by(col(Person.id))
        async with self.session() as session:
            people = await session.stream_scalars(statement.execution_options(yield_per=PREFETCH))
            async for person in people:
                total += person.age + person.id
        return total


if __name__ == "__main__":
    serve(Model)
