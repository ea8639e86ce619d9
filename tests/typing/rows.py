"""What a type checker knows of the rows face. Never run: `test_typing.py` has pyright read it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, assert_type

from rowstead import DB, Inc, Now, Row


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


async def opening() -> None:
    assert_type(await DB.from_url("sqlite:///x.db"), DB)
    assert_type(await DB.from_url("postgresql://h/d", min_size=1, max_size=4), DB)
    async with await DB.from_url("sqlite:///x.db") as db:
        assert_type(db, DB)
        assert_type(await db.ping(), bool)
        assert_type(await db.close(), None)


async def reading(db: DB) -> None:
    assert_type(await db.get(User, id=1), User | None)
    assert_type(await db.get(Tag, owner=1, name="a"), Tag | None)
    assert_type(await db.query(User), list[User])
    assert_type(await db.query(User, email=None, id=[1, 2]), list[User])
    assert_type(
        await db.query(User, where={"id": {"gt": 3}}, order="-id,+name", limit=10, offset=5), list[User]
    )
    assert_type(await db.count(User), int)
    assert_type(await db.count(User, where={"or": [{"id": 1}, {"id": 2}]}), int)
    assert_type(await db.exists(User, id=1), bool)
    page = await db.page(User, order="id", limit=10)
    assert_type(page.rows, list[User])


async def streaming(db: DB) -> None:
    assert_type(db.iter_rows(User, batch_size=500), AsyncIterator[User])
    assert_type(db.iter_rows_keyset(Tag, by="name"), AsyncIterator[Tag])
    async for user in db.iter_rows(User):
        assert_type(user, User)
    async for tag in db.iter_rows_keyset(Tag, batch_size=10):
        assert_type(tag, Tag)


async def writing(db: DB, users: list[User], many: bool) -> None:
    assert_type(await db.insert(User(name="a")), User)
    assert_type(await db.insert(User(id=1, name="a"), on_conflict="upsert"), User)
    assert_type(await db.update(User(id=1, name="b")), User | None)
    assert_type(await db.update(User.patch(id=1, name="b"), where={"email": "x"}), User | None)
    assert_type(await db.update(Tag.patch(owner=Inc(), name=Now())), Tag | None)
    assert_type(User.patch(id=1), User)
    assert_type(await db.delete(users[0]), int)
    assert_type(await db.delete(users[0], where={"name": "a"}), int)
    assert_type(await db.update_where(User.patch(name="x"), where={"id": [1, 2]}), int)
    assert_type(await db.delete_many(User, [1, 2, 3]), int)


async def writing_many(db: DB, users: list[User]) -> None:
    assert_type(await db.insert_many(users), int)
    assert_type(await db.insert_many(users, on_conflict="ignore"), int)
    assert_type(await db.insert_many(users, returning=False), int)
    assert_type(await db.insert_many(users, returning=True), list[User])
    assert_type(await db.insert_many(users, on_conflict="upsert", returning=True), list[User])


async def raw(db: DB) -> None:
    assert_type(await db.fetch("SELECT 1 AS a WHERE $1", True), list[dict[str, Any]])
    assert_type(await db.fetchrow("SELECT 1 AS a"), dict[str, Any] | None)
    assert_type(await db.fetchval("SELECT 1"), Any)
    assert_type(await db.execute("DELETE FROM users WHERE id = $1", 1), int)
    assert_type(await db.fetch_models(User, "SELECT * FROM users WHERE id > $1", 1), list[User])
    assert_type(await db.fetch_model(Tag, "SELECT * FROM tags"), Tag | None)


async def rename(tx: DB) -> User | None:
    return await tx.update(User.patch(id=1, name="b"))


async def count_up(tx: DB) -> int:
    return await tx.update_where(Tag.patch(owner=Inc()), where={"name": "a"})


async def transactions(db: DB) -> None:
    async with db.transaction() as tx:
        assert_type(tx, DB)
        async with tx.transaction() as inner:
            assert_type(inner, DB)
    async with db.transaction(isolation="serializable", readonly=True) as tx:
        assert_type(await tx.get(User, id=1), User | None)
    assert_type(await db.transaction(rename), User | None)
    assert_type(await db.transaction(count_up, max_retries=5, isolation="serializable"), int)


async def inspecting(db: DB) -> None:
    composed = db.compose("get", User, id=1)
    assert_type(composed.sql, str)
    assert_type(composed.params, list[Any])


async def migrating(db: DB) -> None:
    assert_type(await db.migrate("migrations/"), int)
    status = await db.migration_status("migrations/")
    assert_type(status.pending, list[str])
    assert_type(status.drifted, list[str])
    assert_type(status.is_consistent, bool)
