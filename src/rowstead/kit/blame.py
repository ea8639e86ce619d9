"""Says of a refused write which declared constraint refused it, and of which row."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any

from rowstead.constraints import constraint_of, suspects
from rowstead.errors import ForeignKeyError, IntegrityError, RestrictError
from rowstead.kit.context import Context, key_shape, key_values
from rowstead.plan import Call, Plan
from rowstead.schema import ForeignKey, Table
from rowstead.shapes import VALUE

Suspect = tuple[Table, ForeignKey]
"""A foreign key and the table that has it."""


def blaming(
    context: Context,
    table: Table,
    work: Call[Any] | Generator[Any, Any, Any],
    row: Mapping[str, Any] | None = None,
    pk: Any = None,
    deleting: bool = False,
) -> Plan[Any]:
    """Do a call or a plan that writes `row`; what it raises carries table, constraint and key.

    Where the database does not say which foreign key it was and there are several, it is asked: the
    session must go on after an error.
    """
    try:
        if isinstance(work, Call):
            return (yield work)
        return (yield from work)
    except IntegrityError as error:
        name = constraint_of(table, error, context.tables, deleting=deleting)
        if name is None and isinstance(error, (ForeignKeyError, RestrictError)):
            candidates = suspects(table, error, context.tables, deleting=deleting)
            if row is not None and isinstance(error, ForeignKeyError):
                name = yield from _missing_parent(context, table, candidates, row)
            elif deleting and pk is not None:
                name = yield from _child_left(context, table, candidates, key_values(table, pk))
        error.constraint = name or error.constraint
        # The table that was written, also where the database names the other end of a foreign key.
        error.table = table.name
        error.pk = pk if pk is not None else _key_of(table, row)
        if error.constraint and error.constraint not in str(error):
            error.args = (f"{error.constraint}: {error}",)
        raise


def _key_of(table: Table, row: Mapping[str, Any] | None) -> Any:
    if row is None or not all(name in row for name in table.key):
        return None
    key = [row[name] for name in table.key]
    return key[0] if len(key) == 1 else key


def _missing_parent(
    context: Context, table: Table, candidates: Sequence[Suspect], row: Mapping[str, Any]
) -> Plan[str | None]:
    """The first foreign key of the row whose parent is not there."""
    for child, key in candidates:
        values = [row.get(name) for name in key.columns]
        if child is not table or None in values:
            continue
        if not (yield _exists(context, context.table(key.table), key.references, values)):
            return key.name
    return None


def _child_left(
    context: Context, table: Table, candidates: Sequence[Suspect], pk: Sequence[Any]
) -> Plan[str | None]:
    """The first foreign key by which another row still refers to this one."""
    compiled = context.compiler.get(("get", table, table.all, key_shape(table)))
    row = yield compiled.call(pk, compiled.read_one)
    for child, key in candidates:
        if row is not None and key.table == table.name:
            values = [row[name] for name in key.references]
            if None not in values and (yield _exists(context, child, key.columns, values)):
                return key.name
    return None


def _exists(context: Context, table: Table, columns: Sequence[str], values: list[Any]) -> Call[bool]:
    shape = ("and", *(("eq", name, VALUE) for name in columns))
    return context.compiler.get(("exists", table, shape)).call(values, bool)
