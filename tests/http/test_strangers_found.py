"""What strangers could do to the server and to each other, as a review found it."""

from __future__ import annotations

import asyncio
import json
import resource
import select
import socket
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

import pytest

from http_server import FREE, Server, head, read_answer, request, running
from public_services import Greeter
from rowstead.errors import UsageError, ValidationError
from rowstead.service import PublicInterface, Service, Session
from rowstead.service.database import DatabaseService
from rowstead.service.http import HTTPService, Incoming, Limits, Unauthenticated
from rowstead.service.http.bodies import check_head
from rowstead.service.http.connections import TOLD
from rowstead.service.http.serving import make_room
from rowstead.service.http.wire_errors import WireError

CALL = json.dumps(request("greeter.hello", "Ada")).encode()
WHO = request("greeter.who")


# Content types


@pytest.mark.parametrize(
    "kind", ['application/json;a="' + ";" * 60_000, "application/json; charset*" + "9" * 5000]
)
def test_a_long_content_type_is_refused_unread(server: Server, kind: str) -> None:
    answer = server.send(CALL, headers={"content-type": kind})
    assert (answer.status, answer.code) == (415, "CONTENT_TYPE")


def test_a_long_content_type_costs_no_more_than_a_short_one() -> None:
    def seconds(length: int) -> float:
        began = time.perf_counter()
        for n in range(20):
            with pytest.raises(WireError):
                check_head({"content-type": f'application/json;a="{n}' + ";" * length}, FREE)
        return time.perf_counter() - began

    seconds(10)
    assert min(seconds(60_000) for _ in range(3)) < 50 * max(seconds(60) for _ in range(3))


# Who calls


@pytest.mark.parametrize("given", [False, {}, 0, "", True, "ada"])
def test_what_is_no_session_lets_nobody_in(given: Any) -> None:
    async def authenticate(_request: Incoming) -> Any:
        return given

    with running(FREE, services=[Greeter()], authenticate=authenticate) as server:
        answer = server.post(WHO)
        assert (answer.status, answer.code) == (500, "INTERNAL")


def test_a_function_that_waits_for_nothing_may_say_who_calls() -> None:
    with running(FREE, services=[Greeter()], authenticate=lambda _request: Session(user_id=3)) as server:
        assert server.call("greeter.who")[0] == 3


def test_what_is_no_function_does_not_say_who_calls() -> None:
    with pytest.raises(UsageError, match="authenticate is a function"):
        HTTPService(services=[], authenticate=5)  # pyright: ignore[reportArgumentType]


TOKEN = "a-token-that-is-long"
RIGHT = {"authorization": f"Bearer {TOKEN}"}
WRONG = {"authorization": "Bearer another-token-that-is-long"}
TOKENS = [{"token": TOKEN, "user_id": 1}]


def test_requests_without_credentials_keep_nobody_out() -> None:
    with running(FREE, services=[Greeter()], tokens=TOKENS) as server:
        codes = {server.ask("/openrpc.json").code for _ in range(30)}
        assert codes == {"UNAUTHENTICATED"}
        assert server.post(WHO, RIGHT).json["result"][0] == 1


def test_whoever_was_let_in_does_not_wait_for_the_guesses_of_others_at_their_address() -> None:
    with running(FREE, services=[Greeter()], tokens=TOKENS) as server:
        server.post(WHO, RIGHT)
        codes = [server.post(WHO, WRONG).code for _ in range(12)]
        assert codes[-1] == "RATE_LIMIT"
        assert server.post(WHO, RIGHT).json["result"][0] == 1


def test_whoever_says_nothing_does_not_wait_for_the_guesses_of_others_at_their_address() -> None:
    with running(FREE, services=[Greeter()], tokens=TOKENS, anonymous=True) as server:
        codes = [server.post(WHO, WRONG).code for _ in range(12)]
        assert codes[-1] == "RATE_LIMIT"
        assert server.post(WHO).json["result"][0] is None


def test_credentials_that_are_taken_back_are_counted_again() -> None:
    good = {"is": True}

    async def authenticate(request: Incoming) -> Session | None:
        if "authorization" in request.headers and not good["is"]:
            raise Unauthenticated
        return Session(user_id=1)

    with running(FREE, services=[Greeter()], authenticate=authenticate) as server:
        server.post(WHO, RIGHT)
        good["is"] = False
        codes = [server.post(WHO, RIGHT).code for _ in range(12)]
        assert codes == ["UNAUTHENTICATED"] * 10 + ["RATE_LIMIT"] * 2


def test_one_proxy_may_be_named_by_a_text() -> None:
    def authenticate(request: Incoming) -> Session:
        return Session(user_id=request.address)

    with running(FREE, services=[Greeter()], authenticate=authenticate, proxies="127.0.0.1") as server:
        answer = server.post(WHO, {"x-forwarded-for": "203.0.113.9"})
        assert answer.json["result"][0] == "203.0.113.9"


@pytest.mark.parametrize("proxies", ["a host", ["127.0.0.1", "bad host"], 5, [7], "*", {"a": "b"}])
def test_a_proxy_is_an_address_or_a_network(proxies: Any) -> None:
    with pytest.raises(ValidationError, match="proxies are addresses"):
        HTTPService(services=[], anonymous=True, proxies=proxies)


# What one call leaves for the next

SEEN: ContextVar[str] = ContextVar("seen", default="nothing")


class Odd(Service, PublicInterface):
    """Does what a method had better not do."""

    service_name = "odd"

    @property
    def routes(self) -> Mapping[str, Callable[..., Any]]:
        return {name: getattr(self, name) for name in ("keep", "kept", "cancelled", "exits", "group")}

    async def keep(self, value: str) -> None:
        SEEN.set(value)

    async def kept(self) -> str:
        return SEEN.get()

    async def cancelled(self, itself: bool) -> None:
        task = asyncio.current_task() if itself else asyncio.create_task(asyncio.sleep(60))
        assert task is not None
        task.cancel()
        await (asyncio.sleep(60) if itself else task)

    async def exits(self) -> None:
        raise SystemExit(3)

    async def group(self) -> None:
        raise BaseExceptionGroup("secret", [SystemExit()])


@pytest.mark.parametrize("size", [3, 300_000])
def test_what_a_call_sets_is_not_seen_by_the_next_on_its_connection(size: int) -> None:
    keep, kept = (
        json.dumps(each).encode() for each in (request("odd.keep", "A" * size), request("odd.kept"))
    )
    with running(services=[Odd()]) as server, server.connect() as connection:
        connection.sendall(head(len(keep)) + keep)
        read_answer(connection)
        connection.sendall(head(len(kept)) + kept)
        assert read_answer(connection).json["result"] == "nothing"
    with running(services=[Odd()]) as server, server.connect() as connection:
        # `close` has the reader read both.
        connection.sendall(head(len(keep)) + keep + head(len(kept), "connection: close") + kept)
        told = b"".join(iter(lambda: connection.recv(65536), b""))
        assert told.count(b"HTTP/1.1 200") == 2
        assert told.endswith(b'"result":"nothing"}')


def test_what_a_call_sets_is_not_seen_by_the_next_of_its_batch() -> None:
    with running(services=[Odd()]) as server:
        answers = server.post([request("odd.keep", "A"), request("odd.kept")]).json
        assert answers[1]["result"] == "nothing"


@pytest.mark.parametrize(
    ("method", "params"),
    [("odd.cancelled", [False]), ("odd.cancelled", [True]), ("odd.exits", []), ("odd.group", [])],
)
def test_whatever_a_method_raises_is_the_answer_to_its_own_call(
    method: str, params: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    with running(services=[Odd()], anonymous=True, open_metrics=True) as server:
        answers = server.post([request("odd.kept"), request(method, *params), request("odd.kept")]).json
        counted = server.ask("/metrics").body.decode()
    assert [each.get("result") for each in answers] == ["nothing", None, "nothing"]
    assert answers[1]["error"]["data"]["code"] == "INTERNAL"
    assert f'rowstead_calls_total{{method="{method}",outcome="INTERNAL"}} 1' in counted
    assert answers[1]["error"]["data"]["incident"] in caplog.text


# Clients that do not read


def cut(connection: socket.socket) -> bool:
    """Whether the other side cuts a connection of which nothing is read."""
    poll = select.poll()
    poll.register(connection, 0)
    return bool(poll.poll(20_000))


def unread(server: Server) -> socket.socket:
    """A connection that takes little at a time."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    connection.connect((server.host, server.port))
    return connection


LARGE = json.dumps(request("greeter.large", 9_000_000)).encode()


def test_a_client_that_does_not_take_its_answer_is_cut_and_counts_until_then() -> None:
    limits = Limits(rate=None, write_seconds=1.0, concurrent=1)
    with running(limits, services=[Greeter()]) as server, unread(server) as connection:
        connection.sendall(head(len(LARGE)) + LARGE)
        assert select.select([connection], [], [], 30)[0]
        assert server.post(WHO).code == "BUSY"
        assert cut(connection)
        assert server.call("greeter.plain") == "plain"


def test_a_client_that_asks_on_and_on_and_reads_nothing_is_cut() -> None:
    limits = Limits(rate=None, write_seconds=0.3)
    with running(limits, services=[Greeter()]) as server, unread(server) as connection:
        connection.settimeout(5)
        with pytest.raises((ConnectionError, TimeoutError)):
            while True:
                connection.sendall(b"GET /health HTTP/1.1\r\nhost: test\r\n\r\n" * 1000)
        assert cut(connection)


def test_a_server_that_stops_does_not_wait_for_clients_that_do_not_read() -> None:
    """The limits of a request in flight are far longer than this test may take."""
    limits = Limits(rate=None, write_seconds=1.0, call_seconds=600)
    with running(limits, services=[Greeter()]) as server:
        connection = unread(server)
        connection.sendall(head(len(LARGE)) + LARGE)
        assert select.select([connection], [], [], 30)[0]
    connection.close()


def test_a_client_that_reads_slowly_is_not_cut() -> None:
    """It takes longer for all than it may for the next part."""
    limits = Limits(rate=None, write_seconds=1.0)
    with running(limits, services=[Greeter()]) as server, server.connect() as connection:
        connection.sendall(head(len(LARGE)) + LARGE)
        reader = connection.makefile("rb")
        for _ in range(9):
            # Its pace, not a wait for anything.
            time.sleep(0.4)
            assert len(reader.read(1_000_000)) == 1_000_000
        reader.close()


def test_a_call_that_was_broken_off_may_have_written() -> None:
    with running(Limits(rate=None, call_seconds=0.2), services=[Greeter()]) as server:
        assert "look before writing again" in str(server.fails("greeter.wait"))


def test_control_a_client_that_reads_is_not_cut() -> None:
    with running(Limits(rate=None, write_seconds=5.0), services=[Greeter()]) as server:
        assert len(server.call("greeter.large", 9_000_000)) == 9_000_000


# Connections that ask nothing


def test_as_many_connections_as_allowed_are_served_and_no_more() -> None:
    with running(Limits(rate=None, connections=3), services=[Greeter()]) as server:
        held = [server.connect() for _ in range(2)]
        assert server.call("greeter.plain") == "plain"
        last = server.connect()
        with server.connect() as connection:
            connection.sendall(head(len(CALL)) + CALL)
            assert read_answer(connection).status == 503
        last.sendall(head(len(CALL)) + CALL)
        assert read_answer(last).status == 200
        for connection in (*held, last):
            connection.close()


def test_connections_that_ask_nothing_are_bounded_too() -> None:
    with running(Limits(rate=None, connections=3, header_seconds=60), services=[Greeter()]) as server:
        idle = [server.connect() for _ in range(60)]
        poll = select.poll()
        for connection in idle:
            poll.register(connection, 0)
        # Some beyond the three wait to be told that they are too many.
        end = time.monotonic() + 20
        while len(poll.poll(100)) < len(idle) - 3 - TOLD and time.monotonic() < end:
            continue
        assert len(poll.poll(0)) == len(idle) - 3 - TOLD
        for connection in idle:
            connection.close()


def test_a_server_has_files_for_its_connections_or_is_not_started() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 1024), hard))
        make_room(Limits(connections=900))
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= 900 + 128
        with pytest.raises(UsageError, match="set the limit `connections` to at most"):
            make_room(Limits(connections=2**40))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# Metrics


def test_metrics_are_told_though_a_database_is_not_started() -> None:
    database = DatabaseService(url="sqlite:///:memory:", name="main")
    with running(FREE, services=[database, Greeter()], anonymous=True, open_metrics=True) as server:
        answer = server.ask("/metrics")
        assert answer.status == 200
        assert "rowstead_in_flight 0" in answer.body.decode()
