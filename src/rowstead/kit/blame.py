"""Says of a refused write which declared constraint refused it, and of which row."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

from rowstead.conditions import VALUE
from rowstead.constraints import constraint_of, suspects
from rowstead.errors import IntegrityError, RestrictError
from rowstead.kit.context import Context
from rowstead.plan import Call, Plan
from rowstead.schema import ForeignKey, Table


def blaming(
    context: Context,
    table: Table,
    work: Call[Any] | Generator[Any, Any, Any],
    row: Mapping[str, Any] | None = None,
    pk: Any = None,
) -> Plan[Any]:
    """Do a call or a plan that writes `row`; what it raises carries table, constraint and key."""
    try:
        if isinstance(work, Call):
            return (yield work)
        return (yield from work)
    except IntegrityError as error:
        name = constraint_of(table, error, context.tables)
        if name is None:
            name = yield from _found_out(context, table, error, row)
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


def _found_out(
    context: Context, table: Table, error: IntegrityError, row: Mapping[str, Any] | None
) -> Plan[str | None]:
    """Which foreign key it was, asked of the database where it does not say and there are several."""
    candidates = suspects(table, error, context.tables)
    if len(candidates) == 1:
        return candidates[0][1].name
    if row is None or isinstance(error, RestrictError):
        return None
    for _, key in candidates:
        values = [row.get(name) for name in key.columns]
        if None not in values and not (yield _is_there(context, key, values)):
            return key.name
    return None


def _is_there(context: Context, key: ForeignKey, values: list[Any]) -> Call[bool]:
    shape = ("and", *(("eq", name, VALUE) for name in key.references))
    return context.compiler.get(("exists", context.table(key.table), shape)).call(values, bool)
