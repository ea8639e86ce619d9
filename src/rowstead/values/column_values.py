"""How the values of many executions travel: a parameter's whole column at once.

What is asked of each value one by one (see `encoders`) is asked here of their types, all at once. Both
ways give the same; an encoder for a whole column says None where it cannot tell, and the values go
one by one, so that errors name their column.
"""

from __future__ import annotations

import datetime
import math
import uuid
from collections.abc import Callable, Mapping
from itertools import repeat
from operator import attrgetter, index
from typing import Any, TypeAlias

from rowstead.tables.schema import Column, Kind
from rowstead.values.encoders import SQLITE_CODEC, Encode, unchanged
from rowstead.values.through_sqlalchemy import has_all_microseconds, looks_at_each
from rowstead.values.widths import narrowed, other_form

EncodeColumn: TypeAlias = Callable[[list[Any], set[type]], list[Any]]
"""Encodes the values of one parameter; it is told their types."""
Whole: TypeAlias = Callable[[list[Any]], list[Any] | None]


def column_values(encode: Encode, column: Column, codec: str) -> EncodeColumn:
    """What encodes many values of this column; `encode` is what encodes one."""
    as_they_are = unchanged(column, codec)
    type_, whole = _whole(column, codec)

    def encode_column(values: list[Any], types: set[type]) -> list[Any]:
        if whole is not None and types == {type_}:
            encoded = whole(values)
            if encoded is not None:
                return encoded
        return values if types <= as_they_are else list(map(encode, values))

    return encode_column


def _whole(column: Column, codec: str) -> tuple[type, Whole | None]:
    """What encodes all values of the column at once, where they are all of this type."""
    # A column of a second type, held to a width or stored by its SQLAlchemy type looks at each value.
    if codec != SQLITE_CODEC or narrowed(column) or other_form(column):
        return _NONE
    if has_all_microseconds(column, codec):
        return datetime.datetime, _long_datetime_texts
    return _NONE if looks_at_each(column, codec) else _SQLITE_WHOLE.get(column.kind, _NONE)


def one_by_one(encode: Encode | None) -> EncodeColumn:
    """What encodes values of which only `encode` knows more."""
    return lambda values, _types: values if encode is None else list(map(encode, values))


def _datetime_texts(values: list[datetime.datetime]) -> list[str] | None:
    if any(map(attrgetter("tzinfo"), values)):
        return None
    return list(map(datetime.datetime.isoformat, values, repeat(" ")))


def _long_datetime_texts(values: list[datetime.datetime]) -> list[str] | None:
    if any(map(attrgetter("tzinfo"), values)):
        return None
    return list(map(datetime.datetime.isoformat, values, repeat(" "), repeat("microseconds")))


def _storable_floats(values: list[float]) -> list[float] | None:
    return None if any(map(math.isnan, values)) else values


def _each(encode: Encode) -> Whole:
    return lambda values: list(map(encode, values))


_NONE: tuple[type, Whole | None] = (object, None)
_SQLITE_WHOLE: Mapping[Kind, tuple[type, Whole | None]] = {
    # sqlite3 stores a bool as its number, but looks for an adapter first, for longer than the rest takes.
    Kind.BOOL: (bool, _each(index)),
    Kind.FLOAT: (float, _storable_floats),
    Kind.UUID: (uuid.UUID, _each(str)),
    Kind.DATETIME: (datetime.datetime, _datetime_texts),
    Kind.DATE: (datetime.date, _each(datetime.date.isoformat)),
    Kind.TIME: (datetime.time, _each(datetime.time.isoformat)),
}
