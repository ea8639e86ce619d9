"""How each kind of value travels to a driver: one table, Python kind x codec (and back: `decoders`).

An encoder is given a value that a caller wrote and returns what the driver takes. It also holds the
value to its column: what is not of the column's type is read as Pydantic's lax mode would ("7" for
an int, an ISO string for a date: a filter may come from JSON), and what cannot be is a
ValidationError, on every backend alike, before any SQL is sent.

On PostgreSQL values travel as they are, since the driver and the server agree on types. On SQLite
each kind has one stored form, and the order of the stored forms is the order of the values:

    int float bool str bytes   as they are (NaN is refused: SQLite would store NULL)
    Decimal                    plain decimal text (see `decimals`), compared as numbers
    UUID                       36 characters, lower case
    date, time                 ISO text
    datetime                   `YYYY-MM-DD HH:MM:SS[.ffffff]`; with a zone: in UTC, ending `+00:00`
    timedelta                  whole microseconds, an integer
    Enum                       its value
    dict, list, models         JSON text, keys sorted
    Any, several types         by the value; text that looks like JSON ({, [ or " first) as a JSON string
"""

from __future__ import annotations

import datetime
import decimal
import enum
import json
import math
import uuid
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from pathlib import PurePath
from typing import Any, TypeAlias, cast

from pydantic import BaseModel, SecretBytes, SecretStr, TypeAdapter
from pydantic import ValidationError as PydanticError
from pydantic_core import PydanticSerializationError, to_jsonable_python

from rowstead.errors import ValidationError
from rowstead.plan import ServerTyped
from rowstead.tables.schema import Column, Kind
from rowstead.values.decimals import decimal_text, decimal_value
from rowstead.values.widths import in_utc, microseconds, narrowed, other_form

Encode: TypeAlias = Callable[[Any], Any]

_TYPES: Mapping[Kind, type] = {
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


@lru_cache(maxsize=256)
def _adapter(type_: Any) -> TypeAdapter[Any]:
    return TypeAdapter(type_)


def _read_as(type_: type[Any], column: Column, value: Any) -> Any:
    """`value` as Pydantic's lax mode reads it for `type_`, else a ValidationError naming the column."""
    if isinstance(value, enum.Enum) and not issubclass(type_, enum.Enum):
        value = value.value
    if type_ is str and isinstance(value, str):
        return str.__str__(value)
    try:
        return _adapter(type_).validate_python(value)
    except PydanticError as error:
        reason = error.errors(include_url=False, include_input=False)[0]["msg"]
        raise ValidationError(
            f"column {column.name!r} takes {type_.__name__}, not {type(value).__name__}: {reason}",
            column=column.name,
        ) from None


def _held(column: Column, type_: type, convert: Encode | None) -> Encode:
    """An encoder that holds values to `type_`, then converts them."""
    if convert is None:

        def encode(value: Any) -> Any:
            if value is None or type(value) is type_:
                return value
            return _read_as(type_, column, value)
    else:

        def encode(value: Any) -> Any:
            if value is None:
                return None
            try:
                return convert(value if type(value) is type_ else _read_as(type_, column, value))
            except ValidationError as error:
                if error.column is not None:
                    raise
                raise type(error)(f"column {column.name!r}: {error}", column=column.name) from None

    return encode


def jsonable(value: Any) -> Any:
    """What `value` is in JSON; a ValidationError where it has no such form."""
    try:
        return to_jsonable_python(value, by_alias=False)
    except (PydanticSerializationError, UnicodeError) as error:
        raise ValidationError(f"{type(value).__name__} cannot be written as JSON: {error}") from None


def json_text(value: Any) -> str:
    """The one JSON text of a value: compact, keys sorted, so that equal values are equal texts."""
    if type(value) is not str:
        value = jsonable(value)
    try:
        return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except ValueError:
        raise ValidationError("JSON has no NaN and no infinity") from None


def datetime_text(value: datetime.datetime) -> str:
    """The stored form on SQLite: text whose order is the order in time; a zone is turned to UTC."""
    return (value if value.tzinfo is None else in_utc(value)).isoformat(" ")


def _storable_float(value: float) -> float:
    if math.isnan(value):
        raise ValidationError("SQLite stores NaN as NULL; use None, or keep the value as text")
    return value


def _plain(value: Any) -> Any:
    """An Enum member's value, a secret's text; anything else as it is."""
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, (SecretStr, SecretBytes)):
        return value.get_secret_value()
    return value


def _other_text(value: Any) -> Any:
    """A value of a type that SQLite does not know, in the form that Pydantic reads back."""
    value = _plain(value)
    return value if value is None or type(value) in _SQLITE_NATIVE else jsonable(value)


_SQLITE_NATIVE = frozenset({int, float, str, bytes, bool})


def any_for_sqlite(value: Any) -> Any:
    """The stored form of a value by its own type: for raw SQL and columns of no one type."""
    value = _plain(value)
    if type(value) is float:
        return _storable_float(value)
    if value is None or type(value) in _SQLITE_NATIVE:
        return value
    for kind, convert in _SQLITE.items():
        if isinstance(value, _TYPES[kind]):
            return convert(value)
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(value, (str, int)):
        return str.__str__(value) if isinstance(value, str) else int(value)
    if isinstance(value, (dict, list, tuple, set, frozenset, BaseModel)):
        return json_text(value)
    plain = jsonable(value)
    return json_text(plain) if isinstance(plain, (dict, list)) else plain


def _any_stored(value: Any) -> Any:
    """The stored form in a column of no one type: JSON is told from other text by its first character."""
    stored = any_for_sqlite(value)
    return json_text(stored) if isinstance(value, str) and stored[:1] in JSON_BEGINS else stored


JSON_BEGINS = ("{", "[", '"')
"""How the text begins that a column of no one type holds as JSON."""

_SQLITE: Mapping[Kind, Encode] = {
    # A datetime is a date: the order of the entries matters to `any_for_sqlite`.
    Kind.DECIMAL: decimal_text,
    Kind.UUID: str,
    Kind.DATETIME: datetime_text,
    Kind.DATE: datetime.date.isoformat,
    Kind.TIME: datetime.time.isoformat,
    Kind.TIMEDELTA: microseconds,
    Kind.FLOAT: _storable_float,
}


def _sequence(column: Column, codec: str) -> Encode:
    """An encoder for lists, which holds their elements to the type that they have."""
    element = column.element
    each: Encode = _plain
    if element is not None and element.kind is Kind.LIST:
        each = _sequence(element, codec)
    elif element is not None and element.kind is Kind.ENUM:
        each = _enum_encoder(element, _same)
    elif element is not None and element.kind in _TYPES:
        each = _held(
            element, _TYPES[element.kind], _JSON_FORM.get(element.kind) if codec == SQLITE_CODEC else None
        )

    def encode(value: Any) -> Any:
        if not isinstance(value, (list, tuple, set, frozenset)):
            raise ValidationError(
                f"column {column.name!r} takes a list, not {type(value).__name__}", column=column.name
            )
        return [each(v) for v in cast("Iterable[Any]", value)]

    return lambda value: None if value is None else encode(value)


_JSON_FORM: Mapping[Kind, Encode] = {
    # Inside JSON text, which has no bytes; equal numbers and equal moments are equal texts.
    Kind.BYTES: bytes.hex,
    Kind.DECIMAL: lambda value: decimal_value(decimal_text(value)),
    Kind.DATETIME: lambda value: value if value.tzinfo is None else in_utc(value),
}


def _enum_encoder(column: Column, then: Encode) -> Encode:
    def encode(value: Any) -> Any:
        if value is None:
            return None
        if column.type is None:
            return then(_plain(value))
        member = value if isinstance(value, column.type) else _read_as(column.type, column, value)
        return then(member.value)

    return encode


def _then(first: Encode | None, second: Encode | None) -> Encode | None:
    if first is None or second is None:
        return first or second
    return lambda value: second(first(value))


def _of_other_form(column: Column, encode: Encode) -> Encode:
    """The encoder of a column that takes a second type too."""
    other = other_form(column)
    if other is None:
        return encode
    type_, convert = other
    return lambda value: encode(convert(value) if isinstance(value, type_) else value)


def _server_typed(value: Any) -> Any:
    return None if value is None else ServerTyped(_plain(value))


def _same(value: Any) -> Any:
    return value


def encoder(column: Column, codec: str) -> Encode:
    """What turns a caller's value for this column into what the driver of `codec` takes."""
    kind = column.kind
    sqlite = codec == SQLITE_CODEC
    if kind in _TYPES:
        stored = _SQLITE.get(kind) if sqlite else None
        if codec == PSYCOPG_CODEC and kind is Kind.DATETIME:
            stored = ServerTyped
        return _of_other_form(column, _held(column, _TYPES[kind], _then(narrowed(column), stored)))
    if kind is Kind.ENUM:
        return _enum_encoder(column, any_for_sqlite if sqlite else _same)
    if kind is Kind.LIST:
        return _list_encoder(column, codec)
    if kind is Kind.JSON:
        if sqlite:
            return lambda value: None if value is None else json_text(value)
        return _server_typed if codec == PSYCOPG_CODEC else _same
    if sqlite:
        return _any_stored if kind is Kind.ANY else _other_text
    if codec == PSYCOPG_CODEC and kind is Kind.ANY:
        return _server_typed
    return _for_server


def operand_encoder(column: Column, codec: str) -> Encode:
    """As `encoder`, of what a condition compares the column with: True is no number there."""
    encode = encoder(column, codec)
    if column.kind not in (Kind.INT, Kind.FLOAT):
        return encode

    def encode_operand(value: Any) -> Any:
        if type(value) is bool:
            raise ValidationError(
                f"column {column.name!r} holds numbers, and {value} is none; write {int(value)}",
                column=column.name,
            )
        return encode(value)

    return encode_operand


def unchanged(column: Column, codec: str) -> frozenset[type]:
    """The types whose values the column's encoder gives back as they are; may be empty."""
    kind = column.kind
    converted = kind in _SQLITE if codec == SQLITE_CODEC else codec == PSYCOPG_CODEC and kind is Kind.DATETIME
    if converted or kind not in _TYPES or narrowed(column) is not None:
        return frozenset()
    return frozenset({_TYPES[kind], type(None)})


def _for_server(value: Any) -> Any:
    """A value of a type that only the driver can judge; paths and Pydantic's URLs travel as text."""
    value = _plain(value)
    if isinstance(value, PurePath):
        return str(value)
    return str(value) if type(value).__module__.startswith("pydantic") and hasattr(value, "host") else value


def _list_encoder(column: Column, codec: str) -> Encode:
    listed = _sequence(column, codec)
    if codec == SQLITE_CODEC:
        return lambda value: None if value is None else json_text(listed(value))
    if codec == PSYCOPG_CODEC:
        return lambda value: None if value is None else ServerTyped(listed(value))
    return listed


def raw_encoder(codec: str) -> Encode | None:
    """What turns a parameter of a user's own SQL into what the driver takes; None: nothing does."""
    return any_for_sqlite if codec == SQLITE_CODEC else None


SQLITE_CODEC = "sqlite"
PSYCOPG_CODEC = "psycopg"
ASYNCPG_CODEC = "asyncpg"
