"""Counters that fill a table's columns: what they give to rows, and what they do about rows' own numbers.

SQLite and MariaDB go on behind the greatest number of a table; PostgreSQL's counters know only those that
they gave, and would give the others once more.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from rowstead.errors import ValidationError
from rowstead.plan import Call, Plan, Record
from rowstead.plans.judged import Rows
from rowstead.statements.compiled import Compiler
from rowstead.tables.from_sqlalchemy import table_of
from rowstead.tables.schema import Kind


def numbered(compiler: Compiler, table: sa.Table, values: Rows) -> Plan[Rows]:
    """The rows; where they give no number, the next of the `sa.Sequence` that is their column's default."""
    own = compiler.dialect.sequences
    if own is None:
        return values
    for name, counter in _defaults(compiler, table).items():
        places = [place for place, row in enumerate(values) if name not in row]
        if not places:
            continue
        taken: Sequence[Record] = yield Call(own.take, [counter, len(places)], list)
        if len(taken) < len(places):
            raise ValidationError(f"the sequence {counter} has no {len(places)} numbers left", column=name)
        filled = list(values)
        for place, (number,) in zip(places, taken, strict=True):
            filled[place] = {**filled[place], name: number}
        values = filled
    return values


def _defaults(compiler: Compiler, table: sa.Table) -> Mapping[str, str]:
    """By column: the sequence that is its default, as its name in SQL; found out once per table."""
    described = table_of(table)
    found = described.facts.get(_SEQUENCES)
    if found is None:
        preparer: Any = compiler.dialect.sqlalchemy(compiler.paramstyle).identifier_preparer
        found = described.facts[_SEQUENCES] = {
            column.name: preparer.format_sequence(column.default)
            for column in table.columns
            if isinstance(column.default, sa.Sequence) and column.server_default is None
        }
    return found


_SEQUENCES = "sequences that are defaults"


def pass_by_stored(compiler: Compiler, table: sa.Table, columns: Collection[str]) -> Plan[None]:
    """Have the counters of these columns go on behind the numbers that are stored.

    Numbers once passed by are gone, whatever becomes of the transaction.
    """
    own = compiler.dialect.sequences
    if own is None:
        return
    dialect = compiler.dialect.sqlalchemy(compiler.paramstyle)
    named = dialect.identifier_preparer.format_table(table)
    kinds = table_of(table).columns
    for column in table.columns:
        if column.name not in columns or kinds[column.name].kind is not Kind.INT:
            continue
        found: Record | None = yield Call(own.of_column, [named, column.name], _first)
        if found is None:
            continue
        counter, step = found
        furthest = sa.func.max(column) if step > 0 else sa.func.min(column)
        number: int | None = (yield Call(str(sa.select(furthest).compile(dialect=dialect)), (), _first))[0]
        if number is None:
            continue
        # One by one where that is near, which is safe beside others; the rest of the way at once.
        near = step == 1 and not (yield Call(own.pass_by.format(counter), [counter, number], _is_far))
        if not near:
            yield Call(own.move, [counter, number], _first)


def _first(records: Sequence[Record]) -> Record | None:
    return records[0] if records else None


def _is_far(records: Sequence[Record]) -> bool:
    return bool(records) and bool(records[0][0])
