"""SQLAlchemy Core by an asynchronous engine: rows are tuples with names, neither typed nor validated."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from benchmarks.people import COLUMNS
from benchmarks.workers.loop import AsyncWorker, serve
from benchmarks.workers.sqlalchemy_engine import async_engine
from benchmarks.workers.work import PAGE, PREFETCH


def table(name: str) -> sa.Table:
    return sa.Table(
        name,
        sa.MetaData(),
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("email", sa.Text),
        sa.Column("age", sa.Integer, nullable=False),
        sa.Column("score", sa.Double, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
    )


PEOPLE, NEW = table("people"), table("people_new")


class Core(AsyncWorker):
    """Statements are built at each call, as users do."""

    packages = ("sqlalchemy",)

    async def open(self) -> None:
        self.engine = async_engine(self.target)
        self.insert_into = sqlite.insert if self.target.is_sqlite else postgresql.insert

    async def close(self) -> None:
        await self.engine.dispose()

    async def get(self, key: int) -> Any:
        async with self.engine.connect() as connection:
            return (await connection.execute(sa.select(PEOPLE).where(PEOPLE.c.id == key))).one()

    async def insert(self, values: dict[str, Any]) -> Any:
        async with self.engine.begin() as connection:
            return (await connection.execute(sa.insert(NEW).values(**values).returning(NEW))).one()

    async def update(self, key: int, name: str, score: float) -> Any:
        changed = sa.update(PEOPLE).where(PEOPLE.c.id == key).values(name=name, score=score)
        async with self.engine.begin() as connection:
            return (await connection.execute(changed.returning(PEOPLE))).one()

    async def insert_in_transaction(self, rows: list[dict[str, Any]]) -> Any:
        async with self.engine.begin() as connection:
            return [
                (await connection.execute(sa.insert(NEW).values(**row).returning(NEW))).one() for row in rows
            ]

    async def insert_many(self, rows: list[dict[str, Any]]) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(sa.insert(NEW), rows)

    async def upsert_many(self, rows: list[dict[str, Any]]) -> None:
        statement = self.insert_into(NEW)
        changed = {name: statement.excluded[name] for name in COLUMNS[1:]}
        async with self.engine.begin() as connection:
            await connection.execute(
                statement.on_conflict_do_update(index_elements=["id"], set_=changed), rows
            )

    async def page(self, age: int) -> Any:
        limit, offset = PAGE
        chosen = PEOPLE.c.age == age
        rows = sa.select(PEOPLE).where(chosen).order_by(PEOPLE.c.id).limit(limit).offset(offset)
        count = sa.select(sa.func.count()).select_from(PEOPLE).where(chosen)
        async with self.engine.connect() as connection:
            found = (await connection.execute(rows)).all()
            return (await connection.execute(count)).scalar_one(), found

    async def by_age(self, age: int) -> Any:
        async with self.engine.connect() as connection:
            return (await connection.execute(sa.select(PEOPLE).where(PEOPLE.c.age == age))).all()

    async def first_rows(self, count: int) -> Any:
        async with self.engine.connect() as connection:
            return (await connection.execute(sa.select(PEOPLE).where(PEOPLE.c.id <= count))).all()

    async def stream(self, count: int) -> int:
        total = 0
        statement = sa.select(PEOPLE).where(PEOPLE.c.id <= count).order_by(PEOPLE.c.id)
        async with self.engine.connect() as connection:
            async for row in await connection.stream(statement.execution_options(yield_per=PREFETCH)):
                total += row.age + row.id
        return total


if __name__ == "__main__":
    serve(Core)
