"""PostgreSQL by asyncpg: bare connections with JSON codecs, in our own pool.

Pools and connections that a user brought are in `asyncpg_borrowed`.
"""

from __future__ import annotations

from types import CoroutineType
from typing import Any

import asyncpg  # pyright: ignore[reportMissingTypeStubs]

from rowstead.dialects import POSTGRESQL, Dialect
from rowstead.drivers.addresses import Options
from rowstead.drivers.asyncpg_connecting import Connecting
from rowstead.drivers.asyncpg_connection import AsyncpgConnection
from rowstead.drivers.asyncpg_errors import translate
from rowstead.drivers.asyncpg_json import install_json
from rowstead.drivers.asyncpg_prepared import PREPARED, PreparedConnection, speaks_directly
from rowstead.drivers.hosts import Hosts
from rowstead.drivers.pool import Pool
from rowstead.drivers.pooled import PooledConnection
from rowstead.drivers.postgresql import (
    client_limit,
    milliseconds,
    password_of,
    plain_dsn,
    refuses_setting,
    unreachable,
    unreadable,
)
from rowstead.errors import RowsteadError


class AsyncpgDriver:
    """PostgreSQL by asyncpg with a pool of our own."""

    dialect: Dialect = POSTGRESQL
    codec = "asyncpg"
    paramstyle = "numeric_dollar"
    own_pool = True
    joined = False
    json_as_text = False

    def __init__(self, dsn: str, options: Options | None = None) -> None:
        self._options = options = options or Options()
        self._hosts = Hosts(plain_dsn(dsn), options.connect_timeout)
        low, high = options.bounds()
        self._pooled = False
        self._connecting = Connecting()
        self.pool: Pool[AsyncpgConnection | PooledConnection] = Pool(
            self._connect,
            min_size=low,
            max_size=high,
            acquire_timeout=options.acquire_timeout,
            max_lifetime=options.max_lifetime,
            max_idle=options.max_idle,
        )

    async def open(self) -> None:
        await self.pool.open()

    def lend(self, write: bool) -> CoroutineType[Any, Any, AsyncpgConnection | PooledConnection]:
        return self.pool.acquire()

    def pool_for(self, write: bool) -> Pool[AsyncpgConnection | PooledConnection]:
        return self.pool

    def take_back(self, connection: Any, suspect: bool = False) -> None:
        self.pool.release(connection, suspect)

    async def close(self) -> None:
        await self.pool.close()
        await self._connecting.close()

    def translate(self, error: Exception) -> RowsteadError | None:
        return translate(error)

    async def _connect(self) -> AsyncpgConnection | PooledConnection:
        try:
            return await self._hosts.connect(self._connected, _is_for_the_next)
        except (asyncpg.ClientConfigurationError, ValueError, OverflowError):
            failure = None
        except (
            asyncpg.PostgresError,
            asyncpg.InterfaceError,
            asyncpg.InternalClientError,
            OSError,
        ) as error:
            failure = error
        if failure is None:
            # Not within `except`: asyncpg's own error quotes the URL, and would stay beside ours.
            raise unreadable()
        raise unreachable(self._hosts.dsn, failure, self._options.connect_timeout) from failure

    async def _connected(self, dsn: str, timeout: float | None) -> AsyncpgConnection | PooledConnection:
        pooled = self._pooled
        try:
            raw = await self._raw(dsn, timeout, pooled)
        except asyncpg.PostgresError as error:
            if pooled or not refuses_setting(error):
                raise
            pooled = True
            raw = await self._raw(dsn, timeout, pooled)
        try:
            kind = PreparedConnection if speaks_directly(raw) else AsyncpgConnection
            connection = kind(raw, self._hosts.check)
            self._pooled = await connection.behind_pooler()
            if self._pooled and not pooled:
                # What it prepares would have names, which other clients of the pooler use too.
                pooled = True
                await connection.close()
                raw = await self._raw(dsn, timeout, pooled)
            await install_json(raw)
        except BaseException:
            raw.terminate()
            raise
        if not pooled:
            return connection
        inner = AsyncpgConnection(raw, self._hosts.check)
        return PooledConnection(inner, self._options.statement_timeout, looks_up=True)

    async def _raw(self, dsn: str, timeout: float | None, pooled: bool) -> Any:
        """asyncpg's connection; `pooled`: one that prepares by no name, and sets nothing for the session."""
        limit = self._options.statement_timeout
        connect: Any = asyncpg.connect  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        connecting = connect(
            dsn,
            # asyncpg keeps what it is given with each connection; a function does not show what it gives.
            password=password_of(dsn),
            timeout=timeout,
            command_timeout=client_limit(limit),
            statement_cache_size=0 if pooled else PREPARED,
            max_cached_statement_lifetime=0,
            server_settings=None if pooled or limit is None else {"statement_timeout": milliseconds(limit)},
        )
        return await self._connecting.wait_for(connecting)


def _is_for_the_next(error: Exception) -> bool:
    """Whether another of several servers may do: this one is away, ending, or not what is wanted."""
    return isinstance(
        error,
        (
            OSError,
            asyncpg.TargetServerAttributeNotMatched,
            asyncpg.PostgresConnectionError,
            asyncpg.OperatorInterventionError,
            # A standby that lags does not know yet what was made on its primary.
            asyncpg.InvalidCatalogNameError,
            asyncpg.InvalidAuthorizationSpecificationError,
        ),
    )
