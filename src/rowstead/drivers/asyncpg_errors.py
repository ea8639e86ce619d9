"""asyncpg's exceptions as ours. Knows no connection."""

from __future__ import annotations

import re
from typing import Any

import asyncpg  # pyright: ignore[reportMissingTypeStubs]

from rowstead.drivers.postgresql import server_error, silent
from rowstead.errors import (
    DataError,
    DisconnectedError,
    OperationalError,
    RowsteadError,
    StatementError,
    UsageError,
    ValidationError,
)

BIND_ERROR = "invalid input for query argument"
"""How asyncpg begins what it says of a value that it could not encode; nothing was sent then."""

# The value stands between the two; it is left out of our message.
_BIND_MESSAGE = re.compile(r"query argument (\$\d+)( in element #\d+)?.*?: .*\((.*)\)$", re.DOTALL)
_COUNT_MESSAGE = re.compile(r"the server expects (\d+) arguments? for this query, (\d+)")


def translate(error: Exception) -> RowsteadError | None:
    """asyncpg's exception as ours; None when it is not one of its own."""
    message = str(error)
    if isinstance(error, (asyncpg.PostgresError, asyncpg.InterfaceError)) and message.startswith(BIND_ERROR):
        found = _BIND_MESSAGE.search(message)
        where, row, reason = found.groups() if found else ("", None, "it does not fit")
        place = f"parameter {where}" + (f"{row}" if row else "")
        return DataError(f"{place} does not fit what the statement takes there: {reason.strip('()')}")
    if isinstance(error, asyncpg.PostgresError):
        return _from_server(error)
    if isinstance(error, asyncpg.InterfaceError):
        return _from_interface(message.splitlines()[0] if message else type(error).__name__)
    if isinstance(error, RecursionError):
        # From asyncpg's own message, which shows the value.
        return DataError("a value is nested too deeply to be sent")
    if isinstance(error, asyncpg.OutdatedSchemaCacheError):
        return StatementError("a type was altered while the statement ran; its answer could not be read")
    if isinstance(error, TimeoutError):
        return silent()
    if isinstance(error, (asyncpg.InternalClientError, OSError)):
        return DisconnectedError(f"the connection broke: {error}")
    if isinstance(error, UnicodeEncodeError):
        return DataError("a text holds half a character (a lone surrogate) and cannot be sent as UTF-8")
    if isinstance(error, (ValueError, OverflowError)):
        # Python's own, from asyncpg's codecs while they read; of a custom codec it may show the value.
        return DataError(
            "a stored value cannot be read, as a date outside the years 1 to 9999 cannot: Python has none "
            "like it; cast it in the statement, as to text"
        )
    return None


def _from_server(error: asyncpg.PostgresError) -> RowsteadError:
    fields: dict[str, Any] = error.as_dict()  # pyright: ignore[reportUnknownVariableType]
    state = fields.get("sqlstate") or "58000"
    message = str(fields.get("message") or error)
    if fields.get("detail") is None and fields.get("severity") is None and state.startswith("08"):
        return DisconnectedError(f"the connection broke: {message}")
    return server_error(
        state,
        message,
        detail=fields.get("detail"),
        # asyncpg adds hints of its own about poolers; the server's are short.
        hint=None if state == "26000" else fields.get("hint"),
        table=fields.get("table_name"),
        column=fields.get("column_name"),
        constraint=fields.get("constraint_name"),
    )


def _from_interface(message: str) -> RowsteadError:
    count = _COUNT_MESSAGE.search(message)
    if count is not None:
        return ValidationError(
            f"the statement has {count.group(1)} parameter(s), but {count.group(2)} value(s) were given"
        )
    if "cannot exceed" in message:
        return ValidationError(message)
    if "another operation" in message:
        return UsageError(
            "this connection is busy with another task's statement; use one task per transaction"
        )
    if "clos" in message or "released" in message:
        return DisconnectedError(f"the connection broke: {message}")
    return OperationalError(message)
