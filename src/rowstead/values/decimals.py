"""How a Decimal is written where the database has no decimal type (SQLite), and read back.

Canonical text is plain notation without exponent and without trailing fractional zeros, so that
equal numbers are equal texts. NUMERIC affinity turns numeric text into a binary REAL, which keeps
15 digits; longer numbers end in the guard letter `d`, which makes them text that stays as it is.
Pure functions; knows no database library.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Context, Decimal, Inexact, InvalidOperation

from rowstead.errors import DataError

GUARD = "d"
EXACT_DIGITS = 15
"""Significant digits that survive the way through a REAL."""
PLAIN_LENGTH = 30
"""Longer text is guarded too: far from 1, reading a REAL is not exact even with few digits."""
MOST_DIGITS = 131_072
"""Before the point, and after it: PostgreSQL's own limit, roughly."""

_EXACT = Context(prec=2 * MOST_DIGITS + 2, traps=[Inexact])
_AVERAGE = Context(prec=28)


def decimal_text(number: Decimal) -> str:
    """The canonical text of a number; DataError when it has more digits than any database takes."""
    if not number.is_finite():
        return "NaN" if number.is_nan() else str(number)
    exponent = number.as_tuple().exponent
    if number.adjusted() > MOST_DIGITS or (isinstance(exponent, int) and -exponent > MOST_DIGITS):
        raise DataError(f"a decimal number with more than {MOST_DIGITS} digits cannot be stored")
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    if text in ("0", "-0"):
        return "0"
    if len(text) <= EXACT_DIGITS:
        return text
    digits = text.lstrip("-").replace(".", "").strip("0")
    return text + GUARD if len(digits) > EXACT_DIGITS or len(text) > PLAIN_LENGTH else text


def decimal_value(stored: int | float | str) -> Decimal:
    """The number that was stored, in any form that SQLite gives it back in.

    A REAL is read with 15 digits, which is what it is known to hold (PostgreSQL reads it so too).
    """
    if isinstance(stored, str):
        try:
            return Decimal(stored.removesuffix(GUARD))
        except InvalidOperation:
            raise DataError(f"{stored[:40]!r} is stored where a decimal number was expected") from None
    if isinstance(stored, float):
        return Decimal(f"{stored:.15g}")
    return Decimal(stored)


def decimal_sum(a: int | float | str, b: int | float | str) -> str:
    """The exact sum of two stored numbers, as canonical text."""
    return decimal_text(_EXACT.add(decimal_value(a), decimal_value(b)))


def decimals_together(function: str, stored: Sequence[int | float | str]) -> str:
    """The exact sum, min or max of some stored numbers, or their avg to 28 digits, as canonical text."""
    if function in ("min", "max"):
        pick = min if function == "min" else max
        return decimal_text(decimal_value(pick(stored, key=decimal_key)))
    total = Decimal(0)
    for number in map(decimal_value, stored):
        total = _EXACT.add(total, number)
    return decimal_text(total if function == "sum" else _AVERAGE.divide(total, Decimal(len(stored))))


def decimal_key(stored: int | float | str) -> str:
    """A text whose binary order is the numbers' order: -Infinity, negatives, 0, positives, NaN."""
    number = decimal_value(stored)
    if number.is_nan():
        return "5"
    if number.is_infinite():
        return "0" if number < 0 else "4"
    if not number:
        return "2"
    _, digits, _ = number.as_tuple()
    significant = "".join(map(str, digits)).rstrip("0")
    magnitude = f"{number.adjusted() + _BIAS:019d}{significant}"
    if number > 0:
        return "3" + magnitude
    # Of two negatives the larger magnitude comes first; `~` stands after every digit, so that of
    # two that begin alike the shorter comes last.
    return "1" + magnitude.translate(_COMPLEMENT) + "~"


_BIAS = 4 * 10**18
_COMPLEMENT = str.maketrans("0123456789", "9876543210")
