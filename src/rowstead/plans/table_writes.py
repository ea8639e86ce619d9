"""Changes and removals of rows of a table of SQLAlchemy's, as dicts; new rows are in `table_inserts`.

SQLAlchemy's `onupdate` is filled in. Nothing that a caller gave is changed. Written as plans.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa

from rowstead.errors import ValidationError
from rowstead.language.guards import NO_GUARD, Guard
from rowstead.language.shapes import VALUE, Shape, has_subquery
from rowstead.plan import Atomic, Plan
from rowstead.plans import column_fillings
from rowstead.plans.judged import Written, back_of, in_portions, is_judged_apart, judged, only, seen, with_key
from rowstead.plans.table_reads import Wanted, rows
from rowstead.sentinels import Now
from rowstead.statements.compiled import Compiler
from rowstead.statements.inserts import NOTHING_BACK, Back
from rowstead.tables.from_sqlalchemy import table_of
from rowstead.tables.schema import Table

Given = tuple[tuple[str, Any], ...]


class Change(NamedTuple):
    """What is set: the columns with their forms, and a value for each VALUE."""

    given: Given
    values: list[Any]


def change_of(table: sa.Table[Any], described: Table, patch: Mapping[str, Any]) -> Change:
    """A patch with what SQLAlchemy sets beside it. ValidationError for an empty one."""
    for name in patch:
        described.column(name)
    if not patch:
        raise ValidationError(
            f"there is nothing to update: no columns of {described.name} are given", table=described.name
        )
    row = dict(patch)
    for name, filling in column_fillings.on_update(table).items():
        if name not in row:
            row[name] = Now if filling.form is Now else filling.value(row)
    ordered = [(name, row[name]) for name in described.all if name in row]
    given = tuple((name, Now if value is Now else VALUE) for name, value in ordered)
    return Change(given, [value for _, value in ordered if value is not Now])


def update(
    compiler: Compiler,
    table: sa.Table[Any],
    data: Mapping[str, Any],
    wanted: Wanted,
    columns: tuple[str, ...],
    *,
    shown: Guard = NO_GUARD,
) -> Plan[Written]:
    """Set `data` on the rows that are wanted. ValidationError for empty data and unknown columns."""
    described = table_of(table)
    change = change_of(table, described, data)
    if columns and not compiler.dialect.update_returns:
        return (yield from _update_and_read(compiler, described, change, wanted, Back(columns, *shown)))

    def write(columns: tuple[str, ...], shown: Guard) -> Plan[Written]:
        return _update(compiler, described, change, wanted, back_of(columns, shown))

    return (yield from judged(compiler, described, columns, shown, write))


def _update(
    compiler: Compiler, table: Table, change: Change, wanted: Wanted, back: Back | None
) -> Plan[Written]:
    counted = back is None and compiler.dialect.update_sees_itself and has_subquery(wanted.shape)
    # What comes back is counted before the statement's own changes are seen.
    asked = Back(table.all[:1]) if counted else back or NOTHING_BACK
    compiled = compiler.get(("update", table, change.given, wanted.shape, *asked.key))
    values = [*change.values, *wanted.values, *asked.values]
    found = yield compiled.call(values, compiled.read_all if asked.columns else None)
    if back is None:
        return Written(len(found) if counted else found, [])
    return seen(found)


def _update_and_read(
    compiler: Compiler, table: Table, change: Change, wanted: Wanted, back: Back
) -> Plan[Written]:
    """The same where an UPDATE gives nothing back: which rows, the change, what they are now."""
    if not table.key:
        raise ValidationError(
            f"rows of {table.name} cannot be given back by an update: it has no primary key to read them by, "
            "and this database's UPDATE gives nothing back; ask for no columns",
            table=table.name,
        )
    set_to = dict(zip((name for name, form in change.given if form == VALUE), change.values, strict=True))
    shown = Guard(back.shown, back.values)
    if _beginswith_key(table, wanted.shape) and set_to.keys().isdisjoint(table.key):
        size = len(table.key)
        key = Wanted(("and", *wanted.shape[1 : size + 1]), list(wanted.values)[:size])
        return (yield Atomic(_one_changed(compiler, table, change, wanted, key.also(shown), back)))

    def steps() -> Plan[Written]:
        held = compiler.get(("locked", table, table.key, wanted.shape))
        before: list[dict[str, Any]] = yield held.call(wanted.values, held.read_all)
        found: list[dict[str, Any]] = []
        if before:
            # They are held, so that it finds the same ones.
            setting = compiler.get(("update", table, change.given, wanted.shape, ()))
            yield setting.call([*change.values, *wanted.values], None)
        after = [{name: set_to.get(name, row[name]) for name in table.key} for row in before]
        for ids in in_portions(table, after):
            found += yield rows(compiler, table, back.columns, ids.also(shown))
        return Written(len(before), found)

    return (yield Atomic(steps()))


def _beginswith_key(table: Table, shape: Shape) -> bool:
    """Whether a shape is about the one row of a key, and perhaps says more of it."""
    terms = shape[1 : len(table.key) + 1] if shape[0] == "and" else ()
    return [term[:2] for term in terms] == [("eq", name) for name in table.key]


def _one_changed(
    compiler: Compiler, table: Table, change: Change, wanted: Wanted, after: Wanted, back: Back
) -> Plan[Written]:
    setting = compiler.get(("update", table, change.given, wanted.shape, ()))
    found: int = yield setting.call([*change.values, *wanted.values], None)
    if not found:
        return Written(0, [])
    # As it is now, whatever the transaction's snapshot shows.
    reader = compiler.get(("locked", table, back.columns, after.shape))
    return Written(found, (yield reader.call(after.values, reader.read_all)))


def delete(
    compiler: Compiler,
    table: sa.Table[Any],
    wanted: Wanted,
    columns: tuple[str, ...],
    *,
    shown: Guard = NO_GUARD,
) -> Plan[Written]:
    """Remove the rows that are wanted, and give back what they were."""
    described = table_of(table)
    if not columns or not is_judged_apart(compiler, described, shown):
        return (yield from _delete(compiler, described, wanted, back_of(columns, shown)))

    def steps() -> Plan[Written]:
        # When they are deleted nobody can be asked about them any more.
        visible = wanted.also(shown)
        held = compiler.get(("locked", described, described.key, visible.shape))
        before: list[dict[str, Any]] = yield held.call(visible.values, held.read_all)
        before_keys = {tuple(row.values()) if len(row) > 1 else row[described.key[0]] for row in before}
        written = yield from _delete(compiler, described, wanted, Back(with_key(described, columns)))
        return only(written, described, columns, before_keys)

    return (yield Atomic(steps()))


def _delete(compiler: Compiler, table: Table, wanted: Wanted, back: Back | None) -> Plan[Written]:
    asked = back or NOTHING_BACK
    compiled = compiler.get(("delete", table, wanted.shape, *asked.key))
    found = yield compiled.call([*wanted.values, *asked.values], compiled.read_all if back else None)
    return seen(found) if back else Written(found, [])
