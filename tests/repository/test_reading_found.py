"""Reads that hostile reviewers found wrong: positions of walks, selects of columns, aliases, limits."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import Mapped, aliased, mapped_column, relationship
from sqlalchemy.types import TypeDecorator

from rowstead.errors import StatementError, ValidationError
from rowstead.repository import Base, BaseRepository, IntPKMixin, PersistEngine, SoftDeleteMixin

from .conftest import create


class Found(Base):
    __abstract__ = True
    metadata = sa.MetaData(naming_convention=Base.metadata.naming_convention)


class Quoted(TypeDecorator[str]):
    """What is read is not what was stored."""

    impl = sa.String(60)
    cache_ok = True

    def process_result_value(self, value: str | None, dialect: Any) -> str | None:
        return None if value is None else f"<{value}>"


class Note(Found, IntPKMixin, SoftDeleteMixin):
    __tablename__ = "found_notes"

    title: Mapped[str]
    score: Mapped[int] = mapped_column(default=0)
    body: Mapped[str] = mapped_column(default="b", deferred=True)
    label: Mapped[str | None] = mapped_column(Quoted(), default=None)


def decorating(below: Any) -> Any:
    """A type that gives the stored value back within a list."""

    class Listed(TypeDecorator[Any]):
        impl = below
        cache_ok = True

        def process_bind_param(self, value: Any, dialect: Any) -> Any:
            return None if value is None else value[0]

        def process_result_value(self, value: Any, dialect: Any) -> Any:
            return None if value is None else (value,)

    return Listed()


class Many(Found):
    __tablename__ = "found_many"

    key: Mapped[Any] = mapped_column(decorating(sa.Uuid()), primary_key=True)
    number: Mapped[Any] = mapped_column(decorating(sa.Integer()), nullable=True)
    exact: Mapped[Any] = mapped_column(decorating(sa.Numeric(9, 2)))
    moment: Mapped[Any] = mapped_column(decorating(sa.DateTime(timezone=True)))
    day: Mapped[Any] = mapped_column(decorating(sa.Date()))
    raw: Mapped[Any] = mapped_column(decorating(sa.LargeBinary()))


class Writer(Found, IntPKMixin):
    __tablename__ = "found_writers"

    name: Mapped[str]
    works: Mapped[list[Work]] = relationship(back_populates="writer", default_factory=list, lazy="joined")


class Work(Found, IntPKMixin):
    __tablename__ = "found_works"

    title: Mapped[str]
    writer_id: Mapped[int | None] = mapped_column(sa.ForeignKey("found_writers.id"), default=None)
    writer: Mapped[Writer | None] = relationship(back_populates="works", default=None)


@pytest.fixture
async def sessions(engine: PersistEngine) -> async_sessionmaker[AsyncSession]:
    return await create(engine, Note, Writer, Work, Many)


@pytest.fixture
async def session(sessions: async_sessionmaker[AsyncSession]) -> AsyncIterator[AsyncSession]:
    async with sessions() as session:
        yield session


@pytest.fixture
async def notes(session: AsyncSession) -> BaseRepository[Note]:
    repo = BaseRepository(session, Note)
    rows = [{"title": f"t{n}", "score": n, "body": f"b{n}", "label": f"l{n}"} for n in range(6)]
    await repo.bulk_insert(rows, returning=False, commit=True)
    return repo


@pytest.fixture
async def writers(session: AsyncSession) -> BaseRepository[Writer]:
    repo = BaseRepository(session, Writer)
    bob = Writer(name="Bob", works=[Work(title="x"), Work(title="y")])
    await repo.add_all([Writer(name="Ann"), Writer(name="Ann"), bob], commit=True)
    return repo


async def walked(repo: BaseRepository[Note], order: str) -> list[str]:
    """The titles of a walk, cut off where it does not end by itself."""
    found: list[str] = []
    async for one in repo.iterate(order=order, batch_size=2):
        found.append(one.title)
        if len(found) > 20:
            break
    return found


async def paged(repo: BaseRepository[Note], order: str) -> list[str]:
    page = await repo.page(order=order, limit=2)
    found = [one.title for one in page.rows]
    while page.next is not None and len(found) < 20:
        page = await repo.page(order=order, limit=2, after=page.next)
        found += [one.title for one in page.rows]
    return found


@pytest.mark.parametrize(("score", "where"), [(100, 6), (-1, 0)])
async def test_a_walk_goes_by_the_rows_and_not_by_older_objects_of_the_session(
    notes: BaseRepository[Note], sessions: async_sessionmaker[AsyncSession], score: int, where: int
) -> None:
    held = await notes.find_by(title="t1")
    await notes.session.commit()
    async with sessions() as other:
        await BaseRepository(other, Note).update_where({"score": score}, {"title": "t1"}, commit=True)
    expected = ["t0", "t2", "t3", "t4", "t5"]
    expected.insert(where, "t1")
    assert await walked(notes, "score") == expected
    assert await paged(notes, "score") == expected
    assert held is not None
    assert held.score == 1


@pytest.mark.parametrize("order", ["body", "-label", "label"])
async def test_a_walk_may_go_by_deferred_columns_and_by_types_that_decorate(
    notes: BaseRepository[Note], order: str
) -> None:
    expected = [f"t{n}" for n in range(6)]
    if order.startswith("-"):
        expected.reverse()
    assert await walked(notes, order) == expected
    assert await paged(notes, order) == expected


@pytest.mark.parametrize("order", ["key", "number", "-number,day", "exact", "moment", "-day", "raw"])
async def test_a_walk_may_go_by_decorated_types_of_any_kind(session: AsyncSession, order: str) -> None:
    first = datetime(2024, 1, 1, tzinfo=UTC)
    several = [
        Many(
            key=(uuid.UUID(int=n),),
            number=(n,) if n % 3 else None,
            exact=(Decimal(n) / 4,),
            moment=(first + timedelta(hours=n),),
            day=(first.date() + timedelta(days=n),),
            raw=(bytes([n, 255]),),
        )
        for n in range(9)
    ]
    repo = BaseRepository(session, Many)
    await repo.add_all(several)
    expected = [one.key for one in await repo.find(order=f"{order},key" if order != "key" else order)]
    assert len(expected) == 9
    assert [one.key async for one in repo.iterate(order=order, batch_size=2)] == expected
    page = await repo.page(order=order, limit=2)
    found = [one.key for one in page.rows]
    while page.next is not None and len(found) < 20:
        page = await repo.page(order=order, limit=2, after=page.next)
        found += [one.key for one in page.rows]
    assert found == expected


async def test_a_token_with_a_drivers_value_cannot_be_forged_into_an_error_of_pythons(
    notes: BaseRepository[Note],
) -> None:
    first = await notes.page(order="title", limit=2)
    with pytest.raises(ValidationError, match="another table or order"):
        await notes.page(order="label", limit=2, after=first.next)


async def test_equal_values_of_a_column_come_as_often_as_the_rows(
    writers: BaseRepository[Writer],
) -> None:
    names = await writers.all(writers.select(Writer.name).order_by(Writer.name))
    assert names == ["Ann", "Ann", "Bob"]
    several: Any = sa.select(Writer.name, Writer).order_by(Writer.name)
    beside: list[Any] = await writers.all(several)
    assert beside == ["Ann", "Ann", "Bob"]
    works = BaseRepository(writers.session, Work)
    of_another = await works.all(sa.select(Writer).order_by(Writer.id))
    assert [one.name for one in of_another] == ["Ann", "Ann", "Bob"]
    assert len(of_another[2].works) == 2


async def test_a_select_of_an_alias_or_a_subquery_is_no_cartesian_product(
    notes: BaseRepository[Note],
) -> None:
    one = await notes.find_by(title="t5")
    assert one is not None
    await notes.delete(one)
    alias = aliased(Note)
    assert await notes.count(notes.select(alias.id)) == 5
    assert len(await notes.all(notes.select(alias))) == 5
    over = sa.select(Note).where(Note.score > 2).subquery()
    assert await notes.count(notes.select(over.c.id)) == 3
    assert await notes.count(notes.select(Note.id)) == 5


async def test_first_takes_selects_that_no_key_can_order_and_heeds_their_limit(
    writers: BaseRepository[Writer],
) -> None:
    assert await writers.first(writers.select(Writer.name).distinct().order_by(Writer.name)) == "Ann"
    assert await writers.first(writers.select(sa.func.count(Writer.id))) == 3
    grouped = sa.select(sa.func.count(Writer.id)).group_by(Writer.name).order_by(Writer.name)
    assert await writers.first(grouped) == 2
    assert await writers.first(sa.select(Writer).limit(0)) is None
    assert await writers.all(sa.select(Work.title).order_by(Work.title).limit(1), limit=10) == ["x"]
    assert await writers.all(sa.select(Work.title).order_by(Work.title).limit(10), limit=1) == ["x"]
    computed = sa.select(Work.title).order_by(Work.title).limit(sa.literal(1) + 1)
    if writers.session.get_bind().dialect.name != "mysql":
        assert await writers.all(computed, limit=1) == ["x"]
    else:  # LIMIT takes no expression there
        with pytest.raises(StatementError):
            await writers.all(computed, limit=1)
        await writers.session.rollback()
    first = await writers.first()
    assert first is not None
    assert await writers.first(sa.select(Writer.id)) == first.id


async def test_get_reads_a_mark_that_was_expired(notes: BaseRepository[Note]) -> None:
    one = await notes.find_by(title="t1")
    assert one is not None
    await notes.expire(one, ["deleted_at"])
    assert await notes.get(one.id) is one
    await notes.delete(one)
    await notes.expire(one, ["deleted_at"])
    assert await notes.get(one.id) is None
