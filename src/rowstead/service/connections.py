"""What statements are run on: a database, one transaction of it, or one connection.

All three run the same statements: SQLAlchemy's, or text with `:name` parameters. How they are spelled, and
how values travel, is the core's.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from rowstead.errors import HandleClosed, UsageError
from rowstead.session import Session
from rowstead.statements.written import Parameters, Result, Target, written


def session_of(given: Any) -> Session:
    """The core's session of a handle: of one of this face, of a `DB`, or itself. UsageError for the rest."""
    if isinstance(given, Session):
        return given
    session = getattr(given, "session", None)
    if not isinstance(session, Session):
        raise UsageError(
            "a connection is what `async with db.begin() as connection:` gives, a DB or one of its "
            f"transactions, not {type(given).__name__}"
        )
    return session


class _RolledBack(Exception):
    """Ends a transaction whose work is not to be kept."""


class Statements:
    """Runs statements on the session that a subclass provides.

    `sql` is a statement of SQLAlchemy's or text with `:name` parameters, `params` their values by name (a
    list of such mappings runs it once for each, all or nothing). `_conn` runs it in the transaction of
    another handle. Without that it is a transaction of its own, which `_commit=False` rolls back.
    Raises ValidationError for parameters that do not fit, and what the database refuses.
    """

    @property
    def session(self) -> Session:
        """The core's session, for the other faces and services."""
        raise NotImplementedError

    async def execute(
        self, sql: Any, params: Parameters = None, *, _commit: bool = True, _conn: Any = None
    ) -> Result:
        """Run a statement: its rows, if it gives any, and how many it wrote."""
        if _conn is not None:
            return await _run(session_of(_conn), sql, params)
        if _commit:
            return await _run(self.session, sql, params)
        result = Result()
        try:
            async with self.session.block() as transaction:
                result = await _run(transaction, sql, params)
                raise _RolledBack
        except _RolledBack:
            return result

    async def fetch(
        self, sql: Any, params: Parameters = None, *, _commit: bool = True, _conn: Any = None
    ) -> list[dict[str, Any]]:
        """Every row as a dict."""
        return (await self.execute(sql, params, _commit=_commit, _conn=_conn)).rows

    async def fetchrow(
        self, sql: Any, params: Parameters = None, *, _commit: bool = True, _conn: Any = None
    ) -> dict[str, Any] | None:
        """The first row as a dict, or None."""
        return (await self.execute(sql, params, _commit=_commit, _conn=_conn)).first()

    async def fetchval(
        self, sql: Any, params: Parameters = None, *, _commit: bool = True, _conn: Any = None
    ) -> Any:
        """The first column of the first row, or None where there is no row."""
        return (await self.execute(sql, params, _commit=_commit, _conn=_conn)).scalar()

    def begin(
        self, isolation: str | None = None, readonly: bool = False
    ) -> AbstractAsyncContextManager[Connection]:
        """A transaction, committed at the end of its block and rolled back on any error.

        On a handle of a transaction it is a savepoint. `isolation` is a standard level's name, None the
        database's own.
        """
        return _transaction(self.session, isolation, readonly)


class Connection(Statements):
    """One transaction, or one connection outside any. Ends with its block; then every use is HandleClosed."""

    def __init__(self, session: Session) -> None:
        self._session: Session | None = session

    @property
    def session(self) -> Session:
        if self._session is None:
            raise HandleClosed("this connection's block has ended; it cannot be used any more")
        return self._session

    def end(self) -> None:
        """From now on every use is an error."""
        self._session = None


async def _run(session: Session, sql: Any, params: Parameters) -> Result:
    target = Target(session.dialect, session.driver.codec, session.driver.paramstyle)
    return await session.plan(written(sql, params, target))


@asynccontextmanager
async def _transaction(session: Session, isolation: str | None, readonly: bool) -> AsyncGenerator[Connection]:
    async with session.block(isolation, readonly) as transaction:
        yield Connection(transaction)
