"""The core's statements as SQLAlchemy expressions: one builder per operation.

A statement is named by its key, a hashable tuple `(operation, table, …)` that says everything about
it but the values; `BUILDERS[operation](slots, table, …)` spells it, making its parameters in the
order in which the operation's values are listed. This file knows no driver and runs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from rowstead.errors import ValidationError
from rowstead.language.aggregates import COUNT_ALL, GROUPS, Groups
from rowstead.language.criteria import Criteria
from rowstead.language.expressions import CTE, Slots, plain, source_of, table_clause
from rowstead.language.ordering import Order
from rowstead.language.shapes import EVERYTHING, Shape
from rowstead.sentinels import Inc
from rowstead.statements.inserts import giving_back, insert, insert_from_arrays, insert_staged, named_type
from rowstead.statements.keysets import Keyset, keyset_conditions
from rowstead.tables.schema import Table


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
    distinct: bool = False,
    ctes: tuple[Table, ...] = (),
) -> Any:
    """Rows; `counted` adds the count of all.

    Values: those of the common table expressions and the join, the filter's, the keyset's, limit, offset.
    """
    defined = _definitions(slots, ctes)
    source = source_of(slots, table)
    criteria = Criteria(slots, table, source)
    clause = source.clause
    conditions = [c for c in [criteria.where(where)] if c is not None]
    wanted: list[Any] = [source.column(name) for name in columns]
    if counted:
        # The table again, under its own name: what a subquery calls `$outer` is then the innermost one.
        total = sa.select(COUNT_ALL).select_from(clause).correlate(None)
        wanted.append(total.where(*conditions).scalar_subquery())
    if keyset is not None:
        conditions.extend(keyset_conditions(criteria, order, keyset))
    # Walked in parts, the first column is either never or always NULL: saying where NULLs go would
    # only keep the database from using the index.
    in_parts = order[0].column if keyset is not None and keyset.part is not None else None
    only_nulls = keyset is not None and keyset.part == "none" and not slots.dialect.null_sorts_free
    terms = criteria.order(order[1:] if only_nulls else order, never_null=in_parts)
    statement = sa.select(*wanted).select_from(clause).where(*conditions).order_by(*terms)
    if distinct:
        _check_distinct(table, columns, order)
        statement = statement.distinct()
    if source.columns is not None:
        # What is read goes by place: o.id and c.id need no other names.
        statement = statement.set_label_style(sa.LABEL_STYLE_NONE)
    return _window(slots, statement, limited, offset).add_cte(*defined)


def _definitions(slots: Slots, ctes: Sequence[Table]) -> list[Any]:
    """What stands in WITH. Its values come before all others, in order."""
    return [cte.facts[CTE](slots) for cte in ctes]


def _check_distinct(table: Table, columns: Sequence[str], order: Order) -> None:
    names = {table.columns[name].name for name in columns}
    for term in order:
        if table.columns[term.column].name not in names:
            raise ValidationError(
                f"distinct rows can only be ordered by columns that they have, not by {term.column!r}",
                table=table.name,
                column=term.column,
            )


def _window(slots: Slots, statement: Any, limited: bool, offset: bool) -> Any:
    if limited:
        statement = statement.limit(slots.count())
    return statement.offset(slots.count()) if offset else statement


def get(slots: Slots, table: Table, columns: tuple[str, ...], where: Shape) -> Any:
    """One row: by the whole key as it is, by anything else with LIMIT 1."""
    statement = select(slots, table, columns, where)
    named = {term[1] for term in where[1:] if len(term) == 3 and term[0] == "eq"}
    return statement if set(table.key) <= named else statement.limit(sa.literal_column("1"))


def locked(slots: Slots, table: Table, columns: tuple[str, ...], where: Shape) -> Any:
    """Rows as they are now, whatever the transaction's snapshot shows, held until it ends."""
    return select(slots, table, columns, where).with_for_update()


def get_many(
    slots: Slots, table: Table, columns: tuple[str, ...], names: tuple[str, ...], types: tuple[str, ...]
) -> Any:
    """The rows of many keys: one array parameter for each of `names`, whose types the server told.

    Each record ends in the place of its key, from 1 on. Values: one list per name.
    """
    arrays = [
        sa.cast(slots.list_of(table.columns[name], False), named_type(f"{type_}[]"))
        for name, type_ in zip(names, types, strict=True)
    ]
    wanted = [f"wanted_{name}" for name in names]
    place = "wanted_place"
    keys = sa.func.unnest(*arrays).table_valued(*wanted, with_ordinality=place).render_derived(name="wanted")
    same = [plain(name) == keys.c[key] for name, key in zip(names, wanted, strict=True)]
    rows = table_clause(table).join(keys, sa.and_(*same))
    return sa.select(*map(plain, columns), keys.c[place]).select_from(rows)


def count(slots: Slots, table: Table, where: Shape, ctes: tuple[Table, ...] = ()) -> Any:
    """How many rows. Values: as `select`."""
    defined = _definitions(slots, ctes)
    source = source_of(slots, table)
    statement = sa.select(COUNT_ALL).select_from(source.clause)
    return Criteria(slots, table, source).filtered(statement, where).add_cte(*defined)


def aggregate(
    slots: Slots,
    table: Table,
    where: Shape,
    having: Shape,
    order: Order = (),
    limited: bool = False,
    offset: bool = False,
    ctes: tuple[Table, ...] = (),
) -> Any:
    """Groups of rows; `table` is what `aggregates.aggregated` describes, `where` is about what it groups.

    Values: as `select`'s up to the filter's, then those of `having`, limit, offset.
    """
    groups: Groups = table.facts[GROUPS]
    defined = _definitions(slots, ctes)
    source = source_of(slots, groups.table)
    grouped = groups.source(slots, source)
    criteria = Criteria(slots, table, grouped)
    statement = sa.select(*(groups.wanted(grouped) or [COUNT_ALL])).select_from(source.clause)
    statement = statement.set_label_style(sa.LABEL_STYLE_NONE)
    statement = Criteria(slots, groups.table, source).filtered(statement, where)
    statement = statement.group_by(*map(source.column, groups.by))
    condition = criteria.where(having)
    if condition is not None:
        statement = statement.having(condition)
    statement = statement.order_by(*criteria.order(order))
    return _window(slots, statement, limited, offset).add_cte(*defined)


def exists(slots: Slots, table: Table, where: Shape) -> Any:
    """One record where there is a row, none otherwise."""
    statement = sa.select(sa.text("1")).select_from(table_clause(table))
    return Criteria(slots, table).filtered(statement, where).limit(sa.literal_column("1"))


def update(
    slots: Slots,
    table: Table,
    given: tuple[tuple[str, Any], ...],
    where: Shape,
    returning: tuple[str, ...],
    shown: Shape = EVERYTHING,
) -> Any:
    """Rows that fulfil `where`. Values: those set, then the filter's, then `shown`'s."""
    sets: dict[Any, Any] = {}
    for name, form in given:
        column = table.columns[name]
        sets[name] = slots.added(column, plain(name)) if form is Inc else slots.given(column, form)
    statement: Any = sa.update(table_clause(table)).values(sets)
    statement = Criteria(slots, table).filtered(statement, where)
    return giving_back(statement, slots, table, returning, shown)


def delete(
    slots: Slots, table: Table, where: Shape, returning: tuple[str, ...] = (), shown: Shape = EVERYTHING
) -> Any:
    """Remove the rows that fulfil `where`. Values: the filter's, then `shown`'s."""
    statement: Any = Criteria(slots, table).filtered(sa.delete(table_clause(table)), where)
    return giving_back(statement, slots, table, returning, shown)


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
    for f in (
        select,
        get,
        locked,
        get_many,
        count,
        aggregate,
        exists,
        insert,
        insert_from_arrays,
        insert_staged,
        update,
        delete,
        delete_keys,
    )
}
WRITES = frozenset({"insert", "insert_from_arrays", "insert_staged", "update", "delete", "delete_keys"})
