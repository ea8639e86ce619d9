"""What a type checker knows of the synchronous rows face. Never run: `test_typing.py` has pyright read it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, assert_type

from rowstead.sync import DB, Inc, Now, Row


class User(Row):
    __table__ = "users"
    id: int | None = None
    name: str
    email: str | None = None


class Tag(Row):
    __table__ = "tags"
    __pk__ = ("owner", "name")
    owner: int
    name: str


def opening() -> None:
    assert_type(DB.from_url("sqlite:///x.db"), DB)
    assert_type(DB.from_url("postgresql://h/d", min_size=1, max_size=4), DB)
    with DB.from_url("sqlite:///x.db") as db:
        assert_type(db, DB)
        assert_type(db.ping(), bool)
        assert_type(db.close(), None)


def reading(db: DB) -> None:
    assert_type(db.get(User, id=1), User | None)
    assert_type(db.get(Tag, owner=1, name="a"), Tag | None)
    assert_type(db.query(User), list[User])
    assert_type(db.query(User, email=None, id=[1, 2]), list[User])
    assert_type(db.query(User, where={"id": {"gt": 3}}, order="-id,+name", limit=10, offset=5), list[User])
    assert_type(db.count(User), int)
    assert_type(db.count(User, where={"or": [{"id": 1}, {"id": 2}]}), int)
    assert_type(db.exists(User, id=1), bool)
    page = db.page(User, order="id", limit=10)
    assert_type(page.rows, list[User])


def streaming(db: DB) -> None:
    assert_type(db.iter_rows(User, batch_size=500), Iterator[User])
    assert_type(db.iter_rows_keyset(Tag, by="name"), Iterator[Tag])
    for user in db.iter_rows(User):
        assert_type(user, User)
    for tag in db.iter_rows_keyset(Tag, batch_size=10):
        assert_type(tag, Tag)


def writing(db: DB, users: list[User], many: bool) -> None:
    assert_type(db.insert(User(name="a")), User)
    assert_type(db.insert(User(id=1, name="a"), on_conflict="upsert"), User)
    assert_type(db.update(User(id=1, name="b")), User | None)
    assert_type(db.update(User.patch(id=1, name="b"), where={"email": "x"}), User | None)
    assert_type(db.update(Tag.patch(owner=Inc(), name=Now())), Tag | None)
    assert_type(User.patch(id=1), User)
    assert_type(db.delete(users[0]), int)
    assert_type(db.delete(users[0], where={"name": "a"}), int)
    assert_type(db.update_where(User.patch(name="x"), where={"id": [1, 2]}), int)
    assert_type(db.delete_many(User, [1, 2, 3]), int)


def writing_many(db: DB, users: list[User]) -> None:
    assert_type(db.insert_many(users), int)
    assert_type(db.insert_many(users, on_conflict="ignore"), int)
    assert_type(db.insert_many(users, returning=False), int)
    assert_type(db.insert_many(users, returning=True), list[User])
    assert_type(db.insert_many(users, on_conflict="upsert", returning=True), list[User])


def raw(db: DB) -> None:
    assert_type(db.fetch("SELECT 1 AS a WHERE $1", True), list[dict[str, Any]])
    assert_type(db.fetchrow("SELECT 1 AS a"), dict[str, Any] | None)
    assert_type(db.fetchval("SELECT 1"), Any)
    assert_type(db.execute("DELETE FROM users WHERE id = $1", 1), int)
    assert_type(db.fetch_models(User, "SELECT * FROM users WHERE id > $1", 1), list[User])
    assert_type(db.fetch_model(Tag, "SELECT * FROM tags"), Tag | None)


def rename(tx: DB) -> User | None:
    return tx.update(User.patch(id=1, name="b"))


def count_up(tx: DB) -> int:
    return tx.update_where(Tag.patch(owner=Inc()), where={"name": "a"})


def transactions(db: DB) -> None:
    with db.transaction() as tx:
        assert_type(tx, DB)
        with tx.transaction() as inner:
            assert_type(inner, DB)
    with db.transaction(isolation="serializable", readonly=True) as tx:
        assert_type(tx.get(User, id=1), User | None)
    assert_type(db.transaction(rename), User | None)
    assert_type(db.transaction(count_up, max_retries=5, isolation="serializable"), int)


def inspecting(db: DB) -> None:
    composed = db.compose("get", User, id=1)
    assert_type(composed.sql, str)
    assert_type(composed.params, list[Any])


def migrating(db: DB) -> None:
    assert_type(db.migrate("migrations/"), int)
    status = db.migration_status("migrations/")
    assert_type(status.pending, list[str])
    assert_type(status.drifted, list[str])
    assert_type(status.is_consistent, bool)
