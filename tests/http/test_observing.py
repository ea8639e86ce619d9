"""What those who run the server see of it: health, metrics, one line a request, the description."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql

from http_server import Server, request, running
from public_services import Greeter
from rowstead.errors import UnreachableError
from rowstead.service import PublicInterface, SQLService
from rowstead.service.database import DatabaseService
from rowstead.service.http.health import Health
from rowstead.service.http.metrics import Metrics, label
from rowstead.service.http.wire_errors import ERRORS
from rowstead.service.service import Service
from servers import Server as PgServer
from service.tables import METADATA, my_table

TOKEN = "a-token-that-is-long"
SECRET = "s3cret-value"
LINE = re.compile(r"(\S+) caller=(\S+) ms=\d+\.\d outcome=(\S+)")


@pytest.fixture
def watched() -> Iterator[Server]:
    """Everything may be seen by everybody."""
    with running(services=[Greeter()], anonymous=True, open_metrics=True) as server:
        yield server


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, str]]:
    found = [each.getMessage() for each in caplog.records if each.name == "rowstead.service.http.requests"]
    matched = [LINE.fullmatch(each) for each in found]
    assert all(matched), found
    return [(each[1], each[2], each[3]) for each in matched if each]


# Lines


def test_each_request_is_one_line_without_values(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    tokens = [
        {"token": TOKEN, "user_id": 7},
        {"token": TOKEN[::-1], "user_id": "eve\nforged line " + "x" * 100},
    ]
    with running(services=[Greeter()], tokens=tokens) as server:
        server.call("greeter.hello", SECRET, _as=TOKEN)
        server.fails(f"greeter.{SECRET}\nforged", _as=TOKEN)
        server.fails("greeter.add", _as=TOKEN, **{SECRET: 1})
        server.post([request("greeter.plain"), request(SECRET), 1], {"authorization": f"Bearer {TOKEN}"})
        server.send(SECRET.encode(), headers={"authorization": f"Bearer {TOKEN}"})
        server.call("greeter.plain", _as=TOKEN[::-1])
        server.fails("greeter.plain", _as="x" * 20)
        server.ask(f"/{SECRET}")
        server.ask("/health")
        server.ask("/openrpc.json")
    assert lines(caplog) == [
        ("greeter.hello", "7", "OK"),
        ("?", "7", "METHOD_NOT_FOUND"),
        ("greeter.add", "7", "INVALID_PARAMS"),
        ("batch(3)", "7", "OK:1,METHOD_NOT_FOUND:1,INVALID_REQUEST:1"),
        ("?", "7", "PARSE"),
        ("greeter.plain", "eve_forged_line_" + "x" * 48, "OK"),
        ("?", "-", "UNAUTHENTICATED"),
        ("?", "-", "HTTP_404"),
        ("/health", "-", "OK"),
        ("/openrpc.json", "-", "UNAUTHENTICATED"),
    ]
    assert SECRET not in caplog.text
    assert TOKEN not in caplog.text


# Metrics


def samples(text: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for line in text.splitlines():
        if line.startswith("#"):
            assert re.fullmatch(r"# (HELP|TYPE) rowstead_\w+ .+", line)
            continue
        match = re.fullmatch(r'(\w+(?:\{\w+="[^"\n]*"(?:,\w+="[^"\n]*")*\})?) (\S+)', line)
        assert match, line
        assert match[1] not in found
        found[match[1]] = float(match[2])
    return found


def test_calls_are_counted_by_method_and_outcome(watched: Server) -> None:
    watched.call("greeter.plain")
    watched.post([request("greeter.plain"), request("greeter.add"), request(SECRET), 1])
    watched.send(b"{")
    answer = watched.ask("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    found = samples(answer.body.decode())
    assert found['rowstead_calls_total{method="greeter.plain",outcome="OK"}'] == 2
    assert found['rowstead_calls_total{method="greeter.add",outcome="INVALID_PARAMS"}'] == 1
    assert found['rowstead_calls_total{method="?",outcome="METHOD_NOT_FOUND"}'] == 1
    assert found['rowstead_calls_total{method="?",outcome="INVALID_REQUEST"}'] == 1
    assert found['rowstead_refused_total{code="PARSE"}'] == 1
    assert found['rowstead_call_seconds_count{method="greeter.plain"}'] == 2
    assert found['rowstead_call_seconds_bucket{method="greeter.plain",le="+Inf"}'] == 2
    assert found["rowstead_in_flight"] == 0
    assert SECRET not in answer.body.decode()


def test_durations_are_counted_up_to_each_bound() -> None:
    metrics = Metrics()
    for seconds in (0.001, 0.002, 0.5, 100):
        metrics.call("a.b", "OK", seconds)
    found = samples(metrics.text())
    buckets = {name: n for name, n in found.items() if "_bucket" in name}
    assert list(buckets.values()) == [1, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 4]
    assert next(iter(buckets)).endswith('le="0.001"}')
    assert found['rowstead_call_seconds_sum{method="a.b"}'] == pytest.approx(100.503)


def test_labels_are_escaped() -> None:
    metrics = Metrics()
    assert metrics.text([("x", "help", (label("name", 'a"b\\c\nd'),), 1)]).endswith(
        'x{name="a\\"b\\\\c\\nd"} 1\n'
    )


def test_the_pool_of_each_database_is_told(postgres_url: str) -> None:
    @asynccontextmanager
    async def made() -> AsyncIterator[list[Service]]:
        async with DatabaseService(
            name="main", url=postgres_url, init_db=False, init_tables=False
        ) as database:
            yield [database, Greeter()]

    with running(make=made, anonymous=True, open_metrics=True) as server:
        assert server.ask("/health").status == 200
        found = samples(server.ask("/metrics").body.decode())
    pool = {name: n for name, n in found.items() if name.startswith("rowstead_pool_connections")}
    assert pool == {
        'rowstead_pool_connections{database="main",state="busy"}': 0,
        'rowstead_pool_connections{database="main",state="idle"}': 1,
        'rowstead_pool_connections{database="main",state="awaited"}': 0,
    }


# Health


@pytest.mark.sqlite
def test_a_server_whose_databases_answer_is_healthy(tmp_path: Path) -> None:
    @asynccontextmanager
    async def made() -> AsyncIterator[list[Service]]:
        async with DatabaseService(url=f"sqlite:///{tmp_path / 'a.sqlite'}") as database:
            yield [database]

    with running(make=made) as server:
        answer = server.ask("/health")
        assert (answer.status, answer.json) == (200, {"status": "ok"})


def test_a_server_with_a_database_that_is_not_started_is_not() -> None:
    """It says no more than that: anybody may ask."""
    database = DatabaseService(url="postgresql://user:s3cret-value@127.0.0.1:1/db")
    with running(services=[database]) as server:
        answer = server.ask("/health")
    assert (answer.status, answer.json) == (503, {"status": "unavailable"})


class Things(SQLService[str, Any], PublicInterface):
    service_name = "things"
    table = my_table


def test_health_and_calls_tell_of_a_database_that_goes_away_and_comes_back(
    postgres_server: PgServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rowstead.service.http.health.FRESH", -1.0)

    def let_in(allowed: bool) -> None:
        with postgres_server.connect() as admin:
            name = sql.Identifier(database.name)
            admin.execute(
                sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}").format(name, sql.Literal(allowed))
            )
            if not allowed:
                admin.execute(
                    "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s",
                    [database.name],
                )

    @asynccontextmanager
    async def made() -> AsyncIterator[list[Service]]:
        async with DatabaseService(url=database.url, init_db=False, metadata=METADATA) as service:
            yield [service, Things(service)]

    with postgres_server.database() as database, running(make=made) as server:
        assert server.call("things.count") == 0
        let_in(False)
        assert server.ask("/health").status == 503
        error = server.fails("things.count")
        assert error.number == 503
        assert str(error) in {kind.sentence for kind in ERRORS.values()}
        let_in(True)
        assert server.call("things.count") == 0
        assert server.ask("/health").status == 200


class Slow:
    """A database that answers when it is told to."""

    def __init__(self) -> None:
        self.asked = 0
        self.answer = asyncio.Event()
        self.broken = False

    async def ping(self) -> None:
        self.asked += 1
        await self.answer.wait()
        if self.broken:
            raise UnreachableError("nobody there")


async def test_many_who_ask_at_once_ask_the_database_once(monkeypatch: pytest.MonkeyPatch) -> None:
    database: Any = Slow()
    health = Health({"main": lambda: database})
    asking = [asyncio.create_task(health.is_good()) for _ in range(50)]
    await asyncio.sleep(0)
    asking[0].cancel()
    database.answer.set()
    assert await asyncio.gather(*asking[1:]) == [True] * 49
    assert await health.is_good()
    assert database.asked == 1
    # What was true a moment ago is no longer.
    monkeypatch.setattr("rowstead.service.http.health.FRESH", -1.0)
    database.broken = True
    assert not await health.is_good()
    assert database.asked == 2


async def test_a_database_that_never_answers_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rowstead.service.http.health.PATIENCE", 0.05)
    database: Any = Slow()
    assert not await Health({"main": lambda: database}).is_good()


# The description


def test_the_description_has_what_openrpc_requires(watched: Server) -> None:
    document = watched.ask("/openrpc.json").json
    assert document["openrpc"] == "1.3.2"
    assert set(document["info"]) >= {"title", "version"}
    names = [method["name"] for method in document["methods"]]
    assert len(names) == len(set(names))
    assert set(names) == {f"greeter.{route}" for route in Greeter().routes}
    for method in document["methods"]:
        assert {"name", "params", "result"} <= set(method)
        for descriptor in (*method["params"], method["result"]):
            assert {"name", "schema"} <= set(descriptor)
        required = [each["required"] for each in method["params"]]
        assert required == sorted(required, reverse=True)
    for error in document["components"]["errors"].values():
        assert isinstance(error["code"], int)
        assert isinstance(error["message"], str)


def test_the_description_is_made_of_signatures_and_docstrings(watched: Server) -> None:
    methods = {each["name"]: each for each in watched.call("rpc.discover")["methods"]}
    assert methods["greeter.hello"] == {
        "name": "greeter.hello",
        "summary": "Greet somebody.",
        "description": "The greeting comes first.",
        "paramStructure": "either",
        "params": [
            {"name": "name", "required": True, "schema": {"type": "string"}},
            {"name": "greeting", "required": False, "schema": {"type": "string", "default": "Hello"}},
        ],
        "result": {"name": "result", "schema": {"type": "string"}},
    }
    assert [each["name"] for each in methods["greeter.add"]["params"]] == ["a", "b"]


def test_the_server_says_nothing_of_what_it_is_made_of(watched: Server) -> None:
    headers = watched.ask("/health").headers
    assert "server" not in headers
    assert "x-powered-by" not in headers


def test_metrics_hold_no_more_names_for_more_strange_calls(watched: Server) -> None:
    def size() -> int:
        return len(samples(watched.ask("/metrics").body.decode()))

    watched.fails("x")
    before = size()
    for number in range(50):
        watched.fails(f"nowhere.{number}")
    assert size() == before
