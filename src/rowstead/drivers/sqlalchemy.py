"""A driver over a SQLAlchemy connection or session: rows join the transaction that is open there.

SQLAlchemy opens the transaction and its owner ends it; in between our texts go over the very same
driver connection, by the same connection classes as everywhere else, so that values, errors and
`$1` are the same. Nothing is committed, rolled back or closed here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from rowstead.dialects import MARIADB, POSTGRESQL, SQLITE, Dialect
from rowstead.drivers.base import Connection
from rowstead.drivers.joined import BEGIN, Wrapper, translator
from rowstead.drivers.sqlalchemy_errors import translated
from rowstead.drivers.turns import Turns
from rowstead.errors import HandleClosed, RowsteadError, UsageError, ValidationError

KNOWN: Mapping[tuple[str, str], tuple[Dialect, str, str]] = {
    ("postgresql", "asyncpg"): (POSTGRESQL, "asyncpg", "numeric_dollar"),
    ("postgresql", "psycopg"): (POSTGRESQL, "psycopg", "numeric_dollar"),
    ("postgresql", "psycopg_async"): (POSTGRESQL, "psycopg", "numeric_dollar"),
    ("sqlite", "aiosqlite"): (SQLITE, "sqlite", "qmark"),
    **{
        (name, driver): (MARIADB, "mysql", "format")
        for name in ("mysql", "mariadb")
        for driver in ("asyncmy", "aiomysql")
    },
}
"""SQLAlchemy's (dialect, driver) -> our dialect, codec and parameter style."""


def known_as(dialect: Any) -> tuple[Dialect, str, str]:
    """Our dialect, codec and parameter style for SQLAlchemy's dialect; ValidationError for an unknown one."""
    known = KNOWN.get((dialect.name, dialect.driver))
    if known is None:
        names = ", ".join(f"{name}+{driver}" for name, driver in KNOWN)
        raise ValidationError(f"no rows over SQLAlchemy's {dialect.name}+{dialect.driver}; known: {names}")
    return known


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
        self.dialect, self.codec, self.paramstyle = known_as(_dialect_of(bind))
        # SQLAlchemy installs codecs by which asyncpg takes JSON as text.
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
            return await self._join(write)
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
        return translated(error, self._map)

    async def prepare(self) -> None:
        """Make ready what our expressions need of the connection beneath, without beginning anything there.

        A session's own statements may call functions of ours where the database lacks them.
        """
        bind = self._bind
        await self._wrapped(await bind.connection() if isinstance(bind, AsyncSession) else bind)

    async def _join(self, write: bool) -> Connection:
        bind = self._bind
        connection = await bind.connection() if isinstance(bind, AsyncSession) else bind
        if connection.closed:
            raise HandleClosed("the SQLAlchemy connection that this handle was given is closed")
        if not connection.in_transaction():
            # As SQLAlchemy's own `execute` would begin it; its owner ends it.
            await connection.begin()
        ours = await self._wrapped(connection)
        if not ours.in_transaction:
            below = await connection.get_raw_connection()
            if connection.dialect.detect_autocommit_setting(cast(Any, below.dbapi_connection)):
                raise UsageError(
                    "this SQLAlchemy connection is in AUTOCOMMIT: there is no transaction to join, and "
                    'statements of many rows need one; make the session without isolation_level="AUTOCOMMIT"'
                )
            # SQLAlchemy's drivers begin with the first statement; until then ours would commit itself.
            known = BEGIN.get(self.codec)
            if known is None and connection.in_nested_transaction():
                # It sees no transaction in a savepoint before the first statement; to begin one would end it.
                return ours
            for text in (known,) if known else self.dialect.begin(None, readonly=not write):
                await connection.exec_driver_sql(text)
        return ours

    async def _wrapped(self, connection: AsyncConnection) -> Connection:
        """Our connection over the driver's own, which is found beneath SQLAlchemy's."""
        raw = (await connection.get_raw_connection()).driver_connection
        ours = self._connection
        if ours is None or ours.raw is not raw:
            ours = self._connection = await self._wrapper.wrap(raw)
        return ours


def _dialect_of(bind: AsyncConnection | AsyncSession) -> Any:
    if isinstance(bind, AsyncSession):
        return bind.get_bind().dialect
    return bind.dialect
