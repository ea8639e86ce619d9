"""Each limit at its edge: what is as large as the limit passes, one more is refused, by its own code."""

from __future__ import annotations

import dataclasses
import json
import threading
from typing import Any

import pytest

from http_server import FREE, Answer, head, read_answer, request, running
from public_services import Greeter
from rowstead.errors import ValidationError
from rowstead.service.http import Limits
from rowstead.service.http.rates import TokenBuckets, network_of

CALL = request("greeter.hello", "Ada")
NOTE = {"jsonrpc": "2.0", "method": "greeter.note", "params": [1]}


def limits(**given: Any) -> Limits:
    return dataclasses.replace(FREE, **given)


def padded(size: int) -> bytes:
    """A call of exactly so many bytes."""
    text = json.dumps(CALL).encode()
    return text + b" " * (size - len(text))


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_may_be_as_large_as_allowed_and_no_larger(chunked: bool) -> None:
    """Also where its size is not announced."""

    def sent(size: int) -> Answer:
        body = padded(size)
        with server.connect() as connection:
            if chunked:
                connection.sendall(head() + b"%x\r\n%b\r\n0\r\n\r\n" % (size, body))
            else:
                connection.sendall(head(size) + body)
            return read_answer(connection)

    with running(limits(body_bytes=500), services=[Greeter()]) as server:
        assert sent(500).json["result"] == "Hello, Ada"
        answer = sent(501)
        assert (answer.status, answer.json["error"]["code"], answer.code) == (413, 413, "BODY_TOO_LARGE")


def test_a_batch_may_be_as_long_as_allowed_and_no_longer() -> None:
    greeter = Greeter()
    with running(limits(batch=3), services=[greeter]) as server:
        assert len(server.post([CALL] * 3).json) == 3
        answer = server.post([NOTE] * 4)
    assert (answer.status, answer.json["error"]["code"], answer.code) == (400, -32600, "BATCH_TOO_LONG")
    assert greeter.heard == []


def test_a_request_may_be_as_deep_as_allowed_and_no_deeper() -> None:
    with running(limits(depth=3), services=[Greeter()]) as server:
        assert server.post(request("greeter.echo", [])).json["result"] == []
        answer = server.post(request("greeter.echo", [[]]))
    assert (answer.status, answer.json["error"]["code"], answer.code) == (400, -32600, "TOO_DEEP")


def test_calls_of_one_caller_may_be_as_many_as_allowed_and_no_more() -> None:
    slow = Limits(rate=0.01, burst=5, batch=5)
    tokens = [{"token": "a" * 20, "user_id": 1}, {"token": "b" * 20, "user_id": 2}]
    with running(slow, services=[Greeter()], tokens=tokens, anonymous=True) as server:
        for _ in range(5):
            assert server.call("greeter.plain", _as="a" * 20) == "plain"
        answer = server.post(CALL, {"authorization": "Bearer " + "a" * 20})
        assert (answer.status, answer.json["error"]["code"], answer.code) == (429, 429, "RATE_LIMIT")
        assert 90 <= int(answer.headers["retry-after"]) <= 100
        # Others are others: another user, and whoever calls from the same address without a name.
        assert server.call("greeter.plain", _as="b" * 20) == "plain"
        assert server.call("greeter.plain") == "plain"


def test_each_call_of_a_batch_counts() -> None:
    with running(Limits(rate=0.01, burst=5, batch=5), services=[Greeter()]) as server:
        assert len(server.post([CALL] * 4).json) == 4
        assert server.post([CALL] * 2).code == "RATE_LIMIT"


def test_calls_at_once_may_be_as_many_as_allowed_and_no_more() -> None:
    greeter = Greeter()
    with running(limits(concurrent=1), services=[greeter]) as server:
        results: list[Any] = []
        first = threading.Thread(target=lambda: results.append(server.call("greeter.wait")))
        first.start()
        assert greeter.waiting.wait(30)
        answer = server.post(CALL)
        server.run(greeter.released.set)
        first.join(30)
        assert server.call("greeter.hello", "Ada") == "Hello, Ada"
    assert (answer.status, answer.json["error"]["code"], answer.code) == (503, 503, "BUSY")
    assert answer.headers["retry-after"] == "1"
    assert results == ["done"]


def test_a_call_that_takes_too_long_is_broken_off() -> None:
    greeter = Greeter()
    with running(limits(call_seconds=0.2), services=[greeter]) as server:
        error = server.fails("greeter.wait")
        assert server.call("greeter.plain") == "plain"
    assert (error.number, error.code, greeter.cancelled) == (504, "CALL_TIMEOUT", 1)


def test_the_calls_of_a_batch_share_its_time() -> None:
    greeter = Greeter()
    with running(limits(call_seconds=0.2), services=[greeter]) as server:
        answers = server.post([CALL, request("greeter.wait"), request("greeter.note", 1)]).json
    assert answers[0]["result"] == "Hello, Ada"
    assert [each["error"]["data"]["code"] for each in answers[1:]] == ["CALL_TIMEOUT"] * 2
    assert "was not run" in answers[2]["error"]["message"]
    assert greeter.heard == []


def test_a_time_out_of_the_methods_own_is_no_time_out_of_the_server() -> None:
    class Impatient(Greeter):
        async def plain(self) -> str:
            raise TimeoutError

    with running(limits(call_seconds=30), services=[Impatient()]) as server:
        assert server.fails("greeter.plain").code == "INTERNAL"


def test_an_answer_may_be_as_large_as_allowed_and_no_larger() -> None:
    with running(limits(response_bytes=100), services=[Greeter()]) as server:
        assert server.call("greeter.large", size=98) == "x" * 98
        error = server.fails("greeter.large", size=99)
        assert (error.number, error.code) == (413, "RESPONSE_TOO_LARGE")
        answers = server.post([request("greeter.large", 60), request("greeter.large", 60)]).json
    assert answers[0]["result"] == "x" * 60
    assert answers[1]["error"]["data"]["code"] == "RESPONSE_TOO_LARGE"


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"body_byte": 1}, "did you mean 'body_bytes'"),
        ({"body_bytes": 0}, "body_bytes is more than 0"),
        ({"body_bytes": 1.5}, "body_bytes is a whole number, not float"),
        ({"body_bytes": "many"}, "body_bytes is a whole number, not str"),
        ({"batch": True}, "batch is a whole number, not bool"),
        ({"batch": None}, "batch is a whole number"),
        ({"call_seconds": "nan"}, "call_seconds is more than 0 and finite"),
        ({"rate": float("inf")}, "rate is more than 0 and finite"),
        ({"rate": 1, "batch": 200}, "a batch of 200 calls could never pass a burst of 100"),
    ],
)
def test_a_limit_that_limits_nothing_is_refused(settings: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Limits.of(settings)


def test_limits_may_come_from_variables() -> None:
    assert Limits.of({"body_bytes": "7", "call_seconds": "1.5", "rate": None}) == Limits(
        body_bytes=7, call_seconds=1.5, rate=None
    )


# The bucket


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_fills_again_as_time_goes_by_and_never_over_its_rim() -> None:
    clock = Clock()
    buckets = TokenBuckets(2.0, 3, clock=clock)
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 0.5]
    clock.now += 0.5
    assert [buckets.take("a") for _ in range(2)] == [0, 0.5]
    clock.now += 1000
    assert [buckets.take("a", 3), buckets.take("a")] == [0, 0.5]
    assert buckets.wait("b", 3) == 0


def test_buckets_are_forgotten_by_who_was_away_for_longest() -> None:
    buckets = TokenBuckets(1.0, 1, most=2, clock=Clock())
    assert [buckets.take(key) for key in "abc"] == [0, 0, 0]
    assert [buckets.take("c"), buckets.take("b"), buckets.take("a")] == [1, 1, 0]


@pytest.mark.parametrize(
    ("address", "stands_for"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        (None, ""),
        ("unix", "unix"),
    ],
)
def test_an_address_stands_for_one_customer(address: str | None, stands_for: str) -> None:
    assert network_of(address) == stands_for
