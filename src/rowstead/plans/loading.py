"""The order in which rows of files are stored where a table refers to itself: each behind its parents.

Rows of files are not encoded: what is one value may be written in two ways.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, TypeVar

from rowstead.errors import ValidationError
from rowstead.plans.referring import parents_first
from rowstead.tables.schema import Table
from rowstead.values.encoders import encoder
from rowstead.values.stored_forms import SQLITE_CODEC

T = TypeVar("T")


def refers_to_itself(table: Table) -> bool:
    """Whether a row of the table may refer to another of its rows."""
    return any(key.table == table.name for key in table.foreign_keys)


def behind_their_parents(
    table: Table, given: Sequence[T], row_of: Callable[[T], Mapping[str, Any]]
) -> Sequence[T]:
    """What holds rows of the table, in such an order; rows in a circle last, for the database to judge."""
    keys = [key for key in table.foreign_keys if key.table == table.name]
    used = {name for key in keys for name in (*key.columns, *key.references)}
    columns: list[Sequence[Hashable]] = []
    for name in table.all:
        same = _same_form(table, name) if name in used else None
        columns.append([] if same is None else [same(row_of(one).get(name)) for one in given])
    order = parents_first(table, columns, len(given))
    return given if order is None else [given[place] for place in order]


def _same_form(table: Table, name: str) -> Callable[[Any], Hashable]:
    """What makes equal values equal, however they are written; a NULL and a wrong value are like no other."""
    # SQLite has one stored form for each value.
    encode = encoder(table.columns[name], SQLITE_CODEC)

    def same(value: Any) -> Hashable:
        try:
            stored = encode(value)
        except ValidationError:
            return object()  # the insert says what is wrong with it
        return object() if stored is None or not isinstance(stored, Hashable) else stored

    return same
