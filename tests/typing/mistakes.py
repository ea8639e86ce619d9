"""The control: each line marked `# wrong` is a mistake that a type checker must see."""

from __future__ import annotations

from typing import TypedDict, assert_type

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from rowstead import DB, Row
from rowstead.repository import Base, BaseRepository
from rowstead.service import SQLService
from rowstead.sync import DB as SyncDB


class User(Row):
    __table__ = "users"
    id: int | None = None
    name: str


class NoRow:
    id: int


class Thing(Base):
    __tablename__ = "things"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


async def mistakes(db: DB, sync_db: SyncDB) -> None:
    user = await db.get(User, id=1)
    print(user.name)  # wrong
    assert_type(await db.query(User), list[Row])  # wrong
    await db.insert(NoRow())  # wrong
    await db.query(NoRow)  # wrong
    await db.insert(User(name="a"), on_conflict="replace")  # wrong
    await sync_db.get(User, id=1)  # wrong
    for _ in db.iter_rows(User):  # wrong
        pass
    with db.transaction():  # wrong
        pass


async def mistakes_with_repositories(repo: BaseRepository[Thing]) -> None:
    thing = await repo.get(1)
    print(thing.name)  # wrong
    assert_type(await repo.all(), list[User])  # wrong
    await repo.save(User(name="a"))  # wrong
    await repo.bulk_insert([{"name": "a"}], on_conflict="replace")  # wrong
    await repo.find({"name": "a"}, deleted="gone")  # wrong


class Stored(TypedDict):
    id: str
    value: int


class Stock(SQLService[str, Stored]):
    table = sa.Table("stock", sa.MetaData(), sa.Column("id", sa.TEXT, primary_key=True))
    MAX_ROW_LIMIT = "many"  # wrong


async def mistakes_with_services(stock: Stock) -> None:
    row = await stock.get("a")
    print(row["valeu"])  # wrong
    await stock.get(5)  # wrong
    created = await stock.create({"id": "a"})
    print(created["id"])  # wrong
    await stock.create({"id": "a"}, on_conflict="replace")  # wrong
    assert_type(await stock.m_get(["a"]), list[Thing])  # wrong
    for _ in stock.iter():  # wrong
        pass
