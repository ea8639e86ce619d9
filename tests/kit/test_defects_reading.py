"""Defects of the earlier package in reading, by their numbers in the catalogue, through the kit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from conftest import Backend
from rowstead.kit import Database, bool_, bytes_col, index, int, table, text

READINGS = {
    "tables": [
        table(
            "readings",
            1,
            columns=[
                int("id", 1, primary_key=True),
                int("amount", 2, nullable=True),
                bool_("ok", 3, nullable=True),
                text("note", 4, nullable=True),
                bytes_col("raw", 5, nullable=True),
            ],
            primary_key="id",
            indexes=[index("by_note", "note"), index("by_raw", "raw")],
        )
    ]
}
ROWS = [
    {"id": 1, "amount": 10, "ok": False, "note": "", "raw": b""},
    {"id": 2, "amount": 20, "ok": True, "note": "b", "raw": b"b"},
    {"id": 3, "amount": 30, "ok": None, "note": None, "raw": None},
    {"id": 4, "amount": None, "ok": True, "note": "d", "raw": b"a\x00"},
]


@pytest.fixture
def db(sync_backend: Backend) -> Iterator[Database]:
    with Database.create(sync_backend.url, READINGS) as db:
        with db.begin() as txn:
            txn.insert_many("readings", ROWS)
        yield db


def ids(db: Database, filter: dict[str, Any]) -> list[Any]:
    with db.begin() as txn:
        return [row["id"] for row in txn.select("readings", filter, order="id", columns=["id"])]


def test_kit_d08_several_operators_on_one_column_hold_together(db: Database) -> None:
    assert ids(db, {"amount": {"gte": 10, "lt": 30}}) == [1, 2]
    assert ids(db, {"amount": {"gt": 10, "lte": 30, "ne": 20}}) == [3]


def test_kit_d38_an_index_changes_no_answer(db: Database) -> None:
    assert ids(db, {"note": {"eq": ""}}) == [1]
    assert ids(db, {"raw": {"eq": b""}}) == [1]
    # The same without the index: an expression that it does not serve.
    assert ids(db, {"or": [{"note": ""}, {"id": -1}]}) == [1]


def test_kit_d42_ranges_of_booleans_find_rows(db: Database) -> None:
    assert ids(db, {"ok": {"gt": False}}) == [2, 4]
    assert ids(db, {"ok": {"gte": False}}) == [1, 2, 4]
    assert ids(db, {"ok": {"lt": True}}) == [1]
    assert ids(db, {"or": [{"ok": {"lt": True}}, {"id": 3}]}) == [1, 3]


def test_kit_d43_is_null_false_means_not_null(db: Database) -> None:
    assert ids(db, {"amount": {"is_null": True}}) == [4]
    assert ids(db, {"amount": {"is_null": False}}) == [1, 2, 3]
    assert ids(db, {"amount": {"is_not_null": False}}) == [4]
