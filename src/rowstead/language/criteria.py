"""A condition's shape as SQL: what `conditions` read becomes a SQLAlchemy expression here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.selectable import FromClause, Select

from rowstead.dialects import Dialect
from rowstead.language.expressions import Around, Expression, IsNotTrue, Slots, Source, source_of
from rowstead.language.operators import (
    OPERATORS,
    ListOperand,
    Operator,
    Target,
    pattern_kind,
    text_of,
)
from rowstead.language.ordering import Order, OrderTerm
from rowstead.language.shapes import (
    EVERYTHING,
    EXPRESSION,
    GUARD,
    VALUE,
    Beside,
    Listed,
    Outer,
    Shape,
    Subquery,
)
from rowstead.sentinels import Now
from rowstead.tables.schema import Column, Kind, Table

WIDEST = 32
"""Conditions that are joined without brackets."""


def may_be_null(table: Table, column: Column, dialect: Dialect) -> bool:
    """Whether a stored value of this column can be NULL."""
    if column.name not in table.key:
        return column.nullable
    # An integer key left unset is how a row asks for the next one; the stored key is never NULL.
    return column.nullable and dialect.key_may_be_null and column.kind is not Kind.INT


def _flat(join: Callable[..., Expression], parts: Sequence[Expression]) -> Sequence[Expression]:
    """The parts, many of them in brackets by dozens: SQLite reads no more than 1,000 one inside the other."""
    while len(parts) > WIDEST:
        chunks = [parts[at : at + WIDEST] for at in range(0, len(parts), WIDEST)]
        parts = [Around("(", join(*chunk), ")") for chunk in chunks]
    return parts


class Criteria:
    """Spells conditions and orders on one table, as its source in the statement spells the columns."""

    def __init__(
        self, slots: Slots, table: Table, source: Source | None = None, outer: Criteria | None = None
    ) -> None:
        self.slots = slots
        self.table = table
        self.source = source_of(slots, table) if source is None else source
        self.outer = outer

    def column(self, name: str) -> Expression:
        """The column's SQL, qualified where the statement has more than one table."""
        return self.source.column(name)

    def nullable(self, column: Column) -> bool:
        """Whether this column can hold NULL in this database."""
        return may_be_null(self.table, column, self.slots.dialect)

    def where(self, shape: Shape) -> Expression | None:
        """The whole condition; None where there is nothing to say."""
        return None if shape == EVERYTHING else self.condition(shape)

    def condition(self, shape: Shape) -> Expression:
        """A shape as an expression. Makes its slots in the order in which the values were read."""
        head = shape[0]
        if head == "and":
            return sa.and_(sa.true(), *_flat(sa.and_, [self.condition(s) for s in shape[1:]]))
        if head == "or":
            return sa.or_(sa.false(), *_flat(sa.or_, [self.condition(s) for s in shape[1:]]))
        if head == "not" and len(shape) == 2:
            return IsNotTrue(self.condition(shape[1]))
        if head in ("exists", "not_exists"):
            found = sa.exists(self._subquery(shape[1]))
            return found if head == "exists" else sa.not_(found)
        if head == EXPRESSION:
            return shape[1]
        if head == GUARD:
            return shape[1].spelled(self.slots, self.source.clause)
        return self._term(*shape)

    def _term(self, operator_name: str, column_name: str, operand: Any) -> Expression:
        column = self.table.columns[column_name]
        operator = OPERATORS[operator_name]
        target = Target(column, self.column(column_name), self.slots, self.nullable(column))
        if operator.takes == "query":
            return operator.build(target, self._list_query(operand))
        if operator.takes == "two":
            return operator.build(target, [self._operand(column, o) for o in operand])
        if isinstance(operand, Listed):
            return operator.build(target, self._listed(column, operand))
        if operator.text_only:
            return operator.build(target.as_text(), self._text(operator, column, operand))
        return operator.build(target, self._operand(column, operand))

    def _text(self, operator: Operator, column: Column, operand: Any) -> Expression:
        """What an operator for text takes: a text, or another column as one."""
        if operand == VALUE:
            turned = operator.turned(column, self.slots.dialect)
            return self.slots.value(pattern_kind(column), turned)
        sql = self._operand(column, operand)
        if isinstance(operand, Outer) and self.outer is not None:
            return text_of(self.outer.table.columns[operand.column], sql, self.slots.dialect)
        if isinstance(operand, Beside):
            return text_of(self.table.columns[operand.column], sql, self.slots.dialect)
        return sql

    def _operand(self, column: Column, operand: Any) -> Any:
        if operand is None:
            return None
        if operand is Now:
            return self.slots.now(column)
        if isinstance(operand, Outer) and self.outer is not None:
            return self.slots.outer(self.outer.column(operand.column))
        if isinstance(operand, Beside):
            return self.column(operand.column)
        return self.slots.operand(column)

    def _listed(self, column: Column, operand: Listed) -> ListOperand:
        if operand.number is None:
            return ListOperand(self.slots.listed(column), operand.has_null)
        return ListOperand([self.slots.operand(column) for _ in range(operand.number)], operand.has_null)

    def _list_query(self, query: Subquery) -> Select[Any]:
        """A query behind IN."""
        found = self._subquery(query)
        if self.slots.dialect.limit_in_subquery or not (query.limited or query.offset):
            return found
        rows = found.subquery("limited")
        return sa.select(*rows.c).select_from(rows)

    def _subquery(self, query: Subquery) -> Select[Any]:
        around = Criteria(self.slots, self.table, self.source.qualified(), self.outer)
        clause = source_of(self.slots, query.table).clause.alias(f"inner_{self._depth() + 1}")
        inner = Criteria(self.slots, query.table, Source(clause, clause.c), around)
        wanted = clause.c[query.column] if query.column is not None else sa.text("1")
        statement = sa.select(wanted).select_from(clause).correlate(*around.parts())
        statement = inner.filtered(statement, query.where)
        statement = statement.order_by(*inner.order(query.order))
        if query.limited:
            statement = statement.limit(self.slots.count())
        if query.offset:
            statement = statement.offset(self.slots.count())
        return statement

    def _depth(self) -> int:
        return 0 if self.outer is None else self.outer._depth() + 1

    def parts(self) -> list[FromClause]:
        """What a subquery can refer to: the tables of this statement and of those around it."""
        own = list(self.source.parts or (self.source.clause,))
        return own if self.outer is None else [*own, *self.outer.parts()]

    def filtered(self, statement: Any, shape: Shape) -> Any:
        """The statement with this condition, where there is one."""
        where = self.where(shape)
        return statement if where is None else statement.where(where)

    def order(self, order: Order, never_null: str | None = None) -> list[Any]:
        """ORDER BY's terms. NULLS FIRST or LAST is written only where the database would do otherwise."""
        return [part for term in order for part in self._order_term(term, term.column != never_null)]

    def _order_term(self, term: OrderTerm, may_be_null: bool) -> list[Any]:
        column = self.table.columns[term.column]
        slots, sql = self.slots, self.column(term.column)
        expression = slots.exact_column(column, slots.ordered(column, sql))
        spelled: Any = expression.desc() if term.descending else expression
        by_itself_first = slots.dialect.nulls_are_high == term.descending
        if not may_be_null or not self.nullable(column) or by_itself_first == term.nulls_first:
            return [spelled]
        if not slots.dialect.places_nulls:
            is_null = sql.is_(None)
            return [is_null.desc() if term.nulls_first else is_null, spelled]
        return [spelled.nulls_first() if term.nulls_first else spelled.nulls_last()]
