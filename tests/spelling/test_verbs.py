"""The SQL of every verb, per dialect, next to the call that makes it; the guide's texts to the letter."""

import datetime
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from pydantic import create_model

from conftest import Backend
from rowstead import DB, Inc, Now, Row, ValidationError, sql
from rowstead.dialects import POSTGRESQL, SQLITE
from rowstead.rows.compose import VERBS, first_call
from rowstead.statements.compiled import Compiler

POSTGRES = Compiler(POSTGRESQL, "asyncpg", "numeric_dollar")
LITE = Compiler(SQLITE, "sqlite", "qmark")


class User(Row):
    __table__ = "users"
    id: int | None = None
    name: str
    email: str | None = None


class Stay(Row):
    __table__ = "hotel.stays"
    __pk__ = ("room", "day")
    room: int
    day: datetime.date
    guests: int | None = None
    price: Decimal | None = None
    at: datetime.datetime | None = None


class Odd(Row):
    __table__ = '"Order"'
    id: int
    group: int | None = None
    Mixed: str | None = None
    select: int | None = None


class Tags(Row):
    __table__ = '"the ""odd"" one"'
    id: int
    n: int = 0


DAY = datetime.date(2024, 2, 29)
ALL = "id, name, email"
STAY = "room, day, guests, price, at"
ODD = 'id, "group", "Mixed", "select"'
ODD_LITE = "id, `group`, `Mixed`, `select`"

# (verb, arguments, options, PostgreSQL, SQLite, parameters); where SQLite's parameters differ, both.
VERB_TEXTS: Sequence[tuple[str, Sequence[Any], dict[str, Any], str, str, Any]] = [
    (
        "get",
        [User],
        {"id": 1},
        f"SELECT {ALL} FROM users WHERE id = $1",
        f"SELECT {ALL} FROM users WHERE id = ?",
        [1],
    ),
    (
        "get",
        [User],
        {"email": "a"},
        f"SELECT {ALL} FROM users WHERE email = $1 LIMIT 1",
        f"SELECT {ALL} FROM users WHERE email = ? LIMIT 1",
        ["a"],
    ),
    (
        "get",
        [User],
        {"id": 1, "email": None},
        f"SELECT {ALL} FROM users WHERE id = $1 AND email IS NULL",
        f"SELECT {ALL} FROM users WHERE id = ? AND email IS NULL",
        [1],
    ),
    (
        "get",
        [Stay],
        {"room": 1, "day": DAY},
        f"SELECT {STAY} FROM hotel.stays WHERE room = $1 AND day = $2",
        f"SELECT {STAY} FROM hotel.stays WHERE room = ? AND day = ?",
        ([1, DAY], [1, "2024-02-29"]),
    ),
    (
        "get",
        [Stay],
        {"room": 1},
        f"SELECT {STAY} FROM hotel.stays WHERE room = $1 LIMIT 1",
        f"SELECT {STAY} FROM hotel.stays WHERE room = ? LIMIT 1",
        [1],
    ),
    ("query", [User], {}, f"SELECT {ALL} FROM users", f"SELECT {ALL} FROM users", []),
    (
        "query",
        [User],
        {"email": None},
        f"SELECT {ALL} FROM users WHERE email IS NULL",
        f"SELECT {ALL} FROM users WHERE email IS NULL",
        [],
    ),
    (
        "query",
        [User],
        {"id": [1, 5, 7]},
        f"SELECT {ALL} FROM users WHERE id IN ($1, $2, $3)",
        f"SELECT {ALL} FROM users WHERE id IN (?, ?, ?)",
        [1, 5, 7],
    ),
    (
        "query",
        [User],
        {"name": "a", "order": "-id", "limit": 5, "offset": 6},
        f"SELECT {ALL} FROM users WHERE name = $1 ORDER BY id DESC LIMIT $2 OFFSET $3",
        f"SELECT {ALL} FROM users WHERE name = ? ORDER BY id DESC LIMIT ? OFFSET ?",
        ["a", 5, 6],
    ),
    (
        "query",
        [User],
        {"limit": 5},
        f"SELECT {ALL} FROM users LIMIT $1",
        f"SELECT {ALL} FROM users LIMIT ?",
        [5],
    ),
    (
        "query",
        [User],
        {"name": "a", "where": [{"id": 1}, {"id": 2}]},
        f"SELECT {ALL} FROM users WHERE name = $1 AND (id = $2 OR id = $3)",
        f"SELECT {ALL} FROM users WHERE name = ? AND (id = ? OR id = ?)",
        ["a", 1, 2],
    ),
    ("count", [User], {}, "SELECT count(*) FROM users", "SELECT count(*) FROM users", []),
    (
        "count",
        [User],
        {"name": "a"},
        "SELECT count(*) FROM users WHERE name = $1",
        "SELECT count(*) FROM users WHERE name = ?",
        ["a"],
    ),
    (
        "exists",
        [User],
        {"name": "a"},
        "SELECT 1 FROM users WHERE name = $1 LIMIT 1",
        "SELECT 1 FROM users WHERE name = ? LIMIT 1",
        ["a"],
    ),
    (
        "insert",
        [User(name="a")],
        {},
        f"INSERT INTO users (name) VALUES ($1) RETURNING {ALL}",
        f"INSERT INTO users (name) VALUES (?) RETURNING {ALL}",
        ["a"],
    ),
    (
        "insert",
        [User(email=None, name="a", id=None)],
        {},
        f"INSERT INTO users (id, name, email) VALUES ($1, $2, $3) RETURNING {ALL}",
        f"INSERT INTO users (id, name, email) VALUES (?, ?, ?) RETURNING {ALL}",
        [None, "a", None],
    ),
    (
        "insert",
        [User.patch()],
        {},
        f"INSERT INTO users DEFAULT VALUES RETURNING {ALL}",
        f"INSERT INTO users DEFAULT VALUES RETURNING {ALL}",
        [],
    ),
    (
        "insert",
        [Stay.patch(room=1, at=Now())],
        {},
        f"INSERT INTO hotel.stays (room, at) VALUES ($1, CURRENT_TIMESTAMP) RETURNING {STAY}",
        f"INSERT INTO hotel.stays (room, at) VALUES (?, CURRENT_TIMESTAMP) RETURNING {STAY}",
        [1],
    ),
    (
        "insert",
        [User(id=1, name="a", email="x")],
        {"on_conflict": "upsert"},
        "INSERT INTO users (id, name, email) VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE"
        f" SET name = excluded.name, email = excluded.email RETURNING {ALL}",
        "INSERT INTO users (id, name, email) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE"
        f" SET name = excluded.name, email = excluded.email RETURNING {ALL}",
        [1, "a", "x"],
    ),
    (
        "insert",
        [User(name="a", email="x")],
        {"on_conflict": "upsert", "conflict_target": "email"},
        "INSERT INTO users (name, email) VALUES ($1, $2)"
        f" ON CONFLICT (email) DO UPDATE SET name = excluded.name RETURNING {ALL}",
        "INSERT INTO users (name, email) VALUES (?, ?)"
        f" ON CONFLICT (email) DO UPDATE SET name = excluded.name RETURNING {ALL}",
        ["a", "x"],
    ),
    (
        "insert",
        [User(name="a")],
        {"on_conflict": "ignore"},
        f"INSERT INTO users (name) VALUES ($1) ON CONFLICT DO NOTHING RETURNING {ALL}",
        f"INSERT INTO users (name) VALUES (?) ON CONFLICT DO NOTHING RETURNING {ALL}",
        ["a"],
    ),
    (
        "insert",
        [User(name="a")],
        {"on_conflict": "ignore", "conflict_target": ["email"]},
        f"INSERT INTO users (name) VALUES ($1) ON CONFLICT (email) DO NOTHING RETURNING {ALL}",
        f"INSERT INTO users (name) VALUES (?) ON CONFLICT (email) DO NOTHING RETURNING {ALL}",
        ["a"],
    ),
    (
        "insert",
        [Stay.patch(room=1, day=DAY, guests=Inc(2, start=10), price=Inc(Decimal("0.5")))],
        {"on_conflict": "upsert"},
        "INSERT INTO hotel.stays (room, day, guests, price) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT (room, day) DO UPDATE"
        f" SET guests = hotel.stays.guests + $5, price = hotel.stays.price + $6 RETURNING {STAY}",
        "INSERT INTO hotel.stays (room, day, guests, price) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (room, day) DO UPDATE"
        " SET guests = hotel.stays.guests + ?, price = rowstead_decimal_add(hotel.stays.price, ?)"
        f" RETURNING {STAY}",
        ([1, DAY, 12, Decimal("0.5"), 2, Decimal("0.5")], [1, "2024-02-29", 12, "0.5", 2, "0.5"]),
    ),
    (
        "update",
        [User(id=1, name="b")],
        {},
        f"UPDATE users SET name = $1 WHERE id = $2 RETURNING {ALL}",
        f"UPDATE users SET name = ? WHERE id = ? RETURNING {ALL}",
        ["b", 1],
    ),
    (
        "update",
        [User(id=1, name="b")],
        {"where": {"email": "a@x"}},
        f"UPDATE users SET name = $1 WHERE id = $2 AND email = $3 RETURNING {ALL}",
        f"UPDATE users SET name = ? WHERE id = ? AND email = ? RETURNING {ALL}",
        ["b", 1, "a@x"],
    ),
    (
        "update",
        [User(id=1, name="b")],
        {"where": [{"email": "a"}, {"email": None}]},
        f"UPDATE users SET name = $1 WHERE id = $2 AND (email = $3 OR email IS NULL) RETURNING {ALL}",
        f"UPDATE users SET name = ? WHERE id = ? AND (email = ? OR email IS NULL) RETURNING {ALL}",
        ["b", 1, "a"],
    ),
    (
        "update",
        [Stay.patch(room=1, day=DAY, guests=Inc(), price=Inc(-2), at=Now())],
        {},
        "UPDATE hotel.stays SET guests = guests + $1, price = price + $2, at = CURRENT_TIMESTAMP"
        f" WHERE room = $3 AND day = $4 RETURNING {STAY}",
        "UPDATE hotel.stays SET guests = guests + ?, price ="
        " rowstead_decimal_add(price, ?), at = CURRENT_TIMESTAMP"
        f" WHERE room = ? AND day = ? RETURNING {STAY}",
        ([1, Decimal(-2), 1, DAY], [1, "-2", 1, "2024-02-29"]),
    ),
    (
        "update_where",
        [User.patch(name="archived")],
        {"where": {"id": [1, 2, 3]}},
        "UPDATE users SET name = $1 WHERE id IN ($2, $3, $4)",
        "UPDATE users SET name = ? WHERE id IN (?, ?, ?)",
        ["archived", 1, 2, 3],
    ),
    (
        "delete",
        [User(id=1, name="a")],
        {},
        "DELETE FROM users WHERE id = $1",
        "DELETE FROM users WHERE id = ?",
        [1],
    ),
    (
        "delete",
        [User(id=1, name="a")],
        {"where": {"email": None}},
        "DELETE FROM users WHERE id = $1 AND email IS NULL",
        "DELETE FROM users WHERE id = ? AND email IS NULL",
        [1],
    ),
    (
        "delete_many",
        [User, [1, 2, 3]],
        {},
        "DELETE FROM users WHERE id IN ($1, $2, $3)",
        "DELETE FROM users WHERE id IN (?, ?, ?)",
        [1, 2, 3],
    ),
    (
        "delete_many",
        [User, range(20)],
        {},
        "DELETE FROM users WHERE id = ANY($1)",
        "DELETE FROM users WHERE id IN (SELECT value FROM json_each(?))",
        ([list(range(20))], ["[" + ",".join(map(str, range(20))) + "]"]),
    ),
    (
        "iter_rows",
        [User],
        {},
        f"SELECT {ALL} FROM users ORDER BY id LIMIT $1",
        f"SELECT {ALL} FROM users ORDER BY id LIMIT ?",
        [500],
    ),
    (
        "iter_rows",
        [User],
        {"order": "-email", "batch_size": 10},
        f"SELECT {ALL} FROM users WHERE email IS NOT NULL ORDER BY email DESC, id LIMIT $1",
        f"SELECT {ALL} FROM users WHERE email IS NOT NULL ORDER BY email DESC, id LIMIT ?",
        [10],
    ),
    (
        "iter_rows_keyset",
        [User],
        {"by": "name", "batch_size": 10},
        f"SELECT {ALL} FROM users ORDER BY name, id LIMIT $1",
        f"SELECT {ALL} FROM users ORDER BY name, id LIMIT ?",
        [10],
    ),
    (
        "page",
        [User],
        {"limit": 10, "offset": 5, "count": False},
        f"SELECT {ALL} FROM users ORDER BY id LIMIT $1 OFFSET $2",
        f"SELECT {ALL} FROM users ORDER BY id LIMIT ? OFFSET ?",
        [11, 5],
    ),
    (
        "page",
        [User],
        {"limit": 10, "name": "a"},
        f"SELECT {ALL}, (SELECT count(*) FROM users WHERE name = $1) AS anon_1 FROM users WHERE name = $1"
        " ORDER BY id LIMIT $2",
        f"SELECT {ALL}, (SELECT count(*) FROM users WHERE name = ?) AS anon_1 FROM users WHERE name = ?"
        " ORDER BY id LIMIT ?",
        (["a", 10], ["a", "a", 10]),
    ),
    # Reserved and mixed-case names
    (
        "get",
        [Odd],
        {"id": 1},
        f'SELECT {ODD} FROM "Order" WHERE id = $1',
        f"SELECT {ODD_LITE} FROM `Order` WHERE id = ?",
        [1],
    ),
    (
        "query",
        [Odd],
        {"group": 1, "where": {"Mixed": {"gt": "a"}}, "order": "-select"},
        f'SELECT {ODD} FROM "Order" WHERE "group" = $1 AND "Mixed" > $2 ORDER BY "select" DESC NULLS LAST',
        f"SELECT {ODD_LITE} FROM `Order` WHERE `group` = ? AND `Mixed` > ? ORDER BY `select` DESC",
        [1, "a"],
    ),
    (
        "insert",
        [Odd(id=1, group=2, Mixed="a")],
        {"on_conflict": "upsert"},
        'INSERT INTO "Order" (id, "group", "Mixed") VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE'
        f' SET "group" = excluded."group", "Mixed" = excluded."Mixed" RETURNING {ODD}',
        "INSERT INTO `Order` (id, `group`, `Mixed`) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE"
        f" SET `group` = excluded.`group`, `Mixed` = excluded.`Mixed` RETURNING {ODD_LITE}",
        [1, 2, "a"],
    ),
    (
        "update",
        [Odd(id=1, group=3)],
        {},
        f'UPDATE "Order" SET "group" = $1 WHERE id = $2 RETURNING {ODD}',
        f"UPDATE `Order` SET `group` = ? WHERE id = ? RETURNING {ODD_LITE}",
        [3, 1],
    ),
    ("delete", [Odd(id=1)], {}, 'DELETE FROM "Order" WHERE id = $1', "DELETE FROM `Order` WHERE id = ?", [1]),
    (
        "query",
        [Odd],
        {"where": {"exists": {"table": User, "filter": {"id": {"$outer": "group"}}}}},
        f'SELECT {ODD} FROM "Order" WHERE EXISTS (SELECT 1'
        ' FROM users AS inner_1 WHERE inner_1.id = "Order"."group")',
        f"SELECT {ODD_LITE} FROM `Order` WHERE EXISTS (SELECT 1"
        " FROM users AS inner_1 WHERE inner_1.id = `Order`.`group`)",
        [],
    ),
    (
        "get",
        [Tags],
        {"id": 1},
        'SELECT id, n FROM "the ""odd"" one" WHERE id = $1',
        'SELECT id, n FROM `the "odd" one` WHERE id = ?',
        [1],
    ),
]


@pytest.mark.parametrize(
    ("verb", "arguments", "options", "postgres", "sqlite", "params"),
    VERB_TEXTS,
    ids=[f"{v[0]}-{i}" for i, v in enumerate(VERB_TEXTS)],
)
def test_a_verb_is_spelled(
    verb: str, arguments: Sequence[Any], options: dict[str, Any], postgres: str, sqlite: str, params: Any
) -> None:
    for_postgres, for_sqlite = params if isinstance(params, tuple) else (params, params)
    call = first_call(POSTGRES, verb, *arguments, **options)
    assert (call.text, list(call.params)) == (postgres, for_postgres)
    call = first_call(LITE, verb, *arguments, **options)
    assert (call.text, list(call.params)) == (sqlite, for_sqlite)


def test_every_verb_has_a_line_here_or_a_test_below() -> None:
    assert set(VERBS) - {v[0] for v in VERB_TEXTS} == {"insert_many"}


async def test_a_handle_shows_the_text_of_its_own_backend(db: DB, backend: Backend) -> None:
    for verb, arguments, options, postgres, sqlite, _ in VERB_TEXTS:
        shown = db.compose(verb, *arguments, **options)
        assert shown.sql == (postgres if backend.is_postgres else sqlite)


async def test_what_is_shown_is_what_runs(backend: Backend) -> None:
    seen: list[tuple[str, list[Any]]] = []
    async with await DB.from_url(
        backend.url, trace=lambda t: seen.append((t.sql, list(t.params))), trace_values=True
    ) as db:
        await db.execute(backend.ddl("CREATE TABLE users (id {serial_pk}, name {text}, email {text} UNIQUE)"))
        await db.insert(User(id=1, name="a", email="e"))
        calls: list[tuple[str, list[Any], dict[str, Any]]] = [
            ("get", [User], {"id": 1}),
            ("query", [User], {"where": {"id": {"gt": 0}}, "order": "-name", "limit": 3}),
            ("count", [User], {"name": "a"}),
            ("exists", [User], {"name": "a"}),
            ("page", [User], {"limit": 2}),
            ("insert", [User(id=1, name="b", email="f")], {"on_conflict": "upsert"}),
            ("update", [User(id=1, name="c")], {"where": {"email": "f"}}),
            ("update_where", [User.patch(name="d")], {"where": {"id": [1]}}),
            ("delete", [User(id=1, name="")], {"where": {"name": "d"}}),
            ("delete_many", [User, [1, 2]], {}),
        ]
        for verb, arguments, options in calls:
            del seen[:]
            await getattr(db, verb)(*arguments, **options)
            shown = db.compose(verb, *arguments, **options)
            assert seen[0][0] == shown.sql
            assert [repr(getattr(p, "value", p)) for p in seen[0][1]] == [
                repr(getattr(p, "value", p)) for p in shown.params
            ]


def test_the_guides_texts_to_the_letter() -> None:
    shown = sql.compose("get", User, id=1, placeholder=lambda i: f"${i + 1}")
    assert shown.sql == "SELECT id, name, email FROM users WHERE id = $1"
    assert shown.params == [1]
    assert tuple(shown) == ("SELECT id, name, email FROM users WHERE id = $1", [1])


def test_a_placeholder_of_ones_own_is_put_where_parameters_stand_and_nowhere_else() -> None:
    class Base(Row):
        __table__ = "dollars"

    model: Any = create_model("Dollars", __base__=Base, **{"id": (int, ...), "a$1": (int | None, None)})
    shown = sql.compose(
        "query", model, where={"a$1": {"between": [5, 6]}}, id=7, placeholder=lambda i: f"%({i})s"
    )
    assert shown.sql == "SELECT id, a$1 FROM dollars WHERE id = %(0)s AND a$1 BETWEEN %(1)s AND %(2)s"
    assert shown.params == [7, 5, 6]
    many = sql.compose("query", User, id=list(range(1, 12)), placeholder=lambda i: f":p{i}")
    assert many.sql.endswith("id IN (:p0, :p1, :p2, :p3, :p4, :p5, :p6, :p7, :p8, :p9, :p10)")


def test_a_misspelt_verb_or_call_is_a_validation_error() -> None:
    with pytest.raises(ValidationError, match="Unknown op 'gte'; did you mean 'get'"):
        sql.compose("gte", User, id=1, placeholder=str)
    with pytest.raises(ValidationError, match="cannot be called like this"):
        sql.compose("update", User(id=1, name="a"), whare={}, placeholder=str)


def test_a_statement_is_one_line_even_where_names_hold_line_breaks_of_sqlalchemy() -> None:
    for verb, arguments, options, *_ in VERB_TEXTS:
        for compiler in (POSTGRES, LITE):
            text = first_call(compiler, verb, *arguments, **options).text
            assert "\n" not in text
            assert "  " not in text


def test_insert_many_is_shown_without_asking_a_database_for_its_types() -> None:
    rows = [User(name="a"), User(name="b")]
    shown = sql.compose("insert_many", rows, placeholder=lambda i: f"${i + 1}")
    assert shown.sql == (
        "INSERT INTO users (name) SELECT given.name FROM unnest(CAST($1 AS text[])) AS given(name)"
    )
    assert shown.params == [["a", "b"]]
