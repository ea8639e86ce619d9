"""What a table is: names, kinds of values, key. Everything above asks these descriptions.

A `Table` is made once (from a Row class, a kit table, a SQLAlchemy table) and is known by identity:
the statement cache is keyed by the object, never by its name. This file knows no SQL.
"""

from __future__ import annotations

import datetime
import decimal
import enum
import inspect
import re
import types
import typing
import uuid
from collections import abc
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from rowstead.errors import ValidationError, undefined_column


class Kind(enum.Enum):
    """How a column's values travel. Put one into `Annotated[..., Kind.JSON]` to overrule the type."""

    INT = "int"
    FLOAT = "float"
    BOOL = "bool"
    STR = "str"
    BYTES = "bytes"
    DECIMAL = "decimal"
    UUID = "uuid"
    DATE = "date"
    TIME = "time"
    DATETIME = "datetime"
    TIMEDELTA = "timedelta"
    ENUM = "enum"
    JSON = "json"
    LIST = "list"
    ANY = "any"
    """Decided value by value."""
    OTHER = "other"
    """A scalar that a driver may know by itself (an IP address, a range)."""


TEXT_KINDS = frozenset({Kind.STR, Kind.ENUM, Kind.ANY, Kind.OTHER})
COMPOSITE_KINDS = frozenset({Kind.JSON, Kind.LIST})

Decode: TypeAlias = "Callable[[Any], Any] | None"
Hydrate: TypeAlias = Callable[[Sequence[str], Sequence[Decode]], Callable[[Sequence[Any]], list[Any]]]
HydrateOne: TypeAlias = Callable[[Sequence[str], Sequence[Decode]], Callable[[Sequence[Any]], Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One column: its name, the kind of its values and, for enumerations and others, their type."""

    name: str
    kind: Kind
    type: Any = None
    nullable: bool = False
    element: Column | None = None
    """For a list: what it holds."""
    size: int | None = None
    """The bits of a number that is held to a width."""
    storage: str | None = None
    """The name of its type in a schema written as data, see `storage.STORAGE`."""
    rules: Rules | None = None
    default: Default | None = None
    generated: bool = False
    """Whether its default is computed anew by each update that does not name it."""
    number: int | None = None
    """What it is known by when its name changes; unique in the table."""
    via: Any = None
    """Its SQLAlchemy type, where it is a column of a SQLAlchemy table."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What a column's values must fulfil beside their type. NULL fulfils every rule."""

    min: float | None = None
    max: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    """A regular expression that is found somewhere in the text, see `patterns`."""
    choices: tuple[Any, ...] | None = None


@dataclass(frozen=True, slots=True)
class Default:
    """What a missing value becomes. `kind`: static, now, uuid, sequence or custom (`value` is its name)."""

    kind: str
    value: Any = None


@dataclass(frozen=True, slots=True)
class Unique:
    """No two rows have the same values in these columns; a NULL among them exempts a row."""

    name: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Index:
    """An index; `unique` makes it a unique constraint too."""

    name: str
    columns: tuple[str, ...]
    unique: bool = False


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """These columns hold a row of `table`, by its columns `references`, or a NULL.

    `on_delete` and `on_update` are restrict, cascade or set_null.
    """

    name: str
    columns: tuple[str, ...]
    table: str
    references: tuple[str, ...]
    on_delete: str = "restrict"
    on_update: str = "restrict"


@dataclass(frozen=True, slots=True)
class Check:
    """A condition that no row makes false; `column` where it was declared on one."""

    name: str
    expression: str
    tree: tuple[Any, ...]
    """What `checks.parse` made of the expression."""
    column: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A table's name, columns in order, and primary key; `hydrate` makes a reader for its rows."""

    name: str
    columns: Mapping[str, Column]
    key: tuple[str, ...]
    hydrate: Hydrate
    schema: str | None = None
    facts: dict[str, Any] = field(default_factory=dict[str, Any], repr=False)
    """What was found out about the table at run time, one entry per finder (its SQLAlchemy form, …)."""
    uniques: tuple[Unique, ...] = ()
    indexes: tuple[Index, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    checks: tuple[Check, ...] = ()
    number: int | None = None
    """What it is known by when its name changes."""
    hydrate_one: HydrateOne | None = None
    """As `hydrate`, for one record alone, where that has a shorter way."""
    all: tuple[str, ...] = field(init=False)
    """The names of the columns, in order."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "all", tuple(self.columns))

    def column(self, name: str) -> Column:
        """The column of this name, or an UndefinedColumnError with a suggestion."""
        try:
            return self.columns[name]
        except (KeyError, TypeError):
            raise undefined_column(name, self.name, self.columns) from None

    def names(self, names: str | Iterable[str], what: str) -> tuple[str, ...]:
        """Column names from a name or several, each known and none twice."""
        result = (names,) if isinstance(names, str) else tuple(names)
        for name in result:
            self.column(name)
        if not result or len(set(result)) != len(result):
            raise ValidationError(f"{what} wants different column names, got {list(result)}", table=self.name)
        return result

    @property
    def key_name(self) -> str:
        """The name of the primary key's constraint."""
        return f"{self.name}_pkey"

    def unique_keys(self) -> tuple[Unique, ...]:
        """All that is unique: the primary key, the constraints, the unique indexes."""
        key = (Unique(self.key_name, self.key),) if self.key else ()
        return (*key, *self.uniques, *(Unique(i.name, i.columns) for i in self.indexes if i.unique))


_PART = re.compile(r'\s*(?:"((?:[^"]|"")+)"|([^".\s][^".]*?))\s*(\.|$)')


def split_name(name: str) -> tuple[str | None, str]:
    """`users`, `app.users`, `"Odd name"` or `app."Odd.name"` as (schema, table).

    Raises ValidationError for anything else: a name is looked up and quoted, never pasted.
    """
    parts: list[str] = []
    position = 0
    while True:
        match = _PART.match(name, position)
        if match is None:
            raise ValidationError(f"{name!r} is not a table name; write table, schema.table or quote it")
        quoted, plain, end = match.groups()
        parts.append(quoted.replace('""', '"') if quoted is not None else plain)
        position = match.end()
        if not end:
            break
    if len(parts) > 2 or any("\x00" in p or "\n" in p for p in parts):
        raise ValidationError(f"{name!r} is not a table name; write table, schema.table or quote it")
    return (parts[0], parts[1]) if len(parts) == 2 else (None, parts[0])


_SCALARS: Sequence[tuple[type, Kind]] = (
    # Order matters: bool is an int, datetime is a date.
    (bool, Kind.BOOL),
    (int, Kind.INT),
    (float, Kind.FLOAT),
    (str, Kind.STR),
    (bytes, Kind.BYTES),
    (bytearray, Kind.BYTES),
    (memoryview, Kind.BYTES),
    (decimal.Decimal, Kind.DECIMAL),
    (uuid.UUID, Kind.UUID),
    (datetime.datetime, Kind.DATETIME),
    (datetime.date, Kind.DATE),
    (datetime.time, Kind.TIME),
    (datetime.timedelta, Kind.TIMEDELTA),
)
_PYDANTIC_SCALARS: Mapping[str, Kind] = {
    "AwareDatetime": Kind.DATETIME,
    "NaiveDatetime": Kind.DATETIME,
    "PastDatetime": Kind.DATETIME,
    "FutureDatetime": Kind.DATETIME,
    "PastDate": Kind.DATE,
    "FutureDate": Kind.DATE,
}
"""Pydantic's markers for constrained types, which are not subclasses of what they stand for."""
_LISTS = (list, tuple, set, frozenset, abc.Sequence, abc.MutableSequence, abc.Set, abc.MutableSet)


def column_of(name: str, annotation: Any, metadata: Iterable[Any] = ()) -> Column:
    """The column that a Python annotation describes.

    `X | None` makes it nullable; a `Kind` in `metadata` (or in `Annotated`) overrules what the type
    says; a union of several kinds is `Kind.ANY`.
    """
    chosen = next((m for m in metadata if isinstance(m, Kind)), None)
    while True:
        origin = typing.get_origin(annotation)
        if origin is typing.Annotated:
            annotation, *extra = typing.get_args(annotation)
            chosen = chosen or next((m for m in extra if isinstance(m, Kind)), None)
        elif isinstance(annotation, typing.NewType):
            annotation = annotation.__supertype__
        elif type(annotation).__name__ == "TypeAliasType":
            annotation = annotation.__value__
        else:
            break
    if origin in (typing.Union, types.UnionType):
        return _column_of_union(name, typing.get_args(annotation), chosen)
    kind = chosen or _kind_of(annotation, origin)
    element = None
    if kind is Kind.LIST:
        arguments = [a for a in typing.get_args(annotation) if a is not ...]
        element = column_of(name, arguments[0]) if len(set(map(str, arguments))) == 1 else None
    return Column(name, kind, annotation, nullable=annotation in (None, type(None), Any), element=element)


def _column_of_union(name: str, members: Sequence[Any], chosen: Kind | None) -> Column:
    some = [m for m in members if m is not type(None)]
    nullable = len(some) < len(members)
    options = [column_of(name, m) for m in some]
    first = options[0]
    alike = len(options) == 1 or (len({o.kind for o in options}) == 1 and first.kind is not Kind.ENUM)
    mixed = Kind.JSON if all(o.kind in COMPOSITE_KINDS for o in options) else Kind.ANY
    kind = chosen or (first.kind if alike else mixed)
    type_ = first.type if len(options) == 1 else None
    return Column(name, kind, type_, nullable or any(o.nullable for o in options), first.element)


def _kind_of(annotation: Any, origin: Any) -> Kind:
    if origin is typing.Literal:
        kinds = {_kind_of(type(v), None) for v in typing.get_args(annotation)}
        return kinds.pop() if len(kinds) == 1 else Kind.ANY
    concrete: Any = origin or annotation
    if concrete is Any or not inspect.isclass(concrete):
        return Kind.ANY
    if issubclass(concrete, enum.Enum):
        return Kind.ENUM
    for scalar, kind in _SCALARS:
        if issubclass(concrete, scalar):
            return kind
    if concrete.__module__ == "pydantic.types" and concrete.__name__ in _PYDANTIC_SCALARS:
        return _PYDANTIC_SCALARS[concrete.__name__]
    if not hasattr(concrete, "_fields") and issubclass(concrete, _LISTS):
        return Kind.LIST
    return Kind.JSON if _is_structure(concrete) else Kind.OTHER


def _is_structure(concrete: Any) -> bool:
    """Whether values of this class are objects with fields: they are kept as JSON."""
    return (
        issubclass(concrete, (dict, abc.Mapping))
        or hasattr(concrete, "_fields")
        or hasattr(concrete, "__pydantic_fields__")
        or hasattr(concrete, "__dataclass_fields__")
        or typing.is_typeddict(concrete)
    )


def is_zoned(annotation: Any) -> bool:
    """Whether the annotation accepts only datetimes with a zone (Pydantic's AwareDatetime)."""
    return getattr(annotation, "__name__", "") == "AwareDatetime"
