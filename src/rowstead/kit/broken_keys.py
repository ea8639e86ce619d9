"""Which foreign key refused a write, where the database does not say: it is asked, after the failure.

The statement has been undone, so that every question is about the state before it. Written as plans;
nothing here is run while writes succeed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rowstead.kit.context import Context
from rowstead.plan import Plan
from rowstead.schema import ForeignKey, Table
from rowstead.shapes import Shape

KEYS_AT_ONCE = 100
"""Rows with a composite key that one question is about."""

Row = Mapping[str, Any]


class Rows(NamedTuple):
    """The rows of a table that fulfil a condition."""

    table: Table
    shape: Shape
    values: Sequence[Any]


class Broken(NamedTuple):
    """A foreign key that refuses the write, and the row that it refuses where it is one of those given."""

    key: ForeignKey
    row: Row | None = None


# Rows that refer to nothing


def of_new_rows(context: Context, table: Table, rows: Sequence[Row]) -> Plan[Broken | None]:
    """The first foreign key that one of these rows breaks if it is inserted."""
    for key in table.foreign_keys:
        row = yield from _without_parent(context, table, key, rows)
        if row is not None:
            return Broken(key, row)
    for key in table.foreign_keys:
        row = _before_its_parent(key, rows) if key.table == table.name else None
        if row is not None:
            return Broken(key, row)
    return None


def _without_parent(context: Context, table: Table, key: ForeignKey, rows: Sequence[Row]) -> Plan[Row | None]:
    """The first row whose parent is neither stored nor among the rows."""
    own = _given(key.references, rows) if key.table == table.name else ()
    asked: list[list[Any]] = []
    hashable: set[tuple[Any, ...]] = set()
    for row in rows:
        values = [row.get(name) for name in key.columns]
        if None in values or values in own:
            continue
        try:
            is_known = tuple(values) in hashable
            hashable.add(tuple(values))
        except TypeError:
            is_known = values in asked
            asked.append(values)
        if not is_known and not (yield from _is_there(context, key, values)):
            return row
    return None


def _before_its_parent(key: ForeignKey, rows: Sequence[Row]) -> Row | None:
    """The first row that refers to one that comes behind it."""
    places = {repr([row.get(name) for name in key.references]): place for place, row in enumerate(rows)}
    for place, row in enumerate(rows):
        values = [row.get(name) for name in key.columns]
        if None not in values and places.get(repr(values), place) > place:
            return row
    return None


def _given(names: Sequence[str], rows: Sequence[Row]) -> Sequence[list[Any]] | _Members:
    return _Members([row.get(name) for name in names] for row in rows)


def of_changed_rows(context: Context, rows: Rows, changes: Row) -> Plan[Broken | None]:
    """The first foreign key that one of these rows breaks with the changes made."""
    for key in rows.table.foreign_keys:
        if changes.keys().isdisjoint(key.columns):
            continue
        kept = tuple(name for name in key.columns if name not in changes)
        for row in (yield from _different(context, rows, kept)) if kept else [{}]:
            after = {**row, **changes}
            values = [after[name] for name in key.columns]
            if None in values or (key.table == rows.table.name and _is_itself(key, values, changes)):
                continue
            if not (yield from _is_there(context, key, values)):
                return Broken(key)
    return None
