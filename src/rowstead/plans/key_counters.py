"""Counters that fill a table's columns, where rows have brought numbers of their own.

SQLite and MariaDB go on behind the greatest number of a table; PostgreSQL's counters know only those that
they gave, and would give the others once more.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import sqlalchemy as sa

from rowstead.plan import Call, Plan, Record
from rowstead.statements.compiled import Compiler
from rowstead.tables.from_sqlalchemy import table_of
from rowstead.tables.schema import Kind


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
