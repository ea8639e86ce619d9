"""Says of a refused write which declared constraint refused it, and of which row."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import Any

from rowstead.constraints import constraint_of
from rowstead.errors import ForeignKeyError, IntegrityError, RestrictError
from rowstead.kit.broken_keys import Broken, Row, Rows, is_any, of_changed_rows, of_new_rows, of_parents
from rowstead.kit.context import Context, key_shape
from rowstead.plan import Atomic, Call, Plan
from rowstead.schema import Table


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
    except IntegrityError as error:
        deleting = old is not None and changes is None
        rows: Sequence[Row] = list(new)
        name = constraint_of(table, error, context.tables, deleting=deleting)
        if name is None and isinstance(error, (ForeignKeyError, RestrictError)):
            broken = yield from _broken(context, table, error, rows, old, changes)
            if broken is not None:
                name = broken.key.name
                rows = rows if broken.row is None else [broken.row]
        error.constraint = name or error.constraint
        # The table that was written, also where the database names the other end of a foreign key.
        error.table = table.name
        error.pk = pk if pk is not None or len(rows) != 1 else _key_of(table, rows[0])
        if error.constraint and error.constraint not in str(error):
            error.args = (f"{error.constraint}: {error}",)
        raise


def _key_of(table: Table, row: Row) -> Any:
    if not all(name in row for name in table.key):
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
