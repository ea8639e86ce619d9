"""Values of which a statement does not say the type: each travels as in a column of SQLAlchemy's usual type.

So it is found where such a column holds it, and read from where it was written.
"""

from __future__ import annotations

import datetime
import decimal
import enum
import uuid
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import TypeEngine

from rowstead.errors import ValidationError
from rowstead.tables.from_sqlalchemy import column_of_type
from rowstead.values.encoders import Encode, encoder, raw_encoder

USUAL: Mapping[type, TypeEngine[Any]] = {
    # A datetime is a date: the first that fits is taken.
    datetime.datetime: sa.DateTime(timezone=True),
    datetime.date: sa.Date(),
    datetime.time: sa.Time(),
    datetime.timedelta: sa.Interval(),
    uuid.UUID: sa.Uuid(),
    decimal.Decimal: sa.Numeric(),
    dict: sa.JSON(),
    list: sa.JSON(),
}
"""SQLAlchemy's types for values that not every database has: on those it stores a form of its own."""


@lru_cache(maxsize=8)
def encoder_by_value(codec: str) -> Encode:
    """What turns a value into what the driver takes. ValidationError for a member of an Enum."""
    form = raw_encoder(codec)
    if form is None:
        return _no_member
    columns = {kind: column_of_type("a parameter", type_, True) for kind, type_ in USUAL.items()}
    usual = {kind: encoder(column, codec) for kind, column in columns.items()}

    def encode(value: Any) -> Any:
        _no_member(value)
        for kind, convert in usual.items():
            if isinstance(value, kind):
                return convert(value)
        return form(value)

    return encode


def _no_member(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        raise ValidationError(
            f"a text does not say how its column keeps {type(value).__name__}: give the member's .name, "
            "which is what sa.Enum keeps, or its .value"
        )
    return value
