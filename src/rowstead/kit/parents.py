"""Brings rows of a table that refers to itself into an order in which every parent comes first.

A foreign key is looked at when a statement ends, and a file need not have its rows in such an order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

from rowstead.errors import ValidationError
from rowstead.kit.context import Context, checked
from rowstead.kit.reading import Row, count, select
from rowstead.plan import Plan
from rowstead.tables.schema import ForeignKey, Table

Values = tuple[Any, ...]


class Holding(Protocol):
    """What holds a row."""

    @property
    def row(self) -> Mapping[str, Any]: ...


H = TypeVar("H", bound=Holding)


def parents_first(context: Context, table: Table, rows: Sequence[H]) -> Plan[tuple[list[H], list[H]]]:
    """Those rows whose parents are stored or among them, in order; and those that are to wait for theirs."""
    waits_for = [0] * len(rows)
    children: dict[tuple[str, Values], list[int]] = {}
    keys = [key for key in table.foreign_keys if key.table == table.name]
    for key in keys:
        own = [_values(table, key.references, one.row, key.references) for one in rows]
        parents = [_values(table, key.columns, one.row, key.references) for one in rows]
        stored = yield from _stored(context, table, key, {p for p in parents if p is not None} - {*own})
        for at, (parent, me) in enumerate(zip(parents, own, strict=True)):
            if parent is not None and parent != me and parent not in stored:
                waits_for[at] += 1
                children.setdefault((key.name, parent), []).append(at)
    ready: list[H] = []
    placed = deque(at for at, number in enumerate(waits_for) if not number)
    while placed:
        at = placed.popleft()
        ready.append(rows[at])
        for key in keys:
            me = _values(table, key.references, rows[at].row, key.references)
            for child in children.pop((key.name, me), ()) if me is not None else ():
                waits_for[child] -= 1
                if not waits_for[child]:
                    placed.append(child)
    return ready, [row for row, number in zip(rows, waits_for, strict=True) if number]


def _values(
    table: Table, names: Sequence[str], row: Mapping[str, Any], references: Sequence[str]
) -> Values | None:
    """These columns' values as those referred to store them; None where one is missing or wrong."""
    values: list[Any] = []
    for name, reference in zip(names, references, strict=True):
        value = row.get(name)
        if value is None:
            return None
        try:
            values.append(checked(table, reference, value))
        except ValidationError:
            return None  # the insert says what is wrong with it
    return tuple(values)


def _stored(context: Context, table: Table, key: ForeignKey, wanted: set[Values]) -> Plan[set[Values]]:
    """Which of these are there."""
    if not wanted:
        return set()
    if len(key.references) == 1:
        (name,) = key.references
        where = {name: {"in": [values[0] for values in wanted]}}
        rows: list[Row] = yield select(context, table.name, where, None, None, None, name, False, None)
        return {(row[name],) for row in rows}
    found: set[Values] = set()
    for values in wanted:
        number: int = yield count(context, table.name, dict(zip(key.references, values, strict=True)), None)
        if number:
            found.add(values)
    return found
