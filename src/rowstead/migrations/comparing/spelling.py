"""The SQL of changes where a database alters its tables in place.

It answers for statements as text; Alembic's operations write most of them. It must not run anything, nor
know files.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from typing import Any, ClassVar, cast

import sqlalchemy as sa
from alembic.ddl.impl import DefaultImpl
from alembic.operations import Operations, ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy.schema import AddConstraint, CreateTable, DropTable, SetColumnComment, SetTableComment

from rowstead.migrations.comparing.changes import Change, RenameColumn
from rowstead.migrations.comparing.enums import AlterEnum, CreateEnum, enum_statements
from rowstead.migrations.comparing.reading import Found
from rowstead.migrations.comparing.unseen import CreateSchema


class _Writer:
    """Alembic's implementation for a dialect, which runs nothing and keeps what it would run.

    Its own text mode turns a tab in a quoted text into blanks.
    """

    dialect: Any
    texts: list[str]

    def _exec(self, construct: Any, *_args: Any, **_kw: Any) -> None:
        self.texts.append(construct if isinstance(construct, str) else text_of(construct, self.dialect))


def text_of(construct: Any, dialect: Any) -> str:
    """A construct's SQL, without parameters."""
    options = {} if isinstance(construct, sa.schema.DDLElement) else {"literal_binds": True}
    return str(construct.compile(dialect=dialect, compile_kwargs=options)).strip()


class InPlace:
    """Spells changes for one database, forth and back."""

    def __init__(self, found: Found) -> None:
        self._name = found.dialect.name
        self._models = found.models
        self._dialect = found.case
        created = [self._table(c.op) for c in found.changes if c.kind == "create_table"]
        self._late = _late(created) if found.dialect.alters_constraints else []

    def forth(self, change: Change) -> list[str]:
        """From the database to the models."""
        return self._spelled(change.op)

    def back(self, change: Change) -> list[str]:
        """What undoes it."""
        return self._spelled(change.op.reverse())

    def late_keys(self) -> tuple[list[str], list[str]]:
        """The foreign keys of new tables that refer to each other in a circle, which none can be made
        with: what adds them behind all tables, and what drops them before."""
        adding, dropping = list[str](), list[str]()
        for key in map(_named, self._late):
            adding.append(text_of(AddConstraint(key), self._dialect))
            operations, writer = self._operations()
            operations.invoke(ops.DropConstraintOp.from_constraint(key))
            dropping += writer.texts
        return adding, dropping

    def _spelled(self, op: Any) -> list[str]:
        spell = self._SPELLED.get(cast(Any, type(op)))
        if spell is not None:
            return spell(self, op)
        operations, writer = self._operations()
        operations.invoke(op)
        return writer.texts

    def _created(self, op: ops.CreateTableOp) -> list[str]:
        table = self._table(op)
        inline = [key for key in table.foreign_key_constraints if key not in self._late]
        statement = CreateTable(table, include_foreign_key_constraints=inline)
        return [text_of(statement, self._dialect), *self._comments(table)]

    def _dropped(self, op: ops.DropTableOp) -> list[str]:
        # Alembic would tell the table's types, which want a connection.
        return [text_of(DropTable(sa.Table(op.table_name, sa.MetaData(), schema=op.schema)), self._dialect)]

    def _comments(self, table: sa.Table) -> list[str]:
        if not self._dialect.supports_comments or self._dialect.inline_comments:
            return []
        said: list[Any] = [SetTableComment(table)] if table.comment else []
        said += [SetColumnComment(column) for column in table.columns if column.comment]
        return [text_of(statement, self._dialect) for statement in said]

    def _table(self, op: ops.CreateTableOp) -> sa.Table:
        """The table as the models have it; one that is in no model, as the database had it."""
        key = f"{op.schema}.{op.table_name}" if op.schema else op.table_name
        found = self._models.get(key)
        return op.to_table() if found is None else found

    def _renamed(self, op: RenameColumn) -> list[str]:
        operations, writer = self._operations()
        quote = self._dialect.identifier_preparer.quote
        table = ".".join(quote(part) for part in (op.schema, op.table_name) if part)
        operations.execute(f"ALTER TABLE {table} RENAME COLUMN {quote(op.old)} TO {quote(op.new)}")
        return writer.texts

    def _added(self, op: ops.AddColumnOp) -> list[str]:
        operations, writer = self._operations()
        operations.invoke(ops.AddColumnOp(op.table_name, bare_column(op.column), schema=op.schema))
        return writer.texts

    def _altered(self, op: ops.AlterColumnOp) -> list[str]:
        operations, writer = self._operations()
        default = op.existing_server_default
        if op.modify_type is None or not isinstance(default, sa.DefaultClause):
            operations.invoke(self._converting(op))
            return writer.texts
        # A default is not converted with its column.
        place: Any = (op.table_name, op.column_name)
        known = {"existing_type": op.existing_type, "existing_nullable": op.existing_nullable}
        operations.invoke(ops.AlterColumnOp(*place, schema=op.schema, modify_server_default=None, **known))
        after = op.modify_server_default
        default = default if after is False else after
        altering = copy(op)
        altering.existing_server_default = None
        altering.modify_server_default = False if default is None else default
        operations.invoke(self._converting(altering))
        return writer.texts

    def _converting(self, op: ops.AlterColumnOp) -> ops.AlterColumnOp:
        """With what its values become where the type is another one."""
        if op.modify_type is None:
            return op
        name = self._dialect.identifier_preparer.quote(op.column_name)
        spelled = self._dialect.type_compiler_instance.process(op.modify_type)
        value = _way(op.existing_type, op.modify_type).format(name)
        converting = copy(op)
        # What is computed takes no words about its conversion.
        if not isinstance(op.existing_server_default, sa.Computed):
            converting.kw = {**op.kw, "postgresql_using": f"CAST({value} AS {_without_length(spelled)})"}
        return converting

    def _constraint_dropped(self, op: ops.DropConstraintOp) -> list[str]:
        operations, writer = self._operations()
        operations.invoke(op)
        drop = _KEYS_INDEX.get(self._name)
        if drop is None or op.constraint_type != "foreignkey" or not op.constraint_name:
            return writer.texts
        # The server has made an index of the key's name if there was none.
        quote = self._dialect.identifier_preparer.quote
        writer.texts.append(drop.format(quote(op.table_name), quote(str(op.constraint_name))))
        return writer.texts

    def _schema(self, op: CreateSchema) -> list[str]:
        return [op.statement(self._dialect)]

    def _enum(self, op: CreateEnum | AlterEnum) -> list[str]:
        return enum_statements(op, self._dialect)

    def _operations(self) -> tuple[Operations, _Writer]:
        base: type[DefaultImpl] = DefaultImpl.get_by_dialect(self._dialect)
        context = MigrationContext.configure(dialect=self._dialect, opts={"as_sql": True})
        writer: Any = type("Writer", (_Writer, base), {})(self._dialect, None, True, None, None, {})
        writer.texts = []
        context.impl = writer
        return Operations(context), writer

    _SPELLED: ClassVar[Mapping[type, Callable[..., list[str]]]] = {
        ops.CreateTableOp: _created,
        ops.DropTableOp: _dropped,
        RenameColumn: _renamed,
        ops.AddColumnOp: _added,
        ops.AlterColumnOp: _altered,
        ops.DropConstraintOp: _constraint_dropped,
        CreateSchema: _schema,
        CreateEnum: _enum,
        AlterEnum: _enum,
    }


_KEYS_INDEX: Mapping[str, str] = {"mariadb": "ALTER TABLE {} DROP INDEX IF EXISTS {}"}
"""How an index goes that a database made for a foreign key and leaves behind."""

_KINDS: tuple[tuple[type, ...], ...] = ((sa.Integer, sa.Numeric), (sa.String,), (sa.Date, sa.DateTime))
"""Types that are cast to each other directly."""


def _way(before: Any, after: Any) -> str:
    """From what the new type is cast. Between many types there is only the way by their texts."""
    if isinstance(before, sa.Boolean) and isinstance(after, _KINDS[0]):
        return "CAST({} AS INTEGER)"
    is_list = isinstance(before, sa.Enum) or isinstance(after, sa.Enum)
    alike = any(isinstance(before, kinds) and isinstance(after, kinds) for kinds in _KINDS)
    return "{}" if alike and not is_list else "CAST({} AS TEXT)"


_CUT: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"N?(VAR)?CHAR(\(\d+\))?(?=[ \[]|\Z)"), "TEXT"),
    (re.compile(r"BIT( VARYING)?(\(\d+\))?(?=[ \[]|\Z)"), "BIT VARYING"),
)
"""Types to which a cast cuts values in silence; each with its own form that takes any length."""


def _without_length(spelled: str) -> str:
    """The type to cast to. Of a value that does not fit the column's length the column itself says so."""
    for pattern, whole in _CUT:
        if found := pattern.match(spelled):
            return whole + spelled[found.end() :]
    return spelled


def bare_column(column: sa.Column[Any]) -> sa.Column[Any]:
    """A column without what its flags would make: indexes and constraints are changes of their own."""
    more: list[Any] = [part for part in (column.computed, column.identity) if part is not None]
    return sa.Column(
        column.name,
        column.type,
        *(part._copy() for part in more),
        nullable=column.nullable,
        server_default=None if more else column.server_default,
        comment=column.comment,
    )


def _late(tables: Iterable[sa.Table]) -> list[sa.ForeignKeyConstraint]:
    """The foreign keys of tables that refer to each other in a circle."""
    listed = list(tables)
    if not listed:
        return []
    last: Any = cast(Any, sa.schema).sort_tables_and_constraints(listed)[-1]
    return list(last[1]) if last[0] is None else []


def _named(key: sa.ForeignKeyConstraint) -> sa.ForeignKeyConstraint:
    """The key by a name, by which it can be dropped again."""
    if key.name is not None:
        return key
    name = "_".join(["fk", key.table.name, *key.column_keys])[:63]
    targets = [element.target_fullname for element in key.elements]
    named = sa.ForeignKeyConstraint(key.column_keys, targets, name=name, ondelete=key.ondelete)
    key.table.to_metadata(_beside(key.table)).append_constraint(named)
    return named


def _beside(table: sa.Table) -> sa.MetaData:
    metadata = sa.MetaData()
    for other in table.metadata.tables.values():
        if other is not table:
            other.to_metadata(metadata)
    return metadata
