"""Differences of whole schemas, of indexes on expressions and of keys, that Alembic sees wrongly or not.

It answers for what is a difference here. What one means is in `changes.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops

from rowstead.errors import UsageError

_WITH_SCHEMAS = "postgresql"
"""Where a schema is made without rights of its own, and dropped only when it is empty."""


@dataclass(frozen=True, slots=True)
class CreateSchema:
    """A schema that the database lacks. Going back it is dropped."""

    name: str
    dropped: bool = False

    def reverse(self) -> CreateSchema:
        return replace(self, dropped=not self.dropped)

    def statement(self, dialect: Any) -> str:
        """The SQL of it. A schema that holds more than the models' tables is not dropped."""
        return f"{'DROP' if self.dropped else 'CREATE'} SCHEMA {dialect.identifier_preparer.quote(self.name)}"


def missing_schemas(connection: sa.Connection, tables: Iterable[sa.Table]) -> Iterator[CreateSchema]:
    """The schemas of models that the database lacks, by name."""
    if connection.dialect.name != _WITH_SCHEMAS:
        return
    wanted = {table.schema for table in tables if table.schema}
    for name in sorted(wanted - set(sa.inspect(connection).get_schema_names())):
        yield CreateSchema(name)


def refuse_schemas(tables: Iterable[sa.Table]) -> None:
    """For a database whose tables are in none. Raises UsageError for a table that is in one."""
    found = [table.key for table in tables if table.schema]
    if found:
        raise UsageError(
            f"SQLite has no schemas, and the models place {', '.join(found)} in one; leave the schema out of "
            "the models, or compare them with the database that they are for"
        )


def unseen_indexes(
    connection: sa.Connection, tables: Iterable[sa.Table], operations: Iterable[Any]
) -> Iterator[ops.CreateIndexOp]:
    """The models' indexes on expressions that an SQLite file lacks: by name, as it describes no more.

    Those that are among the operations have been seen.
    """
    rows = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'index'")
    known = {*rows.scalars(), *(op.index_name for op in operations if isinstance(op, ops.CreateIndexOp))}
    for table in tables:
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            on_expression = not all(isinstance(part, sa.Column) for part in index.expressions)
            if on_expression and index.name not in known:
                yield ops.CreateIndexOp.from_index(index)


def without_rowids(connection: sa.Connection, operations: Iterable[Any]) -> Iterator[Any]:
    """Without what SQLite says wrongly of a key that is the rowid: that it may be NULL.

    https://www.sqlite.org/lang_createtable.html#rowid
    """
    for op in operations:
        if isinstance(op, ops.AlterColumnOp) and op.modify_nullable is not None:
            if _rowid(connection, op.table_name) == op.column_name:
                op.modify_nullable = None
            if not op.has_changes():
                continue
        yield op


def without_numbering(operations: Iterable[Any], tables: Mapping[str, sa.Table]) -> Iterator[Any]:
    """Without an IDENTITY that goes: a key that the database numbers needs no word of it in the models."""
    for op in operations:
        if isinstance(op, ops.AlterColumnOp) and isinstance(op.existing_server_default, sa.Identity):
            table = tables.get(f"{op.schema}.{op.table_name}" if op.schema else op.table_name)
            counted = None if table is None else table.autoincrement_column
            if counted is not None and counted.name == op.column_name and op.modify_server_default is None:
                op.modify_server_default = False
            if not op.has_changes():
                continue
        yield op


def _rowid(connection: sa.Connection, table: str) -> str | None:
    """The column that is another name of the rowid, if one is."""
    rows = connection.exec_driver_sql(
        "SELECT name, type FROM pragma_table_info(?) WHERE pk > 0", (table,)
    ).all()
    return rows[0].name if len(rows) == 1 and rows[0].type.upper() == "INTEGER" else None
