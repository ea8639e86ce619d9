"""What the wanted schema has otherwise than the tables, and the operation that would bring it about.

Pure: tables in, sentences out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from rowstead.tables.schema import Check, Column, ForeignKey, Index, Table, Unique

Part: TypeAlias = Unique | Index | ForeignKey | Check

PARTS: Mapping[str, tuple[str, str, str]] = {
    "index": ("indexes", "index", "index"),
    "unique": ("uniques", "constraint", "unique constraint"),
    "foreign_key": ("foreign_keys", "constraint", "foreign key"),
    "check": ("checks", "constraint", "check"),
}
"""Kinds of parts as the operations name them -> the table's attribute, the operation's field, the words."""


def same_column(a: Column, b: Column) -> bool:
    """Whether the two are alike in the table. A default is not: it is applied before a row is written."""
    return all(getattr(a, name) == getattr(b, name) for name in ("name", "number")) and same_values(a, b)


def same_values(a: Column, b: Column) -> bool:
    """Whether the two hold the same values, whatever they are called."""
    return a.nullable == b.nullable and a.rules == b.rules and same_type(a, b)


def same_type(a: Column, b: Column) -> bool:
    names = ("kind", "type", "size", "storage")
    if any(getattr(a, name) != getattr(b, name) for name in names):
        return False
    if a.element is None or b.element is None:
        return a.element is b.element
    return same_type(a.element, b.element)


def same_kind(a: Column, b: Column) -> bool:
    """Whether values of the one can be compared with values of the other."""
    return a.kind is b.kind


def same_part(a: Part, b: Part) -> bool:
    """Whether the two are one constraint or index; a check's spelling does not count."""
    if isinstance(a, Check) and isinstance(b, Check):
        return (a.name, a.tree, a.column) == (b.name, b.tree, b.column)
    return a == b


def part_of(table: Table, kind: str, name: str) -> Any:
    """The table's part of this kind and name, or None."""
    return next((p for p in getattr(table, PARTS[kind][0]) if p.name == name), None)


def unexplained(tables: Mapping[str, Table], wanted: Mapping[str, Table]) -> list[str]:
    """How the tables differ from those that are wanted, a sentence each with the operation to add.

    A wanted table that is not there is none, nor a foreign key to it: a later version may create it.
    """
    found: list[str] = []
    for name, table in tables.items():
        if name in wanted:
            found += _in_table(table, wanted[name], tables)
        else:
            found.append(f"table {name} is not in the schema; {_add('drop_table', name=name)}")
    return found


def _in_table(table: Table, wanted: Table, tables: Mapping[str, Table]) -> Iterator[str]:
    if table.key != wanted.key and not _renamed_key(table, wanted):
        yield (
            f"table {table.name} has the primary key ({', '.join(table.key)}) and the schema "
            f"({', '.join(wanted.key)}), which no operation changes; create a new table and copy the rows"
        )
    there = {column.number: column for column in table.columns.values()}
    for column in wanted.columns.values():
        old = there.pop(column.number, None)
        place = f"{table.name}.{column.name}"
        if old is None:
            add = _add("add_column", table=table.name, column=column.name)
            yield f"column {place} is in the schema only; {add}"
        elif not same_column(old, column):
            alter = _add("alter_column", table=table.name, column=old.name)
            yield f"column {place} is different in the schema; {alter}"
    for column in there.values():
        drop = _add("drop_column", table=table.name, column=column.name)
        yield f"column {table.name}.{column.name} is not in the schema; {drop}"
    for kind in PARTS:
        yield from _parts(table, wanted, kind, tables)


def _parts(table: Table, wanted: Table, kind: str, tables: Mapping[str, Table]) -> Iterator[str]:
    attribute, field, words = PARTS[kind]
    there = {part.name: part for part in getattr(table, attribute)}
    for part in getattr(wanted, attribute):
        old = there.pop(part.name, None)
        fields = {"table": table.name, field: part.name}
        if old is None and kind == "foreign_key" and part.table not in tables:
            continue
        if old is None:
            add = _add(f"add_{kind}", **fields)
            yield f"{words} {part.name} of {table.name} is in the schema only; {add}"
        elif not same_part(old, part):
            yield (
                f"{words} {part.name} of {table.name} is different in the schema; "
                f"{_add(f'drop_{kind}', **fields)}, then {_add(f'add_{kind}', **fields)}"
            )
    for name in there:
        drop = _add(f"drop_{kind}", **{"table": table.name, field: name})
        yield f"{words} {name} of {table.name} is not in the schema; {drop}"


def _renamed_key(table: Table, wanted: Table) -> bool:
    """Whether the keys are of the same columns, one of which has another name."""
    numbers = [wanted.columns[name].number for name in wanted.key]
    return [table.columns[name].number for name in table.key] == numbers


def _add(operation: str, **fields: str) -> str:
    return f"add {json.dumps({operation: fields}, ensure_ascii=False)}"
