"""Whether a value survives a change of its column's type, where only Python can tell. Pure.

Each function gives what the value becomes, or raises ValueError where something of it would be lost.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from rowstead.tables.schema import Column
from rowstead.values.encoders import json_text
from rowstead.values.widths import float32, narrowed

_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,99})(\.[0-9]{1,99})?([eE][+-]?[0-9]{1,3})?")
"""What every database reads as the same number."""


def float_of_text(_new: Column, text: str) -> float:
    """The float that is the number, not one near it."""
    number = float(_read(text))
    if Decimal(repr(number)) != Decimal(text):
        raise ValueError("a float is only near it")
    return number


def decimal_of_text(new: Column, text: str) -> Decimal:
    number = Decimal(_read(text))
    narrow = narrowed(new)
    return number if narrow is None else narrow(number)


def date_of_text(_new: Column, text: str) -> datetime.date:
    """The day, if there is one of this form."""
    return datetime.date.fromisoformat(text)


def _read(text: str) -> str:
    if _NUMBER.fullmatch(text) is None:
        raise ValueError("no number")
    return text


def float32_of_float(new: Column, number: float) -> float:
    short = float32(new)(number)
    if short != number and number == number:
        raise ValueError("a float of 32 bits is only near it")
    return short


def text_of_bytes(_new: Column, data: bytes) -> str:
    """The text whose UTF-8 the bytes are; without NUL, which not every database has in a text."""
    text = bytes(data).decode("utf-8")
    if "\0" in text:
        raise ValueError("a text has no NUL")
    return text


def json_of_text(new: Column, text: str) -> Any:
    """The JSON value; not null, which would be no value at all."""
    value = json.loads(
        text,
        parse_float=lambda number: float_of_text(new, number),
        parse_constant=_no_constant,
        object_pairs_hook=_each_once,
    )
    if value is None:
        raise ValueError("null would become NULL")
    # What a text cannot hold cannot be in JSON either.
    if "\\u0000" in json_text(value).encode().decode():
        raise ValueError("a text has no NUL")
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"JSON has no {name}")


def _each_once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name comes twice")
    return found
