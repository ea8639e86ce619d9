"""Bulk writes of typed rows: order, conflicts, mixed rows and sizes, on every backend."""

from __future__ import annotations

from typing import Any

import pytest

from conftest import Backend
from rowstead import DB, DuplicateError, Inc, Now, Row, ValidationError


class User(Row):
    __table__ = "users"
    id: int | None = None
    name: str
    email: str | None = None
    visits: int | None = 0


@pytest.fixture
async def users(db: DB, backend: Backend) -> DB:
    await db.execute(
        backend.ddl(
            "CREATE TABLE users (id {serial_pk}, name TEXT NOT NULL, email TEXT UNIQUE,"
            " visits INTEGER DEFAULT 5)"
        )
    )
    return db


def mixed(number: int) -> list[User]:
    """Rows that set different fields, in turn."""
    return [
        User(name=f"n{i}")
        if i % 3 == 0
        else User(name=f"n{i}", email=f"e{i}")
        if i % 3 == 1
        else User(name=f"n{i}", visits=i)
        for i in range(number)
    ]


@pytest.mark.parametrize("number", [1, 2, 7, 100])
async def test_stored_rows_come_back_in_the_order_given(users: DB, number: int) -> None:
    stored = await users.insert_many([User(name=f"n{i}") for i in range(number)], returning=True)
    assert [u.name for u in stored] == [f"n{i}" for i in range(number)]
    assert [u.id for u in stored] == list(range(1, number + 1))
    assert {u.visits for u in stored} == {5}


@pytest.mark.parametrize("number", [7, 100])
async def test_rows_that_set_different_fields_each_keep_their_defaults(users: DB, number: int) -> None:
    stored = await users.insert_many(mixed(number), returning=True)
    assert [u.name for u in stored] == [f"n{i}" for i in range(number)]
    assert [u.visits for u in stored] == [i if i % 3 == 2 else 5 for i in range(number)]
    assert [u.email for u in stored] == [f"e{i}" if i % 3 == 1 else None for i in range(number)]
    assert await users.query(User, order="id") == sorted(stored, key=lambda u: u.id or 0)
    assert await users.insert_many([User(name="x"), User(name="y", visits=1)]) == 2


async def test_mixed_rows_are_all_written_or_none(users: DB) -> None:
    with pytest.raises(DuplicateError):
        await users.insert_many([*mixed(100), User(name="last", email="e1", visits=3)])
    assert await users.count(User) == 0


async def test_rows_of_two_classes_are_refused(users: DB) -> None:
    class Other(User):
        pass

    with pytest.raises(ValidationError, match="same Row subclass"):
        await users.insert_many([User(name="a"), Other(name="b")])
    with pytest.raises(ValidationError, match="every one of them set"):
        await users.insert_many([User(name="a")], on_conflict="upsert")
    with pytest.raises(ValidationError, match="needs a column to update"):
        await users.insert_many([User.patch(id=1)], on_conflict="upsert")


@pytest.mark.parametrize("number", [3, 200])
async def test_an_ignored_row_is_left_out_and_the_others_keep_their_order(users: DB, number: int) -> None:
    await users.insert_many([User(name="old", email=f"e{i}") for i in range(0, number, 2)])
    rows = [User(name=f"n{i}", email=f"e{i}") for i in reversed(range(number))]
    assert await users.insert_many(rows, on_conflict="ignore") == number // 2
    more = [User(name=f"m{i}", email=f"e{i}") for i in range(number, 2 * number)]
    mixture = [row for pair in zip(more, rows, strict=True) for row in pair]
    stored = await users.insert_many(mixture, on_conflict="ignore", returning=True)
    assert [u.name for u in stored] == [f"m{i}" for i in range(number, 2 * number)]
    assert await users.count(User, name="old") == (number + 1) // 2


@pytest.mark.parametrize("returning", [False, True])
async def test_of_two_equal_new_rows_ignore_keeps_the_first(users: DB, returning: bool) -> None:
    rows = [User(name="a", email="x"), User(name="b", email="x"), User(name="c", email="y")]
    result: Any = await users.insert_many(rows, on_conflict="ignore", returning=returning)  # type: ignore[call-overload]
    assert [u.name for u in result] == ["a", "c"] if returning else result == 2
    assert [u.name for u in await users.query(User, order="id")] == ["a", "c"]


async def test_ignore_keeps_the_first_also_among_rows_that_set_different_fields(users: DB) -> None:
    rows = [
        User(name="a", email="x"),
        User(name="b", email="y", visits=1),
        User(name="c", email="y"),
        User(name="d", email="x", visits=2),
    ]
    stored = await users.insert_many(rows, on_conflict="ignore", conflict_target="email", returning=True)
    assert [u.name for u in stored] == ["a", "b"]
    assert [u.name for u in await users.query(User, order="email")] == ["a", "b"]


@pytest.mark.parametrize("target", [None, "email"])
async def test_the_last_of_two_rows_with_one_key_wins_and_both_places_show_it(
    users: DB, target: str | None
) -> None:
    await users.insert(User(id=1, name="old", email="e1"))
    rows = [
        User(id=1, name="a", email="e1"),
        User(id=2, name="b", email="e2"),
        User(id=1, name="c", email="e1"),
        User(id=3, name="d", email="e3"),
        User(id=2, name="e", email="e2"),
    ]
    stored = await users.insert_many(rows, on_conflict="upsert", conflict_target=target, returning=True)
    assert [(u.id, u.name) for u in stored] == [(1, "c"), (2, "e"), (1, "c"), (3, "d"), (2, "e")]
    assert [u.name for u in await users.query(User, order="id")] == ["c", "e", "d"]
    assert await users.insert_many(rows, on_conflict="upsert", conflict_target=target) >= 3
    assert [u.name for u in await users.query(User, order="id")] == ["c", "e", "d"]


async def test_the_last_wins_also_among_rows_that_set_different_fields(users: DB) -> None:
    rows = [
        User(id=1, name="a", email="first"),
        User(id=1, name="b"),
        User(id=1, name="c", visits=1),
        User(id=1, name="d"),
        User(id=2, name="e"),
        User(id=1, name="f", email="last"),
    ]
    stored = await users.insert_many(rows, on_conflict="upsert", returning=True)
    last = User(id=1, name="f", email="last", visits=1)
    assert await users.query(User, order="id") == [last, User(id=2, name="e", visits=5)]
    assert [u.id for u in stored] == [1, 1, 1, 1, 2, 1]
    assert stored[-1] == last


async def test_an_upsert_updates_what_is_set_and_creates_the_rest(users: DB) -> None:
    await users.insert_many([User(id=i, name=f"old{i}", email=f"e{i}") for i in range(1, 101)])
    rows = [User(id=i, name=f"new{i}") for i in range(51, 151)]
    stored = await users.insert_many(rows, on_conflict="upsert", returning=True)
    assert [(u.id, u.name) for u in stored] == [(i, f"new{i}") for i in range(51, 151)]
    assert [u.email for u in stored] == [f"e{i}" if i <= 100 else None for i in range(51, 151)]
    assert await users.count(User, where={"name": {"starts_with": "old"}}) == 50


async def test_rows_whose_key_is_null_are_all_kept_by_an_upsert(users: DB) -> None:
    rows = [User(name=n, email=e) for n, e in [("a", None), ("b", None), ("c", "x"), ("d", None), ("e", "x")]]
    stored = await users.insert_many(rows, on_conflict="upsert", conflict_target="email", returning=True)
    assert [u.name for u in stored] == ["a", "b", "e", "d", "e"]
    assert [u.name for u in await users.query(User, order="name")] == ["a", "b", "d", "e"]


async def test_keys_are_compared_as_they_are_stored(users: DB) -> None:
    rows = [User.patch(id=1, name="a"), User.patch(id="1", name="b")]
    stored = await users.insert_many(rows, on_conflict="upsert", returning=True)
    assert [(u.id, u.name) for u in stored] == [(1, "b"), (1, "b")]
    await users.insert_many(
        [User.patch(id="1", name="c", visits=1), User(id=1, name="d")], on_conflict="upsert"
    )
    assert [(u.name, u.visits) for u in await users.query(User)] == [("d", 1)]


async def test_an_upsert_with_now_before_its_key_keeps_every_row(db: DB, backend: Backend) -> None:
    class Seen(Row):
        __table__ = "seen"
        at: Any = None
        id: int
        name: str

    await db.execute(backend.ddl("CREATE TABLE seen (at {timestamptz}, id INTEGER PRIMARY KEY, name TEXT)"))
    rows = [Seen.patch(at=Now(), id=i, name=n) for i, n in [(1, "same"), (2, "same"), (1, "last")]]
    stored = await db.insert_many(rows, on_conflict="upsert", returning=True)
    assert [(s.id, s.name) for s in stored] == [(1, "last"), (2, "same"), (1, "last")]
    assert await db.count(Seen, where={"at": {"is_null": False}}) == 2


@pytest.mark.parametrize("returning", [False, True])
async def test_every_increment_of_one_key_in_one_upsert_counts(users: DB, returning: bool) -> None:
    hits = [User.patch(name=n, email=n, visits=Inc(by=2, start=10)) for n in "abaac"]
    for _ in range(2):
        await users.insert_many(hits, on_conflict="upsert", conflict_target="email", returning=returning)  # type: ignore[call-overload]
    assert [(u.email, u.visits) for u in await users.query(User, order="email")] == [
        ("a", 22),
        ("b", 14),
        ("c", 14),
    ]


async def test_now_and_plain_values_mix_in_one_insert(db: DB, backend: Backend) -> None:
    class Note(Row):
        __table__ = "notes"
        id: int | None = None
        text: str
        at: Any = None

    await db.execute(backend.ddl("CREATE TABLE notes (id {serial_pk}, text TEXT, at {timestamptz})"))
    rows = [Note.patch(text=f"t{i}", at=Now()) if i % 2 else Note(text=f"t{i}") for i in range(120)]
    stored = await db.insert_many(rows, returning=True)
    assert [n.text for n in stored] == [f"t{i}" for i in range(120)]
    assert [n.at is not None for n in stored] == [bool(i % 2) for i in range(120)]


async def test_seventy_thousand_rows_come_back_in_order(users: DB) -> None:
    rows = [User(name=f"n{i}", email=f"e{i}") for i in range(70_000)]
    stored = await users.insert_many(rows, returning=True)
    assert [u.email for u in stored] == [u.email for u in rows]
    assert await users.insert_many(rows, on_conflict="ignore") == 0
    again = await users.insert_many(
        [User(id=u.id, name="same", email=u.email) for u in stored], on_conflict="upsert", returning=True
    )
    assert [u.id for u in again] == [u.id for u in stored]
    assert await users.count(User, name="same") == 70_000
    assert await users.delete_many(User, [u.id for u in stored[:40_000]]) == 40_000


class Pair(Row):
    __table__ = "pairs"
    __pk__ = ("a", "b")
    a: int
    b: str
    n: int = 0


PAIRS = "CREATE TABLE pairs (a INTEGER, b {text}, n INTEGER DEFAULT 0, PRIMARY KEY (a, b))"


async def test_forty_thousand_composite_keys_are_deleted(db: DB, ddl: Any) -> None:
    await db.execute(ddl(PAIRS))
    pairs = [Pair(a=i, b=str(i % 3)) for i in range(40_000)]
    await db.insert_many(pairs)
    assert await db.delete_many(Pair, [(1, "1"), {"a": 2, "b": "2"}, pairs[3], (4, "none")]) == 3
    assert await db.delete_many(Pair, pairs) == 39_997
    assert await db.count(Pair) == 0
    with pytest.raises(ValidationError, match="Missing PK fields"):
        await db.delete_many(Pair, [{"a": 1}])
    with pytest.raises(ValidationError, match="composite key"):
        await db.delete_many(Pair, [7])


async def test_a_composite_key_is_upserted_in_bulk(db: DB, ddl: Any) -> None:
    await db.execute(ddl(PAIRS))
    await db.insert_many([Pair(a=i, b="x", n=1) for i in range(100)])
    rows = [Pair(a=i, b=b, n=2) for i in range(100) for b in "xyx"]
    stored = await db.insert_many(rows, on_conflict="upsert", returning=True)
    assert [(p.a, p.b, p.n) for p in stored] == [(p.a, p.b, 2) for p in rows]
    assert await db.count(Pair) == 200


@pytest.mark.parametrize("number", [3, 500])
async def test_bulk_writes_belong_to_the_transaction_around_them(users: DB, number: int) -> None:
    async def block() -> None:
        async with users.transaction() as tx:
            await tx.insert_many(mixed(number))
            await tx.insert_many([User(id=1, name="z", email="z")], on_conflict="upsert", returning=True)
            assert await tx.count(User) == number
            assert await tx.delete_many(User, [2]) == 1
            raise KeyError

    with pytest.raises(KeyError):
        await block()
    assert await users.count(User) == 0
