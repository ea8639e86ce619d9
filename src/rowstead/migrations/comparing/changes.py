"""What one difference is: in words, where it stands in the order, and what it may destroy.

It answers for the meaning of Alembic's operations. It must not know SQL statements.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops

from rowstead.migrations.comparing.enums import AlterEnum, CreateEnum
from rowstead.migrations.comparing.unseen import CreateSchema

TypeText = Callable[[Any], str]


@dataclass(frozen=True, slots=True)
class RenameColumn:
    """A column by another name."""

    table_name: str
    old: str
    new: str
    schema: str | None = None

    def reverse(self) -> RenameColumn:
        return replace(self, old=self.new, new=self.old)


@dataclass(frozen=True, slots=True)
class Change:
    """One difference, as an operation that leads from the database to the models."""

    op: Any
    """Of Alembic's, or one of ours; it has a `reverse()`."""
    kind: str
    table: str
    columns: frozenset[str]
    """The table's columns that it is about."""
    text: str
    """In words, on one line."""
    destructive: str | None = None
    """What going forth may destroy, or where it may fail; None: it loses nothing."""
    undoing: str | None = None
    """The same of going back."""

    @property
    def rank(self) -> int:
        """Its place among changes of other kinds, so that each finds what it needs."""
        return _RANKS[self.kind]


_ORDER = (
    ("drop_foreign_key",),
    ("drop_index", "drop_unique", "drop_check"),
    ("create_schema",),
    ("create_enum", "alter_enum"),
    ("create_table",),
    ("rename_column",),
    ("add_column",),
    ("alter_column", "table_comment"),
    ("drop_column",),
    ("create_unique", "create_check", "create_index"),
    ("create_foreign_key",),
    ("drop_table",),
)
_RANKS: Mapping[str, int] = {kind: rank for rank, kinds in enumerate(_ORDER) for kind in kinds}


def change_of(op: Any, type_text: TypeText) -> Change:
    """An operation with its meaning."""
    return _READ[type(op)](op, type_text)


def in_order(changes: list[Change]) -> list[Change]:
    """The changes in an order in which each can be done; new tables keep theirs, behind what they need."""
    created = [c for c in changes if c.kind == "create_table"]
    places = {id(change): number for number, change in enumerate([*created, *_children_first(changes)])}
    return sorted(changes, key=lambda c: (c.rank, places.get(id(c), 0), c.table, c.text))


def _children_first(changes: list[Change]) -> list[Change]:
    """The tables that go, each before those that it refers to; in a circle by name."""
    going = {c.table: c for c in changes if c.kind == "drop_table"}
    needs: dict[str, set[str]] = {name: set() for name in sorted(going)}
    for name, change in going.items():
        table: sa.Table = change.op.to_table()
        for key in table.foreign_key_constraints:
            referred = key.elements[0].target_fullname.rpartition(".")[0]
            if referred in needs and referred != name:
                needs[referred].add(name)
    try:
        return [going[name] for name in TopologicalSorter(needs).static_order()]
    except CycleError:
        return [going[name] for name in needs]


def _name(op: Any) -> str:
    schema = getattr(op, "schema", None) or getattr(op, "source_schema", None)
    table = getattr(op, "table_name", None) or op.source_table
    return f"{schema}.{table}" if schema else str(table)


def _create_table(op: ops.CreateTableOp, _: TypeText) -> Change:
    names = [column.name for column in op.columns if isinstance(column, sa.Column)]
    text = f"table {_name(op)} is missing ({', '.join(names)})"
    undoing = f"the rows of {_name(op)} are lost"
    return Change(op, "create_table", _name(op), frozenset(), text, undoing=undoing)


def _drop_table(op: ops.DropTableOp, _: TypeText) -> Change:
    text = f"table {_name(op)} is in no model"
    return Change(op, "drop_table", _name(op), frozenset(), text, f"the rows of {_name(op)} are lost")


def _rename(op: RenameColumn, _: TypeText) -> Change:
    text = f"column {op.old} is called {op.new} in the models"
    return Change(op, "rename_column", _name(op), frozenset({op.old, op.new}), text)


def _add_column(op: ops.AddColumnOp, type_text: TypeText) -> Change:
    column = op.column
    must = not column.nullable and column.server_default is None and column.computed is None
    text = f"column {column.name} {type_text(column.type)}{'' if column.nullable else ' NOT NULL'} is missing"
    risk = f"fails where {_name(op)} has rows: {column.name} is NOT NULL without a default in the database"
    undoing = f"the values of {_name(op)}.{column.name} are lost"
    columns = frozenset({str(column.name)})
    return Change(op, "add_column", _name(op), columns, text, risk if must else None, undoing)


def _drop_column(op: ops.DropColumnOp, type_text: TypeText) -> Change:
    column = op.to_column()
    text = f"column {column.name} {type_text(column.type)} is in no model"
    must = not column.nullable and column.server_default is None and column.computed is None
    undoing = f"fails where {_name(op)} has rows: nothing is left to fill {column.name}, which is NOT NULL"
    return Change(
        op,
        "drop_column",
        _name(op),
        frozenset({str(column.name)}),
        text,
        f"the values of {_name(op)}.{column.name} are lost",
        undoing if must else None,
    )


def _alter_column(op: ops.AlterColumnOp, type_text: TypeText) -> Change:
    said: list[str] = []
    if op.modify_type is not None:
        said.append(f"has the type {type_text(op.existing_type)}, in the models {type_text(op.modify_type)}")
    if op.modify_nullable is not None:
        said.append("may not be NULL, in the models it may" if op.modify_nullable else
                    "may be NULL, in the models it may not")  # fmt: skip
    if op.modify_server_default is not False:
        said.append(f"has another default ({_default(op.existing_server_default)}, in the models "
                    f"{_default(op.modify_server_default)})")  # fmt: skip
    if op.modify_comment is not False:
        said.append("has another comment")
    back: Any = op.reverse()
    return Change(
        op,
        "alter_column",
        _name(op),
        frozenset({op.column_name}),
        f"column {op.column_name} {'; '.join(said)}",
        _alter_risk(op, type_text),
        _alter_risk(back, type_text),
    )


def _alter_risk(op: Any, type_text: TypeText) -> str | None:
    place = f"{_name(op)}.{op.column_name}"
    risks: list[str] = []
    if op.modify_type is not None and not _is_wider(op.existing_type, op.modify_type):
        rounded = " and are rounded" if _has_fewer_places(op.existing_type, op.modify_type) else ""
        risks.append(f"values of {place} may not fit {type_text(op.modify_type)}{rounded}")
    if op.modify_nullable is False:
        risks.append(f"fails where {place} is NULL")
    return "; ".join(risks) or None


def _is_wider(before: Any, after: Any) -> bool:
    """Whether every value of one type is one of the other."""
    if isinstance(before, sa.Enum) or isinstance(after, sa.Enum):
        return False
    if isinstance(before, sa.String) and isinstance(after, sa.String):
        return after.length is None or (before.length is not None and before.length <= after.length)
    if isinstance(before, sa.Integer) and isinstance(after, sa.Integer):
        return _width(before) <= _width(after)
    if isinstance(before, sa.Numeric) and isinstance(after, sa.Numeric):
        if after.precision is None:
            return True
        scales = before.scale or 0, after.scale or 0
        if before.precision is None or scales[1] < scales[0]:
            return False
        return before.precision - scales[0] <= after.precision - scales[1]
    return False


def _has_fewer_places(before: Any, after: Any) -> bool:
    """Whether a database rounds a number of one type that becomes one of the other."""
    if not isinstance(before, sa.Numeric):
        return False
    if isinstance(after, sa.Numeric):
        return after.scale is not None and (before.scale is None or after.scale < before.scale)
    return isinstance(after, sa.Integer)


def _width(kind: sa.Integer) -> int:
    return 1 if isinstance(kind, sa.SmallInteger) else 3 if isinstance(kind, sa.BigInteger) else 2


def _default(default: Any) -> str:
    if default is None or default is False:
        return "none"
    given = getattr(default, "arg", default)
    return str(getattr(given, "text", given))


def _index(op: Any, _: TypeText) -> Change:
    index = op.to_index()
    columns = frozenset(str(c.name) for c in index.columns)
    listed = ", ".join(str(e.name if isinstance(e, sa.Column) else e) for e in index.expressions)
    return Change(op, "create_index", _name(op), columns, f"index {op.index_name} on {listed} is missing")


def _drop_index(op: Any, _: TypeText) -> Change:
    columns = frozenset(str(c.name) for c in op.to_index().columns)
    return Change(op, "drop_index", _name(op), columns, f"index {op.index_name} is in no model")


def _unique(op: ops.CreateUniqueConstraintOp, _: TypeText) -> Change:
    columns = [str(getattr(c, "name", c)) for c in op.columns]
    text = f"unique constraint on {', '.join(columns)} is missing"
    risk = f"fails where rows of {_name(op)} have the same {', '.join(columns)}"
    return Change(op, "create_unique", _name(op), frozenset(columns), text, risk)


def _foreign_key(op: ops.CreateForeignKeyOp, _: TypeText) -> Change:
    target = f"{op.referent_table} ({', '.join(op.remote_cols)})"
    text = f"foreign key on {', '.join(op.local_cols)} to {target} is missing"
    risk = f"fails where rows of {_name(op)} refer to none of {op.referent_table}"
    return Change(op, "create_foreign_key", _name(op), frozenset(op.local_cols), text, risk)


def _check(op: ops.CreateCheckConstraintOp, _: TypeText) -> Change:
    text = f"check {op.constraint_name} is missing"
    risk = f"fails where rows of {_name(op)} do not fulfil it"
    return Change(op, "create_check", _name(op), frozenset(), text, risk)


def _drop_constraint(op: ops.DropConstraintOp, _: TypeText) -> Change:
    kinds = {"foreignkey": "foreign_key", "unique": "unique", "check": "check"}
    kind = kinds[str(op.constraint_type)]
    constraint: Any = op.to_constraint()
    columns = frozenset(str(c.name) for c in getattr(constraint, "columns", ()))
    name = op.constraint_name or f"on {', '.join(sorted(columns))}"
    text = f"{kind.replace('_', ' ')} {name} is in no model"
    return Change(op, f"drop_{kind}", _name(op), columns, text)


def _comment(op: Any, _: TypeText) -> Change:
    return Change(op, "table_comment", _name(op), frozenset(), "the table has another comment")


def _create_schema(op: CreateSchema, _: TypeText) -> Change:
    undoing = f"fails where {op.name} holds more than the models' tables"
    text = f"schema {op.name} is missing"
    return Change(op, "create_schema", op.name, frozenset(), text, undoing=undoing)


def _create_enum(op: CreateEnum, _: TypeText) -> Change:
    text = f"type {op.name} is missing ({', '.join(op.labels)})"
    return Change(op, "create_enum", op.name, frozenset(), text)


def _alter_enum(op: AlterEnum, _: TypeText) -> Change:
    more = [label for label in op.after if label not in op.before]
    less = [label for label in op.before if label not in op.after]
    parts = [f"lacks {', '.join(more)}"] if more else []
    parts += [f"has {', '.join(less)}, which the models do not"] if less else []
    text = f"type {op.name} {' and '.join(parts) or 'has its values in another order'}"

    def risk(gone: list[str]) -> str | None:
        return f"fails where a column holds {', '.join(gone)}" if gone else None

    return Change(op, "alter_enum", op.name, frozenset(), text, risk(less), risk(more))


_READ: Mapping[type, Callable[[Any, TypeText], Change]] = {
    ops.CreateTableOp: _create_table,
    ops.DropTableOp: _drop_table,
    RenameColumn: _rename,
    ops.AddColumnOp: _add_column,
    ops.DropColumnOp: _drop_column,
    ops.AlterColumnOp: _alter_column,
    ops.CreateIndexOp: _index,
    ops.DropIndexOp: _drop_index,
    ops.CreateUniqueConstraintOp: _unique,
    ops.CreateForeignKeyOp: _foreign_key,
    ops.CreateCheckConstraintOp: _check,
    ops.DropConstraintOp: _drop_constraint,
    ops.CreateTableCommentOp: _comment,
    ops.DropTableCommentOp: _comment,
    CreateSchema: _create_schema,
    CreateEnum: _create_enum,
    AlterEnum: _alter_enum,
}
