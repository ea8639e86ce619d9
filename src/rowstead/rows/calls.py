"""The rows' verbs as calls and plans: reads Row objects and filters, sends nothing.

Both worlds run what is made here; `compose` shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from rowstead.errors import ValidationError, did_you_mean
from rowstead.language.conditions import Where, read, read_count
from rowstead.language.ordering import Order, Sort, read_order
from rowstead.language.shapes import Shape, has_subquery, is_everything, is_plain, listed
from rowstead.plan import Call, Plan, Record, first_value
from rowstead.plans import bulk
from rowstead.plans.apart import NewRow, applies_apart, inserting, reading_back
from rowstead.plans.paging import Page, Walk, counted_page, following_page
from rowstead.rows.given import (
    KEY_TYPES,
    ORDINARY,
    by_key,
    changed,
    given_by,
    groups_of,
    insertable,
    key_filter,
    picker,
)
from rowstead.rows.results import carry, carry_all
from rowstead.rows.row import Row
from rowstead.statements.builders import require_key
from rowstead.statements.compiled import MAX_TEXTS, Compiler
from rowstead.statements.inserts import Target
from rowstead.tables.access import FULL_ACCESS, Access
from rowstead.tables.schema import Table

R = TypeVar("R", bound=Row)


KEPT_TARGETS = (type(None), str)
"""Conflict targets that can be part of what a statement is kept by."""


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
    given = tuple(named.values())
    # Names and types say all of a filter whose values are plain: the same ones need not be read again.
    asked = (model, tuple(named), tuple(map(type, given)))
    again = compiler.gets.get(asked)
    if again is not None:
        return again.get_again(given)
    table = model.__rowstead__()
    shape, values = read(named, table)
    for name in listed(shape):
        raise ValidationError(f"get gives one row and takes no list ({name!r}); use query", table=table.name)
    compiled = compiler.get(("get", table, table.all, shape))
    call = compiled.call(values, compiled.read_one)
    if is_plain(asked[2]) and compiled.travel_as_they_are(asked[2]) and len(compiler.gets) < MAX_TEXTS:
        compiler.gets[asked] = compiled
    return call


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
    return compiler.get(("count", table, shape)).call(values, first_value)


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


def insert(
    compiler: Compiler, row: R, on_conflict: str | None, conflict_target: str | Iterable[str] | None
) -> Call[R] | Plan[R]:
    table = row.__rowstead__()
    asked = ("insert", table, frozenset(row.__pydantic_fields_set__), on_conflict, conflict_target)
    again = compiler.again.get(asked) if type(conflict_target) in KEPT_TARGETS else None
    if again is not None:
        compiled, pick = again
        values = pick(row.__dict__)
        types = tuple(map(type, values))
        if compiled.travel_as_they_are(types):
            return compiled.stored_again(values, _stored(row, compiled.read_one))
        if ORDINARY.issuperset(types):
            return compiled.stored(values, _stored(row, compiled.read_one))
    target = target_of(table, on_conflict, conflict_target)
    given, values = insertable(row, table, target)
    compiled = compiler.get(("insert", table, given, target, table.all))
    call = compiled.stored(values, _stored(row, compiled.read_one))
    if target is not None and applies_apart(compiler.dialect, target):
        return inserting(compiler, NewRow(table, given, values), call, target, row)
    if isinstance(values, tuple) and type(conflict_target) in KEPT_TARGETS:
        compiler.keep_again(asked, compiled, picker([name for name, _ in given]))
    return call


def _stored(row: R, read_one: Callable[[Sequence[Record]], Any]) -> Callable[[Sequence[Record]], R]:
    """Reads the stored row back; the given one where the database ignored it."""
    if not row.__fields_not_in_db__:
        return lambda records: read_one(records) if records else row

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
    plan = bulk.insert_many(compiler, table, groups_of(everything, table, target), target, returning)
    return carry_all(everything, plan) if returning and model.__fields_not_in_db__ else plan


def _nothing(result: Any) -> Plan[Any]:
    yield from ()
    return result


def _guarded(row: Row, table: Table, where: Where) -> tuple[Shape, Sequence[Any]]:
    shape, pick = by_key(table)
    if not where and row.__pydantic_fields_set__.issuperset(table.key):
        values = pick(row.__dict__)
        if KEY_TYPES.issuperset(map(type, values)):
            return shape, values
    shape, values = read(key_filter(row, table), table)
    if not where:
        return shape, values
    guard, guard_values = read(where, table)
    rest = guard[1:] if guard[0] == "and" else (guard,)
    return ("and", *shape[1:], *rest), [*values, *guard_values]


def update(compiler: Compiler, row: R, where: Where) -> Call[R | None] | Plan[R | None]:
    table = row.__rowstead__()
    asked = ("update", table, frozenset(row.__pydantic_fields_set__))
    again = compiler.again.get(asked) if where is None else None
    if again is not None:
        compiled, pick = again
        values = pick(row.__dict__)
        types = tuple(map(type, values))
        if compiled.travel_as_they_are(types):
            return compiled.stored_again(values, _changed(row, compiled.read_one))
        # A key of another type may make another condition.
        if ORDINARY.issuperset(types) and KEY_TYPES.issuperset(types[-len(table.key) :]):
            return compiled.stored(values, _changed(row, compiled.read_one))
    shape, key_values = _guarded(row, table, where)
    given, values = given_by(row, table, skip=table.key)
    if not given:
        raise ValidationError(
            f"there is nothing to update: no non-PK fields of {table.name} are set", table=table.name
        )
    if not compiler.dialect.update_returns:
        changing = compiler.get(("update", table, given, shape, ()))
        change = changing.call([*changed(values), *key_values], None)
        key_shape, own_key = _guarded(row, table, None)
        reader = compiler.get(("locked", table, table.all, key_shape))
        return reading_back(change, reader.call(own_key, _changed(row, reader.read_one)))
    compiled = compiler.get(("update", table, given, shape, table.all))
    # A NULL in the key has no value, and makes another condition.
    whole_key = len(key_values) == len(table.key) and KEY_TYPES.issuperset(map(type, key_values))
    if where is None and isinstance(values, tuple) and whole_key:
        compiler.keep_again(asked, compiled, picker([*(name for name, _ in given), *table.key]))
    return compiled.stored([*changed(values), *key_values], _changed(row, compiled.read_one))


def _changed(row: R, read_one: Callable[[Sequence[Record]], Any]) -> Callable[[Sequence[Record]], R | None]:
    """Reads the changed row back; None where there was none."""
    if not row.__fields_not_in_db__:
        return read_one
    return lambda records: carry(row, read_one(records)) if records else None


def update_where(compiler: Compiler, row: Row, where: Where) -> Call[int]:
    """Change every row that fulfils `where`, which must not be empty. Key fields are not changed."""
    table = row.__rowstead__()
    shape, where_values = read(where, table)
    if is_everything(shape):
        raise ValidationError(f"update_where needs a filter; to change every row of {table.name} use raw SQL")
    given, values = given_by(row, table, skip=table.key)
    if not given:
        raise ValidationError(
            f"there is nothing to update: no non-PK fields of {table.name} are set", table=table.name
        )
    counted = compiler.dialect.update_sees_itself and has_subquery(shape)
    compiled = compiler.get(("update", table, given, shape, table.all[:1] if counted else ()))
    return compiled.call([*changed(values), *where_values], len if counted else None)


def delete(compiler: Compiler, row: Row, where: Where) -> Call[int]:
    table = row.__rowstead__()
    shape, values = _guarded(row, table, where)
    return compiler.get(("delete", table, shape, ())).call(values, None)


def delete_many(compiler: Compiler, model: type[Row], keys: Iterable[Any]) -> Plan[int]:
    table = model.__rowstead__()
    plain = [{n: k.__dict__[n] for n in require_key(table)} if isinstance(k, Row) else k for k in keys]
    return bulk.delete_many(compiler, table, plain)
