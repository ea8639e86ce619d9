"""Shows the statements of the rows' verbs without running them: `db.compose`, `sql.compose`, `explain`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from rowstead.dialects import POSTGRESQL
from rowstead.errors import ValidationError, did_you_mean
from rowstead.plan import Atomic, Call, Many, ManyReturning, Plan, Step, Trying
from rowstead.plans.bulk import assuming
from rowstead.rows import calls
from rowstead.rows.calls import Query
from rowstead.rows.row import Row
from rowstead.statements.compiled import Compiler
from rowstead.tables.access import FULL_ACCESS, Access


def _get(compiler: Compiler, model: type[Row], /, **named: Any) -> Call[Any]:
    return calls.get(compiler, model, named)


def _query(
    compiler: Compiler,
    model: type[Row],
    /,
    *,
    where: Any = None,
    order: Any = None,
    limit: int | None = None,
    offset: int | None = None,
    access: Access = FULL_ACCESS,
    **named: Any,
) -> Call[Any]:
    return calls.query(compiler, model, named, where, order, limit, offset, access)


def _count(
    compiler: Compiler,
    model: type[Row],
    /,
    *,
    where: Any = None,
    access: Access = FULL_ACCESS,
    **named: Any,
) -> Call[Any]:
    return calls.count(compiler, model, named, where, access)


def _exists(
    compiler: Compiler,
    model: type[Row],
    /,
    *,
    where: Any = None,
    access: Access = FULL_ACCESS,
    **named: Any,
) -> Call[Any]:
    return calls.exists(compiler, model, named, where, access)


def _page(
    compiler: Compiler,
    model: type[Row],
    /,
    *,
    where: Any = None,
    order: Any = None,
    limit: int = 50,
    offset: int = 0,
    after: str | None = None,
    count: bool = True,
    access: Access = FULL_ACCESS,
    **named: Any,
) -> Plan[Any]:
    return calls.page(compiler, model, named, where, order, limit, offset, after, count, access)


def _iter_rows(
    compiler: Compiler,
    model: type[Row],
    /,
    *,
    where: Any = None,
    order: Any = None,
    batch_size: int = 500,
    access: Access = FULL_ACCESS,
    **named: Any,
) -> Plan[Any]:
    walk = calls.walk(compiler, model, named, where, order, access)
    return walk.page(walk.start, batch_size)


def _iter_rows_keyset(
    compiler: Compiler, model: type[Row], /, *, by: str | None = None, **options: Any
) -> Plan[Any]:
    return _iter_rows(compiler, model, order=None if by is None else [{"asc": by}], **options)


def _insert(
    compiler: Compiler, row: Row, /, *, on_conflict: str | None = None, conflict_target: Any = None
) -> Call[Any] | Plan[Any]:
    return calls.insert(compiler, row, on_conflict, conflict_target)


def _insert_many(
    compiler: Compiler,
    rows: Any,
    /,
    *,
    on_conflict: str | None = None,
    conflict_target: Any = None,
    returning: bool = False,
) -> Plan[Any]:
    everything: list[Row] = list(rows)
    if everything:
        compiler = assuming(compiler, everything[0].__rowstead__())
    return calls.insert_many(compiler, everything, on_conflict, conflict_target, returning)


def _update(compiler: Compiler, row: Row, /, *, where: Any = None) -> Call[Any] | Plan[Any]:
    return calls.update(compiler, row, where)


def _update_where(compiler: Compiler, row: Row, /, *, where: Any) -> Call[Any]:
    return calls.update_where(compiler, row, where)


def _delete(compiler: Compiler, row: Row, /, *, where: Any = None) -> Call[Any]:
    return calls.delete(compiler, row, where)


def _delete_many(compiler: Compiler, model: type[Row], keys: Any, /) -> Plan[Any]:
    return calls.delete_many(compiler, model, keys)


VERBS: Mapping[str, Callable[..., Call[Any] | Plan[Any]]] = {
    function.__name__.removeprefix("_"): function
    for function in (
        _get,
        _query,
        _count,
        _exists,
        _page,
        _iter_rows,
        _iter_rows_keyset,
        _insert,
        _insert_many,
        _update,
        _update_where,
        _delete,
        _delete_many,
    )
}


def first_call(compiler: Compiler, verb: str, *args: Any, **options: Any) -> Call[Any]:
    """The statement that a verb would send; of an operation of several, the one that does the work."""
    make = VERBS.get(verb)
    if make is None:
        raise ValidationError(f"Unknown op {verb!r}; {did_you_mean(verb, VERBS)}")
    try:
        made = make(compiler, *args, **options)
    except TypeError as error:
        raise ValidationError(f"{verb} cannot be called like this: {error}") from error
    return made if isinstance(made, Call) else _leading(made, verb)


ONE_ROW = ("insert", "update")
"""Verbs that take a second statement on some databases, behind the one that does the work."""


def _leading(plan: Plan[Any], verb: str) -> Call[Any]:
    try:
        step: Step = next(plan)
    except StopIteration:
        raise ValidationError(f"{verb} sends nothing for this input") from None
    finally:
        plan.close()
    if isinstance(step, (Many, ManyReturning)):
        return Call(step.text, step.rows[0], list, writes=True, table=step.table)
    if isinstance(step, Call):
        return step
    if isinstance(step, Trying):
        return step.call
    if isinstance(step, Atomic) and verb in ONE_ROW:
        return _leading(step.plan, verb)
    raise ValidationError(f"{verb} has no single statement for this input: compose it for fewer rows")


def compose(verb: str, *args: Any, placeholder: Callable[[int], str], **options: Any) -> Query:
    """The exact SQL and parameters that a verb would send to PostgreSQL, without a database.

    The casts of an `insert_many` are those of the Python types; a database is asked for its own.

    `placeholder` spells the parameter of a 0-based number, `lambda i: f"${i + 1}"` for example.
    """
    compiler = Compiler(POSTGRESQL, "asyncpg", "numeric_dollar")
    call = first_call(compiler, verb, *args, **options)
    return Query(respell(call.text, placeholder), list(call.params))


_PARAMETER = re.compile(r'"(?:[^"]|"")*"|(?<![\w$])\$(\d+)')


def respell(text: str, placeholder: Callable[[int], str]) -> str:
    """Our own text with its `$n` spelled by `placeholder`; quoted names are left alone."""
    return _PARAMETER.sub(lambda m: placeholder(int(m[1]) - 1) if m[1] else m[0], text)
