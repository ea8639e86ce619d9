"""The forms in which values are stored where the database lacks their type: one table, Python kind x codec.

SQLite lacks most types, MariaDB some; a driver of PostgreSQL takes them all as they are, so there is no
table for its codecs. A form is what the driver takes; `encoders` holds a value to its column first.
"""

from __future__ import annotations

import datetime
import decimal
import enum
import json
import math
import uuid
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from pydantic import BaseModel, SecretBytes, SecretStr
from pydantic_core import PydanticSerializationError, to_jsonable_python

from rowstead.errors import ValidationError
from rowstead.tables.schema import Kind
from rowstead.values.decimals import decimal_text
from rowstead.values.widths import in_utc, microseconds, without_zone

Encode: TypeAlias = Callable[[Any], Any]

SQLITE_CODEC = "sqlite"
PSYCOPG_CODEC = "psycopg"
ASYNCPG_CODEC = "asyncpg"
MYSQL_CODEC = "mysql"

TYPES: Mapping[Kind, type] = {
    Kind.INT: int,
    Kind.FLOAT: float,
    Kind.BOOL: bool,
    Kind.STR: str,
    Kind.BYTES: bytes,
    Kind.DECIMAL: decimal.Decimal,
    Kind.UUID: uuid.UUID,
    Kind.DATE: datetime.date,
    Kind.TIME: datetime.time,
    Kind.DATETIME: datetime.datetime,
    Kind.TIMEDELTA: datetime.timedelta,
}


def jsonable(value: Any) -> Any:
    """What `value` is in JSON; a ValidationError where it has no such form."""
    try:
        return to_jsonable_python(value, by_alias=False)
    except (PydanticSerializationError, ValueError, RecursionError) as error:
        # A ValueError, of which UnicodeError is one: nested too deep, or within itself.
        raise ValidationError(f"{type(value).__name__} cannot be written as JSON: {error}") from None


def json_text(value: Any) -> str:
    """The one JSON text of a value: compact, keys sorted, so that equal values are equal texts."""
    if type(value) is not str:
        value = jsonable(value)
    try:
        return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except ValueError:
        raise ValidationError("JSON has no NaN and no infinity") from None


def plain(value: Any) -> Any:
    """An Enum member's value, a secret's text; anything else as it is."""
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, (SecretStr, SecretBytes)):
        return value.get_secret_value()
    return value


def datetime_text(value: datetime.datetime) -> str:
    """The stored form on SQLite: text whose order is the order in time; a zone is turned to UTC."""
    return (value if value.tzinfo is None else in_utc(value)).isoformat(" ")


def _not_nan(value: float) -> float:
    if math.isnan(value):
        raise ValidationError("SQLite stores NaN as NULL; use None, or keep the value as text")
    return value


def _finite(value: float) -> float:
    if not math.isfinite(value):
        name = "NaN" if math.isnan(value) else "infinity"
        raise ValidationError(f"MariaDB has no {name}; use None, or keep the value as text")
    return value


def _finite_decimal(value: decimal.Decimal) -> decimal.Decimal:
    if not value.is_finite():
        raise ValidationError(f"MariaDB's decimals have no {value}; use None, or keep the value as text")
    return value


def _naive_utc(value: datetime.datetime) -> datetime.datetime:
    """MariaDB keeps no zone: a moment that has one is stored in UTC."""
    return value if value.tzinfo is None else in_utc(value).replace(tzinfo=None)


SQLITE_FORMS: Mapping[Kind, Encode] = {
    # A datetime is a date: the order of the entries matters to `form_of_any`.
    Kind.DECIMAL: decimal_text,
    Kind.UUID: str,
    Kind.DATETIME: datetime_text,
    Kind.DATE: datetime.date.isoformat,
    Kind.TIME: datetime.time.isoformat,
    Kind.TIMEDELTA: microseconds,
    Kind.FLOAT: _not_nan,
}
MYSQL_FORMS: Mapping[Kind, Encode] = {
    Kind.DECIMAL: _finite_decimal,
    Kind.UUID: str,
    Kind.DATETIME: _naive_utc,
    Kind.TIME: without_zone,
    # TIME ends at 838 hours.
    Kind.TIMEDELTA: microseconds,
    Kind.FLOAT: _finite,
}
FORMS: Mapping[str, Mapping[Kind, Encode]] = {SQLITE_CODEC: SQLITE_FORMS, MYSQL_CODEC: MYSQL_FORMS}
"""By codec: what a value of each kind is turned to. JSON and lists are texts with all of them."""

SQLITE_NATIVE = frozenset({int, float, str, bytes, bool})
_MYSQL_NATIVE = SQLITE_NATIVE | {datetime.date}


def _form_of_any(forms: Mapping[Kind, Encode], native: frozenset[type]) -> Encode:
    of_float = forms[Kind.FLOAT]

    def encode(value: Any) -> Any:
        value = plain(value)
        if type(value) is float:
            return of_float(value)
        if value is None or type(value) in native:
            return value
        for kind, convert in forms.items():
            if isinstance(value, TYPES[kind]):
                return convert(value)
        if isinstance(value, (bytearray, memoryview)):
            return bytes(value)  # pyright: ignore[reportUnknownArgumentType]
        if isinstance(value, (str, int)):
            return str.__str__(value) if isinstance(value, str) else int(value)
        if isinstance(value, (dict, list, tuple, set, frozenset, BaseModel)):
            return json_text(value)
        written = jsonable(value)
        return json_text(written) if isinstance(written, (dict, list)) else written

    return encode


any_for_sqlite = _form_of_any(SQLITE_FORMS, SQLITE_NATIVE)
"""The stored form of a value by its own type: for raw SQL and columns of no one type."""
FORM_OF_ANY: Mapping[str, Encode] = {
    SQLITE_CODEC: any_for_sqlite,
    MYSQL_CODEC: _form_of_any(MYSQL_FORMS, _MYSQL_NATIVE),
}
"""By codec: the same."""


JSON_BEGINS = ("{", "[", '"')
"""How the text begins that a column of no one type holds as JSON."""


def any_stored(codec: str) -> Encode:
    """The form in a column of no one type: JSON is told from other text by its first character."""
    form = FORM_OF_ANY[codec]

    def encode(value: Any) -> Any:
        stored = form(value)
        return json_text(stored) if isinstance(value, str) and stored[:1] in JSON_BEGINS else stored

    return encode
