"""A migrated database is the one that its last schema makes at once, and its rows are all there.

Random pairs of schemas; the seed is printed, and `ROWSTEAD_SEED` runs one again.
"""

from __future__ import annotations

import datetime
import decimal
import json
import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from conftest import POSTGRES_WORDS, SQLITE_WORDS, Backend
from rowstead.kit import Database
from servers import Server, with_driver

from .fingerprint import fingerprint
from .pairs import Maker, Pair

LONG = os.environ.get("ROWSTEAD_FAULTS", "") == "long"
PAIRS = 300 if LONG else 40
SECONDS = 600 if LONG else 60
"""No pair is begun after them, so that a slow machine ends; fewer than half of the pairs is a failure."""

Fresh: TypeAlias = Callable[[], Backend]


@pytest.fixture(params=["sqlite", "psycopg"])
def fresh(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Fresh]:
    """Gives an empty database, as often as it is asked."""
    if request.param == "sqlite":
        places = iter(range(1_000_000))
        yield lambda: Backend("sqlite", f"sqlite:///{tmp_path / f'{next(places)}.db'}", SQLITE_WORDS)
        return
    server: Server = request.getfixturevalue("postgres_server")
    with server.database() as database, database.connect() as connection:

        def empty() -> Backend:
            database.empty(connection)
            return Backend("psycopg", with_driver(database.url, "psycopg"), POSTGRES_WORDS)

        yield empty


def test_a_migrated_database_is_the_one_that_its_schema_makes(fresh: Fresh) -> None:
    chosen = os.environ.get("ROWSTEAD_SEED")
    first = int(chosen) if chosen else random.randrange(10**9)
    until = time.monotonic() + SECONDS
    done = 0
    for seed in [first] if chosen else range(first, first + PAIRS):
        if time.monotonic() > until:
            break
        pair = Maker(seed).pair()
        try:
            check(pair, fresh)
        except BaseException as error:
            error.add_note(f"ROWSTEAD_SEED={seed}\n{json.dumps(pair.migrations, ensure_ascii=False)}")
            raise
        done += 1
    print(f"{done} pairs of schemas from seed {first} on")
    assert chosen or done > PAIRS / 2


def check(pair: Pair, fresh: Fresh) -> None:
    made = fresh()
    with Database.create(made.url, pair.new):
        at_once = fingerprint(made)
    migrated = fresh()
    with Database.create(migrated.url, pair.old) as db:
        fill(db, pair.rows)
        db.set_schema(pair.new)
        db.migrate(pair.migrations)
    there = fingerprint(migrated)
    assert [f for f in there if f not in at_once] == [f for f in at_once if f not in there]
    assert len(there) == len(at_once)
    # Opening compares what is kept with the tables.
    with Database.open(migrated.url) as db:
        assert sorted(db.table_names()) == sorted(pair.expected)
        for table, rows in pair.expected.items():
            assert sorted_rows(read(db, table)) == sorted_rows(rows)
        db.migrate(pair.migrations)


def fill(db: Database, rows: dict[str, list[dict[str, Any]]]) -> None:
    with db.begin() as txn:
        for table, some in rows.items():
            txn.insert_many(table, some)


def read(db: Database, table: str) -> list[dict[str, Any]]:
    with db.begin() as txn:
        return txn.select(table)


def sorted_rows(rows: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps(row, sort_keys=True, default=plain) for row in rows)


def plain(value: Any) -> Any:
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return str(value)
    raise TypeError(value)


@pytest.mark.parametrize("name", ["sqlite", "psycopg"])
def test_the_comparison_sees_one_constraint_less(
    name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The control: what the property compares is different where one thing is."""
    from rowstead.kit import builders

    def schema(**options: Any) -> dict[str, Any]:
        columns = [builders.column("id", 1, "int64"), builders.column("a", 2, "int64", **options)]
        return {"tables": [builders.table("t", 1, columns, "id")]}

    seen: list[Any] = []
    for place, options in enumerate(({}, {"nullable": True}, {"min": 3}, {"max": 3})):
        if name == "sqlite":
            backend = Backend(name, f"sqlite:///{tmp_path / f'{place}.db'}", SQLITE_WORDS)
            Database.create(backend.url, schema(**options)).close()
            seen.append(fingerprint(backend))
            continue
        server: Server = request.getfixturevalue("postgres_server")
        with server.database() as database:
            backend = Backend(name, with_driver(database.url, name), POSTGRES_WORDS)
            Database.create(backend.url, schema(**options)).close()
            seen.append(fingerprint(backend))
    assert len({repr(one) for one in seen}) == len(seen)
