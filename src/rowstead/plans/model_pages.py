"""Pages and walks over the objects of a mapped class: the arithmetic of `paging`, run by a session."""

from __future__ import annotations

from typing import Any

from rowstead.language.ordering import Order
from rowstead.language.shapes import Shape
from rowstead.plan import Record
from rowstead.plans.paging import Position, Walk
from rowstead.statements.for_models import ModelStatements


class ModelWalk(Walk):
    """The objects of a filter in a total order, page by page. A record begins with its object."""

    def __init__(self, statements: ModelStatements, where: Shape, values: list[Any], order: Order) -> None:
        model = statements.model
        super().__init__(statements, model.table, model.table.all, where, values, order)
        self._attributes = [model.attributes[term.column] for term in self.order]

    def behind(self, record: Record) -> Position:
        values = tuple(getattr(record[0], name) for name in self._attributes)
        return self.at(values)
