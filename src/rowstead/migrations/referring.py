"""What foreign keys stand on: which columns are unique, and which keys need that they are. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rowstead.migrations.unexplained import Part
from rowstead.tables.schema import Index, Table, Unique


def is_unique(table: Table, columns: Iterable[str]) -> bool:
    """Whether a foreign key can refer to these columns."""
    return frozenset(columns) in {frozenset(unique.columns) for unique in table.unique_keys()}


def standing_on(tables: Mapping[str, Table], before: Table, after: Table, gone: Part) -> str:
    """A foreign key that needs the part that is gone, and its table; empty where none does.

    A database may let a key stand on one constraint alone though the same columns have another.
    """
    lost = gone.columns if isinstance(gone, Unique) or (isinstance(gone, Index) and gone.unique) else ()
    for other in tables.values():
        for key in (after if other.name == after.name else other).foreign_keys:
            if key.table != before.name:
                continue
            is_on_it = set(key.references) == set(lost) != set(before.key)
            if is_on_it or not is_unique(after, key.references):
                return f"{key.name} of {other.name}"
    return ""


def with_column(tables: Mapping[str, Table], table: Table, column: str) -> str:
    """A foreign key on the column or to it, and its table; empty where there is none."""
    for other in tables.values():
        for key in other.foreign_keys:
            own = other.name == table.name and column in key.columns
            if own or (key.table == table.name and column in key.references):
                return f"{key.name} of {other.name}"
    return ""
