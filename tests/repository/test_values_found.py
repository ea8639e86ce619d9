"""Moments and numbers in SQLAlchemy's own types: the session and the core mean the same by them."""

from __future__ import annotations

import datetime
import enum
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from repository.conftest import Place
from rowstead.errors import ValidationError
from rowstead.repository import BaseRepository, PersistEngine

NOON = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)
EAST = datetime.timezone(datetime.timedelta(hours=2))


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Kept(DeclarativeBase):
    pass


class Event(Kept):
    __tablename__ = "events_found"
    id: Mapped[int] = mapped_column(primary_key=True)
    moment: Mapped[Any] = mapped_column(sa.DateTime(timezone=True), nullable=True)
    local: Mapped[Any] = mapped_column(sa.DateTime(), nullable=True)
    exact: Mapped[Any] = mapped_column(sa.Numeric(30, 2), nullable=True)
    colour: Mapped[Any] = mapped_column(sa.Enum(Colour, name="colour_of_events"), nullable=True)


async def made(engine: PersistEngine) -> Any:
    below, sessions = engine.session()
    async with below.begin() as connection:
        await connection.run_sync(Kept.metadata.create_all)
    return sessions


async def test_a_moment_is_found_whatever_its_zone_and_whoever_wrote_it(engine: PersistEngine) -> None:
    sessions = await made(engine)
    async with sessions() as session:
        events = BaseRepository(session, Event)
        session.add(Event(id=1, moment=NOON))
        await session.flush()
        await events.bulk_insert([{"id": 2, "moment": NOON.astimezone(EAST)}, {"id": 3}])
        assert await events.update_where({"moment": NOON.astimezone(EAST)}, {"id": 3}) == 1
        for same in (NOON, NOON.astimezone(EAST)):
            assert await events.count(where={"moment": same}) == 3
            assert await events.count(where={"moment": {"in": [same] * 40}}) == 3
            assert await events.count(where={"moment": {"gt": same}}) == 0
        session.expunge_all()
        read = {one.id: one.moment.replace(tzinfo=datetime.UTC) for one in await events.find()}
        assert read == {1: NOON, 2: NOON, 3: NOON}


async def test_a_moment_with_a_zone_is_refused_by_a_column_without(engine: PersistEngine) -> None:
    sessions = await made(engine)
    async with sessions() as session:
        events = BaseRepository(session, Event)
        for given in (NOON, NOON.astimezone(EAST), NOON.isoformat()):
            with pytest.raises(ValidationError, match="zone"):
                await events.count(where={"local": given})
            with pytest.raises(ValidationError):
                await events.update_where({"local": given}, {"id": 1})


async def test_a_long_number_is_kept_or_refused(engine: PersistEngine, place: Place) -> None:
    long = Decimal("12345678901234567.89")
    sessions = await made(engine)
    async with sessions() as session:
        events = BaseRepository(session, Event)
        if place.is_sqlite:
            with pytest.raises(ValidationError, match="15 digits"):
                await events.bulk_insert([{"id": 1, "exact": long}])
            return
        assert [one.exact for one in await events.bulk_insert([{"id": 1, "exact": long}])] == [long]


async def test_members_are_compared_as_text(engine: PersistEngine) -> None:
    sessions = await made(engine)
    async with sessions() as session:
        events = BaseRepository(session, Event)
        session.add_all([Event(id=1, colour=Colour.RED), Event(id=2, colour=Colour.BLUE)])
        await session.flush()
        for condition in ({"like": "R%"}, {"ilike": "r_d"}, {"contains": "ED"}, {"starts_with": "RE"}):
            assert [one.id for one in await events.find({"colour": condition})] == [1], condition
