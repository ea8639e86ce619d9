"""A NULL in a file stays a NULL, also where its column has a default; what a file does not name gets one."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from kit.conftest import Make
from kit.test_types import CASES
from rowstead.kit import Database, DuplicateError, column, table, text
from rowstead.kit import int as int_

FORMATS = ("csv", "jsonl")
ROUNDS = 5
DEFAULTS: dict[str, tuple[Any, ...]] = {
    "int64": ({"sequence": "numbers"}, {"custom_name": "seven"}),
    "text": ("uuid", "now"),
    "uuid": ("uuid",),
    "date": ("now",),
    "date64": ("now",),
    "date_time": ("now",),
    "time64": ("now",),
    "timestamp_nanos": ("now",),
}
"""Defaults beside a constant, which every type can have."""
# A constant of the schema is JSON.
CONSTANTS: dict[str, Any] = {
    "bytes": [0, 255],
    "timestamp_nanos": 7,
    "date": "2024-02-29",
    "date64": "2024-02-29",
    "date_time": "2024-02-29T12:30:00Z",
    "time64": "01:02:03",
    "interval": "P1D",
    "decimal128": "1.5",
    "uuid": "7d444840-9dc0-11d1-b245-5ffdce74fad2",
}
# The largest number would leave none for the counter.
VALUES = {storage: stored for storage, _, stored in CASES} | {"int64": 41}
COLUMNS = [
    column(f"{storage}_{place}", number * 10 + place, storage, nullable=nullable, default=default)
    for number, (storage, value) in enumerate(VALUES.items(), 1)
    for place, (default, nullable) in enumerate(
        [
            ({"static": CONSTANTS.get(storage, value)}, True),
            ({"static": CONSTANTS.get(storage, value)}, False),
            *((default, True) for default in DEFAULTS.get(storage, ())),
        ]
    )
]
SCHEMA = {"tables": [table("t", 1, [int_("id", 1, default={"sequence": "ids"}), *COLUMNS], "id")]}


def rows_of(db: Database) -> list[dict[str, Any]]:
    with db.begin() as txn:
        return txn.select("t", order="id")


def write(db: Database, rows: Iterable[dict[str, Any]]) -> None:
    """Rows with the NULLs that they have, which an insert would take a default for."""
    for row in rows:
        db.transaction(lambda txn, row=row: (txn.insert("t", row), txn.update("t", row["id"], row)))


def some_rows(random: Random) -> list[dict[str, Any]]:
    """Rows in which each column has a value or, where one can be, a NULL."""

    def value(column: dict[str, Any]) -> Any:
        return None if column["nullable"] and random.random() < 0.5 else VALUES[column["storage_type"]]

    return [{"id": number, **{c["name"]: value(c) for c in COLUMNS}} for number in range(1, 6)]


def make_filled(make: Make, rows: Iterable[dict[str, Any]] = ()) -> Database:
    db = make(copy.deepcopy(SCHEMA))
    db.register_default("seven", lambda: 7)
    write(db, rows)
    return db


@pytest.mark.parametrize("batch", [None, 2])
@pytest.mark.parametrize("file_format", FORMATS)
def test_a_table_of_defaults_comes_back_as_it_was(
    make: Make, tmp_path: Path, file_format: str, batch: int | None
) -> None:
    db = make_filled(make)
    for seed in range(ROUNDS):
        db.transaction(lambda txn: txn.truncate("t"))
        write(db, some_rows(Random(seed)))
        before = rows_of(db)
        file = tmp_path / f"{seed}.{file_format}"
        assert db.export("t", file) == len(before)
        db.transaction(lambda txn: txn.truncate("t"))
        assert db.import_("t", file, batch=batch) == (len(before), 0)
        assert rows_of(db) == before
        # The same file again: every row is there just as it says.
        assert db.import_("t", file, batch=2) == (0, len(before))
    assert any(None in row.values() for row in before)


def test_control_an_insert_takes_the_defaults_for_the_nulls(make: Make) -> None:
    db = make_filled(make)
    rows = some_rows(Random(1))
    db.transaction(lambda txn: txn.insert_many("t", rows))
    assert not any(None in row.values() for row in rows_of(db))


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_column_that_a_file_does_not_name_takes_its_default(
    make: Make, tmp_path: Path, file_format: str
) -> None:
    db = make_filled(make)
    file = tmp_path / f"t.{file_format}"
    file.write_text("text_0,int64_0\na,\n" if file_format == "csv" else '{"text_0": "a", "int64_0": null}\n')
    assert db.import_("t", file) == (1, 0)
    (row,) = rows_of(db)
    assert (row["text_0"], row["int64_0"]) == ("a", None)
    assert [name for name, value in row.items() if value is None] == ["int64_0"]


def test_rows_of_json_may_name_different_columns(make: Make, tmp_path: Path) -> None:
    db = make_filled(make)
    (tmp_path / "t.jsonl").write_text('{"id": 1, "bool_0": null}\n{"id": 2}\n{"bool_1": null, "id": 3}\n')
    assert db.import_("t", tmp_path / "t.jsonl") == (3, 0)
    # What cannot be NULL takes its default for one, as the key of a row without a number does.
    found = [(row["bool_0"], row["bool_1"]) for row in rows_of(db)]
    assert found == [(None, True), (True, True), (True, True)]


def test_a_null_of_a_file_is_not_the_default_that_is_stored(make: Make, tmp_path: Path) -> None:
    columns = [int_("id", 1), text("v", 2, nullable=True, default={"static": "x"})]
    db = make({"tables": [table("t", 1, columns, "id")]})
    (tmp_path / "t.csv").write_text("id,v\n1,\n")
    db.transaction(lambda txn: txn.insert("t", {"id": 1, "v": "x"}))
    with pytest.raises(DuplicateError, match=r"t\.csv, line 2"):
        db.import_("t", tmp_path / "t.csv", batch=1)
