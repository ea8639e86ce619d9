"""The rows' verbs as calls and plans: reads Row objects and filters, sends nothing.

Both worlds run what is made here; `compose` shows it.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple, TypeVar

from rowstead import bulk
from rowstead.access import FULL_ACCESS, Access
from rowstead.bulk import Group
from rowstead.compiled import Compiler, columns_of
from rowstead.conditions import VALUE, Shape, Where, is_everything, read, read_count
from rowstead.errors import ValidationError, did_you_mean
from rowstead.ordering import Order, Sort, read_order
from rowstead.paging import Page, Walk, counted_page, following_page
from rowstead.plan import Call, Plan, Record
from rowstead.rows.results import carry, carry_all
from rowstead.rows.row import Row
from rowstead.schema import Table
from rowstead.sentinels import Inc, Now
from rowstead.statements import Target, require_key

R = TypeVar("R", bound=Row)


class Query(NamedTuple):
    """The exact text and parameters of a statement."""

    sql: str
    params: list[Any]


def filters(
    table: Table, where: Where, named: Mapping[str, Any], access: Access = FULL_ACCESS
) -> tuple[Shape, list[Any]]:
    """Keyword filters and a `where` as one condition; `access` bounds `where`, which may be a stranger's."""
    if where is None:
        return read(named, table)
    shape, values = read(where, table, access=access)
    if not named:
        return shape, values
    first, first_values = read(named, table)
    return ("and", *first[1:], shape), [*first_values, *values]


def get(compiler: Compiler, model: type[R], named: Mapping[str, Any]) -> Call[R | None]:
    table = model.__rowstead__()
    shape, values = read(named, table)
    for term in shape[1:]:
        if term[0] == "in" and (term[2].number is None or term[2].number + term[2].has_null > 0):
            raise ValidationError(
                f"get gives one row and takes no list ({term[1]!r}); use query", table=table.name
            )
    compiled = compiler.get(("get", table, table.all, shape))
    return compiled.call(values, compiled.read_one)


def query(
    compiler: Compiler,
    model: type[R],
    named: Mapping[str, Any],
    where: Where = None,
    order: Sort = None,
    limit: int | None = None,
    offset: int | None = None,
    access: Access = FULL_ACCESS,
) -> Call[list[R]]:
    table = model.__rowstead__()
    shape, values = filters(table, where, named, access)
    terms: Order = read_order(order, table, access=access) if order is not None else ()
    if limit is not None:
        values.append(read_count("limit", limit))
    if offset is not None:
        values.append(read_count("offset", offset))
    key = ("select", table, table.all, shape, terms, limit is not None, offset is not None)
    compiled = compiler.get(key)
    return compiled.call(values, compiled.read_all)


def count(
    compiler: Compiler,
    model: type[Row],
    named: Mapping[str, Any],
    where: Where = None,
    access: Access = FULL_ACCESS,
) -> Call[int]:
    table = model.__rowstead__()
    shape, values = filters(table, where, named, access)
    return compiler.get(("count", table, shape)).call(values, _first_value)


def exists(
    compiler: Compiler,
    model: type[Row],
    named: Mapping[str, Any],
    where: Where = None,
    access: Access = FULL_ACCESS,
) -> Call[bool]:
    table = model.__rowstead__()
    shape, values = filters(table, where, named, access)
    return compiler.get(("exists", table, shape)).call(values, bool)


def _first_value(records: Sequence[Record]) -> Any:
    return records[0][0]


def walk(
    compiler: Compiler,
    model: type[Row],
    named: Mapping[str, Any],
    where: Where = None,
    order: Sort = None,
    access: Access = FULL_ACCESS,
) -> Walk:
    """A keyset walk over the rows that fulfil the filter."""
    table = model.__rowstead__()
    shape, values = filters(table, where, named, access)
    return Walk(compiler, table, table.all, shape, values, read_order(order, table, access=access))


def page(
    compiler: Compiler,
    model: type[R],
    named: Mapping[str, Any],
    where: Where,
    order: Sort,
    limit: int,
    offset: int,
    after: str | None,
    counted: bool,
    access: Access = FULL_ACCESS,
) -> Plan[Page[R]]:
    limit = read_count("limit", limit)
    if limit < 1:
        raise ValidationError("a page has a limit of at least 1")
    rows = walk(compiler, model, named, where, order, access)
    if after is None:
        return counted_page(rows, limit, read_count("offset", offset), counted)
    if offset:
        raise ValidationError("a page begins at an offset or behind a token (`after`), not both")
    return following_page(rows, limit, after, counted)


# Writes


def _given(row: Row, table: Table, skip: Sequence[str] = ()) -> tuple[list[tuple[str, Any]], list[Any]]:
    """What is set on the row: (column, form) in the columns' order, and a value for each VALUE and Inc."""
    fields, chosen = row.__dict__, row.model_fields_set
    given: list[tuple[str, Any]] = []
    values: list[Any] = []
    for name in table.columns:
        if name not in chosen or name in skip:
            continue
        value = fields[name]
        if isinstance(value, Now) or value is Now:
            given.append((name, Now))
        elif isinstance(value, Inc):
            given.append((name, Inc))
            values.append(value)
        else:
            given.append((name, VALUE))
            values.append(value)
    return given, values


def target_of(
    table: Table, on_conflict: str | None, conflict_target: str | Iterable[str] | None
) -> Target | None:
    """What an insert does about rows that are there."""
    if on_conflict is None:
        if conflict_target is not None:
            raise ValidationError('conflict_target goes with on_conflict="ignore" or "upsert"')
        return None
    if on_conflict not in ("ignore", "upsert"):
        hint = did_you_mean(str(on_conflict), ("ignore", "upsert"))
        raise ValidationError(f"on_conflict is 'ignore', 'upsert' or None, not {on_conflict!r}; {hint}")
    key = None if conflict_target is None else table.names(conflict_target, "conflict_target")
    if on_conflict == "upsert":
        return Target("upsert", key or require_key(table))
    return Target("ignore", key)


def _insertable(
    row: Row, table: Table, target: Target | None
) -> tuple[tuple[tuple[str, Any], ...], list[Any]]:
    """The row as an insert takes it; an Inc's two values (start + by, by) in their places."""
    given, values = _given(row, table)
    upsert = target is not None and target.action == "upsert"
    increments = [v for v in values if isinstance(v, Inc)]
    if increments and not upsert:
        raise ValidationError(
            "Inc is one of the column-expression sentinels and needs a row to add to: "
            'use update, or on_conflict="upsert"',
            table=table.name,
        )
    if upsert:
        assert target is not None
        _check_upsert(table, target, [name for name, _ in given])
    if not increments:
        return tuple(given), values
    inserted = [v.start + v.by if isinstance(v, Inc) else v for v in values]
    return tuple(given), [*inserted, *(i.by for i in increments)]


def _check_upsert(table: Table, target: Target, names: Sequence[str]) -> None:
    key = target.key or table.key
    missing = [name for name in key if name not in names]
    if missing:
        raise ValidationError(
            f"an upsert by {list(key)} needs every one of them set; {missing} is not", table=table.name
        )
    if all(name in key or name in table.key for name in names):
        raise ValidationError(
            f'an upsert by {list(key)} needs a column to update; use on_conflict="ignore"', table=table.name
        )


def insert(
    compiler: Compiler, row: R, on_conflict: str | None, conflict_target: str | Iterable[str] | None
) -> Call[R]:
    table = row.__rowstead__()
    target = target_of(table, on_conflict, conflict_target)
    given, values = _insertable(row, table, target)
    compiled = compiler.get(("insert", table, given, target, table.all))
    return compiled.call(values, _stored(row, compiled.read_one))


def _stored(row: R, read_one: Callable[[Sequence[Record]], Any]) -> Callable[[Sequence[Record]], R]:
    """Reads the stored row back; the given one where the database ignored it."""

    def read_stored(records: Sequence[Record]) -> R:
        return carry(row, read_one(records)) if records else row

    return read_stored


def insert_many(
    compiler: Compiler,
    rows: Iterable[Row],
    on_conflict: str | None,
    conflict_target: str | Iterable[str] | None,
    returning: bool,
) -> Plan[Any]:
    everything = list(rows)
    if not everything:
        return _nothing([] if returning else 0)
    model = type(everything[0])
    for kind in set(map(type, everything)):
        if kind is not model:
            raise ValidationError(
                f"insert_many takes rows of the same Row subclass: {model.__name__} and {kind.__name__}"
            )
    table = model.__rowstead__()
    target = target_of(table, on_conflict, conflict_target)
    plan = bulk.insert_many(compiler, table, _groups(everything, table, target), target, returning)
    return carry_all(everything, plan) if returning and model.__fields_not_in_db__ else plan


_NOT_PLAIN = (Inc, Now, type)
"""Types of what is no value of a column (`type` is that of the bare word `Now`)."""


def _groups(rows: Sequence[Row], table: Table, target: Target | None) -> list[Group]:
    """The rows by what is set on them and how, with their values.

    Rows come by the ten thousand: what is asked once per group or per column is not asked per row.
    """
    alike: dict[frozenset[str], list[int]] = {}
    last: set[str] | None = None
    places: list[int] = []
    for place, row in enumerate(rows):
        chosen = row.__pydantic_fields_set__
        if chosen != last:
            last = chosen
            places = alike.setdefault(frozenset(chosen), [])
        places.append(place)
    groups: dict[tuple[tuple[str, Any], ...], Group] = {}
    for chosen, places in alike.items():
        names = [name for name in table.columns if name in chosen]
        values = _picked(names, [rows[i].__dict__ for i in places])
        if any(issubclass(t, _NOT_PLAIN) for column in columns_of(values) for t in set(map(type, column))):
            for place in places:
                given, changes = _insertable(rows[place], table, target)
                _join(groups, given, [changes], [place])
            continue
        if target is not None and target.action == "upsert":
            _check_upsert(table, target, names)
        _join(groups, tuple((name, VALUE) for name in names), values, places)
    return list(groups.values())


def _picked(names: Sequence[str], fields: Sequence[Mapping[str, Any]]) -> list[Sequence[Any]]:
    """These fields' values, in order, of each row."""
    if len(names) < 2:
        return [tuple(f[name] for name in names) for f in fields]
    return list(map(itemgetter(*names), fields))


def _join(
    groups: dict[tuple[tuple[str, Any], ...], Group],
    given: tuple[tuple[str, Any], ...],
    values: Sequence[Sequence[Any]],
    places: Sequence[int],
) -> None:
    group = groups.setdefault(given, Group(given, [], []))
    group.rows.extend(values)
    group.places.extend(places)


def _nothing(result: Any) -> Plan[Any]:
    yield from ()
    return result


_KEY_TYPES = frozenset({int, str, uuid.UUID})


def key_filter(row: Row, table: Table) -> dict[str, Any]:
    """The row's key as a filter; a ValidationError where a part of it is not set."""
    key = require_key(table)
    missing = [name for name in key if name not in row.model_fields_set]
    if missing:
        raise ValidationError(f"the primary key of {table.name} is not set: {missing}", table=table.name)
    values = ((name, row.__dict__[name]) for name in key)
    # Read faster, and to the same shape.
    return {name: value if type(value) in _KEY_TYPES else {"eq": value} for name, value in values}


def _guarded(row: Row, table: Table, where: Where) -> tuple[Shape, list[Any]]:
    shape, values = read(key_filter(row, table), table)
    if not where:
        return shape, values
    guard, guard_values = read(where, table)
    rest = guard[1:] if guard[0] == "and" else (guard,)
    return ("and", *shape[1:], *rest), [*values, *guard_values]


def update(compiler: Compiler, row: R, where: Where) -> Call[R | None]:
    table = row.__rowstead__()
    shape, key_values = _guarded(row, table, where)
    given, values = _given(row, table, skip=table.key)
    if not given:
        raise ValidationError(
            f"there is nothing to update: no non-PK fields of {table.name} are set", table=table.name
        )
    changed = [v.by if isinstance(v, Inc) else v for v in values]
    compiled = compiler.get(("update", table, tuple(given), shape, table.all))

    def read_changed(records: Sequence[Record]) -> R | None:
        return carry(row, compiled.read_one(records)) if records else None

    return compiled.call([*changed, *key_values], read_changed)


def update_where(compiler: Compiler, row: Row, where: Where) -> Call[int]:
    """Change every row that fulfils `where`, which must not be empty. Key fields are not changed."""
    table = row.__rowstead__()
    shape, where_values = read(where, table)
    if is_everything(shape):
        raise ValidationError(f"update_where needs a filter; to change every row of {table.name} use raw SQL")
    given, values = _given(row, table, skip=table.key)
    if not given:
        raise ValidationError(
            f"there is nothing to update: no non-PK fields of {table.name} are set", table=table.name
        )
    changed = [v.by if isinstance(v, Inc) else v for v in values]
    return compiler.get(("update", table, tuple(given), shape, ())).call([*changed, *where_values], None)


def delete(compiler: Compiler, row: Row, where: Where) -> Call[int]:
    table = row.__rowstead__()
    shape, values = _guarded(row, table, where)
    return compiler.get(("delete", table, shape, ())).call(values, None)


def delete_many(compiler: Compiler, model: type[Row], keys: Iterable[Any]) -> Plan[int]:
    table = model.__rowstead__()
    plain = [{n: k.__dict__[n] for n in require_key(table)} if isinstance(k, Row) else k for k in keys]
    return bulk.delete_many(compiler, table, plain)
