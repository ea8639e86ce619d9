"""The rows that all benchmarks work on: their class, their columns and their values."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

from rowstead import Row

TASK_COUNT = 50
COLUMNS = ("id", "name", "email", "age", "score", "active", "created_at")
NAMES = ", ".join(COLUMNS)
WITHOUT_ID = ", ".join(COLUMNS[1:])
EPOCH = datetime.datetime(2026, 1, 1)
AGES = 100
"""How many ages there are: a filter on one of them gives that part of the table."""


class Person(Row):
    __table__ = "people"
    id: int | None = None
    name: str
    email: str | None
    age: int
    score: float
    active: bool
    created_at: datetime.datetime


def record(number: int) -> tuple[Any, ...]:
    """The values of the person of this number, without the key."""
    return (
        f"name {number}",
        f"person{number}@example.org" if number % 7 else None,
        number % AGES,
        number / 8,
        number % 3 == 0,
        EPOCH + datetime.timedelta(minutes=number),
    )


def records(start: int, stop: int) -> list[tuple[Any, ...]]:
    """Values with the key, for the numbers from `start` up to `stop`."""
    return [(number, *record(number)) for number in range(start, stop)]


def named(values: Sequence[Any]) -> dict[str, Any]:
    """Values of all columns, or of all but the key, by name."""
    return dict(zip(COLUMNS[-len(values) :], values, strict=True))


def plain(row: Any) -> tuple[Any, ...]:
    """Any side's row as a tuple of the columns' values."""
    return tuple(row.__dict__[name] for name in COLUMNS) if isinstance(row, Person) else tuple(row)


def plains(rows: Sequence[Any]) -> list[tuple[Any, ...]]:
    return [plain(row) for row in rows]


def keyless(row: Any) -> tuple[Any, ...]:
    """A row without its key, which each insert gets anew."""
    return plain(row)[1:]
