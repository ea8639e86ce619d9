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

MariaDB has most types; there a UUID is 36 characters too, a length of time whole microseconds, a moment with
a zone is stored in UTC without it, and JSON and lists are JSON text. The forms are in `stored_forms`.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import PurePath
from typing import Any, cast

from pydantic import TypeAdapter
from pydantic import ValidationError as PydanticError

from rowstead.errors import ValidationError
from rowstead.plan import OfDriver, ServerTyped
from rowstead.tables.schema import Column, Kind
from rowstead.values.decimals import decimal_text, decimal_value
from rowstead.values.stored_forms import ASYNCPG_CODEC as ASYNCPG_CODEC
from rowstead.values.stored_forms import (
    FORM_OF_ANY,
    FORMS,
    PSYCOPG_CODEC,
    SQLITE_CODEC,
    SQLITE_NATIVE,
    TYPES,
    Encode,
    any_stored,
    json_text,
    jsonable,
    plain,
)
from rowstead.values.stored_forms import JSON_BEGINS as JSON_BEGINS
from rowstead.values.stored_forms import any_for_sqlite as any_for_sqlite
from rowstead.values.through_sqlalchemy import (
    admitting,
    converts,
    is_turned,
    looks_at_each,
    stores_as_rows,
    to_stored,
    zoned,
)
from rowstead.values.widths import in_utc, narrowed, other_form


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


def _other_text(value: Any) -> Any:
    """A value of a type that SQLite does not know, in the form that Pydantic reads back."""
    value = plain(value)
    return value if value is None or type(value) in SQLITE_NATIVE else jsonable(value)


def _sequence(column: Column, codec: str) -> Encode:
    """An encoder for lists, which holds their elements to the type that they have."""
    element = column.element
    each: Encode = plain
    if element is not None and element.kind is Kind.LIST:
        each = _sequence(element, codec)
    elif element is not None and element.via is not None and converts(element, codec):
        each = encoder(element, codec)
    elif element is not None and element.kind is Kind.ENUM:
        each = _enum_encoder(element, _same)
    elif element is not None and element.kind in TYPES:
        each = _held(element, TYPES[element.kind], _JSON_FORM.get(element.kind) if codec in FORMS else None)

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
            return then(plain(value))
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
    return None if value is None else ServerTyped(plain(value))


def _same(value: Any) -> Any:
    return value


def held(column: Column) -> Encode:
    """What holds a value to the column's Python type and changes nothing else: for SQLAlchemy to send."""
    if column.kind in TYPES:
        return _held(column, TYPES[column.kind], zoned(column))
    return _member_of(column) if column.kind is Kind.ENUM and column.type is not None else _same


def _member_of(column: Column) -> Encode:
    """A member of the column's Enum by its value or, as SQLAlchemy stores it, by its name."""
    members: Mapping[str, Any] = column.type.__members__

    def member(value: Any) -> Any:
        if value is None or isinstance(value, column.type):
            return value
        try:
            return _read_as(column.type, column, value)
        except ValidationError:
            if isinstance(value, str) and value in members:
                return members[value]
            raise

    return member


def _through_its_type(column: Column, convert: Encode) -> Encode:
    """The encoder of a column whose SQLAlchemy type converts by itself, errors told as ours."""
    hold = held(column)

    def encode(value: Any) -> Any:
        if type(value) is OfDriver:
            return value.value
        try:
            return convert(hold(value))
        except ValidationError:
            raise
        except (TypeError, ValueError, LookupError, ArithmeticError, AttributeError, RecursionError) as error:
            raise ValidationError(
                f"column {column.name!r} ({column.via!r}) does not take {type(value).__name__}: {error}",
                column=column.name,
            ) from None

    return encode


def encoder(column: Column, codec: str) -> Encode:
    """What turns a caller's value for this column into what the driver of `codec` takes."""
    encode = _encoder(column, codec)
    admit = admitting(column)
    return encode if admit is None else lambda value: encode(admit(value))


def _encoder(column: Column, codec: str) -> Encode:
    if column.via is not None and (convert := to_stored(column, codec)) is not None:
        return convert if stores_as_rows(column) else _through_its_type(column, convert)
    encode = _encoder_of_kind(column, codec)
    return _unless_of_driver(encode) if is_turned(column, codec) else encode


def _unless_of_driver(encode: Encode) -> Encode:
    return lambda value: value.value if type(value) is OfDriver else encode(value)


def _encoder_of_kind(column: Column, codec: str) -> Encode:
    kind = column.kind
    forms = FORMS.get(codec)
    if kind in TYPES:
        stored = forms.get(kind) if forms is not None else None
        if forms is not None or kind is Kind.TIME:
            # Of a datetime a driver of PostgreSQL says the same.
            stored = _then(zoned(column), stored)
        if codec == PSYCOPG_CODEC and kind is Kind.DATETIME:
            stored = ServerTyped
        return _of_other_form(column, _held(column, TYPES[kind], _then(narrowed(column), stored)))
    if kind is Kind.ENUM:
        return _enum_encoder(column, FORM_OF_ANY.get(codec, _same))
    if kind is Kind.LIST:
        return _list_encoder(column, codec)
    if kind is Kind.JSON:
        if forms is not None:
            return lambda value: None if value is None else json_text(value)
        return _server_typed if codec == PSYCOPG_CODEC else _same
    if forms is not None and kind is Kind.ANY:
        return any_stored(codec)
    if forms is not None:
        return _other_text if codec == SQLITE_CODEC else FORM_OF_ANY[codec]
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
    if column.via is not None and looks_at_each(column, codec):
        return frozenset()
    forms = FORMS.get(codec)
    converted = kind in forms if forms is not None else codec == PSYCOPG_CODEC and kind is Kind.DATETIME
    # A driver of PostgreSQL drops the zone of a time of day in silence.
    converted = converted or (kind is Kind.TIME and zoned(column) is not None)
    if converted or kind not in TYPES or narrowed(column) is not None:
        return frozenset()
    return frozenset({TYPES[kind], type(None)})


def _for_server(value: Any) -> Any:
    """A value of a type that only the driver can judge; paths and Pydantic's URLs travel as text."""
    value = plain(value)
    if isinstance(value, PurePath):
        return str(value)
    return str(value) if type(value).__module__.startswith("pydantic") and hasattr(value, "host") else value


def _list_encoder(column: Column, codec: str) -> Encode:
    listed = _sequence(column, codec)
    if codec in FORMS:
        return lambda value: None if value is None else json_text(listed(value))
    if codec == PSYCOPG_CODEC:
        return lambda value: None if value is None else ServerTyped(listed(value))
    return listed


def raw_encoder(codec: str) -> Encode | None:
    """What turns a parameter of a user's own SQL into what the driver takes; None: nothing does."""
    return FORM_OF_ANY.get(codec)
