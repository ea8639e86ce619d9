"""What a write of dicts gives back: which of the rows that it wrote may be seen.

A condition on them stands behind RETURNING where it means there what it means in a SELECT; else the rows
are asked for by their keys.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rowstead.language.guards import NO_GUARD, Guard
from rowstead.language.shapes import EVERYTHING, has_subquery
from rowstead.plan import Atomic, Plan
from rowstead.plans.table_reads import MAX_COMPOSITE, Wanted, by_ids, keys
from rowstead.statements.compiled import NOT_SHOWN, Compiler
from rowstead.statements.inserts import Back
from rowstead.tables.schema import Table

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Written:
    """What a write did: how many rows it wrote, and those of them that may be seen, as far as asked."""

    count: int
    rows: list[dict[str, Any]]


KEYS_AT_ONCE = 5_000
"""Keys of one value in one statement."""


def seen(given_back: Iterable[Any]) -> Written:
    """What came back: rows, and NOT_SHOWN for those that may not be seen."""
    found = list(given_back)
    return Written(len(found), [row for row in found if row is not NOT_SHOWN])


def back_of(columns: tuple[str, ...], shown: Guard) -> Back | None:
    return Back(columns, shown.shape, shown.values) if columns else None


def judged(
    compiler: Compiler,
    table: Table,
    columns: tuple[str, ...],
    shown: Guard,
    write: Callable[[tuple[str, ...], Guard], Plan[Written]],
) -> Plan[Written]:
    """A write that gives back rows that `shown` is true of, as they are when it has ended.

    Where RETURNING cannot be asked about them, they are asked for by their keys.
    """
    if not columns or not is_judged_apart(compiler, table, shown):
        return (yield from write(columns, shown))

    def steps() -> Plan[Written]:
        written = yield from write(with_key(table, columns), NO_GUARD)
        visible: set[Any] = set()
        for ids in in_portions(table, written.rows):
            visible |= yield keys(compiler, table, ids.also(shown))
        return only(written, table, columns, visible)

    return (yield Atomic(steps()))


def is_judged_apart(compiler: Compiler, table: Table, shown: Guard) -> bool:
    """Whether a condition behind RETURNING would not say what it says of the row in a SELECT.

    A subquery there may ask the table itself, some of whose rows are written already and some are not.
    """
    if shown.shape == EVERYTHING or not table.key:
        return False
    return not compiler.dialect.returning_judges or has_subquery(shown.shape)


def with_key(table: Table, columns: tuple[str, ...]) -> tuple[str, ...]:
    return (*columns, *(name for name in table.key if name not in columns))


def in_portions(table: Table, some: Rows) -> Iterator[Wanted]:
    """The rows by their keys, as many at once as one statement takes."""
    size = MAX_COMPOSITE if len(table.key) > 1 else KEYS_AT_ONCE
    for start in range(0, len(some), size):
        yield by_ids(table, [{name: row[name] for name in table.key} for row in some[start : start + size]])


def only(written: Written, table: Table, columns: tuple[str, ...], visible: Container[Any]) -> Written:
    """What was written, with those of the rows alone whose keys are visible, and with these columns."""
    key = table.key
    single = key[0] if len(key) == 1 else None
    found = [
        row
        for row in written.rows
        if (tuple(row[name] for name in key) if single is None else row[single]) in visible
    ]
    return Written(written.count, [{name: row[name] for name in columns} for row in found])
