"""The SQL of every operator of the condition language, per dialect, next to the filter that makes it."""

import datetime
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from rowstead import Now, Row, ValidationError
from rowstead.dialects import POSTGRESQL, SQLITE
from rowstead.language.operators import OPERATORS
from rowstead.rows.compose import first_call
from rowstead.statements.compiled import Compiler

POSTGRES = Compiler(POSTGRESQL, "asyncpg", "numeric_dollar")
LITE = Compiler(SQLITE, "sqlite", "qmark")


class User(Row):
    __table__ = "users"
    id: int | None = None
    name: str
    email: str | None = None


class Item(Row):
    __table__ = "shop.items"
    id: int
    price: Decimal
    at: datetime.datetime | None = None
    raw: bytes | None = None
    data: dict[str, Any] | None = None
    user: int | None = None


BEGIN = "SELECT id, name, email FROM users WHERE "
ITEMS = 'SELECT id, price, at, raw, data, "user" FROM shop.items WHERE '
ITEMS_LITE = "SELECT id, price, at, raw, data, user FROM shop.items WHERE "

TWENTY = [f"n{i}" for i in range(20)]
AS_JSON = "[" + ",".join(f'"{t}"' for t in TWENTY) + "]"
OF_USER = {"table": Item, "filter": {"user": {"$outer": "id"}}}

# (filter on users, PostgreSQL, SQLite, parameters); where SQLite's parameters differ, both.
USERS: Sequence[tuple[Any, str, str, Any]] = [
    ({"id": 1}, "id = $1", "id = ?", [1]),
    ({"id": {"eq": 1}}, "id = $1", "id = ?", [1]),
    ({"email": None}, "email IS NULL", "email IS NULL", []),
    ({"email": {"eq": None}}, "email IS NULL", "email IS NULL", []),
    ({"email": {"ne": "a"}}, "email IS DISTINCT FROM $1", "email IS NOT ?", ["a"]),
    ({"email": {"ne": None}}, "email IS NOT NULL", "email IS NOT NULL", []),
    ({"email": {"not": "a"}}, "email != $1", "email != ?", ["a"]),
    ({"email": {"not": None}}, "email IS NOT NULL", "email IS NOT NULL", []),
    ({"name": {"gt": "a"}}, "name > $1", "name > ?", ["a"]),
    ({"name": {"gte": "a"}}, "name >= $1", "name >= ?", ["a"]),
    ({"name": {"ge": "a"}}, "name >= $1", "name >= ?", ["a"]),
    ({"name": {"lt": "a"}}, "name < $1", "name < ?", ["a"]),
    ({"name": {"lte": "a"}}, "name <= $1", "name <= ?", ["a"]),
    ({"name": {"le": "a"}}, "name <= $1", "name <= ?", ["a"]),
    ({"name": {"between": ["a", "b"]}}, "name BETWEEN $1 AND $2", "name BETWEEN ? AND ?", ["a", "b"]),
    ({"name": ["a", "b", "c"]}, "name IN ($1, $2, $3)", "name IN (?, ?, ?)", ["a", "b", "c"]),
    ({"name": {"in": ["a"]}}, "name IN ($1)", "name IN (?)", ["a"]),
    ({"name": []}, "false", "0 = 1", []),
    ({"email": ["a", None]}, "email IN ($1) OR email IS NULL", "email IN (?) OR email IS NULL", ["a"]),
    ({"email": [None]}, "email IS NULL", "email IS NULL", []),
    ({"name": TWENTY}, "name = ANY($1)", "name IN (SELECT value FROM json_each(?))", ([TWENTY], [AS_JSON])),
    (
        {"email": [*TWENTY, None]},
        "email = ANY($1) OR email IS NULL",
        "email IN (SELECT value FROM json_each(?)) OR email IS NULL",
        ([TWENTY], [AS_JSON]),
    ),
    ({"name": {"not_in": ["a"]}}, "(name NOT IN ($1))", "(name NOT IN (?))", ["a"]),
    (
        {"email": {"not_in": ["a"]}},
        "(email NOT IN ($1)) OR email IS NULL",
        "(email NOT IN (?)) OR email IS NULL",
        ["a"],
    ),
    (
        {"email": {"not_in": ["a", None]}},
        "(email NOT IN ($1)) AND email IS NOT NULL",
        "(email NOT IN (?)) AND email IS NOT NULL",
        ["a"],
    ),
    ({"name": {"not_in": []}}, "true", "1 = 1", []),
    (
        {"name": {"not_in": TWENTY}},
        "name <> ALL($1)",
        "name NOT IN (SELECT value FROM json_each(?))",
        ([TWENTY], [AS_JSON]),
    ),
    ({"name": {"like": "a_[%*"}}, "name LIKE $1 ESCAPE ''", "name GLOB ?", (["a_[%*"], ["a?[[]*[*]"])),
    ({"name": {"ilike": "a%"}}, "name ILIKE $1 ESCAPE ''", "rowstead_ilike(?, name)", ["a%"]),
    ({"name": {"contains": "a%"}}, "strpos(name, $1) > 0", "instr(name, ?) > 0", ["a%"]),
    ({"name": {"starts_with": "a?"}}, "starts_with(name, $1)", "name GLOB ?", (["a?"], ["a[?]*"])),
    ({"email": {"is_null": True}}, "email IS NULL", "email IS NULL", []),
    ({"email": {"is_null": False}}, "email IS NOT NULL", "email IS NOT NULL", []),
    ({"email": {"is_not_null": True}}, "email IS NOT NULL", "email IS NOT NULL", []),
    (
        {"id": {"in_subquery": {"table": Item, "columns": ["user"]}}},
        'id IN (SELECT inner_1."user" FROM shop.items AS inner_1)',
        "id IN (SELECT inner_1.user FROM shop.items AS inner_1)",
        [],
    ),
    (
        {
            "id": {
                "in_subquery": {
                    "table": Item,
                    "columns": ["user"],
                    "filter": {"id": {"gt": 5}},
                    "order": "-at",
                    "limit": 3,
                    "offset": 2,
                }
            },
            "name": "a",
        },
        'id IN (SELECT inner_1."user" FROM shop.items AS inner_1 WHERE inner_1.id > $1'
        " ORDER BY inner_1.at DESC NULLS LAST LIMIT $2 OFFSET $3) AND name = $4",
        "id IN (SELECT inner_1.user FROM shop.items AS inner_1 WHERE inner_1.id > ?"
        " ORDER BY inner_1.at DESC LIMIT ? OFFSET ?) AND name = ?",
        [5, 3, 2, "a"],
    ),
    (
        {"exists": OF_USER},
        'EXISTS (SELECT 1 FROM shop.items AS inner_1 WHERE inner_1."user" = users.id)',
        "EXISTS (SELECT 1 FROM shop.items AS inner_1 WHERE inner_1.user = users.id)",
        [],
    ),
    (
        {"not_exists": OF_USER},
        'NOT (EXISTS (SELECT 1 FROM shop.items AS inner_1 WHERE inner_1."user" = users.id))',
        "NOT (EXISTS (SELECT 1 FROM shop.items AS inner_1 WHERE inner_1.user = users.id))",
        [],
    ),
    (
        {
            "exists": {
                "table": User,
                "filter": {
                    "id": {"lt": {"$outer": "id"}},
                    "exists": {"table": User, "filter": {"id": {"$outer": "id"}}},
                },
            }
        },
        "EXISTS (SELECT 1 FROM users AS inner_1 WHERE inner_1.id < users.id AND"
        " (EXISTS (SELECT 1 FROM users AS inner_2 WHERE inner_2.id = inner_1.id)))",
        "EXISTS (SELECT 1 FROM users AS inner_1 WHERE inner_1.id < users.id AND"
        " (EXISTS (SELECT 1 FROM users AS inner_2 WHERE inner_2.id = inner_1.id)))",
        [],
    ),
    ({"id": 1, "name": "a"}, "id = $1 AND name = $2", "id = ? AND name = ?", [1, "a"]),
    ([{"id": 1}, {"id": 2}], "id = $1 OR id = $2", "id = ? OR id = ?", [1, 2]),
    ({"id": {"gt": 1, "lte": 9}}, "id > $1 AND id <= $2", "id > ? AND id <= ?", [1, 9]),
    (
        {"or": [{"id": 1, "name": "a"}, {"id": 2}]},
        "id = $1 AND name = $2 OR id = $3",
        "id = ? AND name = ? OR id = ?",
        [1, "a", 2],
    ),
    (
        {"and": [[{"id": 1}, {"id": 2}], {"name": "a"}]},
        "(id = $1 OR id = $2) AND name = $3",
        "(id = ? OR id = ?) AND name = ?",
        [1, 2, "a"],
    ),
    (
        {"not": {"id": 1, "name": "a"}},
        "(id = $1 AND name = $2) IS NOT TRUE",
        "(id = ? AND name = ?) IS NOT TRUE",
        [1, "a"],
    ),
    ({"col": {"name": "id", "gt": 1}}, "id > $1", "id > ?", [1]),
    ({"or": []}, "false", "0 = 1", []),
    # A condition that is always false needs none of the values beside it.
    ({"name": "a", "id": []}, "false", "0 = 1", []),
]


@pytest.mark.parametrize(
    ("where", "postgres", "sqlite", "params"), USERS, ids=[str(u[0])[:50] for u in USERS]
)
def test_a_filter_on_text_and_numbers_is_spelled(where: Any, postgres: str, sqlite: str, params: Any) -> None:
    for_postgres, for_sqlite = params if isinstance(params, tuple) else (params, params)
    call = first_call(POSTGRES, "query", User, where=where)
    assert (call.text, call.params) == (BEGIN + postgres, for_postgres)
    call = first_call(LITE, "query", User, where=where)
    assert (call.text, call.params) == (BEGIN + sqlite, for_sqlite)


D = Decimal
TYPED: Sequence[tuple[Any, str, str, Any]] = [
    ({"price": D("1.50")}, "price = $1", "price = ?", ([D("1.50")], ["1.5"])),
    ({"price": {"gt": 1}}, "price > $1", "rowstead_decimal(price) > rowstead_decimal(?)", ([D(1)], ["1"])),
    (
        {"price": {"between": [1, D("2.5")]}},
        "price BETWEEN $1 AND $2",
        "rowstead_decimal(price) BETWEEN rowstead_decimal(?) AND rowstead_decimal(?)",
        ([D(1), D("2.5")], ["1", "2.5"]),
    ),
    ({"at": {"lt": Now()}}, "at < CURRENT_TIMESTAMP", "at < CURRENT_TIMESTAMP", []),
    (
        {"at": {"gte": datetime.datetime(2024, 1, 2, 3)}},
        "at >= $1",
        "at >= ?",
        ([datetime.datetime(2024, 1, 2, 3)], ["2024-01-02 03:00:00"]),
    ),
    (
        {"data": {"eq": {"b": 1, "a": [None]}}},
        "data = $1",
        "data = ?",
        ([{"b": 1, "a": [None]}], ['{"a":[null],"b":1}']),
    ),
    ({"raw": b"\xff"}, "raw = $1", "raw = ?", [b"\xff"]),
    (
        {"raw": [bytes([i]) for i in range(17)]},
        "raw = ANY($1)",
        "raw IN (SELECT rowstead_bytes(value) FROM json_each(?))",
        ([[bytes([i]) for i in range(17)]], ["[" + ",".join(f'"{i:02x}"' for i in range(17)) + "]"]),
    ),
]


@pytest.mark.parametrize(
    ("where", "postgres", "sqlite", "params"), TYPED, ids=[str(u[0])[:40] for u in TYPED]
)
def test_a_filter_on_other_types_is_spelled(where: Any, postgres: str, sqlite: str, params: Any) -> None:
    for_postgres, for_sqlite = params if isinstance(params, tuple) else (params, params)
    call = first_call(POSTGRES, "query", Item, where=where)
    assert (call.text, call.params) == (ITEMS + postgres, for_postgres)
    call = first_call(LITE, "query", Item, where=where)
    assert (call.text, call.params) == (ITEMS_LITE + sqlite, for_sqlite)


def test_a_regular_expression_is_spelled_where_there_are_any() -> None:
    call = first_call(POSTGRES, "query", User, where={"name": {"~": "^a"}})
    assert (call.text, call.params) == (BEGIN + "name ~ $1", ["^a"])
    with pytest.raises(ValidationError, match="sqlite has no regular expressions"):
        first_call(LITE, "query", User, where={"name": {"~": "^a"}})


def test_every_operator_has_a_line_here() -> None:
    shown = str([where for where, *_ in USERS]) + "'~'"
    assert [name for name in OPERATORS if f"'{name}'" not in shown] == []


# (order, PostgreSQL, SQLite): NULLs come last; said only where the database would do otherwise.
ORDERS: Sequence[tuple[Any, str, str]] = [
    ("name", "name", "name"),
    ("-name,+id", "name DESC, id", "name DESC, id"),
    (["-name", "id"], "name DESC, id", "name DESC, id"),
    ([{"desc": "name"}, {"asc": "id"}], "name DESC, id", "name DESC, id"),
    ("email", "email", "email NULLS LAST"),
    ("-email", "email DESC NULLS LAST", "email DESC"),
    ({"asc": "email", "nulls": "first"}, "email NULLS FIRST", "email"),
    ({"desc": "email", "nulls": "first"}, "email DESC", "email DESC NULLS FIRST"),
    ({"asc": "name", "nulls": "first"}, "name", "name"),
]


@pytest.mark.parametrize(("order", "postgres", "sqlite"), ORDERS, ids=[str(o[0]) for o in ORDERS])
def test_an_order_is_spelled(order: Any, postgres: str, sqlite: str) -> None:
    begin = "SELECT id, name, email FROM users ORDER BY "
    assert first_call(POSTGRES, "query", User, order=order).text == begin + postgres
    assert first_call(LITE, "query", User, order=order).text == begin + sqlite


def test_decimals_are_ordered_as_numbers_on_sqlite() -> None:
    assert first_call(POSTGRES, "query", Item, order="-price").text.endswith(
        "FROM shop.items ORDER BY price DESC"
    )
    assert first_call(LITE, "query", Item, order="-price").text.endswith(
        "FROM shop.items ORDER BY rowstead_decimal(price) DESC"
    )
