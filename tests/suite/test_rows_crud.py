"""The verbs of typed rows in detail, on every backend. Bulk writes are in `test_rows_bulk.py`."""

from __future__ import annotations

import datetime
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest

from conftest import Backend
from rowstead import (
    DB,
    CheckError,
    DuplicateError,
    Inc,
    NotNullError,
    Now,
    Row,
    UndefinedColumnError,
    UndefinedTableError,
    ValidationError,
)


class User(Row):
    __table__ = "users"
    id: int | None = None
    name: str
    email: str | None = None
    tenant: int = 0
    visits: int = 0


@pytest.fixture
async def users(db: DB, backend: Backend) -> DB:
    await db.execute(
        backend.ddl(
            "CREATE TABLE users (id {serial_pk}, name TEXT NOT NULL, email TEXT UNIQUE,"
            " tenant INTEGER NOT NULL DEFAULT 7, visits INTEGER DEFAULT 0, UNIQUE (tenant, name))"
        )
    )
    return db


# What is not found out again for the next object with these fields set


class Reading(Row):
    __table__ = "readings"
    id: int | None = None
    name: str | None
    value: float
    at: datetime.datetime
    good: bool


AT = datetime.datetime(2026, 1, 2, 3, 4, 5, 6)


@pytest.fixture
async def readings(db: DB, backend: Backend) -> DB:
    await db.execute(
        backend.ddl(
            "CREATE TABLE readings (id {serial_pk}, name VARCHAR(20), value {float}, at {timestamp},"
            " good {bool})"
        )
    )
    return db


async def test_values_that_must_be_converted_are_so_each_time_an_insert_is_made_again(readings: DB) -> None:
    given = [
        Reading(name=name, value=value, at=AT + datetime.timedelta(days=n), good=n % 2 == 0)
        for n, (name, value) in enumerate([("a", 1.5), ("b", 2.0), (None, 2.5), ("c", -0.25)])
    ]
    stored = [await readings.insert(row) for row in given]
    assert [row.model_dump(exclude={"id"}) for row in stored] == [
        row.model_dump(exclude={"id"}) for row in given
    ]
    assert await readings.query(Reading, order="id") == stored


async def test_what_does_not_fit_is_refused_when_an_insert_is_made_again(readings: DB) -> None:
    for _ in range(3):
        await readings.insert(Reading(name="a", value=1.0, at=AT, good=True))
    for wrong in ({"at": "no moment"}, {"value": "no number"}, {"good": "neither"}):
        fields = {"name": "a", "value": 1.0, "at": AT, "good": True} | wrong
        with pytest.raises(ValidationError, match=f"column '{next(iter(wrong))}'"):
            await readings.insert(Reading.patch(**fields))
    assert await readings.count(Reading) == 3


async def test_a_sentinel_is_seen_though_plain_values_were_written_before(readings: DB) -> None:
    first = await readings.insert(Reading(name="a", value=1.0, at=AT, good=True))
    for value in (2.0, 3.0):
        changed = await readings.update(Reading.patch(id=first.id, value=value, at=AT))
        assert changed is not None
        assert (changed.value, changed.at) == (value, AT)
    changed = await readings.update(Reading.patch(id=first.id, value=Inc(0.5), at=Now))
    assert changed is not None
    assert changed.value == 3.5
    assert changed.at != AT
    changed = await readings.update(Reading.patch(id=first.id, value=7.0, at=AT))
    assert changed is not None
    assert (changed.value, changed.at) == (7.0, AT)


async def test_a_key_of_another_kind_is_read_as_such_when_an_update_is_made_again(readings: DB) -> None:
    first = await readings.insert(Reading(name="a", value=1.0, at=AT, good=True))
    for value in (2.0, 3.0):
        await readings.update(Reading.patch(id=first.id, value=value, at=AT))
    assert await readings.update(Reading.patch(id=None, value=9.0, at=AT)) is None
    assert await readings.update(Reading.patch(id=first.id, value=4.0, at=AT)) == Reading(
        id=first.id, name="a", value=4.0, at=AT, good=True
    )


# What is set


async def test_what_is_not_set_is_left_to_the_database(users: DB) -> None:
    # The model's default is 0 and was not set: the table's default is taken and comes back.
    assert (await users.insert(User(name="a"))).tenant == 7
    assert (await users.insert(User(name="b", tenant=0))).tenant == 0


async def test_a_field_assigned_later_is_set(users: DB) -> None:
    user = await users.insert(User(name="a", email="a@x"))
    patch = User.patch(id=user.id)
    patch.visits = 3
    assert await users.update(patch) == User(id=1, name="a", email="a@x", tenant=7, visits=3)


async def test_an_explicit_none_is_written_and_an_unset_field_is_not(users: DB) -> None:
    await users.insert(User(name="a", email="a@x"))
    assert (await users.update(User(id=1, name="b"))) == User(id=1, name="b", email="a@x", tenant=7, visits=0)
    assert (await users.update(User(id=1, name="b", email=None))) == User(id=1, name="b", tenant=7, visits=0)


async def test_an_explicit_none_for_a_required_column_is_a_not_null_error_that_names_it(users: DB) -> None:
    with pytest.raises(NotNullError) as told:
        await users.insert(User.patch(name=None))
    assert (told.value.table, told.value.column) == ("users", "name")


async def test_what_comes_back_is_what_is_stored_by_then(users: DB, backend: Backend) -> None:
    if backend.is_postgres:
        await users.execute(
            "CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN NEW.name := upper(NEW.name); RETURN NEW; END $$"
        )
        await users.execute(
            "CREATE TRIGGER t BEFORE INSERT OR UPDATE ON users FOR EACH ROW EXECUTE FUNCTION shout()"
        )
        assert (await users.insert(User(name="a"))).name == "A"
        assert [
            u.name for u in await users.insert_many([User(name="b"), User(name="c")], returning=True)
        ] == ["B", "C"]
    else:
        await users.execute("ALTER TABLE users ADD COLUMN shown TEXT GENERATED ALWAYS AS (upper(name))")

        class Shown(User):
            shown: str | None = None

        assert (await users.insert(Shown(name="a"))).shown == "A"
        changed = await users.update(Shown(id=1, name="b"))
        assert changed is not None
        assert changed.shown == "B"


# get, query, count, exists


async def test_get_by_other_fields_gives_one_of_the_matches(users: DB) -> None:
    await users.insert_many([User(name=n, tenant=1) for n in "abc"])
    found = await users.get(User, tenant=1)
    assert found is not None
    assert found.name in "abc"
    assert users.compose("get", User, tenant=1).sql.endswith(" LIMIT 1")
    assert not users.compose("get", User, id=1, tenant=1).sql.endswith(" LIMIT 1")
    assert await users.get(User, id=1, tenant=2) is None
    with pytest.raises(ValidationError, match="query"):
        await users.get(User, id=[1, 2])


async def test_filters_by_name_and_by_where_are_joined_with_and(users: DB) -> None:
    await users.insert_many([User(name=n, tenant=i % 2, visits=i) for i, n in enumerate("abcdef")])
    found = await users.query(User, tenant=1, where={"visits": {"gt": 1}}, order="-visits")
    assert [u.name for u in found] == ["f", "d"]
    either = await users.query(User, where=[{"name": "a"}, {"visits": {"gte": 5}}], tenant=[0, 1], order="id")
    assert [u.name for u in either] == ["a", "f"]
    assert await users.count(User, tenant=1, where={"visits": {"lt": 3}}) == 1
    assert await users.exists(User, name="a") is True
    assert await users.exists(User, name="z") is False


async def test_orders_mix_directions_and_put_nulls_last(users: DB) -> None:
    rows = [("a", None), ("b", "2"), ("c", "1"), ("d", None)]
    await users.insert_many([User(name=n, email=e) for n, e in rows])

    async def names(order: Any) -> str:
        return "".join([u.name for u in await users.query(User, order=order)])

    assert await names("email,name") == "cbad"
    assert await names("-email,-name") == "bcda"
    assert await names(["-email", "name"]) == "bcad"
    assert await names([{"asc": "email", "nulls": "first"}, {"desc": "name"}]) == "dacb"


# Guards and counts


async def test_a_guard_is_a_condition_of_the_whole_language(users: DB) -> None:
    await users.insert(User(name="a", tenant=1, visits=5))
    assert await users.update(User(id=1, name="b"), where={"visits": {"gt": 5}}) is None
    assert await users.update(User(id=1, name="b"), where=[{"visits": {"gt": 5}}, {"tenant": 2}]) is None
    changed = await users.update(User(id=1, name="b"), where=[{"visits": 5}, {"tenant": 2}])
    assert changed is not None
    assert changed.name == "b"
    assert await users.delete(User(id=1, name="x"), where={"tenant": 2}) == 0
    assert await users.delete(User(id=1, name="x"), where={"tenant": 1}) == 1


async def test_writes_tell_what_they_did(users: DB) -> None:
    await users.insert_many([User(name=n, tenant=1) for n in "abc"])
    assert await users.update(User(id=99, name="z")) is None
    assert await users.update(User.patch(id=None, name="z")) is None
    assert await users.delete(User(id=99, name="z")) == 0
    assert await users.delete(User(id=1, name="z")) == 1
    assert await users.update_where(User.patch(visits=9), where={"tenant": 1}) == 2
    assert await users.update_where(User.patch(visits=9), where={"tenant": 2}) == 0


async def test_update_where_does_not_change_keys_and_needs_a_filter(users: DB) -> None:
    await users.insert_many([User(name=n, tenant=1) for n in "ab"])
    assert await users.update_where(User.patch(id=5, visits=1), where={"tenant": 1}) == 2
    assert [u.id for u in await users.query(User, order="id")] == [1, 2]
    empty: list[Any] = [None, {}, [], {"and": []}]
    for where in empty:
        with pytest.raises(ValidationError, match="filter"):
            await users.update_where(User.patch(visits=3), where=where)
    assert await users.count(User, visits=3) == 0


async def test_a_write_without_a_key_or_without_a_change_is_refused(users: DB) -> None:
    with pytest.raises(ValidationError, match="primary key"):
        await users.update(User(name="a"))
    with pytest.raises(ValidationError, match="primary key"):
        await users.delete(User(name="a"))
    with pytest.raises(ValidationError, match="no non-PK fields"):
        await users.update(User.patch(id=1))
    with pytest.raises(ValidationError, match="no non-PK fields"):
        await users.update_where(User.patch(id=1), where={"tenant": 1})


# Upsert and the computed values


async def test_an_upsert_by_another_unique_key_keeps_the_primary_key(users: DB) -> None:
    await users.insert(User(name="a", email="a@x", visits=1))
    by_email = await users.insert(User(name="b", email="a@x"), on_conflict="upsert", conflict_target="email")
    assert by_email == User(id=1, name="b", email="a@x", tenant=7, visits=1)
    by_pair = await users.insert(
        User(name="b", tenant=7, visits=8), on_conflict="upsert", conflict_target=["tenant", "name"]
    )
    assert by_pair == User(id=1, name="b", email="a@x", tenant=7, visits=8)
    # A key given beside another target is the new row's, never a change of the old one's.
    kept = await users.insert(
        User(id=50, name="c", email="a@x"), on_conflict="upsert", conflict_target="email"
    )
    assert (kept.id, kept.name) == (1, "c")
    with pytest.raises(DuplicateError):
        await users.insert(User(id=2, name="c", tenant=7), on_conflict="upsert")


async def test_ignore_gives_the_row_back_as_it_was_given(users: DB) -> None:
    await users.insert(User(name="a", email="a@x"))
    given = User(name="z", email="a@x")
    assert await users.insert(given, on_conflict="ignore") is given
    assert await users.insert(given, on_conflict="ignore", conflict_target="email") is given
    with pytest.raises(DuplicateError):
        await users.insert(
            User(id=1, name="q", email="a@x"), on_conflict="ignore", conflict_target=["tenant", "name"]
        )
    assert await users.count(User) == 1


async def test_an_increment_in_an_upsert_creates_or_adds(users: DB) -> None:
    hit = User.patch(name="a", email="a@x", visits=Inc(by=2, start=10))
    first = await users.insert(hit, on_conflict="upsert", conflict_target="email")
    assert (first.id, first.visits) == (1, 12)
    second = await users.insert(hit, on_conflict="upsert", conflict_target="email")
    assert (second.id, second.visits) == (1, 14)
    plain = await users.insert(
        User.patch(name="b", email="b@x", visits=Inc()), on_conflict="upsert", conflict_target="email"
    )
    assert plain.visits == 1


async def test_increments_take_negative_and_decimal_steps_and_leave_null_alone(
    db: DB, backend: Backend
) -> None:
    class Account(Row):
        __table__ = "accounts"
        id: int | None = None
        balance: Decimal | None = None

    await db.execute(backend.ddl("CREATE TABLE accounts (id {serial_pk}, balance {decimal})"))
    await db.insert_many([Account(balance=Decimal("0.10")), Account(balance=None)])
    changed = await db.update(Account.patch(id=1, balance=Inc(Decimal("0.20"))))
    assert changed == Account(id=1, balance=Decimal("0.30"))
    changed = await db.update(Account.patch(id=1, balance=Inc(Decimal("-1.30"))))
    assert changed == Account(id=1, balance=Decimal("-1.00"))
    assert await db.update(Account.patch(id=2, balance=Inc(5))) == Account(id=2, balance=None)
    assert await db.update_where(Account.patch(balance=Inc(1)), where={"balance": {"lt": 0}}) == 1
    assert await db.get(Account, balance=0) == Account(id=1, balance=Decimal(0))


class Note(Row):
    __table__ = "notes"
    id: int | None = None
    expires_at: datetime.datetime | None = None


async def test_now_is_the_databases_time_in_writes_and_filters(db: DB, backend: Backend) -> None:
    await db.execute(backend.ddl("CREATE TABLE notes (id {serial_pk}, expires_at {timestamptz})"))
    hour = datetime.timedelta(hours=1)
    now = datetime.datetime.now(datetime.UTC)
    await db.insert_many([Note(expires_at=now - hour), Note(expires_at=now + hour), Note(expires_at=None)])
    assert [n.id for n in await db.query(Note, where={"expires_at": {"gt": Now()}})] == [2]
    assert await db.update_where(Note.patch(expires_at=Now()), where={"expires_at": {"lt": Now()}}) == 1
    written = await db.insert(Note.patch(expires_at=Now()))
    assert await db.update(Note.patch(id=3, expires_at=Now()), where={"expires_at": None}) is not None
    for key in (1, 3, written.id):
        stored = await db.get(Note, id=key)
        assert stored is not None
        assert stored.expires_at is not None
        zoned = stored.expires_at.replace(tzinfo=stored.expires_at.tzinfo or datetime.UTC)
        assert abs(zoned - now) < datetime.timedelta(minutes=5)


# Names

FOREIGN: dict[str, Callable[[DB], Awaitable[Any]]] = {
    "filter": lambda db: db.query(User, emial="x"),
    "get": lambda db: db.get(User, emial="x"),
    "where": lambda db: db.query(User, where={"not": {"emial": None}}),
    "guard": lambda db: db.update(User(id=1, name="a"), where={"emial": "x"}),
    "bulk guard": lambda db: db.update_where(User.patch(name="a"), where={"emial": "x"}),
    "delete": lambda db: db.delete(User(id=1, name="a"), where={"emial": "x"}),
    "order": lambda db: db.query(User, order="name,-emial"),
    "keyset order": lambda db: anext(aiter(db.iter_rows_keyset(User, by="emial"))),
    "page order": lambda db: db.page(User, order=[{"desc": "emial"}]),
    "conflict target": lambda db: db.insert(User(name="a"), on_conflict="upsert", conflict_target="emial"),
    "bulk conflict target": lambda db: db.insert_many(
        [User(name="a")], on_conflict="ignore", conflict_target=["tenant", "emial"]
    ),
}


@pytest.mark.parametrize("place", FOREIGN)
async def test_a_foreign_name_is_an_error_with_a_suggestion(users: DB, place: str) -> None:
    with pytest.raises(UndefinedColumnError, match="no column 'emial'; did you mean 'email'") as told:
        await FOREIGN[place](users)
    assert (told.value.table, told.value.column) == ("users", "emial")


async def test_misspelt_words_of_ours_are_errors_with_a_suggestion(users: DB) -> None:
    wrong: Any = "upsertt"
    with pytest.raises(ValidationError, match="did you mean 'upsert'"):
        await users.insert(User(name="a"), on_conflict=wrong)
    with pytest.raises(ValidationError, match="did you mean 'starts_with'"):
        await users.query(User, where={"name": {"startswith": "a"}})
    with pytest.raises(ValidationError, match="did you mean 'insert_many'"):
        users.compose("insertmany", [])
    with pytest.raises(ValidationError, match="conflict_target"):
        await users.insert(User(name="a"), conflict_target="email")


async def test_a_table_that_is_not_there_is_named(db: DB) -> None:
    with pytest.raises(UndefinedTableError, match="users"):
        await db.query(User)


async def test_a_table_may_stand_in_a_schema(db: DB, backend: Backend) -> None:
    # A schema of MariaDB's is a database.
    schema = "app" if backend.is_postgres else backend.url.rpartition("/")[2] if backend.is_maria else "main"

    class Elsewhere(Row):
        __table__ = f'{schema}."Odd name"'
        id: int | None = None
        n: int

    if backend.is_postgres:
        await db.execute("CREATE SCHEMA app")
    await db.execute(
        backend.ddl(f"CREATE TABLE {Elsewhere.__table__} (id {{serial_pk}}, n INTEGER CHECK (n > 0))")
    )
    assert await db.insert(Elsewhere(n=1)) == Elsewhere(id=1, n=1)
    assert await db.insert_many([Elsewhere(n=i) for i in range(2, 100)]) == 98
    assert await db.update_where(Elsewhere.patch(n=Inc()), where={"n": {"gt": 50}}) == 49
    assert await db.count(Elsewhere, n=51) == 0
    with pytest.raises(CheckError):
        await db.insert(Elsewhere(n=0))


# JSON columns


class Document(Row):
    __table__ = "documents"
    id: int | None = None
    body: dict[str, Any] | None = None
    tags: list[str] | None = None
    anything: Any = None


async def test_json_columns_are_written_compared_and_read_as_python(db: DB, backend: Backend) -> None:
    await db.execute(
        backend.ddl("CREATE TABLE documents (id {serial_pk}, body {jsonb}, tags {jsonb}, anything {text})")
    )
    body = {"b": [1, 2.5, None, {"x": "ä'\""}], "a": True}
    stored = await db.insert(Document(body=body, tags=["x", "y"]))
    assert stored == Document(id=1, body=body, tags=["x", "y"])
    many = await db.insert_many([Document(body={"n": i}, tags=[str(i)]) for i in range(60)], returning=True)
    assert [d.body for d in many] == [{"n": i} for i in range(60)]
    assert await db.query(Document, where={"body": {"eq": {"a": True, "b": body["b"]}}}) == [stored]
    assert await db.count(Document, where={"tags": {"eq": ["7"]}}) == 1
    assert await db.count(Document, body=None) == 0
    assert (await db.update(Document.patch(id=1, body=None))) == Document(id=1, body=None, tags=["x", "y"])
    assert await db.count(Document, body=None) == 1
    with pytest.raises(ValidationError, match=r"eq.*compares|use eq"):
        await db.query(Document, tags=["7"])
