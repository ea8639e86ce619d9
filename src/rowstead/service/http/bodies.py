"""Reads the body of a request, no more of it than allowed and no longer. Knows ASGI, and no JSON-RPC."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from email.message import Message
from typing import Any

from rowstead.service.http.limits import Limits
from rowstead.service.http.wire_errors import WireError

JSON = "application/json"


class ClientGone(Exception):
    """The client has gone away before its body had arrived; nobody reads an answer."""


def check_head(headers: Mapping[str, str], limits: Limits) -> None:
    """Raises WireError for a body that need not be read: of another type, compressed, or announced too large.

    The type is also what keeps the pages of other sites out: without leave, a browser sends them no JSON.
    """
    if "transfer-encoding" in headers and "content-length" in headers:
        # Where a proxy believes the one and we the other, a second request hides in the body of the first.
        raise WireError("HTTP", "a body has a length or comes in chunks, not both")
    kind = Message()
    kind["content-type"] = headers.get("content-type", "")
    charset = kind.get_content_charset("utf-8")
    if kind.get_content_type() != JSON or charset not in ("utf-8", "utf8"):
        raise WireError("CONTENT_TYPE")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise WireError("CONTENT_TYPE")
    announced = headers.get("content-length", "0")
    if announced.isascii() and announced.isdigit() and int(announced) > limits.body_bytes:
        raise too_large(limits)


async def read_body(receive: Callable[[], Awaitable[MutableMapping[str, Any]]], limits: Limits) -> bytes:
    """The whole body. Raises WireError as soon as it is too large or slow, ClientGone if it ends early."""
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(limits.body_seconds):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGone
                part = message.get("body", b"")
                size += len(part)
                if size > limits.body_bytes:
                    raise too_large(limits)
                parts.append(part)
                if not message.get("more_body", False):
                    return b"".join(parts)
    except TimeoutError:
        raise WireError("BODY_TIMEOUT") from None


def too_large(limits: Limits) -> WireError:
    """The body is larger than allowed."""
    return WireError("BODY_TOO_LARGE", f"the body is too large: at most {limits.body_bytes} bytes")
