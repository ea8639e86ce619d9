"""The core's statements as SQLAlchemy expressions: one builder per operation.

A statement is named by its key, a hashable tuple `(operation, table, …)` that says everything about
it but the values; `BUILDERS[operation](slots, table, …)` spells it, making its parameters in the
order in which the operation's values are listed. This file knows no driver and runs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.sql.functions import Function

from rowstead.errors import ValidationError
from rowstead.language.aggregates import COUNT_ALL, GROUPS, Groups
from rowstead.language.criteria import Criteria
from rowstead.language.expressions import CTE, Slots, Verbatim, plain, source_of, table_clause
from rowstead.language.ordering import Order
from rowstead.language.shapes import EVERYTHING, IF_NEW, VALUE, Shape
from rowstead.sentinels import Inc
from rowstead.statements.keysets import Keyset, keyset_conditions
from rowstead.tables.schema import Table


class Target(NamedTuple):
    """What an insert does about rows that are there, found by this unique key.

    `action`: "ignore" leaves them, "upsert" sets what the new row has, "patch" sets `patch`, which is
    (column, VALUE | Now) and whose values stand behind the row's. A row of which `guard` is not true is
    not changed; its values stand behind those.
    """

    action: str
    key: tuple[str, ...] | None
    patch: tuple[tuple[str, Any], ...] = ()
    guard: Shape = EVERYTHING


class Back(NamedTuple):
    """What a write gives back of its rows: these columns, of those that `shown` is true of."""

    columns: tuple[str, ...]
    shown: Shape = EVERYTHING
    values: tuple[Any, ...] = ()

    @property
    def key(self) -> tuple[Any, ...]:
        """How the key of a write ends that gives this back."""
        return (self.columns,) if self.shown == EVERYTHING else (self.columns, self.shown)


NOTHING_BACK = Back(())
SHOWN = "rowstead_shown"
"""Behind what a write gives back: whether the row is one that `shown` is true of."""


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
        sa.cast(slots.list_of(table.columns[name], False), _named_type(f"{type_}[]"))
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


def insert(
    slots: Slots,
    table: Table,
    given: tuple[tuple[str, Any], ...],
    target: Target | None,
    returning: tuple[str, ...],
    shown: Shape = EVERYTHING,
) -> Any:
    """One row. `given` is (column, VALUE | Now | Inc); an Inc stands for two values: start + by, by.

    Values: the row's, in order, then the increments of an upsert or its patch's and guard's, then `shown`'s.
    """
    values = {name: slots.given(table.columns[name], _of_new_row(form)) for name, form in given}
    if not values and target is not None and slots.dialect.row_number is not None:
        name = slots.dialect.row_number
        clause = sa.table(table.name, sa.column(name), schema=table.schema)
        statement: Any = slots.dialect.insert(clause).values({name: sa.null()})
    else:
        statement = slots.dialect.insert(table_clause(table))
        statement = statement.values(values) if values else statement.values()
    statement = _on_conflict(statement, slots, table, given, target)
    return _returning(statement, slots, table, returning, shown)


def _returning(statement: Any, slots: Slots, table: Table, returning: tuple[str, ...], shown: Shape) -> Any:
    """The statement, giving back these columns, and whether `shown` is true of the row."""
    if not returning:
        return statement
    wanted: list[Any] = list(map(plain, returning))
    condition = Criteria(slots, table).where(shown)
    if condition is not None:
        wanted.append(condition.label(SHOWN))
    return statement.returning(*wanted)


def _of_new_row(form: Any) -> Any:
    return VALUE if form is Inc else form


def _on_conflict(
    statement: Any, slots: Slots, table: Table, given: tuple[tuple[str, Any], ...], target: Target | None
) -> Any:
    if target is None:
        return statement
    guard = slots.dialect.upsert_guard
    if target.action == "ignore":
        # Where no key can be named, a plan ignores what the plain statement refuses.
        return statement if guard is not None else statement.on_conflict_do_nothing(index_elements=target.key)
    key = target.key or table.key
    new_row = statement.excluded if guard is None else statement.inserted
    updates = _updates(slots, table, given, target, key, new_row)
    if guard is None:
        where = Criteria(slots, table).where(target.guard)
        return statement.on_conflict_do_update(index_elements=key, set_=updates, where=where)
    return statement.on_duplicate_key_update([_guarded(key, new_row, guard), *updates.items()])


def _guarded(key: tuple[str, ...], new_row: Any, guard: str) -> tuple[str, Any]:
    """The key's own columns stay as they are, or the statement fails: another key found another row."""
    first = key[0]
    same = sa.and_(*(plain(name).op("<=>", is_comparison=True)(new_row[name]) for name in key))
    return first, Function("if", same, plain(first), Verbatim(guard))


def _updates(
    slots: Slots,
    table: Table,
    given: tuple[tuple[str, Any], ...],
    target: Target,
    key: tuple[str, ...],
    new_row: Any,
) -> dict[str, Any]:
    """What an upsert sets on the row that is there; its increments, or a patch's values, are made now."""
    if target.action == "patch":
        return {name: slots.given(table.columns[name], form) for name, form in target.patch}
    clause = table_clause(table)
    updates: dict[str, Any] = {}
    for name, form in given:
        if name in key or name in table.key or form == IF_NEW:
            continue
        if form is Inc:
            updates[name] = slots.added(table.columns[name], clause.c[name])
        else:
            updates[name] = new_row[name]
    return updates


def insert_from_arrays(
    slots: Slots,
    table: Table,
    given: tuple[tuple[str, Any], ...],
    types: tuple[tuple[str, str], ...],
    target: Target | None,
    returning: tuple[str, ...],
    shown: Shape = EVERYTHING,
) -> Any:
    """Any number of rows: one array parameter per column. `types` is (array type, column type) of each.

    Values: one list per column, then the increments of an upsert, which are the same for all rows, then
    `shown`'s.
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
    return _returning(statement, slots, table, returning, shown)


STAGE = "rowstead_given"
"""The temporary table by which many rows are inserted."""


def insert_staged(
    slots: Slots, table: Table, given: tuple[tuple[str, Any], ...], target: Target | None
) -> Any:
    """The rows of the temporary table. No values."""
    names = [name for name, _ in given]
    source = sa.table(STAGE, *map(plain, names), schema=slots.dialect.stage_schema)
    statement = slots.dialect.insert(table_clause(table)).from_select(
        names, sa.select(*map(plain, names)).select_from(source), include_defaults=False
    )
    return _on_conflict(statement, slots, table, given, target)


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
    shown: Shape = EVERYTHING,
) -> Any:
    """Rows that fulfil `where`. Values: those set, then the filter's, then `shown`'s."""
    sets: dict[Any, Any] = {}
    for name, form in given:
        column = table.columns[name]
        sets[name] = slots.added(column, plain(name)) if form is Inc else slots.given(column, form)
    statement: Any = sa.update(table_clause(table)).values(sets)
    statement = Criteria(slots, table).filtered(statement, where)
    return _returning(statement, slots, table, returning, shown)


def delete(
    slots: Slots, table: Table, where: Shape, returning: tuple[str, ...] = (), shown: Shape = EVERYTHING
) -> Any:
    """Remove the rows that fulfil `where`. Values: the filter's, then `shown`'s."""
    statement: Any = Criteria(slots, table).filtered(sa.delete(table_clause(table)), where)
    return _returning(statement, slots, table, returning, shown)


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
