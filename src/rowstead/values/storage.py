"""The column types of a schema that is written as data, by the names that such a schema gives them.

One entry says how a type travels (kind, Python type), how wide it is and what it is on a server. What
may be put into it beyond that stands in `rules`. Knows no SQL and no face.
"""

from __future__ import annotations

import datetime
import decimal
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import AwareDatetime

from rowstead.tables.schema import Column, Kind


@dataclass(frozen=True, slots=True)
class Storage:
    """One column type. `element` is what a list holds."""

    kind: Kind
    type: Any
    size: int | None = None
    element: Column | None = None


_NUMBER = Column("element", Kind.FLOAT, float)

STORAGE: Mapping[str, Storage] = {
    "int8": Storage(Kind.INT, int, 8),
    "int16": Storage(Kind.INT, int, 16),
    "int32": Storage(Kind.INT, int, 32),
    "int64": Storage(Kind.INT, int, 64),
    "float32": Storage(Kind.FLOAT, float, 32),
    "float64": Storage(Kind.FLOAT, float, 64),
    "text": Storage(Kind.STR, str),
    "bool": Storage(Kind.BOOL, bool),
    "json": Storage(Kind.JSON, Any),
    "json_native": Storage(Kind.JSON, Any),
    "bytes": Storage(Kind.BYTES, bytes),
    # Nanoseconds since 1970, an integer, which also takes a datetime.
    "timestamp_nanos": Storage(Kind.INT, int, 64),
    "date": Storage(Kind.DATE, datetime.date),
    # Takes an integer too: milliseconds since 1970.
    "date64": Storage(Kind.DATE, datetime.date),
    # A moment: without a zone it is in UTC.
    "date_time": Storage(Kind.DATETIME, AwareDatetime),
    # Takes an integer too: nanoseconds since midnight.
    "time64": Storage(Kind.TIME, datetime.time),
    "interval": Storage(Kind.TIMEDELTA, datetime.timedelta),
    "decimal128": Storage(Kind.DECIMAL, decimal.Decimal, 128),
    "uuid": Storage(Kind.UUID, uuid.UUID),
    "array": Storage(Kind.JSON, list),
    # Pairs of a token and its weight.
    "sparse": Storage(Kind.JSON, list),
    "embedding": Storage(Kind.LIST, list, element=_NUMBER),
}
