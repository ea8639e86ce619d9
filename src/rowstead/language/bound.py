"""Conditions and orders on a mapped class, as expressions for a SQLAlchemy session, values in them.

    slots = BoundSlots(dialect, codec, values)
    Criteria(slots, model.table).where(shape)       an expression over the class's attributes

A value is held to its column as everywhere and then travels by the column's SQLAlchemy type. Names in a
filter are the class's attributes, and its columns where no attribute is called so. Runs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapper
from sqlalchemy.sql.elements import BindParameter, ClauseElement, ColumnElement
from sqlalchemy.types import TypeDecorator

from rowstead.dialects import Dialect
from rowstead.errors import UsageError, ValidationError
from rowstead.language.conditions import Scope, Where, read
from rowstead.language.expressions import CLAUSE, SOURCE, Expression, Slots, Source
from rowstead.language.ordering import Order, Sort, read_order
from rowstead.language.shapes import EXPRESSION, Shape
from rowstead.plan import OfDriver
from rowstead.tables.access import FULL_ACCESS, Access
from rowstead.tables.dicts import dict_rows
from rowstead.tables.from_sqlalchemy import StoresAsRows, TablesOf, column_of_type, table_of
from rowstead.tables.schema import Column, Kind, Table
from rowstead.values.column_values import EncodeColumn
from rowstead.values.encoders import Encode, held

ModelWhere: TypeAlias = "Where | ColumnElement[bool]"


class _AsEncoded(sa.types.UserDefinedType[Any]):
    """The type of a value that is encoded already: SQLAlchemy leaves it alone, whatever it meets."""

    cache_ok = True

    def get_col_spec(self, **_kw: Any) -> str:
        raise UsageError("an encoded value has no type of its own")


_AS_ENCODED = _AsEncoded()


def is_decorated(column: Column) -> bool:
    """Whether a column's values are made by an application's TypeDecorator, perhaps for one way only."""
    via: Any = column.via
    return isinstance(via, TypeDecorator) and not isinstance(via, (StoresAsRows, sa.Interval))


def as_ordered(column: Column, expression: Expression) -> Expression:
    """A selected column, its values those that the database orders by: a decorated one's the driver's."""
    if not is_decorated(column):
        return expression
    # With a name of its own: the object beside it asks for the column by its type.
    return sa.type_coerce(expression, _AS_ENCODED).label(f"{column.name}_of_driver")


class BoundSlots(Slots):
    """Parameters that carry their values, taken from `values` one after the other."""

    def __init__(self, dialect: Dialect, codec: str, values: Sequence[Any]) -> None:
        super().__init__(dialect, codec)
        self._values: Iterator[Any] = iter(values)

    def _next(
        self,
        encode: Encode | None,
        unchanged: frozenset[type] = frozenset(),
        encode_column: EncodeColumn | None = None,
    ) -> BindParameter[Any]:
        value = next(self._values)
        return _bound(value if encode is None else encode(value), _AS_ENCODED)

    def value(self, column: Column, then: Callable[[Any], Any] | None = None) -> BindParameter[Any]:
        if column.via is None or then is not None:
            return super().value(column, then)
        return self._of_type(column, held(column))

    def operand(self, column: Column) -> BindParameter[Any]:
        if column.via is None:
            return super().operand(column)
        return self._of_type(column, _holding(column))

    def _of_type(self, column: Column, hold: Encode) -> BindParameter[Any]:
        value = next(self._values)
        if isinstance(value, OfDriver):
            return _bound(value.value, _AS_ENCODED)
        return _bound(hold(value), column.via)

    def outer(self, column: Expression) -> Expression:
        # Python asks the right side first where its class is a subclass of the left side's, and so turns
        # the comparison of a plain column with a class's attribute round.
        return sa.type_coerce(column, column.type)

    def count(self) -> BindParameter[Any]:
        return _bound(next(self._values), sa.BigInteger())

    def listed(self, column: Column) -> Expression:
        if column.via is None or not self.dialect.array_params:
            return super().listed(column)
        return _bound([_operand(column, v) for v in next(self._values)], ARRAY(column.via))


class KeptSlots(Slots):
    """Parameters without values, for a statement that is kept: `held` makes those of one execution.

    For conditions that do nothing but compare columns that have a SQLAlchemy type.
    """

    def __init__(self, dialect: Dialect, codec: str) -> None:
        super().__init__(dialect, codec)
        self._held: list[Encode] = []

    def operand(self, column: Column) -> BindParameter[Any]:
        self._held.append(_holding(column))
        return sa.bindparam(f"v{len(self._held) - 1}", type_=column.via)

    def held(self, values: Sequence[Any]) -> dict[str, Any]:
        """The parameters of one execution, by name."""
        pairs = enumerate(zip(self._held, values, strict=True))
        return {f"v{number}": hold(value) for number, (hold, value) in pairs}


def _bound(value: Any, type_: Any) -> BindParameter[Any]:
    return sa.bindparam(None, value, type_=type_, unique=True)


_NUMBERS = (Kind.INT, Kind.FLOAT)


def _operand(column: Column, value: Any) -> Any:
    return _holding(column)(value)


def _holding(column: Column) -> Encode:
    """What holds an operand to its column: as a value of it, but True is no number."""
    hold = held(column)
    if column.kind not in _NUMBERS:
        return hold

    def hold_number(value: Any) -> Any:
        if type(value) is bool:
            raise ValidationError(
                f"column {column.name!r} holds numbers, and {value} is none; write {int(value)}",
                column=column.name,
            )
        return hold(value)

    return hold_number


# Mapped classes


@dataclass(frozen=True, slots=True, eq=False)
class ModelTable:
    """A mapped class as the core sees it."""

    model: type[Any]
    mapper: Mapper[Any]
    table: Table
    """For a session's statements: its columns are spelled as the class's attributes."""
    named: Table
    """What filters, orders and patches may name; the columns have their names in `table`."""
    attributes: Mapping[str, str]
    """By the name of a column in `table`: the attribute that holds it."""
    size: int
    """How many attributes the class had: one may be added to it later."""

    @property
    def stored(self) -> Table:
        """For statements of our own. UsageError for a class whose rows are in several tables."""
        if not _is_in_one_table(self.mapper):
            names = ", ".join(str(getattr(table, "name", table)) for table in self.mapper.tables)
            raise UsageError(
                f"the rows of {self.model.__name__} are kept in several tables ({names}), which one "
                "statement cannot write; add, change and delete its objects through the session"
            )
        return table_of(cast("sa.Table[Any]", self.mapper.local_table))

    def column(self, name: str) -> Column:
        """The column of an attribute, or of that name; UndefinedColumnError with a suggestion."""
        return self.named.column(name)

    def attribute(self, name: str) -> str:
        """The attribute of this name, or that of the column; UndefinedColumnError with a suggestion."""
        return self.attributes[self.column(name).name]

    def expression(self, name: str) -> Expression:
        """The attribute that holds a column of `table`, as a session's statement spells it."""
        return getattr(self.model, self.attributes[name]).expression

    def scope(self) -> Scope:
        """The tables that a subquery may name by text: those of the same metadata."""
        local = self.mapper.local_table
        return TablesOf(local.metadata) if isinstance(local, sa.Table) else {}


_KEPT = "rowstead"
"""Names what is kept in the `info` of a class's manager."""


def model_table(model: type[Any]) -> ModelTable:
    """What the core knows of a mapped class, found out once. UsageError for a class that is not mapped."""
    mapper: Any = sa.inspect(cast("Any", model), raiseerr=False)
    if not isinstance(mapper, Mapper):
        raise UsageError(f"{model!r} is not a mapped class; give a model, a subclass of a declarative base")
    kept: dict[str, Any] = cast("Any", mapper).class_manager.info
    found: ModelTable | None = kept.get(_KEPT)
    if found is None or len(found.mapper.column_attrs) != found.size:
        found = kept[_KEPT] = _described(model, cast("Mapper[Any]", mapper))
    return found


def _columns(mapper: Any) -> dict[str, sa.Column[Any]]:
    """The class's attributes that are columns of a table, in order."""
    found: dict[str, sa.Column[Any]] = {}
    for attribute in mapper.column_attrs:
        # Of an attribute over a join's equal columns the class's own table has the first.
        column = attribute.columns[0]
        if isinstance(column, sa.Column):
            found[attribute.key] = column
    return found


def _described(model: type[Any], mapper: Mapper[Any]) -> ModelTable:
    columns = _columns(mapper)
    local = mapper.local_table
    # Of several tables the columns may have one name: there an attribute's is the column's.
    stored = table_of(cast("sa.Table[Any]", local)) if _is_in_one_table(mapper) else None
    names = {key: key if stored is None else column.name for key, column in columns.items()}
    described = {names[key]: _column_of(names[key], column, stored) for key, column in columns.items()}
    expressions = {names[key]: getattr(model, key).expression for key in columns}
    source = Source(cast("Any", mapper).__clause_element__(), expressions)
    table = Table(
        str(getattr(local, "name", model.__name__)),
        described,
        tuple(names[mapper.get_property_by_column(c).key] for c in mapper.primary_key),
        dict_rows,
        facts={SOURCE: _always(source), CLAUSE: source.clause},
    )
    attributes = {name: key for key, name in names.items()}
    return ModelTable(model, mapper, table, _named(table, names), attributes, len(mapper.column_attrs))


def _always(source: Source) -> Callable[[Slots], Source]:
    return lambda _slots: source


def _is_in_one_table(mapper: Mapper[Any]) -> bool:
    return len(mapper.tables) == 1 and isinstance(mapper.local_table, sa.Table)


def _column_of(name: str, column: sa.Column[Any], stored: Table | None) -> Column:
    if stored is not None:
        return stored.columns[name]
    return column_of_type(name, column.type, bool(column.nullable))


def _named(table: Table, names: Mapping[str, str]) -> Table:
    """The table by the names of attributes and, where no attribute is called so, of columns."""
    if all(key == name for key, name in names.items()):
        return table
    by_attribute = {key: table.columns[name] for key, name in names.items()}
    others = {name: column for name, column in table.columns.items() if name not in by_attribute}
    return Table(table.name, {**by_attribute, **others}, (), dict_rows)


_BY_NAMES = Access()
"""As FULL_ACCESS. It is not that object, since what is read quickest takes a name for a column's."""


def _access(model: ModelTable, access: Access) -> Access:
    return _BY_NAMES if access is FULL_ACCESS and model.named is not model.table else access


def read_where(model: ModelTable, where: ModelWhere, access: Access = FULL_ACCESS) -> tuple[Shape, list[Any]]:
    """A filter on a mapped class, or a condition of SQLAlchemy's, as (shape, values).

    Its columns have their names in `model.table`.
    """
    if is_expression(where):
        return (EXPRESSION, sa.and_(sa.true(), cast("Any", where))), []
    if isinstance(where, (list, tuple)) and any(is_expression(one) for one in cast("Sequence[Any]", where)):
        raise ValidationError(
            "a list of filters is OR in the language of filters; combine SQLAlchemy's expressions by "
            "sqlalchemy.and_() or or_()",
            table=model.table.name,
        )
    plain = cast("Where", where)
    scope = model.scope() if access.subqueries and plain else None
    return read(plain, model.named, access=_access(model, access), scope=scope)


def read_sort(model: ModelTable, order: Sort, access: Access = FULL_ACCESS) -> Order:
    """An order on a mapped class, columns under their names in `model.table`."""
    terms = read_order(order, model.named, access=_access(model, access))
    if model.named is model.table:
        return terms
    named = [term._replace(column=model.named.columns[term.column].name) for term in terms]
    if len({term.column for term in named}) != len(named):
        raise ValidationError(f"the order names a column twice: {[t.column for t in terms]}")
    return tuple(named)


def is_expression(where: object) -> bool:
    """Whether this is a condition of SQLAlchemy's, and none of the language of filters."""
    return isinstance(where, ClauseElement) or hasattr(where, "__clause_element__")
