"""Which declared constraint an IntegrityError is about.

PostgreSQL names the constraint, SQLite only checks; of a unique one it tells the columns, of a foreign
key nothing. What is missing is found in the declared tables. Knows no driver and runs nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from operator import attrgetter

from rowstead.errors import DuplicateError, ForeignKeyError, IntegrityError, RestrictError
from rowstead.tables.schema import ForeignKey, Table, Unique

MAX_NAME = 63
"""Bytes of a name that every database keeps; PostgreSQL cuts longer ones, so that two could become one."""


def physical_name(table: str, name: str) -> str:
    """The name in the database of an index or a unique constraint.

    A table's constraints are named within it, while both databases keep all indexes in one place.
    """
    return short_name(f"{table}_{name}")


def short_name(name: str) -> str:
    """The name, or the beginning of a longer one and what tells it from others that begin so."""
    data = name.encode()
    if len(data) <= MAX_NAME:
        return name
    digest = hashlib.sha256(data).hexdigest()[:8]
    return f"{data[: MAX_NAME - 9].decode(errors='ignore')}_{digest}"


def constraint_of(
    table: Table,
    error: IntegrityError,
    tables: Mapping[str, Table] | None = None,
    *,
    deleting: bool | None = None,
) -> str | None:
    """The declared name of the constraint that refused a write to `table`; None where it is not known.

    A primary key's is `table.key_name`. `tables` are all tables of the schema: an error about rows that
    refer to this one is about one of theirs, and so is one that a cascade met. `deleting` says whether
    the write was a deletion, if that is known.
    """
    known = {t.name: t for t in (table, *(tables or {}).values())}
    if error.constraint is not None:
        found = known.get(error.table or "", table)
        return _declared(found, error.constraint) or _anywhere(known, error.constraint) or error.constraint
    if isinstance(error, DuplicateError):
        return _unique(known.get(error.table or "", table), error.columns)
    if isinstance(error, ForeignKeyError | RestrictError):
        found = suspects(table, error, known, deleting=deleting)
        return found[0][1].name if len(found) == 1 else None
    return None


def suspects(
    table: Table, error: IntegrityError, tables: Mapping[str, Table], *, deleting: bool | None = None
) -> list[tuple[Table, ForeignKey]]:
    """The foreign keys, with their tables, of which one refused a write to `table`.

    A ForeignKeyError without a name is about one of the table's own. A RestrictError is about one that
    refers to it, or to what a cascade reaches: of a deletion (`deleting`) by `on_delete`, of a change of
    a key by `on_update`, of either where that is not known.
    """
    if not isinstance(error, RestrictError):
        return [(table, key) for key in table.foreign_keys]
    found: list[tuple[Table, ForeignKey]] = []
    for is_deletion in (True, False):
        if deleting in (None, is_deletion):
            reached = _reached(table, tables, attrgetter("on_delete" if is_deletion else "on_update"))
            found += [(child, key) for child, key in reached if (child, key) not in found]
    return found


def _reached(
    table: Table, tables: Mapping[str, Table], action: Callable[[ForeignKey], str]
) -> list[tuple[Table, ForeignKey]]:
    """Every foreign key that restricts a write to `table`, cascades followed."""
    found: list[tuple[Table, ForeignKey]] = []
    waiting, seen = [table.name], {table.name}
    while waiting:
        parent = waiting.pop()
        for child in tables.values():
            for key in child.foreign_keys:
                if key.table != parent:
                    continue
                if refuses(child, key, action(key)):
                    found.append((child, key))
                elif action(key) == "cascade" and child.name not in seen:
                    seen.add(child.name)
                    waiting.append(child.name)
    return found


def refuses(child: Table, key: ForeignKey, action: str) -> bool:
    """Whether a row of `child` that refers by this key stands against the write to the row referred to.

    So does one that should refer to nothing from then on and may not.
    """
    cannot_be_null = not all(child.columns[name].nullable for name in key.columns)
    return action == "restrict" or (action == "set_null" and cannot_be_null)


def _anywhere(tables: Mapping[str, Table], name: str) -> str | None:
    names = {found for table in tables.values() if (found := _declared(table, name)) is not None}
    return names.pop() if len(names) == 1 else None


def _declared(table: Table, name: str) -> str | None:
    """The declared name behind the database's."""
    if name in (table.key_name, short_name(table.key_name)):
        return table.key_name
    for unique in (*table.uniques, *table.indexes):
        if name == physical_name(table.name, unique.name):
            return unique.name
    for other in (*table.foreign_keys, *table.checks):
        if name in (other.name, short_name(other.name)):
            return other.name
    return None


def _unique(table: Table, columns: Collection[str]) -> str | None:
    """The unique key of these columns."""
    keys: list[Unique] = [key for key in table.unique_keys() if set(key.columns) == set(columns)]
    return keys[0].name if keys else None
