"""A check's tree as SQL, with the same truth as `checks.holds` gives in Python.

Literals stand in the text, since DDL takes no parameters. Which spelling they have, and what carries
the order of a column's values, are facts of the dialect.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.functions import Function

from rowstead.dialects import Dialect
from rowstead.language.expressions import Expression, Verbatim, plain
from rowstead.rules.checks import COMPARE, Tree
from rowstead.tables.schema import Column, Kind
from rowstead.values.decimals import decimal_text
from rowstead.values.encoders import SQLITE_CODEC, encoder

_CONSTANTS = {"true": "1 = 1", "false": "1 = 0", "unknown": "NULL = 1"}


def quoted(text: str) -> str:
    """A text as a literal of standard SQL."""
    return "'" + text.replace("'", "''") + "'"


_OF_SERVER: Mapping[Kind, Callable[[Any], str]] = {
    Kind.INT: str,
    Kind.FLOAT: repr,
    Kind.BOOL: lambda value: "TRUE" if value else "FALSE",
    Kind.STR: quoted,
    Kind.BYTES: lambda value: rf"'\x{value.hex()}'::bytea",
    Kind.DECIMAL: lambda value: format(value, "f"),
    Kind.UUID: lambda value: f"UUID {quoted(str(value))}",
    Kind.DATE: lambda value: f"DATE {quoted(value.isoformat())}",
    Kind.TIME: lambda value: f"TIME {quoted(value.isoformat())}",
    Kind.DATETIME: lambda value: f"{_timestamp(value)} {quoted(value.isoformat(' '))}",
    Kind.TIMEDELTA: lambda value: f"INTERVAL '{value // datetime.timedelta(microseconds=1)} microseconds'",
}
_OF_FILE: Mapping[type, Callable[[Any], str]] = {
    int: str,
    float: repr,
    bool: lambda value: str(int(value)),
    str: quoted,
    bytes: lambda value: f"X'{value.hex()}'",
}
"""By the type of the stored form, which the column's encoder makes."""


def _timestamp(value: datetime.datetime) -> str:
    return "TIMESTAMP" if value.tzinfo is None else "TIMESTAMPTZ"


class CheckSQL:
    """Spells the trees of checks on one table's columns."""

    def __init__(self, dialect: Dialect, columns: Mapping[str, Column]) -> None:
        self.dialect = dialect
        self.columns = columns

    def of(self, tree: Tree) -> Expression:
        """The tree as an expression."""
        head = tree[0]
        if head == "and":
            return sa.and_(*map(self.of, tree[1:]))
        if head == "or":
            return sa.or_(*map(self.of, tree[1:]))
        if head == "not":
            return sa.not_(self.of(tree[1]).self_group())
        if head in _CONSTANTS:
            return Verbatim(_CONSTANTS[head])
        if head == "in":
            return self._in(*tree[1:])
        return self._comparison(head, *tree[1:])

    def _in(self, kind: Kind, operand: Tree, *values: Tree) -> Expression:
        column = self._operand(kind, operand)
        if not values:
            return column.is_(None)
        return column.in_([self._operand(kind, value) for value in values])

    def _comparison(self, op: str, kind: Kind, left: Tree, right: Tree) -> Expression:
        compared: Any = COMPARE[op](self._operand(kind, left), self._operand(kind, right))
        if left[0] == "length" and op == ">=" and self.dialect.nul_text is not None:
            return self._may_end_early(left[1], compared)
        return compared

    def _may_end_early(self, name: str, at_least: Expression) -> Expression:
        """At least this long, or with a NUL in it, behind which `length` would not look."""
        if self.columns[name].kind is not Kind.STR:
            return at_least
        place = Function(self.dialect.position, plain(name), Verbatim(self.dialect.nul_text or ""))
        return sa.or_(at_least, place > Verbatim("0"))

    def _operand(self, kind: Kind, operand: Tree) -> Expression:
        what, given = operand
        if what == "value":
            return self._literal(kind, given)
        if what == "length":
            return Function("length", plain(given))
        column = self.columns[given]
        if kind is Kind.FLOAT and column.kind is Kind.INT:
            return sa.cast(plain(given), sa.Double() if self.dialect.typed_columns else sa.REAL())
        return self._ordered(kind, plain(given))

    def _literal(self, kind: Kind, value: Any) -> Expression:
        if self.dialect.typed_columns:
            return Verbatim(_OF_SERVER[kind](value))
        if kind is Kind.DECIMAL:
            return self._ordered(kind, Verbatim(quoted(decimal_text(Decimal(value)))))
        stored = encoder(Column("a literal", kind), SQLITE_CODEC)(value)
        return Verbatim(_OF_FILE[type(stored)](stored))

    def _ordered(self, kind: Kind, expression: Expression) -> Expression:
        key = self.dialect.decimal_key
        return expression if key is None or kind is not Kind.DECIMAL else Function(key, expression)


def check_texts(
    trees: Mapping[str, Tree], columns: Mapping[str, Column], dialect: Dialect
) -> Mapping[str, str]:
    """The conditions as SQL text, by the names of their constraints."""
    if not trees:
        return {}
    spelled = CheckSQL(dialect, columns)
    spelling: Any = dialect.sqlalchemy("named")
    return {
        name: str(spelled.of(tree).compile(dialect=spelling, compile_kwargs={"literal_binds": True}))
        for name, tree in trees.items()
    }
