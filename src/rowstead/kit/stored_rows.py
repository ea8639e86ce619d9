"""Holds rows that are stored to the rules that no database knows: patterns, and what JSON and lists must be.

All other rules stand in the tables, where the database itself holds rows to them. Such a row comes from
another program, or from a raw statement. It changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rowstead.errors import ValidationError
from rowstead.kit.context import Context, checked
from rowstead.kit.pages import pages
from rowstead.plan import Plan
from rowstead.rules.columns import rule_trees, rules_of
from rowstead.tables.schema import Table

REPORTED = 20
"""Faults of one table that are told; the others are counted."""

Row = Mapping[str, Any]


def broken_rules(context: Context, table: Table) -> Plan[list[str]]:
    """A sentence for each value that is against such a rule of its column, up to a number."""
    names = _beyond_sql(table)
    told: list[str] = []
    more = 0
    for page in pages(context, table, names, None) if names else ():
        for fault in _faults(table, names, (yield from page)):
            if len(told) < REPORTED:
                told.append(fault)
            else:
                more += 1
    if more:
        told.append(f"{table.name}: {more} more faults like these, which are told when these are mended")
    return told


def _beyond_sql(table: Table) -> tuple[str, ...]:
    """The columns with a rule that is no constraint of the table."""
    return tuple(
        name
        for name, column in table.columns.items()
        if not rule_trees(column).keys() >= {rule.constraint for rule in rules_of(column)}
    )


def _faults(table: Table, names: Sequence[str], rows: Iterable[Row]) -> Iterator[str]:
    for row in rows:
        for name in names:
            try:
                checked(table, name, row[name])
            except ValidationError as error:
                yield f"{table.name}: the row with {shown_key(table, row)} breaks a rule: {error}"


def shown_key(table: Table, row: Row) -> str:
    """A row's key as a message shows it."""
    return ", ".join(f"{name} {row[name]!r}" for name in table.key)
