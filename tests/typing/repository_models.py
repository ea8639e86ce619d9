"""What a type checker knows of models, mixins, engines and transactions."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Sequence
from typing import Any, assert_type

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from sqlalchemy.orm import Mapped, mapped_column

from rowstead.config import config
from rowstead.repository import (
    Base,
    BaseRepository,
    IntPKMixin,
    PersistEngine,
    PGUUIDPKMixin,
    Seeder,
    SoftDeleteMixin,
    UpdateMixin,
    UUIDPKMixin,
    VersionMixin,
    in_transaction,
    run_seeders,
    savepoint,
    seed_if_empty,
    seed_if_not_exists,
    transactional,
)


class User(Base, UUIDPKMixin, UpdateMixin):
    __tablename__ = "users"

    name: Mapped[str] = mapped_column()
    email: Mapped[str] = mapped_column(unique=True)
    is_active: Mapped[bool] = mapped_column(default=True)


class Post(Base, IntPKMixin, SoftDeleteMixin, VersionMixin):
    __tablename__ = "posts"

    title: Mapped[str]


class Tag(Base, PGUUIDPKMixin):
    __tablename__ = "tags"

    name: Mapped[str]


class Users:
    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    @in_transaction(commit=False)
    async def add(self, name: str, *, email: str) -> User:
        user = User(name=name, email=email)
        self.session.add(user)
        return user


class Admins(Seeder):
    async def seed(self, session: AsyncSession) -> None:
        session.add(User(name="admin", email="a@example.com"))


def models() -> None:
    user = User(name="a", email="b", is_active=False, id=uuid.uuid4())
    assert_type(user.id, uuid.UUID)
    assert_type(user.created_at, datetime.datetime)
    assert_type(user.to_dict(with_meta=True, fields={"name"}), dict[str, Any])
    assert_type(user.dump_model(), dict[str, Any])
    assert_type(User.load({"name": "a", "email": "b"}), User)
    assert_type(User.pydantic_schema(), type[BaseModel])
    assert_type(user.id_key(), str)
    post = Post(title="a")
    assert_type(post.id, int)
    assert_type(post.version, int)
    assert_type(post.deleted_at, datetime.datetime | None)
    assert_type(post.is_deleted(), bool)
    assert_type(Tag(name="a").id, uuid.UUID)


async def engines() -> None:
    async with PersistEngine(config("config.yaml").schema.database, pool_size=3) as engine:
        assert_type(engine, PersistEngine)
        assert_type(engine.engine(schema="a"), AsyncEngine)
        below, sessions = engine.session()
        assert_type(below, AsyncEngine)
        assert_type(sessions, async_sessionmaker[AsyncSession])
        async with engine.repository(User) as users:
            assert_type(users, BaseRepository[User])


async def transactions(session: AsyncSession, rows: Sequence[dict[str, Any]]) -> None:
    async with transactional(session) as same:
        assert_type(same, AsyncSession)
    async with savepoint(session, "name") as point:
        await point.rollback()
    assert_type(await Users(session).add("a", email="b"), User)
    await run_seeders(session, [Admins()])
    assert_type(await seed_if_empty(session, User, rows), bool)
    assert_type(await seed_if_not_exists(session, User, rows, key="email"), int)
