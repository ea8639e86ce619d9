"""The condition language: a filter is read once into a hashable shape and a flat list of values.

    {"col": v}            equal; None is IS NULL; a list is IN          {"a": 1, "b": 2}   AND
    {"col": {"gt": 1, "lte": 9}}   operators, AND                       [{…}, {…}]         OR
    {"and": [..]} {"or": [..]} {"not": {..}} {"exists": {..}} {"not_exists": {..}}

A column named like a connective is written `{"col": {"name": "not", "eq": 1}}`. A subquery is
`{"table", "columns", "filter", "order", "limit", "offset"}`; inside it `{"$outer": "column"}` is a
column of the statement around it, and a string is never anything but a value, unless the caller of
`read` says that `"$outer.column"` is one. Where the caller allows it, `{"$column": "name"}` is
another column of the same row. Operators are in `operators.py`. Reading finds every unknown column
and operator, so no SQL is ever made of a name that was not looked up.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias, cast

from rowstead.errors import UndefinedTableError, ValidationError, did_you_mean
from rowstead.language.operators import OPPOSITE, SHORT_LIST, SPELLINGS, Operator, check_alike, check_kind
from rowstead.language.ordering import read_order
from rowstead.language.shapes import EVERYTHING, PLAIN, VALUE, Beside, Listed, Outer, Shape, Subquery
from rowstead.sentinels import Now
from rowstead.tables.access import FULL_ACCESS, Access
from rowstead.tables.from_sqlalchemy import named_table
from rowstead.tables.schema import COMPOSITE_KINDS, Column, Kind, Table

Where: TypeAlias = "Mapping[str, Any] | Iterable[Mapping[str, Any]] | None"
Scope: TypeAlias = Mapping[str, Table]
"""Tables that a subquery may name."""

MAX_DEPTH = 100
"""Levels of nesting, for our own callers too: SQL is put together by recursion."""
CONNECTIVES = ("and", "or", "not", "exists", "not_exists", "col")
_OUTER = "$outer"
_OUTER_STRING = "$outer."
_BESIDE = "$column"
_COLLECTIONS = (list, tuple, set, frozenset, range)


def read(
    where: Where,
    table: Table,
    *,
    access: Access = FULL_ACCESS,
    scope: Scope | None = None,
    outer_strings: bool = False,
    column_operands: bool = False,
) -> tuple[Shape, list[Any]]:
    """The filter as (shape, values). None, {} and [] are no filter: `EVERYTHING`.

    With `outer_strings` the text `"$outer.column"`, as a value inside a subquery, is that column of the
    statement around it (`{"in": ["$outer.x"]}` is still a text); with `column_operands` the value
    `{"$column": "name"}` is another column of the same row. Neither is for filters of strangers, whose
    texts could then change the statement.

    Raises UndefinedColumnError for a column that the table lacks (or `access` hides) and
    ValidationError for whatever is not a filter; both before any SQL exists.
    """
    values: list[Any] = []
    if type(where) is dict and access is FULL_ACCESS:
        flat = cast("dict[str, Any]", where)
        return _read_flat(flat, table, values, scope, outer_strings, column_operands), values
    reader = _Reader(table, values, access, scope, outer_strings, column_operands)
    if where is None:
        return EVERYTHING, values
    if isinstance(where, (list, tuple)) and not where:
        return EVERYTHING, values
    return reader.node(where), values


def _read_flat(
    where: dict[str, Any],
    table: Table,
    values: list[Any],
    scope: Scope | None,
    outer_strings: bool,
    column_operands: bool,
) -> Shape:
    """The warm path: columns with plain values are read without further calls."""
    columns = table.columns
    shape: list[Any] = ["and"]
    for name, value in where.items():
        if type(value) in PLAIN and name in columns and name not in CONNECTIVES:
            shape.append(("eq", name, VALUE))
            values.append(value)
        else:
            reader = _Reader(table, values, FULL_ACCESS, scope, outer_strings, column_operands)
            shape.append(reader.entry(name, value))
    return tuple(shape)


class _Reader:
    """Reads one filter; `depth` counts nesting, `outer` reads the statement around a subquery.

    `texts` and `beside` are `read`'s `outer_strings` and `column_operands`.
    """

    __slots__ = ("access", "beside", "depth", "outer", "refers", "scope", "table", "terms", "texts", "values")

    def __init__(
        self,
        table: Table,
        values: list[Any],
        access: Access,
        scope: Scope | None,
        outer_strings: bool,
        column_operands: bool,
        outer: _Reader | None = None,
    ) -> None:
        self.table = table
        self.values = values
        self.access = access
        self.scope = scope
        self.texts = outer_strings
        self.beside = column_operands
        self.outer = outer
        self.refers = column_operands or outer is not None
        self.depth = 0
        self.terms = 0

    def node(self, node: Any) -> Shape:
        """A filter: a mapping (AND) or a list of filters (OR)."""
        self.depth += 1
        self.access.within("levels", self.depth, self.access.max_depth)
        if self.depth > MAX_DEPTH:
            raise ValidationError(f"the filter is nested more than {MAX_DEPTH} levels deep")
        try:
            if isinstance(node, Mapping):
                entries: Mapping[Any, Any] = node  # pyright: ignore[reportUnknownVariableType]
                if not entries:
                    self._count(1)
                return ("and", *(self.entry(name, value) for name, value in entries.items()))
            return ("or", *self._several(node, "a filter"))
        finally:
            self.depth -= 1

    def _several(self, nodes: Any, what: str) -> Sequence[Shape]:
        if not isinstance(nodes, (list, tuple)):
            raise ValidationError(f"{what} is a dict, or a list of filters; got {type(nodes).__name__}")
        if not nodes:
            self._count(1)
        return [self.node(n) for n in nodes]  # pyright: ignore[reportUnknownVariableType]

    def entry(self, name: Any, value: Any) -> Shape:
        """One key of a filter: a connective or a column."""
        if name == "col" and isinstance(value, Mapping) and "name" in value:
            rest: dict[str, Any] = dict(value)  # pyright: ignore[reportUnknownArgumentType]
            return self._column(rest.pop("name"), rest)
        if name in ("and", "or"):
            return (name, *self._several(value, f"{name!r}"))
        if name == "not":
            return ("not", self.node(value))
        if name in ("exists", "not_exists"):
            return (name, self._subquery(value, None))
        return self._column(name, value)

    def _column(self, name: Any, value: Any) -> Shape:
        column = self._named(name)
        if isinstance(value, Mapping) and not self._names_column(column, value):
            tests: Mapping[Any, Any] = value  # pyright: ignore[reportUnknownVariableType]
            self._count(len(tests) or 1)
            shapes = [self._test(column, spelling, operand) for spelling, operand in tests.items()]
            return shapes[0] if len(shapes) == 1 else ("and", *shapes)
        self._count(1)
        if isinstance(value, _COLLECTIONS):
            return self._test(column, "in", value)
        return self._test(column, "eq", value)

    def _count(self, terms: int) -> None:
        """So many more parts of the filter: tests, and what is empty, which is work all the same."""
        self.terms += terms
        self.access.within("terms", self.terms, self.access.max_terms)

    def _named(self, name: Any) -> Column:
        # What stands for a name in JSON may be a list, which no set can be asked about.
        plain: Any = name if isinstance(name, Hashable) else repr(name)
        return self.access.column(self.table, plain)

    def _test(self, column: Column, spelling: Any, operand: Any) -> Shape:
        operator = SPELLINGS.get(spelling) or SPELLINGS.get(str(spelling).lower())
        if operator is None:
            raise ValidationError(
                f"there is no operator {spelling!r} (on column {column.name!r}); "
                f'{did_you_mean(str(spelling), SPELLINGS)} (a JSON value is compared by {{"eq": …}})',
                column=column.name,
            )
        if operator.name == "~" and not self.access.regex:
            raise ValidationError("regular expressions are not allowed here", column=column.name)
        check_kind(operator, column)
        return self._operand(operator, column, operand)

    def _operand(self, operator: Operator, column: Column, operand: Any) -> Shape:
        if operator.takes == "one":
            if operand is None and operator.on_none:
                return (operator.on_none, column.name, None)
            return (operator.name, column.name, self._one(operator, column, operand))
        if operator.takes == "none":
            if operand is not None and not isinstance(operand, bool):
                raise ValidationError(
                    f"{operator.name!r} on column {column.name!r} takes true or false, not {operand!r}",
                    column=column.name,
                )
            name = operator.name if operand is not False else OPPOSITE[operator.name]
            return (name, column.name, None)
        if operator.takes == "list":
            return (operator.name, column.name, self._list(operator, column, operand))
        if operator.takes == "query":
            query = self._subquery(operand, column)
            check_alike(operator, column, query.table.columns[cast("str", query.column)])
            return (operator.name, column.name, query)
        pair: list[Any] = list(operand) if isinstance(operand, (list, tuple)) else []  # pyright: ignore[reportUnknownArgumentType]
        if len(pair) != 2:
            raise ValidationError(
                f"{operator.name!r} on column {column.name!r} takes [low, high], not {operand!r}",
                column=column.name,
            )
        low, high = pair
        first = self._one(operator, column, low)
        return (operator.name, column.name, (first, self._one(operator, column, high)))

    def _names_column(self, column: Column, operand: Any) -> bool:
        """Whether a dict stands for a column where that may be. On a JSON column a dict is a value."""
        if not self.refers or column.kind in COMPOSITE_KINDS or not isinstance(operand, Mapping):
            return False
        names = set(operand)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        if names == {_OUTER}:
            return self.outer is not None
        return self.beside and names == {_BESIDE}

    def _reference(self, operator: Operator, column: Column, operand: Any) -> Outer | Beside | None:
        """The other column that an operand names; None for a value."""
        if isinstance(operand, str):
            if not self.texts or self.outer is None or not operand.startswith(_OUTER_STRING):
                return None
            operand = {_OUTER: operand.removeprefix(_OUTER_STRING)}
        if not self._names_column(column, operand):
            return None
        if self.outer is not None and _OUTER in operand:
            other = self.outer._named(operand[_OUTER])
            found: Outer | Beside = Outer(other.name)
        else:
            other = self._named(operand[_BESIDE])
            found = Beside(other.name)
        check_alike(operator, column, other)
        return found

    def _one(self, operator: Operator, column: Column, operand: Any) -> Any:
        if operand is None:
            raise ValidationError(
                f"{operator.name!r} cannot compare column {column.name!r} with None; use is_null",
                column=column.name,
            )
        if operand is Now or isinstance(operand, Now):
            return Now
        if self.refers and (named := self._reference(operator, column, operand)) is not None:
            return named
        scalar = column.kind not in COMPOSITE_KINDS and column.kind is not Kind.ANY
        if scalar and column.type is not None and isinstance(operand, Mapping):
            raise ValidationError(
                f"{operator.name!r} on column {column.name!r} takes a value, not a dict", column=column.name
            )
        self.values.append(operand)
        return VALUE

    def _list(self, operator: Operator, column: Column, operand: Any) -> Listed:
        if not isinstance(operand, _COLLECTIONS):
            raise ValidationError(
                f"{operator.name!r} on column {column.name!r} takes a list, not {type(operand).__name__}",
                column=column.name,
            )
        everything: list[Any] = list(operand)  # pyright: ignore[reportUnknownArgumentType]
        self.access.within("values in a list", len(everything), self.access.max_list)
        some = [v for v in everything if v is not None]
        for value in some:
            if isinstance(value, (Now, Mapping)) or value is Now:
                raise ValidationError(
                    f"{operator.name!r} on column {column.name!r} takes plain values, not {value!r}",
                    column=column.name,
                )
        has_null = len(some) < len(everything)
        if len(some) <= SHORT_LIST:
            self.values.extend(some)
            return Listed(len(some), has_null)
        self.values.append(some)
        return Listed(None, has_null)

    def _subquery(self, query: Any, column: Column | None) -> Subquery:
        if not isinstance(query, Mapping):
            raise ValidationError(
                f'a subquery is {{"table": …, "columns": […], "filter": {{…}}}}, not {query!r}'
            )
        known = ("table", "columns", "filter", "order", "limit", "offset")
        entries: dict[str, Any] = dict(query)  # pyright: ignore[reportUnknownArgumentType]
        for name in entries:
            if name not in known:
                raise ValidationError(f"a subquery has no {name!r}; {did_you_mean(name, known)}")
        if not self.access.subqueries:
            raise ValidationError("subqueries are not allowed here")
        table = self._table(entries.get("table"))
        columns: Any = entries.get("columns") or list(table.columns)[:1]
        if not isinstance(columns, Iterable):
            raise ValidationError(f"a subquery's columns are a list of names, not {columns!r}")
        name = table.names(cast("Iterable[str]", columns), "a subquery")[0] if column is not None else None
        # Which columns are hidden is said of one table; the bounds hold for the whole filter.
        outermost = self._outermost()
        hidden = outermost.access.columns if table is outermost.table else None
        access = replace(self.access, columns=hidden)
        if name is not None:
            access.column(table, name)
        inner = _Reader(table, self.values, access, self.scope, self.texts, self.beside, outer=self)
        inner.depth, inner.terms = self.depth, self.terms
        where = entries.get("filter")
        shape = inner.node(where) if where else EVERYTHING
        self.terms = inner.terms
        order = read_order(entries.get("order"), table, access=access)
        counts = [entries.get("limit"), entries.get("offset")]
        for what, count in zip(("limit", "offset"), counts, strict=True):
            if count is not None:
                self.values.append(read_count(what, count))
        return Subquery(table, name, shape, order, counts[0] is not None, counts[1] is not None)

    def _outermost(self) -> _Reader:
        return self if self.outer is None else self.outer._outermost()

    def _table(self, named: Any) -> Table:
        if isinstance(named, Table):
            return named
        described = getattr(named, "__rowstead__", None)
        if callable(described):
            table = described()
            if isinstance(table, Table):
                return table
        mapped = named_table(named)
        if mapped is not None:
            return mapped
        if self.scope is not None and isinstance(named, str) and named in self.scope:
            return self.scope[named]
        hint = did_you_mean(str(named), self.scope or ())
        raise UndefinedTableError(f"a subquery names an unknown table {named!r}; {hint}")


def read_count(what: str, value: Any) -> int:
    """A limit or offset: a whole number, not negative; else a ValidationError."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValidationError(f"{what} is a whole number, not {value!r}")
    if value < 0:
        raise ValidationError(f"{what} cannot be negative, got {value}")
    return min(value, 2**63 - 1)
