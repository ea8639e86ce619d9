"""How a parameter travels by psycopg, decided by the type that the server gave it.

psycopg chooses by the value's Python type; the server knows what the column takes. A `Shape` holds
what the server said of one text: it turns the values of a call into what psycopg then sends right.
Knows no connection: both worlds use this file.
"""

from __future__ import annotations

import datetime
import decimal
import enum
import struct
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

import psycopg
from psycopg.types import TypeInfo
from psycopg.types.json import Json, Jsonb
from psycopg.types.numeric import Float4, Int2, Int4, Int8
from pydantic_core import PydanticSerializationError, to_json

from rowstead.drivers.postgresql import wrong_count
from rowstead.errors import DataError
from rowstead.plan import ServerTyped

Convert = Callable[[Any], Any]

USER_OIDS = 16384
"""From here on a type's number belongs to this database: an enum, a composite, a domain."""
SHAPES = 1024
"""How many texts a driver remembers the server's description of; when full it starts afresh."""

_SINGLE = struct.Struct("<f")
# What psycopg sends the same way whatever the server expects.
_PLAIN = frozenset(
    {type(None), int, float, bool, str, bytes, decimal.Decimal, uuid.UUID}
    | {datetime.date, datetime.time, datetime.timedelta, datetime.datetime}
)
# Result types that psycopg reads right from the binary format, and those that it reads faster.
_BINARY_RIGHT = frozenset({16, 17, 20, 21, 23, 25, 700, 701, 1042, 1043, 1082, 1083, 1114, 1184, 2950})
_BINARY_FASTER = frozenset({17, 700, 701, 1114, 1184, 2950})
# Parameter types that COPY may send in the binary format, values being of the column's type.
_COPY_BINARY = frozenset(
    {16, 17, 20, 21, 23, 25, 114, 700, 701, 1043, 1082, 1083, 1114, 1184, 1186, 1266, 1700, 2950, 3802}
)
_JSON, _JSON_ARRAY, _JSONB, _JSONB_ARRAY = 114, 199, 3802, 3807
_TIMESTAMP, _TIMESTAMP_ARRAY, _TIMESTAMPTZ, _TIMESTAMPTZ_ARRAY = 1114, 1115, 1184, 1185
_NUMERIC_ARRAY, _FLOAT4_ARRAY, _FLOAT8_ARRAY = 1231, 1021, 1022
_FLOAT4 = 700
_INT2, _INT4, _INT8 = 21, 23, 20
_INT2_ARRAY, _INT4_ARRAY, _INT8_ARRAY = 1005, 1007, 1016


def encode_json(value: Any) -> bytes:
    """The JSON of any value that Pydantic knows; a DataError where it has none."""
    try:
        return to_json(value, by_alias=False)
    except (PydanticSerializationError, UnicodeError) as error:
        raise DataError(f"{type(value).__name__} cannot be written as JSON: {error}") from None


def plain(value: Any) -> Any:
    """An Enum member's value, a `ServerTyped`'s inside, also within lists; else the value itself."""
    if isinstance(value, ServerTyped):
        return plain(value.value)
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, (list, tuple)):
        items = cast("Sequence[Any]", value)
        if any(isinstance(v, (enum.Enum, ServerTyped, list)) for v in items):
            return [plain(v) for v in items]
        return items
    return value


def _as_json(value: Any) -> Any:
    return Json(value.value if isinstance(value, ServerTyped) else value, encode_json)


def _as_jsonb(value: Any) -> Any:
    return Jsonb(value.value if isinstance(value, ServerTyped) else value, encode_json)


def _without_zone(value: Any) -> Any:
    value = plain(value)
    if isinstance(value, str):
        return _not_text(value)
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        raise DataError(
            "a `timestamp` column takes a datetime without zone: PostgreSQL would drop the zone in silence. "
            "Use `timestamptz`, or .replace(tzinfo=None)"
        )
    return value


def _with_zone(value: Any) -> Any:
    # Without a zone a time is local to this process, as asyncpg and `datetime.timestamp()` have it.
    value = _not_text(value)
    if not isinstance(value, datetime.datetime) or value.tzinfo is datetime.UTC:
        return value
    try:
        # What is in no year of Python's would be stored, and no row with it could be read again.
        in_utc = value.astimezone(datetime.UTC)
    except (OverflowError, ValueError):
        raise DataError("a moment is in the years 1 to 9999, in UTC; this one is not") from None
    return in_utc if value.tzinfo is None else value


def _as_decimal(value: Any) -> Any:
    value = plain(value)
    if type(value) is int:
        return decimal.Decimal(value)
    return decimal.Decimal(repr(value)) if type(value) is float else value


def _as_float(value: Any) -> Any:
    value = plain(value)
    return float(value) if isinstance(value, (int, decimal.Decimal)) else value


def _as_single(value: Any) -> Any:
    """A number for a column of single precision, which no number of double precision would be equal to."""
    value = _not_text(value)
    if not isinstance(value, (int, float, decimal.Decimal)) or type(value) is bool:
        return value
    try:
        number = Float4(float(value))
        _SINGLE.pack(number)
    except OverflowError:
        raise DataError("a float of 32 bits is at most 3.4e38; this number does not fit") from None
    return number


def _each(convert: Convert) -> Convert:
    """The converter of an array: of each element, where a list is one more dimension."""

    def elements(value: Any) -> Any:
        if isinstance(value, ServerTyped):
            value = value.value
        return listed(value)

    def listed(value: Any) -> Any:
        if isinstance(value, (list, tuple, set, frozenset)):
            return [None if v is None else listed(v) for v in cast("Iterable[Any]", value)]
        return convert(value)

    return elements


def _refusing(*refused: type) -> Convert:
    """What psycopg or the server would quietly turn into something else, and asyncpg refuses too."""

    def convert(value: Any) -> Any:
        value = plain(value)
        if isinstance(value, refused):
            raise DataError(f"a parameter of this type cannot be {type(value).__name__}")
        return value

    return convert


def _as_text(value: Any) -> Any:
    value = value if type(value) is str else plain(value)
    if not isinstance(value, str):
        raise DataError(f"a parameter of a text type takes str, not {type(value).__name__}")
    return value


_not_fractional = _refusing(str, float, decimal.Decimal)
_not_text = _refusing(str)


def _as_integer(value: Any) -> Any:
    if type(value) is not int:
        value = _not_fractional(value)
    # psycopg would send it as numeric, and a comparison with that is never true.
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise DataError("an integer column holds whole numbers of up to 64 bits")
    return int(value) if type(value) is bool else value


def _sized(wrapper: type[int]) -> Convert:
    """psycopg takes the smallest type that fits the numbers, and no array equals one of another type."""

    def convert(value: Any) -> Any:
        value = _as_integer(value)
        return wrapper(value) if type(value) is int else value

    return convert


def _of_bits(bits: int) -> Convert:
    """psycopg's binary form of a smaller integer drops the bits that it has no place for."""
    beyond = 1 << (bits - 1)

    def convert(value: Any) -> Any:
        value = _as_integer(value)
        if isinstance(value, int) and not -beyond <= value < beyond:
            raise DataError(f"a whole number does not fit into the column's {bits} bits")
        return value

    return convert


def _as_uuid(value: Any) -> Any:
    value = plain(value)
    if not isinstance(value, str):
        return value
    try:
        return uuid.UUID(value)
    except ValueError:
        raise DataError("a text is no UUID") from None


_CONVERT: Mapping[int, Convert] = {
    **dict.fromkeys((_INT2, _INT4, _INT8), _as_integer),
    **dict.fromkeys((25, 1042, 1043), _as_text),
    **dict.fromkeys((1009, 1014, 1015), _each(_as_text)),
    # bool, bytea, float8, date, time, timetz, interval
    **dict.fromkeys((16, 17, 701, 1082, 1083, 1266, 1186), _not_text),
    _FLOAT4: _as_single,
    _JSON: _as_json,
    _JSONB: _as_jsonb,
    _JSON_ARRAY: _each(_as_json),
    _JSONB_ARRAY: _each(_as_jsonb),
    _TIMESTAMP: _without_zone,
    _TIMESTAMPTZ: _with_zone,
    _TIMESTAMP_ARRAY: _each(_without_zone),
    _TIMESTAMPTZ_ARRAY: _each(_with_zone),
    _INT2_ARRAY: _each(_sized(Int2)),
    _INT4_ARRAY: _each(_sized(Int4)),
    _INT8_ARRAY: _each(_sized(Int8)),
    # psycopg refuses a list whose numbers are of several types.
    _NUMERIC_ARRAY: _each(_as_decimal),
    _FLOAT4_ARRAY: _each(_as_single),
    _FLOAT8_ARRAY: _each(_as_float),
}
# For the binary form of COPY, in which the server has nothing left to convert or to refuse.
_CONVERT_COPIED: Mapping[int, Convert] = {
    **_CONVERT,
    _INT2: _of_bits(16),
    _INT4: _of_bits(32),
    1700: _as_decimal,
    2950: _as_uuid,
}
_ARRAY = _each(plain)


def _converter(oid: int) -> Convert | None:
    info = psycopg.adapters.types.get(oid)
    return _CONVERT.get(oid) or (_ARRAY if info is not None and info.array_oid == oid else None)


class Shape:
    """What the server said of one text: its parameters' types and its columns' names and types.

    arrays: those of the types that are arrays of a type which the database itself defines.
    """

    __slots__ = ("_copied", "arrays", "binary", "columns", "converters", "copies_binary", "oids", "results")

    def __init__(
        self, oids: Sequence[int], columns: Sequence[str], results: Sequence[int], arrays: Sequence[TypeInfo]
    ) -> None:
        self.oids = tuple(oids)
        self.columns = tuple(columns)
        self.results = tuple(results)
        self.arrays = tuple(arrays)
        self.converters = tuple(map(_converter, oids))
        self.copies_binary = _COPY_BINARY.issuperset(oids)
        """Whether a COPY with these parameters' types takes the binary format."""
        self._copied = tuple(_CONVERT_COPIED.get(oid) for oid in oids)
        self.binary = _BINARY_RIGHT.issuperset(results) and not _BINARY_FASTER.isdisjoint(results)

    def same_as(self, other: Shape) -> bool:
        return self.oids == other.oids and self.results == other.results

    def bind(self, params: Sequence[Any]) -> Sequence[Any]:
        """The values of one call as psycopg takes them; ValidationError when they are too many or few."""
        if len(params) != len(self.converters):
            raise wrong_count(len(self.converters), len(params))
        return _converted(params, self.converters)

    def bind_copied(self, row: Sequence[Any]) -> Sequence[Any]:
        """The values of one row of a COPY in the format that it has."""
        if not self.copies_binary:
            return self.bind(row)
        return _converted(row, self._copied)


def _converted(values: Sequence[Any], converters: Sequence[Convert | None]) -> list[Any]:
    return [
        value
        if value is None
        else convert(value)
        if convert is not None
        else value
        if type(value) in _PLAIN
        else plain(value)
        for value, convert in zip(values, converters, strict=True)
    ]


class Shapes(dict[str, Shape]):
    """What the server said of texts, for all connections of a driver. Bounded by `SHAPES`."""

    def remember(self, text: str, shape: Shape) -> None:
        if len(self) >= SHAPES:
            self.clear()
        self[text] = shape
