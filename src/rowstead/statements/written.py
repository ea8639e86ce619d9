"""Statements that users wrote, as SQLAlchemy's or as text with `:name` parameters; run once, or for each row.

Runs nothing: `written` gives a plan. How one statement is spelled and its values travel is in `spelled`.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from threading import Lock
from typing import Any, TypeAlias, cast

import sqlalchemy as sa
from sqlalchemy.schema import ExecutableDDLElement
from sqlalchemy.sql.functions import FunctionElement

from rowstead import raw
from rowstead.errors import UsageError, ValidationError
from rowstead.plan import Atomic, Call, Many, Plan
from rowstead.statements.named import NamedText, named_text
from rowstead.statements.spelled import Own, RawRecords, Statement, spelling_of
from rowstead.statements.spelled import Result as Result
from rowstead.statements.spelled import Target as Target

Parameters: TypeAlias = Mapping[str, Any] | Sequence[Mapping[str, Any]] | None
"""Values by name; of several the statement runs once for each."""


def written(sql: Any, params: Parameters, target: Target) -> Plan[Result]:
    """A plan that runs the statement; all or nothing where `params` are several.

    `sql` is a statement of SQLAlchemy's, DDL too, or text with `:name` parameters. Raises ValidationError for
    parameters that do not fit it, and UsageError for what is no statement and for a word that opens or
    ends a transaction.
    """
    if isinstance(sql, ExecutableDDLElement):
        return _definition(sql, target)
    if params is None or isinstance(params, Mapping):
        return _once(*_statement(sql, params or {}, target), params or {})
    rows = list(_checked(params))
    if not rows:
        return _nothing()
    by_names = {frozenset(row): row for row in rows}
    spelled = {names: _statement(sql, row, target) for names, row in by_names.items()}
    return _for_each([(*spelled[frozenset(row)], row) for row in rows], len(spelled) == 1)


def _checked(params: Any) -> Iterable[Mapping[str, Any]]:
    if not isinstance(params, (list, tuple)):
        raise ValidationError(
            f"parameters are a mapping, or a list of mappings for a statement that runs several times, "
            f"not {type(params).__name__}"
        )
    for row in cast("Sequence[Any]", params):
        if not isinstance(row, Mapping):
            raise ValidationError(
                "a statement's parameters have names: write `:name` in its text and give {'name': value}, "
                f"not {type(row).__name__}"
            )
        yield cast("Mapping[str, Any]", row)


def _nothing() -> Plan[Result]:
    yield from ()
    return Result()


def _definition(sql: ExecutableDDLElement, target: Target) -> Plan[Result]:
    spelling = spelling_of(target.dialect, target.paramstyle)
    yield Call(str(sql.compile(dialect=spelling)).strip(), writes=True, raw=True)
    return Result()


def _once(statement: Statement | NamedText, own: Own, params: Mapping[str, Any]) -> Plan[Result]:
    given: RawRecords = yield statement.call(params, own)
    return statement.result(given)


def _for_each(
    runs: Sequence[tuple[Statement | NamedText, Own, Mapping[str, Any]]], alike: bool
) -> Plan[Result]:
    statement = runs[0][0]
    if not alike or statement.gives_rows or statement.varies:
        return (yield Atomic(_one_by_one(runs)))
    calls = [statement.call(row, own) for _, own, row in runs]
    return Result(count=(yield Many(calls[0].text, [call.params for call in calls])))


def _one_by_one(runs: Sequence[tuple[Statement | NamedText, Own, Mapping[str, Any]]]) -> Plan[Result]:
    together, count = list[dict[str, Any]](), 0
    for statement, own, row in runs:
        given = statement.result((yield statement.call(row, own)))
        together += given.rows
        count += given.count
    return Result(together, count)


MAX_KEPT = 256
"""Statements that are kept for all handles, the latest used."""
_KEPT: OrderedDict[Any, Statement] = OrderedDict()
_KEEPING = Lock()


def _statement(sql: Any, params: Mapping[str, Any], target: Target) -> tuple[Statement | NamedText, Own]:
    """The statement, which is spelled once for all that differ by nothing but values."""
    if isinstance(sql, str):
        return named_text(sql, target), None
    element = _element(sql)
    names = tuple(params) if isinstance(element, (sa.Insert, sa.Update)) and params else None
    make_key = getattr(element, "_generate_cache_key", None)
    cache_key: Any = make_key() if make_key is not None else None
    if cache_key is None:
        _check_text(element, target)
        return Statement(element, names, target, None), None
    key = (target, names, cache_key.key)
    with _KEEPING:
        known = _KEPT.get(key)
        if known is not None:
            _KEPT.move_to_end(key)
            return known, cache_key.bindparams
    _check_text(element, target)
    known = Statement(element, names, target, cache_key)
    with _KEEPING:
        _KEPT[key] = known
        if len(_KEPT) > MAX_KEPT:
            _KEPT.popitem(last=False)
    return known, cache_key.bindparams


_TAKEN = re.compile(r"(?<![:\w\\]):\w+(?!:)")
"""What `sa.text` takes for a parameter, wherever it stands."""


def _check_text(element: Any, target: Target) -> None:
    """Raise UsageError for a parameter of `sa.text` in a string or comment; its value would stand there."""
    if not isinstance(element, sa.TextClause):
        return
    for piece in raw.verbatim(element.text, target.paramstyle):
        taken = _TAKEN.search(piece)
        if taken is not None:
            raise UsageError(
                f"sa.text takes {taken.group()} for a parameter, and it stands in a string, quoted name or "
                f"comment: write \\{taken.group()}, or give the text without sa.text"
            )


def _element(sql: Any) -> Any:
    if not isinstance(sql, sa.sql.expression.Executable):
        raise UsageError(
            f"a statement is one of SQLAlchemy's, as sa.select(…), or text with :name parameters, not "
            f"{type(sql).__name__}"
        )
    if isinstance(sql, FunctionElement):
        return sa.select(cast("FunctionElement[Any]", sql))
    if isinstance(sql, sa.Insert) and not sql._returning:  # pyright: ignore[reportPrivateUsage]
        # Else SQLAlchemy would have the new key returned, for which nobody asked.
        return sql.inline()
    return sql
