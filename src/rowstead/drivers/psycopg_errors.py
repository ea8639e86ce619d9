"""psycopg's exceptions as ours. Knows no connection: both worlds use this file."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from rowstead.drivers.postgresql import server_error, silent, unreadable
from rowstead.errors import (
    DataError,
    DisconnectedError,
    OperationalError,
    PoolTimeout,
    RowsteadError,
    StatementError,
    UsageError,
)


def translate(error: Exception) -> RowsteadError | None:
    """psycopg's exception as ours; None when it is not one of its own."""
    if not isinstance(error, psycopg.Error):
        if isinstance(error, UnicodeEncodeError):
            return DataError("a text holds half a character (a lone surrogate) and cannot be sent as UTF-8")
        if isinstance(error, TimeoutError):
            return silent()
        return DisconnectedError(f"the connection broke: {error}") if isinstance(error, OSError) else None
    diagnostic = error.diag
    if diagnostic.sqlstate is not None:
        return server_error(
            diagnostic.sqlstate,
            diagnostic.message_primary or str(error),
            detail=diagnostic.message_detail,
            hint=diagnostic.message_hint,
            table=diagnostic.table_name,
            column=diagnostic.column_name,
            constraint=diagnostic.constraint_name,
        )
    message = next(iter(str(error).strip().splitlines()), type(error).__name__)
    if type(error).__name__ == "PoolTimeout":
        return PoolTimeout(message)
    if isinstance(error, (psycopg.DataError, psycopg.NotSupportedError)) or "cannot adapt" in message:
        return DataError(message)
    if isinstance(error, psycopg.OperationalError) or "is closed" in message or "is lost" in message:
        return DisconnectedError(f"the connection broke: {message}")
    if isinstance(error, psycopg.ProgrammingError):
        return StatementError(message)
    return UsageError(message) if isinstance(error, psycopg.InterfaceError) else OperationalError(message)


def without_connection(error: Exception) -> Exception:
    """Why no connection was made, without the one that psycopg leaves in it: its parts show the password."""
    if not isinstance(error, psycopg.Error):
        return error
    return type(error)(*error.args).with_traceback(error.__traceback__)


def read_conninfo(dsn: str) -> dict[str, Any]:
    """The URL's settings, as libpq reads them, or a ValidationError."""
    try:
        return conninfo_to_dict(dsn)
    except psycopg.Error:
        # Not raised here: psycopg's own error quotes the URL, and would stay beside ours.
        pass
    raise unreadable()


def is_for_the_next(error: Exception) -> bool:
    """Whether another of several servers may do: psycopg does not tell why this one does not."""
    return isinstance(error, (psycopg.OperationalError, OSError))
