"""Writes that take several statements where the database lacks a clause: UPDATE … RETURNING, ON CONFLICT.

Each is one transaction, or a savepoint of the one that is open.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from rowstead.dialects import Dialect
from rowstead.errors import DuplicateError
from rowstead.language.conditions import read
from rowstead.language.shapes import VALUE
from rowstead.plan import Atomic, Call, Plan
from rowstead.statements.builders import Target
from rowstead.statements.compiled import Compiler
from rowstead.tables.schema import Table

R = TypeVar("R")


def reading_back(change: Call[int], row: Call[R]) -> Plan[R | None]:
    """Change one row, then read it: `row` finds it by its key alone. None where `change` found no row."""

    def steps() -> Plan[R | None]:
        found: int = yield change
        if not found:
            return None
        return (yield row)

    return (yield Atomic(steps()))


def ignores_apart(dialect: Dialect, target: Target | None) -> bool:
    """Whether rows that are there already are found out by what a plain INSERT is refused for."""
    return target is not None and target.action == "ignore" and dialect.upsert_guard is not None


def ignoring(
    compiler: Compiler,
    table: Table,
    insert: Call[R],
    target: Target,
    given: tuple[tuple[str, Any], ...],
    values: Sequence[Any],
    otherwise: Any,
) -> Plan[Any]:
    """Insert one row, or do nothing where `target` names a key that a row has already: then `otherwise`.

    `values` are those of `given` that are VALUE, in order. DuplicateError where another key refused it.
    """
    try:
        return (yield Atomic(_alone(insert)))
    except DuplicateError:
        if target.key is not None and not (yield from _is_there(compiler, table, target.key, given, values)):
            raise
    return otherwise


def inserting_what_is_not_there(
    compiler: Compiler,
    table: Table,
    given: tuple[tuple[str, Any], ...],
    rows: Sequence[Sequence[Any]],
    target: Target,
    returning: bool,
) -> Plan[Any]:
    """The same row by row: how many were inserted, or for each row what was stored, None where it was not."""
    compiled = compiler.get(("insert", table, given, target, table.all if returning else ()))
    found: list[Any] = []
    for values in rows:
        call = compiled.call(values, compiled.read_one if returning else None)
        found.append((yield from ignoring(compiler, table, call, target, given, values, None)))
    return found if returning else sum(row is not None for row in found)


def _alone(call: Call[R]) -> Plan[R]:
    return (yield call)


def _is_there(
    compiler: Compiler,
    table: Table,
    key: tuple[str, ...],
    given: tuple[tuple[str, Any], ...],
    values: Sequence[Any],
) -> Plan[bool]:
    """Whether a row has this key now."""
    names = [name for name, form in given if form == VALUE]
    row = dict(zip(names, values, strict=True))
    if not set(key) <= set(row):
        return False
    # As it is now, not as the transaction's snapshot shows it: the row may be younger.
    where, key_values = read({name: {"eq": row[name]} for name in key}, table)
    call: Call[list[Any]] = compiler.get(("locked", table, table.all[:1], where)).call(key_values, list)
    return bool((yield call))
