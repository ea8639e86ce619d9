"""What a literal of a check, or a limit of a rule, is beside a column: a value of the column's type.

Knows no SQL.
"""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from pydantic import TypeAdapter
from pydantic import ValidationError as PydanticError

from rowstead.errors import ValidationError
from rowstead.tables.schema import Column, Kind
from rowstead.values.widths import narrowed


def read_text(type_: Any, what: str) -> Callable[[str], Any]:
    """What reads a text as `type_`; a ValidationError that says `what` is expected."""
    adapter: TypeAdapter[Any] = TypeAdapter(type_)

    def read(text: str) -> Any:
        # Pydantic would take a number for seconds since 1970.
        try:
            if text.strip().lstrip("+-").replace(".", "", 1).isdigit() and type_ is not Decimal:
                raise ValueError
            return adapter.validate_python(text)
        except (PydanticError, ValueError):
            raise ValidationError(f"{text[:60]!r} is not {what}") from None

    return read


TEXT_FORMS: Mapping[Kind, Callable[[str], Any]] = {
    Kind.DATE: read_text(datetime.date, "a date; write one as YYYY-MM-DD"),
    Kind.TIME: read_text(datetime.time, "a time of day; write one as HH:MM:SS"),
    Kind.DATETIME: read_text(datetime.datetime, "a date and time; write one as YYYY-MM-DDTHH:MM:SSZ"),
    Kind.TIMEDELTA: read_text(datetime.timedelta, "a length of time; write one as ISO 8601 does: P1DT2H"),
    Kind.UUID: read_text(uuid.UUID, "a UUID; write it as 36 characters"),
}


def literal_value(column: Column, literal: str | bool | Decimal) -> Any:
    """The literal as a value of this column's type; None where it is of another kind.

    Raises ValidationError for a text that is no date, UUID, … where the column holds such values.
    """
    if isinstance(literal, Decimal):
        return _number(column, literal)
    if isinstance(literal, bool):
        return literal if column.kind is Kind.BOOL else None
    if column.kind is Kind.STR:
        return literal
    if column.kind is Kind.BYTES:
        return literal.encode()
    read = TEXT_FORMS.get(column.kind)
    if read is None:
        return None
    value = read(literal)
    narrow = narrowed(column)
    return value if narrow is None else narrow(value)


def _number(column: Column, number: Decimal) -> Any:
    if column.kind is Kind.DECIMAL:
        return number
    if column.kind is not Kind.FLOAT:
        return None
    narrow = narrowed(column)
    return float(number) if narrow is None else narrow(float(number))
