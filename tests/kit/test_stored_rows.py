"""`check` holds stored rows to the rules that no database knows: patterns, and of JSON and lists all."""

from __future__ import annotations

import sqlite3
import tracemalloc
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from conftest import Backend
from kit.conftest import Make
from kit.past import raw
from kit.test_types import CASES
from rowstead.kit import (
    AsyncDatabase,
    CheckError,
    Database,
    array_col,
    column,
    embedding,
    json_col,
    table,
    text,
)
from rowstead.kit import int as int_
from rowstead.kit.stored_rows import REPORTED


def things() -> dict[str, Any]:
    columns = [
        int_("id", 1),
        text("code", 2, nullable=True, regex="^[A-Z]-[0-9]+$"),
        array_col("tags", 3, nullable=True, min_length=1, max_length=2),
        json_col("size", 4, nullable=True, enum_values=[{"w": 1}, "any"]),
    ]
    return {"tables": [table("things", 1, columns, "id")]}


def write_past(backend: Backend, values: Iterable[str], into: str = "things") -> None:
    """Insert rows as another program would."""
    with raw(backend) as connection:
        connection.execute(f"INSERT INTO {into} VALUES {', '.join(values)}")


def numbered(count: int, code: str) -> list[str]:
    return [f"({n}, '{code}', NULL, NULL)" for n in range(count)]


def test_check_tells_each_row_that_breaks_a_rule_which_only_python_knows(
    make: Make, sync_backend: Backend
) -> None:
    db = make(things())
    with db.begin() as txn:
        txn.insert("things", {"id": 1, "code": "A-1", "tags": ["x"], "size": {"w": 1}})
        txn.insert("things", {"id": 2})
        with pytest.raises(CheckError):
            txn.insert("things", {"id": 3, "code": "a1"})
    assert db.check() == []
    write_past(sync_backend, ["(3, 'a1', '[]', '\"any\"')", "(4, 'A-1', '[1, 2, 3]', '{\"w\": 2}')"])
    assert db.check() == [
        "things: the row with id 3 breaks a rule: things.code must match '^[A-Z]-[0-9]+$'",
        "things: the row with id 3 breaks a rule: things.tags must have a length of at least 1",
        "things: the row with id 4 breaks a rule: things.tags must have a length of at most 2",
        "things: the row with id 4 breaks a rule: things.size must be one of [{'w': 1}, 'any']",
    ]


def test_a_value_of_another_type_than_its_columns_is_told(tmp_path: Path) -> None:
    """Which only SQLite stores."""
    path = tmp_path / "app.db"
    with Database.create(path, things()) as db:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("INSERT INTO things VALUES (1, x'ff', '{\"a\": 1}', NULL)")
        assert db.check() == [
            "things: the row with id 1 breaks a rule: things.code: takes a str, not bytes",
            "things: the row with id 1 breaks a rule: things.tags: takes a list, not dict",
        ]


MEASURED = {"json", "json_native", "array", "sparse"}


def test_what_the_kit_stores_of_every_measured_type_is_without_fault(make: Make) -> None:
    cases = [(storage, stored) for storage, _, stored in CASES if storage in MEASURED]
    assert {storage for storage, _ in cases} == MEASURED
    columns = [
        column(f"c_{storage}", number, storage, nullable=True, min_length=0)
        for number, storage in enumerate(sorted(MEASURED), 2)
    ]
    db = make({"tables": [table("t", 1, [int_("id", 1), *columns, embedding("e", 99, 2)], "id")]})
    rows = [
        {"id": number, f"c_{storage}": stored, "e": [0.1, -1e300]}
        for number, (storage, stored) in enumerate(cases)
    ]
    db.transaction(lambda txn: txn.insert_many("t", rows))
    assert db.check() == []


def test_a_row_is_named_by_every_part_of_its_key(make: Make, sync_backend: Backend) -> None:
    columns = [int_("a", 1), text("b", 2), text("code", 3, regex="^x")]
    db = make({"tables": [table("t", 1, columns, ["a", "b"])]})
    write_past(sync_backend, ["(1, 'k', 'y')", "(1, 'l', 'x')"], "t")
    assert db.check() == ["t: the row with a 1, b 'k' breaks a rule: t.code must match '^x'"]


def test_check_tells_so_many_faults_and_counts_the_others(make: Make, sync_backend: Backend) -> None:
    db = make(things())
    write_past(sync_backend, numbered(2500, "bad"))
    *told, rest = db.check()
    assert [fault.split(" breaks ")[0] for fault in told] == [
        f"things: the row with id {n}" for n in range(REPORTED)
    ]
    assert rest == f"things: {2500 - REPORTED} more faults like these, which are told when these are mended"


def statements_of_check(url: str, schema: dict[str, Any]) -> Sequence[str]:
    told: list[str] = []
    with Database.open(url, trace=lambda one: told.append(one.sql)) as db:
        names = db.table_names()
        del told[:]
        assert db.check() == []
        assert names == [one["name"] for one in schema["tables"]]
    return told


def test_only_tables_with_such_rules_are_walked_and_page_by_page(make: Make, sync_backend: Backend) -> None:
    schema = {"tables": [*things()["tables"], table("plain", 2, [int_("id", 1), text("code", 2)], "id")]}
    db = make(schema)
    write_past(sync_backend, numbered(2500, "A-1"))
    write_past(sync_backend, [f"({n}, 'x')" for n in range(2500)], "plain")
    db.close()
    texts = statements_of_check(sync_backend.url, schema)
    assert len([text for text in texts if "things" in text and "LIMIT" in text]) == 3
    assert [text for text in texts if "plain" in text and "LIMIT" in text] == []


def peak_of_check(db: Database) -> int:
    tracemalloc.start()
    try:
        assert db.check() == []
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_table_of_many_rows_takes_no_more_memory(make: Make) -> None:
    def add(first: int, last: int) -> None:
        rows = ({"id": n, "code": f"A-{n}"} for n in range(first, last))
        db.transaction(lambda txn: txn.insert_many("things", rows, returning=False))

    db = make(things())
    add(0, 5000)
    peak_of_check(db)
    few = peak_of_check(db)
    add(5000, 40_000)
    assert peak_of_check(db) / few < 3
    # The control: rows that are held are seen.
    tracemalloc.start()
    with db.begin() as txn:
        held = txn.select("things")
    held_at_most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert held_at_most / few > 10
    assert len(held) == 40_000


def test_a_table_that_cannot_be_looked_through_hides_no_other(make: Make, sync_backend: Backend) -> None:
    gone = table("gone", 2, [int_("id", 1), text("code", 2, regex="x")], "id")
    last = table("last", 3, [int_("id", 1), text("code", 2, regex="x")], "id")
    make({"tables": [*things()["tables"], gone, last]}).close()
    with raw(sync_backend) as connection:
        connection.execute("ALTER TABLE gone RENAME COLUMN code TO kode")
        connection.execute("INSERT INTO last VALUES (7, 'y')")
    with Database.open(sync_backend.url, verify=False) as db:
        faults = db.check()
    assert any(fault.startswith("the rows of gone could not be looked through: ") for fault in faults), faults
    assert faults[-1] == "last: the row with id 7 breaks a rule: last.code must match 'x'"


async def test_the_other_world_tells_the_same(backend: Backend) -> None:
    loose = [int_("id", 1), text("code", 2)]
    strict = [int_("id", 1), text("code", 2, regex="^x")]
    async with await AsyncDatabase.create(backend.url, {"tables": [table("t", 1, loose, "id")]}) as db:
        async with db.begin() as txn:
            await txn.insert("t", {"id": 1, "code": "y"})
        assert await db.check() == []
        db.set_schema({"tables": [table("t", 1, strict, "id")]})
        assert (await db.check())[-1] == "t: the row with id 1 breaks a rule: t.code must match '^x'"


def test_a_row_that_was_mended_is_told_no_more(make: Make, sync_backend: Backend) -> None:
    db = make(things())
    write_past(sync_backend, numbered(1, "bad"))
    assert len(db.check()) == 1
    db.transaction(lambda txn: txn.update("things", 0, {"code": "A-0"}))
    assert db.check() == []
