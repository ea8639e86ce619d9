"""What callers of a service may name, and how much they may ask for: read once from what its class says.

The lists and bounds are class attributes of the service or of a mix-in, wherever that stands among the
bases; they are read when the service is first used. Knows no statement.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, cast

import sqlalchemy as sa

from rowstead.errors import UndefinedColumnError, UsageError, ValidationError, did_you_mean, undefined_column
from rowstead.language.conditions import Scope
from rowstead.language.ordering import Order, read_order
from rowstead.tables.access import Access
from rowstead.tables.from_sqlalchemy import TablesOf, table_of
from rowstead.tables.schema import Table


class Limits:
    """How much one call may ask for. None: as much as it likes."""

    DEFAULT_ROW_LIMIT: ClassVar[int] = 24
    """The rows of a page, or of a batch, where the caller does not say how many."""
    MAX_ROW_LIMIT: ClassVar[int] = 1_000
    """The most rows of a page, or of a batch; who asks for more gets this many."""
    MAX_CONDITION_DEPTH: ClassVar[int | None] = 8
    """Levels of nested conditions."""
    MAX_CONDITION_TERMS: ClassVar[int | None] = 100
    """Columns that conditions test, each as often as it is tested."""
    MAX_LIST_LENGTH: ClassVar[int | None] = 1_000
    """Values in one list of a condition."""
    MAX_IDS: ClassVar[int | None] = 10_000
    """Ids in one call; of keys of several columns 500 at most."""
    MAX_CREATE_ROWS: ClassVar[int | None] = 100_000
    """New rows in one call."""
    MAX_SORT_COLUMNS: ClassVar[int | None] = 16
    """Columns of one sort."""
    ALLOW_REGEX: ClassVar[bool] = False
    """Whether conditions may have regular expressions, which can take any time."""
    ALLOW_SUBQUERIES: ClassVar[bool] = False
    """Whether conditions may ask the other tables of the metadata: every row and column of them."""


class ColumnLists:
    """Which columns each verb may name. No list: every column. An empty whitelist: none.

    A blacklist beside a whitelist takes away from it. What may be read may also be filtered and sorted by,
    and nothing else: a hidden column is one that is not there.
    """

    select_columns: ClassVar[Collection[str] | None]
    select_columns_blacklist: ClassVar[Collection[str] | None]
    insert_columns: ClassVar[Collection[str] | None]
    insert_columns_blacklist: ClassVar[Collection[str] | None]
    update_columns: ClassVar[Collection[str] | None]
    update_columns_blacklist: ClassVar[Collection[str] | None]


@dataclass(frozen=True)
class Columns:
    """The columns of one table that one verb may name."""

    table: Table
    verb: str
    allowed: frozenset[str] | None
    """None: all."""

    @cached_property
    def all(self) -> tuple[str, ...]:
        """Their names, in the table's order."""
        return tuple(name for name in self.table.all if self.allowed is None or name in self.allowed)

    def chosen(self, columns: Any) -> tuple[str, ...]:
        """What a caller's `columns` asks for: "*", a name, several; None and [] ask for nothing.

        Columns that are hidden from this verb are left out. Raises UndefinedColumnError for a name that the
        table lacks, ValidationError for what is no name.
        """
        if columns is None:
            return ()
        if isinstance(columns, str):
            return self.all if columns == "*" else self._those([columns])
        if isinstance(columns, Mapping) or not isinstance(columns, Iterable):
            kind = type(cast("Any", columns)).__name__
            raise ValidationError(
                f'columns is "*", a name or a list of names, not {kind}', table=self.table.name
            )
        return self._those(columns)  # pyright: ignore[reportUnknownArgumentType]

    def _those(self, names: Iterable[Any]) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for name in names:
            if not isinstance(name, str) or name not in self.table.columns:
                raise self.unknown(name)
            if self.allowed is None or name in self.allowed:
                found[name] = None
        return tuple(found)

    def unknown(self, name: Any) -> UndefinedColumnError:
        """The error for a name that is not there, which tells of those that are."""
        return undefined_column(name, self.table.name, self.all)

    def check(self, names: Iterable[Any]) -> None:
        """Raise where one of these may not be written: UndefinedColumnError, or a ValidationError."""
        for name in names:
            if not isinstance(name, str) or name not in self.table.columns:
                raise self.unknown(name)
            if self.allowed is not None and name not in self.allowed:
                raise ValidationError(
                    f"{self.verb} of {self.table.name} may not set {name!r}; it may set: "
                    f"{', '.join(self.all) or 'nothing'}",
                    table=self.table.name,
                    column=name,
                )


@dataclass(frozen=True, slots=True)
class Policy:
    """All that a service's class says about its callers."""

    table: Table
    select: Columns
    insert: Columns
    update: Columns
    access: Access
    scope: Scope | None
    """The tables that a subquery may name."""
    default_limit: int
    max_limit: int
    max_ids: int | None
    max_create_rows: int | None
    max_sort: int | None

    @classmethod
    def of(cls, service: Any, table: sa.Table) -> Policy:
        """What this service's class says. Raises UsageError where that cannot be."""
        core = table_of(table)
        select = _columns(service, core, "select")
        subqueries = _flag(service, "ALLOW_SUBQUERIES")
        access = Access(
            select.allowed,
            max_depth=_bound(service, "MAX_CONDITION_DEPTH"),
            max_terms=_bound(service, "MAX_CONDITION_TERMS"),
            max_list=_bound(service, "MAX_LIST_LENGTH"),
            regex=_flag(service, "ALLOW_REGEX"),
            subqueries=subqueries,
        )
        most = _bound(service, "MAX_ROW_LIMIT")
        usual = _bound(service, "DEFAULT_ROW_LIMIT")
        if most is None or usual is None:
            raise UsageError(f"{_named(service)}: DEFAULT_ROW_LIMIT and MAX_ROW_LIMIT are numbers, not None")
        return cls(
            core,
            select,
            _columns(service, core, "insert", _computed(table)),
            _columns(service, core, "update", _computed(table)),
            access,
            TablesOf(table.metadata) if subqueries else None,
            min(usual, most),
            most,
            _bound(service, "MAX_IDS"),
            _bound(service, "MAX_CREATE_ROWS"),
            _bound(service, "MAX_SORT_COLUMNS"),
        )

    def order(self, sort: Any) -> Order:
        """A caller's sort, of columns that may be seen."""
        order = read_order(sort, self.table, access=self.access)
        if self.max_sort is not None and len(order) > self.max_sort:
            raise ValidationError(
                f"the sort has {len(order)} columns; at most {self.max_sort} are allowed",
                table=self.table.name,
            )
        return order


def _named(service: Any) -> str:
    return type(service).__name__


def _said(service: Any, name: str) -> Any:
    """What the service or one of its classes says, one behind `Limits` too; else the usual."""
    classes: Iterable[type] = type(service).__mro__
    places: list[Mapping[str, Any]] = [vars(service), *(vars(one) for one in classes if one is not Limits)]
    return next((place[name] for place in places if name in place), vars(Limits)[name])


def _bound(service: Any, name: str) -> int | None:
    value = _said(service, name)
    if value is None or (type(value) is int and value >= 1):
        return value
    raise UsageError(f"{_named(service)}: {name} is a whole number of at least 1, not {value!r}")


def _flag(service: Any, name: str) -> bool:
    value = _said(service, name)
    if isinstance(value, bool):
        return value
    raise UsageError(f"{_named(service)}: {name} is True or False, not {value!r}")


def _computed(table: sa.Table) -> frozenset[str]:
    """The columns that the database computes, and lets nobody set."""
    return frozenset(column.name for column in table.columns if column.computed is not None)


def _columns(service: Any, table: Table, verb: str, never: frozenset[str] = frozenset()) -> Columns:
    white = _list(service, table, f"{verb}_columns")
    black = (_list(service, table, f"{verb}_columns_blacklist") or frozenset()) | never
    if black:
        white = (frozenset(table.all) if white is None else white) - black
    return Columns(table, verb, white)


def _list(service: Any, table: Table, name: str) -> frozenset[str] | None:
    given: Any = getattr(service, name, None)
    if given is None:
        return None
    # What can be read only once would be empty for the next service of this class.
    if isinstance(given, (str, Mapping)) or not isinstance(given, Collection):
        raise UsageError(f"{_named(service)}: {name} is a set of column names, not {given!r}")
    names: list[Any] = list(given)  # pyright: ignore[reportUnknownArgumentType]
    for column in names:
        if column not in table.columns:
            hint = did_you_mean(str(column), table.columns)
            raise UsageError(f"{_named(service)}: {name} names {column!r}, which {table.name} lacks; {hint}")
    return frozenset(names)
