"""What SQLAlchemy would fill into a row of a table by itself: a column's `default` and `onupdate`.

For writes that are the core's own statements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.sql.functions import current_timestamp, now

from rowstead.errors import ValidationError
from rowstead.language.shapes import VALUE
from rowstead.sentinels import Now


class Filling(NamedTuple):
    """How a column is filled: a `form` as statements have it, and the value for a row of these values."""

    form: Any
    value: Callable[[Mapping[str, Any]], Any]


class Known(Mapping[str, Any]):
    """What is known of a row when a default is computed: its columns so far, and what its caller gave."""

    __slots__ = ("_columns", "_number", "_row")

    def __init__(self, row: Mapping[str, Any], columns: Mapping[str, list[Any]], number: int) -> None:
        self._row = row
        self._columns = columns
        self._number = number

    def __getitem__(self, name: str) -> Any:
        values = self._columns.get(name)
        return self._row[name] if values is None else values[self._number]

    def __iter__(self) -> Iterator[str]:
        return iter({**self._row, **self._columns})

    def __len__(self) -> int:
        return len({**self._row, **self._columns})


class _RowContext:
    """What SQLAlchemy shows to a default's function: the values of the row that it is for."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.current_parameters = values

    def get_current_parameters(self, isolate_multiinsert_groups: bool = True) -> Mapping[str, Any]:
        return self.current_parameters


def on_insert(table: sa.Table[Any], has_sequences: bool) -> dict[str, Filling]:
    """By column: what a new row gets where it says nothing.

    `has_sequences` says whether the database has any; without them SQLAlchemy passes over a column's.
    """
    fillings: dict[str, Filling] = {}
    for column in table.columns:
        if isinstance(column.default, sa.Sequence) and (column.server_default or not has_sequences):
            continue
        found = of_default(column.default)
        if found is not None:
            fillings[column.name] = found
    return fillings


def on_update(table: sa.Table[Any]) -> dict[str, Filling]:
    """By column: what a changed row gets where the change says nothing."""
    found = {column.name: of_default(column.onupdate) for column in table.columns}
    return {name: filling for name, filling in found.items() if filling is not None}


def constant(value: Any) -> Filling:
    return made(lambda: value)


def made(make: Callable[[], Any], form: Any = VALUE) -> Filling:
    """What a function without arguments gives, whatever the row."""

    def fill(_row: Mapping[str, Any]) -> Any:
        return make()

    return Filling(form, fill)


def of_default(default: Any) -> Filling | None:
    if default is None:
        return None
    if getattr(default, "is_scalar", False):
        return constant(default.arg)
    if getattr(default, "is_callable", False):
        return _computed(default.arg)
    if isinstance(getattr(default, "arg", None), (now, current_timestamp)):
        return made(lambda: Now, Now)
    return Filling(None, _refused(default))


def _computed(function: Callable[[Any], Any]) -> Filling:
    def fill(row: Mapping[str, Any]) -> Any:
        return function(_RowContext(row))

    return Filling(VALUE, fill)


def _refused(default: Any) -> Callable[[Mapping[str, Any]], Any]:
    """A default that only SQL can compute, where values are sent: an error when it is needed."""

    def refuse(_row: Mapping[str, Any]) -> Any:
        name, table = default.column.name, default.column.table.name
        raise ValidationError(
            f"{table}.{name} has a default that is an SQL expression of the client's; give its "
            "value with each row, make it a server_default (beside a Sequence too: "
            "server_default=sequence.next_value()), or a Python function",
            table=table,
            column=name,
        )

    return refuse
