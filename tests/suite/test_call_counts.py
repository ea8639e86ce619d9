"""What each verb costs, counted: statements sent, round trips to the server, hops to SQLite's thread.

Seconds depend on the machine; these do not. Round trips are counted on the wire, by a proxy on
loopback: one is the client speaking after the server spoke. Every verb has run once before, so that
what is counted is the warm path.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest

from rowstead import DB, Row
from rowstead.drivers import sqlite_pace
from rowstead.drivers.sqlite_thread import ThreadConnection
from servers import with_driver

TABLE = "CREATE TABLE counted (id INTEGER PRIMARY KEY, name TEXT NOT NULL, n INTEGER NOT NULL DEFAULT 0)"


class Counted(Row):
    __table__ = "counted"
    id: int
    name: str
    n: int = 0


class Proxy:
    """Passes bytes on, in a thread of its own, and counts how often the client speaks after the server."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self.port = 0
        self.round_trips = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(
            target=self._loop.run_until_complete, args=(self._run(),), daemon=True
        )

    def __enter__(self) -> Proxy:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_error: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        self._loop.close()

    async def _run(self) -> None:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection(*self._target)
        spoke_last = ["server"]

        async def pump(who: str, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            while data := await source.read(65_536):
                if who == "client" and spoke_last[0] == "server":
                    self.round_trips += 1
                spoke_last[0] = who
                target.write(data)
            target.close()

        try:
            await asyncio.gather(pump("client", reader, to_server), pump("server", from_server, writer))
        finally:
            for open_one in (writer, to_server):
                open_one.transport.abort()


class Counts:
    """What was counted since `clear`."""

    def __init__(self, proxy: Proxy | None) -> None:
        self._proxy = proxy
        self.statements = 0
        self.hops = 0

    def clear(self) -> None:
        self.statements = self.hops = 0
        if self._proxy is not None:
            self._proxy.round_trips = 0

    @property
    def found(self) -> tuple[int, int]:
        """Statements, and round trips or hops."""
        return self.statements, self._proxy.round_trips if self._proxy is not None else self.hops


@contextmanager
def _counting_hops(counts: Counts) -> Iterator[None]:
    original = ThreadConnection._hop

    async def counted(self: ThreadConnection, function: Any, *arguments: Any) -> Any:
        counts.hops += 1
        return await original(self, function, *arguments)

    ThreadConnection._hop = counted  # type: ignore[method-assign]
    try:
        yield
    finally:
        ThreadConnection._hop = original  # type: ignore[method-assign]


@asynccontextmanager
async def counted(backend: str, tmp_path: Path, url: str | None) -> AsyncIterator[tuple[DB, Counts]]:
    if url is None:
        counts = Counts(None)
        with _counting_hops(counts):
            async with _opened(f"sqlite:///{tmp_path / 'counted.db'}", counts) as db:
                yield db, counts
        return
    parts = urlsplit(with_driver(url, backend))
    with Proxy(str(parts.hostname), int(parts.port or 5432)) as proxy:
        counts = Counts(proxy)
        place = f"{parts.username}:{parts.password}@127.0.0.1:{proxy.port}"
        async with _opened(urlunsplit(parts._replace(netloc=place)), counts) as db:
            yield db, counts


@asynccontextmanager
async def _opened(url: str, counts: Counts) -> AsyncIterator[DB]:
    def note(_trace: Any) -> None:
        counts.statements += 1

    async with await DB.from_url(url, max_size=1, trace=note) as db:
        await db.execute(TABLE)
        await db.insert_many(rows(0, 10))
        yield db


def rows(start: int, stop: int) -> list[Counted]:
    return [Counted(id=i, name=f"name {i}", n=i) for i in range(start, stop)]


Operation = Callable[[DB, int], Awaitable[Any]]


async def _iterate(db: DB, _: int) -> None:
    assert [row.id async for row in db.iter_rows(Counted, where={"id": {"lt": 10}}, batch_size=4)] == [
        *range(10)
    ]


async def _two_inserts(db: DB, i: int) -> None:
    async with db.transaction() as tx:
        await tx.insert(Counted(id=i, name="a"))
        await tx.insert(Counted(id=i + 1, name="b"))


async def _two_gets(db: DB, _: int) -> None:
    async with db.transaction() as tx:
        await tx.get(Counted, id=1)
        await tx.get(Counted, id=2)


async def _savepoint(db: DB, i: int) -> None:
    async with db.transaction() as tx, tx.transaction() as inner:
        await inner.insert(Counted(id=i, name="a"))


async def _failing_block(db: DB, i: int) -> None:
    with pytest.raises(ZeroDivisionError):
        async with db.transaction() as tx:
            await tx.insert(Counted(id=i, name="a"))
            raise ZeroDivisionError


async def _fetch_then_get(db: DB, _: int) -> None:
    await db.fetch("SELECT 1")
    await db.get(Counted, id=1)


OPERATIONS: Mapping[str, Operation] = {
    "get": lambda db, i: db.get(Counted, id=1),
    "get by another column": lambda db, i: db.get(Counted, name="name 1"),
    "query": lambda db, i: db.query(Counted, n=3, order="-id", limit=5),
    "count": lambda db, i: db.count(Counted, n=3),
    "exists": lambda db, i: db.exists(Counted, n=3),
    "page with count": lambda db, i: db.page(Counted, limit=3),
    "iter_rows, 10 rows by 4": _iterate,
    "insert": lambda db, i: db.insert(Counted(id=i, name="a")),
    "upsert": lambda db, i: db.insert(Counted(id=1, name="name 1"), on_conflict="upsert"),
    "insert_many, 5 rows": lambda db, i: db.insert_many(rows(i, i + 5)),
    "insert_many returning": lambda db, i: db.insert_many(rows(i, i + 5), returning=True),
    "update": lambda db, i: db.update(Counted.patch(id=2, n=i)),
    "update_where": lambda db, i: db.update_where(Counted.patch(name="b"), where={"n": -1}),
    "delete": lambda db, i: db.delete(Counted.patch(id=i)),
    "delete_many": lambda db, i: db.delete_many(Counted, [i, i + 1]),
    "fetch": lambda db, i: db.fetch("SELECT * FROM counted WHERE id = $1", 1),
    "execute": lambda db, i: db.execute("UPDATE counted SET n = $1 WHERE id = -1", i),
    "transaction of two inserts": _two_inserts,
    "transaction of two gets": _two_gets,
    "transaction with a savepoint": _savepoint,
    "transaction that rolls back": _failing_block,
    "fetch, then get": _fetch_then_get,
}

WARMING = 7
"""Runs before the counted one: psycopg prepares a statement at its sixth."""
EXPECTED: Mapping[str, Mapping[str, tuple[int, int]]] = {
    # On SQLite a short read runs where it stands: no hop. So does a short write that is a transaction
    # of its own, while commits are quick; here they are said to be, whatever the disk does.
    "get": {"sqlite": (1, 0), "asyncpg": (1, 1), "psycopg": (1, 1)},
    "get by another column": {"sqlite": (1, 0), "asyncpg": (1, 1), "psycopg": (1, 1)},
    "query": {"sqlite": (1, 0), "asyncpg": (1, 1), "psycopg": (1, 1)},
    "count": {"sqlite": (1, 1), "asyncpg": (1, 1), "psycopg": (1, 1)},
    "exists": {"sqlite": (1, 0), "asyncpg": (1, 1), "psycopg": (1, 1)},
    "page with count": {"sqlite": (1, 1), "asyncpg": (1, 1), "psycopg": (1, 1)},
    "iter_rows, 10 rows by 4": {"sqlite": (3, 0), "asyncpg": (3, 3), "psycopg": (3, 3)},
    "insert": {"sqlite": (1, 0), "asyncpg": (1, 1), "psycopg": (1, 1)},
    "upsert": {"sqlite": (1, 0), "asyncpg": (1, 1), "psycopg": (1, 1)},
    "insert_many, 5 rows": {"sqlite": (3, 3), "asyncpg": (1, 1), "psycopg": (1, 1)},
    "insert_many returning": {"sqlite": (3, 3), "asyncpg": (1, 1), "psycopg": (1, 1)},
    "update": {"sqlite": (1, 0), "asyncpg": (1, 1), "psycopg": (1, 1)},
    "update_where": {"sqlite": (1, 0), "asyncpg": (1, 1), "psycopg": (1, 1)},
    "delete": {"sqlite": (1, 0), "asyncpg": (1, 1), "psycopg": (1, 1)},
    "delete_many": {"sqlite": (1, 0), "asyncpg": (1, 1), "psycopg": (1, 1)},
    "fetch": {"sqlite": (1, 1), "asyncpg": (1, 1), "psycopg": (1, 1)},
    "execute": {"sqlite": (1, 1), "asyncpg": (1, 1), "psycopg": (1, 1)},
    "transaction of two inserts": {"sqlite": (4, 2), "asyncpg": (4, 4), "psycopg": (4, 4)},
    "transaction of two gets": {"sqlite": (4, 2), "asyncpg": (4, 4), "psycopg": (4, 4)},
    "transaction with a savepoint": {"sqlite": (5, 2), "asyncpg": (5, 5), "psycopg": (5, 5)},
    "transaction that rolls back": {"sqlite": (3, 2), "asyncpg": (3, 3), "psycopg": (3, 3)},
    # After a user's SQL a connection of PostgreSQL is reset before its next turn.
    "fetch, then get": {"sqlite": (2, 1), "asyncpg": (2, 3), "psycopg": (2, 3)},
}
"""Statements, and round trips (SQLite: hops to its thread)."""


@pytest.fixture(params=["sqlite", "asyncpg", "psycopg"])
def place(request: pytest.FixtureRequest) -> tuple[str, str | None]:
    name: str = request.param
    return name, None if name == "sqlite" else request.getfixturevalue("postgres_url")


@pytest.fixture(autouse=True)
def quick_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_pace, "QUICK", float("inf"))


WRITES = ("insert", "upsert", "update", "update_where", "delete", "delete_many")


async def test_where_commits_are_slow_every_write_goes_to_the_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_pace, "QUICK", 0.0)
    async with counted("sqlite", tmp_path, None) as (db, counts):
        for number, name in enumerate(WRITES, 1):
            for run in range(3):
                counts.clear()
                await OPERATIONS[name](db, number * 10_000 + run)
                assert counts.found == (1, 1), name


async def test_each_verb_sends_what_the_table_says(place: tuple[str, str | None], tmp_path: Path) -> None:
    backend, url = place
    found: dict[str, tuple[int, int]] = {}
    async with counted(backend, tmp_path, url) as (db, counts):
        for number, (name, operation) in enumerate(OPERATIONS.items(), 1):
            for warming in range(WARMING):
                await operation(db, number * 10_000 + warming * 100)
            # A user's SQL before would have the connection reset first.
            for _ in range(WARMING if number == 1 else 1):
                await db.count(Counted)
            counts.clear()
            await operation(db, number * 10_000 + WARMING * 100)
            found[name] = counts.found
    assert found == {name: counts[backend] for name, counts in EXPECTED.items()}


async def test_a_bulk_insert_sends_as_many_statements_for_60_rows_as_for_600(
    place: tuple[str, str | None], tmp_path: Path
) -> None:
    backend, url = place
    async with counted(backend, tmp_path, url) as (db, counts):
        found: list[int] = []
        for start, number in ((1_000, 60), (2_000, 600)):
            counts.clear()
            assert await db.insert_many(rows(start, start + number)) == number
            found.append(counts.statements)
        # BEGIN, the rows, COMMIT; on PostgreSQL the transaction's id before COMMIT.
        assert found == ([3, 3] if url is None else [4, 4])
