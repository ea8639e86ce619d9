"""The kit's writes as plans: defaults, rules, one statement, and errors that name what refused it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from operator import itemgetter
from typing import Any, cast

from rowstead.errors import DuplicateError, RestrictError, RowNotFound, ValidationError
from rowstead.kit.blame import at_place, blame_given, blame_row, blaming, row_of_key
from rowstead.kit.broken_keys import Rows
from rowstead.kit.context import (
    Context,
    checked,
    checked_column,
    columns_of,
    key_shape,
    key_values,
    row_of,
    several,
)
from rowstead.kit.counters import pass_by_before
from rowstead.kit.defaults import NULL, chosen_by_hand, counters_of, fill, refreshed
from rowstead.kit.duplicates import blame_duplicate
from rowstead.language.conditions import Where, read
from rowstead.language.shapes import EVERYTHING, VALUE, has_subquery
from rowstead.plan import Atomic, Plan
from rowstead.plans import bulk
from rowstead.plans.sequences import passing_by
from rowstead.rules.columns import check_row
from rowstead.statements.inserts import Target
from rowstead.tables.schema import Column, Table
from rowstead.values.columnar import Columnar

CHUNK = 10_000
"""Rows of an `insert_many` that are held, checked and numbered at a time."""

Row = dict[str, Any]
Given = tuple[tuple[str, Any], ...]


def _given(names: Iterable[str]) -> Given:
    return tuple((name, VALUE) for name in names)


def _project(row: Row, columns: Sequence[str]) -> Row:
    return {name: row[name] for name in columns}


def insert(context: Context, name: str, row: Any) -> Plan[Row]:
    """One row; as it is stored."""
    table = context.table(name)
    complete = yield from _held(context, table, row)
    return (yield from _insert_complete(context, table, complete, chosen_by_hand(table, complete, row)))


def insert_returning(context: Context, name: str, row: Any, columns: str | Iterable[str]) -> Plan[Row]:
    """One row; these columns of it, as they are stored."""
    wanted = columns_of(context.table(name), columns)
    stored = yield from insert(context, name, row)
    return _project(stored, wanted)


def _insert_complete(context: Context, table: Table, complete: Row, numbers: Mapping[str, int]) -> Plan[Row]:
    compiled = context.compiler.get(("insert", table, _given(table.all), None, table.all))
    call = compiled.stored(list(complete.values()), compiled.read_one)
    work = passing_by(context.compiler, numbers, call) if numbers else call
    return (yield from blaming(context, table, work, new=(complete,)))


def _held(context: Context, table: Table, row: Any) -> Plan[Row]:
    """A caller's row as `_complete` has it; an error says which row it is about."""
    given = row_of(table, row)
    try:
        return (yield from _complete(context, table, given))
    except ValidationError as error:
        blame_row(table, error, given)
        raise


def _complete(context: Context, table: Table, row: Mapping[str, Any]) -> Plan[Row]:
    """The row with its defaults, every value held to its column and the row to the table's checks."""
    complete: Row = {}
    for name, column in table.columns.items():
        value = row.get(name)
        if value is None and column.default is not None:
            (value,) = yield from fill(context.compiler, context.functions, table, column, 1)
        complete[name] = checked(table, name, value)
    if table.checks:
        check_row(table, complete)
    return complete


# Many rows


def insert_many(context: Context, name: str, rows: Iterable[Any], returning: bool) -> Plan[Any]:
    """Any number of rows, all or none; as they are stored and in order, or how many."""
    table = context.table(name)
    if isinstance(rows, (str, bytes, Mapping)):
        raise ValidationError(f"insert_many of {name} takes an iterable of rows, not one", table=name)
    several(rows, "the rows", table)
    first: list[Sequence[Any]] = []
    try:
        return (yield Atomic(_insert_chunks(context, table, rows, returning, first)))
    except DuplicateError as error:
        if error.place is None and first:
            yield from blame_duplicate(context, table, error, list(_rows(table, first)), 0)
        raise


def _insert_chunks(
    context: Context, table: Table, rows: Iterable[Any], returning: bool, first: list[Sequence[Any]]
) -> Plan[Any]:
    """Insert the rows; while `first` is filled, its columns are those of the rows that are tried first."""
    stored: list[Row] = []
    count = 0
    remaining = iter(rows)
    while chunk := list(islice(remaining, CHUNK)):
        try:
            columns, numbers = yield from _columns(context, table, chunk)
        except ValidationError as error:
            blame_given(table, error, chunk, count)
            raise
        first[:] = () if count else columns
        plan = bulk.insert_columns(context.compiler, table, Columnar(columns, len(chunk)), returning)
        if numbers:
            plan = passing_by(context.compiler, numbers, plan)
        # Which of them was broken is asked beside the chunks before this one, so that those must stay.
        # Of the first chunk alone nothing is left, so that a duplicate can be asked for later.
        names_key = len(table.foreign_keys) < 2 or context.compiler.dialect.names_foreign_keys
        work = Atomic(plan) if count or not names_key else plan
        try:
            written = yield from blaming(context, table, work, new=_rows(table, columns))
        except DuplicateError as error:
            if count:
                yield from blame_duplicate(context, table, error, list(_rows(table, columns)), count)
            raise
        if returning:
            stored.extend(written)
        count += len(chunk)
    return stored if returning else count


def _columns(
    context: Context, table: Table, rows: Sequence[Any]
) -> Plan[tuple[list[list[Any]], Mapping[str, int]]]:
    """Rows as columns in the table's order, with defaults, held to their columns and checks.

    And the greatest numbers by counter that they bring with them. Numbers are taken last, when all that
    the rows bring is known to be good.
    """
    given = _by_column(table, rows)
    numbers = _numbers(table, given)
    counted = {name for name, _ in counters_of(table)}
    complete: dict[str, list[Any]] = {}
    for name in sorted(table.columns, key=lambda name: name in counted):
        values = given.get(name)
        if name in counted:
            yield from pass_by_before(context, table, name, values, numbers)
        values = yield from _with_defaults(context, table, table.columns[name], values, len(rows))
        complete[name] = list(checked_column(table, name, values))
    columns = [complete[name] for name in table.columns]
    if table.checks:
        for place, row in enumerate(_rows(table, columns)):
            at_place(place, check_row, table, row)
    return columns, numbers


def _numbers(table: Table, given: Mapping[str, list[Any]]) -> dict[str, int]:
    """The greatest number by counter that rows bring with them, checked."""
    numbers: dict[str, int] = {}
    for name, counter in counters_of(table):
        by_hand = [
            at_place(place, checked, table, name, value)
            for place, value in enumerate(given.get(name, ()))
            if value is not None and value is not NULL
        ]
        if by_hand:
            greatest = max(by_hand)
            numbers[counter] = max(greatest, numbers.get(counter, greatest))
    return numbers


def _rows(table: Table, columns: Sequence[Sequence[Any]]) -> Iterator[Row]:
    for values in zip(*columns, strict=True):
        yield dict(zip(table.all, values, strict=True))


def _by_column(table: Table, rows: Sequence[Any]) -> Mapping[str, list[Any]]:
    """The values by column, of the columns that the rows name."""
    names = tuple(at_place(0, row_of, table, rows[0]))
    alike = set(map(type, rows)) == {dict} and set(map(len, rows)) == {len(names)}
    if alike:
        try:
            return {name: list(map(itemgetter(name), rows)) for name in names}
        except KeyError:
            pass  # as many columns, but other ones
    several = [at_place(place, row_of, table, row) for place, row in enumerate(rows)]
    return {name: [row.get(name) for row in several] for name in table.all}


def _with_defaults(
    context: Context, table: Table, column: Column, values: list[Any] | None, count: int
) -> Plan[Sequence[Any]]:
    """As `_filled`, where NULL may be meant."""
    defaults = column.nullable and column.default is not None
    if not defaults or values is None or type(NULL) not in set(map(type, values)):
        return (yield from _filled(context, table, column, values, count))
    others = [value for value in values if value is not NULL]
    filled = iter((yield from _filled(context, table, column, others, len(others))))
    return [None if value is NULL else next(filled) for value in values]


def _filled(
    context: Context, table: Table, column: Column, values: list[Any] | None, count: int
) -> Plan[Sequence[Any]]:
    """A column's values with its defaults where there is none."""
    compiler = context.compiler
    if column.default is None:
        return [None] * count if values is None else values
    if values is None:
        return (yield from fill(compiler, context.functions, table, column, count))
    missing = values.count(None) if type(None) in set(map(type, values)) else 0
    if not missing:
        return values
    defaults = iter((yield from fill(compiler, context.functions, table, column, missing)))
    return [next(defaults) if value is None else value for value in values]


# By key


def _changes(context: Context, table: Table, patch: Any) -> Plan[Row]:
    """What an update sets: the patch, and the generated columns that it does not name."""
    named = row_of(table, patch, "a patch")
    changes = {name: checked(table, name, value) for name, value in named.items()}
    if changes:
        changes |= yield from refreshed(context.compiler, context.functions, table, changes)
    return changes


def not_found(table: Table, pk: Any) -> RowNotFound:
    return RowNotFound(f"{table.name} has no row with the key {pk!r}", table=table.name, pk=pk)


def update(context: Context, name: str, pk: Any, patch: Any) -> Plan[Row]:
    """Change the row with this key; the row as it is stored now."""
    table = context.table(name)
    key = key_values(table, pk)
    try:
        changes = yield from _changes(context, table, patch)
    except ValidationError as error:
        error.pk = pk
        raise
    if changes:
        compiled = context.compiler.get(("update", table, _given(changes), key_shape(table), table.all))
        call = compiled.stored([*changes.values(), *key], compiled.read_one)
        work = passing_by(context.compiler, chosen_by_hand(table, changes, changes), call)
        row = yield from blaming(context, table, work, old=row_of_key(table, key), changes=changes, pk=pk)
    else:
        compiled = context.compiler.get(("get", table, table.all, key_shape(table)))
        row = yield compiled.call(key, compiled.read_one)
    if row is None:
        raise not_found(table, pk)
    return row


def delete(context: Context, name: str, pk: Any) -> Plan[None]:
    """Remove the row with this key, and what the schema says goes with it."""
    table = context.table(name)
    key = key_values(table, pk)
    call = context.compiler.get(("delete", table, key_shape(table), ())).call(key, None)
    if not (yield from blaming(context, table, call, old=row_of_key(table, key), pk=pk)):
        raise not_found(table, pk)


def upsert(
    context: Context, name: str, row: Any, on_conflict: Any, returning: str | Iterable[str] | None
) -> Plan[Row]:
    """Insert, or where a row has this key already do what `on_conflict` says; the row as it is stored."""
    table = context.table(name)
    wanted = columns_of(table, returning)
    patch = _patch_of(table, on_conflict)
    changes = (yield from _changes(context, table, patch)) if patch else {}
    complete = yield from _held(context, table, row)
    target = Target("patch", table.key, _given(changes)) if changes else Target("ignore", table.key)
    compiled = context.compiler.get(("insert", table, _given(table.all), target, table.all))
    call = compiled.stored([*complete.values(), *changes.values()], compiled.read_one)
    key = [complete[part] for part in table.key]
    there = row_of_key(table, key) if changes else None
    numbers = chosen_by_hand(table, complete, row)
    for counter, number in chosen_by_hand(table, changes, changes).items():
        numbers[counter] = max(number, numbers.get(counter, number))
    work = passing_by(context.compiler, numbers, call)
    stored = yield from blaming(context, table, work, new=(complete,), old=there, changes=changes)
    if stored is None:
        found = context.compiler.get(("get", table, table.all, key_shape(table)))
        stored = yield found.call(key, found.read_one)
    return _project(stored, wanted)


def _patch_of(table: Table, on_conflict: Any) -> Mapping[str, Any]:
    """What a row that is there gets; nothing of it is changed where this is empty."""
    match on_conflict:
        case None | "do_nothing" | {"do_nothing": _} | {"action": "do_nothing"}:
            return {}
        case {"action": "do_update", "set": patch} | {"do_update": {"set": patch}}:
            pass
        case {"do_update": patch} | {"set": patch}:
            pass
        case _:
            raise ValidationError(
                f"on_conflict is 'do_nothing' or {{'do_update': {{'set': patch}}}}, not {on_conflict!r}",
                table=table.name,
            )
    return row_of(table, patch, "the patch of on_conflict")


# By condition


def update_where(
    context: Context, name: str, patch: Any, where: Where, returning: str | Iterable[str] | None
) -> Plan[list[Row]]:
    """Change every row that fulfils the filter, in one statement; a dict for each."""
    table = context.table(name)
    wanted = () if returning is None else columns_of(table, returning)
    shape, values = read(where, table, scope=context.tables, outer_strings=True)
    changes = yield from _changes(context, table, patch)
    if not changes:
        raise ValidationError(f"update_where of {name} sets nothing", table=name)
    # Where it counts rows by their changes, a row may be found again; rows that come back are those meant.
    looks_first = context.compiler.dialect.update_sees_itself and has_subquery(shape)
    columns = wanted or (table.all[:1] if looks_first else ())
    compiled = context.compiler.get(("update", table, _given(changes), shape, columns))
    call = compiled.call([*changes.values(), *values], compiled.read_all if columns else None)
    there = Rows(table, shape, values)
    work = passing_by(context.compiler, chosen_by_hand(table, changes, changes), call)
    return _shown((yield from blaming(context, table, work, old=there, changes=changes)), wanted)


def delete_where(
    context: Context, name: str, where: Where, returning: str | Iterable[str] | None
) -> Plan[list[Row]]:
    """Remove every row that fulfils the filter, in one statement; a dict for each, as it was."""
    table = context.table(name)
    wanted = () if returning is None else columns_of(table, returning)
    shape, values = read(where, table, scope=context.tables, outer_strings=True)
    compiled = context.compiler.get(("delete", table, shape, wanted))
    call = compiled.call(values, compiled.read_all if wanted else None)
    return _shown((yield from blaming(context, table, call, old=Rows(table, shape, values))), wanted)


def _shown(result: Any, wanted: Sequence[str]) -> list[Row]:
    """The rows asked for; an empty dict for each where none of their columns was."""
    if wanted:
        return cast("list[Row]", result)
    count = result if isinstance(result, int) else len(result)
    return [{} for _ in range(count)]


def truncate(context: Context, name: str) -> Plan[None]:
    """Remove every row. RestrictError where another table refers to this one, even from no row."""
    table = context.table(name)
    for other in context.tables.values():
        for key in other.foreign_keys if other is not table else ():
            if key.table == name:
                raise RestrictError(
                    f"{other.name}.{key.name} refers to {name}: use delete_where, which does what the "
                    "foreign keys say",
                    table=name,
                    constraint=key.name,
                )
    call = context.compiler.get(("delete", table, EVERYTHING, ())).call([], None)
    yield from blaming(context, table, call, old=Rows(table, EVERYTHING, ()))
