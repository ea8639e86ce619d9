"""Many values of one column travel as each of them would alone."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from rowstead import DB, Row
from rowstead.errors import ValidationError
from rowstead.tables.schema import Column, Kind
from rowstead.values.column_values import column_values
from rowstead.values.columnar import Columnar, columnar
from rowstead.values.encoders import SQLITE_CODEC, encoder

MOMENT = datetime.datetime(2026, 1, 2, 3, 4, 5, 6)
ZONE = datetime.timezone(datetime.timedelta(hours=2))
VALUES: Sequence[tuple[Kind, type, list[Any]]] = (
    (Kind.BOOL, bool, [True, False]),
    (Kind.BOOL, bool, [True, None, 0]),
    (Kind.FLOAT, float, [1.5, float("inf"), -0.0]),
    (Kind.FLOAT, float, [1.5, None, 2]),
    (Kind.UUID, uuid.UUID, [uuid.UUID(int=1), uuid.UUID(int=2)]),
    (Kind.DATE, datetime.date, [MOMENT.date()]),
    (Kind.DATE, datetime.date, [MOMENT.date(), "2026-01-01"]),
    (Kind.TIME, datetime.time, [MOMENT.time(), datetime.time(1)]),
    (Kind.DATETIME, datetime.datetime, [MOMENT, datetime.datetime(1, 1, 1)]),
    (Kind.DATETIME, datetime.datetime, [MOMENT, MOMENT.replace(tzinfo=ZONE)]),
    (Kind.DATETIME, datetime.datetime, [MOMENT, None]),
    (Kind.STR, str, ["a", None]),
    (Kind.INT, int, [1, "2"]),
)  # fmt: skip


@pytest.mark.parametrize(("kind", "type_", "values"), VALUES)
def test_a_whole_column_is_encoded_as_its_values_are(kind: Kind, type_: type, values: list[Any]) -> None:
    column = Column("c", kind, type_)
    encode = encoder(column, SQLITE_CODEC)
    whole = column_values(encode, column, SQLITE_CODEC)(values, set(map(type, values)))
    assert whole == [encode(value) for value in values]


def test_rows_by_column_are_a_sequence_of_rows() -> None:
    rows = [(1, "a"), (2, "b"), (3, "c")]
    found = columnar(rows)
    assert (list(found), len(found), found[1], found[-1]) == (rows, 3, (2, "b"), (3, "c"))
    assert list(found[1:]) == rows[1:]
    assert found.flat(2) == [1, "a", 2, "b"]
    assert found.types == [{int}, {str}]
    assert columnar(found) is found
    assert (list(Columnar([], 2)), Columnar([], 2)[1], list(columnar([]))) == ([(), ()], (), [])
    for rows_of in (found, Columnar([], 3)):
        with pytest.raises(IndexError):
            rows_of[3]


class Measured(Row):
    __table__ = "measured"
    id: int
    value: float
    good: bool | None = None


async def test_many_rows_are_stored_as_each_would_be(tmp_path: Path) -> None:
    async with await DB.from_url(f"sqlite:///{tmp_path / 'a.db'}") as db:
        await db.execute("CREATE TABLE measured (id INTEGER PRIMARY KEY, value REAL, good INTEGER)")
        rows = [Measured(id=i, value=i / 2, good=i % 2 == 0) for i in range(1, 124)]
        assert await db.insert_many(rows) == 123
        assert await db.query(Measured, order="id") == rows
        assert await db.fetchval("SELECT group_concat(DISTINCT typeof(good)) FROM measured") == "integer"
        wrong = [*(Measured(id=i, value=1.0) for i in range(200, 260)), Measured(id=300, value=float("nan"))]
        with pytest.raises(ValidationError, match="'value'"):
            await db.insert_many(wrong)
        assert await db.count(Measured) == 123
