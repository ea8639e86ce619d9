"""The synchronous library for MariaDB, PyMySQL, with the names that `mysql_asynchronous` has."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from rowstead.drivers.mysql_asynchronous import RESET_CONNECTION, TIMESTAMP, zoned
from rowstead.drivers.mysql_settings import CHARSET, FOUND_ROWS, Settings
from rowstead.drivers.mysql_tls import insisting


class Library:
    """PyMySQL, loaded."""

    def __init__(self, name: str) -> None:
        self.name = name
        connection: Any = import_module(f"{name}.connections").Connection
        self._connection = insisting(connection, import_module(f"{name}.err").OperationalError)
        converters: Any = import_module(f"{name}.converters")
        moment = zoned(converters.convert_datetime)
        self._conversions: dict[Any, Any] = {**converters.conversions, TIMESTAMP: moment}
        errors: Any = import_module(f"{name}.err")
        self.errors: tuple[type[Exception], ...] = (errors.MySQLError,)

    def connect(self, settings: Settings, timeout: float | None, silence: float | None) -> Any:
        """A connection that takes one statement at a time; the library keeps no password of it.

        `silence`: seconds after which a server that says nothing is given up.
        """
        raw = self._connection(
            host=settings.host,
            port=settings.port,
            user=settings.user,
            # The library would write a text as latin-1.
            password=settings.password.encode(),
            database=settings.database or None,
            unix_socket=settings.unix_socket,
            charset=CHARSET,
            conv=self._conversions,
            client_flag=FOUND_ROWS,
            connect_timeout=timeout if timeout is not None else 31_536_000,
            read_timeout=silence,
            autocommit=True,
            ssl=settings.tls,
        )
        raw.password = b""
        return raw

    def reset(self, raw: Any) -> None:
        """Bring the session back to how the server begins one."""
        raw._execute_command(RESET_CONNECTION, b"")
        raw._read_ok_packet()

    def is_closed(self, raw: Any) -> bool:
        return not raw.open

    def drop(self, raw: Any) -> None:
        """Close without a goodbye."""
        raw._force_close()

    def goodbye(self, raw: Any) -> None:
        raw.close()
