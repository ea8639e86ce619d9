"""A call whose time is over is broken off in the database as well, and its connection serves the next one."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest

from http_server import head, read_answer, request, running
from rowstead.service import PublicInterface, Service
from rowstead.service.database import DatabaseService
from rowstead.service.http import Limits
from servers import MariaDatabase
from service.conftest import Place, place_named

LONG: Mapping[str, str] = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
    "asyncpg": "SELECT pg_sleep(600)",
    "psycopg": "SELECT pg_sleep(600)",
    "mariadb": "SELECT sleep(600)",
}
"""Statements that do not end while a test runs."""


class Sleeper(Service, PublicInterface):
    """Runs a statement that does not end."""

    service_name = "sleeper"
    shielded = False

    def __init__(self, database: DatabaseService, statement: str) -> None:
        super().__init__()
        self.database = database
        self.statement = statement
        self.left: list[asyncio.Task[Any]] = []

    @property
    def routes(self) -> Mapping[str, Callable[..., Any]]:
        return {"sleep": self.sleep, "write": self.write, "one": self.one}

    async def sleep(self) -> None:
        statement = asyncio.create_task(self.database.fetchval(self.statement))
        if not self.shielded:
            await statement
        self.left.append(statement)
        await asyncio.shield(statement)

    async def write(self) -> None:
        """Begin a transaction, write, and never end it."""
        async with self.database.begin() as connection:
            await connection.execute("INSERT INTO notes (id) VALUES (1)")
            await asyncio.Event().wait()

    async def one(self) -> int:
        return await self.database.fetchval("SELECT count(*) FROM notes")

    async def close(self) -> None:
        for statement in self.left:
            statement.cancel()
        await asyncio.gather(*self.left, return_exceptions=True)


@pytest.fixture(params=["sqlite", "asyncpg", "psycopg", "mariadb"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return place_named(request.param, request, tmp_path)


def serving(place: Place, kind: type[Sleeper] = Sleeper, seconds: float = 0.3) -> Any:
    """A server whose database has one connection."""

    @asynccontextmanager
    async def made() -> AsyncIterator[list[Service]]:
        async with DatabaseService(url=place.url, pool_size=1, init_db=False, init_tables=False) as database:
            await database.execute("CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY)")
            sleeper = kind(database, LONG[place.name])
            try:
                yield [database, sleeper]
            finally:
                await sleeper.close()

    return running(Limits(rate=None, call_seconds=seconds), make=made)


def test_a_call_that_is_broken_off_leaves_its_connection_usable(place: Place) -> None:
    with serving(place) as server:
        for _ in range(3):
            assert server.fails("sleeper.sleep").code == "CALL_TIMEOUT"
            assert server.call("sleeper.one") == 0


def test_a_transaction_that_is_broken_off_is_rolled_back(place: Place) -> None:
    with serving(place) as server:
        assert server.fails("sleeper.write").code == "CALL_TIMEOUT"
        assert server.call("sleeper.one") == 0


def test_several_that_wait_for_one_connection_all_get_an_answer(place: Place) -> None:
    with serving(place) as server:
        codes: list[str] = []
        callers = [
            threading.Thread(target=lambda: codes.append(server.fails("sleeper.sleep").code))
            for _ in range(5)
        ]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join(60)
        assert codes == ["CALL_TIMEOUT"] * 5
        assert server.call("sleeper.one") == 0


class Shielded(Sleeper):
    """The control: what its caller no longer waits for goes on in the database."""

    shielded = True


def active_on_postgres(url: str) -> int:
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_sleep%'"
        ).fetchone()
        assert found is not None
        return found[0]


@pytest.mark.parametrize("place", ["asyncpg", "psycopg"], indirect=True)
def test_postgresql_no_longer_runs_a_statement_that_was_broken_off(place: Place, postgres_url: str) -> None:
    with serving(place) as server:
        assert server.fails("sleeper.sleep").code == "CALL_TIMEOUT"
        assert soon(lambda: active_on_postgres(postgres_url) == 0)


@pytest.mark.parametrize("place", ["asyncpg", "psycopg"], indirect=True)
def test_control_postgresql_runs_a_statement_that_nobody_cancels(place: Place, postgres_url: str) -> None:
    with serving(place, Shielded) as server:
        assert server.fails("sleeper.sleep").code == "CALL_TIMEOUT"
        assert active_on_postgres(postgres_url) == 1


@pytest.fixture
def mariadb_admin(_shared_maria: tuple[MariaDatabase, pymysql.Connection]) -> pymysql.Connection:
    return _shared_maria[1]


def active_on_mariadb(admin: pymysql.Connection) -> int:
    with admin.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM information_schema.processlist WHERE info LIKE 'SELECT sleep%'")
        found = cursor.fetchone()
        assert found is not None
        return found[0]


@pytest.mark.parametrize("place", ["mariadb"], indirect=True)
def test_mariadb_no_longer_runs_a_statement_that_was_broken_off(
    place: Place, mariadb_admin: pymysql.Connection
) -> None:
    with serving(place) as server:
        assert server.fails("sleeper.sleep").code == "CALL_TIMEOUT"
        assert soon(lambda: active_on_mariadb(mariadb_admin) == 0)


def soon(holds: Callable[[], bool]) -> bool:
    """Whether something comes true; the server hears of a cancellation by another connection."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if holds():
            return True
    return False


@pytest.mark.parametrize("place", ["asyncpg"], indirect=True)
def test_an_application_that_stops_waits_for_no_longer_than_a_call_may_take(place: Place) -> None:
    """The server ends though a statement would run for ten minutes; its pool closes."""
    with serving(place, seconds=1.0) as server:
        body = json.dumps(request("sleeper.sleep")).encode()
        with server.connect() as connection:
            connection.sendall(head(len(body)) + body)
            _until_active(place)
            server.run(server.stop.set)
            assert read_answer(connection).code == "CALL_TIMEOUT"


def _until_active(place: Place) -> None:
    url = place.url.replace("+asyncpg", "")
    assert soon(lambda: active_on_postgres(url) == 1)
