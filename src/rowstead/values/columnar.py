"""Many rows of one width, held column by column, where each pass over them costs least.

Whoever wants rows sees a sequence of rows; whoever can work on columns takes `columns`. Knows nothing
of tables or databases.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from operator import itemgetter
from typing import Any, overload


class Columnar(Sequence[tuple[Any, ...]]):
    """A sequence of rows made of `columns`, which are lists of `length` values each."""

    def __init__(self, columns: Sequence[list[Any]], length: int) -> None:
        self.columns = columns
        self._length = length

    @cached_property
    def types(self) -> list[set[type]]:
        """The types of each column's values."""
        return [set(map(type, column)) for column in self.columns]

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        # No columns are no end to `zip`, not no rows.
        return zip(*self.columns, strict=True) if self.columns else iter([()] * self._length)

    @overload
    def __getitem__(self, place: int) -> tuple[Any, ...]: ...

    @overload
    def __getitem__(self, place: slice) -> Columnar: ...

    def __getitem__(self, place: int | slice) -> tuple[Any, ...] | Columnar:
        if isinstance(place, slice):
            return Columnar([column[place] for column in self.columns], len(range(self._length)[place]))
        if not self.columns:
            range(self._length)[place]
        return tuple(column[place] for column in self.columns)

    def flat(self, stop: int) -> list[Any]:
        """The values of the first `stop` rows, row after row."""
        width = len(self.columns)
        values: list[Any] = [None] * (width * stop)
        for place, column in enumerate(self.columns):
            values[place::width] = column if stop == self._length else column[:stop]
        return values


def columnar(rows: Sequence[Sequence[Any]]) -> Columnar:
    """Rows of one width, column by column. `zip(*rows)` would keep an iterator for each row."""
    if isinstance(rows, Columnar):
        return rows
    width = len(rows[0]) if rows else 0
    return Columnar([list(map(itemgetter(place), rows)) for place in range(width)], len(rows))
