"""Counters that columns begin to take numbers from: set behind the numbers that rows have already."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from rowstead.errors import UndefinedColumnError, UndefinedTableError, ValidationError
from rowstead.kit.context import Context
from rowstead.kit.defaults import counters_of
from rowstead.kit.reading import aggregate
from rowstead.plan import Plan
from rowstead.plans.sequences import LARGEST, pass_by
from rowstead.statements.compiled import Compiler
from rowstead.tables.schema import Table

Counted: TypeAlias = tuple[str, str, str]
"""A table, a column of it, and the counter that it takes numbers from."""


def counted_columns(tables: Mapping[str, Table]) -> list[Counted]:
    """All columns of the tables that take numbers from a counter."""
    return [(name, *pair) for name, table in tables.items() for pair in counters_of(table)]


def go_behind_rows(compiler: Compiler, tables: Mapping[str, Table], counted: Iterable[Counted]) -> Plan[None]:
    """Let the counters, which are there, give no number that a row has. A missing column has none."""
    context = Context(compiler, tables, {})
    for table, column, counter in counted:
        greatest = [{"func": "max", "alias": "greatest", "column": column}]
        try:
            rows: list[dict[str, Any]] = yield aggregate(context, table, greatest, *(None,) * 7)
        except (UndefinedTableError, UndefinedColumnError):
            continue
        number = rows[0]["greatest"]
        if number is not None:
            yield from pass_by(compiler, counter, number)


def pass_by_before(
    context: Context, table: Table, name: str, values: list[Any] | None, numbers: Mapping[str, int]
) -> Plan[None]:
    """Where some rows bring a number and others take one, these must be behind those."""
    counter = dict(counters_of(table))[name]
    missing = 0 if values is None else values.count(None)
    if not missing or counter not in numbers:
        return
    if numbers[counter] > LARGEST - missing:
        raise ValidationError(
            f"behind {numbers[counter]} the sequence {counter!r} has no {missing} numbers left for the rows "
            f"without {table.name}.{name}",
            table=table.name,
            column=name,
        )
    yield from pass_by(context.compiler, counter, numbers[counter])
