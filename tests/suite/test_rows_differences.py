"""What an earlier package did differently on each driver, or surprisingly, though nobody called it a defect.

The sections are those of the catalogue of behaviours: Row (1), filters and bulk (3), errors and counts
(5). Round trips of types are in `test_types.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, field_validator

from conftest import Backend
from rowstead import (
    DB,
    DataError,
    ForeignKeyError,
    HandleClosed,
    Inc,
    Now,
    Row,
    RowError,
    RowsteadError,
    StatementError,
    UndefinedColumnError,
    ValidationError,
)


class User(Row):
    __table__ = "users"
    id: int | None = None
    name: str
    email: str | None = None


@pytest.fixture
async def users(db: DB, backend: Backend) -> DB:
    await db.execute(
        backend.ddl(
            "CREATE TABLE users (id {serial_pk}, name TEXT NOT NULL, email TEXT UNIQUE,"
            " extra TEXT DEFAULT 'x', seen {timestamptz}, n INTEGER DEFAULT 0)"
        )
    )
    return db


# Section 1: Row


def test_a_patch_with_a_misspelt_name_is_an_error() -> None:
    with pytest.raises(UndefinedColumnError, match="did you mean 'email'"):
        User.patch(id=1, name="ok", emial="y")


class Strict(Row):
    model_config = ConfigDict(extra="forbid")
    __table__ = "users"
    id: int | None = None
    name: str


async def test_a_model_that_forbids_extras_fits_a_table_with_more_columns(users: DB) -> None:
    stored = await users.insert(Strict(name="a"))
    assert stored == Strict(id=1, name="a")
    assert await users.insert(Strict(id=1, name="b"), on_conflict="upsert") == Strict(id=1, name="b")
    assert await users.update(Strict(id=1, name="c")) == Strict(id=1, name="c")
    assert await users.insert_many([Strict(name="d")], returning=True) == [Strict(id=2, name="d")]
    assert [s.name async for s in users.iter_rows(Strict)] == ["c", "d"]
    assert await users.fetch_models(Strict, "SELECT * FROM users WHERE id = 1") == [Strict(id=1, name="c")]


class Aliased(Row):
    __table__ = "users"
    id: int | None = None
    name: str = Field(alias="userName")
    email: str | None = Field(default=None, validation_alias="mail")


async def test_an_aliased_field_is_the_column_of_its_own_name(users: DB) -> None:
    given = Aliased.model_validate({"userName": "a", "mail": "a@x"})
    stored = await users.insert(given)
    assert (stored.id, stored.name, stored.email) == (1, "a", "a@x")
    assert await users.get(Aliased, name="a") == stored
    changed = await users.update(Aliased.patch(id=1, name="b"))
    assert changed is not None
    assert (changed.name, changed.email) == ("b", "a@x")
    assert [r.name for r in await users.fetch_models(Aliased, "SELECT * FROM users")] == ["b"]


class Fussy(Row):
    __table__ = "users"
    id: int | None = None
    name: str

    @field_validator("name")
    @classmethod
    def short(cls, value: str) -> str:
        if len(value) > 3:
            raise ValueError("too long for the model")
        return value


async def test_a_stored_row_that_its_model_refuses_is_named_without_its_values(users: DB) -> None:
    await users.execute("INSERT INTO users (name) VALUES ('secretlong')")
    with pytest.raises(RowError, match=r"id=1.*too long for the model") as told:
        await users.get(Fussy, id=1)
    assert "secretlong" not in str(told.value)
    assert told.value.table == "users"
    assert isinstance(told.value, ValueError)


class Labelled(Row):
    __table__ = "users"
    __fields_not_in_db__ = ("label",)
    id: int | None = None
    name: str
    label: str = "none"


async def test_a_field_that_is_not_in_the_database_keeps_its_value_in_what_insert_returns(users: DB) -> None:
    stored = await users.insert(Labelled(name="a", label="mine"))
    assert (stored.id, stored.label) == (1, "mine")
    many = await users.insert_many(
        [Labelled(name="b", label="b!"), Labelled(name="c"), Labelled(name="d", label="d!")], returning=True
    )
    assert [(r.name, r.label) for r in many] == [("b", "b!"), ("c", "none"), ("d", "d!")]
    changed = await users.update(Labelled(id=1, name="e", label="other"))
    assert changed is not None
    assert (changed.name, changed.label) == ("e", "other")
    with pytest.raises(UndefinedColumnError):
        await users.query(Labelled, label="mine")


async def test_a_list_changed_in_place_is_sent_with_its_present_value(db: DB, backend: Backend) -> None:
    class Bag(Row):
        __table__ = "bags"
        id: int | None = None
        things: list[str]

    await db.execute(backend.ddl("CREATE TABLE bags (id {serial_pk}, things {jsonb})"))
    bag = await db.insert(Bag(things=["a"]))
    bag.things.append("b")
    await db.update(bag)
    assert await db.get(Bag, id=1) == Bag(id=1, things=["a", "b"])


# Sections 2 and 3: sentinels, filters, bulk


async def test_now_is_a_value_in_insert_and_in_filters(users: DB) -> None:
    class Seen(Row):
        __table__ = "users"
        id: int | None = None
        name: str
        seen: Any = None

    stored = await users.insert(Seen.patch(name="a", seen=Now()))
    assert stored.seen is not None
    await users.insert_many([Seen.patch(name="b", seen=Now()), Seen.patch(name="c", seen=Now())])
    assert await users.count(Seen, where={"seen": {"lte": Now()}}) == 3
    assert await users.count(Seen, where={"seen": {"gt": Now()}}) == 0


async def test_inc_is_refused_where_there_is_nothing_to_add_to(users: DB) -> None:
    class Counter(Row):
        __table__ = "users"
        id: int | None = None
        name: str
        n: int = 0

    with pytest.raises(ValidationError, match="column-expression sentinels"):
        await users.insert(Counter.patch(name="a", n=Inc()))
    with pytest.raises(ValidationError, match="Inc"):
        await users.query(Counter, n=Inc())
    assert await users.count(Counter) == 0


@pytest.mark.parametrize("make", [list, tuple, set, frozenset, lambda values: range(1, 3)])
async def test_every_collection_is_a_list_of_values(users: DB, make: Callable[[list[int]], Any]) -> None:
    await users.insert_many([User(name=n) for n in "abc"])
    assert [u.id for u in await users.query(User, id=make([1, 2]), order="id")] == [1, 2]


async def test_an_empty_list_matches_nothing_and_none_in_a_list_matches_null(users: DB) -> None:
    await users.insert_many([User(name="a", email="a@x"), User(name="b"), User(name="c", email="c@x")])
    assert await users.query(User, id=[]) == []
    assert await users.get(User, id=[]) is None
    assert await users.update(User(id=1, name="z"), where={"email": []}) is None
    assert await users.update_where(User.patch(name="z"), where={"id": []}) == 0
    assert await users.delete(User(id=1, name="a"), where={"email": []}) == 0
    assert [u.name for u in await users.query(User, email=["a@x", None], order="id")] == ["a", "b"]
    assert [u.name for u in await users.query(User, where={"email": {"not_in": ["a@x", None]}})] == ["c"]


class Awkward(Row):
    __table__ = "awkward"
    id: int | None = None
    where: str | None = None
    order: int | None = None
    limit: int | None = None
    offset: int | None = None
    model: str | None = None
    row_class: str | None = None
    by: str | None = None
    batch_size: int | None = None


async def test_columns_named_like_our_arguments_can_be_filtered(db: DB, backend: Backend) -> None:
    await db.execute(
        backend.ddl(
            'CREATE TABLE awkward (id {serial_pk}, "where" TEXT, "order" INTEGER, "limit" INTEGER,'
            ' "offset" INTEGER, model TEXT, row_class TEXT, "by" TEXT, batch_size INTEGER)'
        )
    )
    values: dict[str, Any] = {"where": "w", "order": 1, "limit": 2, "offset": 3, "model": "m", "by": "b"}
    await db.insert(Awkward(**values))
    await db.insert(Awkward())
    for name, value in values.items():
        assert await db.count(Awkward, where={name: value}) == 1
        assert len(await db.query(Awkward, where={name: value}, limit=5)) == 1
    assert (await db.get(Awkward, model="m", order=1)) is not None
    assert await db.query(Awkward, model="m", row_class=None, batch_size=None, by="b") != []


async def test_bulk_verbs_take_any_iterable(users: DB) -> None:
    assert await users.insert_many(User(name=n) for n in "abcdef") == 6
    assert await users.delete_many(User, {1}) == 1
    assert await users.delete_many(User, (i for i in (2,))) == 1
    assert await users.delete_many(User, [User(id=3, name="c"), {"id": 4}]) == 2
    assert await users.delete_many(User, [None]) == 0
    assert await users.delete_many(User, []) == 0
    assert await users.insert_many([]) == 0
    assert [u.name for u in await users.query(User, order="id")] == ["e", "f"]


@pytest.mark.parametrize("bad", ["2", True, 1.9, -1])
async def test_a_limit_is_a_whole_number_that_is_not_negative(users: DB, bad: Any) -> None:
    with pytest.raises(ValidationError, match="limit"):
        await users.query(User, limit=bad)
    with pytest.raises(ValidationError, match="offset"):
        await users.query(User, offset=bad)
    assert await users.query(User, limit=0) == []


# Section 5: errors and counts

MISTAKES: dict[str, tuple[str, type[RowsteadError]]] = {
    "syntax": ("SELEC 1", StatementError),
    "no such function": ("SELECT no_such_function(1)", StatementError),
    "the table exists": ("CREATE TABLE users (id INTEGER)", StatementError),
    "an unknown column in INSERT": ("INSERT INTO users (nme) VALUES ('a')", UndefinedColumnError),
    "an unknown column in UPDATE": ("UPDATE users SET nme = 'a'", UndefinedColumnError),
}


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("verb", ["execute", "fetch", "fetchval"])
async def test_a_mistake_in_raw_sql_is_the_same_error_everywhere(users: DB, mistake: str, verb: str) -> None:
    sql, kind = MISTAKES[mistake]
    with pytest.raises(kind) as told:
        await getattr(users, verb)(sql)
    assert told.value.__cause__ is not None
    assert await users.fetchval("SELECT 1") == 1


async def test_too_few_or_too_many_values_are_a_validation_error(users: DB) -> None:
    for values in ((), (1, 2)):
        with pytest.raises(ValidationError):
            await users.fetch("SELECT id FROM users WHERE id = $1", *values)


async def test_what_a_database_cannot_hold_is_an_error_of_ours(users: DB, backend: Backend) -> None:
    class Number(Row):
        __table__ = "users"
        id: int | None = None
        name: str
        n: int

    with pytest.raises(ValidationError):
        await users.insert(Number(name="a", n=2**70))
    with pytest.raises(RowsteadError):
        await users.execute("INSERT INTO users (name) VALUES ($1)", object())
    if backend.is_postgres:
        with pytest.raises(DataError):
            await users.fetchval("SELECT 1 / 0")
        with pytest.raises(DataError):
            await users.execute("INSERT INTO users (name, n) VALUES ('a', 99999999999)")
    assert await users.count(User) == 0


async def test_foreign_keys_are_enforced_on_every_backend(users: DB) -> None:
    await users.execute("CREATE TABLE pets (owner INTEGER REFERENCES users (id))")
    with pytest.raises(ForeignKeyError):
        await users.execute("INSERT INTO pets VALUES (99)")
    assert await users.fetchval("SELECT count(*) FROM pets") == 0


async def test_a_closed_handle_is_an_error_of_ours_in_every_verb(users: DB) -> None:
    await users.close()
    await users.close()
    uses: list[Callable[[], Awaitable[Any]]] = [
        lambda: users.get(User, id=1),
        lambda: users.insert(User(name="a")),
        lambda: users.insert_many([User(name="a")] * 60),
        lambda: users.delete_many(User, [1]),
        lambda: users.fetch("SELECT 1"),
        lambda: users.page(User),
        users.ping,
    ]
    for use in uses:
        with pytest.raises(HandleClosed):
            await use()


COUNTS: dict[str, tuple[str, int]] = {
    "insert": ("INSERT INTO users (name) VALUES ('c'), ('d')", 2),
    "insert returning": ("INSERT INTO users (name) VALUES ('c'), ('d') RETURNING id", 2),
    "update": ("UPDATE users SET n = 1", 2),
    "update returning": ("UPDATE users SET n = 1 RETURNING id", 2),
    "delete": ("DELETE FROM users WHERE id = 1", 1),
    "insert behind with": ("WITH v AS (SELECT 'c' AS a) INSERT INTO users (name) SELECT a FROM v", 1),
    "select": ("SELECT * FROM users", -1),
    "create": ("CREATE TABLE t (id INTEGER)", -1),
    "create as": ("CREATE TABLE t AS SELECT * FROM users", -1),
    "nothing": ("", -1),
    "a comment": ("-- nothing", -1),
}


NOT_ON_MARIADB = ("update returning", "insert behind with")


@pytest.mark.parametrize("statement", COUNTS)
async def test_execute_counts_alike_on_every_backend(users: DB, statement: str) -> None:
    await users.insert_many([User(name="a"), User(name="b")])
    sql, count = COUNTS[statement]
    if users.database.dialect.name == "mariadb" and statement in NOT_ON_MARIADB:
        with pytest.raises(StatementError):
            await users.execute(sql)
        return
    assert await users.execute(sql) == count
    assert await users.fetchval("SELECT 1") == 1


async def test_a_write_without_rows_fetches_as_nothing(users: DB) -> None:
    assert await users.fetchval("INSERT INTO users (name) VALUES ('a')") is None
    assert await users.fetchrow("UPDATE users SET n = 1") is None
    assert await users.fetch("DELETE FROM users") == []
    assert await users.count(User) == 0


async def test_of_two_columns_with_one_name_the_last_wins_everywhere(users: DB) -> None:
    assert await users.fetch("SELECT 1 AS a, 2 AS b, 3 AS a") == [{"a": 3, "b": 2}]
    assert await users.fetchrow("SELECT 1 AS a, 2 AS a") == {"a": 2}
    assert await users.fetchval("SELECT 1 AS a, 2 AS a") == 1


async def test_a_nested_model_travels_as_json_on_every_driver(db: DB, backend: Backend) -> None:
    class Inner(BaseModel):
        a: int
        b: list[str] = []

    class Outer(Row):
        __table__ = "outers"
        id: int | None = None
        inner: Inner
        more: dict[str, Any] | None = None

    await db.execute(
        backend.ddl('CREATE TABLE outers (id {serial_pk}, inner_ {text}, "inner" {jsonb}, more {json})')
    )
    one = await db.insert(Outer(inner=Inner(a=1, b=["x"]), more={"k": [1, None]}))
    assert one == Outer(id=1, inner=Inner(a=1, b=["x"]), more={"k": [1, None]})
    assert await db.query(Outer, where={"inner": {"eq": {"b": ["x"], "a": 1}}}) == [one]
