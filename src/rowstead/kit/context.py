"""What every verb of the kit is given: the tables, the compiler of statements, the custom defaults.

And how a caller names a table, a row and its columns. Knows no statement.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from rowstead.errors import UndefinedTableError, ValidationError, did_you_mean, undefined_column
from rowstead.kit.defaults import Functions
from rowstead.language.shapes import VALUE, Shape
from rowstead.rules.accepted import accepting
from rowstead.rules.columns import checker, column_checker
from rowstead.statements.compiled import Compiled, Compiler
from rowstead.tables.schema import COMPOSITE_KINDS, Table

T = TypeVar("T")


@dataclass(slots=True)
class Context:
    """One handle's view of its database."""

    compiler: Compiler
    tables: Mapping[str, Table]
    functions: Functions
    gets: dict[tuple[str, type], Compiled] = field(default_factory=dict[tuple[str, type], Compiled])
    """Gets by a key of one column that were read before, by the table's name and the key's type."""
    edition: int | None = None
    """The number of the schema where it is one that a database keeps; see `stored`."""

    def with_tables(self, tables: Mapping[str, Table], edition: int | None) -> Context:
        """The same handle's view of another schema. Transactions that have begun go on with their own."""
        return Context(self.compiler, tables, self.functions, edition=edition)

    def table(self, name: str) -> Table:
        """The table of this name, or an UndefinedTableError with a suggestion."""
        table = self.tables.get(name) if isinstance(name, str) else None  # pyright: ignore[reportUnnecessaryIsInstance]
        if table is None:
            hint = did_you_mean(str(name), self.tables)
            raise UndefinedTableError(f"there is no table {name!r}; {hint}", table=str(name))
        return table


def checked(table: Table, name: str, value: Any) -> Any:
    """A value held to its column: its type, its width, its rules, and whether it may be None."""
    checkers = table.facts.get("kit_checkers")
    if checkers is None:
        checkers = table.facts["kit_checkers"] = {n: checker(table, c) for n, c in table.columns.items()}
    return checkers[name](value)


def checked_column(table: Table, name: str, values: Sequence[Any]) -> Sequence[Any]:
    """As `checked`, for the values of many rows."""
    checkers = table.facts.get("kit_column_checkers")
    if checkers is None:
        checkers = table.facts["kit_column_checkers"] = {
            n: column_checker(table, c) for n, c in table.columns.items()
        }
    return checkers[name](values)


def key_values(table: Table, pk: Any) -> Sequence[Any]:
    """A row's key, in the order of the table's, from a value, or a list, tuple or dict of them."""
    key = table.key
    if len(key) == 1 and type(pk) is not dict and not _is_several(table, pk):
        return (_part(table, key[0], pk),)
    if isinstance(pk, Mapping):
        parts = cast("Mapping[str, Any]", pk)
        missing = [name for name in key if name not in parts]
        if missing:
            raise ValidationError(
                f"the key of {table.name} is {list(key)}; {missing} is missing", table=table.name, pk=parts
            )
        return tuple(_part(table, name, parts[name]) for name in key)
    if not isinstance(pk, (list, tuple)) or len(cast("Sequence[Any]", pk)) != len(key):
        raise ValidationError(
            f"the key of {table.name} is {list(key)}: give a list or tuple of {len(key)} values, or a dict",
            table=table.name,
            pk=pk,
        )
    values = cast("Sequence[Any]", pk)
    return tuple(_part(table, name, value) for name, value in zip(key, values, strict=True))


def _is_several(table: Table, pk: Any) -> bool:
    return isinstance(pk, (list, tuple)) and table.columns[table.key[0]].kind not in COMPOSITE_KINDS


def _part(table: Table, name: str, value: Any) -> Any:
    """One column of a key, of the column's type. Rules do not count: no row breaks them, none is found."""
    accepts = table.facts.get("kit_accepts")
    if accepts is None:
        accepts = table.facts["kit_accepts"] = {n: accepting(table.columns[n]) for n in table.key}
    if value is None:
        raise ValidationError(f"a key of {table.name} has no None ({name!r})", table=table.name, column=name)
    try:
        return accepts[name](value)
    except ValidationError as error:
        raise ValidationError(f"{table.name}.{name}: {error}", table=table.name, column=name) from None


def key_shape(table: Table) -> Shape:
    """The condition that a row has a key."""
    shape = table.facts.get("kit_key_shape")
    if shape is None:
        shape = table.facts["kit_key_shape"] = ("and", *(("eq", name, VALUE) for name in table.key))
    return shape


def row_of(table: Table, row: Any, what: str = "a row") -> Mapping[str, Any]:
    """A row or a patch, which is a mapping and names no column that is not there."""
    if not isinstance(row, Mapping):
        raise ValidationError(
            f"{what} of {table.name} is a dict of columns and values, not {type(row).__name__}",
            table=table.name,
        )
    fields = cast("Mapping[str, Any]", row)
    if not fields.keys() <= table.columns.keys():
        unknown = next(name for name in fields if name not in table.columns)
        raise undefined_column(unknown, table.name, table.columns)
    return fields


def columns_of(table: Table, names: str | Iterable[str] | None) -> tuple[str, ...]:
    """The columns that a caller wants to see; None is all of them."""
    if names is None:
        return table.all
    wanted = (names,) if isinstance(names, str) else tuple(several(names, "columns", table))
    for name in wanted:
        table.column(name)
    return wanted


def several(given: Iterable[T] | None, what: str, table: Table) -> Iterable[T]:
    """An argument that can be gone through; anything else is a ValidationError."""
    if not isinstance(given, Iterable):
        raise ValidationError(
            f"{what} of {table.name}: give a list, not {type(given).__name__}", table=table.name
        )
    return given
