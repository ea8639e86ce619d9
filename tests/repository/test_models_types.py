"""A model and a typed row on one table: each reads and filters what the other wrote, of every type."""

from __future__ import annotations

import datetime
import enum
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any

import pytest
import sqlalchemy as sa
from pydantic import AwareDatetime, BaseModel, create_model
from sqlalchemy.orm import Mapped, declarative_base, mapped_column
from sqlalchemy.schema import CreateTable

from repository.conftest import Place
from rowstead import DB, Row
from rowstead.errors import RowError, ValidationError
from rowstead.repository import Base, PersistEngine
from rowstead.tables.column_types import Stored, stored_type
from rowstead.tables.from_sqlalchemy import table_of
from rowstead.tables.schema import Kind

UTC = datetime.UTC
EAST = datetime.timezone(datetime.timedelta(hours=5, minutes=45))


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 20


class Day(enum.Enum):
    FIRST = datetime.date(2024, 1, 1)
    LAST = datetime.date(2024, 12, 31)


class Address(BaseModel):
    street: str
    since: datetime.date


@dataclass(frozen=True, slots=True)
class Case:
    """A type and values of it in ascending order, where it has one."""

    name: str
    annotation: Any
    values: Sequence[Any]
    ordered: bool = True
    row_annotation: Any = None
    """What a row's field says, where it says it otherwise."""


CASES = [
    Case("int", int, [-(2**63), -1, 0, 1, 2**40, 2**63 - 1]),
    Case("float", float, [-1e300, -1.5, 0.0, 3.0, 1e300]),
    Case("bool", bool, [False, True]),
    Case("str", str, ["", "A", "a", "a'b\\", "zä🎈", "{", '"'], ordered=False),
    Case("bytes", bytes, [b"", b"\x00\xff", b"a"]),
    Case(
        "decimal",
        Decimal,
        [Decimal("-10.5"), Decimal("0"), Decimal("9"), Decimal("10"), Decimal("12345678901234567.123456789")],
    ),
    Case("uuid", uuid.UUID, [uuid.UUID(int=0), uuid.UUID(int=5), uuid.UUID(int=2**128 - 1)]),
    Case("date", datetime.date, [datetime.date(1, 1, 1), datetime.date(2024, 2, 29), datetime.date.max]),
    Case("time", datetime.time, [datetime.time(0), datetime.time(1, 2, 3, 4), datetime.time.max]),
    Case(
        "datetime",
        datetime.datetime,
        [
            datetime.datetime(1, 1, 2, tzinfo=UTC),
            datetime.datetime(2024, 1, 1, 5, tzinfo=EAST),
            datetime.datetime(2024, 1, 1, tzinfo=UTC),
            datetime.datetime(2024, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
        ],
        row_annotation=AwareDatetime,
    ),
    Case(
        "timedelta",
        datetime.timedelta,
        [
            datetime.timedelta(days=-99999),
            datetime.timedelta(microseconds=-1),
            datetime.timedelta(0),
            datetime.timedelta(days=400, microseconds=1),
        ],
    ),
    Case("enum_of_text", Color, list(Color), ordered=False),
    Case("enum_of_int", Level, list(Level)),
    Case("enum_of_date", Day, list(Day)),
    Case("dict", dict[str, Any], [{}, {"a": [1, {"b": None}], "": 1.5}], ordered=False),
    Case("list", list[int], [[], [1, -2]], ordered=False),
    Case("list_of_uuid", list[uuid.UUID], [[], [uuid.UUID(int=7)]], ordered=False),
    Case("model", Address, [Address(street="a", since=datetime.date(2024, 1, 2))], ordered=False),
    Case("nested", dict[str, list[Decimal]], [{"a": [Decimal("1.5")]}], ordered=False),
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Both:
    """One table, as a model and as a row."""

    case: Case
    engine: PersistEngine
    db: DB
    model: Any
    row: Any

    async def by_model(self, *conditions: Any, order: Any = None) -> list[tuple[int, Any]]:
        _, sessions = self.engine.session()
        async with sessions() as session:
            statement = sa.select(self.model).where(*conditions).order_by(order or self.model.id)
            return [(one.id, one.value) for one in await session.scalars(statement)]

    async def by_row(self, where: Any = None, order: Any = "id") -> list[tuple[int, Any]]:
        return [(one.id, one.value) for one in await self.db.query(self.row, where=where, order=order)]

    async def write_by_model(self) -> None:
        _, sessions = self.engine.session()
        async with sessions() as session:
            values = [*self.case.values, None]
            session.add_all(self.model(id=number, value=value) for number, value in enumerate(values))
            await session.commit()

    async def write_by_row(self) -> None:
        for number, value in enumerate([*self.case.values, None]):
            await self.db.insert(self.row(id=number, value=value))


@pytest.fixture(params=CASES, ids=lambda case: case.name)
async def both(request: pytest.FixtureRequest, place: Place) -> AsyncIterator[Both]:
    case: Case = request.param
    metadata = sa.MetaData()
    table = sa.Table(
        "t",
        metadata,
        sa.Column("id", Stored(int), primary_key=True, autoincrement=False),
        sa.Column("value", Stored(case.annotation, "value"), nullable=True),
    )
    model = type("Model", (declarative_base(metadata=metadata),), {"__table__": table})
    row = create_model(
        "T", __base__=Row, id=(int, ...), value=((case.row_annotation or case.annotation) | None, None)
    )
    row.__table__ = "t"
    async with PersistEngine(place.url) as engine:
        async with engine.engine().begin() as connection:
            await connection.run_sync(metadata.create_all)
        db = await DB.from_url(place.core_url)
        try:
            yield Both(case, engine, db, model, row)
        finally:
            await db.close()


def in_order(case: Case) -> list[tuple[int, Any]]:
    return list(enumerate([*case.values, None]))


async def test_a_row_reads_and_filters_what_a_model_wrote(both: Both) -> None:
    await both.write_by_model()
    expected = in_order(both.case)
    assert await both.by_row() == expected
    assert [type(value) for _, value in await both.by_row()] == [type(value) for _, value in expected]
    for number, value in expected[:-1]:
        assert await both.by_row({"value": {"eq": value}}) == [(number, value)]
    assert await both.by_row({"value": None}) == expected[-1:]


async def test_a_model_reads_and_filters_what_a_row_wrote(both: Both) -> None:
    await both.write_by_row()
    expected = in_order(both.case)
    found = await both.by_model()
    assert found == expected
    assert [type(value) for _, value in found] == [type(value) for _, value in expected]
    for number, value in expected[:-1]:
        assert await both.by_model(both.model.value == value) == [(number, value)]
        assert await both.by_model(both.model.value.in_([value])) == [(number, value)]
    assert await both.by_model(both.model.value.is_(None)) == expected[-1:]


async def test_both_compare_and_sort_alike(both: Both) -> None:
    if not both.case.ordered:
        assert both.case.name in {"str", "enum_of_text", "dict", "list", "list_of_uuid", "model", "nested"}
        return
    await both.write_by_model()
    expected = in_order(both.case)[:-1]
    assert [v for v in await both.by_model(order=both.model.value) if v[1] is not None] == expected
    assert [v for v in await both.by_row(order="value") if v[1] is not None] == expected
    for number, value in expected:
        assert await both.by_model(both.model.value < value) == expected[:number]
        assert await both.by_row({"value": {"lt": value}}) == expected[:number]


async def test_the_core_sees_the_type_that_a_row_would_have(both: Both) -> None:
    column = table_of(both.model.__table__).column("value")
    assert column.nullable
    assert column.kind is Stored(both.case.annotation).kind


async def test_a_moment_comes_back_in_utc(place: Place) -> None:
    async with PersistEngine(place.url) as engine, engine.engine().connect() as connection:
        value = datetime.datetime(2024, 7, 1, 12, tzinfo=EAST)
        type_ = Stored(datetime.datetime)
        back = await connection.scalar(sa.select(sa.cast(sa.literal(value, type_), type_)))
        assert (back, back.tzinfo) == (value, UTC)


@pytest.mark.parametrize(
    ("annotation", "value", "message"),
    [
        (datetime.datetime, datetime.datetime(2024, 1, 1), "takes a datetime with a zone"),
        (datetime.datetime, "2024-01-01T00:00:00", "takes a datetime with a zone"),
        (datetime.time, datetime.time(1, tzinfo=UTC), "kept without a zone"),
        (int, "seven", "takes int, not str"),
        (Color, "green", "takes Color"),
        (list[int], "x", "takes a list, not str"),
        (dict[str, Any], {"a": object()}, "cannot be written as JSON"),
    ],
)
async def test_what_does_not_fit_is_refused_by_name_before_it_is_sent(
    place: Place, annotation: Any, value: Any, message: str
) -> None:
    async with PersistEngine(place.url) as engine, engine.engine().connect() as connection:
        with pytest.raises(ValidationError, match=message) as caught:
            await connection.scalar(sa.select(sa.literal(value, Stored(annotation, "at"))))
        assert caught.value.column in ("at", None)
        assert await connection.scalar(sa.select(sa.literal(1))) == 1


async def test_a_stored_value_that_is_no_member_is_an_error_that_names_the_members(place: Place) -> None:
    async with PersistEngine(place.url) as engine, engine.engine().connect() as connection:
        wrong = sa.text("SELECT 'green' AS color").columns(color=Stored(Color, "color"))
        with pytest.raises(RowError, match="'color' holds 'green', which is no Color; known: 'red', 'blue'"):
            await connection.scalar(wrong)


class Odd(enum.Enum):
    ONE = 1
    TWO = "two"


def test_a_type_of_no_one_stored_form_is_refused_with_what_to_do() -> None:
    with pytest.raises(ValidationError, match="no one stored form; name a SQLAlchemy type"):
        Stored(int | str, "mixed")
    with pytest.raises(ValidationError, match="the values of Odd are of several types"):
        Stored(Odd, "odd")
    assert stored_type(object, "any") is None


def test_an_annotation_makes_a_column_of_ours_and_a_named_type_stays() -> None:
    class Thing(Base):
        __tablename__ = "types_things"

        id: Mapped[int] = mapped_column(primary_key=True)
        at: Mapped[datetime.datetime | None]
        plain: Mapped[datetime.datetime] = mapped_column(sa.DateTime())
        words: Mapped[list[str]]
        color: Mapped[Color]

    columns = Thing.__table__.columns
    assert isinstance(columns["at"].type, Stored)
    assert columns["at"].nullable
    assert columns["at"].type.name == "at"
    assert type(columns["plain"].type) is sa.DateTime
    assert columns["words"].type.kind is Kind.LIST
    assert columns["color"].type.python_type is Color


class Short(str):
    """A type that only an application's map knows."""


Named = Annotated[str, mapped_column(sa.String(40))]


def test_a_type_annotation_map_and_annotated_types_are_heeded() -> None:
    Base.registry.update_type_annotation_map({Short: sa.String(3)})

    class Shortened(Base):
        __tablename__ = "types_short"

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[Named]
        code: Mapped[Short | None]

    columns = Shortened.__table__.columns
    assert [columns["name"].type.length, columns["code"].type.length] == [40, 3]
    assert not isinstance(columns["code"].type, Stored)


EXPECTED_DDL = {
    "sqlite": "id INTEGER, n NUMERIC, u TEXT, at TEXT, took INTEGER, data TEXT, name VARCHAR, ok BOOLEAN",
    "postgresql": "id BIGINT, n NUMERIC, u UUID, at TIMESTAMP WITH TIME ZONE, took INTERVAL, data JSONB, "
    "name VARCHAR, ok BOOLEAN",
    "mysql": "id BIGINT, n DECIMAL(65, 30), u CHAR(36) CHARACTER SET ascii COLLATE ascii_bin, "
    "at DATETIME(6), took BIGINT, data LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin, "
    "name VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin, ok BOOL",
    "mssql": "id BIGINT, n NUMERIC, u UNIQUEIDENTIFIER, at DATETIMEOFFSET, took DATETIME, "
    "data NVARCHAR(max), name VARCHAR(max), ok BIT",
    "oracle": "id INTEGER, n NUMERIC, u CHAR(32), at TIMESTAMP WITH TIME ZONE, "
    "took INTERVAL DAY TO SECOND, data JSON, name VARCHAR2(40 CHAR), ok BOOLEAN",
}


@pytest.mark.parametrize("dialect", EXPECTED_DDL)
def test_each_database_has_its_own_type(dialect: str) -> None:
    types = {"id": int, "n": Decimal, "u": uuid.UUID, "at": datetime.datetime, "took": datetime.timedelta}
    types |= {"data": dict[str, Any], "name": str, "ok": bool}
    lengths = {"name": 40} if dialect == "oracle" else {}
    columns = [sa.Column(name, Stored(type_, name, lengths.get(name))) for name, type_ in types.items()]
    made = sa.dialects.registry.load(dialect)()
    text = str(CreateTable(sa.Table("t", sa.MetaData(), *columns)).compile(dialect=made))
    lines = [line.strip().rstrip(",").removesuffix(" NULL").strip() for line in text.splitlines()]
    assert (
        ", ".join(line for line in lines if line and "TABLE" not in line and line != ")")
        == (EXPECTED_DDL[dialect])
    )
