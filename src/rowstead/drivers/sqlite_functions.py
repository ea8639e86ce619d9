"""The SQL functions that every SQLite connection of ours has.

They are what compiled statements need and SQLite lacks; all are deterministic, so an index on an
expression may use them. Knows `sqlite3` and nothing of connections' states.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

from rowstead.errors import DataError
from rowstead.values.decimals import decimal_key, decimal_sum, decimal_text, decimals_together

Stored = int | float | str | bytes | None


def register(connection: sqlite3.Connection) -> None:
    """Make the functions known to one connection."""
    for name, arguments, function in (
        ("rowstead_decimal", 1, _decimal),
        ("rowstead_decimal_add", 2, _decimal_add),
        ("rowstead_decimals", 2, _decimals),
        ("rowstead_ilike", 2, _ilike),
        ("rowstead_bytes", 1, _bytes),
        ("rowstead_converted", 2, _converted),
    ):
        connection.create_function(name, arguments, function, deterministic=True)


def _decimal(value: Stored) -> str | None:
    """The order of decimal numbers as text; what is no number stands after all that are."""
    if value is None:
        return None
    if isinstance(value, bytes):
        return "7" + value.hex()
    try:
        return decimal_key(value)
    except DataError:
        return f"6{value}"


def _decimal_add(a: Stored, b: Stored) -> str | None:
    if a is None or b is None:
        return None
    if isinstance(a, bytes) or isinstance(b, bytes):
        raise DataError("a blob is no decimal number")
    return decimal_sum(a, b)


def _decimals(function: str, stored: str) -> str | None:
    """The sum, min, max or avg of the numbers in a JSON list; its nulls are left out."""
    # A function of the list, and not an aggregate: those cannot be registered on every connection.
    numbers = [number for number in json.loads(stored, parse_float=str) if number is not None]
    return decimals_together(function, numbers) if numbers else None


def _bytes(hexadecimal: str | None) -> bytes | None:
    return None if hexadecimal is None else bytes.fromhex(hexadecimal)


def _converted(kind: str, value: Stored) -> Stored:
    """A value in another stored form, with every digit; for migrations, which know that it has one."""
    return None if value is None else _CONVERSIONS[kind](value)


def _float_text(value: Any) -> str:
    """The shortest text that gives the float back, as PostgreSQL writes it."""
    text = str(float(value))
    if text.removeprefix("-") in ("inf", "nan"):
        return text.replace("inf", "Infinity").replace("nan", "NaN")
    if "e" in text or abs(value) < 1e15:
        return text.removesuffix(".0")
    digits = text.removesuffix(".0")
    sign, digits = ("-", digits[1:]) if digits[0] == "-" else ("", digits)
    whole, _, rest = digits.partition(".")
    fraction = (whole[1:] + rest).rstrip("0")
    return f"{sign}{whole[0]}{'.' if fraction else ''}{fraction}e+{len(whole) - 1}"


def _json(text: Any) -> str:
    # Pydantic, which writes JSON, is not loaded by what only opens a file.
    from rowstead.values.encoders import json_text

    return json_text(json.loads(text))


_CONVERSIONS: Mapping[str, Callable[[Any], Stored]] = {
    "float": float,
    "decimal": lambda text: decimal_text(Decimal(text)),
    "json": _json,
    "text": _float_text,
}


def _ilike(pattern: Stored, value: Stored) -> int | None:
    """LIKE without regard to case in any alphabet: `%` any text, `_` one character, no escape."""
    if pattern is None or value is None or isinstance(value, bytes):
        return None
    return _like_pattern(str(pattern)).match(str(value)) is not None


@lru_cache(maxsize=256)
def _like_pattern(pattern: str) -> re.Pattern[str]:
    """The pattern as a regular expression that never backtracks over more than one part.

    Taking the first place where each part fits is always right for LIKE, hence the atomic groups.
    """
    first, *rest = (
        "".join("." if character == "_" else re.escape(character) for character in part)
        for part in pattern.split("%")
    )
    middle = "".join(f"(?>.*?{part})" for part in rest[:-1] if part)
    last = f".*{rest[-1]}" if rest else ""
    return re.compile(rf"{first}{middle}{last}\Z", re.IGNORECASE | re.DOTALL)
