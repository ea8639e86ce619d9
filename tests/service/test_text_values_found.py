"""Values of text statements travel as the columns of services hold them: each finds what the other wrote."""

from __future__ import annotations

import datetime
import enum
import uuid
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from rowstead.service import DatabaseService, SQLService, ValidationError
from service.conftest import Place


class Colour(enum.Enum):
    RED = "r"


class Word(enum.StrEnum):
    YES = "y"


UTC = datetime.UTC
EAST = datetime.timezone(datetime.timedelta(hours=2))
kinds = sa.Table(
    "kinds_of_values",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("moment", sa.DateTime(timezone=True)),
    sa.Column("local", sa.DateTime),
    sa.Column("day", sa.Date),
    sa.Column("hour", sa.Time),
    sa.Column("span", sa.Interval),
    sa.Column("token", sa.Uuid),
    sa.Column("price", sa.Numeric(12, 2)),
    sa.Column("flag", sa.Boolean),
    sa.Column("number", sa.Float(53)),
    sa.Column("raw", sa.LargeBinary(20)),
    sa.Column("colour", sa.Enum(Colour, name="colour_of_kinds")),
)
VALUES: dict[str, Any] = {
    "moment": datetime.datetime(2020, 1, 1, 12, tzinfo=EAST),
    "local": datetime.datetime(2020, 1, 1, 10),
    "day": datetime.date(2020, 1, 1),
    "hour": datetime.time(10),
    "span": datetime.timedelta(seconds=90),
    "token": uuid.UUID(int=7),
    "price": Decimal("1.50"),
    "flag": True,
    "number": 0.5,
    "raw": b"\x00\xff",
}


class Kinds(SQLService[int, dict[str, Any]]):
    table = kinds


@pytest.fixture
async def database(place: Place) -> AsyncIterator[DatabaseService]:
    async with DatabaseService(url=place.url, metadata=kinds.metadata) as service:
        yield service


@pytest.mark.parametrize("column", VALUES)
async def test_a_text_finds_what_a_service_wrote(database: DatabaseService, column: str) -> None:
    await Kinds(database).create({"id": 1, column: VALUES[column]})
    select, given = f"SELECT id FROM kinds_of_values WHERE {column} = :v", {"v": VALUES[column]}
    assert await database.fetchval(select, given) == 1
    assert await database.fetchval(sa.text(select), given) == 1


@pytest.mark.parametrize("column", VALUES)
async def test_a_service_finds_and_reads_what_a_text_wrote(database: DatabaseService, column: str) -> None:
    insert = f"INSERT INTO kinds_of_values (id, {column}) VALUES (:id, :v)"
    await database.execute(insert, [{"id": 1, "v": VALUES[column]}, {"id": 2, "v": None}])
    service = Kinds(database)
    assert await service.count({column: VALUES[column]}) == 1
    assert (await service.get(1, [column]))[column] is not None
    await service.create({"id": 3, column: VALUES[column]})
    assert await service.get(1, [column]) == await service.get(3, [column])


@pytest.mark.parametrize("member", [Colour.RED, Word.YES])
async def test_a_member_of_an_enum_is_refused(database: DatabaseService, member: enum.Enum) -> None:
    insert = "INSERT INTO kinds_of_values (id, colour) VALUES (1, :v)"
    with pytest.raises(ValidationError, match=r"its column keeps (Colour|Word): give the member's \.name"):
        await database.execute(insert, {"v": member})
    await database.execute(insert, {"v": "RED"})
    assert await Kinds(database).get(1, ["colour"]) == {"colour": Colour.RED}


async def test_a_time_with_a_zone_is_refused_where_it_would_be_lost(
    database: DatabaseService, place: Place
) -> None:
    value = datetime.time(10, tzinfo=UTC)
    if place.is_postgres:
        assert await database.fetchval("SELECT CAST(:v AS timetz)", {"v": value}) == value
    else:
        with pytest.raises(ValidationError, match="without a zone"):
            await database.fetchval("SELECT :v", {"v": value})
