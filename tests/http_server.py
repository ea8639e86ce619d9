"""A running server of public services, and the simplest clients of it: real sockets, the standard library.

with running(Limits(), services=[Greeter()]) as server:
    assert server.call("greeter.hello", name="Ada") == "Hello, Ada"
"""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from rowstead.service.http import HTTPService, Limits
from rowstead.service.http.serving import address_of, listening, serve
from rowstead.service.service import Service

PATIENCE = 30.0
"""Seconds after which a test is stuck."""

FREE = Limits(rate=None)
"""Nobody calls too often: for tests of anything else."""


class RpcError(Exception):
    """The error that a call was answered with."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        super().__init__(error["message"])
        self.number: int = error["code"]
        self.data: Mapping[str, Any] = error["data"]
        self.code: str = self.data["code"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What HTTP gave back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of the one error in it."""
        return self.json["error"]["data"]["code"]


@dataclass
class Server:
    """A server that runs in a thread of its own."""

    address: str
    loop: asyncio.AbstractEventLoop
    stop: asyncio.Event
    service: HTTPService
    headers: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def host(self) -> str:
        return self.address.removeprefix("http://").partition(":")[0]

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def ask(self, path: str, headers: Mapping[str, str] | None = None, method: str = "GET") -> Answer:
        return self.send(None, path, headers, method)

    def send(
        self,
        body: bytes | None,
        path: str = "/rpc",
        headers: Mapping[str, str] | None = None,
        method: str = "POST",
    ) -> Answer:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=PATIENCE)
        kind = {"content-type": "application/json"} if body is not None else {}
        try:
            connection.request(method, path, body, {**kind, **self.headers, **(headers or {})})
            response = connection.getresponse()
            told = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, told, response.read())
        finally:
            connection.close()

    def post(self, value: Any, headers: Mapping[str, str] | None = None) -> Answer:
        """Send a value as JSON."""
        return self.send(json.dumps(value).encode(), headers=headers)

    def call(self, method: str, *params: Any, _as: str | None = None, **named: Any) -> Any:
        """Call a method; `_as` is a token. Raises RpcError."""
        headers = {} if _as is None else {"authorization": f"Bearer {_as}"}
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params) or named}
        answer = self.post(request, headers).json
        if "error" in answer:
            raise RpcError(answer["error"])
        return answer["result"]

    def fails(self, method: str, *params: Any, _as: str | None = None, **named: Any) -> RpcError:
        """The error that a call ends in."""
        try:
            result = self.call(method, *params, _as=_as, **named)
        except RpcError as error:
            return error
        raise AssertionError(f"{method} gave {result!r}")

    def connect(self) -> socket.socket:
        """A bare connection."""
        connection = socket.create_connection((self.host, self.port), timeout=PATIENCE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def run(self, function: Callable[[], Any]) -> None:
        """Have the server's loop call this."""
        self.loop.call_soon_threadsafe(function)


def head(length: int | None = None, *lines: str, path: str = "/rpc", kind: str = "application/json") -> bytes:
    """The head of a POST; a length, or else chunks."""
    size = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
    fields = ["host: test", f"content-type: {kind}", size, *lines]
    return "\r\n".join([f"POST {path} HTTP/1.1", *fields, "", ""]).encode()


def read_answer(connection: socket.socket) -> Answer:
    """One response from a bare connection. ConnectionError where none comes."""
    response = http.client.HTTPResponse(connection)
    try:
        response.begin()
        told = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, told, response.read())
    finally:
        response.close()


def request(method: str, *params: Any, id: Any = 1, **named: Any) -> dict[str, Any]:
    """One call as JSON-RPC has it."""
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": list(params) or named}


@contextmanager
def running(
    limits: Limits | Mapping[str, Any] = FREE,
    *,
    services: Sequence[Service] = (),
    make: Callable[[], AbstractAsyncContextManager[Sequence[Service]]] | None = None,
    **settings: Any,
) -> Iterator[Server]:
    """A server for the block. `make` gives services that have to be started in the server's own loop."""
    settings = settings if {"tokens", "authenticate", "anonymous"} & settings.keys() else {"anonymous": True}
    started: list[Server] = []
    failed: list[BaseException] = []
    ready = threading.Event()

    @asynccontextmanager
    async def given() -> AsyncIterator[Sequence[Service]]:
        yield services

    async def main() -> None:
        async with (make or given)() as made:
            service = HTTPService(services=made, limits=limits, **settings)
            stop = asyncio.Event()
            with listening("127.0.0.1", 0) as listener:
                server = Server(address_of(listener), asyncio.get_running_loop(), stop, service)
                started.append(server)
                await serve(
                    service.asgi(),
                    listener,
                    service.limits,
                    proxies=service.proxies,
                    stop=stop,
                    started=ready.set,
                )

    def thread() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:
            failed.append(error)
        finally:
            ready.set()

    worker = threading.Thread(target=thread, name="server")
    worker.start()
    try:
        assert ready.wait(PATIENCE), "the server did not start"
        if failed:
            raise failed[0]
        yield started[0]
    finally:
        if started and not failed:
            started[0].run(started[0].stop.set)
        worker.join(PATIENCE)
    assert not worker.is_alive(), "the server did not stop"
    if failed:
        raise failed[0]
