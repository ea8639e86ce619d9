"""Tables as SQLAlchemy knows them for DDL: types, named constraints, indexes, and the CREATE statements.

On a server a column has the server's own type, on SQLite what holds the stored form (`values`).
Everything that can fail or be dropped has a name: `constraints` tells how the database's names follow
from the declared ones. Defaults are not among them: they are made in Python. Runs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.schema import AddConstraint, CreateIndex, CreateTable
from sqlalchemy.types import TypeEngine

from rowstead.dialects import Dialect
from rowstead.language.expressions import Verbatim
from rowstead.rules.checks import Tree
from rowstead.rules.columns import rule_trees
from rowstead.statements.check_sql import check_texts
from rowstead.tables.constraints import physical_name, short_name
from rowstead.tables.schema import Column, ForeignKey, Kind, Table, is_zoned

Type = TypeEngine[Any]

_STAND_IN = "rowstead stand-in"
_ACTIONS = {"restrict": "RESTRICT", "cascade": "CASCADE", "set_null": "SET NULL"}


def _jsonb(_column: Column) -> Type:
    from sqlalchemy.dialects.postgresql import JSONB

    return JSONB()


def _whole_number(column: Column) -> Type:
    small = {8: sa.SmallInteger(), 16: sa.SmallInteger(), 32: sa.Integer()}
    return small.get(column.size or 64) or sa.BigInteger()


def _array(column: Column) -> Type:
    return sa.ARRAY(_ON_SERVER[column.element.kind](column.element)) if column.element else _jsonb(column)


# Text has the order of its code points, as it has in SQLite and in Python.
_ON_SERVER: Mapping[Kind, Callable[[Column], Type]] = {
    Kind.INT: _whole_number,
    Kind.FLOAT: lambda column: sa.REAL() if column.size == 32 else sa.Double(),
    Kind.BOOL: lambda _column: sa.Boolean(),
    Kind.STR: lambda _column: sa.Text(collation="C"),
    Kind.BYTES: lambda _column: sa.LargeBinary(),
    Kind.DECIMAL: lambda _column: sa.Numeric(),
    Kind.UUID: lambda _column: sa.Uuid(),
    Kind.DATE: lambda _column: sa.Date(),
    Kind.TIME: lambda _column: sa.Time(),
    Kind.DATETIME: lambda column: sa.DateTime(timezone=is_zoned(column.type)),
    Kind.TIMEDELTA: lambda _column: sa.Interval(),
    Kind.ENUM: lambda _column: sa.Text(collation="C"),
    Kind.JSON: _jsonb,
    Kind.ANY: _jsonb,
    Kind.LIST: _array,
    Kind.OTHER: lambda _column: sa.Text(),
}
_IN_FILE: Mapping[Kind, Type] = {
    Kind.INT: sa.Integer(),
    Kind.FLOAT: sa.REAL(),
    Kind.BOOL: sa.Boolean(),
    Kind.BYTES: sa.LargeBinary(),
    Kind.TIMEDELTA: sa.Integer(),
    # No type at all changes no value.
    Kind.ANY: sa.types.NULLTYPE,
    Kind.ENUM: sa.types.NULLTYPE,
}
"""All others are text."""


def column_type(column: Column, dialect: Dialect) -> Type:
    """The column's type in this database."""
    return _ON_SERVER[column.kind](column) if dialect.typed_columns else _IN_FILE.get(column.kind, sa.Text())


def sqlalchemy_column(table: Table, column: Column, dialect: Dialect) -> sa.Column[Any]:
    """The column with its type and NOT NULL; what else it must fulfil are constraints of the table."""
    nullable = column.nullable and column.name not in table.key
    return sa.Column(column.name, column_type(column, dialect), nullable=nullable, autoincrement=False)


def check_trees(table: Table) -> dict[str, Tree]:
    """All that the table's rows must fulfil and SQL can say, by the names of the constraints."""
    trees = {name: tree for column in table.columns.values() for name, tree in rule_trees(column).items()}
    return trees | {check.name: check.tree for check in table.checks}


def check_clauses(table: Table, dialect: Dialect) -> dict[str, str]:
    """The same as SQL text, by the names in the database."""
    texts = check_texts(check_trees(table), table.columns, dialect)
    return {short_name(name): text for name, text in texts.items()}


def sqlalchemy_table(table: Table, metadata: sa.MetaData, dialect: Dialect) -> sa.Table:
    """The table with everything that is declared on it, known to `metadata`.

    A table that it refers to and `metadata` does not know is put there with the columns referred to.
    """
    made = _bare_table(table, metadata, dialect)
    _add_foreign_keys(table, made, dialect)
    return made


def metadata_of(tables: Mapping[str, Table], dialect: Dialect) -> sa.MetaData:
    """All tables with everything that is declared on them."""
    metadata = sa.MetaData()
    made = [(table, _bare_table(table, metadata, dialect)) for table in tables.values()]
    for table, bare in made:
        _add_foreign_keys(table, bare, dialect)
    return metadata


def _bare_table(table: Table, metadata: sa.MetaData, dialect: Dialect) -> sa.Table:
    before = metadata.tables.get(table.name)
    if before is not None and before.info.get(_STAND_IN):
        metadata.remove(before)
    made = sa.Table(
        table.name,
        metadata,
        *(sqlalchemy_column(table, column, dialect) for column in table.columns.values()),
        *([sa.PrimaryKeyConstraint(*table.key, name=short_name(table.key_name))] if table.key else []),
        *(
            sa.UniqueConstraint(*unique.columns, name=physical_name(table.name, unique.name))
            for unique in table.uniques
        ),
        *(
            # No column of any name: Alembic drops a check on columns that it does not know.
            sa.CheckConstraint(Verbatim(text), name=name)
            for name, text in check_clauses(table, dialect).items()
        ),
        schema=table.schema,
    )
    for index in table.indexes:
        columns = [made.c[name] for name in index.columns]
        sa.Index(physical_name(table.name, index.name), *columns, unique=index.unique)
    return made


def _on_delete(table: Table, key: ForeignKey, dialect: Dialect) -> str:
    """What the database is told; of rows of one table those that go together do not hold each other."""
    together = dialect.restricts_at_once and key.table == table.name and key.on_delete == "restrict"
    # NO ACTION restricts as well, and looks when the statement ends.
    return "NO ACTION" if together else _ACTIONS[key.on_delete]


def _add_foreign_keys(table: Table, made: sa.Table, dialect: Dialect) -> None:
    for key in table.foreign_keys:
        parent = made if key.table == table.name else _parent(key, made.metadata)
        made.append_constraint(
            sa.ForeignKeyConstraint(
                key.columns,
                [parent.c[name] for name in key.references],
                name=short_name(key.name),
                ondelete=_on_delete(table, key, dialect),
                onupdate=_ACTIONS[key.on_update],
            )
        )


def _parent(key: ForeignKey, metadata: sa.MetaData) -> sa.Table:
    known = metadata.tables.get(key.table)
    if known is None:
        known = sa.Table(key.table, metadata, info={_STAND_IN: True})
    for name in key.references:
        if name not in known.c:
            known.append_column(sa.Column(name))
    return known


def create_statements(tables: Mapping[str, Table], dialect: Dialect) -> list[str]:
    """What makes these tables and their indexes, in an order in which it can be run.

    A table comes behind those that it refers to. Where tables refer to each other in a circle, a
    foreign key is added behind them, where the database wants its table to be there.
    """
    metadata = metadata_of(tables, dialect)
    spelling: Any = dialect.sqlalchemy("named")
    statements: list[str] = []
    late: list[sa.ForeignKeyConstraint] = []
    there: set[str] = set()
    for table in parents_first(tables):
        made = metadata.tables[table.name]
        made_keys = {constraint.name: constraint for constraint in made.foreign_key_constraints}
        inline: list[sa.ForeignKeyConstraint] = []
        for key in table.foreign_keys:
            waits = dialect.alters_constraints and not _can_stand_in(table, key, there)
            (late if waits else inline).append(made_keys[short_name(key.name)])
        there.add(table.name)
        again = _swallowed(table, made) if dialect.alters_constraints else []
        made.constraints.difference_update(again)
        statements.append(_text(CreateTable(made, include_foreign_key_constraints=inline), spelling))
        statements.extend(_text(AddConstraint(constraint), spelling) for constraint in again)
        statements.extend(_text(CreateIndex(index), spelling) for index in _in_order(table, made.indexes))
    statements.extend(_text(AddConstraint(constraint), spelling) for constraint in late)
    return statements


def parents_first(tables: Mapping[str, Table]) -> list[Table]:
    """The tables, each behind those that it refers to, but for circles; else in their own order."""
    ordered: dict[str, Table] = {}
    begun: set[str] = set()

    def add(table: Table) -> None:
        if table.name in begun:
            return
        begun.add(table.name)
        for key in table.foreign_keys:
            if key.table in tables:
                add(tables[key.table])
        ordered[table.name] = table

    for table in tables.values():
        add(table)
    return list(ordered.values())


def _can_stand_in(table: Table, key: ForeignKey, there: set[str]) -> bool:
    """Whether the key can stand in its CREATE TABLE: what it refers to is there, and is unique by then."""
    if key.table != table.name:
        return key.table in there
    within = [table.key, *(unique.columns for unique in table.uniques)]
    return any(set(columns) == set(key.references) for columns in within)


def _swallowed(table: Table, made: sa.Table) -> list[sa.UniqueConstraint]:
    """The unique constraints on columns that are unique already, in the order of their declaration.

    PostgreSQL's CREATE TABLE makes one constraint of several on the same columns, by the first name.
    """
    constraints = {c.name: c for c in made.constraints if isinstance(c, sa.UniqueConstraint)}
    seen = {table.key}
    found: list[sa.UniqueConstraint] = []
    for unique in table.uniques:
        if unique.columns in seen:
            found.append(constraints[physical_name(table.name, unique.name)])
        seen.add(unique.columns)
    return found


def _in_order(table: Table, indexes: Iterable[sa.Index]) -> list[sa.Index]:
    place = {physical_name(table.name, index.name): number for number, index in enumerate(table.indexes)}
    return sorted(indexes, key=lambda index: place[str(index.name)])


_LAYOUT = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\s*[\n\t]\s*""")


def _text(element: Any, spelling: Any) -> str:
    """The element on one line; a text or a name within it stays as it is."""

    def mend(match: re.Match[str]) -> str:
        token = match.group()
        return token if token[0] in "'\"`" else " "

    return _LAYOUT.sub(mend, str(element.compile(dialect=spelling)).strip())
