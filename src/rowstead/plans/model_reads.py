"""Reads of a mapped class in the language of filters, as calls and walks for a session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

import sqlalchemy as sa
from sqlalchemy.exc import CompileError
from sqlalchemy.sql import visitors
from sqlalchemy.sql.functions import FunctionElement

from rowstead.errors import ValidationError
from rowstead.language.bound import (
    BoundSlots,
    ModelTable,
    ModelWhere,
    read_sort,
    read_where,
)
from rowstead.language.conditions import read_count
from rowstead.language.criteria import Criteria
from rowstead.language.ordering import Sort
from rowstead.language.shapes import EVERYTHING, EXPRESSION, Shape
from rowstead.plan import Call, Plan, first_value
from rowstead.plans.model_pages import ModelWalk
from rowstead.plans.paging import Page, counted_page, following_page
from rowstead.statements.for_models import ModelStatements
from rowstead.tables.access import FULL_ACCESS, Access
from rowstead.values.encoders import held


class Filter(NamedTuple):
    """A condition on a mapped class as it was read, and whether the caller's own part says anything."""

    shape: Shape
    values: list[Any]
    own: Shape

    @property
    def by_expression(self) -> bool:
        """Whether a part of it is a condition of SQLAlchemy's, which no kept statement can hold."""
        return any(part[0] == EXPRESSION for part in (self.shape, *_terms(self.shape)))


def filter_of(
    model: ModelTable, where: ModelWhere, always: Mapping[str, Any], access: Access = FULL_ACCESS
) -> Filter:
    """A caller's filter and what holds beside it, which no `access` hides."""
    own, values = read_where(model, where, access)
    shape = own
    conditions: tuple[ModelWhere, ...] = (_of_this_class(model), always)
    for condition in conditions:
        more, more_values = read_where(model, condition)
        if more != EVERYTHING:
            shape, values = ("and", *_terms(shape), *_terms(more)), [*values, *more_values]
    return Filter(shape, values, own)


def _terms(shape: Shape) -> Sequence[Any]:
    """What a shape is an AND of."""
    return () if shape == EVERYTHING else shape[1:] if shape[0] == "and" else (shape,)


def _of_this_class(model: ModelTable) -> ModelWhere:
    """Where several classes share a table: which rows are this class's, or a subclass's."""
    mapper = model.mapper
    kind: Any = mapper.polymorphic_on
    if not mapper.single or kind is None:
        return {}
    identities = [one.polymorphic_identity for one in mapper.self_and_descendants]
    if not isinstance(kind, sa.Column):
        # The classes are told apart by an expression.
        return kind.in_(identities)
    # By attribute: another attribute may be called as this one's column.
    return {mapper.get_property_by_column(cast("Any", kind)).key: {"in": identities}}


def find(
    statements: ModelStatements,
    where: Filter,
    order: Sort,
    limit: int | None,
    offset: int | None,
    access: Access,
) -> Call[list[Any]]:
    """The objects that fulfil a filter, in this order."""
    table = statements.model.table
    terms = read_sort(statements.model, order, access)
    bounds = [read_count(what, n) for what, n in (("limit", limit), ("offset", offset)) if n is not None]
    key = ("select", table, (), where.shape, terms, limit is not None, offset is not None)
    statement = statements.get(key)
    return statement.call([*where.values, *bounds], statement.rows)


def first(statements: ModelStatements, where: Filter) -> Call[Any]:
    """One object that fulfils a filter, or None."""
    statement = statements.get(("get", statements.model.table, (), where.shape))
    return statement.call(where.values, lambda records: records[0][0] if records else None)


def count(statements: ModelStatements, where: Filter) -> Call[int]:
    """How many rows fulfil a filter."""
    return statements.get(("count", statements.model.table, where.shape)).call(where.values, first_value)


def exists(statements: ModelStatements, where: Filter) -> Call[bool]:
    """Whether any row fulfils a filter."""
    return statements.get(("exists", statements.model.table, where.shape)).call(where.values, bool)


def walk(statements: ModelStatements, where: Filter, order: Sort, access: Access) -> ModelWalk:
    """A keyset walk over the objects that fulfil a filter."""
    return ModelWalk(statements, where.shape, where.values, read_sort(statements.model, order, access))


def page(walk: ModelWalk, limit: int, offset: int, after: str | None, counted: bool) -> Plan[Page[Any]]:
    """The page from `offset` on, or the one behind the `next` of another (`after`)."""
    limit = read_count("limit", limit)
    if limit < 1:
        raise ValidationError("a page has a limit of at least 1")
    if after is None:
        return counted_page(walk, limit, read_count("offset", offset), counted)
    if offset:
        raise ValidationError("a page begins at an offset or behind a token (`after`), not both")
    return following_page(walk, limit, after, counted)


# Parts of statements that a caller puts together


def condition(statements: ModelStatements, where: ModelWhere) -> Any:
    """A filter as an expression for `select(Model).where(...)`."""
    shape, values = read_where(statements.model, where)
    slots = BoundSlots(statements.dialect, statements.codec, values)
    return Criteria(slots, statements.model.table).condition(shape)


def ordering(statements: ModelStatements, order: Sort) -> list[Any]:
    """An order as the terms of `select(Model).order_by(...)`."""
    slots = BoundSlots(statements.dialect, statements.codec, ())
    return Criteria(slots, statements.model.table).order(read_sort(statements.model, order))


def key_values(model: ModelTable, key: Any) -> tuple[Any, ...]:
    """A primary key's values, each of its column's type: a value, a tuple in the key's order or a mapping.

    ValidationError for another number of values, for other names, and for a value that is none of the type.
    """
    names = model.table.key
    if isinstance(key, Mapping):
        given = {
            model.column(str(name)).name: value for name, value in cast("Mapping[Any, Any]", key).items()
        }
        if set(given) != set(names):
            raise ValidationError(
                f"a key of {model.table.name} is {list(names)}, not {list(given)}", table=model.table.name
            )
        values = tuple(given[name] for name in names)
    elif isinstance(key, (tuple, list)):
        values = tuple(cast("list[Any]", key))
    else:
        values = (key,)
    if len(values) != len(names) or None in values:
        raise ValidationError(
            f"a key of {model.table.name} is a value for each of {list(names)}, none of them None; "
            f"got {key!r}",
            table=model.table.name,
        )
    return tuple(held(model.table.columns[name])(value) for name, value in zip(names, values, strict=True))


def key_terms(model: ModelTable) -> list[Any]:
    """The columns of the class's key, ascending, for a session's statement."""
    return [model.expression(name) for name in model.table.key]


def read_by(statement: Any, model: ModelTable) -> list[Any]:
    """As what a select reads the class: the class where its own table is read, and aliases it selects."""
    tables = set(model.mapper.tables)
    plain = any(tables & set(_tables_in(part)) for part in statement.get_final_froms())
    selected = [described["entity"] for described in statement.column_descriptions]
    aliases = [one for one in selected if one is not None and sa.inspect(one).is_aliased_class]
    of_class = [one for one in dict.fromkeys(aliases) if sa.inspect(one).mapper.isa(model.mapper)]
    return [model.model, *of_class] if plain else of_class


def _tables_in(part: Any) -> list[Any]:
    """The tables that a FROM joins; what an alias or a subquery reads is that one's own."""
    if isinstance(part, sa.Join):
        return [*_tables_in(part.left), *_tables_in(part.right)]
    return [part] if isinstance(part, sa.Table) else []


# Selects that a caller put together


def limited(statement: Any, limit: int) -> Any:
    """The select with this limit, or its own where that is lower.

    One whose own limit only the database knows stays as it is, and may give more.
    """
    if statement._fetch_clause is not None:
        return statement
    if statement._limit_clause is None:
        return statement.limit(limit)
    try:
        return statement.limit(min(limit, statement._limit))
    except CompileError:
        return statement


def can_be_ordered(statement: Any, model: ModelTable) -> bool:
    """Whether the class's key may order a select: it gives rows of the class's table, not values of many."""
    if not isinstance(statement, sa.Select) or model.model not in read_by(statement, model):
        return False
    select = cast("Any", statement)
    values = [one["expr"] for one in select.column_descriptions if one["expr"] is not one["entity"]]
    computed = any(isinstance(part, FunctionElement) for one in values for part in visitors.iterate(one))
    return not (computed or select._distinct or select._group_by_clauses)


def gives_objects(statement: Any) -> bool:
    """Whether a statement gives objects of a mapped class, whose collections may be joined to them."""
    described: Sequence[Any] = getattr(statement, "column_descriptions", ())
    return any(one["entity"] is not None and one["expr"] is one["entity"] for one in described)
