"""Values that a column's SQLAlchemy type turns: walked as stored, compared as text, of the same moment."""

from __future__ import annotations

import datetime
import enum
import hashlib
import random
import uuid
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from rowstead import DB
from rowstead.service import SQLService, ValidationError
from service.conftest import Place
from service.services import ids
from service.tables import create

METADATA = sa.MetaData()
UTC = datetime.UTC
EAST = datetime.timezone(datetime.timedelta(hours=2))


class Colour(enum.Enum):
    RED = "red"
    ROSE = "rose"
    BLUE = "blue"


class Hashed(sa.types.TypeDecorator[str]):
    """One way only: what comes back is not what was given."""

    impl = sa.String(40)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else hashlib.md5(value.encode()).hexdigest()


class Masked(sa.types.TypeDecorator[str]):
    """The other way only."""

    impl = sa.String(40)
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return None if value is None else value[:1] + "***"


kept = sa.Table(
    "kept",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("colour", sa.Enum(Colour, name="colour_of_kept")),
    sa.Column("word", sa.Enum("red", "rose", "blue", name="word_of_kept")),
    sa.Column("single", sa.REAL),
    sa.Column("double", sa.Double),
    sa.Column("hashed", Hashed()),
    sa.Column("masked", Masked()),
    sa.Column("token", sa.Uuid(as_uuid=False)),
    sa.Column("part", sa.Numeric(10, 3)),
    sa.Column("exact", sa.Numeric(30, 2)),
    sa.Column("moment", sa.DateTime(timezone=True)),
    sa.Column("local", sa.DateTime),
    sa.Column("hour", sa.Time),
    sa.Column("span", sa.Interval),
)
floats = sa.Table(
    "floats", METADATA, sa.Column("id", sa.Integer, primary_key=True), sa.Column("single", sa.Float(20))
)
NOON = datetime.datetime(2026, 1, 1, 12)


class Kept(SQLService[int, dict[str, Any]]):
    table = kept


class Floats(SQLService[int, dict[str, Any]]):
    table = floats


@pytest.fixture
async def service(db: DB) -> Kept:
    await create(db, METADATA)
    return Kept(db)


# F6: batches


def numbered(number: int) -> dict[str, Any]:
    chance = random.Random(number)
    return {
        "id": number,
        "colour": chance.choice([*Colour, None]),
        "single": number / 7,
        "double": number / 7,
        "hashed": f"p{number}",
        "masked": f"{number % 3}{number}",
        "token": str(uuid.UUID(int=chance.getrandbits(128), version=4)),
        "part": Decimal(number) / 8,
        "moment": NOON.replace(tzinfo=EAST) + datetime.timedelta(seconds=number % 5),
        "hour": datetime.time(number % 24, 3, 4),
        "span": datetime.timedelta(days=number),
    }


SORTED = ["colour", "single", "double", "hashed", "masked", "token", "part", "moment", "hour", "span"]


@pytest.mark.parametrize("direction", ["", "-"])
@pytest.mark.parametrize("name", SORTED)
async def test_every_row_comes_once_whatever_its_type_makes_of_it(
    service: Kept, name: str, direction: str
) -> None:
    await service.m_create([numbered(n) for n in range(1, 41)], columns=[])
    listed = ids((await service.list(sort=direction + name, limit=100, columns=["id"]))["data"])
    walked = [
        n async for batch in service.iter(sort=direction + name, limit=7, columns=["id"]) for n in ids(batch)
    ]
    assert walked == listed
    assert sorted(walked) == list(range(1, 41))


async def test_batches_by_a_number_of_single_precision(db: DB, service: Kept, place: Place) -> None:
    floats = Floats(db)
    await floats.m_create([{"id": n, "single": n / 7} for n in range(1, 41)], columns=[])
    if place.is_maria:
        with pytest.raises(ValidationError, match=r"'single'.*FLOAT.*Double"):
            _ = [batch async for batch in floats.iter(sort="single", limit=7)]
        return
    walked = [n async for batch in floats.iter(sort="single", limit=7) for n in ids(batch)]
    assert walked == list(range(1, 41))


@pytest.mark.parametrize("place", ["asyncpg", "psycopg"], indirect=True)
async def test_a_number_of_single_precision_is_equal_to_what_was_written(service: Kept) -> None:
    await service.m_create([{"id": n, "single": n / 10} for n in range(1, 31)], columns=[])
    assert await service.count({"single": 0.1}) == 1
    assert await service.count({"single": {"in": [0.1, 0.2]}}) == 2
    assert await service.count({"single": {"in": [n / 10 for n in range(1, 31)]}}) == 30
    for refused in (1e300, -1e39):
        with pytest.raises(ValidationError):
            await service.create({"id": 50, "single": refused})
    assert not await service.exists(50)


# F11: text operators


@pytest.mark.parametrize(
    ("operator", "text", "found"),
    [("like", "r%", [1, 2]), ("ilike", "R%", [1, 2]), ("contains", "o", [2]), ("starts_with", "b", [3])],
)
async def test_an_enumeration_is_compared_as_a_text(
    service: Kept, operator: str, text: str, found: list[int]
) -> None:
    words = ["red", "rose", "blue"]
    rows = [{"id": n, "word": word, "colour": Colour(word)} for n, word in enumerate(words, 1)]
    await service.m_create(rows, columns=[])
    # What is stored of a member is its name.
    for name, spelled in (("word", text), ("colour", text.upper())):
        got = await service.list({name: {operator: spelled}}, sort="id")
        assert ids(got["data"]) == found, name
        if operator != "ilike":
            assert await service.count({name: {operator: spelled.swapcase()}}) == 0


async def test_an_enumeration_is_compared_with_another_as_a_text(service: Kept, db: DB) -> None:
    class Open(Kept):
        ALLOW_SUBQUERIES = True

    await service.m_create([{"id": 1, "word": "red", "colour": "red"}, {"id": 2, "word": "rose"}], columns=[])
    for operator in ("ilike", "contains"):
        word = "word" if operator == "contains" else "colour"
        among = {"table": "kept", "columns": ["id"], "filter": {"word": {operator: {"$outer": word}}}}
        found = await Open(db).list({"word": {"eq": "red"}, "id": {"in_subquery": among}}, sort="id")
        assert ids(found["data"]) == [1]


async def test_a_uuid_that_comes_as_a_text_is_compared_as_one(service: Kept, place: Place) -> None:
    await service.create({"id": 1, "token": "0e0e0e0e-0000-4000-8000-000000000001"}, columns=[])
    for operator in ("like", "ilike"):
        assert await service.count({"token": {operator: "0e0e0e0e%"}}) == 1
    assert await service.count({"token": {"starts_with": "0e0e"}}) == 1
    assert await service.count({"token": {"contains": "e0e"}}) == 1
    assert await service.count({"token": {"starts_with": "1"}}) == 0


# F12: zones and digits


GIVEN: list[Any] = [
    NOON.replace(hour=14, tzinfo=EAST),
    "2026-01-01T14:00:00+02:00",
    NOON.replace(tzinfo=UTC),
    "2026-01-01T12:00:00Z",
]


def in_utc(moment: datetime.datetime) -> datetime.datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


@pytest.mark.parametrize("given", GIVEN, ids=str)
async def test_a_moment_with_a_zone_is_the_same_moment_everywhere(service: Kept, given: Any) -> None:
    row = await service.create({"id": 1, "moment": given}, columns=["moment"])
    assert row is not None
    assert in_utc(row["moment"]) == NOON.replace(tzinfo=UTC)
    await service.m_create([{"id": 2, "moment": given}], columns=[])
    await service.create({"id": 3}, columns=[])
    await service.update(3, {"moment": given}, columns=[])
    for same in GIVEN:
        assert await service.count({"moment": same}) == 3
        assert await service.count({"moment": {"in": [same]}}) == 3
        assert await service.count({"moment": {"gt": same}}) == 0


@pytest.mark.parametrize("name", ["local", "hour"])
async def test_a_value_with_a_zone_is_refused_by_a_column_without(service: Kept, name: str) -> None:
    given = GIVEN if name == "local" else [datetime.time(14, tzinfo=EAST), "14:00:00+02:00"]
    await service.create({"id": 1}, columns=[])
    for value in given:
        for call in (
            service.create({"id": 2, name: value}),
            service.m_create([{"id": 2, name: value}]),
            service.update(1, {name: value}),
            service.count({name: value}),
        ):
            with pytest.raises(ValidationError):
                await call
    plain = NOON if name == "local" else NOON.time()
    assert await service.update(1, {name: plain}, columns=[name]) == {name: plain}
    assert await service.count() == 1


async def test_a_number_keeps_its_digits_or_is_refused(service: Kept, place: Place) -> None:
    long = Decimal("12345678901234567.89")
    calls: list[Any] = [
        lambda: service.create({"id": 1, "exact": long}, columns=["exact"]),
        lambda: service.m_create([{"id": 2, "exact": long}], columns=["exact"]),
        lambda: service.count({"exact": long}),
    ]
    if place.is_sqlite:
        for call in calls:
            with pytest.raises(ValidationError, match=r"'exact'.*15 digits.*19"):
                await call()
        with pytest.raises(ValidationError, match=r"exact.*15 digits"):
            await service.create({"id": 1, "exact": Decimal("NaN")})
    else:
        assert [await call() for call in calls] == [{"exact": long}, [{"exact": long}], 2]
    for number, short in enumerate(["1234567890123.45", "1e20", "-0.01", "0"], 10):
        row = await service.create({"id": number, "exact": Decimal(short)}, columns=["exact"])
        assert row == {"exact": Decimal(short)}


@pytest.mark.parametrize("place", ["mariadb"], indirect=True)
async def test_a_stamp_of_mariadb_takes_no_zone(service: Kept, db: DB) -> None:
    metadata = sa.MetaData()
    stamps = sa.Table(
        "stamps",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at", mysql.DATETIME(fsp=6)),
    )

    class Stamps(SQLService[int, dict[str, Any]]):
        table = stamps

    await create(db, metadata)
    exact = NOON.replace(microsecond=123456)
    assert await Stamps(db).create({"id": 1, "at": exact}) == {"id": 1, "at": exact}
    with pytest.raises(ValidationError, match="timezone=True"):
        await Stamps(db).create({"id": 2, "at": exact.replace(tzinfo=UTC)})
