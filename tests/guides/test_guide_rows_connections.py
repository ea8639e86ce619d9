"""Guide 002, handles and what they show: ping, compose, pools of one's own, JSON; only the names changed."""

from __future__ import annotations

import datetime
import enum
import uuid
from typing import Any

import asyncpg
import pytest
from pydantic import BaseModel

from conftest import Backend
from rowstead import DB, HandleClosed, Row
from servers import PostgresServer, with_driver

ON_POSTGRES = pytest.mark.parametrize("backend", ["asyncpg", "psycopg"], indirect=True)


class User(Row):
    __table__ = "users"
    id: int | None = None
    name: str
    email: str | None = None


USERS = "CREATE TABLE users (id {serial_pk}, name TEXT NOT NULL, email TEXT UNIQUE)"


@pytest.fixture
async def users(db: DB, backend: Backend) -> DB:
    """A handle on a database that has the guide's table of users."""
    await db.execute(backend.ddl(USERS))
    return db


# Life


async def test_ping_is_true_and_raises_only_on_a_closed_handle(backend: Backend) -> None:
    db = await DB.from_url(backend.url)
    async with db:
        ok = await db.ping()
        assert ok is True
        assert await db.fetchval("SELECT 1") == 1
    with pytest.raises(HandleClosed):
        await db.ping()


@ON_POSTGRES
async def test_ping_is_false_when_the_server_does_not_answer(backend: Backend) -> None:
    with PostgresServer(fast=True) as server:
        db = await DB.from_url(with_driver(server.url, backend.name), connect_timeout=2, acquire_timeout=2)
        assert await db.ping() is True
    async with db:
        assert await db.ping() is False


# Looking before running


@ON_POSTGRES
async def test_compose_shows_the_statement_to_the_letter(users: DB) -> None:
    db = users
    q = db.compose("get", User, id=1)
    assert q.sql == "SELECT id, name, email FROM users WHERE id = $1"
    assert q.params == [1]
    assert db.compose("query", User, id=[1, 5, 7]).sql.endswith("WHERE id IN ($1, $2, $3)")
    assert db.compose("query", User, email=None).sql.endswith("WHERE email IS NULL")


async def test_what_compose_shows_is_what_runs(backend: Backend) -> None:
    ran: list[tuple[str, list[Any]]] = []
    db = await DB.from_url(
        backend.url, trace=lambda t: ran.append((t.sql, list(t.params))), trace_values=True
    )
    async with db:
        await db.execute(backend.ddl(USERS))
        alice = User(name="Alice")
        for verb, arguments, options in [
            ("insert", [alice], {}),
            ("get", [User], {"id": 1}),
            ("query", [User], {"id": [1, 2]}),
            ("update", [User(id=1, name="B")], {}),
            ("delete", [User(id=1, name="B")], {}),
        ]:
            shown = db.compose(verb, *arguments, **options)
            ran.clear()
            await getattr(db, verb)(*arguments, **options)
            assert ran == [(shown.sql, shown.params)]


def test_sql_compose_needs_no_database() -> None:
    from rowstead import sql

    q = sql.compose("get", User, id=1, placeholder=lambda i: f"${i + 1}")
    assert (q.sql, q.params) == ("SELECT id, name, email FROM users WHERE id = $1", [1])
    q = sql.compose("get", User, id=1, placeholder=lambda _: "?")
    assert q.sql == "SELECT id, name, email FROM users WHERE id = ?"


# A pool of one's own


async def test_a_pool_of_ones_own_brings_its_own_codecs(postgres_url: str) -> None:
    from rowstead.asyncpg import AsyncpgAdapter

    url = postgres_url
    admin = await asyncpg.connect(url)
    await admin.execute("CREATE TYPE memory_domain AS ENUM ('work', 'home')")
    await admin.execute("CREATE TABLE memories (id SERIAL PRIMARY KEY, domain memory_domain, body JSONB)")
    await admin.close()

    async def init_conn(conn: Any) -> None:
        await conn.set_type_codec(
            "memory_domain",  # the ENUM type name
            encoder=str,
            decoder=str,
            schema="public",
            format="text",
        )

    class Memory(Row):
        __table__ = "memories"
        id: int | None = None
        domain: str
        body: dict[str, Any] | None = None

    pool = await asyncpg.create_pool(url, init=init_conn, min_size=2, max_size=10)
    db = DB(AsyncpgAdapter.from_pool(pool))
    try:
        stored = await db.insert(Memory(domain="work", body={"a": [1, None]}))
        assert stored == Memory(id=1, domain="work", body={"a": [1, None]})
        assert await db.query(Memory, domain=["home", "work"]) == [stored]
        async with db.transaction() as tx:
            await tx.update(Memory.patch(id=1, domain="home"))
        assert (await db.get(Memory, id=1)) == Memory(id=1, domain="home", body={"a": [1, None]})
        # The pool is its owner's: closing the handle leaves it open.
        await db.close()
        assert await pool.fetchval("SELECT domain FROM memories") == "home"
    finally:
        await pool.close()


@ON_POSTGRES
async def test_jsonb_columns_take_and_give_python_objects(db: DB) -> None:
    class Colour(enum.Enum):
        RED = "red"

    class Inner(BaseModel):
        n: int

    class Document(Row):
        __table__ = "documents"
        id: int | None = None
        body: dict[str, Any]
        tags: Any = None

    await db.execute("CREATE TABLE documents (id SERIAL PRIMARY KEY, body JSONB, tags JSONB)")
    key, when = uuid.uuid4(), datetime.datetime(2024, 5, 6, tzinfo=datetime.UTC)
    stored = await db.insert(
        Document(body={"key": key, "when": when, "colour": Colour.RED, "inner": Inner(n=1)}, tags=["a", "b"])
    )
    assert stored.body == {
        "key": str(key),
        "when": "2024-05-06T00:00:00Z",
        "colour": "red",
        "inner": {"n": 1},
    }
    assert stored.tags == ["a", "b"]
    assert (await db.fetch("SELECT body->>'colour' AS c, tags FROM documents")) == [
        {"c": "red", "tags": ["a", "b"]}
    ]
