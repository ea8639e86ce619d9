"""The order in which rows of a table that refers to itself can be stored, each behind its parents.

For databases that look at a foreign key when a statement ends and are sent a batch in several ones.
Knows the rows at hand only, and no statement.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from rowstead.tables.schema import Table


def parents_first(table: Table, columns: Sequence[Sequence[Any]], count: int) -> Sequence[int] | None:
    """The places of the rows in such an order; None where the order that they are in will do.

    `columns` are the table's, with `count` values each. Rows in a circle come last, for the database to
    judge.
    """
    children: dict[int, list[int]] = {}
    waits_for = [0] * count
    for key in table.foreign_keys:
        if key.table == table.name:
            at = [table.all.index(name) for name in key.columns]
            to = [table.all.index(name) for name in key.references]
            parents = {
                values: place for place, values in enumerate(zip(*(columns[n] for n in to), strict=True))
            }
            for place, values in enumerate(zip(*(columns[n] for n in at), strict=True)):
                parent = parents.get(values, place)
                if parent != place:
                    waits_for[place] += 1
                    children.setdefault(parent, []).append(place)
    if all(parent < child for parent, some in children.items() for child in some):
        return None
    return _in_order(children, waits_for)


def _in_order(children: dict[int, list[int]], waits_for: list[int]) -> list[int]:
    ordered: list[int] = []
    ready = deque(place for place, number in enumerate(waits_for) if not number)
    while ready:
        place = ready.popleft()
        ordered.append(place)
        for child in children.get(place, ()):
            waits_for[child] -= 1
            if not waits_for[child]:
                ready.append(child)
    return [*ordered, *(place for place, number in enumerate(waits_for) if number)]
