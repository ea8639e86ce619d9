"""What a type checker knows of a repository: every method gives its model."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import assert_type

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from rowstead import Inc
from rowstead.plans.paging import Page
from rowstead.repository import Base, BaseRepository, UpdateMixin, UUIDPKMixin


class User(Base, UUIDPKMixin, UpdateMixin):
    __tablename__ = "users"

    name: Mapped[str] = mapped_column()
    is_active: Mapped[bool] = mapped_column(default=True)


class UserRepository(BaseRepository[User]):
    def __init__(self, session: AsyncSession) -> None:
        super().__init__(session, User)

    async def get_active_users(self) -> list[User]:
        query = self.where(User.is_active == True).order_by(User.name)  # noqa: E712
        assert_type(query, sa.Select[User])
        return await self.all(query=query)


async def verbs(repo: UserRepository) -> None:
    user = await repo.save(User(name="a"))
    assert_type(user, User)
    assert_type(await repo.add(user, commit=True), User)
    assert_type(await repo.add_all([user]), list[User])
    assert_type(await repo.get(uuid.uuid4()), User | None)
    assert_type(await repo.find_by(name="a"), User | None)
    assert_type(await repo.first(), User | None)
    assert_type(await repo.first(repo.where({"name": "a"}), "-name"), User | None)
    assert_type(await repo.all(), list[User])
    assert_type(await repo.all(limit=3), list[User])
    assert_type(await repo.all(sa.select(User.name)), list[str])
    assert_type(await repo.find({"name": {"like": "a%"}}, order="-name", limit=3), list[User])
    assert_type(await repo.find(User.name == "a"), list[User])
    assert_type(await repo.count(), int)
    assert_type(await repo.exists({"name": "a"}), bool)
    assert_type(await repo.page(limit=10), Page[User])
    assert_type(repo.iterate(batch_size=10), AsyncIterator[User])
    assert_type(await repo.bulk_insert([{"name": "a"}, user]), list[User])
    assert_type(await repo.bulk_insert([{"name": "a"}], returning=False), int)
    assert_type(await repo.update_where({"name": "b", "age": Inc(1)}, {"name": "a"}), int)
    assert_type(await repo.delete_where(User.name == "a", hard=True), int)
    assert_type(await repo.refresh(user), User)
    assert_type(await repo.restore(user), User)
    assert_type(await repo.is_modified(user), bool)
    assert_type(repo.obj_session(user), AsyncSession | None)
    assert_type(repo.include_deleted(), sa.Select[User])
    await repo.delete(user)
    await repo.expire(user)
    await repo.expunge(user)
