"""Tables whose columns have other names: what follows a column when it is renamed.

Pure: tables in, tables out. A column is known by its number, so names can be carried over between two
descriptions of one table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from rowstead.rules import checks
from rowstead.tables.schema import Check, Column, ForeignKey, Index, Table, Unique

Names = Mapping[str, str]
"""Old name -> new name; what is not in it keeps its name."""

# A string (either quote, backslash escapes) is passed over; what else looks like a name is one.
_NAME = re.compile(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"|(?P<name>[^\W\d][\w.]*)", re.DOTALL)


def changed(table: Table, **changes: Any) -> Table:
    """The table with other fields; what was found out about the old one is not carried over."""
    return replace(table, facts={}, **changes)


def names_between(source: Table, destination: Table) -> dict[str, str]:
    """Source name -> destination name, of the columns that both have."""
    by_number = {column.number: name for name, column in destination.columns.items()}
    return {
        name: by_number[column.number]
        for name, column in source.columns.items()
        if column.number in by_number
    }


def renamed_table(table: Table, names: Names) -> Table:
    """The table with its own columns renamed."""
    columns = {names.get(n, n): replace(c, name=names.get(n, n)) for n, c in table.columns.items()}
    return changed(
        table,
        columns=columns,
        key=_each(table.key, names),
        uniques=tuple(renamed_unique(u, names) for u in table.uniques),
        indexes=tuple(renamed_index(i, names) for i in table.indexes),
        foreign_keys=tuple(
            renamed_foreign_key(f, names, names if f.table == table.name else {}) for f in table.foreign_keys
        ),
        checks=tuple(renamed_check(c, names, columns) for c in table.checks),
    )


def referring_table(table: Table, referred: str, names: Names) -> Table:
    """The table when columns of another, to which it refers, are renamed."""
    keys = tuple(renamed_foreign_key(f, {}, names) if f.table == referred else f for f in table.foreign_keys)
    return table if keys == table.foreign_keys else changed(table, foreign_keys=keys)


def renamed_unique(unique: Unique, names: Names) -> Unique:
    return replace(unique, columns=_each(unique.columns, names))


def renamed_index(index: Index, names: Names) -> Index:
    return replace(index, columns=_each(index.columns, names))


def renamed_foreign_key(key: ForeignKey, own: Names, other: Names) -> ForeignKey:
    """The foreign key with its own columns renamed, and those that it refers to."""
    return replace(key, columns=_each(key.columns, own), references=_each(key.references, other))


def renamed_check(check: Check, names: Names, columns: Mapping[str, Column]) -> Check:
    """The check with the names in its text renamed; `columns` are those of the table then."""
    column = names.get(check.column, check.column) if check.column is not None else None
    if not any(names.get(name, name) != name for name in names_in(check, names)):
        return check if column == check.column else replace(check, column=column)
    text = _substituted(check.expression, lambda name: names.get(name, name))
    return replace(check, expression=text, tree=checks.parse(text, columns), column=column)


def reread_check(check: Check, columns: Mapping[str, Column]) -> Check:
    """The check as it is read where the columns are these."""
    return replace(check, tree=checks.parse(check.expression, columns))


def names_in(check: Check, known: Iterable[str]) -> set[str]:
    """Which of the known names the check's text has."""
    found = {match["name"] for match in _NAME.finditer(check.expression) if match["name"]}
    return found & set(known)


def _substituted(text: str, name: Callable[[str], str]) -> str:
    return _NAME.sub(lambda match: name(match["name"]) if match["name"] else match[0], text)


def _each(columns: tuple[str, ...], names: Names) -> tuple[str, ...]:
    return tuple(names.get(column, column) for column in columns)
