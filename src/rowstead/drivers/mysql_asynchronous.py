"""The asynchronous libraries for MariaDB, asyncmy and aiomysql, which differ in little; here they do not.

`mysql_synchronous` has the same names over PyMySQL.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

from rowstead.drivers.mysql_settings import CHARSET, FOUND_ROWS, Settings
from rowstead.drivers.mysql_tls import insisting

TIMESTAMP = 7
"""The protocol's number of the type whose values are moments: sessions of ours are in UTC."""
SET_OPTION, RESET_CONNECTION = 0x1B, 0x1F
"""The protocol's numbers of commands which the libraries have no methods for."""
MULTI_STATEMENTS_OFF = b"\x01\x00"

_CONNECTIONS = {"asyncmy": "asyncmy.connection", "aiomysql": "aiomysql.connection"}


class Library:
    """One of the libraries, loaded: makes connections, and does with them what each does in its own way."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._connection = connection_of(name)
        converters: Any = import_module("asyncmy.converters" if name == "asyncmy" else "pymysql.converters")
        self._conversions: dict[Any, Any] = {
            **(converters.conversions if name == "asyncmy" else converters.decoders),
            TIMESTAMP: zoned(converters.convert_datetime),
        }
        errors: Any = import_module("asyncmy.errors" if name == "asyncmy" else "pymysql.err")
        self.errors: tuple[type[Exception], ...] = (errors.MySQLError,)

    async def connect(self, settings: Settings, timeout: float | None, silence: float | None) -> Any:
        """A connection that takes one statement at a time; the library keeps no password of it."""
        raw = self._connection(
            host=settings.host,
            port=settings.port,
            user=settings.user,
            # The libraries would write a text as latin-1.
            password=settings.password.encode() if self.name == "asyncmy" else _latin(settings.password),
            db=settings.database or None,
            unix_socket=settings.unix_socket,
            charset=CHARSET,
            conv=self._conversions,
            client_flag=FOUND_ROWS,
            connect_timeout=timeout if timeout is not None else 31_536_000,
            autocommit=True,
            ssl=settings.tls,
        )
        task = asyncio.current_task()
        cancelled = 0 if task is None else task.cancelling()
        try:
            await (raw.connect() if self.name == "asyncmy" else raw._connect())
            if task is not None and task.cancelling() > cancelled:
                # Before Python 3.12 `wait_for`, by which the libraries connect, loses a cancellation that
                # comes in the moment in which the connection is made.
                raise asyncio.CancelledError
            raw._password = b""
            await self.forbid_several(raw)
        except BaseException:
            raw.close()
            raise
        return raw

    async def forbid_several(self, raw: Any) -> None:
        """Have the server refuse a text of several statements, which these libraries ask it to take."""
        await raw._execute_command(SET_OPTION, MULTI_STATEMENTS_OFF)
        await (raw.read_packet() if self.name == "asyncmy" else raw._read_packet())

    async def reset(self, raw: Any) -> None:
        """Bring the session back to how the server begins one."""
        await raw._execute_command(RESET_CONNECTION, b"")
        await raw._read_ok_packet()
        await self.forbid_several(raw)

    def is_closed(self, raw: Any) -> bool:
        if self.name == "asyncmy":
            return not raw.connected or raw._stream_broken
        return raw.closed or raw._reader.at_eof()

    def drop(self, raw: Any) -> None:
        """Close without a goodbye."""
        raw.close()

    async def goodbye(self, raw: Any) -> None:
        await raw.ensure_closed()


def connection_of(name: str) -> Any:
    """A library's class of connections, which makes none in clear where TLS is asked for."""
    connection: Any = import_module(_CONNECTIONS[name]).Connection
    if name == "asyncmy":
        return connection
    return insisting(connection, import_module("pymysql.err").OperationalError)


def _latin(password: str) -> str:
    """The text whose latin-1 bytes, which aiomysql sends, are the password's UTF-8."""
    return password.encode().decode("latin-1")


def zoned(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Reads a moment as the session gives it, with its zone; what `read` cannot read stays as it is."""

    def convert(value: Any) -> Any:
        moment = read(value)
        return moment.replace(tzinfo=UTC) if isinstance(moment, datetime) else moment

    return convert
