"""Guide 002, example by example: as written there, with only the names changed.

Each example runs on every backend it is meant for. What the guide leaves out (`names`, `process`,
`(...)`) is filled in here. `test_guide_rows_connections.py` and
`test_guide_rows_migrations.py` have the rest.
"""

from __future__ import annotations

import logging
import sqlite3
from typing import Any

import asyncpg
import psycopg
import pytest

from conftest import Backend
from rowstead import (
    DB,
    Inc,
    IntegrityError,
    Now,
    OperationalError,
    Row,
    RowsteadError,
    UndefinedColumnError,
    UndefinedTableError,
)

ON_POSTGRES = pytest.mark.parametrize("backend", ["asyncpg", "psycopg"], indirect=True)


class User(Row):
    __table__ = "users"
    id: int | None = None  # leave unset and the DB allocates it (SERIAL / INTEGER PK)
    name: str
    email: str | None = None


class Subscriber(User):
    """The guide's User where an example also writes its status."""

    status: str = "active"


class Counter(Row):
    __table__ = "counters"
    id: int | None = None
    n: int


class Article(Row):
    __table__ = "articles"
    id: int | None = None
    title: str
    updated_at: Any = None


USERS = """
CREATE TABLE users (
    id          {serial_pk},
    name        TEXT NOT NULL,
    email       TEXT UNIQUE,
    status      TEXT NOT NULL DEFAULT 'active',
    active      {bool} NOT NULL DEFAULT true,
    created_at  {timestamptz} NOT NULL DEFAULT {now}
)
"""


@pytest.fixture
async def users(db: DB, backend: Backend) -> DB:
    """A handle on a database that has the guide's table of users."""
    await db.execute(backend.ddl(USERS))
    return db


# Typed CRUD


async def test_typed_crud_line_by_line(users: DB) -> None:
    db = users
    alice = await db.insert(User(name="Alice"))
    assert (alice.id, alice.name, alice.email) == (1, "Alice", None)

    user = await db.get(User, id=alice.id)
    assert user == alice
    assert await db.get(User, id=99) is None

    assert await db.query(User) == [alice]
    assert await db.query(User, email=None) == [alice]
    for name in "BCDEFG":
        await db.insert(User(name=name, email=f"{name}@x"))
    recent = await db.query(User, id=[1, 5, 7])
    assert sorted(u.id or 0 for u in recent) == [1, 5, 7]

    await db.update(User(id=alice.id, email="alice@example.com", name="Alice"))
    await db.update(User(id=alice.id, name="Alice B"))
    assert await db.get(User, id=alice.id) == User(id=1, name="Alice B", email="alice@example.com")

    await db.delete(alice)
    assert await db.get(User, id=alice.id) is None


async def test_a_guarded_update_writes_only_where_the_guard_holds(users: DB) -> None:
    db = users
    alice = await db.insert(User(name="Alice", email="alice@example.com"))
    changed = await db.update(User(id=alice.id, name="Alice B"), where={"email": "alice@example.com"})
    assert changed == User(id=alice.id, name="Alice B", email="alice@example.com")
    assert await db.update(User(id=alice.id, name="Mallory"), where={"email": "bob@example.com"}) is None
    assert (await db.get(User, id=alice.id)) == changed


async def test_a_patch_sets_only_what_it_names(users: DB) -> None:
    db = users
    alice = await db.insert(User(name="Alice", email="a@x"))
    assert await db.update(User.patch(id=alice.id, name="Alice B")) == User(id=1, name="Alice B", email="a@x")
    # `name` is required by the model and NOT NULL in the table; the patch needs neither.
    assert await db.update(User.patch(id=alice.id, email=None)) == User(id=1, name="Alice B", email=None)


async def test_inc_and_now_are_computed_by_the_database(users: DB, backend: Backend) -> None:
    db = users
    await db.execute(backend.ddl("CREATE TABLE counters (id {serial_pk}, n INTEGER NOT NULL)"))
    await db.execute(
        backend.ddl("CREATE TABLE articles (id {serial_pk}, title TEXT, updated_at {timestamptz})")
    )
    await db.insert(Counter(id=1, n=41))
    await db.insert(Article(id=1, title="t"))

    await db.update(Counter.patch(id=1, n=Inc()))
    await db.update(Article.patch(id=1, updated_at=Now()))

    counter, article = await db.get(Counter, id=1), await db.get(Article, id=1)
    assert counter == Counter(id=1, n=42)
    assert article is not None
    assert article.updated_at is not None
    assert "SET n = n + " in db.compose("update", Counter.patch(id=1, n=Inc())).sql
    assert (
        "SET updated_at = CURRENT_TIMESTAMP"
        in db.compose("update", Article.patch(id=1, updated_at=Now())).sql
    )


# Bulk


async def test_bulk_insert_upsert_and_delete(users: DB) -> None:
    db = users
    names = ["a", "b", "c", "d"]
    await db.insert_many([User(name=n) for n in names], on_conflict="ignore")
    assert [u.name for u in await db.query(User, order="id")] == names

    rows = [User(id=1, name="A", email="a@x"), User(id=9, name="I", email="i@x")]
    await db.insert_many(rows, on_conflict="upsert")
    assert await db.get(User, id=1) == rows[0]
    assert await db.get(User, id=9) == rows[1]

    await db.delete_many(User, [1, 2, 3])
    assert [u.id for u in await db.query(User, order="id")] == [4, 9]


async def test_update_where_patches_every_match_and_counts_them(users: DB) -> None:
    db = users
    await db.insert_many([User(name=n) for n in "abcd"])
    n = await db.update_where(Subscriber.patch(status="archived"), where={"id": [1, 2, 3]})
    assert n == 3
    statuses = [u.status for u in await db.query(Subscriber, order="id")]
    assert statuses == ["archived", "archived", "archived", "active"]


async def test_an_upsert_of_one_row_returns_what_is_stored(users: DB) -> None:
    db = users
    alice = await db.insert(User(id=1, name="Alice", email="a@x"), on_conflict="upsert")
    assert alice == User(id=1, name="Alice", email="a@x")
    alice = await db.insert(User(id=1, name="Alice B"), on_conflict="upsert")
    assert alice == User(id=1, name="Alice B", email="a@x")
    assert await db.count(User) == 1


# Streaming


async def test_iter_rows_gives_every_row_in_batches(users: DB) -> None:
    db = users
    await db.insert_many([User(name=f"n{i}") for i in range(1_203)])
    seen: list[int | None] = []

    def process(user: User) -> None:
        seen.append(user.id)

    async for user in db.iter_rows(User, batch_size=500):
        process(user)
    assert seen == list(range(1, 1_204))


async def test_iter_rows_keyset_gives_every_row_in_the_order_of_its_column(users: DB) -> None:
    db = users
    await db.insert_many([User(name=f"n{i % 7}") for i in range(1_203)])
    seen = [user.id async for user in db.iter_rows_keyset(User, batch_size=500)]
    assert seen == list(range(1, 1_204))
    by_name = [(u.name, u.id) async for u in db.iter_rows_keyset(User, by="name", batch_size=100)]
    assert by_name == sorted(by_name)
    assert len(by_name) == 1_203


# Raw SQL


async def test_raw_sql_gives_models_dicts_values_and_counts(users: DB, backend: Backend) -> None:
    db = users
    ann, bob = await db.insert(User(name="Ann")), await db.insert(User(name="Bob"))
    await db.execute(backend.ddl("CREATE TABLE orders (id {serial_pk}, user_id INTEGER, created_at {int})"))
    await db.execute(
        "INSERT INTO orders (user_id, created_at) VALUES ($1, $2), ($3, $4)", ann.id, 5, bob.id, 20
    )
    since = 10

    found = await db.fetch_models(
        User,
        """
        SELECT u.* FROM users u JOIN orders o ON o.user_id = u.id
        WHERE o.created_at > $1
        """,
        since,
    )
    assert found == [bob]
    top = await db.fetch_model(User, "SELECT * FROM users ORDER BY id LIMIT 1")
    assert top == ann
    assert await db.fetch_model(User, "SELECT * FROM users WHERE id = $1", 99) is None

    await db.execute("CREATE TABLE events (site_id INTEGER)")
    await db.execute("INSERT INTO events VALUES (3), (3), (4)")
    site_id = 3
    rows = await db.fetch("SELECT count(*) FROM events WHERE site_id = $1", site_id)
    assert [list(row.values()) for row in rows] == [[2]]
    val = await db.fetchval("SELECT count(*) FROM users")
    assert val == 2
    assert await db.fetchval("SELECT name FROM users WHERE id = $1", 99) is None
    uid = ann.id
    assert await db.execute("UPDATE users SET active = false WHERE id = $1", uid) == 1
    assert await db.fetchval("SELECT count(*) FROM users WHERE active = true") == 1


# Transactions


async def test_a_transaction_keeps_both_writes_or_neither(users: DB) -> None:
    db = users
    await db.execute("CREATE TABLE audit_log (what TEXT)")
    async with db.transaction() as tx:
        await tx.insert(User(name="Carol"))
        await tx.execute("INSERT INTO audit_log (what) VALUES ('carol')")
    assert await db.count(User, name="Carol") == 1

    async def fails() -> None:
        async with db.transaction() as tx:
            await tx.insert(User(name="Dave"))
            await tx.execute("INSERT INTO audit_log (what) VALUES ('dave')")
            raise KeyError

    with pytest.raises(KeyError):
        await fails()
    assert await db.count(User, name="Dave") == 0
    assert await db.fetch("SELECT what FROM audit_log") == [{"what": "carol"}]


# What insert and update send


async def test_an_insert_sends_what_is_set_and_an_explicit_none_counts(users: DB) -> None:
    db = users
    assert "(name) VALUES" in db.compose("insert", User(name="a")).sql
    assert "(name, email) VALUES" in db.compose("insert", User(name="a", email=None)).sql
    stored = await db.insert(Subscriber(name="a"))
    assert (stored.id, stored.status) == (1, "active")


class Scoped(Row):
    __table__ = "scoped"
    __pk__ = ("tenant", "name")
    tenant: int
    name: str
    value: int = 0


async def test_a_composite_key_is_every_one_of_its_columns(db: DB) -> None:
    await db.execute(
        "CREATE TABLE scoped (tenant INTEGER, name TEXT, value INTEGER, PRIMARY KEY (tenant, name))"
    )
    await db.insert_many([Scoped(tenant=t, name=n, value=1) for t in (1, 2) for n in "ab"])
    await db.update(Scoped(tenant=1, name="a", value=5))
    assert [s.value for s in await db.query(Scoped, order=["tenant", "name"])] == [5, 1, 1, 1]
    await db.delete(Scoped(tenant=2, name="a"))
    await db.delete_many(Scoped, [{"tenant": 1, "name": "b"}])
    assert [(s.tenant, s.name) for s in await db.query(Scoped, order="tenant")] == [(1, "a"), (2, "b")]
    assert "WHERE tenant = " in db.compose("get", Scoped, tenant=1, name="a").sql
    assert "LIMIT" not in db.compose("get", Scoped, tenant=1, name="a").sql


class Labelled(User):
    __fields_not_in_db__ = ("computed_label",)
    computed_label: str = "none"


async def test_a_field_that_is_not_in_the_database_is_neither_sent_nor_read(users: DB) -> None:
    db = users
    stored = await db.insert(Labelled(name="Ann", computed_label="mine"))
    assert (stored.id, stored.name) == (1, "Ann")
    read = await db.get(Labelled, id=1)
    assert read is not None
    assert read.computed_label == "none"
    await db.update(Labelled(id=1, name="Bob", computed_label="x"))
    for verb, argument in [("insert", read), ("update", read), ("query", Labelled)]:
        assert "computed_label" not in db.compose(verb, argument).sql


# Typed errors


async def test_a_duplicate_is_an_integrity_error_with_the_drivers_own_as_cause(
    users: DB, backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    db, log = users, logging.getLogger("guide")
    await db.insert(User(id=1, name="Alice"))
    caught: list[IntegrityError] = []
    try:
        await db.insert(User(id=1, name="Alice"))
    except IntegrityError as e:
        log.warning("duplicate or constraint violation: %s", e)
        caught.append(e)
    (error,) = caught
    drivers = {
        "sqlite": sqlite3.IntegrityError,
        "asyncpg": asyncpg.UniqueViolationError,
        "psycopg": psycopg.errors.UniqueViolation,
    }
    assert isinstance(error.__cause__, drivers[backend.name])
    assert isinstance(error, RowsteadError)
    assert caplog.messages[0].startswith("duplicate or constraint violation: ")


async def test_each_kind_of_failure_has_its_class_on_every_backend(users: DB) -> None:
    db = users
    with pytest.raises(UndefinedTableError):
        await db.fetch("SELECT * FROM nowhere")
    with pytest.raises(UndefinedColumnError):
        await db.fetch("SELECT colour FROM users")
    with pytest.raises(IntegrityError):
        await db.insert(User.patch(name=None))
    for family in (IntegrityError, UndefinedTableError, UndefinedColumnError, OperationalError):
        assert issubclass(family, RowsteadError)
