"""Open handles that a whole module shares: Hypothesis runs a test's body many times."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from typing import TypeVar

import pytest

from conftest import MARIA_WORDS, POSTGRES_WORDS, SQLITE_WORDS, Backend
from rowstead import DB
from servers import MariaDatabase, Server, with_driver

T = TypeVar("T")


CATALOGUES = {
    "sqlite": "sqlite_schema WHERE name",
    "mariadb": "information_schema.tables WHERE table_schema = database() AND table_name",
}


class Handles:
    """One open handle per backend, and the loop that they live on."""

    def __init__(self, runner: asyncio.Runner, databases: dict[str, tuple[Backend, DB]]) -> None:
        self.runner = runner
        self.databases = databases

    def run(self, work: Awaitable[T]) -> T:
        async def awaited() -> T:
            return await work

        return self.runner.run(awaited())

    def each(self, work: Callable[[DB], Awaitable[None]]) -> None:
        """The same work on every backend."""
        for _, db in self.databases.values():
            self.run(work(db))

    def empty(self, table: str, ddl: Callable[[Backend], str]) -> None:
        """The table is there and has no rows, on every backend."""
        for backend, db in self.databases.values():
            there = CATALOGUES.get(backend.name, "pg_tables WHERE tablename")
            if self.run(db.fetchval(f"SELECT 1 FROM {there} = $1", table)):
                self.run(db.execute(f"DELETE FROM {table}"))
            else:
                self.run(db.execute(backend.ddl(ddl(backend))))


OTHERS, MARIADB = "sqlite asyncpg psycopg", "mariadb"


@pytest.fixture(scope="module", params=[OTHERS, MARIADB])
def handles(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Handles]:
    """SQLite, asyncpg and psycopg together, then MariaDB, each with a database of its own."""
    with ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner())
        backends: list[Backend] = []
        if request.param == MARIADB:
            backends.append(Backend(MARIADB, stack.enter_context(MariaDatabase.made()).url, MARIA_WORDS))
        else:
            path = tmp_path_factory.mktemp("properties") / "test.sqlite"
            backends.append(Backend("sqlite", f"sqlite:///{path}", SQLITE_WORDS))
            server: Server = request.getfixturevalue("postgres_server")
            for name in ("asyncpg", "psycopg"):
                database = stack.enter_context(server.database())
                backends.append(Backend(name, with_driver(database.url, name), POSTGRES_WORDS))
        databases: dict[str, tuple[Backend, DB]] = {}
        for backend in backends:
            db = runner.run(DB.from_url(backend.url))
            stack.callback(lambda db=db: runner.run(db.close()))
            databases[backend.name] = backend, db
        yield Handles(runner, databases)
