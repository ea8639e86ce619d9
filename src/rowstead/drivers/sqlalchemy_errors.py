"""SQLAlchemy's errors as ours: the driver's own where there is one beneath, else by what SQLAlchemy says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from sqlalchemy import exc
from sqlalchemy.orm.exc import DetachedInstanceError, ObjectDeletedError, StaleDataError

from rowstead.errors import (
    ConflictError,
    DataError,
    DisconnectedError,
    IntegrityError,
    OperationalError,
    PoolTimeout,
    RowError,
    RowsteadError,
    StatementError,
    TransactionFailed,
    UsageError,
    ValidationError,
)

Translate = Callable[[Exception], RowsteadError | None]
_Make = Callable[[str], RowsteadError]


def translated(error: Exception, of_driver: Translate) -> RowsteadError | None:
    """Ours for an exception that came out of SQLAlchemy; None for one that is no error of a database.

    `of_driver` translates the driver's own errors, which are found beneath SQLAlchemy's.
    """
    if isinstance(error, exc.DontWrapMixin) and isinstance(error, ValidationError):
        # A type of ours refused the value and had SQLAlchemy let the error through.
        return ValidationError(str(error), table=error.table, column=error.column)
    if isinstance(error, RowsteadError):
        return error
    if isinstance(error, exc.StatementError):
        return _of_statement(error, of_driver)
    if isinstance(error, AssertionError) and "No such polymorphic_identity" in str(error):
        return RowError(f"a row belongs to a class that is not mapped: {error}")
    if isinstance(error, exc.InvalidRequestError) and "Could not refresh instance" in str(error):
        return _stale(str(error))
    if isinstance(error, exc.SQLAlchemyError):
        return _first(_OF_SQLALCHEMY, error)(str(error))
    return of_driver(error)


def _of_statement(error: exc.StatementError, of_driver: Translate) -> RowsteadError:
    for cause in _causes(error.orig):
        found = cause if isinstance(cause, RowsteadError) else of_driver(cause)
        if found is not None:
            return found
    if isinstance(error, exc.DBAPIError):
        if error.connection_invalidated:
            return DisconnectedError("the connection broke under SQLAlchemy")
        return _first(_OF_DBAPI, error)(str(error.orig))
    # Not sent: a type would not take a value, or a value is missing.
    return ValidationError(f"a value does not fit its column: {error.orig or error}")


def _causes(error: BaseException | None) -> Iterator[Exception]:
    while isinstance(error, Exception):
        yield error
        error = error.__cause__


def _first(table: Mapping[type[Exception], _Make], error: Exception) -> _Make:
    return next(make for type_, make in table.items() if isinstance(error, type_))


def _stale(message: str) -> ConflictError:
    return ConflictError(
        f"another transaction changed or removed this row since it was read ({message}); read it again"
    )


_OF_SQLALCHEMY: Mapping[type[Exception], _Make] = {
    # What is more special comes first.
    StaleDataError: _stale,
    ObjectDeletedError: _stale,
    exc.PendingRollbackError: lambda message: TransactionFailed(
        f"an earlier statement of this session failed; call `await session.rollback()` first ({message})"
    ),
    exc.TimeoutError: lambda message: PoolTimeout(
        f"no connection became free in time: {message}. A SQLite database in memory is one connection: end "
        "one session's transaction before another session asks for it, or use a file"
    ),
    DetachedInstanceError: UsageError,
    exc.MissingGreenlet: lambda message: UsageError(
        f"an attribute that is not loaded was asked for where nobody can wait; refresh the object first "
        f"({message})"
    ),
    exc.InvalidRequestError: lambda message: UsageError(f"SQLAlchemy refuses this: {message}"),
    exc.SQLAlchemyError: lambda message: UsageError(
        f"the SQLAlchemy connection or session cannot be used: {message}"
    ),
}
_OF_DBAPI: Mapping[type[Exception], _Make] = {
    # Of drivers whose own errors nobody here knows.
    exc.IntegrityError: IntegrityError,
    exc.DataError: DataError,
    exc.ProgrammingError: StatementError,
    exc.NotSupportedError: StatementError,
    exc.DBAPIError: OperationalError,
}
