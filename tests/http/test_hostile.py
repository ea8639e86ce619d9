"""Requests of people who mean no good, over bare connections: each is answered or cut, the next is served."""

from __future__ import annotations

import http.client
import json
import random
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from http_server import FREE, Server, head, read_answer, request, running
from public_services import Greeter
from rowstead.service.http import Limits

CALL = json.dumps(request("greeter.hello", "Ada")).encode()


@pytest.fixture(autouse=True)
def _still_serves(server: Server) -> Iterator[None]:
    yield
    assert server.call("greeter.hello", "Ada") == "Hello, Ada"


@pytest.mark.parametrize(
    "kind",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
        "application/json, text/plain",
        "application/jsonx",
        "text/plain; application/json",
    ],
)
def test_a_body_of_another_type_is_refused(server: Server, kind: str) -> None:
    answer = server.send(CALL, headers={"content-type": kind})
    assert (answer.status, answer.code) == (415, "CONTENT_TYPE")


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON; charset=UTF-8", "application/json;"])
def test_json_in_utf_8_is_taken(server: Server, kind: str) -> None:
    assert server.send(CALL, headers={"content-type": kind}).json["result"] == "Hello, Ada"


def test_a_compressed_body_is_refused(server: Server) -> None:
    answer = server.send(CALL, headers={"content-encoding": "gzip"})
    assert (answer.status, answer.code) == (415, "CONTENT_TYPE")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/rpc", 405),
        ("PUT", "/rpc", 405),
        ("OPTIONS", "/rpc", 405),
        ("TRACE", "/rpc", 405),
        ("POST", "/rpc/", 404),
        ("POST", "/", 404),
        ("GET", "/rpc/../../etc/passwd", 404),
        ("GET", "/%2e%2e/%00", 404),
        ("POST", "/health", 405),
        ("GET", "/docs", 404),
    ],
)
def test_other_places_and_verbs_are_refused(server: Server, method: str, path: str, status: int) -> None:
    answer = server.send(CALL, path, method=method)
    assert (answer.status, answer.code) == (status, "HTTP")
    assert answer.headers.get("allow") in ({405: ("POST", "GET, HEAD", "HEAD, GET")}.get(status, (None,)))
    assert "etc" not in answer.json["error"]["message"]


def test_nothing_lets_the_pages_of_other_sites_in(server: Server) -> None:
    answer = server.send(CALL, headers={"origin": "https://example.com"})
    assert not [name for name in answer.headers if name.startswith("access-control-")]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("depth", [31, 100, 100_000])
def test_what_is_nested_too_deep_is_refused(server: Server, depth: int) -> None:
    body = b'{"jsonrpc":"2.0","id":1,"method":"greeter.echo","params":[' + b"[" * depth + b"]" * depth + b"]}"
    answer = server.send(body)
    assert (answer.status, answer.code) == (400, "TOO_DEEP")


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00" * 100,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(200)),
        b"GET\r\n\r\n",
        b"POST /rpc HTTP/9.9\r\n\r\n",
        b"POST /rpc HTTP/1.1\r\n\r\n",
        b"POST /rpc HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        b"POST /rpc HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n",
        b"POST /rpc HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"POST /rpc HTTP/1.1\r\nhost: a\r\nx y: 1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST /rpc HTTP/1.1\r\nhost: a\r\nx: " + b"y" * 200_000,
    ],
)
def test_what_is_no_http_is_refused(server: Server, garbage: bytes) -> None:
    with server.connect() as connection:
        try:
            connection.sendall(garbage)
            status = read_answer(connection).status
        except (ConnectionError, http.client.BadStatusLine):
            return
    assert 400 <= status < 500


def test_two_lengths_that_disagree_smuggle_nothing(server: Server, greeter: Greeter) -> None:
    """A body by chunks and by length: a proxy may take one end of it for the end, and we the other."""
    greeter.heard.clear()
    note = json.dumps(request("greeter.note", "smuggled")).encode()
    inner = head(len(note)) + note
    outer = b"%x\r\n%b\r\n0\r\n\r\n" % (len(CALL), CALL)
    with server.connect() as connection:
        connection.sendall(head(len(outer) + len(inner), "transfer-encoding: chunked") + outer + inner)
        answer = read_answer(connection)
        assert (answer.status, answer.code, answer.headers["connection"]) == (400, "HTTP", "close")
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            read_answer(connection)
    assert greeter.heard == []


def test_requests_may_be_sent_before_their_answers(server: Server) -> None:
    bodies = [json.dumps(request("greeter.add", n, 1, id=n)).encode() for n in range(20)]
    with server.connect() as connection:
        connection.sendall(b"".join(head(len(body)) + body for body in bodies))
        reader = connection.makefile("rb")
        results = [_next(reader)["result"] for _ in bodies]
    assert results == [n + 1 for n in range(20)]


def _next(reader: Any) -> Any:
    assert b" 200 " in reader.readline()
    length = 0
    while (line := reader.readline()) != b"\r\n":
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return json.loads(reader.read(length))


def test_a_body_may_come_in_chunks_of_a_byte(server: Server) -> None:
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in CALL) + b"0\r\n\r\n"
    with server.connect() as connection:
        connection.sendall(head() + chunks)
        assert read_answer(connection).json["result"] == "Hello, Ada"


def test_a_client_that_goes_away_in_its_body_runs_nothing(server: Server, greeter: Greeter) -> None:
    greeter.heard.clear()
    note = json.dumps({"jsonrpc": "2.0", "method": "greeter.note", "params": [1]}).encode()
    with server.connect() as connection:
        connection.sendall(head(len(note) + 1) + note)
        connection.shutdown(socket.SHUT_WR)
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            read_answer(connection)
    assert greeter.heard == []


def test_a_client_may_go_away_before_its_answer(server: Server, greeter: Greeter) -> None:
    greeter.heard.clear()
    note = json.dumps(request("greeter.note", "kept")).encode()
    with server.connect() as connection:
        connection.sendall(head(len(note)) + note)
    for _ in range(200):
        server.call("greeter.plain")
        if greeter.heard:
            break
    assert greeter.heard == ["kept"]


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"POST /rpc HT",
        b"POST /rpc HTTP/1.1\r\nhost: test\r\nx: ",
    ],
)
def test_a_head_that_does_not_arrive_is_not_waited_for(sent: bytes) -> None:
    """Slow loris: connections that send a little and then nothing."""
    with running(Limits(rate=None, header_seconds=0.2), services=[Greeter()]) as server:
        connections = [server.connect() for _ in range(5)]
        for connection in connections:
            connection.sendall(sent)
        for connection in connections:
            assert connection.recv(1) == b""
            connection.close()


def test_a_head_that_trickles_is_not_waited_for() -> None:
    """A byte now and then does not begin the time anew, before the first request or after it."""
    with running(Limits(rate=None, header_seconds=0.3), services=[Greeter()]) as server:
        for first in (b"", head(len(CALL)) + CALL):
            with server.connect() as connection:
                connection.sendall(first)
                if first:
                    assert _next(connection.makefile("rb"))["result"] == "Hello, Ada"
                with pytest.raises(ConnectionError):
                    _trickle(connection)


def _trickle(connection: socket.socket) -> None:
    """Send a header byte by byte. ConnectionError when the other side has closed."""
    connection.settimeout(0.05)
    connection.sendall(b"POST /rpc HTTP/1.1\r\nx: ")
    for _ in range(1000):
        connection.sendall(b"y")
        try:
            if connection.recv(1) == b"":
                raise ConnectionError
        except TimeoutError:
            continue
    raise AssertionError("still open")


def test_a_body_that_does_not_arrive_is_not_waited_for() -> None:
    with (
        running(Limits(rate=None, body_seconds=0.2), services=[Greeter()]) as server,
        server.connect() as connection,
    ):
        connection.sendall(head(100) + b"{")
        answer = read_answer(connection)
    assert (answer.status, answer.code, answer.headers["connection"]) == (408, "BODY_TIMEOUT", "close")


def test_slow_bodies_keep_nobody_from_being_served() -> None:
    """They take no place among the calls that are run at once."""
    with running(Limits(rate=None, concurrent=1), services=[Greeter()]) as server:
        slow = [server.connect() for _ in range(20)]
        for connection in slow:
            connection.sendall(head(100) + b"{")
        assert server.call("greeter.hello", "Ada") == "Hello, Ada"
        for connection in slow:
            connection.close()


def test_what_is_left_of_a_refused_body_is_not_read(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(head(10**12))
        answer = read_answer(connection)
        assert (answer.status, answer.code, answer.headers["connection"]) == (413, "BODY_TOO_LARGE", "close")
        with pytest.raises(ConnectionError):
            for _ in range(10_000):
                connection.sendall(b"x" * 65536)


def test_a_client_that_asks_before_it_sends_is_told(server: Server) -> None:
    """`Expect: 100-continue`: one whose body would be refused does not send it."""
    with server.connect() as connection:
        connection.sendall(head(10**9, "expect: 100-continue"))
        assert read_answer(connection).code == "BODY_TOO_LARGE"
    with server.connect() as connection:
        connection.sendall(head(len(CALL), "expect: 100-continue"))
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")
        connection.sendall(CALL)
        assert read_answer(connection).json["result"] == "Hello, Ada"


@pytest.mark.parametrize("name", ["x" * 400_000, "greeter." + "\U0001f600" * 40_000])
def test_a_huge_name_costs_no_more_than_a_short_one(server: Server, name: str) -> None:
    answer = server.post({**request(name), "params": {name: 1}})
    assert answer.code == "METHOD_NOT_FOUND"
    assert len(answer.body) < 1000
    answer = server.post({**request("greeter.add"), "params": {name: 1}})
    assert answer.code == "INVALID_PARAMS"
    assert len(answer.body) < 2000


def test_a_client_that_sends_too_much_reads_why(server: Server) -> None:
    """Though the answer comes before it has sent all of it. Where all was read the connection goes on."""
    for size in (1_000_001, 1_500_000):
        answer = server.send(CALL + b" " * (size - len(CALL)))
        assert (answer.status, answer.code) == (413, "BODY_TOO_LARGE")
    connection = http.client.HTTPConnection(server.host, server.port, timeout=30)
    for body, status in ((b"{", 400), (b"[]", 400), (CALL, 200)):
        connection.request("POST", "/rpc", body, {"content-type": "application/json"})
        response = connection.getresponse()
        assert (response.status, response.will_close) == (status, False)
        response.read()
    connection.close()


def test_more_connections_than_allowed_are_refused() -> None:
    with running(Limits(rate=None, connections=3), services=[Greeter()]) as server:
        held = [server.connect() for _ in range(3)]
        with server.connect() as connection:
            connection.sendall(head(len(CALL)) + CALL)
            assert read_answer(connection).status == 503
        for connection in held:
            connection.close()


def test_random_bytes_and_random_damage_to_a_request_end_in_an_answer_or_nothing(server: Server) -> None:
    numbers = random.Random(7)
    statuses: set[int] = set()
    for _ in range(300):
        whole = bytearray(head(len(CALL)) + CALL)
        for _ in range(numbers.randint(1, 5)):
            whole[numbers.randrange(len(whole))] = numbers.randrange(256)
        with server.connect() as connection:
            connection.sendall(bytes(whole))
            connection.shutdown(socket.SHUT_WR)
            try:
                statuses.add(read_answer(connection).status)
            except (ConnectionError, http.client.HTTPException):
                continue
    assert 500 not in statuses
    assert {200, 400} <= statuses


def test_many_clients_at_once_that_all_send_garbage_keep_nobody_from_being_served() -> None:
    with running(FREE, services=[Greeter()]) as server:

        def abuse(seed: int) -> None:
            numbers = random.Random(seed)
            for _ in range(20):
                with server.connect() as connection:
                    connection.sendall(numbers.randbytes(numbers.randint(1, 2000)))

        abusers = [threading.Thread(target=abuse, args=(seed,)) for seed in range(20)]
        for abuser in abusers:
            abuser.start()
        results = [server.call("greeter.add", n, 1) for n in range(50)]
        for abuser in abusers:
            abuser.join()
        assert results == [n + 1 for n in range(50)]
