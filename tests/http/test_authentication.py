"""Who calls is said by the request, and proved; the method runs in the session that it is given."""

from __future__ import annotations

import asyncio
import sys
import types
from typing import Any

import pytest

from http_server import FREE, Server, request, running
from public_services import Greeter
from rowstead.errors import UnreachableError, UsageError, ValidationError
from rowstead.service.http import HTTPService, Incoming, Limits, Tokens, Unauthenticated
from rowstead.service.sessions import Session

ADA, EVE = "ada-has-a-long-token", "eve-has-a-long-token"
TOKENS = [
    {"token": ADA, "user_id": 7, "permissions": ["tasks.view_others"]},
    {"token": EVE, "user_id": "eve", "system": True},
]
WRONG = [
    "Bearer wrong-wrong-wrong",
    f"Bearer {ADA}x",
    "Bearer ",
    "Basic YTpi",
    ADA,
    f"Token {ADA}",
    "Bearer ü",
]


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def test_a_token_makes_the_session() -> None:
    with running(services=[Greeter()], tokens=TOKENS) as server:
        assert server.call("greeter.who", _as=ADA) == [7, ["tasks.view_others"], False]
        assert server.call("greeter.who", _as=EVE) == ["eve", [], True]
        assert (
            server.post(request("greeter.who"), {"authorization": f"bearer  {ADA} "}).json["result"][0] == 7
        )


@pytest.mark.parametrize("anonymous", [False, True])
@pytest.mark.parametrize("header", WRONG)
def test_wrong_credentials_are_refused_also_where_none_would_do(header: str, anonymous: bool) -> None:
    with running(services=[Greeter()], tokens=TOKENS, anonymous=anonymous) as server:
        answer = server.send(b"{}", headers={"authorization": header})
    assert (answer.status, answer.json["error"]["code"], answer.code) == (401, 401, "UNAUTHENTICATED")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_nobody_in_particular_is_let_in_only_where_that_was_set() -> None:
    with running(services=[Greeter()], tokens=TOKENS) as server:
        assert server.post(request("greeter.who")).code == "UNAUTHENTICATED"
        assert server.ask("/openrpc.json").code == "UNAUTHENTICATED"
        assert server.ask("/openrpc.json", bearer(ADA)).status == 200
        assert server.ask("/health").status == 200
    with running(services=[Greeter()], tokens=TOKENS, anonymous=True) as server:
        assert server.call("greeter.who") == [None, [], False]
        assert server.ask("/openrpc.json").status == 200


def test_a_session_ends_with_its_request() -> None:
    with running(services=[Greeter()], tokens=TOKENS, anonymous=True) as server:
        names = [server.call("greeter.who", _as=token)[0] for token in (ADA, None, EVE, None, ADA)]
    assert names == [7, None, "eve", None, 7]


def test_guessing_is_slowed_down_and_keeps_no_other_address_out() -> None:
    """Also with a right token at last: who guesses learns nothing from that."""
    with running(FREE, services=[Greeter()], tokens=TOKENS, proxies=["127.0.0.1"]) as server:
        codes = [server.post(request("greeter.who"), bearer("wrong" * 5)).code for _ in range(12)]
        assert codes == ["UNAUTHENTICATED"] * 10 + ["RATE_LIMIT"] * 2
        assert server.post(request("greeter.who"), bearer(ADA)).code == "RATE_LIMIT"
        elsewhere = {**bearer(ADA), "x-forwarded-for": "10.9.8.7"}
        assert server.post(request("greeter.who"), elsewhere).json["result"][0] == 7


def test_a_forwarded_address_is_believed_of_known_proxies_only() -> None:
    seen: list[str | None] = []

    async def authenticate(request: Incoming) -> Session | None:
        seen.append(request.address)
        return Session(1)

    for proxies in ([], ["10.0.0.1"], ["127.0.0.1"]):
        with running(services=[Greeter()], authenticate=authenticate, proxies=proxies) as server:
            server.post(request("greeter.who"), {"x-forwarded-for": "10.9.8.7"})
    assert seen == ["127.0.0.1", "127.0.0.1", "10.9.8.7"]


def test_a_function_of_the_applications_makes_the_session() -> None:
    async def authenticate(request: Incoming) -> Session | None:
        assert (request.method, request.path) == ("POST", "/rpc")
        user = request.headers.get("x-user")
        if user == "mallory":
            raise Unauthenticated
        return None if user is None else Session(user, frozenset({"p"}))

    with running(services=[Greeter()], authenticate=authenticate) as server:
        assert server.post(request("greeter.who"), {"X-User": "ada"}).json["result"] == ["ada", ["p"], False]
        assert server.post(request("greeter.who"), {"X-User": "mallory"}).code == "UNAUTHENTICATED"
        assert server.post(request("greeter.who")).code == "UNAUTHENTICATED"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [(KeyError("secret"), 500, "INTERNAL"), (UnreachableError("host=secret"), 503, "UNREACHABLE")],
)
def test_a_function_that_fails_lets_nobody_in_and_tells_nothing(
    error: Exception, status: int, code: str
) -> None:
    async def authenticate(_request: Incoming) -> Session | None:
        raise error

    with running(services=[Greeter()], authenticate=authenticate, anonymous=True) as server:
        for answer in (server.post(request("greeter.who")), server.ask("/openrpc.json")):
            assert (answer.status, answer.code) == (status, code)
            assert b"secret" not in answer.body


def test_a_function_that_does_not_end_is_not_waited_for() -> None:
    async def authenticate(_request: Incoming) -> Session | None:
        return await asyncio.get_running_loop().create_future()

    limits = Limits(call_seconds=0.1)
    with running(limits, services=[Greeter()], authenticate=authenticate) as server:
        answer = server.post(request("greeter.who"))
    assert (answer.status, answer.code) == (504, "CALL_TIMEOUT")


def test_a_function_is_named_by_its_module(monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = types.ModuleType("who_calls")

    async def by_header(request: Incoming) -> Session | None:
        return Session(request.headers["x-user"])

    module.by_header = by_header
    monkeypatch.setitem(sys.modules, "who_calls", module)
    assert HTTPService(services=[], authenticate="who_calls:by_header").authenticate is by_header
    for place, why in {
        "who_calls:by_heder": "did you mean 'by_header'",
        "who_calls": "module:function",
        "no_such_module:f": "No module named 'no_such_module'",
    }.items():
        with pytest.raises(UsageError, match=why):
            HTTPService(services=[], authenticate=place)


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        ([{"token": "short"}], r"tokens\[0\]: a token is a text of at least 16 characters"),
        ([{"token": 1234567890123456789}], "a token is a text"),
        ([{"user_id": 1}], "a token is a text"),
        (["token"], r"tokens\[0\] is an object"),
        ([{"token": ADA, "user": 1}], "has no 'user'; did you mean 'user_id'"),
        ([{"token": ADA, "permissions": "all"}], "permissions are a list"),
        ([{"token": ADA}, {"token": ADA}], r"tokens\[1\]: another entry has the same token"),
    ],
)
def test_a_table_of_tokens_that_cannot_be_is_refused_without_a_token_in_words(
    entries: list[Any], why: str
) -> None:
    with pytest.raises(ValidationError, match=why) as caught:
        Tokens(entries)
    assert ADA not in str(caught.value)


def test_tokens_are_not_kept() -> None:
    tokens = Tokens(TOKENS)
    assert repr(tokens) == "<Tokens of 2 callers>"
    assert ADA not in repr(vars(tokens))


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({}, "say who may call"),
        ({"tokens": TOKENS, "authenticate": "a:b"}, "not both"),
        ({"anonymous": True, "limits": {"depht": 3}}, "did you mean 'depth'"),
    ],
)
def test_settings_that_do_not_say_who_may_call_are_refused(settings: dict[str, Any], why: str) -> None:
    with pytest.raises((UsageError, ValidationError), match=why):
        HTTPService(services=[], **settings)


def test_a_service_alone_has_nothing_to_serve() -> None:
    with pytest.raises(UsageError, match="give it services"):
        HTTPService(anonymous=True).asgi()


def metrics_of(server: Server, token: str | None) -> int:
    return server.ask("/metrics", bearer(token) if token else {}).status


def test_metrics_are_for_those_who_may_see_them() -> None:
    seer = {"token": "metrics" * 3, "permissions": ["metrics"]}
    with running(services=[Greeter()], tokens=[*TOKENS, seer]) as server:
        assert [metrics_of(server, token) for token in (None, ADA, "metrics" * 3, EVE)] == [
            401,
            403,
            200,
            200,
        ]
    with running(services=[Greeter()], tokens=TOKENS, open_metrics=True) as server:
        assert metrics_of(server, None) == 200
