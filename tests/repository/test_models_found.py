"""What hostile reviewers found of models, their types, deletion and what is said of it."""

from __future__ import annotations

import enum
import math
import sys
import typing
from collections.abc import AsyncIterator
from datetime import date, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import Mapped, mapped_column

from rowstead.errors import ConflictError, RowError, UsageError, ValidationError
from rowstead.repository import Base, BaseRepository, IntPKMixin, PersistEngine, SoftDeleteMixin
from rowstead.tables.column_types import Stored

from .conftest import create


class Reviewed(Base):
    __abstract__ = True
    metadata = sa.MetaData(naming_convention=Base.metadata.naming_convention)


class Right(enum.Flag):
    READ = 1
    WRITE = 2


class OfTyping(typing.TypedDict):
    a: int


class Card(Reviewed, IntPKMixin, SoftDeleteMixin):
    __tablename__ = "reviewed_cards"

    name: Mapped[str]
    big: Mapped[str] = mapped_column(default="b", deferred=True)
    rights: Mapped[Right | None] = mapped_column(default=None)
    share: Mapped[float | None] = mapped_column(default=None)
    odd: Mapped[Any] = mapped_column(sa.PickleType(), nullable=True, default=None)


class Naive(Reviewed, IntPKMixin):
    __tablename__ = "reviewed_naive"

    deleted_at: Mapped[datetime | None] = mapped_column(sa.DateTime(), default=None)


class Daily(Reviewed, IntPKMixin):
    __tablename__ = "reviewed_daily"

    deleted_at: Mapped[date | None] = mapped_column(sa.Date(), default=None)


class Flagged(Reviewed, IntPKMixin):
    __tablename__ = "reviewed_flagged"

    deleted_at: Mapped[bool] = mapped_column(default=False)


class Shape(Reviewed, IntPKMixin):
    __tablename__ = "reviewed_shapes"
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "shape"}  # noqa: RUF012

    kind: Mapped[str] = mapped_column(init=False)


@pytest.fixture
async def sessions(engine: PersistEngine) -> async_sessionmaker[AsyncSession]:
    return await create(engine, Card, Naive, Daily, Flagged, Shape)


@pytest.fixture
async def session(sessions: async_sessionmaker[AsyncSession]) -> AsyncIterator[AsyncSession]:
    async with sessions() as session:
        yield session


@pytest.fixture
def cards(session: AsyncSession) -> BaseRepository[Card]:
    return BaseRepository(session, Card)


async def test_deferred_columns_are_left_out_of_dicts_until_they_are_loaded(
    cards: BaseRepository[Card],
) -> None:
    key = (await cards.save(Card("a"), commit=True)).id
    cards.session.expunge_all()
    card = await cards.get(key)
    assert card is not None
    assert "big" not in card.to_dict()
    assert "big" not in card.dump_model()
    with pytest.raises(UsageError, match=r'refresh\(obj, \["big"\]\)'):
        card.to_dict(fields={"big"})
    await cards.refresh(card, ["big"])
    assert card.to_dict()["big"] == "b"


async def test_dicts_for_json_hold_what_json_has_and_name_what_has_no_form(
    cards: BaseRepository[Card],
) -> None:
    card = Card("a", share=math.nan)
    assert card.dump_model()["share"] == "NaN"
    card.odd = object()
    with pytest.raises(ValidationError, match=r"\.odd holds a object"):
        card.dump_model()
    assert card.dump_model(fields={"name"}) == {"name": "a"}


async def test_an_attribute_that_is_added_to_a_class_later_is_in_its_dicts() -> None:
    class Late(Reviewed, IntPKMixin):
        __tablename__ = "reviewed_late"

        name: Mapped[str]

    assert "extra" not in Late("a").to_dict()
    changed: Any = Late
    changed.extra = mapped_column("extra", sa.Integer())
    late = changed("a")
    late.extra = 4
    assert late.to_dict()["extra"] == 4


async def test_flags_are_stored_and_found_in_any_combination(cards: BaseRepository[Card]) -> None:
    both = Right.READ | Right.WRITE
    saved = await cards.save(Card("both", rights=both))
    (given,) = await cards.bulk_insert([{"name": "bulk", "rights": both}])
    await cards.session.commit()
    cards.session.expunge_all()
    found = await cards.find({"rights": both}, order="name")
    assert [(one.name, one.rights) for one in found] == [("both", both), ("bulk", both)]
    assert {saved.id, given.id} == {one.id for one in found}
    await cards.session.execute(sa.text("UPDATE reviewed_cards SET rights = 64"))
    cards.session.expunge_all()
    with pytest.raises(RowError, match="which is no Right"):
        await cards.find()


def test_a_type_that_pydantic_cannot_read_is_refused_where_it_is_mapped() -> None:
    class Plain:
        pass

    with pytest.raises(ValidationError, match="column 'v'"):
        Stored(list[Plain], "v")
    if sys.version_info < (3, 12):
        with pytest.raises(ValidationError, match="typing_extensions"):
            Stored(OfTyping, "v")


async def test_a_row_is_marked_once_and_removed_once(cards: BaseRepository[Card]) -> None:
    card = await cards.save(Card("a"), commit=True)
    await cards.delete(card)
    marked = card.deleted_at
    assert marked is not None
    await cards.delete(card, commit=True)
    assert card.deleted_at == marked
    await cards.delete(card, hard=True)
    with pytest.raises(UsageError, match="was deleted already"):
        await cards.delete(card, hard=True)
    await cards.session.commit()
    with pytest.raises(UsageError, match="was deleted already"):
        await cards.delete(card)


async def test_an_object_of_another_session_is_marked_by_this_ones_own(
    cards: BaseRepository[Card], sessions: async_sessionmaker[AsyncSession]
) -> None:
    card = await cards.save(Card("a"), commit=True)
    async with sessions() as other:
        theirs = BaseRepository(other, Card)
        held = await theirs.get(card.id)
        await theirs.delete(card, commit=True)
        assert held is not None
        assert held.deleted_at is not None
        assert await theirs.count() == 0
        assert await theirs.restore(card, commit=True) is held
        assert await theirs.count() == 1


@pytest.mark.parametrize("model", [Naive, Daily])
async def test_a_mark_is_written_as_its_column_holds_moments(
    session: AsyncSession, model: type[Naive | Daily]
) -> None:
    repo: BaseRepository[Any] = BaseRepository(session, model)
    one, two, _ = await repo.add_all([model(), model(), model()])
    await repo.delete(one)
    assert await repo.delete_where({"id": two.id}) == 1
    assert await repo.count() == 1
    assert await repo.count(deleted="only") == 2
    assert type(one.deleted_at) is (datetime if model is Naive else date)


async def test_a_column_of_true_and_false_is_no_mark(session: AsyncSession) -> None:
    repo = BaseRepository(session, Flagged)
    one = await repo.save(Flagged())
    assert await repo.find() == [one]
    assert await repo.get(one.id) is one
    await repo.delete(one)
    assert await repo.count() == 0


async def test_a_row_that_is_gone_is_another_transactions_conflict(
    cards: BaseRepository[Card], sessions: async_sessionmaker[AsyncSession]
) -> None:
    card = await cards.save(Card("a"), commit=True)
    async with sessions() as other:
        await BaseRepository(other, Card).delete_where({"id": card.id}, hard=True, commit=True)
    with pytest.raises(ConflictError, match="removed"):
        await cards.refresh(card)


async def test_a_row_of_no_mapped_class_is_an_error_of_ours(session: AsyncSession) -> None:
    await session.execute(sa.text("INSERT INTO reviewed_shapes (kind) VALUES ('zzz')"))
    with pytest.raises(RowError, match="zzz"):
        await BaseRepository(session, Shape).find()


async def test_a_class_with_an_engine_of_its_own_is_refused(
    engine: PersistEngine, session: AsyncSession
) -> None:
    async with PersistEngine("sqlite+aiosqlite://") as another:
        below = engine.engine()
        async with AsyncSession(below, binds={Card: another.engine()}) as split:
            with pytest.raises(UsageError, match="engine of its own for Card"):
                BaseRepository(split, Card)
            assert await BaseRepository(split, Naive).count() == 0
