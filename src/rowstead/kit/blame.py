"""Says of a refused write which declared constraint refused it, and of which row."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from typing import Any, TypeVar, cast

from rowstead.errors import (
    CheckError,
    DataError,
    DuplicateError,
    ForeignKeyError,
    IntegrityError,
    RestrictError,
    RowsteadError,
    ValidationError,
)
from rowstead.kit.broken_keys import Broken, Row, Rows, is_any, of_changed_rows, of_new_rows, of_parents
from rowstead.kit.context import Context, key_shape
from rowstead.plan import Atomic, Call, Plan
from rowstead.rules.columns import failed_check
from rowstead.tables.constraints import constraint_of
from rowstead.tables.schema import Table

R = TypeVar("R")


def blaming(
    context: Context,
    table: Table,
    work: Call[Any] | Atomic[Any] | Generator[Any, Any, Any],
    *,
    new: Iterable[Row] = (),
    old: Rows | None = None,
    changes: Mapping[str, Any] | None = None,
    pk: Any = None,
) -> Plan[Any]:
    """Do a step or a plan that writes; what it raises carries table, constraint and key.

    It inserts the rows `new`; it makes `changes` in the rows `old`, or removes them where there are none.
    With both, as an upsert does, what is there already is changed. `pk` is the key that the caller gave.
    Where the database does not say which foreign key it was and there are several, it is asked: the
    session must go on after an error.
    """
    try:
        if isinstance(work, (Call, Atomic)):
            return (yield work)
        return (yield from work)
    except DataError as error:
        _tell_value(table, error, changes, *new)
        raise
    except IntegrityError as error:
        deleting = old is not None and changes is None
        rows: Sequence[Row] = list(new)
        name = constraint_of(table, error, context.tables, deleting=deleting)
        if name is None and isinstance(error, (ForeignKeyError, RestrictError)):
            broken = yield from _broken(context, table, error, rows, old, changes)
            if broken is not None:
                name = broken.key.name
                rows = rows if broken.row is None else [broken.row]
        told, error.constraint = error.constraint is not None, name or error.constraint
        if type(error) is ForeignKeyError and not told:
            _tell_key(table, error, old is not None)
        elif isinstance(error, DuplicateError) and error.columns:
            error.column = error.column or error.columns[0]
        # The table that was written, also where the database names the other end of a foreign key.
        error.table = table.name
        error.pk = pk if pk is not None or len(rows) != 1 else _key_of(table, rows[0])
        _tell_check(table, error)
        if error.constraint and error.constraint not in str(error):
            error.args = (f"{error.constraint}: {error}",)
        raise


def _tell_value(table: Table, error: DataError, *rows: Row | None) -> None:
    """Name the column whose text has a NUL, which PostgreSQL alone cannot store; all else was held before."""
    for row in rows:
        for name, value in (row or {}).items():
            if error.column is None and isinstance(value, str) and "\0" in value:
                error.table, error.column = table.name, name
                error.args = (f"{table.name}.{name}: {error}",)


def _tell_key(table: Table, error: ForeignKeyError, updating: bool) -> None:
    """Say which side of the foreign key is missing, where the database does not."""
    key = next((key for key in table.foreign_keys if key.name == error.constraint), None)
    if key is None:
        if error.constraint is not None:
            error.args = (f"{error.constraint}: other rows still refer to this one",)
        return
    error.column = key.columns[0]
    if not updating or key.table != table.name:
        error.args = (f"{key.name}: the row refers to a row of {key.table} that is not there",)


def _tell_check(table: Table, error: IntegrityError) -> None:
    """Say of a check that the database held what is said of one that we hold; it told the name alone."""
    check = next((check for check in table.checks if check.name == error.constraint), None)
    if isinstance(error, CheckError) and check is not None:
        error.column = check.column
        error.args = (failed_check(table, check),)


def blame_row(table: Table, error: RowsteadError, row: Row, place: int | None = None) -> None:
    """Give an error the key of the row that it is about, and its place in a batch."""
    if error.pk is None:
        error.pk = _key_of(table, row)
    if place is not None:
        error.place = place
        error.args = (f"{error}{_in_words(place)}",)


def _in_words(place: int) -> str:
    return f" (the row at place {place} of those given, counted from 0)"


def without_place(error: RowsteadError) -> str:
    """What an error says, but for the place among the rows given, where its reader knows a better one."""
    if error.place is None:
        return str(error)
    place, error.place = error.place, None
    return str(error).removesuffix(_in_words(place))


def blame_given(table: Table, error: ValidationError, chunk: Sequence[Any], before: int) -> None:
    """Give an error of our own checks the row's key as it was given, and its place among all."""
    if error.place is not None:
        given = chunk[error.place]
        blame_row(
            table, error, cast("Row", given) if isinstance(given, Mapping) else {}, before + error.place
        )


def at_place(place: int, do: Callable[..., R], *args: Any) -> R:
    """Do it; the error it raises is about the row at this place."""
    try:
        return do(*args)
    except ValidationError as error:
        error.place = place
        raise


def _key_of(table: Table, row: Row) -> Any:
    if any(row.get(name) is None for name in table.key):
        return None
    key = [row[name] for name in table.key]
    return key[0] if len(key) == 1 else key


def _broken(
    context: Context,
    table: Table,
    error: IntegrityError,
    new: Sequence[Row],
    old: Rows | None,
    changes: Mapping[str, Any] | None,
) -> Plan[Broken | None]:
    """The foreign key that refused the write."""
    if old is None:
        return (yield from of_new_rows(context, table, new))
    if changes is None:
        return (yield from of_parents(context, old, None))
    if new and not (yield from is_any(context, old)):
        return (yield from of_new_rows(context, table, new))
    missing = (
        None if isinstance(error, RestrictError) else (yield from of_changed_rows(context, old, changes))
    )
    return missing or (yield from of_parents(context, old, changes))


def row_of_key(table: Table, key: Sequence[Any]) -> Rows:
    """The row with this key, as the rows that a write is about."""
    return Rows(table, key_shape(table), key)
