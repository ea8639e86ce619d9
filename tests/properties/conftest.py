"""Open handles that a whole module shares: Hypothesis runs a test's body many times."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from typing import TypeVar

import pytest

from conftest import POSTGRES_WORDS, SQLITE_WORDS, Backend
from rowstead import DB
from servers import Server, with_driver

T = TypeVar("T")


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
            there = "pg_tables WHERE tablename" if backend.is_postgres else "sqlite_schema WHERE name"
            if self.run(db.fetchval(f"SELECT 1 FROM {there} = $1", table)):
                self.run(db.execute(f"DELETE FROM {table}"))
            else:
                self.run(db.execute(backend.ddl(ddl(backend))))


@pytest.fixture(scope="module")
def handles(postgres_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Handles]:
    """SQLite, asyncpg and psycopg, each with a database of its own."""
    path = tmp_path_factory.mktemp("properties") / "test.sqlite"
    with ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner())
        backends = [Backend("sqlite", f"sqlite:///{path}", SQLITE_WORDS)]
        for name in ("asyncpg", "psycopg"):
            database = stack.enter_context(postgres_server.database())
            backends.append(Backend(name, with_driver(database.url, name), POSTGRES_WORDS))
        databases: dict[str, tuple[Backend, DB]] = {}
        for backend in backends:
            db = runner.run(DB.from_url(backend.url))
            stack.callback(lambda db=db: runner.run(db.close()))
            databases[backend.name] = backend, db
        yield Handles(runner, databases)
