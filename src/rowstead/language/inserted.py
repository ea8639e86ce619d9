"""What a hook adds to an INSERT of SQLAlchemy's: values that every row gets.

The counterpart of `guards`, which reads what hooks add to the other statements. Knows the statement only;
rows are written by `plans/table_inserts`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.sql.elements import BindParameter

from rowstead.errors import UsageError, undefined_column

_VALUES = "_values"
_PARTS: Sequence[str] = [name for name, *_ in cast("Any", sa.Insert)._traverse_internals]
"""What a statement is made of."""


def values_added(table: sa.Table, before: sa.Insert, after: Any) -> Mapping[str, Any]:
    """By column: the values that `after` has and `before`, an INSERT of `table` alone, has not.

    Raises UsageError where more than one row's plain values were added, or nothing was returned.
    """
    if after is before:
        return {}
    if type(after) is not type(before):
        raise UsageError(
            f"insert_condition_hook of {table.name} returned {type(after).__name__}: it returns the "
            "statement that it is given, with values added by .values(…), or raises"
        )
    now, then = vars(after), vars(before)
    for name in _PARTS:
        if name != _VALUES and now.get(name) is not then.get(name):
            raise UsageError(
                f"insert_condition_hook of {table.name} may only add one row's values by .values(…), and "
                f"changed {name.strip('_')!r}"
            )
    added: Mapping[Any, Any] = now.get(_VALUES) or {}
    return {_column(table, name): _value(table, name, value) for name, value in added.items()}


def _column(table: sa.Table, named: Any) -> str:
    """The name of a column that is given as one, or by its key in the table."""
    if isinstance(named, sa.Column):
        column = cast("Any", named)
        if column.table is not table:
            raise UsageError(
                f"insert_condition_hook of {table.name} gave a value for {column}, another table's"
            )
        return str(column.name)
    if named not in table.c:
        raise undefined_column(named, table.name, table.c.keys())
    return str(cast("Any", table.c[named]).name)


def _value(table: sa.Table, name: Any, value: Any) -> Any:
    if not isinstance(value, BindParameter):
        raise UsageError(
            f"insert_condition_hook of {table.name} gave {name!r} an expression; it gives values, and what "
            "the database computes is a column's server_default"
        )
    return cast("BindParameter[Any]", value).effective_value
