"""Runs the calls of a message, one after another, and makes each an answer. Knows nothing of HTTP."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from rowstead.errors import RowsteadError, did_you_mean
from rowstead.service.http import log, rpc
from rowstead.service.http.json_text import write
from rowstead.service.http.limits import Limits
from rowstead.service.http.methods import Method
from rowstead.service.http.metrics import OK, Metrics
from rowstead.service.http.rpc import Message, Refused, Request
from rowstead.service.http.wire_errors import WireError, is_internal, on_the_wire
from rowstead.service.sessions import Session, session


@dataclass(slots=True)
class Answered:
    """What came of a message."""

    body: bytes
    """Empty where no call wanted an answer."""
    outcomes: list[str] = field(default_factory=list[str])
    """A code for each call."""
    status: int = 200


class Calls:
    """The methods that may be called, and the bounds on calling them."""

    def __init__(self, methods: Mapping[str, Method], limits: Limits, metrics: Metrics) -> None:
        self.methods = methods
        self._limits = limits
        self._metrics = metrics

    async def answer(self, message: Message, caller: Session) -> Answered:
        """Run what a message asks, in this session.

        The calls of a batch run in its order, none beside another: what one writes the next one reads, and a
        batch takes no more of the server at a time than a single call. They share the time of one call.
        """
        answered = Answered(b"")
        parts: list[bytes] = []
        deadline = asyncio.get_running_loop().time() + self._limits.call_seconds
        room = self._limits.response_bytes
        with session(caller):
            for entry in message.entries:
                text, outcome = await self._entry(entry, deadline, room)
                answered.outcomes.append(outcome)
                if text is not None:
                    parts.append(text)
                    room -= len(text)
        answered.body = rpc.answers(parts, message.is_batch)
        if not message.is_batch and isinstance(refused := message.entries[0], Refused):
            answered.status = refused.error.status
        return answered

    def known(self, message: Message) -> str:
        """What a message asks for, in words of our own."""
        if message.is_batch:
            return f"batch({message.calls})"
        entry = message.entries[0]
        return entry.method if isinstance(entry, Request) and entry.method in self.methods else log.UNKNOWN

    async def _entry(self, entry: Request | Refused, deadline: float, room: int) -> tuple[bytes | None, str]:
        """The answer to one call, None for a notification, and its outcome."""
        if isinstance(entry, Refused):
            self._metrics.call(log.UNKNOWN, entry.error.code, 0.0)
            return rpc.failure(entry.id, entry.error), entry.error.code
        began = perf_counter()
        result = await self._apart(entry, deadline, room)
        if isinstance(result, WireError):
            text, outcome = rpc.failure(entry.id, result), result.code
        else:
            text, outcome = rpc.result(entry.id, result), OK
        name = entry.method if entry.method in self.methods else log.UNKNOWN
        self._metrics.call(name, outcome, perf_counter() - began)
        return None if entry.is_notification else text, outcome

    async def _apart(self, request: Request, deadline: float, room: int) -> bytes | WireError:
        """As `_result`, in a task of its own: what it sets in its context no other call sees, and where
        something in it is cancelled the request is not."""
        call = asyncio.create_task(self._result(request, deadline, room))
        try:
            return await call
        except asyncio.CancelledError as error:
            own = asyncio.current_task()
            if own is not None and own.cancelling():
                raise
            return seen_from_outside(error, request.params, request.method)

    async def _result(self, request: Request, deadline: float, room: int) -> bytes | WireError:
        """The result of a call as JSON, or what its caller may know of why there is none."""
        method = self.methods.get(request.method)
        if method is None:
            hint = did_you_mean(request.method, self.methods)
            return WireError("METHOD_NOT_FOUND", f"there is no such method; {hint}")
        arguments: Mapping[str, Any] = {}
        try:
            arguments = method.signature.bind(request.params)
            text = write(await _run(method, arguments, deadline))
        except WireError as error:
            return error
        except (asyncio.CancelledError, KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:
            # SystemExit too: a method ends its call, not the server.
            return seen_from_outside(error, arguments, method.name)
        return text if len(text) <= room else WireError("RESPONSE_TOO_LARGE")


def seen_from_outside(error: BaseException, params: Any, method: str) -> WireError:
    """What the caller of a method is told of its error; what they are not told is in the log."""
    if isinstance(error, RowsteadError) and not is_internal(error):
        return on_the_wire(error, params)
    return WireError("INTERNAL", details={"incident": log.incident(error, method)})


async def _run(method: Method, arguments: Mapping[str, Any], deadline: float) -> Any:
    """What the method gives. Raises WireError when the time is over; its statement is then cancelled."""
    if asyncio.get_running_loop().time() >= deadline:
        raise WireError(
            "CALL_TIMEOUT", "the calls before this one took all the time of the batch; it was not run"
        )
    limit = asyncio.timeout_at(deadline)
    try:
        async with limit:
            result = method.function(**arguments)
            return await result if inspect.isawaitable(result) else result
    except TimeoutError:
        # A time-out of the database's, or of the method's own, passes through here as well.
        if limit.expired():
            raise WireError("CALL_TIMEOUT") from None
        raise
