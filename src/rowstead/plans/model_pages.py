"""Pages and walks over the objects of a mapped class: the arithmetic of `paging`, run by a session.

A record is its object and, behind it, the columns of the order. The position is theirs and never the
object's: a session may hold an object whose values are older than the row by which the database ordered.
"""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from pydantic import TypeAdapter
from pydantic import ValidationError as PydanticError

from rowstead.errors import ValidationError
from rowstead.language.bound import is_decorated
from rowstead.language.ordering import Order, with_key
from rowstead.language.shapes import Shape
from rowstead.plan import OfDriver, Record
from rowstead.plans.paging import Position, Walk
from rowstead.statements.for_models import ModelStatements

_OF_DRIVERS: Mapping[str, TypeAdapter[Any]] = {
    type_.__name__: TypeAdapter(type_)
    for type_ in (
        str,
        bool,
        int,
        float,
        Decimal,
        uuid.UUID,
        datetime.datetime,
        datetime.date,
        datetime.time,
        datetime.timedelta,
    )
}
"""What a driver gives that a token can hold, by the name of its type; bytes are written as hexadecimal."""


class ModelWalk(Walk):
    """The objects of a filter in a total order, page by page. A record begins with its object."""

    def __init__(self, statements: ModelStatements, where: Shape, values: list[Any], order: Order) -> None:
        model = statements.model
        columns = tuple(term.column for term in with_key(order, model.table))
        super().__init__(statements, model.table, columns, where, values, order)
        self._of_driver = [is_decorated(model.table.columns[name]) for name in columns]

    def behind(self, record: Record) -> Position:
        return self.at(self._held(record[1 : 1 + len(self.order)]))

    def _from_token(self, values: Sequence[Any], part: str | None) -> Iterator[Any]:
        read = super()._from_token(values, part)
        for value, of_driver in zip(read, self._of_driver, strict=True):
            yield _from_text(value) if of_driver and value is not None else value

    def _held(self, values: Sequence[Any]) -> tuple[Any, ...]:
        pairs = zip(values, self._of_driver, strict=True)
        return tuple(OfDriver(v) if of_driver and v is not None else v for v, of_driver in pairs)

    def token(self, position: Position) -> str:
        values = tuple(_as_text(v.value) if isinstance(v, OfDriver) else v for v in position.values or ())
        return super().token(position._replace(values=values))


def _as_text(value: Any) -> list[Any]:
    """A driver's value and the name of its type, ready for JSON."""
    if isinstance(value, bytes):
        return ["bytes", value.hex()]
    name = next((one.__name__ for one in type(value).__mro__ if one.__name__ in _OF_DRIVERS), None)
    if name is None:
        raise ValidationError(
            f"a page token cannot hold a {type(value).__name__} of the driver's; order by another column, or "
            "walk with iterate()"
        )
    return [name, value]


def _from_text(given: Any) -> OfDriver:
    try:
        name, value = given
        return OfDriver(bytes.fromhex(value) if name == "bytes" else _OF_DRIVERS[name].validate_python(value))
    except (ValueError, TypeError, KeyError, PydanticError) as error:
        raise ValidationError("this is not a page token; use the `next` of a page as it is") from error
