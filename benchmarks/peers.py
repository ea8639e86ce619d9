"""SQLAlchemy Core on the same work, so that a reader sees where a layer usually stands.

Asynchronous engines over asyncpg and aiosqlite, in the way that its documentation shows; it gives
rows as tuples with names, neither typed nor validated.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from benchmarks.model import COLUMNS

CORE = "SQLAlchemy Core"


def _table(name: str) -> sa.Table:
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


PEOPLE = _table("people")
NEW = _table("people_new")


class Core:
    """The benchmarks' work by an engine; statements are built at each call, as users do."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine

    async def get(self, key: int) -> Any:
        async with self.engine.connect() as connection:
            return (await connection.execute(sa.select(PEOPLE).where(PEOPLE.c.id == key))).one()

    async def insert(self, values: Sequence[Any]) -> Any:
        async with self.engine.begin() as connection:
            return await self._insert(connection, values)

    async def insert_in_transaction(self, rows: Sequence[Sequence[Any]]) -> list[Any]:
        async with self.engine.begin() as connection:
            return [await self._insert(connection, values) for values in rows]

    async def _insert(self, connection: Any, values: Sequence[Any]) -> Any:
        named = dict(zip(COLUMNS[1:], values, strict=True))
        return (await connection.execute(sa.insert(NEW).values(**named).returning(NEW))).one()

    async def update(self, key: int, name: str, score: float) -> Any:
        statement = (
            sa.update(PEOPLE).where(PEOPLE.c.id == key).values(name=name, score=score).returning(PEOPLE)
        )
        async with self.engine.begin() as connection:
            return (await connection.execute(statement)).one()

    async def page(self) -> Any:
        chosen = PEOPLE.c.age == 7
        rows = sa.select(PEOPLE).where(chosen).order_by(PEOPLE.c.id).limit(50).offset(100)
        count = sa.select(sa.func.count()).select_from(PEOPLE).where(chosen)
        async with self.engine.connect() as connection:
            found = (await connection.execute(rows)).all()
            return (await connection.execute(count)).scalar_one(), found

    async def by_age(self, age: int) -> Any:
        async with self.engine.connect() as connection:
            return (await connection.execute(sa.select(PEOPLE).where(PEOPLE.c.age == age))).all()

    async def up_to(self, key: int) -> Any:
        async with self.engine.connect() as connection:
            return (await connection.execute(sa.select(PEOPLE).where(PEOPLE.c.id <= key))).all()

    async def insert_many(self, rows: Sequence[Sequence[Any]]) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(sa.insert(NEW), [dict(zip(COLUMNS, row, strict=True)) for row in rows])

    async def upsert_many(self, rows: Sequence[Sequence[Any]]) -> None:
        dialect: Any = sqlite if self.engine.dialect.name == "sqlite" else postgresql
        statement = dialect.insert(NEW)
        changed = {name: statement.excluded[name] for name in COLUMNS[1:]}
        statement = statement.on_conflict_do_update(index_elements=["id"], set_=changed)
        async with self.engine.begin() as connection:
            await connection.execute(statement, [dict(zip(COLUMNS, row, strict=True)) for row in rows])

    async def stream(self) -> int:
        total = 0
        async with self.engine.connect() as connection:
            statement = sa.select(PEOPLE).order_by(PEOPLE.c.id).execution_options(yield_per=500)
            async for row in await connection.stream(statement):
                total += row.age + row.id
        return total


@asynccontextmanager
async def sqlalchemy_postgres(url: str, size: int) -> AsyncIterator[Core]:
    """Core over asyncpg with its own pool of `size` connections."""
    engine = create_async_engine(
        f"postgresql+asyncpg{url[url.index('://') :]}", pool_size=size, max_overflow=0
    )
    try:
        yield Core(engine)
    finally:
        await engine.dispose()


@asynccontextmanager
async def sqlalchemy_sqlite(path: str) -> AsyncIterator[Core]:
    """Core over aiosqlite, the file set as ours is."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}")

    @sa.event.listens_for(engine.sync_engine, "connect")
    def _settings(connection: Any, _record: Any) -> None:  # pyright: ignore[reportUnusedFunction]
        cursor = connection.cursor()
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    try:
        yield Core(engine)
    finally:
        await engine.dispose()
