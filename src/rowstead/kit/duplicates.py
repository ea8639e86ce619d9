"""Which row of a batch has a key that is taken: asked after the failure, when the batch has been undone."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from rowstead.errors import DuplicateError
from rowstead.kit.blame import blame_row
from rowstead.kit.broken_keys import Row, different, key_of, with_keys
from rowstead.kit.context import Context
from rowstead.plan import Plan
from rowstead.tables.schema import Table


def blame_duplicate(
    context: Context, table: Table, error: DuplicateError, rows: Sequence[Row], before: int
) -> Plan[None]:
    """Give the error the key and the place of the first row whose unique key is taken, perhaps by one before.

    `before` rows of the batch stand before these.
    """
    unique = next((key for key in table.unique_keys() if key.name == error.constraint), None)
    if unique is None:
        return
    names = tuple(unique.columns)
    taken: set[Hashable] = set()
    for stored in with_keys(table, names, [row for row in rows if key_of(row, names) is not None]):
        found = yield from different(context, stored, names)
        taken.update(key_of(row, names) for row in found)
    for place, row in enumerate(rows):
        key = key_of(row, names)
        if key is not None and key in taken:
            blame_row(table, error, row, before + place)
            return
        taken.add(key)
