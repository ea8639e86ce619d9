"""Types that change with the values in them, and what is no part of a schema: views, triggers, raw SQL."""

from __future__ import annotations

import datetime
import decimal
import json
import math
import struct
import uuid
from random import Random
from typing import Any

import pytest

from conftest import Backend
from rowstead.errors import ForeignKeyError, MigrationError, ValidationError
from rowstead.kit import Database
from rowstead.kit.builders import column, index, table

from .conftest import Make
from .migrations import fill, op, posts, raw, read, schema, users, version

INDEXES = {True: "SELECT indexname FROM pg_indexes", False: "SELECT name FROM sqlite_master"}
"""What gives the names of indexes, on PostgreSQL or on SQLite."""
ID = uuid.UUID("6f1d2c3b-4a59-4e6f-8a7b-0c1d2e3f4a5b")
D = decimal.Decimal


def one(storage: str, **options: Any) -> Any:
    columns = [column("id", 1, "int64"), column("v", 2, storage, nullable=True, **options)]
    return schema(table("t", 1, columns, "id"))


def changed(make: Make, old: str, new: str, values: list[Any]) -> list[Any]:
    """The values of a column after its type was changed."""
    db = make(one(old))
    fill(db, t=[{"id": n, "v": value} for n, value in enumerate(values)])
    db.set_schema(one(new))
    db.migrate([version(1, op("alter_column", "t", "v"))])
    return [row["v"] for row in read(db, "t")]


@pytest.mark.parametrize(
    ("old", "new", "values", "expected"),
    [
        ("int16", "int64", [-32768, None, 32767], None),
        ("int64", "int8", [-128, 127, None], None),
        ("int64", "text", [-(2**63), 0, None], ["-9223372036854775808", "0", None]),
        ("int64", "float64", [2**53, -3, None], [2.0**53, -3.0, None]),
        ("int64", "decimal128", [2**63 - 1, -1], [D(2**63 - 1), D(-1)]),
        ("int64", "bool", [0, 1, None], [False, True, None]),
        ("bool", "int64", [True, False, None], [1, 0, None]),
        ("bool", "text", [True, False, None], ["true", "false", None]),
        ("float64", "int64", [1.0, -(2.0**53), None], [1, -(2**53), None]),
        ("text", "int64", ["0", "-7", "9223372036854775807", None], [0, -7, 2**63 - 1, None]),
        ("text", "bool", ["true", "false", None], [True, False, None]),
        ("text", "uuid", [str(ID), None], [ID, None]),
        ("text", "date", ["2024-02-29", None], [datetime.date(2024, 2, 29), None]),
        ("text", "bytes", ["é\t'%", "", None], ["é\t'%".encode(), b"", None]),
        ("uuid", "text", [ID, None], [str(ID), None]),
        ("date", "text", [datetime.date(2024, 2, 29), None], ["2024-02-29", None]),
        ("timestamp_nanos", "int64", [-1, None], None),
        ("date", "date64", [datetime.date(1, 1, 1), None], None),
        ("json", "json_native", [{"a": [1]}, None], None),
        ("float64", "json", [None, None], None),
        (
            "float64",
            "text",
            [0.1 + 0.2, 1.0, -2.5e-7, 1e15, -123456789012345678.0, 1e16, 5e-324, 1.5e300, 999999999999999.9],
            [
                "0.30000000000000004",
                "1",
                "-2.5e-07",
                "1e+15",
                "-1.2345678901234568e+17",
                "1e+16",
                "5e-324",
                "1.5e+300",
                "999999999999999.9",
            ],
        ),
        (
            "text",
            "float64",
            ["0.1", "-1.50", "1e5", "7", "5e-324", None],
            [0.1, -1.5, 1e5, 7.0, 5e-324, None],
        ),
        (
            "text",
            "decimal128",
            ["0.1", "-12345678901234567890.5", None],
            [D("0.1"), D("-12345678901234567890.5"), None],
        ),
        (
            "text",
            "json",
            ['{"b": [1, 2.5, "é"],\n"a": null}', '"x"', "7", None],
            [{"a": None, "b": [1, 2.5, "é"]}, "x", 7, None],
        ),
        ("bytes", "text", ["é\t'%".encode(), b"", None], ["é\t'%", "", None]),
        ("float64", "float32", [0.5, -(2.0**100), None], None),
        ("float32", "float64", [0.5, None], None),
    ],
)
def test_a_type_changes_with_its_values(
    make: Make, old: str, new: str, values: list[Any], expected: list[Any] | None
) -> None:
    found = changed(make, old, new, values)
    assert found == (values if expected is None else expected)
    assert [type(v) for v in found] == [type(v) for v in (values if expected is None else expected)]


@pytest.mark.parametrize(
    ("old", "new", "value"),
    [
        ("int64", "int8", 128),
        ("int64", "bool", 2),
        ("int64", "float64", 2**53 + 1),
        ("int64", "float64", 2**63 - 1),
        ("float64", "int64", 1.5),
        ("float64", "int64", 1e30),
        ("float64", "int64", 2.0**63),
        ("float64", "float32", 0.1),
        ("float64", "float32", 1e300),
        ("text", "float64", "0.1234567890123456789"),
        ("text", "float64", "1e400"),
        ("text", "float64", "1e-400"),
        ("text", "float64", "NaN"),
        ("text", "float64", " 1.5"),
        ("text", "float64", ""),
        ("text", "float32", "0.5"),
        ("text", "decimal128", "1,5"),
        ("text", "decimal128", "1" * 39),
        ("text", "json", "{'a': 1}"),
        ("text", "json", "null"),
        ("text", "json", "NaN"),
        ("text", "json", '{"a": 1, "a": 2}'),
        ("text", "json", "[0.1234567890123456789]"),
        ("text", "json", '"\\u0000"'),
        ("text", "json", '"\\ud800"'),
        ("bytes", "text", b"\xff"),
        ("bytes", "text", b"a\0"),
        ("json", "int64", {"a": 1}),
        ("text", "int64", "12abc"),
        ("text", "int64", "007"),
        ("text", "int64", "9223372036854775808"),
        ("text", "int64", " 1"),
        ("text", "int64", ""),
        ("text", "bool", "yes"),
        ("text", "uuid", str(ID).upper()),
        ("text", "date", "2024-02-30"),
        ("text", "date", "tomorrow"),
    ],
)
def test_a_value_that_would_be_lost_stands_against_the_change(
    make: Make, sync_backend: Backend, old: str, new: str, value: Any
) -> None:
    with pytest.raises(ValidationError) as caught:
        changed(make, old, new, [None, value])
    assert "migration 1 (m1), operation 1 (alter_column t.v)" in str(caught.value)
    assert "the key 1;" in str(caught.value)
    assert (caught.value.table, caught.value.column, caught.value.pk) == ("t", "v", 1)
    with Database.open(sync_backend.url) as db:
        assert [row["v"] for row in read(db, "t")] == [None, value]


def test_json_becomes_text_and_json_again(make: Make) -> None:
    """How the text is laid out is the database's; what it says is the value."""
    value = {"b": [1, 2.5, None], "a": "é"}
    db = make(one("json"))
    fill(db, t=[{"id": 1, "v": value}, {"id": 2, "v": None}])
    db.set_schema(one("text"))
    db.migrate([version(1, op("alter_column", "t", "v"))])
    first, second = [row["v"] for row in read(db, "t")]
    assert (json.loads(first), second) == (value, None)
    db.set_schema(one("json"))
    db.migrate([version(1, op("alter_column", "t", "v")), version(2, op("alter_column", "t", "v"))])
    assert [row["v"] for row in read(db, "t")] == [value, None]


def test_floats_become_text_and_floats_again(make: Make) -> None:
    random = Random(5)
    doubles = [struct.unpack("<d", random.randbytes(8))[0] for _ in range(500)]
    values = [value for value in doubles if math.isfinite(value)]
    db = make(one("float64"))
    fill(db, t=[{"id": n, "v": value} for n, value in enumerate(values)])
    for number, storage in enumerate(("text", "float64"), 1):
        db.set_schema(one(storage))
        db.migrate([version(n, op("alter_column", "t", "v")) for n in range(1, number + 1)])
    assert [row["v"] for row in read(db, "t")] == values


def test_the_key_of_a_row_that_does_not_fit_has_all_its_parts(make: Make) -> None:
    def keyed(storage: str) -> Any:
        columns = [column("x", 1, "int64"), column("y", 2, "date"), column("v", 3, storage)]
        return schema(table("t", 1, columns, ["x", "y"]))

    db = make(keyed("text"))
    fill(db, t=[{"x": n, "y": "2024-01-01", "v": text} for n, text in enumerate(("1.5", "x", "y"))])
    db.set_schema(keyed("float64"))
    with pytest.raises(ValidationError) as caught:
        db.migrate([version(1, op("alter_column", "t", "v"))])
    assert caught.value.pk == [1, datetime.date(2024, 1, 1)]


def test_the_type_of_a_referred_key_changes_with_the_foreign_key_away(make: Make) -> None:
    db = make(schema(users(), posts()))
    fill(db, users=[{"id": 1, "email": "a"}], posts=[{"id": 1, "user_id": 1}])
    texts, children = users(), posts()
    texts["columns"][0] |= {"storage_type": "text"}
    children["columns"][1] |= {"storage_type": "text"}
    db.set_schema(schema(texts, children))
    alter = [op("alter_column", "users", "id"), op("alter_column", "posts", "user_id")]
    with pytest.raises(MigrationError, match="its type cannot change while foreign key fk_user"):
        db.migrate([version(1, *alter)])
    key = "fk_user"
    # The schema has the key again in the end, so its way is: away, the types, and back.
    db.migrate(
        [version(1, op("drop_foreign_key", "posts", key), *alter, op("add_foreign_key", "posts", key))]
    )
    assert read(db, "posts") == [{"id": 1, "user_id": "1"}]
    with pytest.raises(ForeignKeyError), db.begin() as txn:
        txn.insert("posts", {"id": 2, "user_id": "9"})


def test_a_new_rule_is_held_against_the_rows_that_are_there(make: Make) -> None:
    db = make(one("text"))
    fill(db, t=[{"id": 1, "v": "abc"}])
    for rule in ({"max_length": 2}, {"enum_values": ["x"]}, {"regex": "^[0-9]+$"}):
        db.set_schema(one("text", **rule))
        with pytest.raises(ValidationError, match="alter_column"):
            db.migrate([version(1, op("alter_column", "t", "v"))])
    db.set_schema(one("text", regex="^[a-z]+$", max_length=3))
    db.migrate([version(1, op("alter_column", "t", "v"))])
    with pytest.raises(ValidationError), db.begin() as txn:
        txn.insert("t", {"id": 2, "v": "1"})


# What is no part of a schema


def test_views_are_made_replaced_and_dropped(make: Make, sync_backend: Backend) -> None:
    db = make(schema(users()))
    fill(db, users=[{"id": 1, "email": "a"}])

    def view(kind: str, sql: str) -> Any:
        return {kind: {"name": "v w", "view": {"name": "v w", "sql": sql}}}

    history = [version(1, view("create_view", "SELECT id FROM users;"))]
    db.migrate(history)
    assert raw(sync_backend, 'SELECT * FROM "v w"') == [(1,)]
    history.append(version(2, view("replace_view", "WITH x AS (SELECT email FROM users) SELECT * FROM x")))
    db.migrate(history)
    assert raw(sync_backend, 'SELECT * FROM "v w"') == [("a",)]
    history.append(version(3, {"drop_view": {"name": "v w"}}))
    db.migrate(history)
    with pytest.raises(Exception, match="v w"):
        raw(sync_backend, 'SELECT * FROM "v w"')


@pytest.mark.parametrize(
    "sql", ["CREATE VIEW v AS SELECT 1", "SELECT 1; DROP TABLE users", "DELETE FROM users"]
)
def test_a_view_is_one_query(make: Make, sql: str) -> None:
    db = make(schema(users()))
    with pytest.raises(ValidationError, match="its sql is"):
        db.migrate([version(1, {"create_view": {"name": "v", "view": {"name": "v", "sql": sql}}})])


@pytest.mark.parametrize("sql", ["COMMIT", "SELECT 1; ROLLBACK", "BEGIN"])
def test_raw_sql_cannot_end_the_transaction(make: Make, sql: str) -> None:
    db = make(schema(users()))
    with pytest.raises(ValidationError, match="transaction control"):
        db.migrate([version(1, {"raw_sql": sql})])


def test_triggers_views_and_partial_indexes_outlive_a_table_made_anew(
    make: Make, sync_backend: Backend
) -> None:
    db = make(schema(users(), posts()))
    fill(db, users=[{"id": 1, "email": "a"}])
    trigger = "CREATE TRIGGER mark AFTER INSERT ON users BEGIN INSERT INTO log (n) VALUES (new.id); END"
    body = {"create_trigger": {"name": "mark", "trigger": {"name": "mark", "sql": trigger}}}
    first = version(
        1,
        {"raw_sql": "CREATE TABLE log (n INTEGER); CREATE INDEX part ON users (email) WHERE id > 5"},
        {"raw_sql": "CREATE VIEW seen AS SELECT email FROM users"},
        body,
    )
    if sync_backend.is_postgres:
        with pytest.raises(ValidationError, match="CREATE FUNCTION and CREATE TRIGGER"):
            db.migrate([first])
        first = {**first, "ops": first["ops"][:2]}
    db.migrate([first])
    db.set_schema(schema(users(indexes=[index("ix", "email")]), posts()))
    longer = users(indexes=[index("ix", "email")])
    longer["columns"][1]["nullable"] = True
    db.set_schema(schema(longer, posts()))
    db.migrate([first, version(2, op("alter_column", "users", "email"), op("add_index", "users", "ix"))])
    with db.begin() as txn:
        txn.insert("users", {"id": 7, "email": None})
    assert sorted(raw(sync_backend, "SELECT email FROM seen"), key=str) == [("a",), (None,)]
    names = INDEXES[sync_backend.is_postgres]
    assert {("part",), ("users_ix",)} <= set(raw(sync_backend, names))
    if not sync_backend.is_postgres:
        assert raw(sync_backend, "SELECT n FROM log") == [(7,)]
        history = [first, version(2, op("alter_column", "users", "email"), op("add_index", "users", "ix"))]
        db.migrate([*history, version(3, {"drop_trigger": {"name": "mark"}})])
        assert ("mark",) not in raw(sync_backend, names)


def test_a_partial_index_and_a_view_follow_a_renamed_column(make: Make, sync_backend: Backend) -> None:
    def texts(name: str) -> Any:
        columns = [column("id", 1, "int64"), column(name, 2, "text", max_length=9)]
        return schema(table("t", 1, columns, "id"))

    db = make(texts("a"))
    fill(db, t=[{"id": 1, "a": "x"}])
    own = {"raw_sql": "CREATE INDEX part ON t (a) WHERE a > 'b'; CREATE VIEW seen AS SELECT a FROM t"}
    db.set_schema(texts("b"))
    db.migrate([version(1, own, op("alter_column", "t", "a"))])
    assert raw(sync_backend, "SELECT * FROM seen") == [("x",)]
    names = INDEXES[sync_backend.is_postgres]
    assert ("part",) in raw(sync_backend, names)
    with pytest.raises(ValidationError) as caught, db.begin() as txn:
        txn.insert("t", {"id": 2, "b": "longer than nine"})
    assert getattr(caught.value, "constraint", None) == "b_length"


def test_foreign_keys_are_watched_again_after_a_migration_that_failed(
    make: Make, sync_backend: Backend
) -> None:
    db = make(schema(users(), posts()))
    fill(db, users=[{"id": 1, "email": "a"}], posts=[{"id": 1, "user_id": 1}])
    name = column("name", 3, "text", nullable=True)
    db.set_schema(schema(users(name), posts()))
    with pytest.raises(MigrationError):
        db.migrate([version(1, op("add_column", "users", "name"), {"raw_sql": "SELECT nonsense"})])
    if not sync_backend.is_postgres:
        # Its cascade is off while tables are made anew; what it would leave is refused.
        with pytest.raises(ForeignKeyError, match="give it a migration of its own"):
            db.migrate([version(1, op("add_column", "users", "name"), {"raw_sql": "DELETE FROM users"})])
    db.migrate([version(1, op("add_column", "users", "name")), version(2, {"raw_sql": "DELETE FROM users"})])
    assert read(db, "posts") == []
    with pytest.raises(ForeignKeyError), db.begin() as txn:
        txn.insert("posts", {"id": 2, "user_id": 9})
