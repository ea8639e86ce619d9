"""Which foreign key refused a write, where the database does not say: it is asked, after the failure.

The statement has been undone, so that every question is about the state before it. Written as plans;
nothing here is run while writes succeed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

from rowstead.kit.context import Context
from rowstead.language.conditions import read
from rowstead.language.shapes import VALUE, Outer, Shape, Subquery
from rowstead.plan import Plan
from rowstead.tables.constraints import refuses
from rowstead.tables.schema import ForeignKey, Table

KEYS_AT_ONCE = 100
"""Rows with a composite key that one question is about."""

Row = Mapping[str, Any]


class Rows(NamedTuple):
    """The rows of a table that fulfil a condition, whose values are `values`."""

    table: Table
    shape: Shape
    values: Sequence[Any]


class Broken(NamedTuple):
    """A foreign key that refuses the write, and the row that it refuses where that is one of those given."""

    key: ForeignKey
    row: Row | None = None


def key_of(row: Row, names: Sequence[str]) -> Hashable | None:
    """The row's values of these columns, to be compared with others; None where one is None."""
    values = tuple(row.get(name) for name in names)
    if None in values:
        return None
    try:
        hash(values)
    except TypeError:
        return repr(values)
    return values


# Rows that refer to nothing


def of_new_rows(context: Context, table: Table, rows: Sequence[Row]) -> Plan[Broken | None]:
    """The first foreign key that one of these rows breaks when all are inserted, in this order."""
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
    known = {key_of(row, key.references) for row in rows} if key.table == table.name else set[Any]()
    for row in rows:
        values = key_of(row, key.columns)
        if values is None or values in known:
            continue
        known.add(values)
        if not (yield from _is_there(context, key, row)):
            return row
    return None


def _before_its_parent(key: ForeignKey, rows: Sequence[Row]) -> Row | None:
    """The first row whose parent is among the rows, but behind it: of a circle, one has to be."""
    places = {key_of(row, key.references): place for place, row in enumerate(rows)}
    for place, row in enumerate(rows):
        values = key_of(row, key.columns)
        if values is not None and places.get(values, place) > place:
            return row
    return None


def of_changed_rows(context: Context, rows: Rows, changes: Row) -> Plan[Broken | None]:
    """The first foreign key that one of these rows breaks when the changes are made."""
    for key in rows.table.foreign_keys:
        if changes.keys().isdisjoint(key.columns):
            continue
        kept = tuple(name for name in key.columns if name not in changes)
        befores: Sequence[Row] = (yield from different(context, rows, kept)) if kept else [{}]
        for before in befores:
            after = {**before, **changes}
            values = key_of(after, key.columns)
            refers_to_itself = key.table == rows.table.name and values == key_of(changes, key.references)
            if values is None or refers_to_itself:
                continue
            if not (yield from _is_there(context, key, after)):
                return Broken(key)
    return None


def _is_there(context: Context, key: ForeignKey, row: Row) -> Plan[bool]:
    """Whether the parent that the row refers to is stored."""
    shape = ("and", *(("eq", name, VALUE) for name in key.references))
    parent = context.table(key.table)
    return (yield from is_any(context, Rows(parent, shape, [row[name] for name in key.columns])))


# Rows that others refer to


def of_parents(context: Context, rows: Rows, changes: Row | None) -> Plan[Broken | None]:
    """The first foreign key that stands against removing these rows, or (`changes`) against changing them.

    Cascades are followed from table to table, and within one.
    """
    action: Callable[[ForeignKey], str] = attrgetter("on_delete" if changes is None else "on_update")
    waiting = deque([(rows, frozenset(rows.table.all if changes is None else changes))])
    seen: dict[str, set[Hashable]] = {}
    while waiting:
        parents, changed = waiting.popleft()
        for child, key in _referring(context, parents.table):
            if changed.isdisjoint(key.references):
                continue
            children = _children(parents, child, key)
            if refuses(child, key, action(key)) and (yield from is_any(context, children)):
                return Broken(key)
            if action(key) == "cascade":
                taken = frozenset(child.all if changes is None else key.columns)
                further = yield from _reached(context, children, seen.setdefault(child.name, set()))
                waiting.extend((some, taken) for some in further)
    return None


def _referring(context: Context, parent: Table) -> Iterator[tuple[Table, ForeignKey]]:
    for child in context.tables.values():
        for key in child.foreign_keys:
            if key.table == parent.name:
                yield child, key


def _children(parents: Rows, child: Table, key: ForeignKey) -> Rows:
    """The rows of `child` that refer to one of `parents` by `key`."""
    pairs = zip(key.references, key.columns, strict=True)
    refers = (("eq", referred, Outer(name)) for referred, name in pairs)
    query = Subquery(parents.table, None, ("and", *refers, parents.shape), (), False, False)
    return Rows(child, ("exists", query), parents.values)


def _reached(context: Context, rows: Rows, seen: set[Hashable]) -> Plan[list[Rows]]:
    """These rows by their keys, but for those that were seen before: circles end."""
    names = rows.table.key
    found = yield from different(context, rows, names)
    fresh = [row for row in found if key_of(row, names) not in seen]
    seen.update(key_of(row, names) for row in fresh)
    return with_keys(rows.table, names, fresh)


def with_keys(table: Table, names: Sequence[str], rows: Sequence[Row]) -> list[Rows]:
    """The stored rows that have what one of these rows has in the columns."""
    if len(names) == 1:
        keys = [row[names[0]] for row in rows]
        return [Rows(table, *read({names[0]: keys}, table))] if keys else []
    shape = ("and", *(("eq", name, VALUE) for name in names))
    chunks = [rows[at : at + KEYS_AT_ONCE] for at in range(0, len(rows), KEYS_AT_ONCE)]
    return [
        Rows(table, ("or", *([shape] * len(chunk))), [row[name] for row in chunk for name in names])
        for chunk in chunks
    ]


# Questions


def is_any(context: Context, rows: Rows) -> Plan[bool]:
    """Whether there is any such row."""
    compiled = context.compiler.get(("exists", rows.table, rows.shape))
    return (yield compiled.call(rows.values, bool))


def different(context: Context, rows: Rows, names: tuple[str, ...]) -> Plan[Sequence[Row]]:
    """What these columns hold in the rows, each once."""
    key = ("select", rows.table, names, rows.shape, (), False, False, None, False, True)
    compiled = context.compiler.get(key)
    return (yield compiled.call(rows.values, compiled.read_all))
