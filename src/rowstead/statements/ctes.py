"""Common table expressions as virtual tables (see `virtual`): named selects that stand before a statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.sql.selectable import FromClause

from rowstead.errors import ValidationError
from rowstead.language.conditions import read, read_count
from rowstead.language.expressions import (
    CLAUSE,
    CTE,
    Slots,
    detached,
    plain,
)
from rowstead.language.ordering import Order, read_order
from rowstead.language.shapes import Shape
from rowstead.statements.builders import select
from rowstead.statements.virtual import entries, keep, listed, scoped, spellable
from rowstead.tables.dicts import dict_rows
from rowstead.tables.schema import Table


class Ctes(NamedTuple):
    """Common table expressions: the scope with them in it, what goes into a statement's key, their values."""

    scope: Mapping[str, Table]
    tables: tuple[Table, ...]
    values: list[Any]


def ctes(
    specs: Sequence[Mapping[str, Any]], scope: Mapping[str, Table], *, outer_strings: bool = False
) -> Ctes:
    """Common table expressions in order; a later one may read the earlier ones, a name hides a table.

    One is `{"name", "table", "filter"?, "columns"?, "order"?, "limit"?, "offset"?, "distinct"?}`. Its
    tables go into the statement's key (`ctes`) and its values stand before all others.

    Raises ValidationError, UndefinedTableError and UndefinedColumnError.
    """
    found = dict(scope)
    tables: list[Table] = []
    values: list[Any] = []
    for spec in listed(specs, "common table expressions"):
        taken = {*found, *(table.facts[CLAUSE].name for table in tables)}
        table = _cte(spec, found, taken, values, outer_strings)
        tables.append(table)
        found[table.name] = table
    return Ctes(found, tuple(tables), values)


class _Definition(NamedTuple):
    """What a common table expression selects."""

    name: str
    spelled: str
    """Not the name where a table has it: SQLite takes such an expression for one that reads itself."""
    table: Table
    columns: tuple[str, ...]
    where: Shape
    order: Order
    limited: bool
    offset: bool
    distinct: bool

    def spell(self, slots: Slots) -> FromClause:
        parts = (self.columns, self.where, self.order, self.limited, self.offset, None, False, self.distinct)
        return select(slots, self.table, *parts).cte(self.spelled)


def _cte(
    spec: Any, scope: Mapping[str, Table], taken: set[str], values: list[Any], outer_strings: bool
) -> Table:
    known = ("name", "table", "filter", "columns", "order", "limit", "offset", "distinct")
    said = entries(spec, "a common table expression", known)
    name = said.get("name")
    if not isinstance(name, str) or not name:
        raise ValidationError("a common table expression needs a name")
    spellable(name)
    source = scoped(said.get("table"), scope, "a common table expression")
    columns = source.names(said.get("columns") or source.all, "a common table expression")
    where, given = read(said.get("filter"), source, scope=scope, outer_strings=outer_strings)
    values.extend(given)
    counts = [said.get("limit"), said.get("offset")]
    values.extend(read_count(w, c) for w, c in zip(("limit", "offset"), counts, strict=True) if c is not None)
    definition = _Definition(
        name,
        _unused(name, taken),
        source,
        columns,
        where,
        read_order(said.get("order"), source),
        counts[0] is not None,
        counts[1] is not None,
        bool(said.get("distinct")),
    )
    kept: dict[_Definition, Table] = source.facts.setdefault("ctes", {})
    found = kept.get(definition)
    if found is None:
        found = _table_of_cte(definition)
        keep(kept, definition, found)
    return found


def _unused(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _table_of_cte(definition: _Definition) -> Table:
    source = definition.table
    columns = {name: detached(source, name) for name in definition.columns}
    key = source.key if set(source.key) <= set(columns) else ()

    clause = sa.table(definition.spelled, *map(plain, columns))
    facts = {CLAUSE: clause, CTE: definition.spell}
    return Table(definition.name, columns, key, dict_rows, facts=facts)
