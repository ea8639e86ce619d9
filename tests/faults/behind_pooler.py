"""A server behind a pooler, empty for each test, and what its sessions hold; conftest.py has its fixtures."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import asyncpg
import psycopg
import pytest

from servers import PostgresDatabase, Server

from .pooler import Pooler

DRIVERS = ("asyncpg", "psycopg")
SERVERS = 3
SESSION = """
SELECT pg_backend_pid(), current_setting('search_path'), current_setting('statement_timeout'),
 current_setting('jit'), current_setting('work_mem'),
 (SELECT count(*) FROM pg_prepared_statements), (SELECT count(*) FROM pg_locks
  WHERE locktype = 'advisory' AND pid = pg_backend_pid()), pg_sleep(0.1)
"""


@pytest.fixture(scope="module")
def database() -> Iterator[PostgresDatabase]:
    with Server.from_environment().database() as made:
        yield made


@pytest.fixture
def admin(database: PostgresDatabase) -> Iterator[psycopg.Connection]:
    """The server itself, with an empty database and nobody of an earlier test on it."""
    with database.connect() as connection:
        database.empty(connection)
        connection.execute("CREATE TYPE mood AS ENUM ('glad', 'sad')")
        connection.execute(
            "CREATE TABLE things (id integer PRIMARY KEY, owner integer NOT NULL, count integer NOT NULL,"
            " mood mood NOT NULL, note jsonb NOT NULL)"
        )
        yield connection


@pytest.fixture
def pooler(admin: psycopg.Connection, database: PostgresDatabase) -> Iterator[Pooler]:
    with Pooler(database.url, servers=SERVERS) as made:
        yield made


@pytest.fixture
def url(pooler: Pooler, database: PostgresDatabase) -> str:
    return pooler.url_of(database.url)


async def sessions(url: str) -> list[tuple[Any, ...]]:
    """The state of every server session that the pooler has, as its clients find it."""
    connections = [await asyncpg.connect(url, statement_cache_size=0) for _ in range(SERVERS)]
    try:
        rows = await asyncio.gather(*(connection.fetchrow(SESSION) for connection in connections))
    finally:
        for connection in connections:
            await connection.close()
    return sorted(tuple(row)[:-1] for row in rows if row is not None)
