"""New rows as SQLAlchemy statements: one row, arrays of columns, a temporary table; rows that are there.

As all builders: they make their parameters in the order in which the operation's values are listed.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.sql.functions import Function

from rowstead.language.criteria import Criteria
from rowstead.language.expressions import Slots, Verbatim, plain, table_clause
from rowstead.language.shapes import EVERYTHING, IF_NEW, VALUE, Shape
from rowstead.sentinels import Inc
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
    return giving_back(statement, slots, table, returning, shown)


def giving_back(statement: Any, slots: Slots, table: Table, returning: tuple[str, ...], shown: Shape) -> Any:
    """The statement, giving back these columns, and whether `shown` is true of the row."""
    if not returning:
        return statement
    wanted: list[Any] = list(map(plain, returning))
    condition = Criteria(slots, table).where(shown)
    if condition is not None:
        wanted.append(condition)
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
        sa.cast(slots.list_of(table.columns[name], array != column), named_type(f"{array}[]"))
        for (name, _), (array, column) in zip(given, types, strict=True)
    ]
    names = [name for name, _ in given]
    source = sa.func.unnest(*arrays).table_valued(*names).render_derived(name="given")
    wanted = [
        sa.cast(source.c[name], named_type(column)) if array != column else source.c[name]
        for name, (array, column) in zip(names, types, strict=True)
    ]
    statement = slots.dialect.insert(table_clause(table)).from_select(
        names, sa.select(*wanted), include_defaults=False
    )
    statement = _on_conflict(statement, slots, table, given, target)
    return giving_back(statement, slots, table, returning, shown)


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


def named_type(name: str) -> Any:
    """A type by the name that the server's catalogue gave it."""

    class Named(sa.types.UserDefinedType[Any]):
        cache_ok = True

        def get_col_spec(self, **_kw: Any) -> str:
            return name

    return Named()
