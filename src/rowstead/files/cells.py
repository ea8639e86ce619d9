"""How a stored value stands in a file: as a cell of CSV, as a value in a line of JSON.

One form per kind, the same in both where JSON has none of its own: bytes are `\\x` and hexadecimal
digits, times ISO 8601, decimal numbers texts (a JSON number would lose digits). Every value that is
written reads back as itself. What a value must be beyond its form is the rules' business.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from rowstead.errors import ValidationError
from rowstead.tables.schema import Column, Kind
from rowstead.values.encoders import json_text, jsonable

Convert = Callable[[Any], Any]

_HEX = "\\x"
_WHOLE = re.compile(r"[+-]?[0-9]+\Z")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\Z")
_TRUTHS: Mapping[str, bool] = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}


class SpelledNumber(float):
    """A JSON number with a fraction, which remembers its digits for a decimal column."""

    text: str

    def __new__(cls, text: str) -> SpelledNumber:
        number = super().__new__(cls, text)
        number.text = text
        return number


def _same(value: Any) -> Any:
    return value


def _hex(value: bytes) -> str:
    return _HEX + value.hex()


def _truth(value: bool) -> str:
    return "true" if value else "false"


_TO_CELL: Mapping[Kind, Convert] = {
    Kind.STR: _same,
    Kind.BOOL: _truth,
    Kind.FLOAT: repr,
    Kind.BYTES: _hex,
    Kind.TIMEDELTA: jsonable,
    Kind.DATE: lambda value: value.isoformat(),
    Kind.TIME: lambda value: value.isoformat(),
    Kind.DATETIME: lambda value: value.isoformat(),
    Kind.JSON: json_text,
    Kind.LIST: json_text,
}
_TO_JSON: Mapping[Kind, Convert] = {
    kind: _TO_CELL.get(kind, str)
    for kind in (
        Kind.BYTES,
        Kind.TIMEDELTA,
        Kind.DATE,
        Kind.TIME,
        Kind.DATETIME,
        Kind.DECIMAL,
        Kind.UUID,
    )
}


def to_cell(column: Column) -> Callable[[Any], str]:
    """What writes the column's values, None left aside, as the text of a cell."""
    return _TO_CELL.get(column.kind, str)


def to_json_value(column: Column) -> Convert:
    """What makes of the column's values, None left aside, what JSON has."""
    return _TO_JSON.get(column.kind, _same)


def _whole(text: str) -> int:
    if _WHOLE.match(text) is None:
        raise ValidationError(f"takes a whole number, not {text[:60]!r}")
    try:
        return int(text)
    except ValueError:
        raise ValidationError("takes a whole number; this one has thousands of digits") from None


def _number(text: str) -> float:
    if _NUMBER.match(text) is None:
        raise ValidationError(f"takes a number, not {text[:60]!r}")
    return float(text)


def _bool(text: str) -> bool:
    truth = _TRUTHS.get(text.lower())
    if truth is None:
        raise ValidationError(f"takes true or false, not {text[:60]!r}")
    return truth


def _bytes(text: str) -> bytes:
    try:
        if text.startswith(_HEX):
            return bytes.fromhex(text[len(_HEX) :])
    except ValueError:
        pass
    raise ValidationError(rf"takes bytes, written as \x and two hexadecimal digits each, not {text[:60]!r}")


def _no_constant(name: str) -> Any:
    raise ValueError(f"JSON has no {name}")


def _each_once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """An object; of two values under one key, one would be lost without a word."""
    made: dict[str, Any] = {}
    for key, value in pairs:
        if key in made:
            raise ValueError(f"the key {key!r} stands twice in an object")
        made[key] = value
    return made


JSON_DECODER = json.JSONDecoder(
    parse_float=SpelledNumber, parse_constant=_no_constant, object_pairs_hook=_each_once
)
"""Reads the JSON of files."""


def parse_json(text: str) -> Any:
    """The value that a JSON text stands for; ValidationError where it is none."""
    try:
        return JSON_DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        raise ValidationError(f"is not JSON: {error}") from None


_FROM_CELL: Mapping[Kind, Convert] = {
    Kind.INT: _whole,
    Kind.FLOAT: _number,
    Kind.BOOL: _bool,
    Kind.BYTES: _bytes,
    Kind.JSON: parse_json,
    Kind.LIST: parse_json,
}


def _bytes_or_list(value: Any) -> Any:
    return _bytes(value) if isinstance(value, str) else value


def _exact(value: Any) -> Any:
    return Decimal(value.text) if isinstance(value, SpelledNumber) else value


_FROM_JSON: Mapping[Kind, Convert] = {Kind.BYTES: _bytes_or_list, Kind.DECIMAL: _exact}


def from_cell(column: Column) -> Callable[[str], Any]:
    """What reads a cell's text as a value that the column takes; raises ValidationError."""
    return _FROM_CELL.get(column.kind, _same)


def from_json_value(column: Column) -> Convert:
    """What makes of a JSON value one that the column takes; raises ValidationError."""
    return _FROM_JSON.get(column.kind, _same)
