"""A database service of several servers works on the one that takes writes, also when the first is gone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from rowstead.errors import RowsteadError, UnreachableError
from rowstead.service import DatabaseService
from servers import PostgresServer, Server
from service.database_site import USERS, Site, users

pytestmark = pytest.mark.postgresql


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[PostgresServer, PostgresServer]]:
    """Two servers with one administrator; the first only reads."""
    reading = PostgresServer(fast=True, settings=["default_transaction_read_only=on"])
    writing = PostgresServer(fast=True)
    writing.password = reading.password
    with reading, writing:
        yield reading, writing


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_the_server_that_takes_writes_is_made_ready_and_used(
    servers: tuple[PostgresServer, PostgresServer], driver: str
) -> None:
    reading, writing = servers
    site = Site(Server(writing.url), driver)
    places: dict[str, Any] = {"port": reading.port, "fallback_hosts": [f"127.0.0.1:{writing.port}"]}
    try:
        async with DatabaseService(metadata=USERS, **site.settings(**places)) as db:
            await db.execute(sa.insert(users).values(id=1, name="Ann"))
            assert await db.fetchval("SELECT inet_server_port()") == writing.port
        assert (
            Site(Server(reading.url), driver).ask(
                "SELECT count(*) FROM pg_roles WHERE rolname = %s", site.user, database="postgres"
            )
            == 0
        )
        with pytest.raises(RowsteadError):
            await DatabaseService(metadata=USERS, **site.settings(port=reading.port)).init()
    finally:
        site.clear()


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_a_server_that_is_gone_is_passed_over(driver: str) -> None:
    gone, there = PostgresServer(fast=True), PostgresServer(fast=True)
    there.password = gone.password
    with gone, there:
        site = Site(Server(there.url), driver)
        places: dict[str, Any] = {"port": gone.port, "fallback_hosts": f"127.0.0.1:{there.port}"}
        gone.stop()
        async with DatabaseService(metadata=USERS, **site.settings(**places)) as db:
            assert await db.fetchval("SELECT inet_server_port()") == there.port
        there.stop()
        with pytest.raises(UnreachableError):
            await DatabaseService(**site.own(**places, init_db=False)).init()
