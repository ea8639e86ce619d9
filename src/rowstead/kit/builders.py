"""Builders of schema dicts. They check nothing: `catalogue.tables_of` finds every mistake.

Some are named like what they build (`int`, `date`), so that a schema reads like one; in this file the
built-in `int` is `builtins.int`.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeAlias, TypedDict, Unpack, cast

Dict: TypeAlias = dict[str, Any]
Names: TypeAlias = str | Iterable[str]


class ColumnOptions(TypedDict, total=False):
    """What a column may be told beside its name, id and type."""

    nullable: bool
    primary_key: bool
    generated: bool
    application_type: str
    default: Any
    enum_values: Sequence[Any]
    min: float
    max: float
    min_length: builtins.int
    max_length: builtins.int
    regex: str
    check_expr: str


def column(
    name: str,
    id: builtins.int,
    storage_type: str,
    *,
    application_type: str | None = None,
    nullable: bool = False,
    primary_key: bool = False,
    generated: bool = False,
    default: Any = None,
    enum_values: Sequence[Any] | None = None,
    embedding_dim: builtins.int | None = None,
    embedding_source: Any = None,
    min: float | None = None,
    max: float | None = None,
    min_length: builtins.int | None = None,
    max_length: builtins.int | None = None,
    regex: str | None = None,
    check_expr: str | None = None,
) -> Dict:
    """A column of any storage type, see `storage.STORAGE`. `id` is its number, for good."""
    optional = {
        "default": default,
        "enum_values": enum_values,
        "embedding_dim": embedding_dim,
        "embedding_source": embedding_source,
        "min": min,
        "max": max,
        "min_length": min_length,
        "max_length": max_length,
        "regex": regex,
        "check_expr": check_expr,
    }
    return {
        "id": id,
        "name": name,
        "storage_type": storage_type,
        "application_type": application_type or storage_type,
        "nullable": nullable,
        "primary_key": primary_key,
        "generated": generated,
    } | {key: value for key, value in optional.items() if value is not None}


def int(name: str, id: builtins.int, **options: Unpack[ColumnOptions]) -> Dict:
    """A whole number of 64 bits."""
    return column(name, id, "int64", **options)


def text(name: str, id: builtins.int, **options: Unpack[ColumnOptions]) -> Dict:
    """A text."""
    return column(name, id, "text", **options)


def bool_(name: str, id: builtins.int, **options: Unpack[ColumnOptions]) -> Dict:
    """True or False."""
    return column(name, id, "bool", **options)


def float_(name: str, id: builtins.int, **options: Unpack[ColumnOptions]) -> Dict:
    """A float of 64 bits."""
    return column(name, id, "float64", **options)


def json_col(name: str, id: builtins.int, **options: Unpack[ColumnOptions]) -> Dict:
    """Anything that JSON can say."""
    return column(name, id, "json", **options)


def json_native(name: str, id: builtins.int, **options: Unpack[ColumnOptions]) -> Dict:
    """The same as `json_col`."""
    return column(name, id, "json_native", **options)


def bytes_col(name: str, id: builtins.int, **options: Unpack[ColumnOptions]) -> Dict:
    """Bytes."""
    return column(name, id, "bytes", **options)


def timestamp(name: str, id: builtins.int, **options: Unpack[ColumnOptions]) -> Dict:
    """Nanoseconds since 1970, an int; a datetime is taken too."""
    return column(name, id, "timestamp_nanos", **options)


def date(name: str, id: builtins.int, **options: Unpack[ColumnOptions]) -> Dict:
    """A date."""
    return column(name, id, "date", **options)


def datetime(name: str, id: builtins.int, **options: Unpack[ColumnOptions]) -> Dict:
    """A moment: a datetime in UTC."""
    return column(name, id, "date_time", **options)


def date64(name: str, id: builtins.int, **options: Unpack[ColumnOptions]) -> Dict:
    """A date; milliseconds since 1970 are taken too."""
    return column(name, id, "date64", **options)


def time64(name: str, id: builtins.int, **options: Unpack[ColumnOptions]) -> Dict:
    """A time of day; nanoseconds since midnight are taken too."""
    return column(name, id, "time64", **options)


def interval_col(name: str, id: builtins.int, **options: Unpack[ColumnOptions]) -> Dict:
    """A length of time: a timedelta."""
    return column(name, id, "interval", **options)


def decimal128(name: str, id: builtins.int, **options: Unpack[ColumnOptions]) -> Dict:
    """A Decimal of at most 38 digits."""
    return column(name, id, "decimal128", **options)


def uuid(name: str, id: builtins.int, **options: Unpack[ColumnOptions]) -> Dict:
    """A UUID."""
    return column(name, id, "uuid", **options)


def array_col(name: str, id: builtins.int, **options: Unpack[ColumnOptions]) -> Dict:
    """A list of anything that JSON can say."""
    return column(name, id, "array", **options)


def embedding(
    name: str,
    id: builtins.int,
    dim: builtins.int,
    *,
    embedding_source: Any = None,
    **options: Unpack[ColumnOptions],
) -> Dict:
    """A list of `dim` floats."""
    return column(name, id, "embedding", embedding_dim=dim, embedding_source=embedding_source, **options)


integer = int
boolean = bool_
float64 = float_


def table(
    name: str,
    id: builtins.int,
    columns: Iterable[Mapping[str, Any] | Column],
    primary_key: Names,
    indexes: Iterable[Mapping[str, Any] | Index] | None = None,
    foreign_keys: Iterable[Mapping[str, Any] | ForeignKey] | None = None,
    unique_constraints: Iterable[Mapping[str, Any] | UniqueConstraint] | None = None,
    check_constraints: Iterable[Any] | None = None,
) -> Dict:
    """A table. Raises TypeError for a part that is neither a dict nor the dataclass of its kind."""
    return {
        "id": id,
        "name": name,
        "columns": _dicts(columns, Column),
        "primary_key": _names(primary_key),
        "indexes": _dicts(indexes, Index),
        "foreign_keys": _dicts(foreign_keys, ForeignKey),
        "unique_constraints": _dicts(unique_constraints, UniqueConstraint),
        "check_constraints": list(check_constraints or ()),
    }


def _dicts(parts: Iterable[Any] | None, kind: type[_Part]) -> list[Dict]:
    found: list[Dict] = []
    for part in parts or ():
        if isinstance(part, kind):
            found.append(part.to_dict())
        elif isinstance(part, dict):
            found.append(cast("Dict", part))
        else:
            raise TypeError(f"expected {kind.__name__} or dict, got {type(part).__name__}")
    return found


def _names(names: Names) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


_INDEX_KINDS = {"minhash": "min_hash", "learned": "learned_range", "brin": "learned_range"}


def index(name: str, columns: Names, unique: bool = False, kind: str = "bitmap") -> Dict:
    """An index; a unique one is a unique constraint too. `kind` has no effect here."""
    return {"name": name, "columns": _names(columns), "unique": unique, "kind": _INDEX_KINDS.get(kind, kind)}


def unique(name: str, columns: Names) -> Dict:
    """A unique constraint."""
    return {"name": name, "columns": _names(columns)}


def fk(
    name: str,
    columns: Names,
    references_table: str,
    references_columns: Names,
    on_delete: str = "restrict",
    on_update: str | None = None,
) -> Dict:
    """A foreign key. `on_delete` and `on_update` are restrict, cascade or set_null."""
    form = {
        "name": name,
        "columns": _names(columns),
        "references_table": references_table,
        "references_columns": _names(references_columns),
        "on_delete": on_delete,
    }
    return form if on_update is None else form | {"on_update": on_update}


def check(name: str, expr: str) -> Dict:
    """A condition that every row fulfils, in the grammar of `checks`."""
    return {"name": name, "expr": expr}


def agg(func: str, alias: str, column: str | None = None, distinct: bool = False) -> Dict:
    """One aggregate: count, sum, min, max or avg."""
    form: Dict = {"func": func, "alias": alias}
    if column is not None:
        form["column"] = column
    return form | {"distinct": True} if distinct else form


def count_distinct(alias: str, column: str) -> Dict:
    """How many different values."""
    return agg("count", alias, column, distinct=True)


def col(name: str) -> Dict:
    """A column in an expression of a join."""
    return {"column": name}


def on_eq(left: str, right: str) -> Dict:
    """The condition of a join: these two columns are equal."""
    return {"eq": [col(left), col(right)]}


class _Part:
    """A part of a schema as an object; `to_dict` gives what the builder of its kind gives."""

    def to_dict(self) -> Dict:
        raise NotImplementedError

    def _given(self) -> Dict:
        return {field.name: getattr(self, field.name) for field in fields(cast("Any", self))}


@dataclass
class Column(_Part):
    """A column, as `column` makes it."""

    id: builtins.int
    name: str
    storage_type: str
    application_type: str | None = None
    nullable: bool = False
    primary_key: bool = False
    generated: bool = False
    default: Any = None
    enum_values: Sequence[Any] | None = None
    embedding_dim: builtins.int | None = None
    embedding_source: Any = None
    min: float | None = None
    max: float | None = None
    min_length: builtins.int | None = None
    max_length: builtins.int | None = None
    regex: str | None = None
    check_expr: str | None = None

    def to_dict(self) -> Dict:
        return column(**self._given())


@dataclass
class Index(_Part):
    """An index, as `index` makes it."""

    name: str
    columns: Names
    unique: bool = False
    kind: str = "bitmap"

    def to_dict(self) -> Dict:
        return index(**self._given())


@dataclass
class UniqueConstraint(_Part):
    """A unique constraint, as `unique` makes it."""

    name: str
    columns: Names

    def to_dict(self) -> Dict:
        return unique(**self._given())


@dataclass
class ForeignKey(_Part):
    """A foreign key, as `fk` makes it."""

    name: str
    columns: Names
    references_table: str
    references_columns: Names
    on_delete: str = "restrict"
    on_update: str | None = None

    def to_dict(self) -> Dict:
        return fk(**self._given())


@dataclass
class Table(_Part):
    """A table, as `table` makes it."""

    id: builtins.int
    name: str
    columns: Sequence[Any]
    primary_key: Names
    indexes: Sequence[Any] = ()
    foreign_keys: Sequence[Any] = ()
    unique_constraints: Sequence[Any] = ()
    check_constraints: Sequence[Any] = ()

    def to_dict(self) -> Dict:
        return table(**self._given())
