"""JSON that is a text, and not an object, comes back as that text, whoever made the connection."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Annotated, Any

import asyncpg
import pytest
from psycopg import AsyncConnection
from sqlalchemy.ext.asyncio import create_async_engine

from rowstead import DB, Kind, Row
from rowstead.asyncpg import AsyncpgAdapter
from rowstead.psycopg import PsycopgAdapter
from rowstead.sqlalchemy import SQLAlchemyAdapter
from servers import with_driver

VALUES: list[Any] = ["plain", "5", "null", "", '"quoted"', '{"a": 1}', "[1]", 5, None, {"a": "5"}, ["5"]]


@asynccontextmanager
async def connected(way: str, name: str, url: str) -> AsyncIterator[DB]:
    """A handle on the database by a connection of our own, or by one that somebody else made."""
    if way == "own":
        async with await DB.from_url(with_driver(url, name)) as db:
            yield db
    elif way == "sqlalchemy":
        engine = create_async_engine(with_driver(url, name))
        try:
            async with engine.connect() as connection:
                yield DB(SQLAlchemyAdapter(connection))
        finally:
            await engine.dispose()
    elif name == "psycopg":
        async with await AsyncConnection.connect(url) as raw:
            yield DB(PsycopgAdapter.from_connection(raw))
    else:
        raw = await asyncpg.connect(url)
        if way == "with_codec":
            await raw.set_type_codec("jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads)
        try:
            yield DB(AsyncpgAdapter.from_connection(raw))
        finally:
            await raw.close()


class Noted(Row):
    __table__ = "noted"
    id: int
    a: Annotated[Any, Kind.JSON] = None
    b: Annotated[Any, Kind.JSON] = None


TABLE = "CREATE TABLE noted (id INTEGER PRIMARY KEY, a JSON, b JSONB, several JSONB[], part NUMERIC)"
by_each_driver = pytest.mark.parametrize("name", ["asyncpg", "psycopg"])
by_each_way = pytest.mark.parametrize("way", ["own", "borrowed", "with_codec", "sqlalchemy"])


@by_each_driver
@by_each_way
async def test_a_json_text_comes_back_as_it_was_written(way: str, name: str, postgres_url: str) -> None:
    rows = [Noted(id=number, a=value, b=value) for number, value in enumerate(VALUES)]
    async with connected(way, name, postgres_url) as db:
        await db.execute(TABLE)
        first, *rest = rows
        assert await db.insert(first) == first
        assert await db.insert_many(rest, returning=True) == rest
        assert await db.query(Noted, order="id") == rows
        assert [await db.get(Noted, id=row.id) for row in rows] == rows
        for row in rows:
            assert await db.update(Noted.patch(id=row.id, a=row.b, b=row.a)) == row
        assert await db.fetch_models(Noted, "SELECT id, a, b FROM noted ORDER BY id") == rows
        plain = await db.fetch("SELECT a, b FROM noted ORDER BY id")
        assert [(row["a"], row["b"]) for row in plain] == [(value, value) for value in VALUES]
        assert {type(row["a"]) for row in plain} == set(map(type, VALUES))


@by_each_driver
@by_each_way
async def test_json_is_written_as_json_beside_a_fraction_and_in_arrays(
    way: str, name: str, postgres_url: str
) -> None:
    several = ["5", {"a": "b"}, None, 7]
    async with connected(way, name, postgres_url) as db:
        await db.execute(TABLE)
        await db.execute(
            "INSERT INTO noted (id, b, several, part) VALUES ($1, $2, $3, $4)",
            1,
            {"a": 1},
            several,
            Decimal("1.5"),
        )
        assert await db.fetch("SELECT jsonb_typeof(b) AS kind, b, several, part FROM noted") == [
            {"kind": "object", "b": {"a": 1}, "several": several, "part": Decimal("1.5")}
        ]


@pytest.mark.parametrize("name", ["asyncpg"])
async def test_a_column_that_becomes_a_text_is_not_read_as_json(name: str, postgres_url: str) -> None:
    async with asyncpg.create_pool(postgres_url, min_size=2, max_size=2) as pool:
        driver = AsyncpgAdapter.from_pool(pool)
        first, second = await driver.lend(True), await driver.lend(True)
        try:
            await first.execute("CREATE TABLE noted (a JSON)", ())
            await first.execute("INSERT INTO noted VALUES ($1)", ("5",))
            assert [tuple(r) for r in await first.fetch("SELECT a FROM noted", ())] == [("5",)]
            await first.execute("ALTER TABLE noted ALTER COLUMN a TYPE TEXT USING a #>> '{}'", ())
            for connection in (second, first):
                assert [tuple(r) for r in await connection.fetch("SELECT a FROM noted", ())] == [("5",)]
        finally:
            for connection in (first, second):
                driver.take_back(connection)
            await driver.close()
