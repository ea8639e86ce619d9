"""The rows of the comparison: what is done, how often, and with what. Standard library only.

Both ends read this: the harness for the order and the numbers, a worker for what its verbs get.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from benchmarks.people import named, record, records

AGE = 7
PAGE = (50, 100)
"""Limit and offset."""
TASKS, GETS_PER_TASK = 50, 10
IN_TRANSACTION = 20
PREFETCH = 500
"""How many rows a stream fetches at once."""


@dataclass(frozen=True, slots=True)
class Size:
    """How many rows the table has, a bulk writes and a stream reads."""

    people: int = 100_000
    bulk: int = 10_000
    streamed: int = 100_000


Arguments = Callable[[Size, int], tuple[Any, ...]]


def _nothing(_size: Size, _number: int) -> tuple[Any, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class Work:
    """One row: a verb of the worker, and the arguments of its n-th call.

    `table` is what is done to `people_new` before each round. Of a bulk (`bulk`) the worker makes the
    argument itself, as its users have it, and the rows that it stored are compared, not its answer.
    """

    name: str
    verb: str
    calls: int = 1
    rounds: int = 11
    arguments: Arguments = _nothing
    table: Literal["as it is", "empty", "half full"] = "as it is"
    bulk: bool = False
    ordered: bool = True


def works(size: Size) -> list[Work]:
    """All rows, in the table's order."""
    return [
        Work("get by key", "get", 200, arguments=lambda size, n: (n % size.people + 1,)),
        Work(
            "insert one and get it back",
            "insert",
            100,
            arguments=lambda _, n: (named(record(n)),),
            table="empty",
        ),
        Work("update one", "update", 100, arguments=_update),
        Work(
            f"{IN_TRANSACTION} inserts in a transaction",
            "insert_in_transaction",
            10,
            arguments=lambda _size, _n: ([named(record(k)) for k in range(IN_TRANSACTION)],),
            table="empty",
        ),
        Work(
            f"bulk insert {size.bulk:,}", "insert_many", rounds=7, arguments=_bulk, table="empty", bulk=True
        ),
        Work(f"upsert {size.bulk:,}", "upsert_many", rounds=7, arguments=_bulk, table="half full", bulk=True),
        Work("page with count and 50 rows", "page", 20, arguments=_age),
        Work(f"{size.people // 100:,} rows by filter", "by_age", 5, arguments=_age, ordered=False),
        Work(
            f"{size.bulk:,} rows",
            "first_rows",
            2,
            rounds=7,
            arguments=lambda size, _: (size.bulk,),
            ordered=False,
        ),
        Work(f"stream {size.streamed:,}", "stream", rounds=5, arguments=lambda size, _: (size.streamed,)),
        Work("50 tasks over a pool of 10", "tasks", rounds=9),
    ]


def _age(_size: Size, _number: int) -> tuple[int]:
    return (AGE,)


def _update(size: Size, number: int) -> tuple[int, str, float]:
    return number % min(1000, size.people) + 1, f"changed {number}", number / 4


def _bulk(size: Size, _number: int) -> tuple[list[tuple[Any, ...]]]:
    return (records(1, size.bulk + 1),)
