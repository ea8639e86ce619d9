# Generated from rowstead/drivers/sqlite.py by scripts/make_sync.py; do not edit.
"""SQLite as a driver: one connection that writes, several that read, each in its own pool.

WAL lets readers see the last committed state while the writer works. A database in memory is one
connection, which all who use the handle take in turn. Must not know SQL beyond its own settings.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rowstead.dialects import SQLITE
from rowstead.drivers.addresses import Options
from rowstead.drivers.sqlite_connection import MEMORY, Settings, SQLiteConnection
from rowstead.drivers.sqlite_errors import translate
from rowstead.errors import RowsteadError
from rowstead.sync.drivers.pool import Pool

Connect = Callable[[], SQLiteConnection]

READERS = 4
BUSY_TIMEOUT = 30.0
"""Seconds to wait for another process or handle that writes to the file."""


class SQLiteDriver:
    """`drivers.base.Driver` for one SQLite file, or for one database in memory (`:memory:`).

    `mode`: "rwc" makes the file if it is not there, "rw" does not, "ro" only reads.
    """

    dialect = SQLITE
    codec = "sqlite"
    paramstyle = "qmark"
    own_pool = True

    def __init__(self, path: str, options: Options | None = None, *, mode: str = "rwc") -> None:
        options = options or Options()
        self.path = path
        low, high = options.bounds(READERS)
        self._write = Settings(path, mode, mode == "ro", BUSY_TIMEOUT, options.statement_timeout)
        self._read = Settings(path, "ro", True, BUSY_TIMEOUT, options.statement_timeout)

        def pool(connect: Connect, low: int, high: int) -> Pool[SQLiteConnection]:
            # The file is there for good, and so are connections to it: nothing is gained by ageing.
            return Pool(
                connect,
                min_size=low,
                max_size=high,
                acquire_timeout=options.acquire_timeout,
                max_lifetime=None,
                max_idle=None,
            )

        if path == MEMORY:
            self._writer = self._readers = pool(self._connect_writer, 1, 1)
        elif mode == "ro":
            self._writer = self._readers = pool(self._connect_reader, low, high)
        else:
            self._writer = pool(self._connect_writer, 1, 1)
            self._readers = pool(self._connect_reader, low, high)

    def open(self) -> None:
        """Open the file, the writer first: it makes the file and heals what a crash left."""
        try:
            self._writer.open()
            if self._readers is not self._writer:
                self._readers.open()
        except BaseException:
            self.close()
            raise

    def lend(self, write: bool) -> SQLiteConnection:
        return self._writer.acquire() if write else self._readers.acquire()

    def take_back(self, connection: Any, suspect: bool = False) -> None:
        pool = self._readers if connection.reader else self._writer
        pool.release(connection, suspect)

    def close(self) -> None:
        # Readers first: the last one out, the writer, then folds the log into the file.
        if self._readers is not self._writer:
            self._readers.close()
        self._writer.close()

    def translate(self, error: Exception) -> RowsteadError | None:
        return translate(error)

    def _connect_writer(self) -> SQLiteConnection:
        return self._connect(self._write)

    def _connect_reader(self) -> SQLiteConnection:
        return self._connect(self._read)

    def _connect(self, settings: Settings) -> SQLiteConnection:
        connection = SQLiteConnection(settings)
        try:
            connection.connect()
        except Exception as error:
            known = translate(error)
            if known is None:
                raise
            raise type(known)(f"{self.path}: {known}") from error
        return connection
