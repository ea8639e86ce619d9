"""JSON-RPC 2.0 as its specification has it, its examples first. Over HTTP, from a running server."""

from __future__ import annotations

import json
from typing import Any

import pytest

from http_server import Server, request
from public_services import Greeter

CALL = {"jsonrpc": "2.0", "method": "greeter.add", "params": {"a": 42, "b": 23}, "id": 3}
NOTE = {"jsonrpc": "2.0", "method": "greeter.note", "params": [1]}


def test_parameters_are_given_by_place_or_by_name(server: Server) -> None:
    assert server.post(request("greeter.add", 42, 23)).json == {"jsonrpc": "2.0", "id": 1, "result": 65}
    assert server.post(CALL).json == {"jsonrpc": "2.0", "id": 3, "result": 65}


def test_parameters_may_be_left_out(server: Server) -> None:
    answer = server.post({"jsonrpc": "2.0", "method": "greeter.who", "id": "x"})
    assert answer.json == {"jsonrpc": "2.0", "id": "x", "result": [None, [], False]}


@pytest.mark.parametrize("id", [0, -1, 1.5, "", "a" * 1000, None, "\u2028 ü"])
def test_an_id_comes_back_as_it_was_sent(server: Server, id: Any) -> None:
    assert server.post({**CALL, "id": id}).json == {"jsonrpc": "2.0", "id": id, "result": 65}


def test_a_notification_is_run_and_not_answered(server: Server, greeter: Greeter) -> None:
    greeter.heard.clear()
    answer = server.post(NOTE)
    assert (answer.status, answer.body, greeter.heard) == (204, b"", [1])


@pytest.mark.parametrize("params", [{"wrong": 1}, [1, 2, 3]])
def test_a_notification_that_fails_is_not_answered_either(server: Server, params: Any) -> None:
    assert server.post({**NOTE, "params": params}).status == 204
    assert server.post({**NOTE, "method": "nowhere"}).status == 204


def test_a_batch_is_run_in_its_order_and_answered_in_it(server: Server, greeter: Greeter) -> None:
    greeter.heard.clear()
    batch = [
        request("greeter.hello", "Ada", id="1"),
        NOTE,
        {"foo": "boo"},
        request("foo.get", name="myself", id="5"),
        request("greeter.note", 2, id="6"),
        1,
    ]
    answer = server.post(batch)
    assert answer.status == 200
    assert [each["id"] for each in answer.json] == ["1", None, "5", "6", None]
    numbers = [each["error"]["code"] if "error" in each else each["result"] for each in answer.json]
    assert numbers == ["Hello, Ada", -32600, -32601, None, -32600]
    assert greeter.heard == [1, 2]


def test_a_batch_of_notifications_is_not_answered(server: Server) -> None:
    answer = server.post([NOTE, NOTE])
    assert (answer.status, answer.body) == (204, b"")


def test_one_id_may_stand_in_a_batch_twice(server: Server) -> None:
    assert [each["result"] for each in server.post([CALL, CALL]).json] == [65, 65]


@pytest.mark.parametrize(
    "message",
    [
        [],
        1,
        "text",
        None,
        True,
        {},
        {**CALL, "jsonrpc": "1.0"},
        {**CALL, "jsonrpc": 2.0},
        {"method": "greeter.add", "id": 1},
        {"jsonrpc": "2.0", "method": 1, "params": "bar"},
        {**CALL, "method": None},
        {**CALL, "params": "bar"},
        {**CALL, "params": None},
        {**CALL, "id": True},
        {**CALL, "id": {}},
        {**CALL, "id": [1]},
    ],
)
def test_what_is_no_request_is_refused(server: Server, message: Any) -> None:
    answer = server.post(message)
    assert answer.status == 400
    assert answer.json["error"]["code"] == -32600
    assert answer.code == "INVALID_REQUEST"
    sent = message.get("id") if isinstance(message, dict) else None
    assert answer.json["id"] == (sent if isinstance(sent, int) and not isinstance(sent, bool) else None)


@pytest.mark.parametrize(
    "body",
    [
        b'{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]',
        b'[{"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},{"jsonrpc": "2.0", "method"]',
        b"",
        b"\xff\xfe{}",
        json.dumps(CALL).encode("utf-16"),
        b'{"jsonrpc": "2.0", "method": "greeter.add", "method": "greeter.note", "id": 1}',
        b'{"jsonrpc": "2.0", "method": "greeter.note", "params": [NaN], "id": 1}',
    ],
)
def test_what_is_no_json_is_refused(server: Server, body: bytes) -> None:
    answer = server.send(body)
    assert (answer.status, answer.json["id"], answer.json["error"]["code"]) == (400, None, -32700)
    assert answer.code == "PARSE"


def test_other_members_of_a_request_mean_nothing(server: Server) -> None:
    assert server.post({**CALL, "auth": "x"}).json["result"] == 65


def test_the_description_is_a_method_too(server: Server) -> None:
    assert server.call("rpc.discover") == server.ask("/openrpc.json").json
