"""A table as a service beside SQLAlchemy Core by hand and the bare driver, which all give dicts.

Core is what a user writes today: an `AsyncEngine` with a pool, one `engine.begin()` or `connect()` for each
call, statements made beforehand where they do not depend on the call, `result.mappings()` to dicts. The
driver is asyncpg through its own pool, `dict(record)`; aiosqlite on one connection. On a SQLite file and,
where a server is given, on PostgreSQL.
"""

from __future__ import annotations

import datetime
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import aiosqlite
import asyncpg
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from benchmarks.harness import BARE, OURS, Benchmark, Side
from benchmarks.people import AGES, COLUMNS, named, records
from benchmarks.sqlite import MEMORY
from rowstead import DB
from rowstead.service import PermHook, Session, SQLService, session

POOL = 10
ROWS = 10_000
BULK = 10_000
PAGE = 50
USER = 7
"""On whose behalf the service with a PermHook is called; every row is this user's."""
DRIVER = "driver"

METADATA = sa.MetaData()


def people(name: str) -> sa.Table:
    return sa.Table(
        name,
        METADATA,
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("email", sa.Text),
        sa.Column("age", sa.Integer, nullable=False, index=True),
        sa.Column("score", sa.Double, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("user_id", sa.Integer, nullable=False, server_default=str(USER)),
    )


PEOPLE = people("bench_service")
NEW = people("bench_service_new")
READ = [column for column in PEOPLE.c if column.name in COLUMNS]
NAMES = ", ".join(COLUMNS)


class People(SQLService[int, dict[str, Any]]):
    table = PEOPLE
    select_columns = COLUMNS


class NewPeople(SQLService[int, dict[str, Any]]):
    table = NEW
    select_columns = COLUMNS


class Permitted(PermHook, People):
    """The same, with a condition on each row."""


Work = Callable[[int], Awaitable[Any]]
New = list[dict[str, Any]]
NONE: Mapping[str, Work] = {}


class Driver(Protocol):
    """The same work by the bare driver."""

    async def get(self, number: int) -> Any: ...
    async def page(self, age: int) -> tuple[int, list[dict[str, Any]]]: ...
    async def create(self, rows: New) -> None: ...
    async def create_and_read(self, rows: New) -> list[dict[str, Any]]: ...


@asynccontextmanager
async def benchmarks(server: str | None) -> AsyncIterator[list[Benchmark]]:
    """The benchmarks, on a file of their own and in tables of their own, removed at the end."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="rowstead-bench-", dir=MEMORY))
        file = Path(folder) / "bench.db"
        found: list[Benchmark] = []
        if server is not None:
            found += await stack.enter_async_context(_on_postgresql(server))
        found += await stack.enter_async_context(_on_sqlite(file))
        yield found


@asynccontextmanager
async def _on_postgresql(url: str) -> AsyncIterator[list[Benchmark]]:
    dialect = url.replace("postgresql:", "postgresql+asyncpg:")
    async with AsyncExitStack() as stack:
        engine = await stack.enter_async_context(_filled(dialect))
        db = await stack.enter_async_context(await DB.from_url(dialect, min_size=POOL, max_size=POOL))
        pool = await stack.enter_async_context(asyncpg.create_pool(url, min_size=POOL, max_size=POOL))
        yield _pairs("postgresql", engine, db, ByAsyncpg(pool))


@asynccontextmanager
async def _on_sqlite(file: Path) -> AsyncIterator[list[Benchmark]]:
    async with AsyncExitStack() as stack:
        engine = await stack.enter_async_context(_filled(f"sqlite+aiosqlite:///{file}"))
        db = await stack.enter_async_context(await DB.from_url(f"sqlite:///{file}"))
        connection = await stack.enter_async_context(aiosqlite.connect(file, isolation_level=None))
        yield _pairs("sqlite", engine, db, ByAiosqlite(connection))


@asynccontextmanager
async def _filled(url: str) -> AsyncIterator[AsyncEngine]:
    """An engine as Core is used with it, its tables made and filled."""
    engine = create_async_engine(url, **({"pool_size": POOL} if url.startswith("postgresql") else {}))
    try:
        async with engine.begin() as connection:
            await connection.run_sync(METADATA.drop_all)
            await connection.run_sync(METADATA.create_all)
            await connection.execute(sa.insert(PEOPLE), [named(one) for one in records(1, ROWS + 1)])
        yield engine
    finally:
        async with engine.begin() as connection:
            await connection.run_sync(METADATA.drop_all)
        await engine.dispose()


# ── SQLAlchemy Core ──────────────────────────────────────────────────────────────────────────

BY_ID = sa.select(*READ).where(PEOPLE.c.id == sa.bindparam("wanted"))
BY_AGE = sa.select(*READ).where(PEOPLE.c.age == sa.bindparam("wanted")).order_by(PEOPLE.c.id).limit(PAGE)
NUMBER = sa.select(sa.func.count()).select_from(PEOPLE).where(PEOPLE.c.age == sa.bindparam("wanted"))
CREATE = sa.insert(NEW)
CREATE_AND_READ = sa.insert(NEW).returning(*(NEW.c[name] for name in COLUMNS))


class ByCore:
    """Core by hand, each call in a connection of its own."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def get(self, number: int) -> Any:
        async with self._engine.connect() as connection:
            found = await connection.execute(BY_ID, {"wanted": number % ROWS + 1})
            return dict(found.mappings().one())

    async def page(self, age: int) -> tuple[int, list[dict[str, Any]]]:
        async with self._engine.connect() as connection:
            number = await connection.scalar(NUMBER, {"wanted": age})
            found = await connection.execute(BY_AGE, {"wanted": age})
            return number, [dict(row) for row in found.mappings()]

    async def create(self, rows: New) -> None:
        async with self._engine.begin() as connection:
            await connection.execute(CREATE, rows)

    async def create_and_read(self, rows: New) -> list[dict[str, Any]]:
        async with self._engine.begin() as connection:
            found = await connection.execute(CREATE_AND_READ, rows)
            return [dict(row) for row in found.mappings()]


# ── the bare drivers ─────────────────────────────────────────────────────────────────────────

_AGE_IN_SQL = f"FROM {PEOPLE.name} WHERE age = {{0}}"
_PAGE = f"SELECT {NAMES} {_AGE_IN_SQL} ORDER BY id LIMIT {PAGE}"


def _values(rows: New) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in COLUMNS) for row in rows]


class ByAsyncpg:
    """asyncpg through its own pool; several rows by COPY, or by arrays where they are to come back."""

    _ARRAYS = "int[], text[], text[], int[], float8[], bool[], timestamp[]".split(", ")
    _UNNEST = ", ".join(f"${place}::{kind}" for place, kind in enumerate(_ARRAYS, 1))

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    async def get(self, number: int) -> Any:
        found = await self._pool.fetchrow(
            f"SELECT {NAMES} FROM {PEOPLE.name} WHERE id = $1", number % ROWS + 1
        )
        return dict(found)

    async def page(self, age: int) -> tuple[int, list[dict[str, Any]]]:
        number = await self._pool.fetchval(f"SELECT count(*) {_AGE_IN_SQL.format('$1')}", age)
        return number, [dict(row) for row in await self._pool.fetch(_PAGE.format("$1"), age)]

    async def create(self, rows: New) -> None:
        await self._pool.copy_records_to_table(NEW.name, records=_values(rows), columns=COLUMNS)

    async def create_and_read(self, rows: New) -> list[dict[str, Any]]:
        text = f"INSERT INTO {NEW.name} ({NAMES}) SELECT * FROM unnest({self._UNNEST}) RETURNING {NAMES}"
        found = await self._pool.fetch(text, *([row[name] for row in rows] for name in COLUMNS))
        return [dict(row) for row in found]


class ByAiosqlite:
    """aiosqlite on one connection; what SQLite stores, not turned into Python's types."""

    _INSERT = f"INSERT INTO {NEW.name} ({NAMES}) VALUES ({', '.join('?' * len(COLUMNS))})"

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection

    async def _rows(self, text: str, values: Any) -> list[dict[str, Any]]:
        async with self._connection.execute(text, values) as cursor:
            return [dict(zip(COLUMNS, row, strict=True)) for row in await cursor.fetchall()]

    async def get(self, number: int) -> Any:
        return (await self._rows(f"SELECT {NAMES} FROM {PEOPLE.name} WHERE id = ?", (number % ROWS + 1,)))[0]

    async def page(self, age: int) -> tuple[int, list[dict[str, Any]]]:
        async with self._connection.execute(f"SELECT count(*) {_AGE_IN_SQL.format('?')}", (age,)) as cursor:
            number = await cursor.fetchone()
        assert number is not None
        return number[0], await self._rows(_PAGE.format("?"), (age,))

    async def create(self, rows: New) -> None:
        values = [(*one[:-1], one[-1].isoformat(" ", "microseconds")) for one in _values(rows)]
        await self._connection.execute("BEGIN")
        await self._connection.executemany(self._INSERT, values)
        await self._connection.execute("COMMIT")

    async def create_and_read(self, rows: New) -> list[dict[str, Any]]:
        await self.create(rows)
        return await self._rows(f"SELECT {NAMES} FROM {NEW.name} ORDER BY rowid", ())


# ── the pairs ────────────────────────────────────────────────────────────────────────────────


def _pairs(database: str, engine: AsyncEngine, db: DB, driver: Driver) -> list[Benchmark]:
    """The same work by Core, by a service and by the driver; ratios are to Core, which is the bare side."""
    core = ByCore(engine)
    autocommit = ByCore(engine.execution_options(isolation_level="AUTOCOMMIT"))
    service, permitted, new = People(db), Permitted(db), NewPeople(db)
    caller = Session(user_id=USER)

    async def get(number: int) -> Any:
        return await service.get(number % ROWS + 1)

    async def permitted_get(number: int) -> Any:
        with session(caller):
            return await permitted.get(number % ROWS + 1)

    async def listed(age: int) -> tuple[int | None, Any]:
        found = await service.list(conditions={"age": age}, limit=PAGE)
        return found["count"], found["data"]

    async def permitted_list(age: int) -> tuple[int | None, Any]:
        with session(caller):
            found = await permitted.list(conditions={"age": age}, limit=PAGE)
        return found["count"], found["data"]

    async def create(rows: New) -> None:
        await new.m_create(rows, columns=None)

    async def create_and_read(rows: New) -> Any:
        return await new.m_create(rows)

    def paged(work: Callable[[int], Awaitable[Any]]) -> Work:
        async def run(number: int) -> Any:
            return await work(number % AGES)

        return run

    rows = [named(one) for one in records(1, BULK + 1)]

    async def empty() -> None:
        truncate = sa.text(f"TRUNCATE {NEW.name}")
        async with engine.begin() as connection:
            await connection.execute(truncate if database == "postgresql" else sa.delete(NEW))

    async def stored(_: Any) -> Any:
        async with engine.connect() as connection:
            return await connection.scalar(sa.select(sa.func.count()).select_from(NEW))

    def written(work: Callable[[New], Awaitable[Any]]) -> Work:
        async def run(_: int) -> Any:
            return await work(rows)

        return run

    def sides(
        core: Work, ours: Work, driver: Work, others: Mapping[str, Work] = NONE, **more: Any
    ) -> list[Side]:
        every = {BARE: core, OURS: ours, DRIVER: driver, **others}
        return [Side(name, run, **more) for name, run in every.items()]

    return [
        Benchmark(
            f"service: get, {database}",
            sides(
                core.get,
                get,
                driver.get,
                {"with PermHook": permitted_get, "Core, autocommit": autocommit.get},
                seen=_plain,
            ),
            200,
            wanted=0.6,
        ),
        Benchmark(
            f"service: list of {PAGE} with count, {database}",
            sides(
                paged(core.page),
                paged(listed),
                paged(driver.page),
                {"with PermHook": paged(permitted_list), "Core, autocommit": paged(autocommit.page)},
                seen=_plain,
            ),
            50,
            wanted=0.7,
        ),
        Benchmark(
            f"service: m_create of {BULK:,}, {database}",
            sides(written(core.create), written(create), written(driver.create), prepare=empty, seen=stored),
            wanted=0.6,
        ),
        Benchmark(
            f"service: m_create of {BULK:,}, rows back, {database}",
            sides(
                written(core.create_and_read),
                written(create_and_read),
                written(driver.create_and_read),
                prepare=empty,
                seen=_by_id,
            ),
            wanted=0.6,
        ),
    ]


def _by_id(rows: Any) -> Any:
    return sorted(map(_plain, rows))


def _plain(result: Any) -> Any:
    """Any side's rows as SQLite stores them."""
    if isinstance(result, dict):
        return tuple(map(_plain, result.values()))
    if isinstance(result, (list, tuple)):
        return [_plain(one) for one in result]
    if isinstance(result, datetime.datetime):
        return result.isoformat(" ", "microseconds")
    return int(result) if isinstance(result, bool) else result
