"""The rows that all benchmarks work on, as our class, and how rows of any side are compared."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

from benchmarks.people import COLUMNS
from rowstead import Row

TASK_COUNT = 50


class Person(Row):
    __table__ = "people"
    id: int | None = None
    name: str
    email: str | None
    age: int
    score: float
    active: bool
    created_at: datetime.datetime


class NewPerson(Person):
    """For what writes: its table is emptied before each round."""

    __table__ = "people_new"


def plain(row: Any) -> tuple[Any, ...]:
    """Any side's row as a tuple of the columns' values."""
    return tuple(row.__dict__[name] for name in COLUMNS) if isinstance(row, Person) else tuple(row)


def plains(rows: Sequence[Any]) -> list[tuple[Any, ...]]:
    return [plain(row) for row in rows]


def keyless(row: Any) -> tuple[Any, ...]:
    """A row without its key, which each insert gets anew."""
    return plain(row)[1:]
