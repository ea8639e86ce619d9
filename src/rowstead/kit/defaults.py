"""What a missing value becomes: a constant, this moment, a UUID, a counter's next number, a function's.

Works on whole columns, so that a batch takes its numbers at once. Knows no rows and no statements.
"""

from __future__ import annotations

import copy
import datetime
import uuid
from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence
from time import time_ns
from typing import Any, cast

from rowstead.errors import RowsteadError, ValidationError, did_you_mean
from rowstead.plan import Plan
from rowstead.plans.sequences import take
from rowstead.statements.compiled import Compiler
from rowstead.tables.schema import Column, Kind, Table

Functions = Mapping[str, Callable[[], Any]]
"""Custom defaults by name."""

REFRESHED = frozenset({"now", "custom"})
"""Defaults that a generated column takes anew at each update; a number or a UUID is for good."""
NULL: Any = type("Null", (), {"__slots__": ()})()
"""A NULL that is meant, which no default takes the place of: what a file that is imported says."""
_UNCHANGING = (int, float, bool, str, bytes, type(None))


def now_for(column: Column, moment: datetime.datetime) -> Any:
    """This moment (in UTC) as the column holds it."""
    match column.kind:
        case Kind.DATETIME:
            return moment
        case Kind.DATE:
            return moment.date()
        case Kind.TIME:
            return moment.time()
        case Kind.INT:
            return time_ns()
        case _:
            return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def uuid_for(column: Column) -> Any:
    """A random UUID as the column holds it."""
    made = uuid.uuid4()
    return made if column.kind is Kind.UUID else str(made)


def fill(
    compiler: Compiler, functions: Functions, table: Table, column: Column, count: int
) -> Plan[Sequence[Any]]:
    """`count` values of the column's default."""
    default = column.default
    if default is None:
        return [None] * count
    match default.kind:
        case "static":
            shared = isinstance(default.value, _UNCHANGING)
            return [default.value if shared else copy.deepcopy(default.value) for _ in range(count)]
        case "now":
            return [now_for(column, datetime.datetime.now(datetime.UTC))] * count
        case "uuid":
            return [uuid_for(column) for _ in range(count)]
        case "sequence":
            return (yield from _numbers(compiler, table, column, count)) if count else []
        case _:
            function = _registered(functions, table, column, default.value)
            return [function() for _ in range(count)]


def _numbers(compiler: Compiler, table: Table, column: Column, count: int) -> Plan[Sequence[int]]:
    assert column.default is not None
    try:
        return (yield from take(compiler, column.default.value, count))
    except RowsteadError as error:
        error.table, error.column = error.table or table.name, error.column or column.name
        raise


def _registered(functions: Functions, table: Table, column: Column, name: str) -> Callable[[], Any]:
    try:
        return functions[name]
    except KeyError:
        raise ValidationError(
            f"the default {name!r} of {table.name}.{column.name} has no function: "
            f"db.register_default({name!r}, function); {did_you_mean(name, functions)}",
            table=table.name,
            column=column.name,
        ) from None


def chosen_by_hand(table: Table, row: Mapping[str, Any], names: Mapping[str, Any]) -> dict[str, int]:
    """The greatest number by counter that a checked row has, of the columns that `names` has a value for."""
    numbers: dict[str, int] = {}
    for name, counter in counters_of(table):
        if names.get(name) is not None and row[name] is not None:
            numbers[counter] = max(row[name], numbers.get(counter, row[name]))
    return numbers


def counters_of(table: Table) -> Sequence[tuple[str, str]]:
    """The columns that take numbers from a counter, and what it is called."""
    pairs: Sequence[tuple[str, str]] | None = table.facts.get("kit_counters")
    if pairs is None:
        defaults = [(name, column.default) for name, column in table.columns.items()]
        pairs = [(name, d.value) for name, d in defaults if d is not None and d.kind == "sequence"]
        table.facts["kit_counters"] = pairs
    return pairs


def sequences_of(tables: Mapping[str, Table]) -> list[str]:
    """The names of all counters that the tables' defaults take numbers from."""
    return list(dict.fromkeys(counter for table in tables.values() for _, counter in counters_of(table)))


def refreshed(
    compiler: Compiler, functions: Functions, table: Table, given: Mapping[str, Any]
) -> Plan[dict[str, Any]]:
    """New values for the generated columns that an update does not name."""
    fresh: dict[str, Any] = {}
    for name, column in table.columns.items():
        refreshes = column.generated and column.default is not None and column.default.kind in REFRESHED
        if refreshes and name not in given:
            (fresh[name],) = yield from fill(compiler, functions, table, column, 1)
    return fresh


class Registered:
    """The custom defaults of one handle, or of all of them; calling it adds one."""

    def __init__(self, functions: dict[str, Callable[[], Any]], shared: Functions) -> None:
        self._own = functions
        self.functions: Functions = ChainMap(functions, cast("dict[str, Callable[[], Any]]", shared))

    def __call__(self, name: str, function: Callable[[], Any]) -> None:
        """Let `{"custom_name": name}` be what `function()` gives, called once for each value."""
        if not callable(function):
            raise ValidationError(f"the default {name!r} needs a function without arguments")
        self._own[name] = function


class Registry:
    """An attribute that registers custom defaults: on an instance for it alone, on the class for all."""

    def __init__(self) -> None:
        self._shared: dict[str, Callable[[], Any]] = {}

    def __get__(self, instance: Any, _owner: type[Any]) -> Registered:
        if instance is None:
            return Registered(self._shared, {})
        return Registered(self._own(instance), self._shared)

    def _own(self, instance: object) -> dict[str, Callable[[], Any]]:
        return vars(instance).setdefault("_own_defaults", {})
