"""A TCP proxy on loopback that cuts a connection after a given byte, or falls silent.

    async with Proxy("127.0.0.1", 5432) as proxy:
        ...                                     # connect to 127.0.0.1:proxy.port
        proxy.cut("to server", 17)              # 17 more bytes of those now connected, then both ends close

Counts bytes and knows nothing of what they mean, nor of Rowstead. It runs in the caller's event loop;
a cut is armed between two awaits, so no byte of what the caller sends next slips through before it.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Literal

Direction = Literal["to server", "to client"]
DIRECTIONS: tuple[Direction, ...] = ("to server", "to client")


class Half(asyncio.Protocol):
    """One end of a connection; what it receives goes out at the other end."""

    def __init__(self, line: Line, direction: Direction) -> None:
        self.line = line
        self.direction: Direction = direction
        """Where its bytes go."""
        self.transport: asyncio.Transport | None = None
        self.early = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        if self.line.closed:
            transport.close()
        else:
            self.line.opened()

    def data_received(self, data: bytes) -> None:
        self.line.passes(self.direction, data)

    def connection_lost(self, error: Exception | None) -> None:
        self.line.close()

    def pause_writing(self) -> None:
        other = self.line.other(self).transport
        if other is not None:
            other.pause_reading()

    def resume_writing(self) -> None:
        other = self.line.other(self).transport
        if other is not None and not other.is_closing():
            other.resume_reading()


class Line:
    """One connection through the proxy, with both of its ends."""

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.client = Half(self, "to server")
        self.server = Half(self, "to client")
        self.counts: dict[Direction, int] = {"to server": 0, "to client": 0}
        self.left: dict[Direction, int] = {}
        """Bytes that may still pass before the cut; without an entry, all may."""
        self.silently = False
        """Whether the cut is no end, but silence: both ends stay open."""
        self.silent = False
        self.closed = False

    def other(self, half: Half) -> Half:
        return self.server if half is self.client else self.client

    def opened(self) -> None:
        if self.server.transport is not None and self.client.early:
            early, self.client.early = self.client.early, bytearray()
            self.passes("to server", bytes(early))

    def passes(self, direction: Direction, data: bytes) -> None:
        """Send on what may pass, and cut where it is time."""
        out = (self.server if direction == "to server" else self.client).transport
        if out is None:
            self.client.early += data
            return
        if self.closed or self.silent:
            return
        left = self.left.get(direction)
        passing = data if left is None else data[:left]
        self.counts[direction] += len(passing)
        self.proxy.counts[direction] += len(passing)
        if passing and self.proxy.delay:
            asyncio.get_running_loop().call_later(self.proxy.delay, out.write, passing)
        elif passing:
            out.write(passing)
        if left is not None:
            self.left[direction] = left - len(passing)
            if self.left[direction] <= 0:
                self.proxy.cuts += 1
                if self.silently:
                    self.silent = True
                else:
                    self.close()

    def close(self) -> None:
        """Close both ends, each after it got what had passed."""
        if self.closed:
            return
        self.closed = True
        self.proxy.lines.discard(self)
        for half in (self.client, self.server):
            if half.transport is not None:
                half.transport.close()


class Proxy:
    """Listens on a free port of 127.0.0.1 and passes each connection on to `host:port`."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._server: asyncio.Server | None = None
        self._connecting: set[asyncio.Task[None]] = set()
        self.port = 0
        self.delay = 0.0
        """Seconds that every byte travels longer; a cut does not wait for them."""
        self.lines: set[Line] = set()
        self.counts: dict[Direction, int] = {"to server": 0, "to client": 0}
        """Bytes that passed, of all connections together."""
        self.cuts = 0
        """How many armed cuts have come to pass."""

    async def __aenter__(self) -> Proxy:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        # asyncio loses the socket of one who is let in while the server closes, so let those in first.
        for _ in range(3):
            await asyncio.sleep(0.01)
            await asyncio.gather(*self._connecting, return_exceptions=True)
            for line in list(self.lines):
                line.close()
        self._server.close()
        await asyncio.sleep(0)

    def cut(self, direction: Direction, after: int, *, silently: bool = False) -> None:
        """Cut the connections that are there now when `after` more bytes have passed; 0 cuts at the next.

        `silently`: both ends stay open and hear nothing more. Later connections pass whole.
        """
        for line in self.lines:
            line.left[direction] = after
            line.silently = silently

    def spare(self) -> None:
        """Take back what was armed and has not come to pass."""
        for line in self.lines:
            line.left.clear()

    def _accept(self) -> asyncio.Protocol:
        line = Line(self)
        self.lines.add(line)
        task = asyncio.get_running_loop().create_task(self._connect(line))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)
        return line.client

    async def _connect(self, line: Line) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: line.server, self._host, self._port)
        except OSError:
            line.close()
