"""Reads of a table of SQLAlchemy's as dicts: by ids, by filters, in pages and in batches.

    wanted = both(by_ids(table, [1, 2]), by_where(table, {"n": {"gt": 3}}, access)).also(guard)
    call = rows(compiler, table, ("id", "name"), wanted)

`Wanted` says which rows. Sends nothing: what is made here are calls and plans.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast

from rowstead.errors import ValidationError, did_you_mean
from rowstead.language.conditions import Scope, Where, read, read_count
from rowstead.language.guards import Guard
from rowstead.language.ordering import Order, with_key
from rowstead.language.shapes import EVERYTHING, PLAIN, VALUE, Shape, equal_to, is_everything
from rowstead.plan import Call, OfDriver, Plan, Record, first_value
from rowstead.plans.paging import Page, Position, Walk
from rowstead.statements.compiled import Compiler
from rowstead.tables.access import Access
from rowstead.tables.schema import Table
from rowstead.values.through_sqlalchemy import is_single, is_turned

MAX_COMPOSITE = 500
"""Composite keys in one statement: each is a condition of its own, that a database has to plan."""


class Wanted(NamedTuple):
    """Which rows of a table: a condition's shape, and its values in order."""

    shape: Shape
    values: Sequence[Any]

    @property
    def everything(self) -> bool:
        """Whether this says nothing at all, however it is written."""
        return is_everything(self.shape)

    def also(self, guard: Guard) -> Wanted:
        """Those of the rows that the guard lets pass."""
        return both(self, Wanted(guard.shape, guard.values))


EVERY_ROW = Wanted(EVERYTHING, ())


def both(first: Wanted, second: Wanted) -> Wanted:
    """The rows that are wanted by both."""
    if first.shape == EVERYTHING:
        return second
    if second.shape == EVERYTHING:
        return first
    return Wanted(("and", *_terms(first.shape), *_terms(second.shape)), [*first.values, *second.values])


def _terms(shape: Shape) -> Sequence[Shape]:
    return shape[1:] if shape[0] == "and" else (shape,)


# Ids


def by_id(table: Table, id: Any) -> Wanted:
    """The row of this key: a value, or for a composite key its values in order or by column.

    ValidationError for what is no key of the table, and where it has none.
    """
    if len(table.key) == 1 and type(id) in PLAIN:
        return Wanted(_key_shape(table), (id,))
    return Wanted(*equal_to(_parts(table, id).items()))


def by_ids(table: Table, ids: Iterable[Any]) -> Wanted:
    """The rows of these keys; of none no row."""
    if len(_key(table)) == 1:
        name = table.key[0]
        wanted = [id if type(id) in PLAIN else _parts(table, id)[name] for id in ids]
        # The key may be called like a connective.
        shape, values = read({"col": {"name": name, "in": [one for one in wanted if one is not None]}}, table)
        return Wanted(shape, values)
    keys = [equal_to(_parts(table, id).items()) for id in ids]
    if len(keys) > MAX_COMPOSITE:
        raise ValidationError(
            f"{len(keys)} keys of {table.name} are too many for one statement; give at most {MAX_COMPOSITE}",
            table=table.name,
        )
    return Wanted(("or", *(shape for shape, _ in keys)), [value for _, values in keys for value in values])


def _key(table: Table) -> tuple[str, ...]:
    if not table.key:
        raise ValidationError(
            f"{table.name} has no primary key, so that no id names a row of it; use conditions",
            table=table.name,
        )
    return table.key


def _key_shape(table: Table) -> Shape:
    found = table.facts.get("shape of an id")
    if found is None:
        found = table.facts["shape of an id"] = ("and", ("eq", table.key[0], VALUE))
    return found


def _parts(table: Table, id: Any) -> Mapping[str, Any]:
    """A key's values by column."""
    key = _key(table)
    if isinstance(id, Mapping):
        return _named_parts(table, cast("Mapping[Any, Any]", id))
    if len(key) == 1:
        if isinstance(id, (list, tuple, set, frozenset)):
            raise _no_id(table, f"an id of {table.name} is one value, not a {type(cast('Any', id)).__name__}")
        return {key[0]: id}
    if not isinstance(id, (list, tuple)) or len(cast("Sequence[Any]", id)) != len(key):
        raise _no_id(table, f"an id of {table.name} has {len(key)} values")
    return dict(zip(key, cast("Sequence[Any]", id), strict=True))


def _named_parts(table: Table, id: Mapping[Any, Any]) -> Mapping[str, Any]:
    for name in id:
        if name not in table.key:
            raise _no_id(table, f"{name!r} is no part of the key; {did_you_mean(str(name), table.key)}")
    missing = [name for name in table.key if name not in id]
    if missing:
        raise _no_id(table, f"{missing} is missing in an id")
    return {name: id[name] for name in table.key}


def _no_id(table: Table, problem: str) -> ValidationError:
    form = "a value" if len(table.key) == 1 else "a tuple in that order, or a dict"
    return ValidationError(
        f"{problem}; the key of {table.name} is {list(table.key)}: give {form}", table=table.name
    )


def by_where(table: Table, where: Where, access: Access, scope: Scope | None = None) -> Wanted:
    """The rows that a filter is true of, as far as `access` lets its caller see columns."""
    shape, values = read(where, table, access=access, scope=scope)
    return Wanted(shape, values)


# Statements


def get(
    compiler: Compiler, table: Table, columns: tuple[str, ...], wanted: Wanted
) -> Call[dict[str, Any] | None]:
    """One of the rows; None where there is none."""
    compiled = compiler.get(("get", table, columns, wanted.shape))
    return compiled.call(wanted.values, compiled.read_one)


def rows(
    compiler: Compiler,
    table: Table,
    columns: tuple[str, ...],
    wanted: Wanted,
    order: Order = (),
    limit: int | None = None,
    offset: int | None = None,
) -> Call[list[dict[str, Any]]]:
    """The rows, in this order."""
    counts = [read_count(what, n) for what, n in (("limit", limit), ("offset", offset)) if n is not None]
    key = ("select", table, columns, wanted.shape, order, limit is not None, offset is not None)
    compiled = compiler.get(key)
    return compiled.call([*wanted.values, *counts], compiled.read_all)


def keys(compiler: Compiler, table: Table, wanted: Wanted) -> Call[frozenset[Any]]:
    """The keys of the rows: values, or tuples where a key is composite."""
    compiled = compiler.get(("select", table, _key(table), wanted.shape))

    def read_keys(records: Sequence[Record]) -> frozenset[Any]:
        found: list[dict[str, Any]] = compiled.read_all(records)
        if len(table.key) == 1:
            return frozenset(row[table.key[0]] for row in found)
        return frozenset(tuple(row[name] for name in table.key) for row in found)

    return compiled.call(wanted.values, read_keys)


def exists(compiler: Compiler, table: Table, wanted: Wanted) -> Call[bool]:
    """Whether there is such a row."""
    return compiler.get(("exists", table, wanted.shape)).call(wanted.values, bool)


def count(compiler: Compiler, table: Table, wanted: Wanted) -> Call[int]:
    """How many there are."""
    return compiler.get(("count", table, wanted.shape)).call(wanted.values, first_value)


def page(
    compiler: Compiler,
    table: Table,
    columns: tuple[str, ...],
    wanted: Wanted,
    order: Order,
    limit: int,
    offset: int,
    counted: bool,
) -> Plan[Page[dict[str, Any]]]:
    """A page by its place, with the count of all where asked: one statement, unless the page is empty.

    Rows of one place in the order are told apart by the key, so that pages do not overlap.
    """
    limit, offset = read_count("limit", limit), read_count("offset", offset)
    terms = with_key(order, table)
    compiled = compiler.get(("select", table, columns, wanted.shape, terms, True, offset > 0, None, counted))
    values = [*wanted.values, limit, *([offset] if offset else [])]
    records: Sequence[Record] = yield compiled.call(values, list)
    total: int | None = None
    if counted:
        total = records[0][-1] if records else (yield count(compiler, table, wanted))
    return Page(compiled.read_all(records), total, offset, limit, None)


class _WalkAsStored(Walk):
    """A walk whose position is what is stored: a SQLAlchemy type may give something else, one way only."""

    def __init__(
        self,
        compiler: Compiler,
        table: Table,
        columns: tuple[str, ...],
        where: Shape,
        values: list[Any],
        order: Order,
    ) -> None:
        super().__init__(compiler, table, columns, where, values, order)
        by_place = {place: table.columns[name] for place, name in enumerate(columns)}
        self._places = [
            (place, _of_driver if is_turned(by_place[place], compiler.codec) else decode)
            for place, decode in self._places
        ]


def _of_driver(value: Any) -> OfDriver | None:
    return None if value is None else OfDriver(value)


def _check_exact(compiler: Compiler, table: Table, names: Iterable[str]) -> None:
    """ValidationError for a sort by what comes back otherwise than stored: nothing is behind such a value."""
    for name in names:
        if compiler.dialect.cuts_single_floats and is_single(table.columns[name], compiler.codec):
            raise ValidationError(
                f"batches cannot be in the order of {name!r}: {compiler.dialect.name} gives back a FLOAT with"
                " fewer digits than it stores; make the column a sqlalchemy.Double(), or take another order",
                column=name,
                table=table.name,
            )


class Batches:
    """The rows batch by batch, each row once, however many rows come and go meanwhile.

    plan = batches.next(batches.start, 100)      gives (rows, where the next batch begins or None)
    """

    def __init__(
        self,
        compiler: Compiler,
        table: Table,
        columns: tuple[str, ...],
        wanted: Wanted,
        order: Order,
        offset: int,
    ) -> None:
        self._table = table
        self._compiler = compiler
        self._columns = columns
        self._offset = read_count("offset", offset)
        _key(table)
        needed = [term.column for term in with_key(order, table)]
        _check_exact(compiler, table, needed)
        read_columns = (*columns, *(name for name in dict.fromkeys(needed) if name not in columns))
        self._walk = _WalkAsStored(compiler, table, read_columns, wanted.shape, list(wanted.values), order)

    @property
    def start(self) -> Position:
        return self._walk.start

    def next(self, position: Position, size: int) -> Plan[tuple[list[dict[str, Any]], Position | None]]:
        """Up to `size` rows from `position` on; some more where nothing tells the last ones apart."""
        if self._offset and position == self.start:
            found, following = yield from self._behind_offset(size)
        else:
            found, following = yield from self._walk.page(position, size)
        if self._walk.columns != self._columns:
            found = [{name: row[name] for name in self._columns} for row in found]
        return found, following

    def _behind_offset(self, size: int) -> Plan[tuple[list[dict[str, Any]], Position | None]]:
        walk = self._walk
        key = ("select", self._table, walk.columns, walk.where, walk.order, True, True)
        compiled = self._compiler.get(key)
        records: Sequence[Record] = yield compiled.call([*walk.values, size, self._offset], list)
        if len(records) < size:
            return compiled.read_all(records), None
        records = yield from walk.with_twins(records)
        return compiled.read_all(records), walk.behind(records[-1])


def batches(
    compiler: Compiler, table: Table, columns: tuple[str, ...], wanted: Wanted, order: Order, offset: int = 0
) -> Batches:
    """The rows in this order, the key behind it, from the one at `offset` on."""
    return Batches(compiler, table, columns, wanted, order, offset)
