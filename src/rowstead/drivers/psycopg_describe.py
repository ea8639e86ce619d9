"""What the server says of a statement: the types of its parameters and columns. Both worlds use this.

One of psycopg's conversations, which are generators; it knows no connection but libpq's.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import psycopg
from psycopg import generators
from psycopg.pq import ExecStatus


def description(pgconn: Any, text: bytes) -> Generator[Any, Any, tuple[list[int], list[str], list[int]]]:
    """Parameter types, column names and column types of one statement, in one round trip."""
    results: list[Any] = []
    ends = 0
    pgconn.enter_pipeline_mode()
    try:
        pgconn.send_prepare(b"", text)
        pgconn.send_describe_prepared(b"")
        pgconn.pipeline_sync()
        yield from generators.send(pgconn)
        # Each command's results end with a None, the synchronisation has none.
        while ends <= 2:
            result = yield from generators.fetch(pgconn)
            if result is None:
                ends += 1
            elif result.status == ExecStatus.PIPELINE_SYNC:
                break
            else:
                results.append(result)
    finally:
        pgconn.exit_pipeline_mode()
    for result in results:
        if result.status == ExecStatus.FATAL_ERROR:
            raise psycopg.errors.error_from_result(result)
    if len(results) != 2:
        raise psycopg.OperationalError("the connection was lost while a statement was described")
    said = results[1]
    return (
        [said.param_type(i) for i in range(said.nparams)],
        [said.fname(i).decode() for i in range(said.nfields)],
        [said.ftype(i) for i in range(said.nfields)],
    )
