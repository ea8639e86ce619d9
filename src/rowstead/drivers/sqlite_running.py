"""One statement on the standard library's connection: run to its end, and what its failure means.

Must not know of time-outs nor of who waits.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from rowstead.drivers.base import RawResult
from rowstead.plan import Record

T = TypeVar("T")

NO_SUCH = "no such "
_WITH = re.compile(r"(?:\s|--[^\n]*\n|/\*.*?\*/)*WITH\b", re.IGNORECASE | re.DOTALL)


def unless_it_waits(
    run: Callable[[sqlite3.Connection, str, Sequence[Any]], T],
    db: sqlite3.Connection,
    text: str,
    params: Sequence[Any],
) -> T | None:
    """What `run` gives; None where the statement had to wait for a lock, and then nothing was done."""
    try:
        return run(db, text, params)
    except sqlite3.OperationalError as error:
        if is_not_quick(error):
            return None
        raise


def fetched(db: sqlite3.Connection, text: str, params: Sequence[Any]) -> list[Record]:
    """The statement's records."""
    return db.execute(text, params).fetchall()


def run_to_end(db: sqlite3.Connection, text: str, params: Sequence[Any]) -> int:
    """The affected count of a statement of ours, -1 where it has none."""
    cursor = db.execute(text, params)
    if cursor.description is not None:
        # INSERT … RETURNING commits when its last record was taken, not before.
        cursor.fetchall()
    return cursor.rowcount


def run_raw(db: sqlite3.Connection, text: str, params: Sequence[Any]) -> RawResult:
    """What a user's statement gave."""
    before = db.total_changes
    cursor = db.execute(text, params)
    count = cursor.rowcount
    if cursor.description is None:
        if count < 0 and _WITH.match(text):
            # Only a write gives no columns after WITH; sqlite3 does not see that it is one.
            count = db.execute("SELECT changes()").fetchone()[0]
        return RawResult((), (), count)
    columns = [column[0] for column in cursor.description]
    records = cursor.fetchall()
    # A write that returns has changed as many rows as it gave.
    wrote = count >= 0 or db.total_changes != before
    return RawResult(columns, records, len(records) if wrote else -1)


def is_not_quick(error: sqlite3.OperationalError) -> bool:
    """Whether a statement was broken off by its budget or a lock, or may be misled: it is to run anew."""
    return _code(error) == sqlite3.SQLITE_INTERRUPT or is_busy(error) or NO_SUCH in str(error)


def is_busy(error: sqlite3.OperationalError) -> bool:
    """Whether another connection holds the lock, which waiting helps against; an old snapshot it does not."""
    code = _code(error)
    return code & 0xFF == sqlite3.SQLITE_BUSY and code != sqlite3.SQLITE_BUSY_SNAPSHOT


def _code(error: sqlite3.Error) -> int:
    # sqlite3 raises some errors of its own, which have no code.
    return getattr(error, "sqlite_errorcode", 0)
