"""The tree of errors. Every face raises these and no others.

    RowsteadError
    ├── ValidationError (ValueError)     the input is wrong; nothing was written
    │   ├── UndefinedTableError          a table that is not there
    │   ├── UndefinedColumnError         a column that is not there
    │   ├── DataError                    the database refused a value
    │   └── RowError                     a stored row does not fit its model
    ├── StatementError                   the database refused the SQL itself
    ├── UsageError (RuntimeError)        a handle was used where it cannot work
    │   ├── TransactionFailed            an earlier statement of this block failed
    │   └── HandleClosed                 the handle, or its block, has ended
    ├── IntegrityError                   a constraint said no  (alias: Conflict)
    │   ├── DuplicateError               unique or primary key
    │   ├── ForeignKeyError              the row referred to is not there
    │   ├── RestrictError                other rows still refer to this one
    │   ├── NotNullError                 (also a ValidationError)
    │   └── CheckError                   check or exclusion constraint  (also a ValidationError)
    ├── ConflictError                    another transaction was first; try again (retryable)
    ├── NotFound (LookupError)
    │   └── RowNotFound                  the row to change is not there  (also an IntegrityError)
    ├── MigrationError (RuntimeError)    the migrations on disk and in the database disagree
    └── OperationalError                 the connection, the server or the machine
        ├── UnreachableError             no connection could be made
        ├── DisconnectedError            the connection broke; the statement was not applied
        ├── OutcomeUnknown               the answer was lost; the write may have happened
        │   └── CommitOutcomeUnknown     the same, of a whole transaction
        ├── PrivilegeError               the role may not do this
        ├── StorageError                 disk full, I/O error, damaged file
        │   └── ReadOnlyError            the file, or this connection to it, can only be read
        └── TimeoutExceeded (TimeoutError)
            ├── PoolTimeout              no connection became free in time
            └── StatementTimeout         the statement ran too long, or waited too long for a lock

Every class has a stable `code`. `table`, `column` and `constraint` are filled where the database
told us, `pk` where one row's key is known, `place` where it is one row of many; `retryable` says
whether running the same transaction again can succeed, and the driver's own exception is `__cause__`.
No message ever holds a password.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any, ClassVar

LONGEST_NAME = 200
"""Characters of a name that may be a mistyped one. Comparing takes longer the longer they are."""
LONGEST_MESSAGE = 10_000
"""Characters of a message. What a stranger sends stands in some, and may be as long as he likes."""


class RowsteadError(Exception):
    """Base of everything Rowstead raises."""

    code: ClassVar[str] = "ERROR"
    retryable: bool = False
    place: int | None = None
    """Of a write of many rows: which of them it is about, counted from 0, where that is known."""

    def __init__(
        self,
        message: str = "",
        *,
        table: str | None = None,
        column: str | None = None,
        constraint: str | None = None,
        pk: Any = None,
    ) -> None:
        super().__init__(message if len(message) <= LONGEST_MESSAGE else _shortened(message))
        self.table = table
        self.column = column
        self.constraint = constraint
        self.pk = pk


class ValidationError(RowsteadError, ValueError):
    """The input is wrong. It was found before anything was written."""

    code = "VALIDATION"


class UndefinedTableError(ValidationError):
    """A statement names a table that does not exist."""

    code = "UNDEFINED_TABLE"


class UndefinedColumnError(ValidationError):
    """A statement, filter, order or conflict target names a column that does not exist."""

    code = "UNDEFINED_COLUMN"


class DataError(ValidationError):
    """The database refused a value: too long, out of range, of the wrong type."""

    code = "DATA"


class RowError(ValidationError):
    """A row came back that its model refuses. If a statement wrote it, it is written."""

    code = "ROW"


class StatementError(RowsteadError):
    """The database refused the SQL: a syntax error, an unknown function, an object that exists."""

    code = "STATEMENT"


class UsageError(RowsteadError, RuntimeError):
    """A handle was used where it cannot work; the message says what to use instead."""

    code = "USAGE"


class TransactionFailed(UsageError):
    """A statement of this block failed and no savepoint caught it: the block can only roll back."""

    code = "TRANSACTION_FAILED"


class HandleClosed(UsageError):
    """The database handle is closed, or the transaction block has ended."""

    code = "HANDLE_CLOSED"


class IntegrityError(RowsteadError):
    """A constraint refused the write."""

    code = "INTEGRITY"
    columns: tuple[str, ...] = ()
    """The columns that the constraint is on, where the database told them instead of its name."""


Conflict = IntegrityError


class DuplicateError(IntegrityError):
    """A unique or primary key already has this value."""

    code = "DUPLICATE"


class ForeignKeyError(IntegrityError):
    """The row refers to another that does not exist."""

    code = "FOREIGN_KEY"


class RestrictError(IntegrityError):
    """Other rows still refer to this one."""

    code = "RESTRICT"


class NotNullError(IntegrityError, ValidationError):
    """A column that must have a value got none."""

    code = "NOT_NULL"


class CheckError(IntegrityError, ValidationError):
    """A check or exclusion constraint is false for this row."""

    code = "CHECK"


class ConflictError(RowsteadError):
    """Another transaction was first. Run the whole transaction again."""

    code = "CONFLICT"
    retryable = True


class NotFound(RowsteadError, LookupError):
    """No row has this key."""

    code = "NOT_FOUND"


class RowNotFound(NotFound, IntegrityError):
    """The row that a write names by its key is not there; nothing was written."""

    code = "ROW_NOT_FOUND"


class MigrationError(RowsteadError, RuntimeError):
    """Migrations cannot go on until somebody decides; the message says what to decide.

    `applied` names the migrations that this run had applied before it stopped.
    """

    code = "MIGRATION"
    applied: tuple[str, ...] = ()


class OperationalError(RowsteadError):
    """The connection, the server or the machine failed."""

    code = "OPERATIONAL"


class UnreachableError(OperationalError):
    """No connection could be made: wrong address, wrong password, server down."""

    code = "UNREACHABLE"


class DisconnectedError(OperationalError):
    """The connection broke before the statement could have been applied."""

    code = "DISCONNECTED"
    retryable = True


class OutcomeUnknown(OperationalError):
    """The connection broke after a write was sent: it may or may not have been applied."""

    code = "OUTCOME_UNKNOWN"


class CommitOutcomeUnknown(OutcomeUnknown):
    """The connection broke during COMMIT and the database could not be asked what happened."""

    code = "COMMIT_OUTCOME_UNKNOWN"


class PrivilegeError(OperationalError):
    """The role may not do this."""

    code = "PRIVILEGE"


class StorageError(OperationalError):
    """The disk is full, the file is damaged, read-only or cannot be opened."""

    code = "STORAGE"


class ReadOnlyError(StorageError):
    """The file, or the connection that this statement ran on, can only be read."""

    code = "READ_ONLY"


class TimeoutExceeded(OperationalError, TimeoutError):
    """A wait reached its limit."""

    code = "TIMEOUT"


class PoolTimeout(TimeoutExceeded):
    """No connection became free in time; the message names who holds them."""

    code = "POOL_TIMEOUT"


class StatementTimeout(TimeoutExceeded):
    """A statement ran, or waited for a lock, longer than allowed."""

    code = "STATEMENT_TIMEOUT"
    answered: bool = True
    """False when the server said nothing at all: whether the statement ran is not known."""


def _shortened(message: str) -> str:
    """Its beginning and its end, which says what to do."""
    half = LONGEST_MESSAGE // 2
    left_out = len(message) - 2 * half
    return f"{message[:half]} … ({left_out} characters left out) … {message[-half:]}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a message about a mistyped name: a suggestion, else what there is."""
    names = [str(k) for k in known]
    text = str(name)
    close = difflib.get_close_matches(text, names, n=1, cutoff=0.6) if len(text) <= LONGEST_NAME else []
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known: {', '.join(names)}" if names else "there are none"


def undefined_column(name: object, table: str, known: Iterable[str]) -> UndefinedColumnError:
    """The one error for a column name that a table does not have."""
    hint = did_you_mean(str(name), known)
    return UndefinedColumnError(f"{table} has no column {name!r}; {hint}", table=table, column=str(name))
