"""What each verb of the synchronous twin costs, counted: the same statements as in the asynchronous world.

The table is that of `test_call_counts.py`. On PostgreSQL the second number is round trips, counted on
the wire; on SQLite, where a thread hops nowhere, it is what SQLite itself says that it ran.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest

from rowstead.drivers.sqlite_connection import SQLiteConnection
from rowstead.sync import DB
from servers import with_driver

from .test_call_counts import EXPECTED, TABLE, WARMING, Counted, Counts, Proxy, rows

Operation = Callable[[DB, int], Any]


def _iterate(db: DB, _: int) -> None:
    assert [row.id for row in db.iter_rows(Counted, where={"id": {"lt": 10}}, batch_size=4)] == [*range(10)]


def _two_inserts(db: DB, i: int) -> None:
    with db.transaction() as tx:
        tx.insert(Counted(id=i, name="a"))
        tx.insert(Counted(id=i + 1, name="b"))


def _two_gets(db: DB, _: int) -> None:
    with db.transaction() as tx:
        tx.get(Counted, id=1)
        tx.get(Counted, id=2)


def _savepoint(db: DB, i: int) -> None:
    with db.transaction() as tx, tx.transaction() as inner:
        inner.insert(Counted(id=i, name="a"))


def _failing_block(db: DB, i: int) -> None:
    with pytest.raises(ZeroDivisionError), db.transaction() as tx:
        tx.insert(Counted(id=i, name="a"))
        raise ZeroDivisionError


def _fetch_then_get(db: DB, _: int) -> None:
    db.fetch("SELECT 1")
    db.get(Counted, id=1)


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


@contextmanager
def _counting_runs(counts: Counts) -> Iterator[None]:
    """Have SQLite itself tell of each statement that it runs."""
    original = SQLiteConnection.connect

    def note(_text: str) -> None:
        counts.hops += 1

    def connect(self: SQLiteConnection) -> None:
        original(self)
        self._db.set_trace_callback(note)

    SQLiteConnection.connect = connect  # type: ignore[method-assign]
    try:
        yield
    finally:
        SQLiteConnection.connect = original  # type: ignore[method-assign]


@contextmanager
def counted(url: str) -> Iterator[tuple[DB, Counts]]:
    if url.startswith("sqlite:"):
        counts = Counts(None)
        with _counting_runs(counts), _opened(url, counts) as db:
            yield db, counts
        return
    parts = urlsplit(url)
    with Proxy(str(parts.hostname), int(parts.port or 5432)) as proxy:
        counts = Counts(proxy)
        place = f"{parts.username}:{parts.password}@127.0.0.1:{proxy.port}"
        with _opened(urlunsplit(parts._replace(netloc=place)), counts) as db:
            yield db, counts


@contextmanager
def _opened(url: str, counts: Counts) -> Iterator[DB]:
    def note(_trace: Any) -> None:
        counts.statements += 1

    with DB.from_url(url, max_size=1, trace=note) as db:
        db.execute(TABLE)
        db.insert_many(rows(0, 10))
        yield db


@pytest.fixture(params=["sqlite", "psycopg"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'counted.db'}"
    return with_driver(request.getfixturevalue("postgres_url"), request.param)


RUN_MORE: Mapping[str, int] = {"insert_many, 5 rows": 4, "insert_many returning": 4}
"""What SQLite runs beyond the statements that were sent: fewer than ten rows are a run for each."""


def expected(url: str) -> dict[str, tuple[int, int]]:
    """What the asynchronous world sends, and on SQLite what of it is run."""
    if url.startswith("sqlite:"):
        sent = {name: counts["sqlite"][0] for name, counts in EXPECTED.items()}
        return {name: (number, number + RUN_MORE.get(name, 0)) for name, number in sent.items()}
    return {name: counts["psycopg"] for name, counts in EXPECTED.items()}


def test_each_verb_sends_what_its_asynchronous_twin_sends(place: str) -> None:
    found: dict[str, tuple[int, int]] = {}
    with counted(place) as (db, counts):
        for number, (name, operation) in enumerate(OPERATIONS.items(), 1):
            for warming in range(WARMING):
                operation(db, number * 10_000 + warming * 100)
            # A user's SQL before would have the connection reset first.
            for _ in range(WARMING if number == 1 else 1):
                db.count(Counted)
            counts.clear()
            operation(db, number * 10_000 + WARMING * 100)
            found[name] = counts.found
    assert found == expected(place)


def test_a_bulk_insert_sends_as_many_statements_for_60_rows_as_for_600(place: str) -> None:
    with counted(place) as (db, counts):
        found: list[int] = []
        for start, number in ((1_000, 60), (2_000, 600)):
            counts.clear()
            assert db.insert_many(rows(start, start + number)) == number
            found.append(counts.statements)
        # BEGIN, the rows, COMMIT; on PostgreSQL the transaction's id before COMMIT.
        assert found == ([3, 3] if place.startswith("sqlite:") else [4, 4])
