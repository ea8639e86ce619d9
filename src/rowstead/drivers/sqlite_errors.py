"""SQLite's errors as ours: a table of extended codes, and what its messages name.

Knows `sqlite3`'s exceptions and nothing of connections.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable

from rowstead.errors import (
    CheckError,
    ConflictError,
    DataError,
    DuplicateError,
    ForeignKeyError,
    HandleClosed,
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
    ValidationError,
)

_FAILED = re.compile(r"constraint failed: (?P<what>.*)\Z", re.DOTALL)
_NO_TABLE = re.compile(r"no such table: (?P<table>\S+)")
_NO_COLUMN = re.compile(r"no such column: (?:(?P<table>[^\s.]+)\.)?(?P<column>\S+)")
_NO_COLUMN_NAMED = re.compile(r"table (?P<table>\S+) has no column named (?P<column>\S+)")
_WRONG_TYPE = re.compile(r"cannot store \w+ value in \w+ column (?P<table>[^\s.]+)\.(?P<column>\S+)")


def translate(error: Exception) -> RowsteadError | None:
    """Ours for an exception that came out of sqlite3; None for any other."""
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", None)
        if code is None:
            return _of_the_module(error)
        make = _BY_CODE.get(code) or _BY_CODE.get(code & 0xFF, _other)
        return make(str(error))
    if isinstance(error, sqlite3.Warning):
        return ValidationError(_ONE_STATEMENT)
    if isinstance(error, OverflowError) and "SQLite INTEGER" in str(error):
        return DataError("a whole number is larger than SQLite's 64 bits; use a Decimal or text column")
    if isinstance(error, UnicodeEncodeError):
        return DataError("a text holds half a surrogate pair and has no UTF-8 form; SQLite cannot store it")
    return None


_ONE_STATEMENT = (
    "one call runs one statement; send each in a call of its own, inside transaction() to keep them together"
)


def _of_the_module(error: sqlite3.Error) -> RowsteadError:
    """What sqlite3 itself refuses before SQLite sees it has no code, only words."""
    message = str(error)
    if "closed database" in message or "closed cursor" in message:
        return HandleClosed("this SQLite connection is closed")
    if "one statement at a time" in message:
        return ValidationError(_ONE_STATEMENT)
    if "number of bindings" in message or "did not supply a value" in message:
        return ValidationError(f"the statement and its values do not match: {message}")
    if "Error binding parameter" in message or isinstance(error, sqlite3.DataError | sqlite3.InterfaceError):
        return DataError(f"SQLite cannot store a value of this type: {message}")
    if "decode to UTF-8" in message:
        return DataError(f"a stored text is not UTF-8: {message}")
    if isinstance(error, sqlite3.ProgrammingError):
        return ValidationError(message)
    return OperationalError(message)


def _columns(message: str) -> tuple[str | None, list[str]]:
    """`table.a, table.b` at the end of a message; a column may be anything, also hold dots."""
    found = _FAILED.search(message)
    names = [name.partition(".") for name in found["what"].split(", ")] if found else []
    if not names or not all(dot for _, dot, _ in names):
        return None, []
    return names[0][0], [column for _, _, column in names]


def _duplicate(message: str) -> RowsteadError:
    table, columns = _columns(message)
    if table is None:
        # An index on an expression is named instead: "index 'name'".
        index = re.search(r"index '(.*)'", message)
        return DuplicateError(
            f"a row with this key exists already ({message})", constraint=index and index[1]
        )
    error = DuplicateError(
        f"{table} already has a row with this {', '.join(columns)} ({message})",
        table=table,
        column=columns[0] if len(columns) == 1 else None,
    )
    error.columns = tuple(columns)
    return error


def _not_null(message: str) -> RowsteadError:
    table, columns = _columns(message)
    column = columns[0] if columns else None
    return NotNullError(f"{table}.{column} must have a value ({message})", table=table, column=column)


def _check(message: str) -> RowsteadError:
    found = _FAILED.search(message)
    name = found["what"] if found else None
    return CheckError(f"the row breaks a check: {name or message}", constraint=name)


def _foreign_key(message: str) -> RowsteadError:
    return ForeignKeyError(f"the row refers to one that is not there, or others refer to it ({message})")


def _trigger(message: str) -> RowsteadError:
    # ON DELETE RESTRICT is carried out by an inner trigger; all others raise their own text.
    if message == "FOREIGN KEY constraint failed":
        return RestrictError(f"other rows still refer to this one ({message})")
    return IntegrityError(message)


def _datatype(message: str) -> RowsteadError:
    found = _WRONG_TYPE.search(message)
    return DataError(message, table=found and found["table"], column=found and found["column"])


def _sql(message: str) -> RowsteadError:
    if found := _NO_TABLE.search(message):
        table = found["table"]
        return UndefinedTableError(f"there is no table {table}; has the migration run?", table=table)
    if found := _NO_COLUMN_NAMED.search(message) or _NO_COLUMN.search(message):
        table, column = found["table"], found["column"]
        where = f"{table} has" if table else "the tables of this statement have"
        return UndefinedColumnError(f"{where} no column {column}", table=table, column=column)
    if "number of bindings" in message:
        return ValidationError(message)
    if "pattern too complex" in message:
        return DataError("a pattern of LIKE is longer than SQLite takes: 50,000 bytes")
    if message == "integer overflow":
        return DataError("a sum of whole numbers is larger than SQLite's 64 bits; sum a part, or decimals")
    return StatementError(f"SQLite refused the SQL: {message}")


def _storage(advice: str) -> Callable[[str], RowsteadError]:
    return lambda message: StorageError(f"{message}: {advice}")


def _busy(message: str) -> RowsteadError:
    return StatementTimeout(
        f"the database file is locked by another process or handle ({message}); end its transaction"
    )


def _other(message: str) -> RowsteadError:
    return OperationalError(message)


_BY_CODE: dict[int, Callable[[str], RowsteadError]] = {
    sqlite3.SQLITE_CONSTRAINT_UNIQUE: _duplicate,
    sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY: _duplicate,
    sqlite3.SQLITE_CONSTRAINT_ROWID: _duplicate,
    sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY: _foreign_key,
    sqlite3.SQLITE_CONSTRAINT_TRIGGER: _trigger,
    sqlite3.SQLITE_CONSTRAINT_NOTNULL: _not_null,
    sqlite3.SQLITE_CONSTRAINT_CHECK: _check,
    3091: _datatype,  # SQLITE_CONSTRAINT_DATATYPE, which Python names from 3.11's later releases on
    sqlite3.SQLITE_CONSTRAINT: IntegrityError,
    sqlite3.SQLITE_MISMATCH: _datatype,
    sqlite3.SQLITE_TOOBIG: DataError,
    sqlite3.SQLITE_ERROR: _sql,
    sqlite3.SQLITE_RANGE: ValidationError,
    sqlite3.SQLITE_BUSY: _busy,
    sqlite3.SQLITE_BUSY_SNAPSHOT: lambda message: ConflictError(
        f"another transaction wrote since this one read ({message}); run it again"
    ),
    sqlite3.SQLITE_LOCKED: lambda message: ConflictError(f"{message}; run the transaction again"),
    sqlite3.SQLITE_INTERRUPT: lambda message: StatementTimeout(
        f"the statement was stopped: it ran longer than allowed, or its caller was cancelled ({message})"
    ),
    sqlite3.SQLITE_READONLY: lambda message: ReadOnlyError(f"{message}: it was opened for reading only"),
    sqlite3.SQLITE_PERM: PrivilegeError,
    sqlite3.SQLITE_AUTH: PrivilegeError,
    sqlite3.SQLITE_FULL: _storage("make room, then try again; nothing of this statement was kept"),
    sqlite3.SQLITE_IOERR: _storage("the disk or the file system failed"),
    sqlite3.SQLITE_CORRUPT: _storage("the file is damaged; restore a copy, or try `sqlite3 FILE .recover`"),
    sqlite3.SQLITE_NOTADB: _storage("this is no SQLite database"),
    sqlite3.SQLITE_CANTOPEN: _storage("does the folder exist, and may this user read and write it?"),
}
