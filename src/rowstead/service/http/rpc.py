"""JSON-RPC 2.0: what a request is and what an answer looks like. Without I/O; knows no method.

https://www.jsonrpc.org/specification
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from rowstead.service.http.json_text import write
from rowstead.service.http.wire_errors import WireError

Params: TypeAlias = "list[Any] | dict[str, Any]"
Id: TypeAlias = "str | int | float | None"


@dataclass(frozen=True, slots=True)
class Request:
    """One call."""

    method: str
    params: Params
    id: Id = None
    is_notification: bool = False
    """Whether no answer is wanted, not even an error."""


@dataclass(frozen=True, slots=True)
class Refused:
    """An entry of a message that is no call: it is answered, not run."""

    error: WireError
    id: Id = None


@dataclass(frozen=True, slots=True)
class Message:
    """What one HTTP request brought."""

    entries: tuple[Request | Refused, ...]
    is_batch: bool

    @property
    def calls(self) -> int:
        return len(self.entries)


def read_message(value: Any, longest: int) -> Message:
    """The calls in a JSON value, at most `longest`. Raises WireError for a batch that is not run."""
    if not isinstance(value, list):
        return Message((_entry(value),), False)
    batch = cast("list[Any]", value)
    if not batch:
        raise WireError("INVALID_REQUEST", "a batch holds at least one call")
    if len(batch) > longest:
        raise WireError("BATCH_TOO_LONG", f"a batch holds at most {longest} calls, not {len(batch)}")
    return Message(tuple(map(_entry, batch)), True)


def _entry(value: Any) -> Request | Refused:
    if not isinstance(value, dict):
        return Refused(WireError("INVALID_REQUEST", "a call is an object"))
    call = cast("dict[str, Any]", value)
    id = call.get("id")
    if id is not None and (isinstance(id, bool) or not isinstance(id, str | int | float)):
        return Refused(WireError("INVALID_REQUEST", "`id` is a text, a number or null"))
    if call.get("jsonrpc") != "2.0":
        return Refused(WireError("INVALID_REQUEST", 'a call says "jsonrpc": "2.0"'), id)
    method, params = call.get("method"), call.get("params", [])
    if not isinstance(method, str):
        return Refused(WireError("INVALID_REQUEST", "`method` is a text"), id)
    if not isinstance(params, list | dict):
        return Refused(WireError("INVALID_REQUEST", "`params` is a list or an object"), id)
    return Request(method, cast("Params", params), id, "id" not in call)


def result(id: Id, text: bytes) -> bytes:
    """The answer to a call that gave this, as JSON."""
    return b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (write(id), text)


def failure(id: Id, error: WireError) -> bytes:
    """The answer to a call that failed."""
    return b'{"jsonrpc":"2.0","id":%b,"error":%b}' % (write(id), write(error.as_json()))


def answers(parts: list[bytes], is_batch: bool) -> bytes:
    """What goes back for a message; nothing where nobody wants an answer."""
    if not parts or not is_batch:
        return b"".join(parts)
    return b"[%b]" % b",".join(parts)
