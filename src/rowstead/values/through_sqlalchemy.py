"""Columns whose SQLAlchemy type converts values by itself: its own processors, for our drivers.

An Enum stores names, a TypeDecorator whatever it likes, and on a database without the type a DateTime,
Numeric or Uuid has SQLAlchemy's stored form, which is not ours. Such a value goes through the type both
ways, so that it is the same value whoever wrote it. A type that stores as typed rows do (`StoresAsRows`)
is asked for our own codec's conversion.
"""

from __future__ import annotations

import datetime
import decimal
import json
import math
import re
import uuid
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any, TypeAlias, cast

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.ranges import AbstractRange
from sqlalchemy.engine import URL, Dialect
from sqlalchemy.types import TypeDecorator

from rowstead.errors import ValidationError, did_you_mean
from rowstead.tables.schema import COMPOSITE_KINDS, Column, Kind
from rowstead.values.widths import in_utc

Process: TypeAlias = Callable[[Any], Any]

_DIALECTS: Mapping[str, str] = {
    "asyncpg": "postgresql+asyncpg",
    "psycopg": "postgresql+psycopg",
    "sqlite": "sqlite+aiosqlite",
    "mysql": "mariadb+pymysql",
}
"""By codec: SQLAlchemy's name of the dialect whose processors its values have."""
_SQLITE, _MYSQL = "sqlite", "mysql"
_TYPED = frozenset({"asyncpg", "psycopg"})
"""Codecs of databases that have every type: what SQLAlchemy would convert there our codec does too."""


@lru_cache(maxsize=2 * len(_DIALECTS))
def _dialect(codec: str, with_driver: bool) -> Dialect:
    made: Any = URL.create(_DIALECTS[codec]).get_dialect()
    return made(dbapi=made.import_dbapi() if with_driver else None, json_serializer=_json_text)


_json_text = partial(json.dumps, allow_nan=False)
"""As SQLAlchemy's, but that it raises for what is no JSON, and that only some databases would refuse."""


def _dialect_of(column: Column, codec: str) -> Dialect:
    # A range becomes one of the driver's own class, so that the driver is needed.
    return _dialect(codec, codec in _TYPED and isinstance(column.via, AbstractRange))


def stores_as_rows(column: Column) -> bool:
    """Whether the column's SQLAlchemy type stores what a typed row's column does."""
    return hasattr(column.via, "described")


def looks_at_each(column: Column, codec: str) -> bool:
    """Whether a value that already has the column's Python type is still looked at by its SQLAlchemy type."""
    if admitting(column) is not None:
        return True
    if stores_as_rows(column):
        return column.kind in _HELD_FURTHER
    return to_stored(column, codec) is not None


_HELD_FURTHER = frozenset({Kind.DATETIME, Kind.TIME})
"""A moment must have a zone, a time of day none."""


def admitting(column: Column) -> Callable[[Any], Any] | None:
    """What lets those texts pass alone that the column's SQLAlchemy type gives back; None: it takes all.

    Another one would be stored, and no row with it could be read.
    """
    type_ = column.via
    if isinstance(type_, sa.Enum) and type_.enum_class is None:
        return _one_of(column, frozenset(map(str, cast("Any", type_).enums)))
    if isinstance(type_, sa.Uuid) and not type_.as_uuid:
        return _uuid_text(column)
    return None


def _one_of(column: Column, words: frozenset[str]) -> Callable[[Any], Any]:
    def admit(value: Any) -> Any:
        if isinstance(value, str) and value not in words:
            hint = did_you_mean(value, sorted(words))
            raise ValidationError(
                f"column {column.name!r} does not take this word; {hint}", column=column.name
            )
        return value

    return admit


def _uuid_text(column: Column) -> Callable[[Any], Any]:
    def admit(value: Any) -> Any:
        if isinstance(value, str):
            try:
                uuid.UUID(value)
            except ValueError:
                problem = f"column {column.name!r} takes the text of a UUID"
                raise ValidationError(problem, column=column.name) from None
        return value

    return admit


def converts(column: Column, codec: str) -> bool:
    """Whether values of this column travel by its SQLAlchemy type."""
    type_ = column.via
    if type_ is None or stores_as_rows(column):
        return False
    if codec not in _TYPED:
        return not _is_stored_alike(column)
    if column.kind in COMPOSITE_KINDS:
        return False
    by_itself = isinstance(type_, sa.Enum) or (
        isinstance(type_, TypeDecorator) and not isinstance(type_, sa.Interval)
    )
    is_range = isinstance(type_, AbstractRange)
    return by_itself or is_range or (isinstance(type_, sa.Uuid) and column.kind is not Kind.UUID)


_STORED_ALIKE: Mapping[Kind, type[Any]] = {Kind.FLOAT: sa.Float, Kind.BOOL: sa.Boolean}
"""Types of SQLAlchemy's own that store what our codecs do, on every database."""


def _is_stored_alike(column: Column) -> bool:
    type_ = column.via
    own = type(type_).__module__.startswith("sqlalchemy.")
    return own and isinstance(type_, _STORED_ALIKE.get(column.kind, ()))


def has_all_microseconds(column: Column, codec: str) -> bool:
    """Whether a moment of the column is SQLAlchemy's text on SQLite: without a zone, and never shortened."""
    return codec == _SQLITE and type(column.via) is sa.DateTime


def to_stored(column: Column, codec: str) -> Process | None:
    """The type's own conversion of a value for the driver; None where it has none."""
    if stores_as_rows(column):
        return column.via.encoder(codec)
    if not converts(column, codec):
        return None
    dialect = _dialect_of(column, codec)
    process = column.via.dialect_impl(dialect).bind_processor(dialect)
    if process is not None and codec == _SQLITE and _is_decimal(column):
        process = _within_a_float(column, process)
    # What None becomes only a TypeDecorator may say; SQLAlchemy's JSON would make a JSON null of it.
    return process if process is None or isinstance(column.via, TypeDecorator) else _not_none(process)


def zoned(column: Column) -> Process | None:
    """What makes of a moment or a time of day what its SQLAlchemy type keeps of a zone; None: it is as it is.

    SQLAlchemy would drop the zone in silence where the database has none.
    """
    if isinstance(column.via, sa.DateTime):
        return _moment_in_utc if column.via.timezone else _without_zone
    if isinstance(column.via, sa.Time) and not column.via.timezone:
        return _without_zone
    return None


def _moment_in_utc(value: datetime.datetime) -> datetime.datetime:
    return value if value.tzinfo is None else in_utc(value)


def _without_zone(value: Any) -> Any:
    if value.tzinfo is not None:
        raise ValidationError(
            "it is kept without a zone, and this value has one; take .replace(tzinfo=None), or declare the "
            "column with timezone=True"
        )
    return value


FLOAT_DIGITS = 15
"""Decimal digits that a float of 64 bits gives back as they were."""


def _is_decimal(column: Column) -> bool:
    return column.kind is Kind.DECIMAL and not isinstance(column.via, sa.Float)


def _within_a_float(column: Column, process: Process) -> Process:
    """The same for numbers that a float holds: SQLAlchemy stores a Numeric on SQLite as one."""

    def convert(value: decimal.Decimal) -> Any:
        digits = len(value.normalize(_EXACT).as_tuple().digits)
        fits = value.is_finite() and math.isfinite(float(value))
        if fits and digits <= FLOAT_DIGITS:
            return process(value)
        what = f"this number has {digits}" if fits else "this is none that it holds"
        raise ValidationError(
            f"column {column.name!r} ({column.via!r}) is a float of {FLOAT_DIGITS} digits on SQLite, and "
            f"{what}; keep it as text, or in a Stored(Decimal) of rowstead.tables.column_types",
            column=column.name,
        )

    return convert


_EXACT = decimal.Context(prec=decimal.MAX_PREC)


def is_single(column: Column, codec: str) -> bool:
    """Whether the column is a number of single precision in the database of this codec."""
    if column.via is None or codec != _MYSQL:
        return False
    dialect = _dialect(codec, False)
    found: Any = column.via.dialect_impl(dialect)
    if not isinstance(getattr(found, "impl_instance", found), sa.Float):
        return False
    return _SINGLE.match(dialect.type_compiler_instance.process(column.via)) is not None


_SINGLE = re.compile(r"FLOAT(?!\((2[5-9]|[3-9]\d)\))")
"""How MariaDB's type of single precision is spelled: of 25 bits and more it is the other one."""
_NUMERIC, _FLOAT8 = 1700, 701
"""PostgreSQL's own numbers of the types that SQLAlchemy's numbers ask for before they read one."""


def from_stored(column: Column, codec: str) -> Process | None:
    """The type's own conversion of what the driver gives; None where it has none."""
    if stores_as_rows(column):
        return column.via.decoder(codec)
    if codec in _TYPED and column.kind is Kind.FLOAT and isinstance(column.via, sa.Numeric):
        return _not_none(float)
    if codec in _TYPED and column.element is not None and converts(column.element, codec):
        return _elements(from_stored(column.element, codec))
    if not converts(column, codec):
        return None
    dialect = _dialect_of(column, codec)
    below = getattr(column.via, "impl_instance", column.via)
    kind = _FLOAT8 if isinstance(below, sa.Float) else _NUMERIC
    return column.via.dialect_impl(dialect).result_processor(dialect, kind if codec in _TYPED else None)


def is_turned(column: Column, codec: str) -> bool:
    """Whether a value is another one in the database, by a SQLAlchemy type that may not turn it back."""
    if column.via is None or stores_as_rows(column):
        return False
    return to_stored(column, codec) is not None or from_stored(column, codec) is not None


def _not_none(process: Process) -> Process:
    return lambda value: None if value is None else process(value)


def _elements(process: Process | None) -> Process | None:
    return None if process is None else _not_none(lambda values: [process(value) for value in values])
