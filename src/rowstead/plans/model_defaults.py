"""What SQLAlchemy would fill into a row by itself, for writes that are the core's own statements.

A column's `default` and `onupdate`, the version that an update counts, the class's name in a table that
several classes share, and what a dataclass makes of a field that was not given.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, cast

import sqlalchemy as sa
from sqlalchemy.sql.functions import current_timestamp, now

from rowstead.errors import ValidationError
from rowstead.language.bound import ModelTable
from rowstead.language.shapes import VALUE
from rowstead.sentinels import Inc, Now


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


def on_insert(model: ModelTable, has_sequences: bool) -> dict[str, Filling]:
    """By column: what a new row gets where it says nothing.

    `has_sequences` says whether the database has any; without them SQLAlchemy passes over a column's.
    """
    fillings: dict[str, Filling] = {}
    factories = _factories(model)
    for name, column in _columns(model).items():
        if isinstance(column.default, sa.Sequence) and (column.server_default or not has_sequences):
            continue
        found = _of_default(model, column.default) or factories.get(name)
        if found is not None:
            fillings[name] = found
    mapper = model.mapper
    if mapper.polymorphic_on is not None and mapper.polymorphic_identity is not None:
        fillings[str(getattr(mapper.polymorphic_on, "name", ""))] = _constant(mapper.polymorphic_identity)
    version = version_column(model)
    if version is not None and version not in fillings:
        fillings[version] = _constant(_next_version(model, None))
    return fillings


def on_update(model: ModelTable) -> dict[str, Filling]:
    """By column: what a changed row gets where the change says nothing. An Inc counts its version."""
    fillings: dict[str, Filling] = {}
    for name, column in _columns(model).items():
        found = _of_default(model, column.onupdate)
        if found is not None:
            fillings[name] = found
    version = version_column(model)
    if version is not None:
        counts = _next_version(model, 41) == 42
        fillings[version] = _made(Inc, Inc) if counts else _made(lambda: _next_version(model, None))
    return fillings


def version_column(model: ModelTable) -> str | None:
    """The column that counts a row's versions by this program; None where there is none."""
    mapper = model.mapper
    if mapper.version_id_col is None or mapper.version_id_generator is False:
        return None
    return str(mapper.version_id_col.name)


def _next_version(model: ModelTable, version: Any) -> Any:
    return cast("Callable[[Any], Any]", model.mapper.version_id_generator)(version)


def _columns(model: ModelTable) -> dict[str, sa.Column[Any]]:
    columns = cast("sa.Table[Any]", model.mapper.local_table).columns
    return {column.name: column for column in columns}


def _constant(value: Any) -> Filling:
    return _made(lambda: value)


def _made(make: Callable[[], Any], form: Any = VALUE) -> Filling:
    """What a function without arguments gives, whatever the row."""

    def fill(_row: Mapping[str, Any]) -> Any:
        return make()

    return Filling(form, fill)


def _of_default(model: ModelTable, default: Any) -> Filling | None:
    if default is None:
        return None
    if getattr(default, "is_scalar", False):
        return _constant(default.arg)
    if getattr(default, "is_callable", False):
        return _computed(default.arg)
    if isinstance(getattr(default, "arg", None), (now, current_timestamp)):
        return _made(lambda: Now, Now)
    return Filling(None, _refused(model, default))


def _computed(function: Callable[[Any], Any]) -> Filling:
    def fill(row: Mapping[str, Any]) -> Any:
        return function(_RowContext(row))

    return Filling(VALUE, fill)


def _refused(model: ModelTable, default: Any) -> Callable[[Mapping[str, Any]], Any]:
    """A default that only SQL can compute, where values are sent: an error when it is needed."""

    def refuse(_row: Mapping[str, Any]) -> Any:
        name = default.column.name
        raise ValidationError(
            f"{model.table.name}.{name} has a default that is an SQL expression of the client's; give its "
            "value with each row, make it a server_default (beside a Sequence too: "
            "server_default=sequence.next_value()), or a Python function",
            table=model.table.name,
            column=name,
        )

    return refuse


def _factories(model: ModelTable) -> dict[str, Filling]:
    """What a dataclass would make of fields that its constructor is not given."""
    if not dataclasses.is_dataclass(model.model):
        return {}
    columns = {attribute: name for name, attribute in model.attributes.items()}
    found: dict[str, Filling] = {}
    for field in dataclasses.fields(model.model):
        factory = field.default_factory
        # SQLAlchemy's own factories say only that a field was not given.
        is_own = getattr(factory, "__module__", "").startswith("sqlalchemy.")
        if field.name in columns and factory is not dataclasses.MISSING and not is_own:
            found[columns[field.name]] = _made(cast("Callable[[], Any]", factory))
    return found
