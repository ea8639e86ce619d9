"""Connecting by asyncpg for someone who may be cancelled while it lasts.

Between the moment when asyncpg has a transport and the one when it waits for the server's answer to its
wish for TLS, a cancellation leaves a future that nobody asks for its error: asyncio writes that to stderr
when it is collected. So a connection under way is not cancelled there: it goes on for a moment, alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

GRACE = 0.1
"""Seconds that a connection which nobody waits for any more goes on; the moment above is far shorter."""


class Connecting:
    """Connections under way, among them those that were left."""

    def __init__(self) -> None:
        self._left: set[asyncio.Task[Any]] = set()

    async def wait_for(self, connecting: Coroutine[Any, Any, Any]) -> Any:
        """asyncpg's connection. Whoever is cancelled is so at once; what comes then is dropped."""
        task = asyncio.ensure_future(connecting)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            self._left.add(task)
            task.add_done_callback(self._drop)
            asyncio.get_running_loop().call_later(GRACE, task.cancel)
            raise

    async def close(self) -> None:
        """Wait for those that were left: the loop that they need may end behind this."""
        if self._left:
            await asyncio.wait(self._left)

    def _drop(self, task: asyncio.Task[Any]) -> None:
        self._left.discard(task)
        if not task.cancelled() and task.exception() is None:
            task.result().terminate()
