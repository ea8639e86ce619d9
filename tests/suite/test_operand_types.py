"""What a condition compares a column with is of the column's kind, or refused, on both databases alike."""

from __future__ import annotations

from typing import Any

import pytest

from conftest import sync_backend  # noqa: F401  (the kit keeps nothing on MariaDB)
from kit.conftest import Make, make  # noqa: F401
from rowstead.kit import (
    Database,
    RowsteadError,
    UndefinedColumnError,
    ValidationError,
    agg,
    bytes_col,
    float_,
    on_eq,
    table,
    text,
)
from rowstead.kit import int as int_

OPTIONAL: dict[str, Any] = {"nullable": True}


@pytest.fixture
def db(make: Make) -> Database:  # noqa: F811
    columns = [
        int_("id", 1),
        int_("n", 2, **OPTIONAL),
        float_("f", 3, **OPTIONAL),
        text("t", 4, **OPTIONAL),
        bytes_col("b", 5, **OPTIONAL),
    ]
    database = make({"tables": [table("r", 1, columns, "id")]})
    with database.begin() as txn:
        txn.insert_many(
            "r",
            [
                {"id": 1, "n": 1, "f": 1.0, "t": "1", "b": b"ab%\x00c"},
                {"id": 2, "n": 2, "f": 2.0, "t": "x", "b": b"ab*c"},
                {"id": 3, "b": b"\xff\xfe"},
                {"id": 4, "b": b"\xff\xff\x00"},
                {"id": 5, "b": b""},
                {"id": 6},
            ],
        )
    return database


@pytest.mark.parametrize("column", ["n", "f"])
@pytest.mark.parametrize(
    "test", [True, {"gt": False}, [True, 5], {"in": [*range(40), True]}, {"between": [0, True]}]
)
def test_true_is_no_number(db: Database, column: str, test: Any) -> None:
    with db.begin() as txn:
        for _ in range(2):
            with pytest.raises(ValidationError) as caught:
                txn.select("r", {column: test})
            assert caught.value.column == column
        assert [row["id"] for row in txn.select("r", {column: 1})] == [1]


@pytest.mark.parametrize(("column", "other"), [("t", "id"), ("n", "t"), ("b", "t"), ("id", "b")])
def test_a_subquery_of_another_kind_is_refused(db: Database, column: str, other: str) -> None:
    with db.begin() as txn, pytest.raises(ValidationError, match="cannot be compared") as caught:
        txn.select("r", {column: {"in_subquery": {"table": "r", "columns": [other]}}})
    assert caught.value.column == column


def test_a_subquery_of_the_same_kind_is_not(db: Database) -> None:
    with db.begin() as txn:
        found = txn.select("r", {"id": {"in_subquery": {"table": "r", "columns": ["f"]}}}, order="id")
    assert [row["id"] for row in found] == [1, 2]


@pytest.mark.parametrize("count", [32, 33, 1_100, 3_000])
def test_any_number_of_alternatives(db: Database, count: int) -> None:
    terms = [{"id": -place} for place in range(count - 1)]
    with db.begin() as txn:
        assert [row["id"] for row in txn.select("r", {"or": [*terms, {"id": 2, "n": 2}]})] == [2]
        refusals = [{"id": {"ne": -place}} for place in range(count - 1)]
        assert txn.count("r", {"and": [*refusals, {"id": {"gt": 4}}]}) == 2
        assert txn.count("r", {"not": {"or": [*terms, {"id": 2}]}}) == 5


@pytest.mark.parametrize(
    ("test", "ids"),
    [
        ({"starts_with": b"ab"}, [1, 2]),
        ({"bytes_prefix": b"ab%"}, [1]),
        ({"starts_with": b"ab*"}, [2]),
        ({"starts_with": b"\xff"}, [3, 4]),
        ({"starts_with": b""}, [1, 2, 3, 4, 5]),
        ({"starts_with": b"b"}, []),
        ({"contains": b"\x00c"}, [1]),
        ({"contains": b"\xff"}, [3, 4]),
        ({"contains": b""}, [1, 2, 3, 4, 5]),
        ({"contains": b"\xff\xff\x00\x00"}, []),
    ],
)
def test_bytes_within_bytes(db: Database, test: Any, ids: list[int]) -> None:
    with db.begin() as txn:
        assert [row["id"] for row in txn.select("r", {"b": test}, order="id")] == ids
        assert txn.count("r", {"not": {"b": test}}) == 6 - len(ids)


def test_like_is_not_for_bytes(db: Database) -> None:
    with db.begin() as txn, pytest.raises(ValidationError, match="works on text"):
        txn.select("r", {"b": {"like": "a%"}})


@pytest.mark.parametrize(
    "read",
    [
        lambda txn: txn.select("r", columns=5),
        lambda txn: txn.select("r", columns=[]),
        lambda txn: txn.select("r", columns=[[]]),
        lambda txn: txn.insert_many("r", None),
        lambda txn: txn.insert_many("r", 5),
        lambda txn: txn.aggregate("r", None),
        lambda txn: txn.aggregate("r", 5),
        lambda txn: txn.aggregate("r", [agg("count", "c")], group_by=5),
        lambda txn: txn.select("r", ctes=5),
        lambda txn: txn.join("r", 5),
        lambda txn: txn.join("r", None),
        lambda txn: txn.join("r", [{"table": "r", "alias": "a\0", "on": on_eq("r.id", "a\0.id")}]),
        lambda txn: txn.join("r", [{"table": "r", "alias": "\ud800"}]),
        lambda txn: txn.join("r", [{"table": "r", "alias": "a" * 64}]),
        lambda txn: txn.select("c\0", ctes=[{"name": "c\0", "table": "r"}]),
        lambda txn: txn.select("r", {"id": {"in_subquery": {"table": "r", "columns": 5}}}),
        lambda txn: txn.select("r", {"id": {"in_subquery": {"table": []}}}),
    ],
)
def test_wrong_arguments_are_told(db: Database, read: Any) -> None:
    """Not a TypeError from within."""
    with db.begin() as txn:
        with pytest.raises(RowsteadError) as caught:
            read(txn)
        assert isinstance(caught.value, (ValidationError, UndefinedColumnError))
        assert txn.count("r") == 6


def test_a_key_that_no_column_holds_is_refused_each_time(db: Database) -> None:
    with db.begin() as txn:
        for _ in range(3):
            assert txn.get_by_pk("r", 1) is not None
            with pytest.raises(ValidationError) as caught:
                txn.get_by_pk("r", 2**70)
            assert (caught.value.table, caught.value.column) == ("r", "id")
