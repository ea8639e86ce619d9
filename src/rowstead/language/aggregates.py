"""Aggregate functions, one entry each, and what a grouped statement gives: a table of groups.

The groups are described as a virtual table of the group columns and the aggregates' aliases, so that
`having`, orders and readers treat them as they treat any table. Knows no statement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeAlias, cast

import sqlalchemy as sa

from rowstead.errors import ValidationError, did_you_mean
from rowstead.language.expressions import Expression, Slots, Source, detached
from rowstead.plan import Record
from rowstead.tables.dicts import dict_rows
from rowstead.tables.schema import COMPOSITE_KINDS, Column, Decode, Kind, Table

GROUPS = "groups"
"""Names the fact of a virtual table that says what is grouped, and how: `Groups`."""
MAX_KEPT = 64
"""How many groupings are kept for each table."""

COUNT_ALL: Expression = sa.literal_column("count(*)", sa.Integer())


@dataclass(frozen=True, slots=True)
class Function:
    """An aggregate function: on which kinds of column it makes sense (None: all) and what it gives."""

    name: str
    result: Callable[[Column], Column]
    kinds: frozenset[Kind] | None = None
    needs_column: bool = True


def _same(column: Column) -> Column:
    return replace(column, nullable=True)


def _count(column: Column) -> Column:
    return Column(column.name, Kind.INT, int)


def _mean(column: Column) -> Column:
    return _same(column) if column.kind is Kind.DECIMAL else Column(column.name, Kind.FLOAT, float, True)


_ROWS = Column("*", Kind.INT, int)
"""What stands for the column where rows are counted."""
_NUMBERS = frozenset({Kind.INT, Kind.FLOAT, Kind.DECIMAL})
_ORDERED = frozenset(Kind) - COMPOSITE_KINDS - {Kind.BYTES, Kind.UUID}
"""PostgreSQL knows no least of the others."""

FUNCTIONS: Mapping[str, Function] = {
    f.name: f
    for f in (
        Function("count", _count, needs_column=False),
        Function("sum", _same, _NUMBERS | {Kind.TIMEDELTA}),
        Function("avg", _mean, _NUMBERS),
        Function("min", _same, _ORDERED),
        Function("max", _same, _ORDERED),
    )
}


class Aggregate(NamedTuple):
    """One aggregate of a grouped statement: `function` of the column's (distinct) values, called `alias`."""

    function: str
    alias: str
    column: str | None = None
    distinct: bool = False


class Groups(NamedTuple):
    """What a table of groups is made of."""

    table: Table
    by: tuple[str, ...]
    aggregates: tuple[Aggregate, ...]

    def source(self, slots: Slots, source: Source) -> Source:
        """The groups' columns, spelled over the grouped table's source."""
        columns = {name: source.column(name) for name in self.by}
        columns.update((a.alias, self._spelled(slots, source, a)) for a in self.aggregates)
        return Source(source.clause, columns, source.parts)

    def wanted(self, grouped: Source) -> list[Expression]:
        """What is selected: the columns of `source` in order, the aggregates under their aliases."""
        aliases = {a.alias for a in self.aggregates}
        columns = (grouped.columns or {}).items()
        return [column.label(name) if name in aliases else column for name, column in columns]

    def _spelled(self, slots: Slots, source: Source, aggregate: Aggregate) -> Expression:
        if aggregate.column is None:
            return COUNT_ALL
        column = self.table.columns[aggregate.column]
        operand = source.column(aggregate.column)
        return slots.aggregated(aggregate.function, column, operand, aggregate.distinct)


Spec: TypeAlias = "Aggregate | Mapping[str, Any]"


def aggregated(table: Table, aggregates: Sequence[Spec], group_by: str | Iterable[str] = ()) -> Table:
    """The virtual table of this grouping of `table`: its columns are the group columns, then the aliases.

    An aggregate is `{"func", "alias", "column"?, "distinct"?}`. An alias that is there already (also
    that of a group column) gives its value to that name. Its values in the statement: none.

    Raises ValidationError for an unknown function, an aggregate without alias, a function that makes no
    sense on its column; UndefinedColumnError for a column that the table lacks.
    """
    if not isinstance(aggregates, Iterable) or isinstance(aggregates, (str, bytes, Mapping)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValidationError(
            f"aggregates are a list of dicts, not {type(aggregates).__name__}", table=table.name
        )
    read = tuple(_read(table, aggregate) for aggregate in aggregates)
    by = table.names(group_by, "group_by") if group_by else ()
    kept: dict[Any, Table] = table.facts.setdefault("groupings", {})
    found = kept.get((by, read))
    if found is None:
        found = _described(Groups(table, by, read))
        if len(kept) >= MAX_KEPT:
            kept.clear()
        kept[by, read] = found
    return found


def _read(table: Table, spec: Spec) -> Aggregate:
    aggregate = spec if isinstance(spec, Aggregate) else _from_mapping(spec)
    function = FUNCTIONS.get(aggregate.function)
    if function is None:
        hint = did_you_mean(str(aggregate.function), FUNCTIONS)
        raise ValidationError(
            f"there is no aggregate function {aggregate.function!r}; {hint}", table=table.name
        )
    if not isinstance(aggregate.alias, str) or not aggregate.alias:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValidationError(f"the aggregate {function.name!r} needs an alias", table=table.name)
    if aggregate.column is None:
        if function.needs_column or aggregate.distinct:
            raise ValidationError(f"the aggregate {aggregate.alias!r} needs a column", table=table.name)
        return aggregate
    column = table.column(aggregate.column)
    if function.kinds is not None and column.kind not in function.kinds:
        raise ValidationError(
            f"{function.name!r} makes no sense on column {column.name!r}, which holds {column.kind.value}",
            table=table.name,
            column=column.name,
        )
    return aggregate._replace(column=column.name)


def _from_mapping(spec: Any) -> Aggregate:
    if not isinstance(spec, Mapping):
        raise ValidationError(f'an aggregate is {{"func", "alias", "column"}}, not {spec!r}')
    entries = dict(cast("Mapping[str, Any]", spec))
    known = ("func", "alias", "column", "distinct")
    for name in entries:
        if name not in known:
            raise ValidationError(f"an aggregate has no {name!r}; {did_you_mean(str(name), known)}")
    func, alias, column = (entries.get(name) for name in known[:3])
    return Aggregate(str(func), cast("str", alias), column, bool(entries.get("distinct")))


def _described(groups: Groups) -> Table:
    table = groups.table
    columns = {name: detached(table, name) for name in groups.by}
    for aggregate in groups.aggregates:
        column = _ROWS if aggregate.column is None else table.columns[aggregate.column]
        result = FUNCTIONS[aggregate.function].result(column)
        columns[aggregate.alias] = replace(result, name=aggregate.alias)
    summed = {a.alias for a in groups.aggregates if a.function == "sum"}
    whole = frozenset(name for name in summed if columns[name].kind is Kind.INT)
    return Table(table.name, columns, (), _hydrate(whole), table.schema, {GROUPS: groups})


def _hydrate(whole: frozenset[str]) -> Callable[..., Callable[[Sequence[Record]], list[Any]]]:
    """Readers of groups. The sum of whole numbers is one, whatever type the database gave it for its size."""

    def hydrate(
        names: Sequence[str], decoders: Sequence[Decode]
    ) -> Callable[[Sequence[Record]], list[dict[str, Any]]]:
        return dict_rows(names, [_whole if n in whole else d for n, d in zip(names, decoders, strict=True)])

    return hydrate


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)
