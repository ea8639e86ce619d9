"""The operators of the condition language: one entry each, and no other place knows them.

An entry says how the operator is spelled, what operand it takes, what None means for it, on which
kinds of column it makes sense, and what SQL it becomes. Adding an operator is adding an entry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql.elements import quoted_name
from sqlalchemy.sql.functions import Function

from rowstead.dialects import Dialect
from rowstead.errors import ValidationError
from rowstead.language.expressions import Around, Expression, Joined, Slots
from rowstead.tables.schema import COMPOSITE_KINDS, TEXT_KINDS, Column, Kind
from rowstead.values.through_sqlalchemy import stores_as_rows

SHORT_LIST = 16
"""Lists up to this length are spelled `IN ($1, $2, …)`; longer ones travel as one parameter."""


@dataclass(frozen=True, slots=True)
class Target:
    """What an operator is applied to: a column, the SQL that stands for it, and the slots for operands."""

    column: Column
    sql: Expression
    slots: Slots
    nullable: bool

    def as_text(self) -> Target:
        """The same as a text, where the database has a type of its own that is none."""
        if not _may_be_no_text(self.column):
            return self
        column = pattern_kind(replace(self.column, via=None))
        return replace(self, column=column, sql=text_of(self.column, self.sql, self.slots.dialect))

    def exact(self, operand: Expression) -> Expression:
        """An operand that texts are compared with by their characters alone."""
        return self.slots.exact(self.column, operand)


Build = Callable[[Target, Any], Expression]
"""(target, operand) -> SQL. The operand is an expression, or what `takes` says."""


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator. `takes`: "one" value, "none", "two", a "list" or a "query"."""

    name: str
    build: Build
    takes: str = "one"
    spellings: tuple[str, ...] = ()
    on_none: str | None = None
    """The operator that None turns this one into; without one None is refused."""
    text_only: bool = False
    on_bytes: bool = False
    """Whether one for text works on bytes too."""
    on_composite: bool = False
    """Whether it can be applied to JSON and list columns."""
    pattern: Callable[[str], str] | None = None
    """What turns a pattern into GLOB's, where the database has no case-sensitive LIKE."""
    by_like: bool = False
    """Whether its operand is a pattern of LIKE."""

    def turned(self, column: Column, dialect: Dialect) -> Callable[[str], str] | None:
        """What a text operand is turned by before it travels; None: by nothing."""
        if dialect.like_is_glob:
            return None if column.kind is Kind.BYTES else self.pattern
        escaping = dialect.like_escaping
        if escaping is None or not self.by_like:
            return None
        return lambda pattern: pattern.replace(escaping, escaping * 2)


def _compare(spell: Callable[[Expression, Expression], Expression]) -> Build:
    def build(target: Target, operand: Expression) -> Expression:
        return spell(target.slots.ordered(target.column, target.sql), _ordered(target, operand))

    return build


def _ordered(target: Target, operand: Expression) -> Expression:
    return target.slots.ordered(target.column, target.exact(operand))


def _between(target: Target, operand: Sequence[Expression]) -> Expression:
    low, high = (_ordered(target, o) for o in operand)
    return target.slots.ordered(target.column, target.sql).between(low, high)


@dataclass(frozen=True, slots=True)
class ListOperand:
    """A list as the shape has it: how many values, whether NULL is among them, and their SQL."""

    values: Sequence[Expression] | Expression
    has_null: bool

    @property
    def empty(self) -> bool:
        return isinstance(self.values, Sequence) and not self.values


def _is_in(target: Target, operand: ListOperand) -> Expression:
    if operand.empty:
        return target.sql.is_(None) if operand.has_null else sa.false()
    found = _membership(target, operand.values, "IN")
    return sa.or_(found, target.sql.is_(None)) if operand.has_null else found


def _is_not_in(target: Target, operand: ListOperand) -> Expression:
    if operand.empty:
        return target.sql.is_not(None) if operand.has_null else sa.true()
    missing = _membership(target, operand.values, "NOT IN")
    if operand.has_null:
        return sa.and_(missing, target.sql.is_not(None)) if target.nullable else missing
    return sa.or_(missing, target.sql.is_(None)) if target.nullable else missing


def _membership(target: Target, values: Sequence[Expression] | Expression, word: str) -> Expression:
    if isinstance(values, Sequence):
        exact = list(map(target.exact, values))
        return target.sql.in_(exact) if word == "IN" else target.sql.not_in(exact)
    if target.slots.dialect.array_params:
        before, after = (" = ANY(", ")") if word == "IN" else (" <> ALL(", ")")
    else:
        before, after = f" {word} ", ""
    exact_column = target.slots.exact_column(target.column, target.sql)
    found = Joined(exact_column, Around(before, values, after))
    if exact_column is target.sql or word != "IN":
        return found
    # An index on the column knows the column's own collation, which finds these and perhaps more.
    return sa.and_(Joined(target.sql, Around(before, values, after)), found)


def _like(target: Target, operand: Expression) -> Expression:
    if target.slots.dialect.like_is_glob:
        return target.sql.op("GLOB")(operand)
    return _without_escape(target, target.sql.like(target.exact(operand)))


def _ilike(target: Target, operand: Expression) -> Expression:
    function = target.slots.dialect.ilike
    if function is not None:
        return Function(function, operand, target.sql)
    return _without_escape(target, target.sql.ilike(target.exact(operand)))


def _without_escape(target: Target, like: Expression) -> Expression:
    return Around("", like, f" ESCAPE {target.slots.dialect.like_escape}")


def _position(target: Target, operand: Expression) -> Expression:
    dialect = target.slots.dialect
    # Quoted, since "position" alone would be the SQL standard's own syntax.
    name = quoted_name(dialect.bytes_position, True) if _is_bytes(target.column) else dialect.position
    return Function(name, target.sql, target.exact(operand), type_=sa.Integer())


def _is_bytes(column: Column) -> bool:
    return column.kind is Kind.BYTES


def _contains(target: Target, operand: Expression) -> Expression:
    return _position(target, operand) > sa.text("0")


def _starts_with(target: Target, operand: Expression) -> Expression:
    if _is_bytes(target.column):
        return _position(target, operand) == sa.text("1")
    if target.slots.dialect.like_is_glob:
        return target.sql.op("GLOB")(operand)
    function = target.slots.dialect.starts_with
    if function is None:
        return _position(target, operand) == sa.text("1")
    return Function(function, target.sql, operand)


def _regex(target: Target, operand: Expression) -> Expression:
    if not target.slots.dialect.regex:
        raise ValidationError(
            f"{target.slots.dialect.name} has no regular expressions; use like, contains or starts_with",
            column=target.column.name,
        )
    return target.sql.op("~")(operand)


_GLOB_LITERAL = str.maketrans({"*": "[*]", "?": "[?]", "[": "[[]"})


def glob_of_like(pattern: str) -> str:
    """GLOB's spelling of a LIKE pattern without an escape character."""
    return pattern.translate(_GLOB_LITERAL).replace("%", "*").replace("_", "?")


def glob_of_prefix(prefix: str) -> str:
    """GLOB's spelling of "begins with this"."""
    return prefix.translate(_GLOB_LITERAL) + "*"


def _sides(target: Target, operand: Expression) -> tuple[Expression, Expression]:
    """The column and a value, as they can be asked for being the same."""
    turned, via = target.slots.dialect.json_compared, target.column.via
    if turned is None or not isinstance(via, sa.JSON) or isinstance(via, JSONB):
        return target.sql, target.exact(operand)
    return Around("CAST(", target.sql, f" AS {turned})"), Around("CAST(", operand, f" AS {turned})")


def _equals(target: Target, operand: Expression) -> Expression:
    column, value = _sides(target, operand)
    return column == value


def _is_not(target: Target, operand: Expression) -> Expression:
    column, value = _sides(target, operand)
    return column != value


def _differs(target: Target, operand: Expression) -> Expression:
    column, value = _sides(target, operand)
    return column.is_distinct_from(value)


def text_of(column: Column, sql: Expression, dialect: Dialect) -> Expression:
    """What `sql` stands for as a text: a column of a type that functions of text do not take is cast."""
    return sa.cast(sql, sa.Text()) if dialect.enums_are_no_text and _may_be_no_text(column) else sql


def _may_be_no_text(column: Column) -> bool:
    """Whether a column of texts may be of another type in the database: an enumeration, a UUID."""
    if column.kind is not Kind.STR:
        return column.kind is Kind.ENUM
    if column.via is None or stores_as_rows(column):
        return False
    return isinstance(column.via, sa.Enum) or not isinstance(column.via, sa.String)


def _none(build: Callable[[Expression], Expression]) -> Build:
    return lambda target, _operand: build(target.sql)


OPERATORS: Mapping[str, Operator] = {
    o.name: o
    for o in (
        Operator("eq", _equals, on_none="is_null", on_composite=True),
        Operator("ne", _differs, on_none="is_not_null", on_composite=True),
        Operator("not", _is_not, on_none="is_not_null", on_composite=True),
        Operator("gt", _compare(lambda a, b: a > b)),
        Operator("gte", _compare(lambda a, b: a >= b), spellings=("ge",)),
        Operator("lt", _compare(lambda a, b: a < b)),
        Operator("lte", _compare(lambda a, b: a <= b), spellings=("le",)),
        Operator("between", _between, takes="two"),
        Operator("in", _is_in, takes="list"),
        Operator("not_in", _is_not_in, takes="list"),
        Operator("like", _like, text_only=True, pattern=glob_of_like, by_like=True),
        Operator("ilike", _ilike, text_only=True, by_like=True),
        Operator("contains", _contains, text_only=True, on_bytes=True),
        Operator(
            "starts_with",
            _starts_with,
            text_only=True,
            on_bytes=True,
            pattern=glob_of_prefix,
            spellings=("bytes_prefix",),
        ),
        Operator("~", _regex, text_only=True),
        Operator("is_null", _none(lambda c: c.is_(None)), takes="none", on_composite=True),
        Operator("is_not_null", _none(lambda c: c.is_not(None)), takes="none", on_composite=True),
        Operator("in_subquery", lambda t, v: t.sql.in_(v), takes="query"),
    )
}
SPELLINGS: Mapping[str, Operator] = {
    spelling: operator for operator in OPERATORS.values() for spelling in (operator.name, *operator.spellings)
}
OPPOSITE = {"is_null": "is_not_null", "is_not_null": "is_null"}


def check_kind(operator: Operator, column: Column) -> None:
    """Raise a ValidationError when the operator makes no sense on this kind of column."""
    fits = column.kind in TEXT_KINDS or (operator.on_bytes and column.kind is Kind.BYTES)
    if operator.text_only and not fits:
        wanted = "text and bytes" if operator.on_bytes else "text"
        raise ValidationError(
            f"{operator.name!r} works on {wanted}, and column {column.name!r} holds {column.kind.value}",
            column=column.name,
        )
    if column.kind in COMPOSITE_KINDS and not operator.on_composite:
        hint = ' ({"eq": [...]} compares the whole value)' if operator.takes == "list" else ""
        raise ValidationError(
            f"{operator.name!r} cannot be used on column {column.name!r}, which holds {column.kind.value}; "
            f"use eq, ne or is_null{hint}",
            column=column.name,
        )


_ALIKE = (frozenset({Kind.INT, Kind.FLOAT}), frozenset({Kind.STR, Kind.ENUM}))
_UNDECIDED = frozenset({Kind.ANY, Kind.OTHER})
"""Kinds that only the database can judge."""


def check_alike(operator: Operator, column: Column, other: Column) -> None:
    """Raise a ValidationError when the operator cannot compare a column with this other one."""
    if operator.pattern is not None:
        raise ValidationError(
            f"{operator.name!r} on column {column.name!r} takes a text, not a column", column=column.name
        )
    kinds = {column.kind, other.kind}
    if len(kinds) > 1 and not kinds & _UNDECIDED and not any(map(kinds.issubset, _ALIKE)):
        raise ValidationError(
            f"column {column.name!r} holds {column.kind.value} and {other.name!r} holds {other.kind.value}: "
            "they cannot be compared",
            column=column.name,
        )


def pattern_kind(column: Column) -> Column:
    """The column a pattern is encoded for: bytes or text, whatever the column's own values are."""
    if column.kind is Kind.BYTES or (column.kind is Kind.STR and column.via is None):
        return column
    return Column(column.name, Kind.STR, str)
