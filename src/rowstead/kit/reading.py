"""The kit's reads as calls: filters, orders, joins, aggregates and CTEs, all run by the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from rowstead.errors import ValidationError
from rowstead.kit.context import Context, columns_of, key_shape, key_values, several
from rowstead.language.aggregates import aggregated
from rowstead.language.conditions import Where, read, read_count
from rowstead.language.ordering import Sort, read_order, sortable
from rowstead.plan import Call, first_value
from rowstead.rules.accepted import exact_types
from rowstead.statements.compiled import Compiled
from rowstead.statements.ctes import Ctes, ctes
from rowstead.statements.joins import joined
from rowstead.tables.schema import Kind, Table
from rowstead.tables.serialized import friendly, friendly_order

Row = dict[str, Any]
Specifications = Sequence[Mapping[str, Any]]


def get_by_pk(context: Context, name: str, pk: Any) -> Call[Row | None]:
    """The row with this key, or None."""
    kind = cast("type[Any]", type(pk))
    again = context.gets.get((name, kind))
    if again is not None and (pk.isascii() if kind is str else kind is not int or -(2**63) <= pk < 2**63):
        return again.get_again((pk,))
    table = context.table(name)
    compiled = context.compiler.get(("get", table, table.all, key_shape(table)))
    values = key_values(table, pk)
    call = compiled.call(values, compiled.read_one)
    if len(table.key) == 1 and _is_plain(table, kind, compiled):
        context.gets[name, kind] = compiled
    return call


def _is_plain(table: Table, kind: type, compiled: Compiled) -> bool:
    """Whether a key of this type needs no look next time: the column takes it, and it travels as it is."""
    column = table.columns[table.key[0]]
    exact = exact_types(column)
    is_narrow = column.kind is Kind.INT and column.size != 64
    return exact is not None and kind in exact and not is_narrow and compiled.travel_as_they_are((kind,))


def _with_ctes(context: Context, specifications: Specifications | None) -> Ctes:
    if not specifications:
        return Ctes(context.tables, (), [])
    return ctes(specifications, context.tables, outer_strings=True)


def _source(context: Context, name: str, named: Ctes) -> Table:
    found = named.scope.get(name)
    return context.table(name) if found is None else found


def _bounds(limit: int | None, offset: int | None) -> list[Any]:
    """The values of LIMIT and OFFSET, checked."""
    bounds = [("limit", limit), ("offset", offset)]
    return [read_count(what, number) for what, number in bounds if number is not None]


def select(
    context: Context,
    name: str,
    where: Where,
    order: Sort,
    limit: int | None,
    offset: int | None,
    columns: str | Iterable[str] | None,
    distinct: bool,
    cte_specifications: Specifications | None,
) -> Call[list[Row]]:
    named = _with_ctes(context, cte_specifications)
    table = _source(context, name, named)
    shape, values = read(where, table, scope=named.scope, outer_strings=True)
    wanted = columns_of(table, columns)
    if not wanted:
        raise ValidationError(f"a select of {name} wants at least one column", table=name)
    key = (
        "select",
        table,
        wanted,
        shape,
        read_order(order, table),
        limit is not None,
        offset is not None,
        None,
        False,
        bool(distinct),
        named.tables,
    )
    compiled = context.compiler.get(key)
    return compiled.call([*named.values, *values, *_bounds(limit, offset)], compiled.read_all)


def count(context: Context, name: str, where: Where, cte_specifications: Specifications | None) -> Call[int]:
    named = _with_ctes(context, cte_specifications)
    table = _source(context, name, named)
    shape, values = read(where, table, scope=named.scope, outer_strings=True)
    compiled = context.compiler.get(("count", table, shape, named.tables))
    return compiled.call([*named.values, *values], first_value)


def aggregate(
    context: Context,
    name: str,
    aggregates: Specifications,
    where: Where,
    group_by: str | Iterable[str] | None,
    having: Where,
    order: Sort,
    limit: int | None,
    offset: int | None,
    cte_specifications: Specifications | None,
) -> Call[list[Row]]:
    named = _with_ctes(context, cte_specifications)
    table = _source(context, name, named)
    groups = (group_by,) if isinstance(group_by, str) else tuple(several(group_by or (), "group_by", table))
    result = aggregated(table, aggregates, groups)
    shape, values = read(where, table, scope=named.scope, outer_strings=True)
    having_shape, having_values = read(having, result)
    # Without an order the groups would come in whichever the database met them.
    terms = read_order(sortable(result, groups) if order is None else order, result)
    key = (
        "aggregate",
        result,
        shape,
        having_shape,
        terms,
        limit is not None,
        offset is not None,
        named.tables,
    )
    compiled = context.compiler.get(key)
    given = [*named.values, *values, *having_values, *_bounds(limit, offset)]
    return compiled.call(given, compiled.read_all)


def join(
    context: Context,
    name: str,
    joins: Specifications,
    alias: str | None,
    where: Any,
    order: Any,
    limit: int | None,
    offset: int | None,
    cte_specifications: Specifications | None,
) -> Call[list[dict[str, Row | None]]]:
    named = _with_ctes(context, cte_specifications)
    base = _source(context, name, named)
    table, join_values = joined(base, alias, joins, named.scope)
    shape, values = read(
        friendly(where, table), table, scope=named.scope, outer_strings=True, column_operands=True
    )
    key = (
        "select",
        table,
        table.all,
        shape,
        read_order(friendly_order(order), table),
        limit is not None,
        offset is not None,
        None,
        False,
        False,
        named.tables,
    )
    compiled = context.compiler.get(key)
    given = [*named.values, *join_values, *values, *_bounds(limit, offset)]
    return compiled.call(given, compiled.read_all)
