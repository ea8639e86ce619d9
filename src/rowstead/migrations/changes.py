"""Changes of tables, as values, and tables in another form.

Pure. What an operation makes of the tables (`evolution.py`) is told in these, and carried out by them
(`carrying.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from rowstead.migrations.operations import Operation
from rowstead.migrations.renaming import changed, names_in
from rowstead.migrations.unexplained import PARTS, Part, same_column, same_part
from rowstead.tables.schema import Table


@dataclass(frozen=True, slots=True)
class Created:
    """A table that is new."""

    table: Table


@dataclass(frozen=True, slots=True)
class Dropped:
    """A table that is no more."""

    table: Table


@dataclass(frozen=True, slots=True)
class Renamed:
    """A column that has another name."""

    before: Table
    after: Table
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Altered:
    """A table in another form; columns are the same where their numbers are. `filled` is a column that
    is new and gets its default in the rows that are there."""

    before: Table
    after: Table
    filled: str | None = None


@dataclass(frozen=True, slots=True)
class Ran:
    """SQL that the operation brought, and views and triggers, which are no part of a schema."""

    operation: Operation


Change: TypeAlias = Created | Dropped | Renamed | Altered | Ran


def same_table(a: Table, b: Table) -> bool:
    if list(a.columns) != list(b.columns):
        return False
    parts: list[tuple[Sequence[Part], Sequence[Part]]] = [
        (getattr(a, attribute), getattr(b, attribute)) for attribute, _, _ in PARTS.values()
    ]
    return (
        all(same_column(a.columns[n], b.columns[n]) for n in a.columns)
        and all(len(x) == len(y) for x, y in parts)
        and all(same_part(p, q) for x, y in parts for p, q in zip(x, y, strict=True))
    )


def without(table: Table, column: str) -> Table:
    """The table without a column and what stands on it."""
    kept: dict[str, Any] = {
        "uniques": tuple(u for u in table.uniques if column not in u.columns),
        "indexes": tuple(i for i in table.indexes if column not in i.columns),
        "foreign_keys": tuple(f for f in table.foreign_keys if column not in f.columns),
        "checks": tuple(
            c for c in table.checks if c.column != column and column not in names_in(c, table.columns)
        ),
    }
    columns = {name: c for name, c in table.columns.items() if name != column}
    return changed(table, columns=columns, **kept)


def in_order_of(table: Table, wanted: Table | None) -> Table:
    """The table with its columns and parts in the order of the wanted one, the others last."""
    if wanted is None:
        return table

    def ordered(items: Iterable[Any], model: Iterable[Any]) -> list[Any]:
        places = {item.name: place for place, item in enumerate(model)}
        return sorted(items, key=lambda item: places.get(item.name, len(places)))

    columns = {c.name: c for c in ordered(table.columns.values(), wanted.columns.values())}
    parts = {
        attribute: tuple(ordered(getattr(table, attribute), getattr(wanted, attribute)))
        for attribute, _, _ in PARTS.values()
    }
    return changed(table, columns=columns, **parts)


def taken_over(table: Table, wanted: Table | None) -> Table:
    """The table in the order of the wanted one, with its defaults, which no operation changes."""
    if wanted is None:
        return table
    columns = {
        name: replace(column, default=new.default, generated=new.generated)
        if (new := wanted.columns.get(name)) is not None and new.number == column.number
        else column
        for name, column in table.columns.items()
    }
    return in_order_of(changed(table, columns=columns), wanted)
