"""How a change of tables is spelled: Alembic's operations, written down as SQL text.

It answers for the statements and their order. It must not run anything. Where a database can alter a
table in place these are ALTERs; where it cannot (SQLite) the table is rebuilt by Alembic's batch mode,
copied from our own description, never from what reflection makes of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, cast

import sqlalchemy as sa
from alembic.ddl.impl import DefaultImpl
from alembic.operations import BatchOperations, Operations, ops
from alembic.runtime.migration import MigrationContext

from rowstead.dialects import Dialect
from rowstead.migrations.conversions import Conversion
from rowstead.migrations.renaming import changed
from rowstead.migrations.unexplained import same_type
from rowstead.statements import ddl
from rowstead.tables.schema import Column, Table

_PARAMSTYLE = "named"
"""One in which no character of a text has to be doubled; there are no parameters."""


class _Writer:
    """Alembic's implementation for a dialect, which runs nothing and keeps what it would run.

    Its own text mode turns a tab in a quoted text into blanks.
    """

    dialect: Any
    texts: list[str]
    conversions: Mapping[str, Conversion]

    def _exec(self, construct: Any, *_args: Any, **_kw: Any) -> None:
        if isinstance(construct, str):
            self.texts.append(construct)
            return
        options = {} if isinstance(construct, sa.schema.DDLElement) else {"literal_binds": True}
        self.texts.append(str(construct.compile(dialect=self.dialect, compile_kwargs=options)).strip())

    def cast_for_batch_migrate(self, existing: Any, existing_transfer: dict[str, Any], _new: Any) -> None:
        found = self.conversions.get(existing.name)
        value = found.value if found is not None else "NULL"
        existing_transfer["expr"] = sa.literal_column(value).label(existing.name)


class Renderer:
    """Spells changes for one database; `quoted` spells a name.

    `tables` are all that are there, with the changed one.
    """

    def __init__(self, dialect: Dialect, rebuilds: bool, quoted: Callable[[str], str]) -> None:
        self._dialect = dialect
        self._rebuilds = rebuilds
        self._quoted = quoted

    def created(self, table: Table) -> list[str]:
        """A new table with its indexes and constraints, as a new database would get it."""
        return ddl.create_statements({table.name: table}, self._dialect)

    def dropped(self, table: Table) -> list[str]:
        """A table less."""
        operations, writer = self._operations()
        operations.drop_table(table.name)
        return writer.texts

    def renamed(
        self, before: Table, after: Table, old: str, new: str, tables: Mapping[str, Table]
    ) -> tuple[list[str], list[str]]:
        """A column by another name; the database itself carries it to whatever refers to it. Apart from
        that: what makes the table anew, for constraints whose names are made of a column's."""
        spelling = self._spelling()
        olds = _constraints(self._form(before, tables), spelling)
        form = self._form(after, tables)
        news = _constraints(form, spelling)
        gone = olds.keys() - news.keys()
        operations, writer = self._operations()
        if self._rebuilds:
            # Alembic would rebuild, and leave the old name in the foreign keys that refer to it.
            table, *names = (self._quoted(n) for n in (before.name, old, new))
            if gone:
                self._batch(operations, after, form, True, iter(()))
            return [f"ALTER TABLE {table} RENAME COLUMN {' TO '.join(names)}"], writer.texts
        for name in sorted(gone):
            operations.invoke(ops.DropConstraintOp.from_constraint(olds[name][1]))
        operations.alter_column(before.name, old, new_column_name=new)
        for name in sorted(news.keys() - olds.keys()):
            operations.invoke(ops.AddConstraintOp.from_constraint(news[name][1]))
        return writer.texts, []

    def column_added(self, table: Table, column: Column) -> list[str]:
        """A column more at the end, NULL in every row."""
        operations, writer = self._operations()
        operations.add_column(table.name, ddl.sqlalchemy_column(table, column, self._dialect))
        return writer.texts

    def altered(
        self,
        before: Table,
        after: Table,
        tables: Mapping[str, Table],
        conversions: Mapping[str, Conversion],
        held: Table,
    ) -> list[str]:
        """The table in its other form: columns less, of another type or nullability; constraints and
        indexes. Columns that are in both have the same names; `conversions` are of those that change type.
        `held` has the constraints that the database has: a column that was just added has none yet."""
        old, new = self._held(before, held, tables), self._form(after, tables)
        operations, writer = self._operations(conversions)
        rebuild = self._rebuilds and self._differ(before, after, old, new)
        self._batch(operations, before, old, rebuild, self._changes(before, after, old, new, conversions))
        return writer.texts

    def rebuilds(self, before: Table, after: Table, tables: Mapping[str, Table], held: Table) -> bool:
        """Whether `altered` makes the table anew."""
        forms = self._held(before, held, tables), self._form(after, tables)
        return self._rebuilds and self._differ(before, after, *forms)

    def _held(self, table: Table, held: Table, tables: Mapping[str, Table]) -> sa.Table:
        form = self._form(table, tables)
        if held is not table:
            names = {constraint.name for constraint in self._form(held, tables).constraints}
            for constraint in [c for c in form.constraints if c.name not in names]:
                form.constraints.discard(constraint)
        return form

    def _differ(self, before: Table, after: Table, old: sa.Table, new: sa.Table) -> bool:
        """Whether more than indexes is different."""
        spelling = self._spelling()
        constraints = (
            {name: text for name, (text, _) in _constraints(f, spelling).items()} for f in (old, new)
        )
        return self._columns_differ(before, after) or next(constraints) != next(constraints)

    def _columns_differ(self, before: Table, after: Table) -> bool:
        return before.columns.keys() != after.columns.keys() or any(
            c.nullable != after.columns[n].nullable or not same_type(c, after.columns[n])
            for n, c in before.columns.items()
        )

    def _changes(
        self, before: Table, after: Table, old: sa.Table, new: sa.Table, conversions: Mapping[str, Conversion]
    ) -> Iterator[Any]:
        """Alembic's operations from one form to the other, in an order in which each can be done."""
        kept = [name for name in after.columns if name in before.columns]
        retyped = [n for n in kept if not same_type(before.columns[n], after.columns[n])]
        olds, news = _constraints(old, self._spelling()), _constraints(new, self._spelling())
        # A check's text is bound to its columns' types, so with another type it is read anew.
        anew = {name for name, (text, _) in olds.items() if name not in news or news[name][0] != text}
        anew |= {name for name, (_, c) in olds.items() if retyped and isinstance(c, sa.CheckConstraint)}
        for name in anew:
            yield ops.DropConstraintOp.from_constraint(olds[name][1])
        indexes, wanted = _indexes(old, self._spelling()), _indexes(new, self._spelling())
        for name, (text, index) in indexes.items():
            if name not in wanted or wanted[name][0] != text:
                yield ops.DropIndexOp.from_index(index)
        for name in before.columns.keys() - after.columns.keys():
            yield ops.DropColumnOp(before.name, name)
        for name in kept:
            column = after.columns[name]
            if name in retyped or column.nullable != before.columns[name].nullable:
                yield self._alter_column(before, column, old, new, name in retyped, conversions)
        for name, (_, constraint) in news.items():
            if name not in olds or name in anew:
                yield ops.AddConstraintOp.from_constraint(constraint)
        for name, (text, index) in wanted.items():
            if name not in indexes or indexes[name][0] != text:
                yield ops.CreateIndexOp.from_index(index)

    def _alter_column(
        self,
        before: Table,
        column: Column,
        old: sa.Table,
        new: sa.Table,
        retyped: bool,
        conversions: Mapping[str, Conversion],
    ) -> Any:
        name = column.name
        changes: dict[str, Any] = {"existing_nullable": before.columns[name].nullable}
        if column.nullable != before.columns[name].nullable:
            changes["modify_nullable"] = column.nullable
        if retyped:
            found = conversions.get(name)
            type_ = cast(Any, new.c[name].type)
            changes["modify_type"] = type_
            changes["postgresql_using"] = found.value if found is not None else "NULL"
        return ops.AlterColumnOp(before.name, name, existing_type=old.c[name].type, **changes)

    def _batch(
        self, operations: Operations, table: Table, form: sa.Table, rebuild: bool, changes: Iterable[Any]
    ) -> None:
        recreate = "always" if rebuild else "never"
        batch: BatchOperations
        with operations.batch_alter_table(table.name, copy_from=form, recreate=recreate) as batch:
            for change in changes:
                batch.invoke(change)

    def index_names(self, table: Table, tables: Mapping[str, Table]) -> set[str]:
        """The names that the table's indexes have in the database."""
        return set(_indexes(self._form(table, tables), self._spelling()))

    def _form(self, table: Table, tables: Mapping[str, Table]) -> sa.Table:
        # Of the others only what can be referred to counts, and they may be in a form of their own.
        referred = {k.table: changed(tables[k.table], foreign_keys=()) for k in table.foreign_keys}
        metadata = ddl.metadata_of({**referred, table.name: table}, self._dialect)
        return metadata.tables[table.name]

    def _operations(self, conversions: Mapping[str, Conversion] | None = None) -> tuple[Operations, _Writer]:
        dialect = self._spelling()
        base: type[DefaultImpl] = DefaultImpl.get_by_dialect(dialect)
        context = MigrationContext.configure(dialect=dialect, opts={"as_sql": True})
        writer: Any = type("Writer", (_Writer, base), {})(dialect, None, True, None, None, {})
        writer.texts = []
        writer.conversions = conversions or {}
        context.impl = writer
        return Operations(context), writer

    def _spelling(self) -> Any:
        return self._dialect.sqlalchemy(_PARAMSTYLE)


def _constraints(form: sa.Table, dialect: Any) -> dict[str, tuple[str, sa.Constraint]]:
    """The constraints but the primary key, which never changes: name -> text and constraint."""
    compiler = dialect.ddl_compiler(dialect, None)
    return {
        str(constraint.name): (compiler.process(constraint), constraint)
        for constraint in sorted(form.constraints, key=lambda c: str(c.name))
        if not isinstance(constraint, sa.PrimaryKeyConstraint)
    }


def _indexes(form: sa.Table, dialect: Any) -> dict[str, tuple[str, sa.Index]]:
    return {
        str(index.name): (str(sa.schema.CreateIndex(index).compile(dialect=dialect)), index)
        for index in sorted(form.indexes, key=lambda i: str(i.name))
    }
