"""Many values of a SQLAlchemy column at once are what they are one by one, and what SQLAlchemy stores."""

from __future__ import annotations

import datetime
import enum
import math
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from rowstead import ValidationError
from rowstead.tables.from_sqlalchemy import table_of
from rowstead.values.column_values import column_values
from rowstead.values.encoders import encoder

UTC = datetime.UTC


class Colour(enum.Enum):
    RED = "red"


class Shout(sa.TypeDecorator[str]):
    impl = sa.String
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else value.upper()


VALUES: dict[str, tuple[Any, list[Any]]] = {
    "whole numbers": (sa.Integer(), [1, -5, 2**40]),
    "texts": (sa.Text(), ["a", "", "'"]),
    "texts and none": (sa.String(5), ["a", None]),
    "numbers as texts": (sa.Integer(), ["7", 8]),
    "floats": (sa.Double(), [1.5, -0.0, math.inf]),
    "whole numbers for floats": (sa.Float(), [1, 2.5]),
    "truth": (sa.Boolean(), [True, False]),
    "truth and none": (sa.Boolean(), [True, None]),
    "moments": (sa.DateTime(), [datetime.datetime(2026, 1, 2), datetime.datetime(999, 1, 1, 1, 1, 1, 5)]),
    "moments and none": (sa.DateTime(), [datetime.datetime(2026, 1, 2), None]),
    "moments with a zone": (sa.DateTime(timezone=True), [datetime.datetime(2026, 1, 2, tzinfo=UTC)]),
    "days": (sa.Date(), [datetime.date(2026, 1, 2)]),
    "times": (sa.Time(), [datetime.time(1, 2), datetime.time(1, 2, 3, 4)]),
    "members": (sa.Enum(Colour), [Colour.RED, "red"]),
    "a type of the user's": (Shout(), ["a", None]),
    "another form of moments": (
        sqlite.DATETIME(storage_format="%(year)04d", regexp="(.*)"),
        [datetime.datetime(2026, 1, 2)],
    ),
}


@pytest.mark.parametrize("codec", ["sqlite", "mysql"])
@pytest.mark.parametrize("name", VALUES)
def test_many_values_at_once_are_those_one_by_one(name: str, codec: str) -> None:
    type_, values = VALUES[name]
    if codec == "mysql" and math.inf in values:
        values = [value for value in values if value != math.inf]
    column = table_of(sa.Table("t", sa.MetaData(), sa.Column("c", type_))).columns["c"]
    encode = encoder(column, codec)
    at_once = column_values(encode, column, codec)(values, set(map(type, values)))
    one_by_one = [encode(value) for value in values]
    # True is 1 to SQLite and to Python.
    assert at_once == one_by_one
    assert [type(v) for v in at_once if type(v) is not bool and type(v) is not int] == [
        type(v) for v in one_by_one if type(v) is not bool and type(v) is not int
    ]


@pytest.mark.parametrize("name", VALUES)
def test_what_is_stored_in_sqlite_is_what_sqlalchemy_stores(name: str) -> None:
    type_, values = VALUES[name]
    column = table_of(sa.Table("t", sa.MetaData(), sa.Column("c", type_))).columns["c"]
    dialect = sqlite.dialect()
    process = type_.dialect_impl(dialect).bind_processor(dialect) or (lambda value: value)
    ours = column_values(encoder(column, "sqlite"), column, "sqlite")(values, set(map(type, values)))
    theirs = [process(value) for value in values if not isinstance(value, str) or isinstance(type_, Shout)]
    if len(theirs) == len(values):
        assert ours == theirs


@pytest.mark.parametrize("type_", [sa.Float(), sa.Double(), sa.REAL()])
def test_no_number_is_refused_where_sqlite_would_store_null(type_: Any) -> None:
    column = table_of(sa.Table("t", sa.MetaData(), sa.Column("c", type_))).columns["c"]
    encode = encoder(column, "sqlite")
    for values in ([math.nan], [1.0, math.nan]):
        with pytest.raises(ValidationError):
            column_values(encode, column, "sqlite")(values, {float})


def test_json_that_is_none_is_refused() -> None:
    column = table_of(sa.Table("t", sa.MetaData(), sa.Column("c", sa.JSON()))).columns["c"]
    with pytest.raises(ValidationError):
        encoder(column, "sqlite")({"a": math.nan})
