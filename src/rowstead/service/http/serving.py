"""Listens with uvicorn until told to stop, then lets what is in flight end. Knows nothing of services."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Generator, Sequence
from typing import Any

import uvicorn

from rowstead.errors import UsageError
from rowstead.service.http.connections import TOLD, impatient
from rowstead.service.http.limits import Limits

KEEP_ALIVE = 5
"""Seconds that a connection stays open between two requests."""
BACKLOG = 128
"""Connections that wait to be taken: the loop takes as many at a time."""
OTHER_FILES = 200
"""Files beside the connections of clients: those of databases, of the log, of the program's own."""
GRACE = 1.0
"""Seconds beyond what the limits allow a request, before it is broken off when the server stops."""


def listening(host: str, port: int) -> socket.socket:
    """A socket at this address; port 0 is any that is free. Raises UsageError where it cannot be had."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"cannot listen on {host}:{port}: {reason}") from error


def address_of(listener: socket.socket) -> str:
    """Where a listening socket is reached."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def make_room(limits: Limits) -> None:
    """Let this process have as many files open as these connections need; where there are fewer, a server
    stands still as soon as they are used up. Raises UsageError where it may not have them."""
    try:
        import resource
    except ImportError:
        # Windows has no such limit.
        return
    needed = limits.connections + TOLD + BACKLOG + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise UsageError(
            f"{limits.connections} connections need {needed} open files, and this process may have {hard}: "
            f"raise its limit (`ulimit -n`, LimitNOFILE of systemd), or set the limit `connections` to at "
            f"most {max(1, hard - needed + limits.connections)}"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


async def serve(
    application: Callable[..., Any],
    listener: socket.socket,
    limits: Limits,
    *,
    proxies: Sequence[str] = (),
    stop: asyncio.Event,
    started: Callable[[], None] = lambda: None,
) -> None:
    """Serve until `stop` is set: then nobody new is let in, requests in flight end, and the socket is closed.

    `started` is called when connections are taken.
    """
    server = _Server(
        uvicorn.Config(
            application,
            http=impatient(limits),
            ws="none",
            # The application's services are started and stopped around the server.
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            backlog=BACKLOG,
            # What one caller's request sets is not for the next on the same connection.
            reset_contextvars=True,
            timeout_keep_alive=KEEP_ALIVE,
            timeout_graceful_shutdown=round(
                limits.body_seconds + limits.call_seconds + limits.write_seconds + GRACE
            ),
            proxy_headers=bool(proxies),
            forwarded_allow_ips=list(proxies),
        ),
        started,
    )
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        # Whoever cancels waits for nobody's request.
        server.force_exit = True
        raise
    finally:
        server.should_exit = True
        stopping.cancel()
        await asyncio.shield(serving)


class _Server(uvicorn.Server):
    """uvicorn's server without hands on the process's signals: it would die of the one that stopped it."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._tell_started = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._tell_started()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield
