"""What Python values a column takes when it is written, and what it makes of them.

One function per kind of column, some overruled by the name of the column's type. Each gives the value
in the column's Python type, or raises a ValidationError that says what is expected; whoever asks adds
table and column. NULL never comes here.
"""

from __future__ import annotations

import datetime
import enum
import json
import math
import uuid
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, TypeAlias, cast

from rowstead.errors import ValidationError
from rowstead.rules.literals import TEXT_FORMS
from rowstead.tables.schema import Column, Kind
from rowstead.values.encoders import json_text
from rowstead.values.widths import narrowed, other_form, whole_number

Accept: TypeAlias = Callable[[Any], Any]

_EXACT: Mapping[Kind, type] = {
    Kind.INT: int,
    Kind.FLOAT: float,
    Kind.STR: str,
    Kind.BOOL: bool,
    Kind.BYTES: bytes,
    Kind.UUID: uuid.UUID,
    Kind.DATE: datetime.date,
    Kind.TIMEDELTA: datetime.timedelta,
}


def accepting(column: Column) -> Accept:
    """What makes the column's Python type of a value; raises ValidationError for what it does not take."""
    accept = _BY_STORAGE.get(column.storage or "") or _BY_KIND.get(column.kind, _as_it_is)
    steps = [step for step in (_other(column), accept, _narrow(column)) if step is not None]
    if len(steps) == 1:
        return steps[0]

    def accept_all_steps(value: Any) -> Any:
        for step in steps:
            value = step(value)
        return value

    return accept_all_steps


def exact_types(column: Column) -> frozenset[type] | None:
    """The type whose values the column takes as they are, but for width and rules; None: it looks at each."""
    if column.kind is not Kind.INT and narrowed(column) is not None:
        return None
    type_ = _EXACT.get(column.kind)
    return None if type_ is None else frozenset({type_})


def _other(column: Column) -> Accept | None:
    form = other_form(column)
    if form is None:
        return None
    type_, convert = form
    return lambda value: convert(value) if isinstance(value, type_) and type(value) is not bool else value


def _narrow(column: Column) -> Accept | None:
    if column.kind is Kind.INT and column.size is not None:
        return whole_number(column, column.size)
    return narrowed(column)


def _refuse(wanted: str, value: Any) -> ValidationError:
    return ValidationError(f"takes {wanted}, not {type(value).__name__}")


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, enum.Enum) else value


def _as_it_is(value: Any) -> Any:
    return value


def _int(value: Any) -> int:
    value = _plain(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    raise _refuse("a whole number", value)


def _float(value: Any) -> float:
    value = _plain(value)
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise _refuse("a number", value)
    try:
        number = float(value)
    except OverflowError:
        raise ValidationError("takes a float; this whole number is larger than every float") from None
    if not math.isfinite(number):
        raise ValidationError(f"takes numbers, and {number} is none; use None")
    return number


def _text(value: Any) -> str:
    value = _plain(value)
    if isinstance(value, str):
        return _whole_text(str.__str__(value))
    raise _refuse("a str", value)


def _whole_text(value: str) -> str:
    if not is_unicode(value):
        raise ValidationError("takes text; this one holds half a surrogate pair, which has no UTF-8 form")
    return value


def is_unicode(text: str) -> bool:
    """Whether every character can be stored: half a surrogate pair cannot."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _bool(value: Any) -> bool:
    value = _plain(value)
    if isinstance(value, bool):
        return value
    raise _refuse("True or False", value)


def _bytes(value: Any) -> bytes:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(cast("bytes", value))
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, (list, tuple)):
        numbers = cast("list[Any]", value)
        if all(type(n) is int and 0 <= n <= 255 for n in numbers):
            return bytes(numbers)
        raise ValidationError("takes bytes; a list of them holds whole numbers from 0 to 255")
    raise _refuse("bytes, a str or a list of numbers", value)


def _json(value: Any) -> Any:
    # What comes back when it is read: keys are texts, tuples lists, dates their ISO texts.
    if type(value) is str:
        return _whole_text(value)
    return value if type(value) in (bool, int) else json.loads(_whole_text(json_text(value)))


def _array(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return _json(cast("list[Any]", value))
    raise _refuse("a list", value)


def _vector(value: Any) -> list[float]:
    if isinstance(value, (list, tuple)):
        return [_float(number) for number in cast("list[Any]", value)]
    raise _refuse("a list of numbers", value)


def _sparse(value: Any) -> list[list[Any]]:
    if not isinstance(value, (list, tuple)):
        raise _refuse("a list of [token, weight] pairs", value)
    pairs = cast("list[Any]", value)
    if not all(isinstance(pair, (list, tuple)) and len(cast("list[Any]", pair)) == 2 for pair in pairs):
        raise ValidationError("takes a list of [token, weight] pairs")
    return [[_token(token), _float(weight)] for token, weight in pairs]


def _token(token: Any) -> int | str:
    if isinstance(token, (int, str)) and not isinstance(token, bool):
        return token
    raise ValidationError(f"takes [token, weight] pairs whose token is a number or a text, not {token!r}")


def _decimal(value: Any) -> Decimal:
    value = _plain(value)
    if isinstance(value, bool) or not isinstance(value, (Decimal, int, str, float)):
        raise _refuse("a decimal number", value)
    try:
        return Decimal(repr(value) if isinstance(value, float) else value)
    except (InvalidOperation, ValueError):
        raise ValidationError(f"takes a decimal number, and {str(value)[:60]!r} is none") from None


def _read(kind: Kind, type_: type, wanted: str, but_not: type | None = None) -> Accept:
    """Values of a type as they are, and texts that are read as it."""
    read = TEXT_FORMS[kind]

    def accept(value: Any) -> Any:
        if isinstance(value, type_) and (but_not is None or not isinstance(value, but_not)):
            return value
        if isinstance(value, str):
            return read(value)
        raise _refuse(wanted, value)

    return accept


_BY_KIND: Mapping[Kind, Accept] = {
    Kind.INT: _int,
    Kind.FLOAT: _float,
    Kind.STR: _text,
    Kind.BOOL: _bool,
    Kind.BYTES: _bytes,
    Kind.JSON: _json,
    Kind.LIST: _vector,
    Kind.DECIMAL: _decimal,
    Kind.UUID: _read(Kind.UUID, uuid.UUID, "a UUID, or its text"),
    Kind.DATE: _read(Kind.DATE, datetime.date, "a date, or its text", but_not=datetime.datetime),
    Kind.TIME: _read(Kind.TIME, datetime.time, "a time of day, or its text"),
    Kind.DATETIME: _read(Kind.DATETIME, datetime.datetime, "a datetime, or its text"),
    Kind.TIMEDELTA: _read(Kind.TIMEDELTA, datetime.timedelta, "a timedelta, or its ISO 8601 text"),
}
_BY_STORAGE: Mapping[str, Accept] = {"array": _array, "sparse": _sparse}
