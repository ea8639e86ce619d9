"""The public server as an ASGI application: `POST /rpc`, `GET /health`, `/metrics` and `/openrpc.json`.

It answers for what HTTP is asked and answers. What a call is, who may make it and how much of it stands in
the files beside this one.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Collection, Iterable, MutableMapping
from time import perf_counter
from typing import Any, TypeAlias

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rowstead.service.http import log, metrics, openrpc, rpc
from rowstead.service.http.admission import Admission, Caller
from rowstead.service.http.authentication import Authenticate, Incoming
from rowstead.service.http.bodies import Body, ClientGone, Receive, check_head
from rowstead.service.http.calls import Answered, Calls, seen_from_outside
from rowstead.service.http.health import Health
from rowstead.service.http.json_text import NotJson, TooDeep, read, write
from rowstead.service.http.limits import Limits
from rowstead.service.http.methods import DISCOVER, Method, methods_of
from rowstead.service.http.metrics import OK, Metrics
from rowstead.service.http.signatures import Signature
from rowstead.service.http.slots import Slots
from rowstead.service.http.wire_errors import WireError
from rowstead.service.service import Service

Scope: TypeAlias = MutableMapping[str, Any]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

RPC, HEALTH, METRICS, OPENRPC = "/rpc", "/health", "/metrics", "/openrpc.json"
SEES_METRICS = "metrics"
"""The permission to read `/metrics`."""
ONCE = frozenset({"authorization", "content-encoding", "content-type", "host", "origin"})
"""Headers that a request has once."""
LARGE = 65_536
"""Bytes of an answer that counts as worked on until its client has taken it."""
JSON_HEADERS = {
    "content-type": "application/json",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
}


class PublicServer:
    """The public services of an application, behind one ASGI application."""

    def __init__(
        self,
        services: Iterable[Service],
        *,
        authenticate: Authenticate,
        anonymous: bool,
        limits: Limits,
        open_metrics: bool,
        health: Health,
        origins: Collection[str] = (),
        title: str = openrpc.DEFAULT_TITLE,
    ) -> None:
        """Raises UsageError where a route cannot be called from outside."""
        methods = dict(methods_of(services))
        document = openrpc.description(methods.values(), title)
        methods[DISCOVER] = Method(DISCOVER, lambda: document, Signature((), None), "This description.")
        self.metrics = Metrics()
        self.limits = limits
        self._document = write(document)
        self._calls = Calls(methods, limits, self.metrics)
        self._slots = Slots(limits, self.metrics)
        self._admission = Admission(authenticate, anonymous, limits)
        self._origins = origins
        self._open_metrics = open_metrics
        self._health = health

    def asgi(self) -> Starlette:
        """The application. It starts and stops nothing."""
        application = Starlette(
            routes=[
                Route(RPC, _Endpoint(self.rpc), methods=["POST"]),
                Route(HEALTH, self.health),
                Route(METRICS, self.told_metrics),
                Route(OPENRPC, self.described),
            ],
            exception_handlers={HTTPException: self._no_such_place},
        )
        application.router.redirect_slashes = False
        return application

    async def rpc(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One message: calls, their answers."""
        began = perf_counter()
        body = Body(receive, self.limits)
        caller: Caller | None = None
        what = log.UNKNOWN
        try:
            incoming = _incoming(scope)
            check_head(incoming.headers, self.limits)
            self._check_origin(incoming)
            caller = await self._admitted(incoming)
            message = self._read(await body.read())
            what = self._calls.known(message)
            self._admission.charge(caller, message.calls - 1)
            answered = await self._answer(message, caller)
        except WireError as error:
            self.metrics.refused[error.code] += 1
            log.request(what, _label(caller), perf_counter() - began, [error.code])
            await _refuse_call(error, body, send)
            return
        except ClientGone:
            log.request(what, _label(caller), perf_counter() - began, ["GONE"])
            return
        log.request(what, caller.label, perf_counter() - began, answered.outcomes)
        if len(answered.body) > LARGE:
            await self._send_large(answered, caller, send)
            return
        if answered.body:
            response = Response(answered.body, answered.status, JSON_HEADERS)
        else:
            response = Response(status_code=204)
        await response(scope, receive, send)

    async def health(self, request: Request) -> Response:
        """200 where every database answers, else 503. For anybody, so that it tells no more than that."""
        began = perf_counter()
        good = await self._health.is_good()
        log.request(HEALTH, "-", perf_counter() - began, [OK if good else "UNREACHABLE"])
        body = write({"status": "ok" if good else "unavailable"})
        return Response(body, 200 if good else 503, JSON_HEADERS)

    async def told_metrics(self, request: Request) -> Response:
        """The counters; for callers with the permission, or for anybody where that was set."""

        def told() -> Response:
            text = self.metrics.text(self._health.gauges())
            return Response(text, headers={"content-type": metrics.CONTENT_TYPE})

        return await self._told(request, told, None if self._open_metrics else self._admitted_to_metrics)

    async def described(self, request: Request) -> Response:
        """The OpenRPC document, for whoever may call."""
        return await self._told(
            request, lambda: Response(self._document, headers=JSON_HEADERS), self._admitted
        )

    async def _told(
        self,
        request: Request,
        told: Callable[[], Response],
        admit: Callable[[Incoming], Awaitable[Caller]] | None,
    ) -> Response:
        """What is told, to whom `admit` lets in; None: to anybody."""
        began = perf_counter()
        caller: Caller | None = None
        try:
            if admit is not None:
                caller = await admit(_incoming(request.scope))
            response, outcome = told(), OK
        except Exception as error:
            refused = _as_wire_error(error, request.url.path)
            self.metrics.refused[refused.code] += 1
            response, outcome = _refuse(refused), refused.code
        log.request(request.url.path, _label(caller), perf_counter() - began, [outcome])
        return response

    async def _no_such_place(self, request: Request, error: Exception) -> Response:
        """Where Starlette found no route, or no such verb of it."""
        status = error.status_code if isinstance(error, HTTPException) else 500
        self.metrics.refused["HTTP"] += 1
        log.request(log.UNKNOWN, "-", 0.0, [f"HTTP_{status}"])
        response = _refuse(WireError("HTTP", f"calls are made by POST {RPC}", status=status))
        response.headers.update(getattr(error, "headers", None) or {})
        # It may have a body, of which nobody has read anything.
        response.headers["connection"] = "close"
        return response

    def _check_origin(self, incoming: Incoming) -> None:
        """Only browsers say which page calls; one that gave our address a name of its own says so, too."""
        origin = incoming.headers.get("origin")
        if origin is not None and origin not in self._origins:
            raise WireError("FORBIDDEN", "pages call here only where the setting `origins` names them")

    async def _admitted(self, incoming: Incoming) -> Caller:
        """As `admit`; what fails in the application's own function is an answer too."""
        limit = asyncio.timeout(self.limits.call_seconds)
        try:
            async with limit:
                return await self._admission.admit(incoming)
        except WireError:
            raise
        except Exception as error:
            late = limit.expired() and isinstance(error, TimeoutError)
            failed = WireError("CALL_TIMEOUT") if late else seen_from_outside(error, None, "authenticate")
        failed.status = failed.number if failed.number > 0 else 500
        raise failed

    async def _admitted_to_metrics(self, incoming: Incoming) -> Caller:
        caller = await self._admitted(incoming)
        if not caller.session.allows(SEES_METRICS):
            raise WireError("FORBIDDEN")
        return caller

    def _read(self, body: bytes) -> rpc.Message:
        try:
            value = read(body, self.limits.depth)
        except TooDeep:
            words = f"lists and objects stand in each other at most {self.limits.depth} deep"
            raise WireError("TOO_DEEP", words) from None
        except NotJson as error:
            raise WireError("PARSE", f"the body is not JSON: {error}") from None
        return rpc.read_message(value, self.limits.batch)

    async def _answer(self, message: rpc.Message, caller: Caller) -> Answered:
        with self._slots.free(caller.key):
            return await self._calls.answer(message, caller.session)

    async def _send_large(self, answered: Answered, caller: Caller, send: Send) -> None:
        """It takes memory until its client has taken it, and counts as worked on until then."""
        response = Response(answered.body, answered.status, JSON_HEADERS)
        start = {"status": response.status_code, "headers": response.raw_headers}
        with self._slots.held(caller.key):
            await send({"type": "http.response.start", **start})
            await send({"type": "http.response.body", "body": response.body, "more_body": True})
            # This is sent when what was sent before is taken.
            await send({"type": "http.response.body"})


class _Endpoint:
    """A method as an ASGI application of its own: Starlette gives others a request, and reads its body."""

    def __init__(self, run: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self._run = run

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._run(scope, receive, send)


def _incoming(scope: Scope) -> Incoming:
    """Raises WireError where a header that decides something comes twice: others may have read the other."""
    headers: dict[str, str] = {}
    for raw_name, value in scope["headers"]:
        name = raw_name.decode("latin-1").lower()
        if name in headers and name in ONCE:
            raise WireError("HTTP", f"a request has one header {name}")
        headers[name] = value.decode("latin-1")
    client = scope.get("client")
    return Incoming(scope["method"], scope["path"], headers, client[0] if client else None)


def _as_wire_error(error: Exception, path: str) -> WireError:
    """The error of a request that was no call."""
    if isinstance(error, WireError):
        return error
    failed = seen_from_outside(error, None, path)
    failed.status = failed.number if failed.number > 0 else 500
    return failed


def _label(caller: Caller | None) -> str:
    return "-" if caller is None else caller.label


async def _refuse_call(error: WireError, body: Body, send: Send) -> None:
    """Answer a call of which nothing is run, at once, also while its body is still under way."""
    response = _refuse(error)
    if not body.is_read:
        response.headers["connection"] = "close"
    start = {"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers}
    await send(start)
    await send({"type": "http.response.body", "body": response.body, "more_body": True})
    await body.throw_away()
    await send({"type": "http.response.body"})


def _refuse(error: WireError) -> Response:
    """The answer to a request of which nothing is run."""
    headers = dict(JSON_HEADERS)
    if error.retry_after is not None:
        headers["retry-after"] = str(math.ceil(error.retry_after))
    if error.code == "UNAUTHENTICATED":
        headers["www-authenticate"] = "Bearer"
    return Response(rpc.failure(None, error), error.status, headers)
