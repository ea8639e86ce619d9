"""How each kind of value comes back from a driver: one table, Python kind x codec.

The other direction is in `encoders`, the stored forms are in `stored_forms`.
"""

from __future__ import annotations

import datetime
import enum
import json
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from rowstead.tables.schema import Column, Decode, Kind, is_zoned
from rowstead.values.decimals import decimal_value
from rowstead.values.stored_forms import (
    ASYNCPG_CODEC,
    FORM_OF_ANY,
    JSON_BEGINS,
    MYSQL_CODEC,
    PSYCOPG_CODEC,
    SQLITE_CODEC,
    Encode,
)
from rowstead.values.through_sqlalchemy import from_stored
from rowstead.values.widths import MOMENT, float32, in_utc


def _from_text(parse: Callable[[str], Any]) -> Callable[[Any], Any]:
    def decode(value: Any) -> Any:
        return parse(value) if type(value) is str else value

    return decode


def _any_read(value: Any) -> Any:
    if type(value) is not str or value[:1] not in JSON_BEGINS:
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _zoned_datetime(text: str) -> datetime.datetime:
    value = datetime.datetime.fromisoformat(text)
    # CURRENT_TIMESTAMP on SQLite is UTC and does not say so.
    return value.replace(tzinfo=datetime.UTC) if value.tzinfo is None else value


def _timedelta(value: Any) -> Any:
    if type(value) is str and value.removeprefix("-").isdecimal():
        value = int(value)  # A TEXT column made text of the number.
    return datetime.timedelta(microseconds=value) if type(value) is int else value


def _bool(value: Any) -> Any:
    return value == 1 if value in (0, 1) and type(value) is int else value


def _not_none(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else convert(value)


_json_read = _from_text(json.loads)
_DECODE_SQLITE: Mapping[Kind, Decode] = {
    Kind.BOOL: _bool,
    Kind.DECIMAL: lambda value: None if value is None else decimal_value(value),
    Kind.UUID: _from_text(uuid.UUID),
    Kind.DATE: _from_text(datetime.date.fromisoformat),
    Kind.TIME: _from_text(datetime.time.fromisoformat),
    Kind.DATETIME: _from_text(datetime.datetime.fromisoformat),
    Kind.TIMEDELTA: _timedelta,
    Kind.JSON: _json_read,
    Kind.LIST: _json_read,
    Kind.ANY: _any_read,
}


def _time(value: Any) -> Any:
    """A time of day, which drivers of MariaDB give as the length of time since midnight."""
    if type(value) is str:
        return datetime.time.fromisoformat(value)
    is_day = type(value) is datetime.timedelta and datetime.timedelta(0) <= value < _DAY
    return (datetime.datetime.min + value).time() if is_day else value


_DAY = datetime.timedelta(days=1)
_DECODE_MYSQL: Mapping[Kind, Decode] = {
    Kind.BOOL: _bool,
    Kind.UUID: _from_text(uuid.UUID),
    Kind.TIME: _time,
    Kind.TIMEDELTA: _timedelta,
    Kind.JSON: _json_read,
    Kind.LIST: _json_read,
    Kind.ANY: _any_read,
}
_DECODE: Mapping[str, Mapping[Kind, Decode]] = {SQLITE_CODEC: _DECODE_SQLITE, MYSQL_CODEC: _DECODE_MYSQL}
"""By codec, where values are stored in forms of our own."""
_ZONED: Mapping[str, Decode] = {
    SQLITE_CODEC: _from_text(_zoned_datetime),
    MYSQL_CODEC: lambda value: in_utc(value) if isinstance(value, datetime.datetime) else value,
}
_OF_PSYCOPG: Mapping[str, Decode] = {
    # It gives the zone of the session, and the shortest text of a float of 32 bits read as 64.
    MOMENT: _not_none(in_utc),
    "float32": _not_none(float32(Column("a stored number", Kind.FLOAT))),
}


def decoder(column: Column, codec: str) -> Decode:
    """What turns the driver's value into the column's Python value; None where nothing needs to."""
    if column.via is not None and (convert := from_stored(column, codec)) is not None:
        return convert
    forms = _DECODE.get(codec)
    if forms is not None:
        if column.kind is Kind.DATETIME and is_zoned(column.type):
            return _ZONED[codec]
        if column.kind is Kind.ENUM and column.type is not None:
            return _enum_decoder(column.type, FORM_OF_ANY[codec])
        if column.element is not None and column.element.kind is Kind.BYTES:
            return _bytes_list
        return forms.get(column.kind)
    if codec == PSYCOPG_CODEC and column.storage is not None:
        return _OF_PSYCOPG.get(column.storage)
    if codec == ASYNCPG_CODEC and column.kind is Kind.UUID:
        return _standard_uuid
    if codec == ASYNCPG_CODEC and column.element is not None and column.element.kind is Kind.UUID:
        return _standard_uuids
    # A driver of PostgreSQL gives what JSON says: a text in it must not be read as JSON again.
    return None


def returned_decoder(column: Column, codec: str) -> Decode:
    """As `decoder`, for what RETURNING gives.

    Seen in SQLite 3.40: it shows 3.0 in a REAL column as 3, its form on disk. Whoever validates rows
    by a model makes a float of it anyway.
    """
    unread = column.storage is not None or column.via is not None
    if codec == SQLITE_CODEC and column.kind is Kind.FLOAT and unread:
        return _whole_float
    return decoder(column, codec)


def _whole_float(value: Any) -> Any:
    return float(value) if type(value) is int else value


def _bytes_list(value: Any) -> Any:
    return (
        value
        if type(value) is not str
        else [None if v is None else bytes.fromhex(v) for v in json.loads(value)]
    )


def _standard_uuid(value: Any) -> Any:
    """asyncpg gives a UUID class of its own."""
    return uuid.UUID(int=value.int) if isinstance(value, uuid.UUID) else value


def _standard_uuids(value: Any) -> Any:
    return list(map(_standard_uuid, value)) if isinstance(value, list) else value  # pyright: ignore[reportUnknownArgumentType]


def _enum_decoder(type_: type[enum.Enum], form: Encode) -> Decode:
    """Members by their stored form: it need not be the member's value."""
    members = {form(m): m for m in type_}
    return lambda value: members.get(value, value)
