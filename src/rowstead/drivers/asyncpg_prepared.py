"""asyncpg's connections in our own pool: our statements stay prepared and go straight to its protocol.

What stands between (a look-up by text, checks for pools and proxies, four coroutines) costs a tenth of a
short statement. Knows asyncpg's inside, and says whether an asyncpg has it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import asyncpg  # pyright: ignore[reportMissingTypeStubs]
from asyncpg.prepared_stmt import PreparedStatement  # pyright: ignore[reportMissingTypeStubs]

from rowstead.drivers.asyncpg_connection import STALE, AsyncpgConnection
from rowstead.plan import Record

PREPARED = 256
"""How many statements a connection keeps prepared."""
LONGEST_KEPT = 15_000
"""Characters of a text that is kept prepared."""


def speaks_directly(raw: Any) -> bool:
    """Whether this connection has inside what `PreparedConnection` calls; asyncpg does not promise it."""
    protocol = getattr(raw, "_protocol", None)
    wanted = ("bind_execute", "is_connected", "is_in_transaction")
    return "_state" in PreparedStatement.__slots__ and all(hasattr(protocol, name) for name in wanted)


class PreparedConnection(AsyncpgConnection):
    """A connection that nobody else uses, of an asyncpg that `speaks_directly`."""

    def __init__(self, raw: Any, check: str = "") -> None:
        super().__init__(raw, check)
        protocol = raw._protocol
        self._is_connected: Callable[[], bool] = protocol.is_connected
        self._is_in_transaction: Callable[[], bool] = protocol.is_in_transaction
        self._run: Callable[..., Awaitable[Sequence[Record]]] = protocol.bind_execute
        self._kept: OrderedDict[str, Any] = OrderedDict()

    @property
    def in_transaction(self) -> bool:
        return self._is_connected() and self._is_in_transaction()

    @property
    def is_closed(self) -> bool:
        return not self._is_connected()

    async def fetch(self, text: str, params: Sequence[Any]) -> Sequence[Record]:
        statement = self._kept.get(text)
        if statement is None:
            statement = await self._prepared(text)
        else:
            self._kept.move_to_end(text)
        try:
            # The unnamed portal, without limit, the records alone, the connection's own time limit.
            return await self._run(statement._state, params, "", 0, False, None)
        except STALE as error:
            self._kept.clear()
            return (await self._again(error, text, params)).records
        except asyncpg.OutdatedSchemaCacheError:
            self._kept.clear()
            await self.raw.reload_schema_state()
            raise

    async def _prepared(self, text: str) -> Any:
        statement = await self.raw.prepare(text)
        if len(text) <= LONGEST_KEPT:
            self._kept[text] = statement
            if len(self._kept) > PREPARED:
                self._kept.popitem(last=False)
        return statement
