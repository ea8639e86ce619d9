"""A SQLAlchemy table, or the table of a mapped class, as the core describes tables.

Each is described once. A column keeps its SQLAlchemy type as `via`: who writes a value by the core and
reads it by SQLAlchemy, or the other way round, finds what was written. A type that stores as typed rows
do says so by a method `described(name, nullable)`, which gives the whole column (`StoresAsRows`). Knows
no session and no statement.
"""

from __future__ import annotations

import datetime
import enum
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any, Protocol, cast, runtime_checkable
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator, TypeEngine

from rowstead.tables.dicts import dict_rows
from rowstead.tables.schema import Column, ForeignKey, Index, Kind, Table, Unique, column_of


@runtime_checkable
class StoresAsRows(Protocol):
    """A SQLAlchemy type that stores and reads a value exactly as a typed row's column does."""

    def described(self, name: str, nullable: bool) -> Column:
        """The core's column of this type."""
        ...

    def encoder(self, codec: str) -> Callable[[Any], Any]:
        """What turns a caller's value into what the driver of `codec` takes."""
        ...

    def decoder(self, codec: str) -> Callable[[Any], Any] | None:
        """What turns the driver's value into a Python value; None where nothing needs to."""
        ...


_DESCRIBED: WeakKeyDictionary[sa.Table[Any], Table] = WeakKeyDictionary()
"""Bounded by the tables that there are; SQLAlchemy keeps those of a `MetaData` alive."""


def table_of(table: sa.Table[Any]) -> Table:
    """The core's description of a SQLAlchemy table: one object as long as its columns stay the same.

    Constraints that were given no name have the name that PostgreSQL would give them.
    """
    known = _DESCRIBED.get(table)
    if known is None or len(known.columns) != len(table.columns):
        known = _DESCRIBED[table] = _described(table)
    return known


def named_table(named: Any) -> Table | None:
    """The table that a mapped class or a SQLAlchemy table stands for; None for anything else."""
    if isinstance(named, type):
        mapper: Any = sa.inspect(cast("Any", named), raiseerr=False)
        named = getattr(mapper, "local_table", None)
    return table_of(cast("sa.Table[Any]", named)) if isinstance(named, sa.Table) else None


class TablesOf(Mapping[str, Table]):
    """The tables of a schema by their names, each described when it is asked for.

    For subqueries that name a table by text, and for finding which constraint refused a write.
    """

    def __init__(self, metadata: sa.MetaData) -> None:
        self._tables = metadata.tables

    def __getitem__(self, name: str) -> Table:
        return table_of(self._tables[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)


def column_of_type(name: str, type_: TypeEngine[Any], nullable: bool = False) -> Column:
    """The column that a SQLAlchemy type makes."""
    if isinstance(type_, StoresAsRows):
        return replace(type_.described(name, nullable), via=type_)
    known = next((known for known in _OF_TYPE if isinstance(type_, known)), None)
    make = _other if known is None else _OF_TYPE[known]
    return make(name, type_, nullable)


def _described(table: sa.Table[Any]) -> Table:
    columns = {c.name: column_of_type(c.name, c.type, _may_be_unset(c)) for c in table.columns}
    return Table(
        table.name,
        columns,
        tuple(c.name for c in table.primary_key.columns),
        dict_rows,
        table.schema,
        uniques=tuple(_uniques(table)),
        indexes=tuple(_indexes(table)),
        foreign_keys=tuple(_foreign_keys(table)),
    )


def _may_be_unset(column: sa.Column[Any]) -> bool:
    """Whether a row may leave the column out: it can be NULL, or it is a key that the database counts."""
    counted = column.primary_key and column.table.autoincrement_column is column
    return bool(column.nullable) or counted


def _names(columns: Any) -> tuple[str, ...]:
    return tuple(column.name for column in columns)


def _default_name(table: sa.Table[Any], columns: Sequence[str], ending: str) -> str:
    return "_".join([table.name, *columns, ending])


def _in_order(found: list[Any]) -> list[Any]:
    """SQLAlchemy keeps constraints in sets: by name they come the same way in every process."""
    return sorted(found, key=lambda one: (one.name, one.columns))


def _uniques(table: sa.Table[Any]) -> list[Unique]:
    found: list[Unique] = []
    for constraint in table.constraints:
        if isinstance(constraint, sa.UniqueConstraint):
            names = _names(constraint.columns)
            found.append(Unique(str(constraint.name or _default_name(table, names, "key")), names))
    return _in_order(found)


def _indexes(table: sa.Table[Any]) -> list[Index]:
    """The indexes on plain columns; one on an expression or on some of the rows is nobody's key."""
    found: list[Index] = []
    for index in table.indexes:
        partial_ = any(index.dialect_options[name].get("where") is not None for name in _WITH_PARTIAL)
        if partial_ or not all(isinstance(e, sa.Column) for e in index.expressions):
            continue
        names = _names(index.columns)
        found.append(Index(str(index.name or _default_name(table, names, "idx")), names, bool(index.unique)))
    return _in_order(found)


_WITH_PARTIAL = ("postgresql", "sqlite")
"""SQLAlchemy's dialects that know an index on some of the rows."""
_ACTIONS: Mapping[str, str] = {"CASCADE": "cascade", "SET NULL": "set_null"}


def _foreign_keys(table: sa.Table[Any]) -> list[ForeignKey]:
    found: list[ForeignKey] = []
    for key in table.foreign_key_constraints:
        names = tuple(key.column_keys)
        targets = [element.target_fullname.rpartition(".") for element in key.elements]
        found.append(
            ForeignKey(
                str(key.name or _default_name(table, names, "fkey")),
                names,
                targets[0][0].rpartition(".")[2],
                tuple(column for _, _, column in targets),
                _ACTIONS.get(str(key.ondelete).upper(), "restrict"),
                _ACTIONS.get(str(key.onupdate).upper(), "restrict"),
            )
        )
    return _in_order(found)


# Types


def _plain(kind: Kind, python: Any, name: str, type_: TypeEngine[Any], nullable: bool) -> Column:
    return Column(name, kind, python, nullable, via=type_)


def _enum(name: str, type_: Any, nullable: bool) -> Column:
    members: type[enum.Enum] | None = type_.enum_class
    if members is None:
        return Column(name, Kind.STR, str, nullable, via=type_)
    return Column(name, Kind.ENUM, members, nullable, via=type_)


def _number(name: str, type_: Any, nullable: bool) -> Column:
    kind, python = (Kind.DECIMAL, Decimal) if type_.asdecimal else (Kind.FLOAT, float)
    return Column(name, kind, python, nullable, via=type_)


def _uuid(name: str, type_: Any, nullable: bool) -> Column:
    kind, python = (Kind.UUID, uuid.UUID) if type_.as_uuid else (Kind.STR, str)
    return Column(name, kind, python, nullable, via=type_)


def _array(name: str, type_: Any, nullable: bool) -> Column:
    element: Column | None = column_of_type(name, type_.item_type, nullable=True)
    for _ in range((type_.dimensions or 1) - 1):
        element = Column(name, Kind.LIST, list, True, element)
    return Column(name, Kind.LIST, list, nullable, element, via=type_)


def _decorated(name: str, type_: Any, nullable: bool) -> Column:
    """What a TypeDecorator's values are only it knows; of JSON and lists they stay."""
    below = column_of_type(name, type_.impl_instance)
    kind = below.kind if below.kind in (Kind.JSON, Kind.LIST) else Kind.OTHER
    return Column(name, kind, None, nullable, via=type_)


def _other(name: str, type_: TypeEngine[Any], nullable: bool) -> Column:
    """A type of one database: its values are of a Python type that it tells, or the driver's."""
    try:
        told = column_of(name, type_.python_type)
    except NotImplementedError:
        return Column(name, Kind.OTHER, None, nullable, via=type_)
    return replace(told, nullable=nullable, via=type_)


_OF_TYPE: Mapping[type[Any], Callable[[str, Any, bool], Column]] = {
    # The order matters: an Enum is a String, an Interval a TypeDecorator.
    sa.Boolean: partial(_plain, Kind.BOOL, bool),
    sa.Enum: _enum,
    sa.Integer: partial(_plain, Kind.INT, int),
    sa.Numeric: _number,
    sa.Float: _number,
    sa.String: partial(_plain, Kind.STR, str),
    sa.LargeBinary: partial(_plain, Kind.BYTES, bytes),
    sa.Uuid: _uuid,
    sa.DateTime: partial(_plain, Kind.DATETIME, datetime.datetime),
    sa.Date: partial(_plain, Kind.DATE, datetime.date),
    sa.Time: partial(_plain, Kind.TIME, datetime.time),
    sa.Interval: partial(_plain, Kind.TIMEDELTA, datetime.timedelta),
    sa.JSON: partial(_plain, Kind.JSON, None),
    sa.ARRAY: _array,
    TypeDecorator: _decorated,
}
