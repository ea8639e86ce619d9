"""One value, two ways to it: what the session writes the core reads and filters, and the other way round.

For SQLAlchemy's own types and for those that store as typed rows do; values by Hypothesis.
"""

from __future__ import annotations

import datetime
import enum
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from rowstead.language.conditions import read
from rowstead.model_session import ModelSession
from rowstead.repository import BaseRepository, PersistEngine
from rowstead.statements.compiled import Compiler
from rowstead.tables.column_types import Stored
from rowstead.tables.from_sqlalchemy import table_of
from rowstead.tables.schema import Kind, Table


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Backwards(TypeDecorator[str]):
    """Stores a text from its end."""

    impl = sa.String(40)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else value[::-1]

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return None if value is None else value[::-1]


class Typed(DeclarativeBase):
    pass


@dataclass(frozen=True)
class Sort:
    """A column type, the values that it takes, and whether the database orders them as Python does."""

    type: Any
    values: st.SearchStrategy[Any]
    ordered: bool = True
    exact: bool = True
    """Whether a value comes back in its own type, and not only as an equal one."""


TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=12)
MOMENTS = st.datetimes(datetime.datetime(1900, 1, 1), datetime.datetime(2999, 1, 1))
ZONED = st.datetimes(
    datetime.datetime(1900, 1, 1), datetime.datetime(2999, 1, 1), timezones=st.just(datetime.UTC)
)
NUMBERS = st.decimals(-(10**7), 10**7, places=2, allow_nan=False, allow_infinity=False)
SPANS = st.timedeltas(datetime.timedelta(0), datetime.timedelta(days=900))
JSON_TEXT = st.sampled_from(["plain", "5", "null", "", '"quoted"', "[1]", '{"a": 1}']) | TEXT
JSON = st.dictionaries(TEXT, st.one_of(st.integers(-9, 9), TEXT, st.none(), st.booleans()), max_size=3)


def whole_seconds(moment: Any) -> Any:
    """Without the part of a second, which SQLAlchemy's plain types do not keep on MariaDB."""
    if isinstance(moment, datetime.timedelta):
        return moment - datetime.timedelta(microseconds=moment.microseconds)
    return moment.replace(microsecond=0)


SORTS: Mapping[str, Sort] = {
    "integer": Sort(sa.Integer(), st.integers(-(2**31), 2**31 - 1)),
    "big_integer": Sort(sa.BigInteger(), st.integers(-(2**63), 2**63 - 1)),
    "double": Sort(sa.Double(), st.floats(allow_nan=False, allow_infinity=False)),
    "numeric": Sort(sa.Numeric(12, 2), NUMBERS),
    # SQLAlchemy gives what SQLite made of it: 3 for 3.0.
    "numeric_as_float": Sort(
        sa.Numeric(12, 2, asdecimal=False), st.integers(-999, 999).map(float), exact=False
    ),
    "boolean": Sort(sa.Boolean(), st.booleans()),
    "string": Sort(sa.String(40), TEXT, ordered=False),
    "text": Sort(sa.Text(), TEXT, ordered=False),
    "binary": Sort(sa.LargeBinary(), st.binary(max_size=12)),
    # SQLAlchemy gives the class of UUID that asyncpg has; MariaDB takes no UUID of an unknown version,
    # and orders them in its own way.
    "uuid": Sort(sa.Uuid(), st.uuids(version=4), ordered=False, exact=False),
    "uuid_as_text": Sort(sa.Uuid(as_uuid=False), st.uuids(version=4).map(str), ordered=False),
    "date": Sort(sa.Date(), st.dates(datetime.date(1900, 1, 1))),
    "time": Sort(sa.Time(), st.times().map(whole_seconds)),
    "datetime": Sort(sa.DateTime(), MOMENTS.map(whole_seconds)),
    "interval": Sort(sa.Interval(), SPANS.map(whole_seconds)),
    "enum": Sort(sa.Enum(Color), st.sampled_from(Color), ordered=False),
    "enum_by_value": Sort(
        sa.Enum(Color, values_callable=lambda e: [m.value for m in e], name="color_value"),
        st.sampled_from(Color),
        ordered=False,
    ),
    "enum_of_texts": Sort(
        sa.Enum("one", "two", name="words"), st.sampled_from(["one", "two"]), ordered=False
    ),
    "json": Sort(sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), JSON, ordered=False),
    "json_text": Sort(sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), JSON_TEXT, ordered=False),
    "decorated": Sort(Backwards(), TEXT, ordered=False),
    "pickled": Sort(sa.PickleType(), st.lists(st.integers(0, 9), max_size=3), ordered=False),
    "stored_int": Sort(Stored(int), st.integers(-(2**63), 2**63 - 1)),
    "stored_float": Sort(Stored(float), st.floats(allow_nan=False, allow_infinity=False)),
    "stored_decimal": Sort(Stored(Decimal), NUMBERS),
    "stored_text": Sort(Stored(str), TEXT, ordered=False),
    "stored_uuid": Sort(Stored(uuid.UUID), st.uuids()),
    "stored_date": Sort(Stored(datetime.date), st.dates()),
    "stored_time": Sort(Stored(datetime.time), st.times()),
    "stored_datetime": Sort(Stored(datetime.datetime), ZONED),
    "stored_span": Sort(Stored(datetime.timedelta), SPANS),
    "stored_enum": Sort(Stored(Color), st.sampled_from(Color), ordered=False),
    "stored_json": Sort(Stored(dict[str, Any]), JSON, ordered=False),
    "stored_list": Sort(Stored(list[int]), st.lists(st.integers(-9, 9), max_size=4), ordered=False),
}


def model_of(name: str, sort: Sort) -> type[Any]:
    columns = {
        "__tablename__": f"typed_{name}",
        "__annotations__": {"id": Mapped[int], "v": Mapped[Any]},
        "id": mapped_column(primary_key=True),
        "v": mapped_column(sort.type, nullable=True),
    }
    return type(f"Typed_{name}", (Typed,), columns)


TABLES = {name: model_of(name, sort) for name, sort in SORTS.items()}


async def by_core(session: AsyncSession, table: Table, where: Any, order: Any = ()) -> list[Any]:
    """What a statement of the core reads: (id, value) of the rows that fulfil the filter."""
    shape, values = read(where, table)
    compiler: Compiler = ModelSession.of(session).database.compiler
    compiled = compiler.get(("select", table, table.all, shape, order))
    rows = await ModelSession.of(session).database.run(compiled.call(values, compiled.read_all))
    return [(row["id"], row["v"]) for row in rows]


def same(sort: Sort, got: Any, wanted: Any) -> bool:
    return got == wanted and (type(got) is type(wanted) or not sort.exact)


@pytest.mark.parametrize("name", SORTS)
async def test_the_session_and_the_core_write_read_and_filter_alike(engine: PersistEngine, name: str) -> None:
    sort, model = SORTS[name], TABLES[name]
    table = table_of(model.__table__)
    below, sessions = engine.session()
    async with below.begin() as connection:
        await connection.run_sync(model.metadata.create_all, tables=[model.__table__])

    async def attempt(values: list[Any]) -> None:
        async with sessions() as session:
            repository = BaseRepository(session, model)
            half = len(values) // 2 + 1
            session.add_all([model(id=n, v=v) for n, v in enumerate(values[:half])])
            await session.flush()
            by_bulk = [{"id": n, "v": v} for n, v in enumerate(values) if n >= half]
            given_back = await repository.bulk_insert(by_bulk)
            session.expunge_all()
            wanted = list(enumerate(values))
            stored = [(one.id, one.v) for one in await repository.find(order="id")]
            assert all(same(sort, got, v) for (_, got), (_, v) in zip(stored, wanted, strict=True)), stored
            assert await by_core(session, table, None) == stored
            pairs = [(one.v, values[one.id]) for one in given_back]
            assert all(same(sort, got, wanted) for got, wanted in pairs), pairs
            for n, value in wanted[:3]:
                equal = [place for place, v in wanted if v == value]
                found = [one.id for one in await repository.find({"v": {"eq": value}}, order="id")]
                assert found == equal, (n, value)
                assert [i for i, _ in await by_core(session, table, {"v": {"eq": value}})] == equal
                if sort.ordered:
                    less = [place for place, v in wanted if v < value]
                    assert [o.id for o in await repository.find({"v": {"lt": value}}, order="id")] == less
                    assert sorted(i for i, _ in await by_core(session, table, {"v": {"lt": value}})) == less
            if table.columns["v"].kind not in (Kind.JSON, Kind.LIST):
                several = values * 10
                # A long list travels as one JSON text where there are no arrays, and bytes have none.
                for some in (several[:3], several[:3] if name == "pickled" else several):
                    among = {"v": {"in": some}}
                    count = sum(v in some for _, v in wanted)
                    assert await repository.count(where=among) == count
                    assert len(await by_core(session, table, among)) == count
            assert await repository.update_where({"v": values[-1]}, {"id": 0}) == 1
            changed = await repository.get(0)
            assert changed is not None
            assert same(sort, changed.v, values[-1])
            await session.rollback()

    for values in examples(sort):
        await attempt(values)


def examples(sort: Sort) -> list[list[Any]]:
    """Some lists of values that Hypothesis makes of this sort, the same in every run."""
    found: list[list[Any]] = []

    @settings(
        max_examples=12,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(sort.values, min_size=3, max_size=6))
    def collect(values: list[Any]) -> None:
        found.append(values)

    collect()
    return found
