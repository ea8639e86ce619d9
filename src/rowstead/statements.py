"""The core's statements as SQLAlchemy expressions: one builder per operation.

A statement is named by its key, a hashable tuple `(operation, table, …)` that says everything about
it but the values; `BUILDERS[operation](slots, table, …)` spells it, making its parameters in the
order in which the operation's values are listed. This file knows no driver and runs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement

from rowstead.conditions import VALUE, Shape
from rowstead.criteria import Criteria
from rowstead.errors import ValidationError
from rowstead.expressions import Expression, Slots, plain, table_clause
from rowstead.ordering import Order, OrderTerm
from rowstead.schema import Table
from rowstead.sentinels import Inc

_COUNT: ColumnElement[int] = sa.literal_column("count(*)", sa.Integer())


class Keyset(NamedTuple):
    """Where a page begins: behind the row with these order values.

    `nulls` tells which of them are NULL. `part` is "some" or "none" while the first column of the
    order, which can be NULL, is walked in two parts, so that each part can use the index.
    """

    nulls: tuple[bool, ...] | None
    part: str | None = None


class Target(NamedTuple):
    """What an insert does about rows that are there: nothing, or update them, by this unique key."""

    action: str
    key: tuple[str, ...] | None


def select(
    slots: Slots,
    table: Table,
    columns: tuple[str, ...],
    where: Shape,
    order: Order = (),
    limited: bool = False,
    offset: bool = False,
    keyset: Keyset | None = None,
    counted: bool = False,
) -> Any:
    """Rows; `counted` adds the count of all. Values: the filter's, the keyset's, limit, offset."""
    criteria = Criteria(slots, table)
    clause = table_clause(table)
    conditions = [c for c in [criteria.where(where)] if c is not None]
    wanted: list[Any] = [plain(name) for name in columns]
    if counted:
        # The table again, under its own name: what a subquery calls `$outer` is then the innermost one.
        total = sa.select(_COUNT).select_from(clause).correlate(None)
        wanted.append(total.where(*conditions).scalar_subquery())
    if keyset is not None:
        conditions.extend(keyset_conditions(criteria, order, keyset))
    # Walked in parts, the first column is either never or always NULL: saying where NULLs go would
    # only keep the database from using the index.
    in_parts = order[0].column if keyset is not None and keyset.part is not None else None
    terms = criteria.order(order, never_null=in_parts)
    statement = sa.select(*wanted).select_from(clause).where(*conditions).order_by(*terms)
    if limited:
        statement = statement.limit(slots.count())
    if offset:
        statement = statement.offset(slots.count())
    return statement


def keyset_conditions(criteria: Criteria, order: Order, keyset: Keyset) -> list[Expression]:
    """What the rows behind the keyset's row fulfil; its values are the order's that are not NULL."""
    first = criteria.column(order[0].column)
    conditions: list[Expression] = []
    if keyset.part == "some":
        conditions.append(first.is_not(None))
    if keyset.part == "none":
        conditions.append(first.is_(None))
    if keyset.nulls is None:
        return conditions
    terms = list(zip(order, keyset.nulls, strict=True))
    if keyset.part == "none":
        terms = terms[1:]
    if not any(null for _, null in terms) and _all_alike(criteria, [t for t, _ in terms], keyset):
        return [*conditions, _row_value(criteria, [t for t, _ in terms])]
    return [*conditions, _behind(criteria, terms, keyset)]


def _all_alike(criteria: Criteria, order: Sequence[OrderTerm], keyset: Keyset) -> bool:
    """Whether a row value comparison says it: one direction, and no column that can be NULL."""
    columns = [criteria.table.columns[t.column] for t in order]
    first_is_set = 1 if keyset.part == "some" else 0
    return len({t.descending for t in order}) == 1 and not any(
        criteria.nullable(c) for c in columns[first_is_set:]
    )


def _row_value(criteria: Criteria, order: Sequence[OrderTerm]) -> Expression:
    columns = [criteria.table.columns[t.column] for t in order]
    left = [criteria.slots.ordered(c, criteria.column(c.name)) for c in columns]
    right = [criteria.slots.ordered(c, criteria.slots.value(c)) for c in columns]
    if len(columns) == 1:
        return left[0] < right[0] if order[0].descending else left[0] > right[0]
    pair = sa.tuple_(*left), sa.tuple_(*right)
    return pair[0] < pair[1] if order[0].descending else pair[0] > pair[1]


def _behind(criteria: Criteria, terms: Sequence[tuple[OrderTerm, bool]], keyset: Keyset) -> Expression:
    """`a >= x AND (a > x OR b …)`: the outer comparison lets the database use an index on `a`."""
    if not terms:
        # Rows that nothing tells apart came with this page, all of them.
        return sa.false()
    (term, null), *rest = terms
    column = criteria.table.columns[term.column]
    sql = criteria.slots.ordered(column, criteria.column(term.column))
    bare = criteria.column(term.column)
    can_be_null = criteria.nullable(column) and not (keyset.part == "some" and len(terms) == _width(keyset))
    if null:
        after = bare.is_not(None) if term.nulls_first else sa.false()
        if not rest:
            return after
        return sa.or_(after, sa.and_(bare.is_(None), _behind(criteria, rest, keyset)))
    value = criteria.slots.ordered(column, criteria.slots.value(column))
    beyond: Expression = sql < value if term.descending else sql > value
    if can_be_null and not term.nulls_first:
        beyond = sa.or_(beyond, bare.is_(None))
    if not rest:
        return beyond
    at_or_beyond: Expression = sql <= value if term.descending else sql >= value
    if can_be_null and not term.nulls_first:
        at_or_beyond = sa.or_(at_or_beyond, bare.is_(None))
    return sa.and_(at_or_beyond, sa.or_(beyond, _behind(criteria, rest, keyset)))


def _width(keyset: Keyset) -> int:
    return len(keyset.nulls or ())


def get(slots: Slots, table: Table, columns: tuple[str, ...], where: Shape) -> Any:
    """One row: by the whole key as it is, by anything else with LIMIT 1."""
    statement = select(slots, table, columns, where)
    named = {term[1] for term in where[1:] if len(term) == 3 and term[0] == "eq"}
    return statement if set(table.key) <= named else statement.limit(sa.literal_column("1"))


def get_many(
    slots: Slots, table: Table, columns: tuple[str, ...], names: tuple[str, ...], types: tuple[str, ...]
) -> Any:
    """The rows of many keys: one array parameter for each of `names`, whose types the server told.

    Each record ends in the place of its key, from 1 on. Values: one list per name.
    """
    arrays = [
        sa.cast(slots.list_of(table.columns[name], False), _named_type(f"{type_}[]"))
        for name, type_ in zip(names, types, strict=True)
    ]
    wanted = [f"wanted_{name}" for name in names]
    place = "wanted_place"
    keys = sa.func.unnest(*arrays).table_valued(*wanted, with_ordinality=place).render_derived(name="wanted")
    same = [plain(name) == keys.c[key] for name, key in zip(names, wanted, strict=True)]
    rows = table_clause(table).join(keys, sa.and_(*same))
    return sa.select(*map(plain, columns), keys.c[place]).select_from(rows)


def count(slots: Slots, table: Table, where: Shape) -> Any:
    """How many rows."""
    statement = sa.select(_COUNT).select_from(table_clause(table))
    return Criteria(slots, table).filtered(statement, where)


def exists(slots: Slots, table: Table, where: Shape) -> Any:
    """One record where there is a row, none otherwise."""
    statement = sa.select(sa.text("1")).select_from(table_clause(table))
    return Criteria(slots, table).filtered(statement, where).limit(sa.literal_column("1"))


def insert(
    slots: Slots,
    table: Table,
    given: tuple[tuple[str, Any], ...],
    target: Target | None,
    returning: tuple[str, ...],
) -> Any:
    """One row. `given` is (column, VALUE | Now | Inc); an Inc stands for two values: start + by, by.

    Values: the row's, in order, then the increments of an upsert.
    """
    values = {name: slots.given(table.columns[name], _first_value(form)) for name, form in given}
    if not values and target is not None and slots.dialect.row_number is not None:
        name = slots.dialect.row_number
        clause = sa.table(table.name, sa.column(name), schema=table.schema)
        statement: Any = slots.dialect.insert(clause).values({name: sa.null()})
    else:
        statement = slots.dialect.insert(table_clause(table))
        statement = statement.values(values) if values else statement.values()
    statement = _on_conflict(statement, slots, table, given, target)
    return statement.returning(*map(plain, returning)) if returning else statement


def _first_value(form: Any) -> Any:
    return VALUE if form is Inc else form


def _on_conflict(
    statement: Any, slots: Slots, table: Table, given: tuple[tuple[str, Any], ...], target: Target | None
) -> Any:
    if target is None:
        return statement
    if target.action == "ignore":
        return statement.on_conflict_do_nothing(index_elements=target.key)
    clause = table_clause(table)
    key = target.key or table.key
    updates: dict[str, Any] = {}
    for name, form in given:
        if name in key or name in table.key:
            continue
        if form is Inc:
            updates[name] = slots.added(table.columns[name], clause.c[name])
        else:
            updates[name] = statement.excluded[name]
    return statement.on_conflict_do_update(index_elements=key, set_=updates)


def insert_from_arrays(
    slots: Slots,
    table: Table,
    given: tuple[tuple[str, Any], ...],
    types: tuple[tuple[str, str], ...],
    target: Target | None,
    returning: tuple[str, ...],
) -> Any:
    """Any number of rows: one array parameter per column. `types` is (array type, column type) of each.

    Values: one list per column, then the increments of an upsert, which are the same for all rows.
    """
    arrays = [
        sa.cast(slots.list_of(table.columns[name], array != column), _named_type(f"{array}[]"))
        for (name, _), (array, column) in zip(given, types, strict=True)
    ]
    names = [name for name, _ in given]
    source = sa.func.unnest(*arrays).table_valued(*names).render_derived(name="given")
    wanted = [
        sa.cast(source.c[name], _named_type(column)) if array != column else source.c[name]
        for name, (array, column) in zip(names, types, strict=True)
    ]
    statement = slots.dialect.insert(table_clause(table)).from_select(
        names, sa.select(*wanted), include_defaults=False
    )
    statement = _on_conflict(statement, slots, table, given, target)
    return statement.returning(*map(plain, returning)) if returning else statement


def _named_type(name: str) -> Any:
    """A type by the name that the server's catalogue gave it."""

    class Named(sa.types.UserDefinedType[Any]):
        cache_ok = True

        def get_col_spec(self, **_kw: Any) -> str:
            return name

    return Named()


def update(
    slots: Slots,
    table: Table,
    given: tuple[tuple[str, Any], ...],
    where: Shape,
    returning: tuple[str, ...],
) -> Any:
    """Rows that fulfil `where`. Values: those set, then the filter's."""
    sets: dict[Any, Any] = {}
    for name, form in given:
        column = table.columns[name]
        sets[name] = slots.added(column, plain(name)) if form is Inc else slots.given(column, form)
    statement: Any = sa.update(table_clause(table)).values(sets)
    statement = Criteria(slots, table).filtered(statement, where)
    return statement.returning(*map(plain, returning)) if returning else statement


def delete(slots: Slots, table: Table, where: Shape, returning: tuple[str, ...] = ()) -> Any:
    """Remove the rows that fulfil `where`."""
    statement: Any = Criteria(slots, table).filtered(sa.delete(table_clause(table)), where)
    return statement.returning(*map(plain, returning)) if returning else statement


def delete_keys(slots: Slots, table: Table, number: int) -> Any:
    """Remove the rows with these composite keys. Values: key by key."""
    columns = [table.columns[name] for name in table.key]
    keys = [sa.tuple_(*(slots.value(c) for c in columns)) for _ in range(number)]
    return sa.delete(table_clause(table)).where(sa.tuple_(*map(plain, table.key)).in_(keys))


def require_key(table: Table) -> tuple[str, ...]:
    """The table's key, or a ValidationError where it has none."""
    if not table.key:
        raise ValidationError(f"{table.name} has no primary key; set __pk__", table=table.name)
    return table.key


BUILDERS: Mapping[str, Callable[..., Any]] = {
    f.__name__: f
    for f in (select, get, get_many, count, exists, insert, insert_from_arrays, update, delete, delete_keys)
}
WRITES = frozenset({"insert", "insert_from_arrays", "update", "delete", "delete_keys"})
