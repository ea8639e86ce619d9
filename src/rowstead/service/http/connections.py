"""Connections of the server: one whose request does not begin to arrive in time is closed.

uvicorn waits for the head of a request as long as a client likes; a few thousand clients that send a byte now
and then would hold every connection there is.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol


class ImpatientProtocol(H11Protocol):
    """uvicorn's connection by h11, with a limit on the time until a head is there."""

    header_seconds = 10.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # None before the first request, whatever its annotation says.
        if self.cycle and not self.cycle.response_complete:
            self._stop_waiting()
        elif self._patience is None:
            # The first bytes of the next request: the time runs until all of its head is there.
            self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait_for_head(self) -> None:
        self._patience = self.loop.call_later(self.header_seconds, self._give_up)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        self._patience = None
        if not self.transport.is_closing():
            self.transport.close()


def impatient(header_seconds: float) -> type[ImpatientProtocol]:
    """The connection with this limit."""
    return type("Connection", (ImpatientProtocol,), {"header_seconds": header_seconds})
