"""One column of a schema dict, read into a `schema.Column`. Every mistake is a ValidationError."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, cast

from rowstead.errors import did_you_mean
from rowstead.kit.entries import (
    entries,
    flag,
    is_whole,
    mistake,
    name_of,
    number_of,
    require_unicode,
    saying_where,
    several,
)
from rowstead.plans.sequences import check_name
from rowstead.rules.columns import checker
from rowstead.rules.patterns import pattern
from rowstead.tables.schema import Column, Default, Kind, Rules, Table
from rowstead.values.encoders import jsonable
from rowstead.values.storage import STORAGE

_COLUMN_KEYS = (
    "id",
    "name",
    "storage_type",
    "application_type",
    "nullable",
    "primary_key",
    "generated",
    "default",
    "enum_values",
    "embedding_dim",
    "embedding_source",
    "min",
    "max",
    "min_length",
    "max_length",
    "regex",
    "check_expr",
)
_NOW = frozenset({Kind.STR, Kind.JSON, Kind.BYTES, Kind.DATE, Kind.DATETIME, Kind.TIME})
_DEFAULTS = '"now", "uuid", {"static": …}, {"sequence": name} or {"custom_name": name}'


def read_column(given: Any, table: str) -> tuple[Column, Mapping[str, Any]]:
    """The column, and what of it concerns the table: `primary_key` and `check_expr`."""
    found = entries(given, f"{table}, a column", _COLUMN_KEYS, ("id", "name", "storage_type"))
    name = name_of(found["name"], f"{table}, a column")
    where = f"{table}, column {name!r}"
    storage_name = found["storage_type"]
    storage = STORAGE.get(storage_name) if isinstance(storage_name, str) else None
    if storage is None:
        raise mistake(
            where,
            f"there is no storage_type {storage_name!r}; {did_you_mean(str(storage_name), STORAGE)}",
            name,
        )
    flags = {key: flag(found, key, where) for key in ("nullable", "primary_key", "generated")}
    column = Column(
        name,
        storage.kind,
        storage.type,
        flags["nullable"],
        storage.element,
        size=storage.size,
        storage=storage_name,
        rules=_read_rules(found, where, name),
        default=_read_default(found.get("default"), where, name),
        generated=flags["generated"],
        number=number_of(found["id"], where),
    )
    return column, flags | {"check_expr": found.get("check_expr")}


def _read_rules(found: Mapping[str, Any], where: str, column: str) -> Rules | None:
    least, most = (_limit(found.get(key), key, where, column) for key in ("min", "max"))
    shortest, longest = (_length(found.get(key), key, where, column) for key in ("min_length", "max_length"))
    dimensions = _length(found.get("embedding_dim"), "embedding_dim", where, column)
    if found["storage_type"] == "embedding":
        if not dimensions:
            raise mistake(where, "embedding_dim, at least 1, is missing", column)
        shortest = longest = dimensions
    for low, high, what in ((least, most, "min"), (shortest, longest, "min_length")):
        if low is not None and high is not None and low > high:
            raise mistake(where, f"{what} {low} is greater than {what.replace('min', 'max')} {high}", column)
    regex = found.get("regex")
    if regex is not None:
        if not isinstance(regex, str):
            raise mistake(where, f"regex is a text, not {type(regex).__name__}", column)
        require_unicode(regex, where, "regex", column)
        saying_where(where, lambda: pattern(regex), column)
    rules = Rules(
        least,
        most,
        shortest,
        longest,
        regex,
        _choices(found.get("enum_values"), f"{where}, enum_values", column),
    )
    return None if rules == Rules() else rules


def _choices(given: Any, where: str, column: str) -> tuple[Any, ...] | None:
    if given is None:
        return None
    return tuple(_constant(choice, where, column) for choice in several(given, where))


def _limit(given: Any, key: str, where: str, column: str) -> float | None:
    if given is None:
        return None
    if isinstance(given, Decimal) and given.is_finite():
        given = int(given) if given == given.to_integral_value() else float(given)
    if not isinstance(given, (int, float)) or isinstance(given, bool) or not math.isfinite(given):
        raise mistake(where, f"{key} is a number, not {given!r}", column)
    return given


def _length(given: Any, key: str, where: str, column: str) -> int | None:
    if given is not None and (not is_whole(given) or given < 0):
        raise mistake(where, f"{key} is a whole number that is not negative, not {given!r}", column)
    return given


def _read_default(given: Any, where: str, column: str) -> Default | None:
    if given is None:
        return None
    if given in ("now", "uuid"):
        return Default(given)
    if isinstance(given, Mapping) and len(cast("Mapping[str, Any]", given)) == 1:
        ((kind, value),) = cast("Mapping[str, Any]", given).items()
        if kind == "static":
            return None if value is None else Default("static", _constant(value, f"{where}, default", column))
        if kind in ("sequence", "custom_name") and isinstance(value, str) and value:
            require_unicode(value, where, "the default's name", column)
            if kind == "sequence":
                return Default("sequence", saying_where(where, lambda: check_name(value), column))
            return Default("custom", value)
    raise mistake(where, f"a default is {_DEFAULTS}, not {given!r}", column)


def _constant(given: Any, where: str, column: str) -> Any:
    """A constant in its JSON form, whose texts every database can store."""
    form = saying_where(where, lambda: json_form(given), column)
    require_unicode(
        form if isinstance(form, str) else json.dumps(form, ensure_ascii=False), where, "the value", column
    )
    return form


def json_form(value: Any) -> Any:
    """A constant as a schema in JSON has it."""
    return list(value) if isinstance(value, (bytes, bytearray)) else jsonable(value)


def check_default(table: Table, column: Column, where: str) -> None:
    """Refuse a default that the column cannot hold."""
    default = column.default
    if default is None:
        return
    where = f"{where}, column {column.name!r}, default"
    if default.kind == "static":
        saying_where(where, lambda: checker(table, column)(default.value), column.name)
        return
    suits = {
        "now": column.kind in _NOW or column.storage == "timestamp_nanos",
        "uuid": column.kind in (Kind.STR, Kind.UUID),
        "sequence": column.kind is Kind.INT and column.storage != "timestamp_nanos",
    }
    if not suits.get(default.kind, True):
        raise mistake(where, f"{default.kind!r} makes no {column.storage}", column.name)
