"""A driver over a SQLAlchemy connection or session: rows join the transaction that is open there.

SQLAlchemy opens the transaction and its owner ends it; in between our texts go over the very same
driver connection, by the same connection classes as everywhere else, so that values, errors and
`$1` are the same. Nothing is committed, rolled back or closed here.
"""

from __future__ import annotations

from typing import Any, cast

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from rowstead.dialects import POSTGRESQL, SQLITE, Dialect
from rowstead.drivers.base import Connection
from rowstead.drivers.joined import BEGIN, Wrapper, translator
from rowstead.drivers.turns import Turns
from rowstead.errors import DisconnectedError, HandleClosed, RowsteadError, UsageError, ValidationError

_KNOWN: dict[tuple[str, str], tuple[Dialect, str, str]] = {
    ("postgresql", "asyncpg"): (POSTGRESQL, "asyncpg", "numeric_dollar"),
    ("postgresql", "psycopg"): (POSTGRESQL, "psycopg", "numeric_dollar"),
    ("postgresql", "psycopg_async"): (POSTGRESQL, "psycopg", "numeric_dollar"),
    ("sqlite", "aiosqlite"): (SQLITE, "sqlite", "qmark"),
}
"""SQLAlchemy's (dialect, driver) -> our dialect, codec and parameter style."""


class SQLAlchemyAdapter:
    """`DB(SQLAlchemyAdapter(session))`: over an `AsyncConnection` or `AsyncSession`, one task at a time.

    `joined` says that the transaction is the owner's: blocks opened through it are savepoints.
    """

    own_pool = False
    joined = True

    def __init__(self, bind: AsyncConnection | AsyncSession) -> None:
        if not isinstance(bind, (AsyncConnection, AsyncSession)):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise UsageError(
                "SQLAlchemyAdapter takes an AsyncConnection or an AsyncSession, "
                f"not {type(bind).__name__}; of an engine use `async with engine.begin() as connection`"
            )
        dialect = _dialect_of(bind)
        known = _KNOWN.get((dialect.name, dialect.driver))
        if known is None:
            names = ", ".join(f"{name}+{driver}" for name, driver in _KNOWN)
            raise ValidationError(
                f"no rows over SQLAlchemy's {dialect.name}+{dialect.driver}; known: {names}"
            )
        self.dialect, self.codec, self.paramstyle = known
        # SQLAlchemy installs codecs by which asyncpg gives JSON as text.
        self.json_as_text = self.codec == "asyncpg"
        self._bind = bind
        self._turns = Turns()
        self._map = translator(self.codec)
        self._wrapper = Wrapper(self.codec)
        self._connection: Any = None

    async def open(self) -> None:
        connection = await self.lend(write=False)
        self.take_back(connection)

    async def lend(self, write: bool) -> Connection:
        """The one connection, inside its owner's transaction, which is begun if it was not yet."""
        await self._turns.take()
        try:
            return await self._join()
        except SQLAlchemyError as error:
            self._turns.give()
            raise self.translate(error) or UsageError(str(error)) from error
        except BaseException:
            self._turns.give()
            raise

    def take_back(self, connection: Any, suspect: bool = False) -> None:
        connection.dirty = False
        self._turns.give()

    async def close(self) -> None:
        """Connection and session stay open: they are their owner's."""
        self._connection = None

    def translate(self, error: Exception) -> RowsteadError | None:
        if isinstance(error, DBAPIError):
            cause = error.orig
            while cause is not None:
                found = self._map(cause) if isinstance(cause, Exception) else None
                if found is not None:
                    return found
                cause = cause.__cause__
            if error.connection_invalidated:
                return DisconnectedError("the connection broke under SQLAlchemy")
            return None
        if isinstance(error, SQLAlchemyError):
            return UsageError(f"the SQLAlchemy connection or session cannot be used: {error}")
        return self._map(error)

    async def _join(self) -> Connection:
        bind = self._bind
        connection = await bind.connection() if isinstance(bind, AsyncSession) else bind
        if connection.closed:
            raise HandleClosed("the SQLAlchemy connection that this handle was given is closed")
        if not connection.in_transaction():
            # As SQLAlchemy's own `execute` would begin it; its owner ends it.
            await connection.begin()
        below = await connection.get_raw_connection()
        ours = self._connection
        if ours is None or ours.raw is not below.driver_connection:
            ours = self._connection = await self._wrapper.wrap(below.driver_connection)
        if not ours.in_transaction:
            if connection.dialect.detect_autocommit_setting(cast(Any, below.dbapi_connection)):
                raise UsageError(
                    "this SQLAlchemy connection is in AUTOCOMMIT: there is no transaction to join"
                )
            # SQLAlchemy's drivers begin with the first statement; until then ours would commit itself.
            await connection.exec_driver_sql(BEGIN[self.codec])
        return ours


def _dialect_of(bind: AsyncConnection | AsyncSession) -> Any:
    if isinstance(bind, AsyncSession):
        return bind.get_bind().dialect
    return bind.dialect
