"""Carrying out changes of tables, as plans: rows are looked at, statements run, new columns filled.

It answers for what happens to data: nothing is lost without an error, and an error says which value
stands in the way. It must not know what an operation means (`evolution.py`) nor how a change is
spelled (`rendering.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from rowstead.errors import ForeignKeyError, NotNullError, ValidationError
from rowstead.language.conditions import read
from rowstead.language.ordering import read_order
from rowstead.language.shapes import EVERYTHING, VALUE
from rowstead.migrations.bodies import statements_of
from rowstead.migrations.changes import Altered, Change, Created, Dropped, Ran, Renamed
from rowstead.migrations.conversions import Conversion, conversion
from rowstead.migrations.facts import Facts
from rowstead.migrations.refusals import declaring, declaring_in_any
from rowstead.migrations.renaming import changed
from rowstead.migrations.store import Fill
from rowstead.migrations.unexplained import same_type
from rowstead.plan import Call, Many, Plan
from rowstead.rules.columns import column_checker
from rowstead.statements.compiled import Compiler
from rowstead.tables.schema import Column, Table
from rowstead.values.decoders import decoder

if TYPE_CHECKING:
    from rowstead.migrations.rendering import Renderer

BATCH = 5_000
"""Rows that are filled at a time."""

Tables = Mapping[str, Table]


class Carrier:
    """Carries changes out in one database, inside the transaction that is open."""

    def __init__(self, compiler: Compiler, facts: Facts, fill: Fill) -> None:
        self._compiler = compiler
        self._facts = facts
        self._fill = fill
        self._preparer: Any = compiler.dialect.sqlalchemy(compiler.paramstyle).identifier_preparer

    @cached_property
    def _renderer(self) -> Renderer:
        # Alembic is loaded by the first migration that has something to do.
        try:
            from rowstead.migrations.rendering import Renderer
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] != "alembic":
                raise
            raise ImportError("schema operations need Alembic: pip install 'rowstead[migrate]'") from error

        return Renderer(self._compiler.dialect, self._facts.rebuild is not None, self.quoted)

    def quoted(self, name: str) -> str:
        """A name as it stands in SQL."""
        return self._preparer.quote(name)

    def carry(self, change: Change, tables: Tables) -> Plan[None]:
        """Do what the change says; `tables` are those that are there after it."""
        match change:
            case Created(table):
                yield from self._run(self._renderer.created(table))
            case Dropped(table):
                yield from self._run(self._renderer.dropped(table))
            case Renamed(before, after, old, new):
                renaming, rebuilding = self._renderer.renamed(before, after, old, new, tables)
                yield from self._run(renaming)
                # Behind it: what belongs to the table has the new name in its SQL by then.
                yield from declaring(self._rebuilding(after, rebuilding, tables), after, tables)
            case Altered(before, after, filled):
                held = before
                if filled is not None:
                    before = yield from self._added(before, after.columns[filled])
                yield from self._altered(before, after, tables, held)
            case Ran(operation):
                statements = statements_of(operation, self._facts, self.quoted)
                yield from declaring_in_any(self._run([s.text for s in statements]), tables)

    def require_whole(self, tables: Tables) -> Plan[None]:
        """Raise ForeignKeyError if a row refers to one that is not there, where nobody watched that."""
        rebuild = self._facts.rebuild
        if rebuild is None:
            return
        broken = (yield Call(rebuild.broken_keys, raw=True)).records
        if not broken:
            return
        name, _, parent, number = broken[0]
        records = (yield Call(rebuild.key_columns, [name, number], raw=True)).records
        columns = tuple(record[0] for record in records)
        table = tables.get(name)
        found = [k for k in table.foreign_keys if k.table == parent and k.columns == columns] if table else []
        raise ForeignKeyError(
            f"{len(broken)} rows refer to rows that are not there, the first of them in {name} by "
            f"{found[0].name if found else 'a foreign key'} ({', '.join(columns)}) to {parent}; "
            "mend or delete them first (inside a migration that alters tables, a DELETE by raw_sql does not "
            "cascade: give it a migration of its own)",
            table=name,
            column=columns[0] if len(columns) == 1 else None,
            constraint=found[0].name if found else None,
        )

    # Columns that are new

    def _added(self, table: Table, column: Column) -> Plan[Table]:
        """Add a column and fill it; the table with it, nullable as it is until then."""
        nullable = _nullable(column)
        between = changed(table, columns={**table.columns, column.name: nullable})
        yield from self._run(self._renderer.column_added(between, nullable))
        if column.default is not None:
            yield from self._filled(between, column)
        elif not column.nullable and (yield from self._has(between, None)):
            raise NotNullError(
                f"{table.name}.{column.name} cannot be null and has no default, and the table has rows; "
                "give it a default, or make it nullable, fill it and alter it in a later migration",
                table=table.name,
                column=column.name,
            )
        return between

    def _filled(self, table: Table, column: Column) -> Plan[None]:
        """Every row gets the column's default, as if it was inserted now."""
        check = column_checker(table, column)
        given = ((column.name, VALUE),)
        if column.default is not None and column.default.kind in ("static", "now"):
            # Only where there are rows: what the default takes would be gone.
            if (yield from self._has(table, None)):
                (value,) = check((yield from self._fill(table, column, 1)))
                update = self._compiler.get(("update", table, given, EVERYTHING, ()))
                yield update.call([value], None)
            return
        order = read_order(list(table.key), table)
        keys = self._compiler.get(("select", table, table.key, EVERYTHING, order))
        rows: Sequence[Mapping[str, Any]] = yield keys.call([], keys.read_all)
        by_key = ("and", *(("eq", name, VALUE) for name in table.key))
        update = self._compiler.get(("update", table, given, by_key, ()))
        for at in range(0, len(rows), BATCH):
            some = rows[at : at + BATCH]
            values = check((yield from self._fill(table, column, len(some))))
            pairs = [
                [value, *(row[name] for name in table.key)] for value, row in zip(values, some, strict=True)
            ]
            yield Many(update.text, update.bind_many(pairs), table.name)

    # Tables in another form

    def _altered(self, before: Table, after: Table, tables: Tables, held: Table) -> Plan[None]:
        conversions: dict[str, Conversion] = {}
        for name, column in after.columns.items():
            old = before.columns[name]
            if not same_type(old, column):
                found = yield from self._convertible(before, old, column)
                if found is not None:
                    conversions[name] = found
            if old.nullable and not column.nullable:
                yield from self._require_no_null(before, column)
        statements = self._renderer.altered(before, after, tables, conversions, held)
        rebuilds = self._renderer.rebuilds(before, after, tables, held)
        work = self._rebuilding(before, statements, tables) if rebuilds else self._run(statements)
        yield from declaring(work, after, tables)
        for name, column in after.columns.items():
            if column.rules is not None and column.rules != before.columns[name].rules:
                yield from self._require_rules(after, column)

    def _convertible(self, table: Table, old: Column, new: Column) -> Plan[Conversion | None]:
        """How the values become the new type's. Raises ValidationError where one cannot."""
        found = conversion(old, new, self._compiler.dialect, self.quoted(old.name))
        lost = yield from self._lossy(table, old, found)
        if lost is None and found is not None and found.survives is not None:
            lost = yield from self._not_surviving(table, new, found.survives)
        if lost is None:
            return found
        key = [lost[name] for name in table.key]
        pk = key[0] if len(key) == 1 else key
        raise ValidationError(
            f"{table.name}.{old.name} is {_type(old)} and cannot become {_type(new)} without losing "
            f"{lost[old.name]!r} of the row with the key {pk!r}; change such values first, or add a column, "
            "fill it and drop this one",
            table=table.name,
            column=old.name,
            pk=pk,
        )

    def _lossy(self, table: Table, old: Column, found: Conversion | None) -> Plan[Mapping[str, Any] | None]:
        """A row whose value SQL says would be lost: its key and the value."""
        names = list(dict.fromkeys((*table.key, old.name)))
        columns, quoted = ", ".join(map(self.quoted, names)), self.quoted(old.name)
        lossy = f"NOT ({found.lossless})" if found is not None else "1 = 1"
        where = f"{quoted} IS NOT NULL AND {lossy}"
        sql = f"SELECT {columns} FROM {self.quoted(table.name)} WHERE {where} LIMIT 1"
        for record in (yield Call(sql, raw=True)).records:
            decoders = [decoder(table.columns[name], self._compiler.codec) for name in names]
            values = [v if d is None else d(v) for d, v in zip(decoders, record, strict=True)]
            return dict(zip(names, values, strict=True))
        return None

    def _not_surviving(
        self, table: Table, new: Column, survives: Callable[[Column, Any], Any]
    ) -> Plan[Mapping[str, Any] | None]:
        """A row whose value Python says would be lost."""
        names = tuple(dict.fromkeys((*table.key, new.name)))
        shape, values = read({new.name: {"is_not_null": True}}, table)
        compiled = self._compiler.get(("select", table, names, shape, read_order(list(table.key), table)))
        rows: Sequence[Mapping[str, Any]] = yield compiled.call(values, compiled.read_all)
        for row in rows:
            try:
                survives(new, row[new.name])
            except ValueError:
                return row
        return None

    def _require_no_null(self, table: Table, column: Column) -> Plan[None]:
        if (yield from self._has(table, {column.name: {"is_null": True}})):
            raise NotNullError(
                f"{table.name}.{column.name} has rows with NULL and cannot become NOT NULL; "
                "give them a value first, by a raw_sql operation before this one",
                table=table.name,
                column=column.name,
            )

    def _require_rules(self, table: Table, column: Column) -> Plan[None]:
        """Raise CheckError unless the values that are there obey rules that only Python can check too."""
        if column.rules is None or column.rules.pattern is None:
            return
        key = ("select", table, (column.name,), EVERYTHING, (), False, False, None, False, True)
        compiled = self._compiler.get(key)
        rows: Sequence[Mapping[str, Any]] = yield compiled.call([], compiled.read_all)
        column_checker(table, column)([row[column.name] for row in rows])

    def _has(self, table: Table, where: Any) -> Plan[bool]:
        shape, values = read(where, table)
        compiled = self._compiler.get(("exists", table, shape))
        return bool((yield compiled.call(values, list)))

    # Statements

    def _rebuilding(self, table: Table, statements: Sequence[str], tables: Tables) -> Plan[None]:
        """Run statements that may make a table anew, and make again what belonged to the old one and is
        no part of our description: triggers, partial indexes."""
        rebuild = self._facts.rebuild
        if rebuild is None or not statements:
            yield from self._run(statements)
            return
        objects = (yield Call(rebuild.own_objects, [table.name], raw=True)).records
        yield Call(rebuild.before, raw=True)
        yield from self._run(statements)
        yield Call(rebuild.after, raw=True)
        there = {record[0] for record in (yield Call(rebuild.own_objects, [table.name], raw=True)).records}
        there |= self._renderer.index_names(table, tables)
        yield from self._run([sql for name, sql in objects if name not in there])

    def _run(self, statements: Sequence[str]) -> Plan[None]:
        for statement in statements:
            yield Call(statement, writes=True, raw=True)


def _nullable(column: Column) -> Column:
    """The column as it is until its rows are filled."""
    return replace(column, nullable=True, rules=None)


def _type(column: Column) -> str:
    return column.storage or column.kind.value
