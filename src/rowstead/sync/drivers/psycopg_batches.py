# Generated from rowstead/drivers/psycopg_batches.py by scripts/make_sync.py; do not edit.
"""One statement with many rows by psycopg, in a pipeline that says nothing of its own.

The synchronous twin is generated from this file. Knows no types: values come as psycopg sends them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import Connection, capabilities


def execute_rows(
    raw: Connection[Any], cursor: Any, text: str, rows: Sequence[Sequence[Any]], returning: bool
) -> None:
    """Run the statement with each row; the cursor has what they gave."""
    if not capabilities.has_pipeline():
        cursor.executemany(text, rows, returning=returning)
        return
    failure: BaseException | None = None
    try:
        with raw.pipeline():
            # psycopg logs what ends a pipeline beside an error that leaves it, so none does: a refused
            # row is nothing that a program's stderr should tell.
            try:
                cursor.executemany(text, rows, returning=returning)
            except BaseException as error:
                failure = error
    except (psycopg.Error, TimeoutError):
        if failure is None:
            raise
    if failure is not None:
        raise failure
