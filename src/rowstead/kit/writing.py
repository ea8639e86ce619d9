"""The kit's writes as plans: defaults, rules, one statement, and errors that name what refused it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from operator import itemgetter
from typing import Any, cast

from rowstead import bulk
from rowstead.columnar import Columnar
from rowstead.conditions import Where, read
from rowstead.errors import RestrictError, RowNotFound, ValidationError
from rowstead.kit.blame import blaming, row_of_key
from rowstead.kit.broken_keys import Rows
from rowstead.kit.context import Context, checked, checked_column, columns_of, key_shape, key_values, row_of
from rowstead.kit.defaults import NULL, chosen_by_hand, fill, refreshed
from rowstead.plan import Atomic, Plan
from rowstead.rules import check_row
from rowstead.schema import Column, ForeignKey, Table
from rowstead.shapes import EVERYTHING, VALUE, has_subquery
from rowstead.statements import Target

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
    complete = yield from _complete(context, table, row_of(table, row))
    return (yield from _insert_complete(context, table, complete))


def insert_returning(context: Context, name: str, row: Any, columns: str | Iterable[str]) -> Plan[Row]:
    """One row; these columns of it, as they are stored."""
    wanted = columns_of(context.table(name), columns)
    stored = yield from insert(context, name, row)
    return _project(stored, wanted)


def _insert_complete(context: Context, table: Table, complete: Row) -> Plan[Row]:
    compiled = context.compiler.get(("insert", table, _given(table.all), None, table.all))
    call = compiled.stored(list(complete.values()), compiled.read_one)
    return (yield from blaming(context, table, call, new=(complete,)))


def _complete(context: Context, table: Table, row: Mapping[str, Any]) -> Plan[Row]:
    """The row with its defaults, every value held to its column and the row to the table's checks."""
    complete: Row = {}
    for name, column in table.columns.items():
        value = row.get(name)
        if value is None and column.default is not None:
            (value,) = yield from fill(context.compiler, context.functions, table, column, 1)
            complete[name] = checked(table, name, value)
            continue
        complete[name] = value = checked(table, name, value)
        if value is not None:
            yield from chosen_by_hand(context.compiler, column, (value,))
    if table.checks:
        check_row(table, complete)
    return complete


# Many rows


def insert_many(context: Context, name: str, rows: Iterable[Any], returning: bool) -> Plan[Any]:
    """Any number of rows, all or none; as they are stored and in order, or how many."""
    table = context.table(name)
    if isinstance(rows, (str, bytes, Mapping)):
        raise ValidationError(f"insert_many of {name} takes an iterable of rows, not one", table=name)
    return (yield Atomic(_insert_chunks(context, table, rows, returning)))


def _insert_chunks(context: Context, table: Table, rows: Iterable[Any], returning: bool) -> Plan[Any]:
    stored: list[Row] = []
    count = 0
    remaining = iter(rows)
    while chunk := list(islice(remaining, CHUNK)):
        columns = yield from _columns(context, table, chunk)
        plan = bulk.insert_columns(context.compiler, table, Columnar(columns, len(chunk)), returning)
        # Which of them was broken is asked beside the chunks before this one, so that those must stay.
        asks = len(table.foreign_keys) > 1 and not context.compiler.dialect.names_foreign_keys
        work = Atomic(plan) if asks else plan
        written = yield from blaming(context, table, work, new=_rows(table, columns))
        if returning:
            stored.extend(written)
        count += len(chunk)
    return stored if returning else count


def _columns(context: Context, table: Table, rows: Sequence[Any]) -> Plan[list[list[Any]]]:
    """Rows as columns in the table's order, with defaults, held to their columns and checks."""
    given = _by_column(table, rows)
    columns: list[list[Any]] = []
    for name, column in table.columns.items():
        values = given.get(name)
        values = yield from _with_defaults(context, table, column, values, len(rows))
        columns.append(list(checked_column(table, name, values)))
    if table.checks:
        for row in _rows(table, columns):
            check_row(table, row)
    return columns


def _rows(table: Table, columns: Sequence[Sequence[Any]]) -> Iterator[Row]:
    for values in zip(*columns, strict=True):
        yield dict(zip(table.all, values, strict=True))


def _by_column(table: Table, rows: Sequence[Any]) -> Mapping[str, list[Any]]:
    """The values by column, of the columns that the rows name."""
    names = tuple(row_of(table, rows[0]))
    alike = set(map(type, rows)) == {dict} and set(map(len, rows)) == {len(names)}
    if alike:
        try:
            return {name: list(map(itemgetter(name), rows)) for name in names}
        except KeyError:
            pass  # as many columns, but other ones
    several = [row_of(table, row) for row in rows]
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
    if column.default.kind == "sequence" and missing < count:
        by_hand = [checked(table, column.name, value) for value in values if value is not None]
        yield from chosen_by_hand(compiler, column, by_hand)
    if not missing:
        return values
    defaults = iter((yield from fill(compiler, context.functions, table, column, missing)))
    return [next(defaults) if value is None else value for value in values]


# By key


def _changes(context: Context, table: Table, patch: Any) -> Plan[Row]:
    """What an update sets: the patch, and the generated columns that it does not name."""
    named = row_of(table, patch, "a patch")
    changes = {name: checked(table, name, value) for name, value in named.items()}
    for name, value in changes.items():
        if value is not None:
            yield from chosen_by_hand(context.compiler, table.columns[name], (value,))
    if changes:
        changes |= yield from refreshed(context.compiler, context.functions, table, changes)
    return changes


def not_found(table: Table, pk: Any) -> RowNotFound:
    return RowNotFound(f"{table.name} has no row with the key {pk!r}", table=table.name, pk=pk)


def update(context: Context, name: str, pk: Any, patch: Any) -> Plan[Row]:
    """Change the row with this key; the row as it is stored now."""
    table = context.table(name)
    key = key_values(table, pk)
    changes = yield from _changes(context, table, patch)
    if changes:
        compiled = context.compiler.get(("update", table, _given(changes), key_shape(table), table.all))
        call = compiled.stored([*changes.values(), *key], compiled.read_one)
        row = yield from blaming(context, table, call, old=row_of_key(table, key), changes=changes, pk=pk)
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
    complete = yield from _complete(context, table, row_of(table, row))
    target = Target("patch", table.key, _given(changes)) if changes else Target("ignore", table.key)
    compiled = context.compiler.get(("insert", table, _given(table.all), target, table.all))
    call = compiled.stored([*complete.values(), *changes.values()], compiled.read_one)
    key = [complete[part] for part in table.key]
    there = row_of_key(table, key) if changes else None
    stored = yield from blaming(context, table, call, new=(complete,), old=there, changes=changes)
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
    return _shown((yield from blaming(context, table, call, old=there, changes=changes)), wanted)


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
    yield Atomic(_empty(context, table))


def _empty(context: Context, table: Table) -> Plan[None]:
    """Remove every row; those that others of the table refer to after the others, which SQLite wants."""
    nobody = {
        "and": [
            {"not_exists": {"table": table.name, "filter": _refers_to_outer(key)}}
            for key in table.foreign_keys
            if key.table == table.name and key.on_delete == "restrict"
        ]
    }
    removed = 1 if nobody["and"] else 0
    while removed:
        shape, values = read(nobody, table, scope=context.tables, outer_strings=True)
        leaves = context.compiler.get(("delete", table, shape, ())).call(values, None)
        removed = yield from blaming(context, table, leaves, old=Rows(table, shape, values))
    rest = context.compiler.get(("delete", table, EVERYTHING, ())).call([], None)
    yield from blaming(context, table, rest, old=Rows(table, EVERYTHING, ()))


def _refers_to_outer(key: ForeignKey) -> dict[str, Any]:
    pairs = zip(key.columns, key.references, strict=True)
    return {name: {"$outer": referred} for name, referred in pairs}
