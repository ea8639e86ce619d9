"""The values that all benchmarks work on. Standard library only: every peer's environment imports this."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

COLUMNS = ("id", "name", "email", "age", "score", "active", "created_at")
NAMES = ", ".join(COLUMNS)
WITHOUT_ID = ", ".join(COLUMNS[1:])
EPOCH = datetime.datetime(2026, 1, 1)
AGES = 100
"""How many ages there are: a filter on one of them gives that part of the table."""


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
