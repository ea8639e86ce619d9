"""What holds a value, already of its column's Python type, to the column's width, zone or unit.

`other_form` and `narrowed` are asked once per column, when its encoder is made. A value that does not
fit is a ValidationError on every backend alike: nothing is wrapped, clamped or cut (a float32 is
rounded to the nearest, as its every use would). Knows no database.
"""

from __future__ import annotations

import datetime
import decimal
import struct
from collections.abc import Callable, Mapping
from typing import Any

from rowstead.errors import ValidationError
from rowstead.tables.schema import Column, Kind

NANOS = "timestamp_nanos"
MOMENT = "date_time"
DECIMAL_DIGITS = 38
"""Of a 128 bit decimal number."""
_UTC = datetime.UTC
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=_UTC)
_MICROSECOND = datetime.timedelta(microseconds=1)
_FLOAT32 = struct.Struct("<f")


def bounds(bits: int) -> tuple[int, int]:
    """The least and the greatest whole number of this many bits."""
    return -(1 << bits - 1), (1 << bits - 1) - 1


def whole_number(column: Column, bits: int) -> Callable[[int], int]:
    """What holds whole numbers to a width."""
    least, greatest = bounds(bits)

    def hold(value: int) -> int:
        if least <= value <= greatest:
            return value
        raise ValidationError(
            f"column {column.name!r} is a whole number of {bits} bits, from {least} to {greatest}; "
            f"{_short(value)} does not fit",
            column=column.name,
        )

    return hold


def _short(value: int) -> str:
    # Python refuses to write a number of thousands of digits.
    return str(value) if value.bit_length() < 1024 else f"a number of {value.bit_length()} bits"


def float32(column: Column) -> Callable[[float], float]:
    """What rounds numbers to 32 bits."""

    def hold(value: float) -> float:
        try:
            return _FLOAT32.unpack(_FLOAT32.pack(value))[0]
        except OverflowError:
            raise ValidationError(
                f"column {column.name!r} is a float of 32 bits, at most 3.4e38; {value!r} does not fit",
                column=column.name,
            ) from None

    return hold


def decimal128(column: Column) -> Callable[[decimal.Decimal], decimal.Decimal]:
    """What holds decimal numbers to the digits of 128 bits."""

    def hold(value: decimal.Decimal) -> decimal.Decimal:
        if not value.is_finite():
            raise ValidationError(f"column {column.name!r} takes numbers, not {value}", column=column.name)
        _, digits, exponent = value.as_tuple()
        zeros = max(int(exponent), 0) if any(digits) else 0
        significant = len(digits) + zeros
        places = -int(exponent)
        if max(significant, places) > DECIMAL_DIGITS:
            raise ValidationError(
                f"column {column.name!r} holds decimal numbers of {DECIMAL_DIGITS} digits; one of "
                f"{max(significant, places)} digits does not fit",
                column=column.name,
            )
        return value

    return hold


def in_utc(value: datetime.datetime) -> datetime.datetime:
    """The moment in UTC; one without a zone is taken to be in UTC already."""
    if value.tzinfo is None:
        return value.replace(tzinfo=_UTC)
    try:
        return value.astimezone(_UTC)
    except OverflowError:
        raise ValidationError(f"{value.isoformat()} is outside the years 1 to 9999 in UTC") from None


def without_zone(value: datetime.time) -> datetime.time:
    """A time of day as it is; a zone would be lost where it is stored, so that it is refused."""
    if value.tzinfo is not None:
        raise ValidationError("a time of day is kept without a zone; take .replace(tzinfo=None)")
    return value


def microseconds(value: datetime.timedelta) -> int:
    """A length of time in whole microseconds, of which 64 bits are what can be stored everywhere."""
    number = (value.days * 86_400 + value.seconds) * 1_000_000 + value.microseconds
    if -(1 << 63) <= number < 1 << 63:
        return number
    raise ValidationError(f"a length of time is at most 106751991 days, not {value.days}")


def storable_length(value: datetime.timedelta) -> datetime.timedelta:
    """A length of time as it is; one that 64 bits of microseconds do not hold is refused."""
    microseconds(value)
    return value


_BY_STORAGE: Mapping[str, Callable[[Any], Any]] = {
    MOMENT: in_utc,
    "time64": without_zone,
    "interval": storable_length,
}


def nanoseconds(value: datetime.datetime) -> int:
    """Nanoseconds since 1970."""
    return (in_utc(value) - _EPOCH) // _MICROSECOND * 1000


def date_of_milliseconds(value: int) -> datetime.date:
    """The day of a moment in milliseconds since 1970."""
    try:
        return (_EPOCH + datetime.timedelta(milliseconds=value)).date()
    except OverflowError:
        raise ValidationError(
            f"{_short(value)} milliseconds since 1970 is no day of the years 1 to 9999"
        ) from None


def time_of_nanoseconds(value: int) -> datetime.time:
    """The time of day this many nanoseconds after midnight; whole microseconds only."""
    microseconds, rest = divmod(value, 1000)
    if rest or not 0 <= microseconds < 86_400_000_000:
        raise ValidationError(
            "a time of day in nanoseconds is from 0 to 86399999999000, in whole microseconds, "
            f"not {_short(value)}"
        )
    return (_EPOCH + datetime.timedelta(microseconds=microseconds)).time()


_OTHER_FORMS: Mapping[str, tuple[type, Callable[[Any], Any]]] = {
    NANOS: (datetime.datetime, nanoseconds),
    "date64": (int, date_of_milliseconds),
    "time64": (int, time_of_nanoseconds),
}


def other_form(column: Column) -> tuple[type, Callable[[Any], Any]] | None:
    """A second Python type that the column takes, and what makes the first of it."""
    return None if column.storage is None else _OTHER_FORMS.get(column.storage)


def narrowed(column: Column) -> Callable[[Any], Any] | None:
    """What a value of the column's Python type passes through; None where all of them fit.

    64 bits are what every driver holds a whole number to.
    """
    if column.storage is not None and column.storage in _BY_STORAGE:
        return _BY_STORAGE[column.storage]
    if column.size is None:
        return None
    if column.kind is Kind.INT:
        return whole_number(column, column.size) if column.size < 64 or column.storage == NANOS else None
    if column.kind is Kind.DECIMAL:
        return decimal128(column)
    return float32(column) if column.kind is Kind.FLOAT and column.size == 32 else None
