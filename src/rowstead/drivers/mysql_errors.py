"""MariaDB's error codes as ours. Knows no connection and no library: all libraries give (code, message).

Codes are those of the server's manual ("MariaDB Error Codes"); 2xxx are the client libraries' own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from rowstead.drivers.postgresql import silent
from rowstead.errors import (
    CheckError,
    ConflictError,
    DataError,
    DisconnectedError,
    DuplicateError,
    ForeignKeyError,
    IntegrityError,
    NotNullError,
    OperationalError,
    PrivilegeError,
    ReadOnlyError,
    RestrictError,
    RowsteadError,
    StatementError,
    StatementTimeout,
    StorageError,
    UndefinedColumnError,
    UndefinedTableError,
    UnreachableError,
    UsageError,
)

ENDS_TRANSACTION = frozenset({1213, 1205, 1020, 3101, 1180})
"""Conflicts after which nothing of the transaction is to be kept: of some of them the server undoes only
the statement, which would leave half of what was meant to be whole."""
GALERA_CONFLICT = "error 149"

_KINDS: Mapping[int, type[RowsteadError]] = {
    1020: ConflictError,  # the row was changed since the transaction's snapshot
    1205: ConflictError,  # lock wait timeout
    1213: ConflictError,  # deadlock
    3101: ConflictError,  # the cluster undid it
    1062: DuplicateError,
    1586: DuplicateError,
    1169: DuplicateError,
    1216: ForeignKeyError,
    1452: ForeignKeyError,
    1217: RestrictError,
    1451: RestrictError,
    1048: NotNullError,
    1364: NotNullError,
    1263: NotNullError,
    4025: CheckError,
    1146: UndefinedTableError,
    1051: UndefinedTableError,
    1109: UndefinedTableError,
    1054: UndefinedColumnError,
    1072: UndefinedColumnError,
    1091: UndefinedColumnError,
    1264: DataError,  # out of range
    1265: DataError,  # truncated
    1292: DataError,  # incorrect value
    1366: DataError,  # incorrect value for a column
    1367: DataError,
    1406: DataError,  # too long
    1411: DataError,
    1365: DataError,  # division by zero
    1416: DataError,
    1441: DataError,
    1690: DataError,  # a number left its range
    1916: DataError,
    4038: DataError,  # JSON
    1300: DataError,  # a character that the set lacks
    1977: DataError,
    1267: StatementError,  # collations that cannot be compared
    1044: PrivilegeError,
    1045: PrivilegeError,
    1142: PrivilegeError,
    1143: PrivilegeError,
    1227: PrivilegeError,
    1370: PrivilegeError,
    1698: PrivilegeError,
    1290: ReadOnlyError,
    1792: ReadOnlyError,
    1836: ReadOnlyError,
    1021: StorageError,
    1114: StorageError,
    1030: StorageError,
    1034: StorageError,
    1194: StorageError,
    1969: StatementTimeout,
    3024: StatementTimeout,
    1317: OperationalError,  # the statement was killed
    1040: UnreachableError,
    1203: UnreachableError,
    1226: UnreachableError,
    1049: UnreachableError,
    1053: DisconnectedError,  # the server shuts down
    1927: DisconnectedError,  # the connection was killed
    1152: DisconnectedError,
    1153: DataError,  # larger than max_allowed_packet
    1158: DisconnectedError,
    1159: DisconnectedError,
    1160: DisconnectedError,
    1161: DisconnectedError,
    2002: DisconnectedError,
    2003: DisconnectedError,
    2006: DisconnectedError,
    2013: DisconnectedError,
    2014: DisconnectedError,
    2055: DisconnectedError,
    1557: IntegrityError,
    1761: DuplicateError,
    1762: DuplicateError,
}
_HINTS: Mapping[int, str] = {
    1205: "another transaction held what this one needs; the whole transaction is rolled back: run it again",
    1213: "the whole transaction is rolled back: run it again",
    1146: "create it, or check its name and database",
    1040: "the server has no connection left; lower max_size, or raise its max_connections",
    1153: "raise the server's max_allowed_packet, or send less at once",
}

_KEY = re.compile(r"for key '(?:[^']*\.)?([^']+)'")
_COLUMN = re.compile(r"(?:[Cc]olumn|Field) '(?:[^'`]*[.])?([^'.]+)'")
_DATA_COLUMN = re.compile(r"for column (?:`[^`]*`\.)*[`']([^`']+)[`']")
_FOREIGN_KEY = re.compile(r"CONSTRAINT `([^`]+)` FOREIGN KEY \((`[^)]*`)\)")
_CHECK = re.compile(r"CONSTRAINT `([^`]+)`")
_REFERRING = re.compile(r"\((?:`[^`]*`\.)?`([^`]+)`, CONSTRAINT")
_TABLE = re.compile(r"[Tt]able '(?:[^'.]*\.)?([^'.]+)'")
# What the row holds is left out of our message.
_DUPLICATE_VALUE = re.compile(r"Duplicate entry '.*' for key", re.DOTALL)


def server_error(code: int, message: str) -> RowsteadError | None:
    """An error that the server or a library names by this code; None for a code of no known meaning."""
    if code == 1180:
        # An error during COMMIT: of Galera's certification, else of the storage.
        kind: type[RowsteadError] | None = ConflictError if GALERA_CONFLICT in message else StorageError
    elif code in (2013, 2006) and "timed out" in message:
        return silent()
    else:
        kind = _KINDS.get(code)
    if kind is None:
        return StatementError(message) if 1000 <= code < 2000 or code >= 3000 else None
    text = _DUPLICATE_VALUE.sub("Duplicate entry for key", message) if kind is DuplicateError else message
    if kind is DisconnectedError:
        text = f"the connection broke: {message}"
    text = "; ".join(part for part in (text, _HINTS.get(code)) if part)
    return kind(text, **_places(kind, message))


def _places(kind: type[RowsteadError], message: str) -> dict[str, str | None]:
    """Table, column and constraint, as far as the server's wording tells them."""
    if kind is DuplicateError:
        return {"constraint": _first(_KEY, message)}
    if kind in (ForeignKeyError, RestrictError):
        found = _FOREIGN_KEY.search(message)
        columns = found[2].replace("`", "").split(", ") if found else []
        return {
            "constraint": found[1] if found else None,
            "column": columns[0] if len(columns) == 1 and kind is ForeignKeyError else None,
            "table": _first(_REFERRING, message) if kind is ForeignKeyError else None,
        }
    if kind is CheckError:
        return {"constraint": _first(_CHECK, message)}
    if kind is UndefinedTableError:
        return {"table": _first(_TABLE, message)}
    if kind in (NotNullError, UndefinedColumnError):
        return {"column": _first(_COLUMN, message)}
    if kind is DataError:
        return {"column": _first(_DATA_COLUMN, message) or _first(_COLUMN, message)}
    return {}


def _first(pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.search(text)
    return found[1] if found else None


def code_of(error: BaseException) -> int | None:
    """The code that a library's exception carries."""
    first = error.args[0] if error.args else None
    return first if type(first) is int else None


def translate(error: Exception, own: tuple[type[Exception], ...]) -> RowsteadError | None:
    """A library's exception as ours; None when it is none of `own`, nor one of a connection or a text."""
    if isinstance(error, UnicodeEncodeError):
        return DataError("a text holds half a character (a lone surrogate) and cannot be sent as UTF-8")
    if isinstance(error, TimeoutError):
        return silent()
    if isinstance(error, (OSError, EOFError)):
        return DisconnectedError(f"the connection broke: {error}")
    if not isinstance(error, own):
        return None
    code = code_of(error)
    message = str(error.args[1]) if len(error.args) > 1 else str(error)
    if code:
        known = server_error(code, message)
        if known is not None:
            return known
    if "closed" in str(error) or "Not connected" in str(error) or "sequence" in str(error):
        return DisconnectedError(f"the connection broke: {message or error}")
    if "another" in str(error):
        return UsageError(f"this connection is busy with another task's statement: {message}")
    return OperationalError(message or str(error))
