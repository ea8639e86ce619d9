"""SQLite as a driver: one connection that writes, several that read, each in its own pool.

WAL lets readers see the last committed state while the writer works. Transactions that begin on a
snapshot and may write later have connections of their own. A database in memory is one
connection, which all who use the handle take in turn. Must not know SQL beyond its own settings.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import CoroutineType
from typing import Any

from rowstead.dialects import SQLITE
from rowstead.drivers.addresses import Options
from rowstead.drivers.pool import Pool
from rowstead.drivers.sqlite_connection import MEMORY, Settings
from rowstead.drivers.sqlite_errors import translate
from rowstead.drivers.sqlite_thread import ThreadConnection
from rowstead.errors import RowsteadError

Connect = Callable[[], Awaitable[ThreadConnection]]

READERS = 4
SNAPSHOTS = 64
"""Transactions on snapshots, each on a connection of its own, that may be open at once."""


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
        self._lazy = options.lazy
        low, high = options.bounds(READERS)
        self._write = Settings(path, mode, mode == "ro", options.lock_timeout, options.statement_timeout)
        self._read = Settings(path, "ro", True, options.lock_timeout, options.statement_timeout)

        def pool(connect: Connect, low: int, high: int) -> Pool[ThreadConnection]:
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
            self._writer = self._readers = self._snapshots = pool(self._connect_writer, 1, 1)
        elif mode == "ro":
            self._writer = self._readers = self._snapshots = pool(self._connect_reader, low, high)
        else:
            self._writer = pool(self._connect_writer, 1, 1)
            self._readers = pool(self._connect_reader, low, high)
            self._snapshots = pool(self._connect_snapshot, 1, SNAPSHOTS)
        self._on_snapshots: set[ThreadConnection] = set()
        """The connections of `_snapshots` that are lent."""

    async def open(self) -> None:
        """Open the file, the writer first: it makes the file and heals what a crash left."""
        try:
            await self._writer.open()
            if self._readers is not self._writer and not self._lazy:
                await self._readers.open()
        except BaseException:
            await self.close()
            raise

    def lend(self, write: bool) -> CoroutineType[Any, Any, ThreadConnection]:
        return self._writer.acquire() if write else self._readers.acquire()

    def pool_for(self, write: bool) -> Pool[ThreadConnection]:
        return self._writer if write else self._readers

    async def lend_snapshot(self) -> ThreadConnection:
        """A connection that may write, for a transaction that begins by reading."""
        connection = await self._snapshots.acquire()
        if self._snapshots is not self._writer:
            self._on_snapshots.add(connection)
        return connection

    def take_back(self, connection: Any, suspect: bool = False) -> None:
        if connection in self._on_snapshots:
            self._on_snapshots.discard(connection)
            self._snapshots.release(connection, suspect)
            return
        pool = self._readers if connection.reader else self._writer
        pool.release(connection, suspect)

    async def close(self) -> None:
        # Readers first: the last one out, the writer, then folds the log into the file.
        if self._readers is not self._writer:
            await self._readers.close()
            await self._snapshots.close()
        await self._writer.close()

    async def backup(self, path: str) -> None:
        """Copy the database to a new file while it is used; the copy is of one moment."""
        connection = await self.lend(False)
        suspect = True
        try:
            await connection.copy_to(path)
            suspect = False
        finally:
            self.take_back(connection, suspect)

    def translate(self, error: Exception) -> RowsteadError | None:
        return translate(error)

    async def _connect_writer(self) -> ThreadConnection:
        return await self._connect(self._write)

    async def _connect_reader(self) -> ThreadConnection:
        return await self._connect(self._read)

    async def _connect_snapshot(self) -> ThreadConnection:
        # The writer has made the file.
        return await self._connect(self._write)

    async def _connect(self, settings: Settings) -> ThreadConnection:
        connection = ThreadConnection(settings)
        try:
            await connection.connect()
        except Exception as error:
            known = translate(error)
            if known is None:
                raise
            raise type(known)(f"{self.path}: {known}") from error
        return connection
