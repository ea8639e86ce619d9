"""What builders of SQL share: parameter slots, columns without a table, and a few spellings of ours.

A builder makes its parameters in the order of the values that will be bound, so that a compiled
statement is text plus one encoder per parameter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.base import ReadOnlyColumnCollection
from sqlalchemy.sql.elements import BindParameter, ColumnClause, ColumnElement
from sqlalchemy.sql.functions import Function
from sqlalchemy.sql.selectable import FromClause, TableClause

from rowstead.dialects import Dialect
from rowstead.errors import DataError
from rowstead.plan import ServerTyped
from rowstead.sentinels import Now
from rowstead.tables.schema import Column, Kind, Table, is_zoned
from rowstead.values.column_values import EncodeColumn, column_values, one_by_one
from rowstead.values.encoders import SQLITE_CODEC, Encode, encoder, json_text, operand_encoder, unchanged

Expression = ColumnElement[Any]


class Bare(sa.ColumnElement[Any]):
    """An expression that stands without brackets: `SET n = n + $1`."""

    inherit_cache = False

    def __init__(self, inner: Expression) -> None:
        self.inner = inner


class IsNotTrue(sa.ColumnElement[Any]):
    """The filter language's `not`: true where the inner condition is false or NULL."""

    inherit_cache = False

    def __init__(self, inner: Expression) -> None:
        self.inner = inner


class Verbatim(sa.ColumnElement[Any]):
    """SQL that a dialect's record of facts spells."""

    inherit_cache = False

    def __init__(self, text: str) -> None:
        self.text = text


class Around(sa.ColumnElement[Any]):
    """A parameter between two pieces of SQL."""

    inherit_cache = False

    def __init__(self, before: str, inner: Expression, after: str) -> None:
        self.before, self.inner, self.after = before, inner, after


class Joined(sa.ColumnElement[Any]):
    """Two pieces of SQL one behind the other."""

    inherit_cache = False

    def __init__(self, left: Expression, right: Expression) -> None:
        self.left, self.right = left, right


@compiles(Joined)
def _joined(element: Joined, compiler: Any, **kw: Any) -> str:
    return compiler.process(element.left, **kw) + compiler.process(element.right, **kw)


@compiles(Bare)
def _bare(element: Bare, compiler: Any, **kw: Any) -> str:
    return compiler.process(element.inner, **kw)


@compiles(IsNotTrue)
def _is_not_true(element: IsNotTrue, compiler: Any, **kw: Any) -> str:
    return f"({compiler.process(element.inner, **kw)}) IS NOT TRUE"


@compiles(Verbatim)
def _verbatim(element: Verbatim, _compiler: Any, **_kw: Any) -> str:
    return element.text


@compiles(Around)
def _around(element: Around, compiler: Any, **kw: Any) -> str:
    return f"{element.before}{compiler.process(element.inner, **kw)}{element.after}"


def unwrapped(value: Any) -> Any:
    """A value whose form the statement itself decides, by a cast."""
    return value.value if type(value) is ServerTyped else value


def column_encoder(column: Column, codec: str) -> Callable[[Sequence[Any]], list[Any]]:
    """What encodes many values of one column for a statement that decides their form by itself.

    Values that would travel as they are anyway are seen by their types alone, all at once.
    """
    encode = encoder(column, codec)
    as_they_are = unchanged(column, codec)

    def encode_column(values: Sequence[Any]) -> list[Any]:
        if as_they_are.issuperset(map(type, values)):
            return list(values)
        return [unwrapped(encode(value)) for value in values]

    return encode_column


CLAUSE = "clause"
"""Names the fact that is the table's SQLAlchemy form."""


def table_clause(table: Table) -> TableClause:
    """The table as SQLAlchemy knows it; one object per table, so that subqueries correlate."""
    clause = table.facts.get(CLAUSE)
    if clause is None:
        clause = table.facts[CLAUSE] = sa.table(table.name, *map(plain, table.columns), schema=table.schema)
    return clause


def plain(name: str) -> ColumnClause[Any]:
    """A column without its table, as a person writes it in a statement on one table."""
    return sa.column(name)


def detached(table: Table, name: str, called: str | None = None, may_miss: bool = False) -> Column:
    """A table's column as a virtual table has it, under that name or another.

    `may_miss` says that a row without it may come (of an outer join).
    """
    column = table.columns[name]
    # An integer key left unset is how a row asks for the next one; the stored key is never NULL.
    stored_null = column.nullable and not (name in table.key and column.kind is Kind.INT)
    return replace(column, name=called or name, nullable=may_miss or stored_null)


class Source(NamedTuple):
    """What stands in FROM for a table, and how its columns are spelled beside it."""

    clause: FromClause
    columns: Mapping[str, Expression] | ReadOnlyColumnCollection[str, Any] | None = None
    """None: they stand alone."""
    parts: tuple[FromClause, ...] = ()
    """Where `clause` is put together of several: what of it a subquery can refer to."""

    def column(self, name: str) -> Expression:
        """The column's SQL."""
        return plain(name) if self.columns is None else self.columns[name]

    def qualified(self) -> Source:
        """The same with columns that say where they come from."""
        return self if self.columns is not None else self._replace(columns=self.clause.c)


SOURCE = "source"
"""Names the fact that makes a table virtual: a function of Slots that spells its Source."""
CTE = "cte"
"""Names the fact of a common table expression: a function of Slots that spells its definition."""


def source_of(slots: Slots, table: Table) -> Source:
    """The table's source in this statement; that of a virtual table (a join, a CTE) makes its slots now."""
    spell = table.facts.get(SOURCE)
    if spell is None:
        return Source(table_clause(table))
    return spell(slots)


def _whole(values: list[Any]) -> list[Any]:
    """The same values; a DataError for a text that JSON's reader would end at its NUL, finding another."""
    if any(type(v) is str and "\0" in v for v in values):
        raise DataError("a text with a NUL in it cannot stand in a long list; compare with it alone")
    return values


_COLLATED = frozenset({Kind.STR, Kind.ENUM, Kind.JSON, Kind.LIST})


def _is_collated(column: Column) -> bool:
    """Whether the column's values are texts in the database; a UUID is none, as what it ever comes back."""
    return column.kind in _COLLATED and not isinstance(column.via, sa.Uuid)


class Slots:
    """Makes a statement's parameters, in order, and remembers how each value is encoded."""

    def __init__(self, dialect: Dialect, codec: str) -> None:
        self.dialect = dialect
        self.codec = codec
        self.encoders: list[Encode | None] = []
        self.unchanged: list[frozenset[type]] = []
        """For each parameter, the types whose values its encoder gives back as they are."""
        self.columns: list[EncodeColumn] = []
        """For each parameter, what encodes its values of many executions."""
        self.keepable = True
        """Whether the statement may be found again by its key: not where that does not say all of it."""

    def _next(
        self,
        encode: Encode | None,
        unchanged: frozenset[type] = frozenset(),
        encode_column: EncodeColumn | None = None,
    ) -> BindParameter[Any]:
        self.encoders.append(encode)
        self.unchanged.append(unchanged)
        self.columns.append(encode_column or one_by_one(encode))
        return sa.bindparam(f"v{len(self.encoders) - 1}")

    def value(self, column: Column, then: Callable[[Any], Any] | None = None) -> BindParameter[Any]:
        """The next parameter: a value of this column, perhaps turned further (`then`)."""
        encode = encoder(column, self.codec)
        if then is None:
            many = column_values(encode, column, self.codec)
            return self._next(encode, unchanged(column, self.codec), many)
        return self._next(lambda value: then(encode(value)))

    def operand(self, column: Column) -> BindParameter[Any]:
        """The next parameter: a value that this column is compared with."""
        encode = operand_encoder(column, self.codec)
        as_they_are = unchanged(column, self.codec)
        return self._next(encode, as_they_are, column_values(encode, column, self.codec))

    def outer(self, column: Expression) -> Expression:
        """A column of the statement around a subquery, as something to compare with."""
        return column

    def count(self) -> BindParameter[Any]:
        """The next parameter: a LIMIT or OFFSET, already checked."""
        return sa.bindparam(self._next(None, frozenset({int})).key, type_=sa.Integer())

    def listed(self, column: Column) -> Expression:
        """The next parameter: a list of this column's values, as something that can stand behind IN.

        One array parameter, or one JSON text where the database has no arrays.
        """
        encode = operand_encoder(column, self.codec)
        function = self.dialect.json_list
        if self.dialect.values_list:
            return self._next(lambda values: tuple(map(encode, values)))
        if function is None:
            return self._next(lambda values: [unwrapped(encode(v)) for v in values])
        if column.kind is Kind.BYTES:
            each = self._next(lambda values: json_text([encode(v).hex() for v in values]))
            return Around(f"(SELECT {function}(value) FROM json_each(", each, "))")
        each = self._next(lambda values: json_text(_whole([encode(v) for v in values])))
        return Around("(SELECT value FROM json_each(", each, "))")

    def list_of(self, column: Column, as_json: bool) -> Expression:
        """The next parameter: one column of many rows, each value encoded (or written as JSON text)."""
        if not as_json:
            return self._next(column_encoder(column, self.codec))
        encode = encoder(column, self.codec)
        return self._next(
            lambda values: [None if v is None else json_text(unwrapped(encode(v))) for v in values]
        )

    def now(self, column: Column) -> Expression:
        """The current time in the form in which this column holds it."""
        zoned = self.codec == SQLITE_CODEC and column.kind is Kind.DATETIME and is_zoned(column.type)
        return Verbatim(self.dialect.utc_now if zoned else self.dialect.now)

    def given(self, column: Column, value: Any) -> Expression:
        """A parameter, or the current time where the shape says `Now`."""
        return self.now(column) if value is Now else self.value(column)

    def aggregated(self, function: str, column: Column, operand: Expression, distinct: bool) -> Expression:
        """An aggregate function of a column's (distinct) values, as this database spells it."""
        spelling = self.dialect.aggregates.get((function, column.kind.value), f"{function}({{}})")
        before, _, after = spelling.partition("{}")
        return Around(before + "DISTINCT " * distinct, operand, after)

    def ordered(self, column: Column, expression: Expression) -> Expression:
        """What of `expression` carries the order of this column's values."""
        key = self.dialect.decimal_key
        if key is None or column.kind is not Kind.DECIMAL:
            return expression
        return Function(key, expression)

    def exact(self, column: Column, operand: Expression) -> Expression:
        """`operand`, so that a text is equal to it, like it or before it by its characters alone.

        It stands beside the operand, not the column, so that an index on the column is used all the same.
        """
        collation = self.dialect.text_collation
        if collation is None or not _is_collated(column):
            return operand
        return Around("", operand, f" COLLATE {collation}")

    def exact_column(self, column: Column, expression: Expression) -> Expression:
        """The same of a column that nothing stands beside: what is sorted by it, or a long list."""
        collation = self.dialect.text_collation
        if collation is None or not _is_collated(column):
            return expression
        # A column of another character set knows no collation of this one.
        return Around("CONVERT(", expression, f" USING {collation.partition('_')[0]}) COLLATE {collation}")

    def added(self, column: Column, expression: Expression) -> Expression:
        """`expression` plus the next parameter."""
        add = self.dialect.decimal_add
        if add is not None and column.kind is Kind.DECIMAL:
            return Function(add, expression, self.value(column))
        return Bare(expression + self.value(column))
