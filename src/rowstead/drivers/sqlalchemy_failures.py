"""A transaction of SQLAlchemy's in which a statement failed is not committed, on any database.

PostgreSQL answers the COMMIT of such a transaction by rolling it back, and nobody is told; SQLite and MariaDB
keep what came before and after. Here it is an error everywhere, unless a savepoint was rolled back to that
was made before the statement. It listens to one engine and knows no database.
"""

from __future__ import annotations

import asyncio
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import event
from sqlalchemy.engine import Connection, ExceptionContext
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from rowstead.errors import TransactionFailed


class _State:
    """The savepoints that are open, and how many were when a statement failed."""

    def __init__(self) -> None:
        self.savepoints: list[str] = []
        self.failed_at: int | None = None

    def fail(self) -> None:
        if self.failed_at is None:
            self.failed_at = len(self.savepoints)

    def back_to(self, name: str) -> None:
        """The savepoint itself stays open after its rollback; SQLAlchemy never uses one twice."""
        if name in self.savepoints:
            del self.savepoints[self.savepoints.index(name) :]
        if self.failed_at is not None and self.failed_at > len(self.savepoints):
            self.failed_at = None

    def release(self, name: str) -> None:
        if name in self.savepoints:
            del self.savepoints[self.savepoints.index(name) :]
        if self.failed_at is not None:
            self.failed_at = min(self.failed_at, len(self.savepoints))


def refuse_failed_commits(engine: AsyncEngine) -> None:
    """From now on a commit on this engine after a failed statement raises TransactionFailed."""
    for name, listener in (
        ("begin", _forget),
        ("rollback", _forget),
        ("before_cursor_execute", _savepoint),
        ("rollback_savepoint", _rollback_savepoint),
        ("release_savepoint", _release_savepoint),
        ("commit", _commit),
        ("handle_error", _fail),
    ):
        event.listen(engine.sync_engine, name, listener)


_STATES: WeakKeyDictionary[Connection, _State] = WeakKeyDictionary()
"""Of transactions that are open; bounded by them. A connection's own `info` cannot be had once it broke."""


def _state(connection: Connection) -> _State:
    found = _STATES.get(connection)
    if found is None:
        found = _STATES[connection] = _State()
    return found


def _forget(connection: Connection) -> None:
    _STATES.pop(connection, None)


def _savepoint(connection: Connection, _cursor: Any, statement: str, *_rest: Any) -> None:
    # SQLAlchemy's own event of a savepoint does not tell its name.
    if statement.startswith(_SAVEPOINT):
        _state(connection).savepoints.append(statement.removeprefix(_SAVEPOINT))


_SAVEPOINT = "SAVEPOINT "


def _rollback_savepoint(connection: Connection, name: str, _context: Any) -> None:
    _state(connection).back_to(name)


def _release_savepoint(connection: Connection, name: str, _context: Any) -> None:
    _state(connection).release(name)


def _fail(context: ExceptionContext) -> None:
    connection, running = context.connection, context.execution_context
    if running is not None and running.execution_options.get("skip_user_error_events"):
        return  # SQLAlchemy asks whether a table is there, and an error is the answer.
    was_sent = isinstance(context.sqlalchemy_exception, DBAPIError) or isinstance(
        context.original_exception, asyncio.CancelledError
    )
    if was_sent and connection is not None and not connection.invalidated and not connection.closed:
        _state(connection).fail()


def _commit(connection: Connection) -> None:
    if _state(connection).failed_at is not None:
        raise TransactionFailed(
            "a statement of this transaction failed, so that nothing of it can be committed; roll back, and "
            "run what may fail in a savepoint: `async with savepoint(session)`"
        )
    _forget(connection)
