"""Connections of the server: how many there are, and how long one waits for its client.

uvicorn waits for the head of a request, and for an answer to be taken, as long as a client likes, and counts
connections only where they ask something; a few thousand clients that say nothing would hold all there are.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from rowstead.service.http.limits import Limits

TOLD = 20
"""Connections beyond the limit that are told so by a 503; what comes on top of them is cut."""
LEAST_TAKEN = 262_144
"""Bytes of an answer that a client takes in `write_seconds`, or all that is left of it."""
AT_ONCE = struct.pack("ii", 1, 0)
"""SO_LINGER: a connection that is cut leaves nothing behind, in the system's buffers either."""


class ImpatientProtocol(H11Protocol):
    """uvicorn's connection by h11, with limits on the time until a head is there and an answer is taken."""

    limits = Limits()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._patience: asyncio.TimerHandle | None = None
        self._untaken: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        # What is not sent at once is told to pause_writing, to the last byte.
        transport.set_write_buffer_limits(high=0)
        beyond = len(self.connections) - self.limits.connections
        if beyond > TOLD:
            self._cut()
            return
        # uvicorn's own limit counts the connection that asks, and those that are told no: it holds for these.
        self.limit_concurrency = 0 if beyond > 0 else None
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
        self._taken()

    def eof_received(self) -> bool:  # pyright: ignore[reportIncompatibleMethodOverride]
        """A client that has said all waits for its answer: the connection is kept until it is sent."""
        cycle = self.cycle
        if not cycle or cycle.response_complete or cycle.more_body:
            return False
        cycle.keep_alive = False
        return True

    def send_400_response(self, msg: str) -> None:
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:
            # The answer has begun: another one cannot be sent.
            self.transport.close()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._untaken is None:
            self._wait_for_reader()

    def resume_writing(self) -> None:
        self._taken()
        super().resume_writing()

    def _wait_for_reader(self) -> None:
        """Look again after a while whether the client takes its answer, at a rate worth waiting for."""
        enough = self.transport.get_write_buffer_size() - LEAST_TAKEN

        def look() -> None:
            if self.transport.get_write_buffer_size() > enough:
                self._cut()
            else:
                self._wait_for_reader()

        self._untaken = self.loop.call_later(self.limits.write_seconds, look)

    def _taken(self) -> None:
        if self._untaken is not None:
            self._untaken.cancel()
            self._untaken = None

    def _cut(self) -> None:
        self._untaken = None
        with contextlib.suppress(OSError):
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        self.transport.abort()

    def _wait_for_head(self) -> None:
        self._patience = self.loop.call_later(self.limits.header_seconds, self._give_up)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        self._patience = None
        if not self.transport.is_closing():
            self.transport.close()


def impatient(limits: Limits) -> type[ImpatientProtocol]:
    """The connection with these limits."""
    return type("Connection", (ImpatientProtocol,), {"limits": limits})
