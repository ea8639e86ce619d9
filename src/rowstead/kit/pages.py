"""A table's rows page by page, in the order of their keys: however many they are, one page is held."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rowstead.kit.context import Context
from rowstead.language.conditions import Where, read
from rowstead.language.ordering import read_order
from rowstead.plan import Plan
from rowstead.plans.paging import Walk
from rowstead.tables.schema import Table

PAGE = 1000
"""Rows that are read or written at a time."""

Row = dict[str, Any]


def pages(context: Context, table: Table, wanted: Sequence[str], where: Where) -> Iterator[Plan[list[Row]]]:
    """A plan for each page of the rows that fulfil the filter, with `wanted` and the key of each.

    Each plan must be carried out before the next is asked for.
    """
    shape, values = read(where, table, scope=context.tables, outer_strings=True)
    columns = tuple(dict.fromkeys((*wanted, *table.key)))
    walk = Walk(context.compiler, table, columns, shape, values, read_order(None, table))
    position: Any = walk.start

    def page() -> Plan[list[Row]]:
        nonlocal position
        rows, position = yield from walk.page(position, PAGE)
        return rows

    while position is not None:
        yield page()
