"""Round trip of every type on every backend: any value that the types allow."""

from __future__ import annotations

import datetime
import enum
import ipaddress
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import AwareDatetime, BaseModel

from rowstead import DB, Row

if TYPE_CHECKING:
    from conftest import Backend
    from properties.conftest import Handles

UTC = datetime.UTC


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Inner(BaseModel):
    n: int = 0
    price: Decimal = Decimal(0)
    at: datetime.datetime | None = None
    names: list[str] = []


class Wide(Row):
    __table__ = "wide"
    id: int
    i: int | None = None
    f: float | None = None
    b: bool | None = None
    s: str | None = None
    raw: bytes | None = None
    price: Decimal | None = None
    price_text: Decimal | None = None
    u: uuid.UUID | None = None
    day: datetime.date | None = None
    hour: datetime.time | None = None
    naive: datetime.datetime | None = None
    aware: AwareDatetime | None = None
    span: datetime.timedelta | None = None
    color: Color | None = None
    ints: list[int] | None = None
    texts: list[str | None] | None = None
    document: dict[str, Any] | None = None
    inner: Inner | None = None
    inners: list[Inner] | None = None
    address: ipaddress.IPv4Address | None = None
    anything: Any = None


DDL = """
CREATE TABLE wide (
    id {bigint} PRIMARY KEY, i {bigint}, f {float}, b {bool}, s {text}, raw {bytes}, price NUMERIC,
    price_text {decimal}, u {uuid}, day {date}, hour {time}, naive {timestamp}, aware {timestamptz},
    span {interval}, color {text}, ints {ints}, texts {texts}, document {jsonb}, "inner" {jsonb},
    inners {jsonb}, address %s, anything {jsonb}
)
"""

# PostgreSQL takes no NUL in text and no half characters; SQLite does, which its own tests show.
texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=30)
numbers = st.integers(-(2**63), 2**63 - 1)
decimals = st.decimals(
    allow_nan=False, allow_infinity=False, min_value=Decimal("-1e40"), max_value=Decimal("1e40"), places=None
).filter(lambda d: -60 < d.adjusted() < 60 and d.as_tuple().exponent > -90)
moments = st.datetimes(datetime.datetime(1, 1, 3), datetime.datetime(9999, 12, 29))
# PostgreSQL reads no zone that is further away, and there is none.
zones = st.timedeltas(datetime.timedelta(hours=-15), datetime.timedelta(hours=15)).map(
    lambda t: datetime.timezone(datetime.timedelta(minutes=t // datetime.timedelta(minutes=1)))
)
json_numbers = st.integers(-(2**53), 2**53) | st.floats(
    allow_nan=False, allow_infinity=False, width=32
).filter(lambda f: f == 0 or 1e-5 < abs(f) < 1e15).map(lambda f: f + 0.0)
json_values = st.recursive(
    st.none() | st.booleans() | json_numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
# In a jsonb column 1 and 1.0 are one number, so a number that stands alone is left to `i` and `f`.
anything = st.one_of(texts, st.lists(texts, max_size=2), st.dictionaries(texts, texts, max_size=2))
inners = st.builds(
    Inner,
    n=numbers,
    price=decimals,
    at=st.none() | st.datetimes(timezones=st.just(UTC)),
    names=st.lists(texts, max_size=2),
)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


values = st.fixed_dictionaries(
    {
        "i": maybe(numbers),
        "f": maybe(st.floats(allow_nan=False)),
        "b": maybe(st.booleans()),
        "s": maybe(texts),
        "raw": maybe(st.binary(max_size=40)),
        "price": maybe(decimals),
        "price_text": maybe(decimals),
        "u": maybe(st.uuids()),
        "day": maybe(st.dates()),
        "hour": maybe(st.times()),
        "naive": maybe(moments),
        "aware": maybe(
            st.datetimes(datetime.datetime(1, 1, 3), datetime.datetime(9999, 12, 29), timezones=zones)
        ),
        # Whole days: PostgreSQL keeps days, months and seconds apart, and adds them up for Python.
        "span": maybe(st.timedeltas(datetime.timedelta(days=-(10**6)), datetime.timedelta(days=10**6))),
        "color": maybe(st.sampled_from(Color)),
        "ints": maybe(st.lists(st.integers(-(2**31), 2**31 - 1), max_size=4)),
        "texts": maybe(st.lists(st.none() | texts, max_size=4)),
        "document": maybe(st.dictionaries(texts, json_values, max_size=3)),
        "inner": maybe(inners),
        "inners": maybe(st.lists(inners, max_size=2)),
        "address": maybe(st.ip_addresses(v=4)),
        "anything": maybe(anything),
    }
)
bounded = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def same(got: Any, wanted: Any) -> bool:
    return got == wanted and type(got) is type(wanted)


def check(row: Wide, wanted: dict[str, Any]) -> None:
    wrong = {
        name: (getattr(row, name), value)
        for name, value in wanted.items()
        if not same(getattr(row, name), value)
    }
    assert wrong == {}


def wide_ddl(backend: Backend) -> str:
    ddl = DDL % ("INET" if backend.is_postgres else "VARCHAR(40)")
    if backend.is_maria:
        # TIMESTAMP ends in 2038, and JSON would not take a text that is none.
        ddl = ddl.replace("{timestamptz}", "DATETIME(6)").replace("anything {jsonb}", "anything LONGTEXT")
        ddl = ddl.replace("price NUMERIC", "price {decimal}")
    return ddl


ON_OTHERS = pytest.mark.parametrize("handles", ["sqlite asyncpg psycopg"], indirect=True)
ON_MARIADB = pytest.mark.parametrize("handles", ["mariadb"], indirect=True)

# MariaDB has no infinity, and its decimals have the places that were declared: here 35 and 30.
maria_decimals = st.decimals(
    allow_nan=False, allow_infinity=False, min_value=Decimal("-1e34"), max_value=Decimal("1e34")
).filter(lambda d: d.as_tuple().exponent >= -30)
maria_values = st.builds(
    lambda all_values, narrower: all_values | narrower,
    values,
    st.fixed_dictionaries(
        {
            "f": maybe(st.floats(allow_nan=False, allow_infinity=False)),
            "price": maybe(maria_decimals),
            "price_text": maybe(maria_decimals),
        }
    ),
)


@ON_MARIADB
@bounded
@given(rows=st.lists(maria_values, min_size=1, max_size=4))
def test_what_mariadb_takes_comes_back_is_found_and_is_ordered_there(
    handles: Handles, rows: list[dict[str, Any]]
) -> None:
    come_back(handles, rows)
    are_ordered(handles, rows)
    is_found(handles, rows[0], rows[-1])


@ON_OTHERS
@bounded
@given(rows=st.lists(values, min_size=1, max_size=4))
def test_any_values_come_back_equal_and_of_the_same_type(
    handles: Handles, rows: list[dict[str, Any]]
) -> None:
    come_back(handles, rows)


def come_back(handles: Handles, rows: list[dict[str, Any]]) -> None:
    handles.empty("wide", wide_ddl)

    async def round_trip(db: DB) -> None:
        for i, wanted in enumerate(rows):
            check(await db.insert(Wide(id=i, **wanted)), wanted)
            got = await db.get(Wide, id=i)
            check(got, wanted)
            check(await db.update(Wide(id=i, **wanted)), wanted)
        await db.execute("DELETE FROM wide")
        many = [Wide(id=i, **wanted) for i, wanted in enumerate(rows * 20)]
        assert await db.insert_many(many) == len(many)
        stored = await db.query(Wide, order="id")
        for row, wanted in zip(stored, rows * 20, strict=True):
            check(row, wanted)
        for row, wanted in zip(
            await db.insert_many(many, on_conflict="upsert", returning=True), rows * 20, strict=True
        ):
            check(row, wanted)

    handles.each(round_trip)


@ON_OTHERS
@bounded
@given(wanted=values, other=values)
def test_a_filter_by_any_value_finds_the_row_that_holds_it(
    handles: Handles, wanted: dict[str, Any], other: dict[str, Any]
) -> None:
    is_found(handles, wanted, other)


def is_found(handles: Handles, wanted: dict[str, Any], other: dict[str, Any]) -> None:
    handles.empty("wide", wide_ddl)

    async def find(db: DB) -> None:
        await db.insert_many([Wide(id=1, **wanted), Wide(id=2, **other)])
        for name, value in wanted.items():
            ids = [1, 2] if other[name] == value else [1]
            found = [r.id for r in await db.query(Wide, where={name: {"eq": value}}, order="id")]
            assert found == ids, (name, value)
            differ = [r.id for r in await db.query(Wide, where={name: {"ne": value}}, order="id")]
            assert differ == [i for i in (1, 2) if i not in ids], (name, value)

    handles.each(find)


ORDERED = ("i", "f", "b", "raw", "price", "price_text", "u", "day", "hour", "naive", "aware", "span")


@ON_OTHERS
@bounded
@given(rows=st.lists(values, min_size=2, max_size=6))
def test_any_values_are_ordered_as_python_orders_them(handles: Handles, rows: list[dict[str, Any]]) -> None:
    are_ordered(handles, rows)


def are_ordered(handles: Handles, rows: list[dict[str, Any]]) -> None:
    handles.empty("wide", wide_ddl)

    async def ordered(db: DB) -> None:
        await db.insert_many([Wide(id=i, **row) for i, row in enumerate(rows)])
        for name in ORDERED:
            some = [i for i, row in enumerate(rows) if row[name] is not None]
            none = [i for i, row in enumerate(rows) if row[name] is None]
            up = sorted(some, key=lambda i: rows[i][name])
            assert [r.id for r in await db.query(Wide, order=[name, "id"])] == [*up, *none], name
            assert [r.id async for r in db.iter_rows(Wide, order=name, batch_size=2)] == [*up, *none], name

    handles.each(ordered)
