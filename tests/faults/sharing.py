"""A driver that does what the layers before us do: all tasks share one connection. For controls.

BEGIN inside a transaction is taken for the one that is open, as the standard library's own
transactions do; so a neighbour's COMMIT commits mine, and his rollback undoes mine.
"""

from __future__ import annotations

import asyncio
from typing import Any

from rowstead import DB
from rowstead.drivers.base import Connection
from rowstead.drivers.urls import Options, make_driver


class Shared:
    """A connection that opens a transaction where none is, and ends it for everybody."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._turn = asyncio.Lock()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.connection, name)

    async def execute(self, text: str, params: Any) -> int:
        async with self._turn:
            if text.startswith("BEGIN") and self.connection.in_transaction:
                return -1
            if text in ("COMMIT", "ROLLBACK") and not self.connection.in_transaction:
                return -1
            return await self.connection.execute(text, params)

    async def fetch(self, text: str, params: Any) -> Any:
        async with self._turn:
            return await self.connection.fetch(text, params)

    async def fetch_raw(self, text: str, params: Any) -> Any:
        async with self._turn:
            return await self.connection.fetch_raw(text, params)


class SharingDriver:
    """A driver that lends its one connection to whoever asks, whoever has it."""

    pool_for = None
    """A pool would lend it to one at a time."""

    def __init__(self, url: str) -> None:
        self._driver = make_driver(url, Options(min_size=1, max_size=1))
        self._shared: Shared | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._driver, name)

    async def open(self) -> None:
        await self._driver.open()
        self._shared = Shared(await self._driver.lend(True))

    async def lend(self, write: bool) -> Any:
        return self._shared

    def take_back(self, connection: Any, suspect: bool = False) -> None:
        pass

    async def close(self) -> None:
        assert self._shared is not None
        self._driver.take_back(self._shared.connection)
        await self._driver.close()


async def shared_handle(url: str) -> DB:
    """A `DB` on such a driver."""
    driver: Any = SharingDriver(url)
    await driver.open()
    return DB(driver)
