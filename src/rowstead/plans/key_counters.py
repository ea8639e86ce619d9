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
        counter: str | None = yield Call(own.of_column, [named, column.name], _one)
        if counter is None:
            continue
        greatest = str(sa.select(sa.func.max(column)).compile(dialect=dialect))
        number: int | None = yield Call(greatest, (), _one)
        if number is None:
            continue
        # One by one where that is near, which is safe beside others; the rest of the way at once.
        if (yield Call(own.pass_by.format(counter), [counter, number], _one)):
            yield Call(own.jump, [counter, number], _one)


def _one(records: Sequence[Record]) -> object:
    return records[0][0] if records else None
