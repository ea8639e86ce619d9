"""What a caller may name and how much it may ask for: the one allow-list of filters, sorts and columns."""

from __future__ import annotations

from dataclasses import dataclass

from rowstead.errors import ValidationError, undefined_column
from rowstead.tables.schema import Column, Table


@dataclass(frozen=True, slots=True)
class Access:
    """Bounds on a filter or sort. A hidden column is treated as one that does not exist."""

    columns: frozenset[str] | None = None
    """The visible columns; None: all."""
    max_depth: int | None = None
    max_terms: int | None = None
    max_list: int | None = None
    regex: bool = True
    subqueries: bool = True

    def column(self, table: Table, name: str) -> Column:
        """The visible column of this name, or an UndefinedColumnError with a suggestion."""
        if self.columns is not None and name not in self.columns:
            visible = [c for c in table.columns if c in self.columns]
            raise undefined_column(name, table.name, visible)
        return table.column(name)

    def within(self, what: str, size: int, limit: int | None) -> None:
        """Raise a ValidationError when `size` is over `limit`."""
        if limit is not None and size > limit:
            raise ValidationError(f"the filter has {size} {what}; at most {limit} are allowed")


FULL_ACCESS = Access()
"""For our own callers: every column, no bounds."""

STRANGER = Access(max_depth=8, max_terms=100, max_list=1_000, regex=False, subqueries=False)
"""For filters that come from outside: bounded, without regular expressions and other tables."""
