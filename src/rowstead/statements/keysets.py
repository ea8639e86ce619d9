"""Where a page begins, as conditions: the rows behind a row, in the order of the walk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa

from rowstead.language.criteria import Criteria
from rowstead.language.expressions import Expression
from rowstead.language.ordering import Order, OrderTerm
from rowstead.tables.schema import Column


class Keyset(NamedTuple):
    """Where a page begins: behind the row with these order values.

    `nulls` tells which of them are NULL. `part` is "some" or "none" while the first column of the
    order, which can be NULL, is walked in two parts, so that each part can use the index.
    """

    nulls: tuple[bool, ...] | None
    part: str | None = None


def keyset_conditions(criteria: Criteria, order: Order, keyset: Keyset) -> list[Expression]:
    """What the rows behind the keyset's row fulfil; its values are the order's that are not NULL."""
    first = criteria.column(order[0].column)
    conditions: list[Expression] = []
    if keyset.part == "some":
        conditions.append(first.is_not(None))
    if keyset.part == "none":
        conditions.append(first.is_(None))
    if keyset.nulls is None:
        return conditions
    terms = list(zip(order, keyset.nulls, strict=True))
    if keyset.part == "none":
        terms = terms[1:]
    if not any(null for _, null in terms) and _all_alike(criteria, [t for t, _ in terms], keyset):
        return [*conditions, _row_value(criteria, [t for t, _ in terms])]
    return [*conditions, _behind(criteria, terms, keyset)]


def _all_alike(criteria: Criteria, order: Sequence[OrderTerm], keyset: Keyset) -> bool:
    """Whether a row value comparison says it: one direction, and no column that can be NULL."""
    columns = [criteria.table.columns[t.column] for t in order]
    first_is_set = 1 if keyset.part == "some" else 0
    return len({t.descending for t in order}) == 1 and not any(
        criteria.nullable(c) for c in columns[first_is_set:]
    )


def _row_value(criteria: Criteria, order: Sequence[OrderTerm]) -> Expression:
    columns = [criteria.table.columns[t.column] for t in order]
    left = [criteria.slots.ordered(c, criteria.column(c.name)) for c in columns]
    right = [_value(criteria, c) for c in columns]
    if len(columns) == 1:
        return left[0] < right[0] if order[0].descending else left[0] > right[0]
    pair = sa.tuple_(*left), sa.tuple_(*right)
    return pair[0] < pair[1] if order[0].descending else pair[0] > pair[1]


def _behind(criteria: Criteria, terms: Sequence[tuple[OrderTerm, bool]], keyset: Keyset) -> Expression:
    """`a >= x AND (a > x OR b …)`: the outer comparison lets the database use an index on `a`."""
    if not terms:
        # Rows that nothing tells apart came with this page, all of them.
        return sa.false()
    (term, null), *rest = terms
    column = criteria.table.columns[term.column]
    sql = criteria.slots.ordered(column, criteria.column(term.column))
    bare = criteria.column(term.column)
    can_be_null = criteria.nullable(column) and not (keyset.part == "some" and len(terms) == _width(keyset))
    if null:
        after = bare.is_not(None) if term.nulls_first else sa.false()
        if not rest:
            return after
        return sa.or_(after, sa.and_(bare.is_(None), _behind(criteria, rest, keyset)))
    value = _value(criteria, column)
    beyond: Expression = sql < value if term.descending else sql > value
    if can_be_null and not term.nulls_first:
        beyond = sa.or_(beyond, bare.is_(None))
    if not rest:
        return beyond
    at_or_beyond: Expression = sql <= value if term.descending else sql >= value
    if can_be_null and not term.nulls_first:
        at_or_beyond = sa.or_(at_or_beyond, bare.is_(None))
    return sa.and_(at_or_beyond, sa.or_(beyond, _behind(criteria, rest, keyset)))


def _value(criteria: Criteria, column: Column) -> Expression:
    """The next of the keyset's values, as this column is compared with it."""
    slots = criteria.slots
    return slots.ordered(column, slots.exact(column, slots.value(column)))


def _width(keyset: Keyset) -> int:
    return len(keyset.nulls or ())
