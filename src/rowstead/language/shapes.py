"""What a filter is once it is read: names, operators and counts, hashable, without its values.

A shape is a nested tuple: `("and", shape, …)`, `("or", shape, …)`, `("not", shape)`,
`("exists" | "not_exists", Subquery)`, `(EXPRESSION, a condition of SQLAlchemy's)`,
`(GUARD, guards.Kept)`, or a term `(operator, column, operand)` whose operand is `VALUE`, `Now`,
`Outer(column)`, `Beside(column)`, `Listed(number, has_null)`, a pair, or a `Subquery`.
"""

from __future__ import annotations

import datetime
import decimal
import uuid
from collections.abc import Iterable
from typing import Any, NamedTuple, TypeAlias

from rowstead.language.ordering import Order
from rowstead.tables.schema import Table

Shape: TypeAlias = tuple[Any, ...]

VALUE = "value"
IF_NEW = "value of a new row"
"""In an upsert: a value like any other for a row that is new, and none for a row that is there."""
EVERYTHING: Shape = ("and",)
EXPRESSION = "expression"
"""Begins a shape that is a condition of SQLAlchemy's: for one statement with its values, never a kept one."""
GUARD = "guard"
"""Begins a shape that is a condition of SQLAlchemy's without its values."""
_MOMENTS = frozenset({datetime.datetime, datetime.date, datetime.time})
PLAIN = frozenset({int, str, float, bool, bytes, uuid.UUID, decimal.Decimal, *_MOMENTS})
"""Types of values that are nothing but compared."""


class Outer(NamedTuple):
    """A column of the statement around a subquery."""

    column: str


class Beside(NamedTuple):
    """Another column of the same row."""

    column: str


class Listed(NamedTuple):
    """A list operand: how many values (None: any number, as one parameter) and whether NULL is among them."""

    number: int | None
    has_null: bool


class Subquery(NamedTuple):
    """A subquery's shape; its values stand in the flat list where it is read."""

    table: Table
    column: str | None
    where: Shape
    order: Order
    limited: bool
    offset: bool


def equal_to(values: Iterable[tuple[str, Any]]) -> tuple[Shape, list[Any]]:
    """What says that these columns have these values, None for NULL; any name is a column's here."""
    shape: list[Any] = ["and"]
    found: list[Any] = []
    for name, value in values:
        shape.append(("is_null", name, None) if value is None else ("eq", name, VALUE))
        if value is not None:
            found.append(value)
    return tuple(shape), found


def is_plain(types: Iterable[type]) -> bool:
    """Whether values of these types are nothing but compared: no list, no NULL, no operators."""
    return PLAIN.issuperset(types)


def has_subquery(shape: Shape) -> bool:
    """Whether the shape asks any table by a subquery, or might."""
    if shape[:1] == (GUARD,):
        return shape[1].asks_tables
    return any(isinstance(part, Subquery) or (type(part) is tuple and has_subquery(part)) for part in shape)


def listed(shape: Shape) -> list[str]:
    """The columns that a shape of ANDs compares with a list that has something in it."""
    return [t[1] for t in shape[1:] if t[0] == "in" and (t[2].number is None or t[2].number + t[2].has_null)]


def is_everything(shape: Shape) -> bool:
    """Whether every row fulfils the shape, whatever it holds: `{}`, `[{}]`, `{"or": [{"id": 1}, {}]}`,
    `{"id": {"not_in": []}}`."""
    if shape[0] == "and":
        return all(map(is_everything, shape[1:]))
    if shape[0] == "or":
        return any(map(is_everything, shape[1:]))
    if shape[0] == "not" and len(shape) == 2:
        return _is_nothing(shape[1])
    return shape[0] == "not_in" and shape[2] == _NO_VALUE


def _is_nothing(shape: Shape) -> bool:
    if shape[0] == "and":
        return any(map(_is_nothing, shape[1:]))
    if shape[0] == "or":
        return all(map(_is_nothing, shape[1:]))
    if shape[0] == "not" and len(shape) == 2:
        return is_everything(shape[1])
    return shape[0] == "in" and shape[2] == _NO_VALUE


_NO_VALUE = Listed(0, False)
