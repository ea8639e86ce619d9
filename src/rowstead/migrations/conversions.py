"""Changing a column's type where every value survives it: one entry per pair of kinds and database.

An entry has the expression that makes the new value of the old, and the condition under which nothing
is lost by it. What has no entry can only be changed while the column has no values. Data, spelled in
each database's SQL; `{c}` is the column, `{low}` and `{high}` the new type's bounds. What no SQL can
tell of a value without failing, Python looks at (`survivors`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from rowstead.dialects import Dialect
from rowstead.migrations.survivors import (
    date_of_text,
    decimal_of_text,
    float32_of_float,
    float_of_text,
    json_of_text,
    text_of_bytes,
)
from rowstead.tables.schema import Column, Kind


@dataclass(frozen=True, slots=True)
class Conversion:
    """How a value becomes another kind of value, and when it can be had back."""

    value: str
    lossless: str = "1 = 1"
    survives: Callable[[Column, Any], Any] | None = None
    """Given the new column and a value: raises ValueError where it would be lost. None: SQL tells."""


_FITS = "{c} BETWEEN {low} AND {high}"
_INTEGER = "^(0|-?[1-9][0-9]{{0,18}})$"
_UUID = "^[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}$"
_HEX = "[0-9a-f]"
_UUID_GLOB = "-".join(_HEX * n for n in (8, 4, 4, 4, 12))
# 2^63 as a double: the first that no 64-bit integer has.
_WHOLE = "{c} >= -9223372036854775808.0 AND {c} < 9223372036854775808.0"

_POSTGRESQL: Mapping[tuple[Kind, Kind], Conversion] = {
    (Kind.INT, Kind.INT): Conversion("{c}", _FITS),
    (Kind.INT, Kind.STR): Conversion("{c}::text"),
    (Kind.INT, Kind.FLOAT): Conversion(
        "{c}::float8",
        "CASE WHEN {c}::float8 < 9223372036854775808.0 THEN {c}::float8::bigint = {c} ELSE false END",
    ),
    (Kind.INT, Kind.DECIMAL): Conversion("{c}::numeric"),
    (Kind.INT, Kind.BOOL): Conversion("{c} <> 0", "{c} IN (0, 1)"),
    (Kind.BOOL, Kind.INT): Conversion("{c}::int"),
    (Kind.BOOL, Kind.STR): Conversion("CASE {c} WHEN true THEN 'true' WHEN false THEN 'false' END"),
    (Kind.FLOAT, Kind.INT): Conversion(
        "{c}::bigint",
        f"CASE WHEN {_WHOLE} THEN {{c}} = trunc({{c}}) AND {{c}}::bigint BETWEEN {{low}} AND {{high}} "
        "ELSE false END",
    ),
    (Kind.STR, Kind.INT): Conversion(
        "{c}::bigint",
        f"CASE WHEN {{c}} ~ '{_INTEGER}' THEN {{c}}::numeric BETWEEN {{low}} AND {{high}} ELSE false END",
    ),
    (Kind.STR, Kind.BOOL): Conversion("{c} = 'true'", "{c} IN ('true', 'false')"),
    (Kind.STR, Kind.UUID): Conversion("{c}::uuid", f"{{c}} ~ '{_UUID}'"),
    (Kind.STR, Kind.DATE): Conversion(
        "{c}::date", "{c} ~ '^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}$'", survives=date_of_text
    ),
    (Kind.STR, Kind.BYTES): Conversion("convert_to({c}, 'UTF8')"),
    (Kind.STR, Kind.FLOAT): Conversion("{c}::float8", survives=float_of_text),
    (Kind.STR, Kind.DECIMAL): Conversion("{c}::numeric", survives=decimal_of_text),
    (Kind.STR, Kind.JSON): Conversion("{c}::jsonb", survives=json_of_text),
    (Kind.BYTES, Kind.STR): Conversion("convert_from({c}, 'UTF8')", survives=text_of_bytes),
    (Kind.JSON, Kind.STR): Conversion("{c}::text"),
    (Kind.FLOAT, Kind.STR): Conversion("{c}::float8::text"),
    (Kind.FLOAT, Kind.FLOAT): Conversion("{c}::real", survives=float32_of_float),
    (Kind.UUID, Kind.STR): Conversion("{c}::text"),
    (Kind.DATE, Kind.STR): Conversion(
        "to_char({c}, 'YYYY-MM-DD')", "{c} BETWEEN '0001-01-01' AND '9999-12-31'"
    ),
}
_SQLITE: Mapping[tuple[Kind, Kind], Conversion] = {
    (Kind.INT, Kind.INT): Conversion("{c}", _FITS),
    (Kind.INT, Kind.STR): Conversion("CAST({c} AS TEXT)"),
    (Kind.INT, Kind.FLOAT): Conversion(
        "CAST({c} AS REAL)",
        "CAST({c} AS REAL) < 9223372036854775807 AND CAST(CAST({c} AS REAL) AS INTEGER) = {c}",
    ),
    (Kind.INT, Kind.DECIMAL): Conversion("CAST({c} AS TEXT)"),
    (Kind.INT, Kind.BOOL): Conversion("{c}", "{c} IN (0, 1)"),
    (Kind.BOOL, Kind.INT): Conversion("{c}"),
    (Kind.BOOL, Kind.STR): Conversion("CASE {c} WHEN true THEN 'true' WHEN false THEN 'false' END"),
    (Kind.FLOAT, Kind.INT): Conversion(
        "CAST({c} AS INTEGER)",
        f"{_WHOLE} AND CAST({{c}} AS INTEGER) = {{c}} "
        "AND CAST({c} AS INTEGER) BETWEEN {low} AND {high}",
    ),
    (Kind.STR, Kind.INT): Conversion(
        "CAST({c} AS INTEGER)",
        "CAST(CAST({c} AS INTEGER) AS TEXT) = {c} AND CAST({c} AS INTEGER) BETWEEN {low} AND {high}",
    ),
    (Kind.STR, Kind.BOOL): Conversion("{c} = 'true'", "{c} IN ('true', 'false')"),
    (Kind.STR, Kind.UUID): Conversion("{c}", f"{{c}} GLOB '{_UUID_GLOB}'"),
    # By way of a number 30 February is 1 March, another text.
    (Kind.STR, Kind.DATE): Conversion(
        "{c}", "{c} GLOB '[0-9]*' AND length({c}) = 10 AND date(julianday({c})) = {c}"
    ),
    (Kind.STR, Kind.BYTES): Conversion("CAST({c} AS BLOB)"),
    # The file's own casts round, and write fewer digits than a float has.
    (Kind.STR, Kind.FLOAT): Conversion("rowstead_converted('float', {c})", survives=float_of_text),
    (Kind.STR, Kind.DECIMAL): Conversion("rowstead_converted('decimal', {c})", survives=decimal_of_text),
    (Kind.STR, Kind.JSON): Conversion("rowstead_converted('json', {c})", survives=json_of_text),
    (Kind.BYTES, Kind.STR): Conversion("CAST({c} AS TEXT)", survives=text_of_bytes),
    (Kind.JSON, Kind.STR): Conversion("{c}"),
    (Kind.FLOAT, Kind.STR): Conversion("rowstead_converted('text', {c})"),
    (Kind.FLOAT, Kind.FLOAT): Conversion("{c}", survives=float32_of_float),
    (Kind.UUID, Kind.STR): Conversion("{c}"),
    (Kind.DATE, Kind.STR): Conversion("{c}"),
}
CONVERSIONS: Mapping[str, Mapping[tuple[Kind, Kind], Conversion]] = {
    "postgresql": _POSTGRESQL,
    "sqlite": _SQLITE,
}

_UNCHANGED = Conversion("{c}")
_NARROWING = frozenset({Kind.INT, Kind.FLOAT})
"""Kinds of several widths, of which a value of the wider may fit the narrower."""


def conversion(old: Column, new: Column, dialect: Dialect, quoted: str) -> Conversion | None:
    """How values of `old` become values of `new`, for the column of this quoted name; None: they cannot."""
    found = CONVERSIONS[dialect.name].get((old.kind, new.kind))
    if old.kind is new.kind and (old.kind not in _NARROWING or not _narrower(old, new)):
        found = None if _narrower(old, new) or old.element is not new.element else _UNCHANGED
    becomes_short = old.kind is not Kind.FLOAT and new.kind is Kind.FLOAT and new.size == 32
    if found is None or becomes_short:
        return None
    low, high = _bounds(new)
    value, lossless = (text.format(c=quoted, low=low, high=high) for text in (found.value, found.lossless))
    return replace(found, value=value, lossless=lossless)


def _narrower(old: Column, new: Column) -> bool:
    return new.size is not None and (old.size is None or new.size < old.size)


def _bounds(column: Column) -> tuple[int, int]:
    bits = column.size or 64
    return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
