"""Types that are lists of values: those that models need, and those that a database has.

It answers for PostgreSQL's enumerated types, of which Alembic's autogenerate sees nothing. Where a
database has no such types there are none to find.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa


@dataclass(frozen=True, slots=True)
class EnumColumn:
    """A column that has the type, and its default as SQL."""

    table: str
    column: str
    default: str | None


@dataclass(frozen=True, slots=True)
class CreateEnum:
    """A type that the database lacks. Going back it is dropped."""

    name: str
    labels: tuple[str, ...]
    dropped: bool = False

    def reverse(self) -> CreateEnum:
        return replace(self, dropped=not self.dropped)


@dataclass(frozen=True, slots=True)
class AlterEnum:
    """A type whose values differ."""

    name: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    columns: tuple[EnumColumn, ...]

    def reverse(self) -> AlterEnum:
        return replace(self, before=self.after, after=self.before)

    @property
    def only_grows(self) -> bool:
        """Whether what it had stays, in its order."""
        return tuple(label for label in self.after if label in self.before) == self.before


def compare_enums(connection: sa.Connection, tables: Iterable[sa.Table]) -> list[CreateEnum | AlterEnum]:
    """What has to be done to the database's enumerated types, by name."""
    inspector: Any = sa.inspect(connection)
    if not hasattr(inspector, "get_enums"):
        return []
    known = {enum["name"]: tuple(enum["labels"]) for enum in inspector.get_enums()}
    found: list[CreateEnum | AlterEnum] = []
    for name, labels in sorted(_wanted(connection, tables).items()):
        if name not in known:
            found.append(CreateEnum(name, labels))
        elif known[name] != labels:
            found.append(AlterEnum(name, known[name], labels, _columns(inspector, name)))
    return found


def _wanted(connection: sa.Connection, tables: Iterable[sa.Table]) -> Mapping[str, tuple[str, ...]]:
    wanted: dict[str, tuple[str, ...]] = {}
    for table in tables:
        for column in table.columns:
            stored: Any = column.type.dialect_impl(connection.dialect)
            stored = getattr(stored, "impl_instance", stored)
            if isinstance(stored, sa.Enum) and stored.native_enum and stored.name:
                wanted[str(stored.name)] = tuple(stored.enums)
    return wanted


def _columns(inspector: Any, name: str) -> tuple[EnumColumn, ...]:
    """The columns of the default schema that have the type."""
    return tuple(
        EnumColumn(table, column["name"], column["default"])
        for table in sorted(inspector.get_table_names())
        for column in inspector.get_columns(table)
        if isinstance(column["type"], sa.Enum) and column["type"].name == name
    )


def enum_statements(op: CreateEnum | AlterEnum, dialect: Any) -> list[str]:
    """The SQL of a change of an enumerated type."""
    quote = dialect.identifier_preparer.quote
    name = quote(op.name)
    if isinstance(op, CreateEnum):
        return [f"DROP TYPE {name}"] if op.dropped else [_create(name, op.labels)]
    if op.only_grows:
        return [_added(name, op.after, label) for label in op.after if label not in op.before]
    old = quote(f"{op.name}_before")
    lines = [f"ALTER TYPE {name} RENAME TO {old}", _create(name, op.after)]
    for column in op.columns:
        alter = f"ALTER TABLE {quote(column.table)} ALTER COLUMN {quote(column.column)}"
        lines += [f"{alter} DROP DEFAULT"] if column.default else []
        lines.append(f"{alter} TYPE {name} USING CAST(CAST({quote(column.column)} AS TEXT) AS {name})")
        # The default is spelled with the type's name, which is the new one's now.
        lines += [f"{alter} SET DEFAULT {column.default}"] if column.default else []
    return [*lines, f"DROP TYPE {old}"]


def _create(name: str, labels: Iterable[str]) -> str:
    return f"CREATE TYPE {name} AS ENUM ({', '.join(map(_literal, labels))})"


def _added(name: str, labels: tuple[str, ...], label: str) -> str:
    at = labels.index(label)
    place = f" AFTER {_literal(labels[at - 1])}" if at else f" BEFORE {_literal(labels[1])}"
    return f"ALTER TYPE {name} ADD VALUE {_literal(label)}{place}"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
