"""Reads of a mapped class in the language of filters, as calls and walks for a session."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import sqlalchemy as sa
from sqlalchemy.sql import visitors

from rowstead.errors import ValidationError
from rowstead.language.bound import BoundSlots, ModelTable, ModelWhere, read_sort, read_where
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
        """Whether the caller's own part is a condition of SQLAlchemy's."""
        return self.own[0] == EXPRESSION


def filter_of(
    model: ModelTable, where: ModelWhere, always: Mapping[str, Any], access: Access = FULL_ACCESS
) -> Filter:
    """A caller's filter and what holds beside it, which no `access` hides."""
    own, values = read_where(model, where, access)
    always = {**_of_this_class(model), **always}
    if not always:
        return Filter(own, values, own)
    first, first_values = read_where(model, always)
    rest = () if own == EVERYTHING else own[1:] if own[0] == "and" else (own,)
    return Filter(("and", *rest, *first[1:]), [*values, *first_values], own)


def _of_this_class(model: ModelTable) -> Mapping[str, Any]:
    """Where several classes share a table: which rows are this class's, or a subclass's."""
    mapper = model.mapper
    name = getattr(mapper.polymorphic_on, "name", None)
    if not mapper.single or name is None:
        return {}
    return {name: {"in": [one.polymorphic_identity for one in mapper.self_and_descendants]}}


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


def page(walk: ModelWalk, number: int, size: int, after: str | None, counted: bool) -> Plan[Page[Any]]:
    """The page of this number, from 1, or the one behind the `next` of another (`after`)."""
    for what, value in (("number", number), ("size", size)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValidationError(f"a page's {what} is a whole number of at least 1, not {value!r}")
    if after is None:
        return counted_page(walk, size, read_count("offset", (number - 1) * size), counted)
    if number != 1:
        raise ValidationError("give a page's number, or after= a token, not both")
    return following_page(walk, size, after, counted)


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


def reads_from(statement: Any, model: ModelTable) -> bool:
    """Whether a select names the class's table among what it reads from."""
    tables = set(model.mapper.tables)
    return any(tables & set(_tables_in(part)) for part in statement.get_final_froms())


def _tables_in(part: Any) -> list[Any]:
    return [one for one in visitors.iterate(part) if isinstance(one, sa.Table)]
