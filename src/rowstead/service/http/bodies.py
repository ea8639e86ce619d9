"""Reads the body of a request, no more of it than allowed and no longer. Knows ASGI, and no JSON-RPC."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, TypeAlias

from rowstead.service.http.limits import Limits
from rowstead.service.http.wire_errors import WireError

Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]

LONGEST_TYPE = 100
"""Characters of a content type; JSON in UTF-8 needs no more."""
JSON = re.compile(r'application/json[ \t]*(?:;[ \t]*(?:charset="?utf-?8"?[ \t]*)?)?', re.IGNORECASE)
"""JSON in UTF-8. The standard library's reader of such headers takes seconds for a long one."""
LINGERING = 1.0
"""Seconds for which a refused body is still taken."""


class ClientGone(Exception):
    """The client has gone away before its body had arrived; nobody reads an answer."""


def check_head(headers: Mapping[str, str], limits: Limits) -> None:
    """Raises WireError for a body that need not be read: of another type, compressed, or announced too large.

    The type is also what keeps the pages of other sites out: without leave, a browser sends them no JSON.
    """
    if "transfer-encoding" in headers and "content-length" in headers:
        # Where a proxy believes the one and we the other, a second request hides in the body of the first.
        raise WireError("HTTP", "a body has a length or comes in chunks, not both")
    kind = headers.get("content-type", "")
    if len(kind) > LONGEST_TYPE or not JSON.fullmatch(kind):
        raise WireError("CONTENT_TYPE")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise WireError("CONTENT_TYPE")
    announced = headers.get("content-length", "0")
    if announced.isascii() and announced.isdigit() and int(announced) > limits.body_bytes:
        raise too_large(limits)


class Body:
    """The body of a request, as it arrives."""

    def __init__(self, receive: Receive, limits: Limits) -> None:
        self._receive = receive
        self._limits = limits
        self.is_read = False
        """Whether all of it has arrived, or its client is gone."""

    async def read(self) -> bytes:
        """All of it. Raises WireError as soon as it is too large or slow, ClientGone if it ends early."""
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                while not self.is_read:
                    part = await self._part()
                    size += len(part)
                    if size > self._limits.body_bytes:
                        raise too_large(self._limits)
                    parts.append(part)
        except TimeoutError:
            raise WireError("BODY_TIMEOUT") from None
        return b"".join(parts)

    async def throw_away(self) -> None:
        """Take what is under way, up to a bound, and keep none of it.

        A connection that is closed before what was sent to it is read is reset, and its answer is lost.
        """
        size = 0
        try:
            async with asyncio.timeout(LINGERING):
                while not self.is_read and size <= self._limits.body_bytes:
                    size += len(await self._part())
        except (TimeoutError, ClientGone):
            return

    async def _part(self) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self.is_read = True
            raise ClientGone
        self.is_read = not message.get("more_body", False)
        return message.get("body", b"")


def too_large(limits: Limits) -> WireError:
    """The body is larger than allowed."""
    return WireError("BODY_TOO_LARGE", f"the body is too large: at most {limits.body_bytes} bytes")
