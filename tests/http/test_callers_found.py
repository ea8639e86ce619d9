"""How callers stand in each other's way, and what the server says of itself, as a review found it."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from http_server import FREE, head, read_answer, request, running
from public_services import Greeter
from rowstead.errors import UsageError, ValidationError
from rowstead.service import PublicInterface, Service
from rowstead.service.database import DatabaseService
from rowstead.service.http import HTTPService, Limits
from rowstead.service.http.methods import methods_of
from service.conftest import Place, place_named

ADA, EVE = "ada-has-a-long-token", "eve-has-a-long-token"
TOKENS = [{"token": ADA, "user_id": 1}, {"token": EVE, "user_id": 2}]
WHO = json.dumps(request("greeter.who")).encode()
WAIT = json.dumps(request("greeter.wait")).encode()


def bearer(token: str) -> str:
    return f"authorization: Bearer {token}"


def test_one_caller_does_not_take_all_places_though_their_clients_go_away() -> None:
    greeter = Greeter()
    limits = Limits(rate=None, concurrent=4, concurrent_of_caller=2)
    with running(limits, services=[greeter], tokens=TOKENS) as server:
        for _ in range(2):
            greeter.waiting.clear()
            with server.connect() as connection:
                connection.sendall(head(len(WAIT), bearer(ADA)) + WAIT)
                assert greeter.waiting.wait(30)
        refused = server.send(WHO, headers={"authorization": f"Bearer {ADA}"})
        assert (refused.status, refused.code) == (503, "BUSY")
        assert "one caller has at most 2" in refused.json["error"]["message"]
        assert server.call("greeter.who", _as=EVE)[0] == 2
        server.run(greeter.released.set)


@pytest.mark.parametrize("line", [bearer(EVE), "content-type: text/plain", "content-encoding: gzip"])
def test_a_header_that_decides_something_comes_once(line: str) -> None:
    lines = [bearer(ADA), "content-encoding: identity", line]
    with running(FREE, services=[Greeter()], tokens=TOKENS) as server, server.connect() as connection:
        connection.sendall(head(len(WHO), *lines) + WHO)
        answer = read_answer(connection)
        assert (answer.status, answer.code) == (400, "HTTP")


def test_pages_call_only_where_they_are_named() -> None:
    """Also one that had its own name mean our address, so that the browser takes it for ours."""
    theirs = {"host": "evil.example", "origin": "http://evil.example"}
    ours = "https://tasks.example.org"
    with running(FREE, services=[Greeter()], anonymous=True, origins=ours) as server:
        answer = server.send(WHO, headers=theirs)
        assert (answer.status, answer.code) == (403, "FORBIDDEN")
        assert server.send(WHO, headers={"origin": "null"}).status == 403
        assert server.send(WHO, headers={"origin": ours}).status == 200
        assert server.send(WHO).status == 200


@pytest.mark.parametrize(
    "asked", [head(), b"GET /health HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n"]
)
def test_a_broken_chunk_after_its_answer_is_no_failure_of_the_server(
    asked: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        caplog.at_level(logging.ERROR),
        running(FREE, services=[Greeter()], tokens=TOKENS) as server,
        server.connect() as connection,
    ):
        connection.sendall(asked)
        assert connection.recv(12).startswith(b"HTTP/1.1 ")
        connection.sendall(b"zz\r\n")
        while connection.recv(65536):
            continue
    assert caplog.records == []


def test_a_client_that_has_said_all_gets_its_answer() -> None:
    greeter = Greeter()
    with running(FREE, services=[greeter]) as server, server.connect() as connection:
        connection.sendall(head(len(WAIT)) + WAIT)
        connection.shutdown(socket.SHUT_WR)
        assert greeter.waiting.wait(30)
        assert server.call("greeter.plain") == "plain"
        server.run(greeter.released.set)
        assert read_answer(connection).json["result"] == "done"


class Rows(Service, PublicInterface):
    """Refuses a column, whatever is sent."""

    service_name = "rows"

    @property
    def routes(self) -> Mapping[str, Callable[..., Any]]:
        return {"create": self.create, "get": self.get}

    async def create(self, data: dict[str, Any], columns: Any = "*", sort: Any = None) -> None:
        raise ValidationError("column 'salary' takes int, not 'secret'", column="salary")

    async def get(self, id: Any) -> None:
        raise ValidationError("column 'id' takes int, not str", column="id")


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ([{"t": "x"}], False),
        ([{"t": "salary"}], False),
        ([{"owner": "x salary y"}], False),
        ([{"salaryx": 1}], False),
        ([{"salary": 1}], True),
        ([{"t": 1}, ["t", "salary"]], True),
        ([{"t": 1}, "*", "-salary"], True),
    ],
)
def test_a_column_is_described_to_whoever_names_it_not_to_whoever_writes_its_name(
    params: list[Any], told: bool
) -> None:
    with running(FREE, services=[Rows()]) as server:
        assert ("secret" in str(server.fails("rows.create", *params))) is told


def test_an_id_by_place_is_named_by_its_parameter() -> None:
    with running(FREE, services=[Rows()]) as server:
        assert str(server.fails("rows.get", "x")) == "column 'id' takes int, not str"


class Parts(Service, PublicInterface):
    service_name = "parts"

    @property
    def routes(self) -> Mapping[str, Callable[..., Any]]:
        return {"take": self.take}

    async def take(self, items: list[list[int]] | None = None, by_name: dict[str, int] | None = None) -> None:
        raise AssertionError


def test_a_part_that_does_not_fit_is_told_by_its_place() -> None:
    with running(FREE, services=[Parts()]) as server:
        told = str(server.fails("parts.take", items=[[1], [2, "x"]]))
        assert told == "items[1][1] takes a whole number, not this text"
        told = str(server.fails("parts.take", by_name={"a": "x"}))
        assert told == "by_name['a'] takes a whole number, not this text"


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"tokens": []}, "one at least"),
        ({"tokens": {}}, "tokens are a list"),
        ({"tokens": ""}, "tokens are a list"),
        ({"anonymous": True, "limits": []}, "limits are names"),
        ({"authenticate": "json:__name__"}, "is no function"),
    ],
)
def test_settings_that_say_nothing_are_refused(settings: dict[str, Any], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        HTTPService(services=[], **settings)


def test_a_route_without_a_signature_is_refused_in_words() -> None:
    class Odd(Service, PublicInterface):
        service_name = "odd"

        @property
        def routes(self) -> Mapping[str, Callable[..., Any]]:
            return {"cls": dict}

    with pytest.raises(UsageError, match=r"odd\.cls"):
        methods_of([Odd()])


class Holder(Service, PublicInterface):
    """Keeps the one connection of its database."""

    service_name = "holder"

    def __init__(self, database: DatabaseService) -> None:
        super().__init__()
        self.database = database
        self.holding = threading.Event()
        self.released = asyncio.Event()

    @property
    def routes(self) -> Mapping[str, Callable[..., Any]]:
        return {"hold": self.hold}

    async def hold(self) -> None:
        async with self.database.begin() as connection:
            await connection.fetchval("SELECT 1")
            self.holding.set()
            await self.released.wait()


@pytest.fixture(params=["asyncpg", "psycopg", "mariadb"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return place_named(request.param, request, tmp_path)


def test_a_database_all_of_whose_connections_are_at_work_is_healthy(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rowstead.service.http.health.PATIENCE", 0.3)
    holders: list[Holder] = []

    @asynccontextmanager
    async def made() -> AsyncIterator[list[Service]]:
        async with DatabaseService(url=place.url, pool_size=1, init_db=False, init_tables=False) as database:
            holders.append(Holder(database))
            yield [database, *holders]

    with running(FREE, make=made) as server:
        (holder,) = holders
        caller = threading.Thread(target=lambda: server.call("holder.hold"))
        caller.start()
        assert holder.holding.wait(30)
        assert server.ask("/health").status == 200
        server.run(holder.released.set)
        caller.join(30)


def test_metrics_are_told_when_a_database_is_started_and_closed_again() -> None:
    @asynccontextmanager
    async def made() -> AsyncIterator[list[Service]]:
        database = DatabaseService(url="sqlite:///:memory:", init_db=False, init_tables=False)
        async with database:
            pass
        yield [database]

    with running(FREE, make=made, anonymous=True, open_metrics=True) as server:
        assert server.ask("/metrics").status == 200
