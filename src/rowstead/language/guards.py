"""Guards: conditions of SQLAlchemy's that a hook adds to a statement, as parts of ours.

A hook is given a statement and returns it with more conditions. What it added becomes part of the shape
of the statement that is sent, with its values apart, so that a guarded statement is kept and found again
like every other: it is known by what SQLAlchemy itself keeps compiled statements by, its cache key. The
conditions may ask other tables by subqueries; joins, orders and limits are refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from types import CoroutineType
from typing import Any, NamedTuple, cast

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.elements import BinaryExpression, BindParameter, ClauseList, False_, Grouping, True_
from sqlalchemy.sql.selectable import Alias, FromClause, SelectBase, Subquery
from sqlalchemy.types import NullType, TupleType, TypeEngine

from rowstead.dialects import Dialect
from rowstead.errors import UsageError, ValidationError
from rowstead.language.expressions import Around, Expression, Slots
from rowstead.language.shapes import EVERYTHING, GUARD, Shape
from rowstead.tables.from_sqlalchemy import column_of_type


class Guard(NamedTuple):
    """A condition on rows of one table: its shape, and its values in order."""

    shape: Shape
    values: tuple[Any, ...]


NO_GUARD = Guard(EVERYTHING, ())
"""Says nothing."""


class Kept:
    """A condition without its values. Equal ones differ in their values alone."""

    __slots__ = ("_hash", "_key", "_types", "asks_tables", "condition", "keepable", "parameters", "table")

    def __init__(self, table: sa.Table, condition: Any) -> None:
        self.table = table
        self.condition = condition
        key = condition._generate_cache_key()
        self.keepable = key is not None
        """Whether a statement with it may be kept: not if SQLAlchemy cannot tell it from another."""
        found: Sequence[Any] = _parameters(condition) if key is None else key.bindparams
        self.parameters: list[BindParameter[Any]] = list({id(one): one for one in found}.values())
        self._types = _types_beside(condition)
        self.asks_tables = any(map(_may_ask, visitors.iterate(condition)))
        """Whether it may ask any table by a subquery."""
        sizes = tuple(len(_several(one)) for one in self.parameters if one.expanding)
        self._key = (id(condition) if key is None else key.key, sizes)
        self._hash = hash(self._key)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Kept) and self._key == other._key

    def values(self) -> tuple[Any, ...]:
        """The values of its parameters, those of a list one by one."""
        found: list[Any] = []
        for one in self.parameters:
            if one.required:
                raise UsageError(f"a hook's condition on {self.table.name} has no value for {one.key!r}")
            found.extend(_flat(one) if one.expanding else (one.effective_value,))
        return tuple(found)

    def spelled(self, slots: Slots, clause: FromClause) -> Expression:
        """The condition on the rows of `clause`, which is the table in this statement."""
        slots.keepable = slots.keepable and self.keepable
        types = self._types
        replaced = {id(one): _slot(slots, one, types.get(id(one), one.type)) for one in self.parameters}

        def replace(element: Any, **_kw: Any) -> Any:
            if isinstance(element, BindParameter):
                return replaced.get(id(cast("Any", element)))
            if element is self.table:
                return clause
            if isinstance(element, sa.Column) and cast("Any", element).table is self.table:
                return _column(cast("sa.Column[Any]", element), clause)
            return None

        return _Around(clause, cast("Any", visitors.replacement_traverse(self.condition, {}, replace)))


def guard_of(table: sa.Table, before: Any, after: Any) -> Guard:
    """What a hook added to `before`, a select, update or delete of `table` that says nothing else.

    Raises UsageError where `after` is not that statement with conditions added.
    """
    if after is before:
        return NO_GUARD
    if type(after) is not type(before):
        if isinstance(after, CoroutineType):
            cast("CoroutineType[Any, Any, Any]", after).close()
        raise UsageError(
            f"a condition hook of {table.name} returned {type(cast('Any', after)).__name__}: it returns the "
            "statement that it is given, with conditions added by .where(…)"
        )
    was, now = cast("dict[str, Any]", vars(before)), cast("dict[str, Any]", vars(after))
    for name, *_ in after._traverse_internals:
        if name != _CONDITIONS and now.get(name) is not was.get(name):
            raise UsageError(
                f"a condition hook of {table.name} may only add conditions by .where(…), and changed "
                f"{name.strip('_')!r}; ask other tables by EXISTS or IN with a subquery"
            )
    added = getattr(after, _CONDITIONS)
    if not added:
        return NO_GUARD
    condition = sa.and_(*added) if len(added) > 1 else added[0]
    others = [one for one in cast("Any", condition)._from_objects if one is not table]
    if others:
        raise UsageError(
            f"a condition hook of {table.name} asks {others[0]} beside it; ask other tables by EXISTS or IN "
            "with a subquery"
        )
    if any(isinstance(one, sa.CTE) for one in visitors.iterate(condition)):
        # It may stand twice in one statement, whose definitions have one name each.
        raise UsageError(
            f"a condition hook of {table.name} uses a CTE; write it as a subquery where it is used"
        )
    kept = Kept(table, condition)
    return Guard((GUARD, kept), kept.values())


_CONDITIONS = "_where_criteria"


def _flat(parameter: BindParameter[Any]) -> Iterable[Any]:
    """The values of a list one by one, those of its tuples too."""
    many = _several(parameter)
    return chain.from_iterable(many) if isinstance(parameter.type, TupleType) else many


def _several(parameter: BindParameter[Any]) -> Sequence[Any]:
    """The values of a parameter that is a list."""
    return cast("Sequence[Any]", parameter.effective_value)


def _parameters(condition: Any) -> list[BindParameter[Any]]:
    return [one for one in visitors.iterate(condition) if isinstance(one, BindParameter)]


def _may_ask(element: Any) -> bool:
    """Whether this is a query, or a text of which nobody knows."""
    is_query = isinstance(element, (SelectBase, sa.TextClause, Subquery, Alias))
    return is_query or getattr(element, "is_literal", False)


def _types_beside(condition: Any) -> Mapping[int, TypeEngine[Any]]:
    """By parameter: the type of the column that it is compared with, where one of them only is a text.

    A database may else make a number of the text, and find that it equals zero. ValidationError for a truth
    value beside a text, which is no parameter.
    """
    found: dict[int, TypeEngine[Any]] = {}
    for one in visitors.iterate(condition):
        if not isinstance(one, BinaryExpression) or not operators.is_comparison(cast("Any", one).operator):
            continue
        sides = cast("Any", one).left, cast("Any", one).right
        for column, parameter in (sides, sides[::-1]):
            if not isinstance(column, sa.Column):
                continue
            if isinstance(parameter, True_ | False_) and isinstance(cast("Any", column).type, sa.String):
                name = str(cast("Any", column).name)
                raise ValidationError(f"column {name!r} takes str, not bool (in a hook)", column=name)
            if not isinstance(parameter, BindParameter):
                continue
            types = cast("Any", column).type, cast("Any", parameter).type
            if isinstance(types[0], sa.String) != isinstance(types[1], sa.String):
                found[id(cast("Any", parameter))] = types[0]
    return found


def _slot(slots: Slots, parameter: BindParameter[Any], type_: Any) -> Any:
    """What stands for a parameter: a slot, or as many as its list has values."""
    # Messages name the column that a value is compared with, where that is known.
    name = str(getattr(parameter, "_orig_key", None) or parameter.key)
    if not parameter.expanding:
        return _of_type(slots, name, type_)
    many = _several(parameter)
    if not many:
        return _nothing(type_)
    if isinstance(type_, TupleType):
        return _in_brackets([_in_brackets([_of_type(slots, name, t) for t in type_.types]) for _ in many])
    return _in_brackets([_of_type(slots, name, type_) for _ in many])


def _of_type(slots: Slots, name: str, type_: TypeEngine[Any]) -> Expression:
    """The next slot, with its type beside it where a database cannot tell it from where it stands."""
    column = column_of_type(name, type_, nullable=True)
    slot = slots.exact(column, slots.operand(column))
    cast_to = _cast_to(slots.dialect, type_)
    return Around("", slot, cast_to) if cast_to else slot


def _cast_to(dialect: Dialect, type_: TypeEngine[Any]) -> str:
    """How SQLAlchemy writes a parameter's type behind it for this database; empty where it does not."""
    written = _written(dialect)
    impl = type_.dialect_impl(written)
    if isinstance(type_, NullType) or not impl.render_bind_cast:
        return ""
    return written.statement_compiler(written, None).render_bind_cast(type_, impl, "")


@lru_cache(maxsize=8)
def _written(dialect: Dialect) -> Any:
    return dialect.written("named")


def _in_brackets(some: Sequence[Any]) -> Any:
    return cast("Any", Grouping(ClauseList(*some)))


def _nothing(type_: Any) -> Any:
    """What stands behind IN for an empty list: no row, of the right types."""
    types: Sequence[Any] = type_.types if isinstance(type_, TupleType) else [type_]
    nulls = [sa.null() if isinstance(t, NullType) else sa.cast(sa.null(), t) for t in types]
    return sa.select(*nulls).where(sa.literal_column("1") != sa.literal_column("1")).scalar_subquery()


def _column(column: sa.Column[Any], clause: FromClause) -> Expression:
    """A table's column in `clause`; it keeps its type, by which SQLAlchemy spells what is done with it."""
    found = sa.column(column.name, column.type)
    found.table = clause
    return found


class _Around(sa.ColumnElement[Any]):
    """A condition whose subqueries may refer to `clause`, wherever in a statement it stands.

    In an INSERT (beside ON CONFLICT, behind RETURNING) SQLAlchemy knows of no table to refer to.
    """

    inherit_cache = False

    def __init__(self, clause: FromClause, inner: Expression) -> None:
        self.clause, self.inner = clause, inner


@compiles(_Around)
def _around(element: _Around, compiler: Any, **kw: Any) -> str:
    entry: Mapping[str, Any] = compiler.stack[-1]
    seen = {name: {*entry[name], element.clause} for name in ("correlate_froms", "asfrom_froms")}
    # Without its table a column would be another table's in a subquery, and a table without its schema
    # another one.
    kw.pop("include_table", None)
    kw.pop("use_schema", None)
    compiler.stack.append({**entry, **seen})
    try:
        return compiler.process(element.inner.self_group(against=operators.and_), **kw)
    finally:
        compiler.stack.pop()
