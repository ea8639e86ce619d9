"""Moments, and the order of values: the same on every backend, whatever the stored form."""

import datetime
import math
import uuid
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from pydantic import AwareDatetime

from conftest import Backend
from rowstead import DB, DataError, NotNullError, Now, Row
from type_cases import (
    EAST,
    UTC,
    WEST,
    Level,
    Number,
    case_of,
    model_of,
    prepared,
)

# ── time ─────────────────────────────────────────────────────────────────────────────────────


async def test_one_moment_in_several_zones_is_one_value(db: DB, backend: Backend) -> None:
    case = case_of("datetime_aware")
    await prepared(db, backend, case)
    model = model_of(case)
    moment = datetime.datetime(2024, 3, 31, 1, 30, tzinfo=UTC)
    await db.insert_many([model(id=i, v=moment.astimezone(z)) for i, z in enumerate((UTC, EAST, WEST))])
    assert await db.count(model, v=moment) == 3
    assert await db.count(model, v=moment.astimezone(EAST)) == 3
    assert await db.count(model, v=[moment.astimezone(WEST)] * 40) == 3
    later = moment + datetime.timedelta(microseconds=1)
    assert await db.count(model, where={"v": {"lt": later.astimezone(WEST)}}) == 3
    assert await db.count(model, where={"v": {"gte": later}}) == 0


async def test_a_moment_keeps_its_zone_and_never_becomes_another(db: DB, backend: Backend) -> None:
    case = case_of("datetime")
    await prepared(db, backend, case)
    model = model_of(case)
    aware = datetime.datetime(2024, 1, 1, 12, tzinfo=EAST)
    if backend.is_postgres:
        # A `timestamp` has no zone: taking the value would lose it.
        with pytest.raises(DataError):
            await db.insert(model(id=1, v=aware))
        return
    stored = (await db.insert(model(id=1, v=aware))).v
    if backend.is_maria:
        # DATETIME keeps no zone: the moment is there in UTC, and an AwareDatetime would read it so.
        assert stored == aware.astimezone(UTC).replace(tzinfo=None)
        return
    assert stored == aware
    assert stored.tzinfo is not None


async def test_now_is_the_current_time_in_a_column_of_each_kind(db: DB, ddl: Any) -> None:
    await db.execute(
        ddl("CREATE TABLE clocks (id INTEGER PRIMARY KEY, naive {timestamp}, aware {timestamptz})")
    )

    class Clock(Row):
        __table__ = "clocks"
        id: int
        naive: datetime.datetime | None = None
        aware: AwareDatetime | None = None

    before = datetime.datetime.now(UTC) - datetime.timedelta(seconds=2)
    stored = await db.insert(Clock.patch(id=1, naive=Now(), aware=Now()))
    after = datetime.datetime.now(UTC) + datetime.timedelta(seconds=2)
    assert stored.aware is not None
    assert before <= stored.aware <= after
    assert stored.naive is not None
    assert stored.naive.tzinfo is None
    await db.update(Clock(id=1, aware=before))
    assert await db.count(Clock, where={"aware": {"lt": Now()}}) == 1
    assert await db.count(Clock, where={"aware": {"gt": Now()}}) == 0


# ── order ────────────────────────────────────────────────────────────────────────────────────

ORDERED: Sequence[tuple[str, Sequence[Any]]] = [
    ("int", [-(2**63), -10, -9, 0, 9, 10, 2**63 - 1]),
    ("float", [-1.5, -0.1, 0.0, 1e-20, 9.0, 10.0]),
    ("float_infinite", [-math.inf, -1.5, 1e300, math.inf]),
    ("bool", [False, True]),
    ("bytes", [b"", b"\x00", b"a", b"a\x00", b"b", b"\xff"]),
    (
        "decimal_text",
        [
            Decimal(t)
            for t in (
                "-1e25",
                "-10",
                "-9.5",
                "-9",
                "-1e-20",
                "0",
                "1e-20",
                "0.5",
                "9",
                "10",
                "10.01",
                "12345678901234567890.1",
                "12345678901234567890.12",
                "1e30",
            )
        ],
    ),
    (
        "decimal_numeric",
        [
            Decimal(t)
            for t in (
                "-1e25",
                "-10",
                "-9.5",
                "-9",
                "-1e-20",
                "0",
                "1e-20",
                "0.5",
                "9",
                "10",
                "10.01",
                "12345678901234567890.1",
                "12345678901234567890.12",
                "1e30",
            )
        ],
    ),
    ("uuid", [uuid.UUID(int=i) for i in (0, 1, 9, 10, 2**64, 2**127)]),
    (
        "date",
        [
            datetime.date(1, 1, 1),
            datetime.date(999, 12, 31),
            datetime.date(1000, 1, 1),
            datetime.date(9999, 1, 1),
        ],
    ),
    (
        "time",
        [
            datetime.time(0),
            datetime.time(0, 0, 0, 1),
            datetime.time(0, 0, 1),
            datetime.time(9),
            datetime.time(10),
        ],
    ),
    (
        "datetime",
        [
            datetime.datetime(1, 1, 1),
            datetime.datetime(2024, 1, 1),
            datetime.datetime(2024, 1, 1, 0, 0, 0, 1),
            datetime.datetime(2024, 1, 1, 0, 0, 1),
            datetime.datetime(9999, 12, 31),
        ],
    ),
    (
        "datetime_aware",
        [
            datetime.datetime(2024, 1, 1, 12, tzinfo=EAST),
            datetime.datetime(2024, 1, 1, 7, tzinfo=UTC),
            datetime.datetime(2024, 1, 1, 7, 0, 0, 1, tzinfo=UTC),
            datetime.datetime(2024, 1, 1, 0, tzinfo=WEST),
        ],
    ),
    (
        "timedelta",
        [
            datetime.timedelta(days=-2),
            datetime.timedelta(microseconds=-1),
            datetime.timedelta(0),
            datetime.timedelta(seconds=9),
            datetime.timedelta(seconds=10),
            datetime.timedelta(days=3),
        ],
    ),
    ("enum_of_int", [Level.LOW, Level.HIGH]),
    ("int_enum", [Number.ONE, Number.TWO]),
]


@pytest.mark.parametrize(("name", "values"), ORDERED, ids=[n for n, _ in ORDERED])
async def test_the_order_of_stored_values_is_the_order_of_values(
    db: DB, backend: Backend, name: str, values: Sequence[Any]
) -> None:
    case = case_of(name)
    await prepared(db, backend, case)
    model = model_of(case)
    ids = list(range(len(values)))
    shuffled = sorted(ids, key=lambda i: (i * 7919) % 13)
    await db.insert_many([model(id=i, v=values[i]) for i in shuffled])
    assert [r.id for r in await db.query(model, order="v")] == ids
    assert [r.id for r in await db.query(model, order="-v")] == ids[::-1]
    assert [r.id async for r in db.iter_rows(model, order="-v", batch_size=2)] == ids[::-1]
    for i, value in enumerate(values):
        found = {op: await db.count(model, where={"v": {op: value}}) for op in ("lt", "lte", "gt", "gte")}
        assert found == {"lt": i, "lte": i + 1, "gt": len(ids) - i - 1, "gte": len(ids) - i}
    assert await db.count(model, where={"v": {"between": [values[0], values[-1]]}}) == len(values)


async def test_none_is_refused_where_the_model_has_no_none(db: DB, ddl: Any) -> None:
    await db.execute(ddl("CREATE TABLE needs (id INTEGER PRIMARY KEY, n {int} NOT NULL)"))

    class Needs(Row):
        __table__ = "needs"
        id: int
        n: int

    with pytest.raises(NotNullError) as caught:
        await db.insert(Needs.patch(id=1, n=None))
    assert caught.value.column == "n"
    assert await db.count(Needs) == 0
