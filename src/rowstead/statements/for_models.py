"""The core's reading statements for a SQLAlchemy session: of a mapped class, with their values.

They are named by the same keys as all statements and spelled by the same builders; only what they give is
the class's objects, which the session makes. A statement that gives no objects is the same there and here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import LABEL_STYLE_DEFAULT

from rowstead.dialects import Dialect
from rowstead.language.bound import BoundSlots, KeptSlots, ModelTable, as_ordered
from rowstead.language.expressions import Slots
from rowstead.language.shapes import Shape
from rowstead.plan import Call, Record
from rowstead.statements.builders import BUILDERS

R = TypeVar("R")


MAX_KEPT = 64
"""How many statements are kept for each class."""
_GIVE_OBJECTS = ("select", "get")


def _compares_only(shape: Shape) -> bool:
    """Whether a shape of ANDs does nothing but compare columns with values and NULL."""
    return shape[0] == "and" and all(term[0] in ("eq", "is_null") for term in shape[1:])


class Selected(Call[R]):
    """A statement that a session runs: `statement` is SQLAlchemy's, with its values, or `values` are.

    As with every call, `read` is given the records; None asks for the number of affected rows.
    `may_call_functions` says whether it may call functions that the core adds to a database.
    """

    __slots__ = ("may_call_functions", "statement", "values")

    def __init__(
        self,
        statement: Any,
        read: Callable[[Sequence[Record]], R] | None,
        table: str,
        values: Mapping[str, Any] | None = None,
        *,
        may_call_functions: bool = True,
    ) -> None:
        super().__init__("", (), read, table=table)
        self.statement = statement
        self.values = values
        self.may_call_functions = may_call_functions


class ModelStatement:
    """One statement of a mapped class, of which each execution is a `Selected`."""

    def __init__(self, statements: ModelStatements, key: tuple[Any, ...]) -> None:
        self._statements = statements
        self._key = key

    def call(self, values: Sequence[Any], read: Callable[[Sequence[Record]], R] | None) -> Call[R]:
        """One execution."""
        table = self._statements.model.table.name
        if self._key[0] == "get" and _compares_only(self._key[3]):
            statement, slots = self._statements.kept(self._key)
            return Selected(statement, read, table, slots.held(values), may_call_functions=False)
        return Selected(self._statements.spelled(self._key, values), read, table)

    def rows(self, records: Sequence[Record]) -> list[Any]:
        """The objects of the records, each of which begins with its object."""
        return [record[0] for record in records]


class ModelStatements:
    """Makes statements of one mapped class for a session: what a `Compiler` is for connections.

    A statement is spelled anew with the values of each execution, since SQLAlchemy keeps the text; those
    that only compare are kept too.
    """

    def __init__(self, model: ModelTable, dialect: Dialect, codec: str) -> None:
        self.model = model
        self.dialect = dialect
        self.codec = codec

    def get(self, key: tuple[Any, ...]) -> ModelStatement:
        """The statement of this key; its table is `model.table`."""
        return ModelStatement(self, key)

    def spelled(self, key: tuple[Any, ...], values: Sequence[Any]) -> Any:
        """The statement as SQLAlchemy's, with these values; a "select" and a "get" give objects."""
        return self._made(key, BoundSlots(self.dialect, self.codec, values))

    def kept(self, key: tuple[Any, ...]) -> tuple[Any, KeptSlots]:
        """The statement without values, and what makes its parameters."""
        kept: dict[Any, tuple[Any, KeptSlots]] = self.model.table.facts.setdefault("statements", {})
        found = kept.get((self.codec, key))
        if found is None:
            slots = KeptSlots(self.dialect, self.codec)
            found = self._made(key, slots), slots
            if len(kept) >= MAX_KEPT:
                kept.clear()
            kept[self.codec, key] = found
        return found

    def _made(self, key: tuple[Any, ...], slots: Slots) -> Any:
        operation, *rest = key
        statement = BUILDERS[operation](slots, *rest)
        if operation not in _GIVE_OBJECTS:
            return statement
        # Behind the object there are the columns that were asked for, and perhaps the count of all.
        asked, table = list(statement.selected_columns), self.model.table
        wanted = [as_ordered(table.columns[name], one) for name, one in zip(key[2], asked, strict=False)]
        columns = (self.model.model, *wanted, *asked[len(wanted) :])
        return statement.with_only_columns(*columns).set_label_style(LABEL_STYLE_DEFAULT)
