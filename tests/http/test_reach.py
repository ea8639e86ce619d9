"""What strangers reach: the routes of public services. Nothing else of them, however it is spelled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from http_server import Server, request
from public_services import Greeter, Inner
from rowstead.errors import UsageError
from rowstead.service.http.methods import methods_of
from rowstead.service.public import PublicInterface
from rowstead.service.service import Service

UNREACHABLE = [
    "__class__",
    "greeter",
    "greeter.",
    ".hello",
    "greeter..hello",
    "greeter.hello.",
    "greeter.hello.__call__",
    "greeter.hello.__globals__",
    "greeter.__class__",
    "greeter.__init__",
    "greeter.__dict__",
    "greeter.secret",
    "greeter.heard",
    "greeter.routes",
    "greeter.unlisted",
    "greeter._private",
    "greeter.get_session",
    "greeter.init",
    "greeter.close",
    "greeter.app.services",
    "greeter.discover",
    "Greeter.hello",
    "GREETER.HELLO",
    " greeter.hello",
    "greeter.hello\x00",
    "greeter/hello",
    "greeter:hello",
    "inner.secret",
    "inner.routes",
    "http.asgi",
    "http.tokens",
    "rpc.__class__",
    "rpc",
    "",
    "\u202egreeter.hello",
    "greeter.ℎello",
    "x" * 100_000,
]


@pytest.mark.parametrize("method", UNREACHABLE, ids=lambda name: repr(name[:40]))
def test_what_is_no_route_is_not_found(server: Server, method: str) -> None:
    error = server.fails(method)
    assert (error.number, error.code) == (-32601, "METHOD_NOT_FOUND")
    assert len(str(error)) <= 300


def test_a_name_that_is_nearly_one_gets_a_hint(server: Server) -> None:
    assert "did you mean 'greeter.hello'?" in str(server.fails("greeter.helo"))


@pytest.mark.parametrize("name", ["_connection", "self", "more", "__class__", "x"])
def test_parameters_of_the_programs_own_are_not_there(server: Server, name: str) -> None:
    answer = server.post({**request("greeter.add"), "params": {"a": 1, "b": 2, name: 1}})
    assert answer.code == "INVALID_PARAMS"
    assert answer.json["error"]["message"] == f"there is no parameter {name!r}; known: a, b"


def test_parameters_by_place_do_not_reach_them_either(server: Server) -> None:
    error = server.fails("greeter.add", 1, 2, 3)
    assert str(error) == "3 parameters are given; there are 2: a, b"


def test_a_mistyped_parameter_gets_a_hint(server: Server) -> None:
    assert (
        str(server.fails("greeter.hello", naem="x")) == "there is no parameter 'naem'; did you mean 'name'?"
    )


def test_a_missing_parameter_is_named(server: Server) -> None:
    assert str(server.fails("greeter.add")) == "missing: a, b"
    assert str(server.fails("greeter.add", b=1)) == "missing: a"


def test_only_the_routes_of_public_services_are_methods() -> None:
    methods = methods_of([Greeter(), Inner()])
    assert {name.partition(".")[0] for name in methods} == {"greeter"}
    assert {name.partition(".")[2] for name in methods} == set(Greeter().routes)


class Wrong(Service, PublicInterface):
    """A service whose route, `given`, cannot be one."""

    given: Callable[..., Any]
    route = "route"

    @property
    def routes(self) -> Mapping[str, Callable[..., Any]]:
        return {self.route: self.given}


class Generating(Wrong):
    async def given(self) -> Any:
        yield 1


class Positional(Wrong):
    async def given(self, a: int, /) -> None: ...


class Requiring(Wrong):
    async def given(self, _connection: Any) -> None: ...


class Underscored(Wrong):
    route = "_route"

    async def given(self) -> None: ...


class Reserved(Wrong):
    service_name = "rpc.more"

    async def given(self) -> None: ...


@pytest.mark.parametrize(
    ("services", "why"),
    [
        ([Generating()], "one by one"),
        ([Positional()], "by position only"),
        ([Requiring()], "nobody can give"),
        ([Underscored()], "not for strangers"),
        ([Reserved()], "keeps that name"),
        ([Greeter(), Greeter()], "two methods are called greeter.hello"),
    ],
)
def test_a_route_that_cannot_be_called_from_outside_keeps_the_server_from_starting(
    services: list[Service], why: str
) -> None:
    with pytest.raises(UsageError, match=why):
        methods_of(services)
