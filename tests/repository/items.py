"""A model for tests of engines, and what they ask of a database."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from rowstead.repository import Base, IntPKMixin, PersistEngine


class Item(Base, IntPKMixin):
    __tablename__ = "engine_items"

    name: Mapped[str] = mapped_column(unique=True)


async def value(engine: AsyncEngine, text: str) -> Any:
    async with engine.connect() as connection:
        return await connection.scalar(sa.text(text))


async def names(engine: PersistEngine) -> list[str]:
    async with engine.engine().connect() as connection:
        return list(await connection.scalars(sa.select(Item.name).order_by(Item.id)))


async def add_one(engine: PersistEngine, how: Callable[[AsyncSession], Any]) -> None:
    _, sessions = engine.session()
    async with sessions() as session:
        await how(session)
        await session.commit()
