"""MariaDB's SQL next to the filter or verb that makes it, where it is not the others'."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from rowstead import Inc, Now, Row, ValidationError
from rowstead.dialects import MARIADB
from rowstead.language.operators import OPERATORS
from rowstead.rows.compose import first_call
from rowstead.statements.compiled import Compiler

COMPILER = Compiler(MARIADB, "mysql", "format")
EXACT = "COLLATE utf8mb4_nopad_bin"


class User(Row):
    __table__ = "users"
    id: int | None = None
    name: str
    email: str | None = None


class Odd(Row):
    __table__ = "odd `one`"
    __pk__ = ("group", "part")
    group: int
    part: int
    rows: bytes | None = None


BEGIN = "SELECT id, name, email FROM users WHERE "
TWENTY = [f"n{i}" for i in range(20)]
EXACT_NAME = f"CONVERT(name USING utf8mb4) {EXACT}"
EXACT_EMAIL = f"CONVERT(email USING utf8mb4) {EXACT}"

FILTERS: Sequence[tuple[Any, str, list[Any]]] = [
    ({"id": 1}, "id = %s", [1]),
    ({"name": "a"}, f"name = %s {EXACT}", ["a"]),
    ({"email": None}, "email IS NULL", []),
    ({"email": {"ne": "a"}}, f"NOT (email <=> %s {EXACT})", ["a"]),
    ({"email": {"not": "a"}}, f"email != %s {EXACT}", ["a"]),
    ({"name": {"gt": "a"}}, f"name > %s {EXACT}", ["a"]),
    ({"name": {"between": ["a", "b"]}}, f"name BETWEEN %s {EXACT} AND %s {EXACT}", ["a", "b"]),
    ({"name": ["a", "b"]}, f"name IN (%s {EXACT}, %s {EXACT})", ["a", "b"]),
    ({"name": TWENTY}, f"name IN %s AND {EXACT_NAME} IN %s", [tuple(TWENTY)] * 2),
    ({"name": {"not_in": TWENTY}}, f"{EXACT_NAME} NOT IN %s", [tuple(TWENTY)]),
    ({"id": list(range(20))}, "id IN %s", [tuple(range(20))]),
    ({"name": {"like": "a%\x00"}}, f"name LIKE %s {EXACT} ESCAPE X'00'", ["a%\x00\x00"]),
    ({"name": {"ilike": "a%"}}, f"lower(name) LIKE lower(%s {EXACT}) ESCAPE X'00'", ["a%"]),
    ({"name": {"contains": "%"}}, f"instr(name, %s {EXACT}) > 0", ["%"]),
    ({"name": {"starts_with": "a"}}, f"instr(name, %s {EXACT}) = 1", ["a"]),
    ({"email": {"is_null": False}}, "email IS NOT NULL", []),
    (
        {"id": {"in_subquery": {"table": Odd, "columns": ["part"]}}},
        "id IN (SELECT inner_1.part FROM `odd ``one``` AS inner_1)",
        [],
    ),
    (
        {"id": {"in_subquery": {"table": Odd, "columns": ["part"], "order": "part", "limit": 2}}},
        "id IN (SELECT limited.part FROM (SELECT inner_1.part AS part FROM `odd ``one``` AS inner_1"
        " ORDER BY inner_1.part LIMIT %s) AS limited)",
        [2],
    ),
]


@pytest.mark.parametrize(("where", "sql", "params"), FILTERS, ids=[str(f[0])[:50] for f in FILTERS])
def test_a_filter_is_spelled(where: Any, sql: str, params: list[Any]) -> None:
    call = first_call(COMPILER, "query", User, where=where)
    assert (call.text, list(call.params)) == (BEGIN + sql, params)


def test_every_operator_of_texts_has_a_line() -> None:
    shown = " ".join(str(where) for where, _, _ in FILTERS)
    missing = [name for name in OPERATORS if f"'{name}'" not in shown]
    assert set(missing) <= {"eq", "in", "gte", "lt", "lte", "~", "is_not_null"}
    with pytest.raises(ValidationError, match="no regular expressions"):
        first_call(COMPILER, "query", User, where={"name": {"~": "a"}})


ON_ROW = "id, name, email"
GUARD = "(SELECT 'found by another key' UNION SELECT '')"
VERBS: Sequence[tuple[str, list[Any], dict[str, Any], str, list[Any]]] = [
    ("query", [User], {"order": "name"}, f"SELECT {ON_ROW} FROM users ORDER BY {EXACT_NAME}", []),
    (
        "query",
        [User],
        {"order": ["email", "-id"]},
        f"SELECT {ON_ROW} FROM users ORDER BY email IS NULL, {EXACT_EMAIL}, id DESC",
        [],
    ),
    (
        "query",
        [User],
        {"order": [{"desc": "email", "nulls": "first"}]},
        f"SELECT {ON_ROW} FROM users ORDER BY email IS NULL DESC, {EXACT_EMAIL} DESC",
        [],
    ),
    ("query", [User], {"limit": 2, "offset": 4}, f"SELECT {ON_ROW} FROM users LIMIT %s, %s", [4, 2]),
    ("insert", [User(name="a")], {}, f"INSERT INTO users (name) VALUES (%s) RETURNING {ON_ROW}", ["a"]),
    (
        "insert",
        [User(id=1, name="a")],
        {"on_conflict": "upsert"},
        "INSERT INTO users (id, name) VALUES (%s, %s) ON DUPLICATE KEY UPDATE"
        f" id = if(id <=> VALUES(id), id, {GUARD}), name = VALUES(name) RETURNING {ON_ROW}",
        [1, "a"],
    ),
    (
        "insert",
        [User(name="a", email="b")],
        {"on_conflict": "ignore"},
        f"INSERT INTO users (name, email) VALUES (%s, %s) RETURNING {ON_ROW}",
        ["a", "b"],
    ),
    ("update", [User(id=1, name="a")], {}, "UPDATE users SET name = %s WHERE id = %s", ["a", 1]),
    ("delete", [User(id=1, name="a")], {}, "DELETE FROM users WHERE id = %s", [1]),
]


@pytest.mark.parametrize(
    ("verb", "arguments", "options", "sql", "params"), VERBS, ids=[f"{v[0]}-{i}" for i, v in enumerate(VERBS)]
)
def test_a_verb_is_spelled(
    verb: str, arguments: list[Any], options: dict[str, Any], sql: str, params: list[Any]
) -> None:
    call = first_call(COMPILER, verb, *arguments, **options)
    assert (call.text, list(call.params)) == (sql, params)


def test_an_increment_and_the_time_of_an_upsert() -> None:
    class Counter(Row):
        __table__ = "counters"
        id: int
        n: int = 0
        at: Any = None

    row = Counter.patch(id=1, n=Inc(2, start=5), at=Now())
    call = first_call(COMPILER, "insert", row, on_conflict="upsert")
    assert call.text == (
        "INSERT INTO counters (id, n, at) VALUES (%s, %s, CURRENT_TIMESTAMP(6)) ON DUPLICATE KEY UPDATE"
        f" id = if(id <=> VALUES(id), id, {GUARD}), n = counters.n + %s, at = VALUES(at) RETURNING id, n, at"
    )
    assert list(call.params) == [1, 7, 2]
