"""Joins as virtual tables (see `virtual`): what stands in FROM beside one table.

A join's columns have dotted names (`o.customer_id`); a bare name is that of the first side that has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.sql.selectable import FromClause

from rowstead.errors import ValidationError, did_you_mean
from rowstead.language.conditions import read
from rowstead.language.criteria import Criteria
from rowstead.language.expressions import (
    SOURCE,
    Expression,
    Slots,
    Source,
    detached,
    source_of,
)
from rowstead.language.shapes import EVERYTHING, Beside, Shape
from rowstead.statements.virtual import entries, keep, listed, scoped, spellable
from rowstead.tables.dicts import ReadAll, Side, nested_rows
from rowstead.tables.schema import Column, Decode, Kind, Table
from rowstead.tables.serialized import friendly

MATCHED = "$matched"
"""A column that we give to a side that may be missing and has no column which is never NULL."""
_KINDS = ("inner", "left", "right", "full", "cross")


class _Named(dict[str, Column]):
    """A join's columns by dotted names; a bare name finds the first side's, and is not listed."""

    def __init__(self, columns: Mapping[str, Column], bare: Mapping[str, str]) -> None:
        super().__init__(columns)
        self.bare = bare

    def __missing__(self, name: str) -> Column:
        return self[self.bare[name]]

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or name in self.bare


class _Part(NamedTuple):
    """One side of a join: its alias, its table, whether rows may come without it."""

    alias: str
    table: Table
    may_miss: bool = False

    def never_null(self) -> str | None:
        """The column by which a missing side is seen; None where no column tells."""
        columns = [detached(self.table, name) for name in (*self.table.key, *self.table.columns)]
        return next((c.name for c in columns if not c.nullable), None)

    def names(self) -> tuple[str, ...]:
        marked = self.may_miss and self.never_null() is None
        return (*self.table.all, MATCHED) if marked else self.table.all

    def column(self, name: str) -> Column:
        dotted = f"{self.alias}.{name}"
        if name == MATCHED:
            return Column(dotted, Kind.INT, int, nullable=True)
        return detached(self.table, name, dotted, self.may_miss)


class _Step(NamedTuple):
    """How one side joins those before it."""

    kind: str
    on: Shape


class _Join(NamedTuple):
    """A join as its virtual table knows it: the sides in order, and a step for each after the first."""

    parts: tuple[_Part, ...]
    steps: tuple[_Step, ...]


def joined(
    base: Table, alias: str | None, joins: Sequence[Mapping[str, Any]], scope: Mapping[str, Table]
) -> tuple[Table, list[Any]]:
    """`base` joined to other tables of the scope, as a virtual table, and the values of the conditions.

    A join is `{"kind"?, "table", "alias"?, "on"?}`; kinds are inner (unless said), left, right, full and
    cross; without `on` every pair of rows is joined. `on` is a filter with dotted names in which
    `{"$column": "c.id"}` is a column, or what `on_eq` makes. A NULL equals nothing, so it joins nothing.
    Rows come as `{alias: dict | None}`.

    Raises ValidationError for anything else, UndefinedTableError and UndefinedColumnError for names.
    """
    table = _virtual(base.facts, _Join((_Part(_alias(base, alias), base),), ()))
    values: list[Any] = []
    for spec in listed(joins, "joins"):
        table = _with(table, spec, scope, values)
    return table, values


def _alias(table: Table, alias: Any) -> str:
    name = table.name if alias is None else alias
    if not isinstance(name, str) or not name or "." in name:
        raise ValidationError(f"a joined table needs an alias without a dot, got {name!r}", table=table.name)
    return spellable(name)


def _with(table: Table, spec: Mapping[str, Any], scope: Mapping[str, Table], values: list[Any]) -> Table:
    """The join with one more side. Its condition may name any side up to its own."""
    said = entries(spec, "a join", ("kind", "table", "alias", "on"))
    kind = said.get("kind") or "inner"
    if kind not in _KINDS:
        raise ValidationError(f"there is no join of kind {kind!r}; {did_you_mean(str(kind), _KINDS)}")
    right = scoped(said.get("table"), scope, "a join")
    join: _Join = table.facts["join"]
    alias = _alias(right, said.get("alias"))
    if alias in {part.alias for part in join.parts}:
        raise ValidationError(f"two joined tables are called {alias!r}; give one of them an alias")
    left_may_miss, may_miss = kind in ("right", "full"), kind in ("left", "full")
    parts = tuple(part._replace(may_miss=part.may_miss or left_may_miss) for part in join.parts)
    step = _Step(kind, EVERYTHING)
    sides = _Join((*parts, _Part(alias, right, may_miss)), (*join.steps, step))
    on = said.get("on")
    if not on:
        return _virtual(table.facts, sides)
    if kind == "cross":
        raise ValidationError("a cross join takes no `on`; write an inner join")
    # What the condition is read against: the same sides, joined by nothing.
    unconditional = _virtual(table.facts, sides)
    shape, given = read(friendly(on, unconditional), unconditional, scope=scope, column_operands=True)
    values.extend(given)
    return _virtual(table.facts, sides._replace(steps=(*join.steps, _Step(kind, shape))))


def _virtual(facts: dict[str, Any], join: _Join) -> Table:
    """The one virtual table of this join, kept in the facts of the join before it."""
    kept: dict[_Join, Table] = facts.setdefault("joins", {})
    found = kept.get(join)
    if found is None:
        found = _table_of(join)
        keep(kept, join, found)
    return found


def _table_of(join: _Join) -> Table:
    columns: dict[str, Column] = {}
    bare: dict[str, str] = {}
    for part in join.parts:
        for name in part.names():
            column = part.column(name)
            columns[column.name] = column
            bare.setdefault(name, column.name)

    def hydrate(names: Sequence[str], decoders: Sequence[Decode]) -> ReadAll:
        dotted = [name if name in columns else bare[name] for name in names]
        return _reader(join, dotted, decoders)

    def spell(slots: Slots) -> Source:
        return _spelled(slots, table, join)

    table = Table(
        " JOIN ".join(part.alias for part in join.parts),
        _Named(columns, bare),
        (),
        hydrate,
        facts={SOURCE: spell, "join": join},
    )
    return table


def _reader(join: _Join, names: Sequence[str], decoders: Sequence[Decode]) -> ReadAll:
    """A reader of joined rows; `names` are dotted, and each side that may be missing must be told by one."""
    places = {name: place for place, name in enumerate(names)}
    sides: dict[str, Side] = {}
    for part in join.parts:
        keys = {
            name: places[dotted] for name in part.table.all if (dotted := f"{part.alias}.{name}") in places
        }
        if not part.may_miss:
            sides[part.alias] = Side(keys)
            continue
        telling = f"{part.alias}.{part.never_null() or MATCHED}"
        if telling not in places:
            raise ValidationError(
                f"whether a row has a {part.alias!r} is told by {telling!r}: ask for it too"
            )
        sides[part.alias] = Side(keys, places[telling])
    return nested_rows(sides, decoders)


def _spelled(slots: Slots, table: Table, join: _Join) -> Source:
    """FROM, joined step by step; the values of each condition are made when its side is reached."""
    columns: dict[str, Expression] = {}
    parts: list[FromClause] = []
    for part in join.parts:
        clause = _clause(slots, part)
        parts.append(clause)
        columns.update((f"{part.alias}.{name}", clause.c[name]) for name in part.names())
    whole = parts[0]
    source = Source(whole, _Spellings(columns, table.columns), tuple(parts))
    criteria = Criteria(slots, table, source)
    for step, part, clause in zip(join.steps, join.parts[1:], parts[1:], strict=True):
        if step.kind == "full" and not slots.dialect.full_join:
            raise ValidationError(
                f"{slots.dialect.name} has no full join; use a left join, and a second one with the sides "
                "changed for the rows that it left out",
                table=part.table.name,
            )
        on = criteria.where(step.on)
        condition = sa.true() if on is None else on
        if step.kind == "full" and slots.dialect.full_join_by_equality and not _equates(step.on, part):
            condition = sa.and_(_any(next(iter(parts[0].c))) == _any(next(iter(clause.c))), condition)
        if step.kind == "right":
            whole = clause.outerjoin(whole, condition)
        else:
            outer = step.kind in ("left", "full")
            whole = whole.join(clause, condition, isouter=outer, full=step.kind == "full")
    return source._replace(clause=whole)


def _equates(on: Shape, part: _Part) -> bool:
    """Whether the condition is nothing, or demands a column of this side to equal one of the sides before."""
    own = {part.column(name).name for name in part.names()}
    terms = [term for term in _demanded(on) if term[0] == "eq" and isinstance(term[2], Beside)]
    return on == EVERYTHING or any(len({term[1], term[2].column} & own) == 1 for term in terms)


def _demanded(shape: Shape) -> Iterator[Shape]:
    """What all must hold for the shape to hold."""
    if shape[0] != "and":
        yield shape
        return
    for part in shape[1:]:
        yield from _demanded(part)


def _any(column: Expression) -> Expression:
    """True whatever the column holds: the equality between the sides of a full join that has no other."""
    return sa.or_(column.is_(None), column.is_not(None)).self_group()


class _Spellings(dict[str, Expression]):
    """The SQL of a join's columns; a bare name is its column's."""

    def __init__(self, columns: Mapping[str, Expression], named: Mapping[str, Column]) -> None:
        super().__init__(columns)
        self._named = named

    def __missing__(self, name: str) -> Expression:
        return self[self._named[name].name]


def _clause(slots: Slots, part: _Part) -> FromClause:
    clause = source_of(slots, part.table).clause
    if part.may_miss and part.never_null() is None:
        marked = sa.literal_column("1", sa.Integer()).label(MATCHED)
        return sa.select(*clause.c, marked).select_from(clause).subquery(part.alias)
    return clause if part.alias == part.table.name else clause.alias(part.alias)
