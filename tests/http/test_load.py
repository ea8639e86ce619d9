"""Fifty clients at once: no answer is an error, and it costs little more than what is written by hand.

`python -m benchmarks.http` does the same for a minute.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from benchmarks import http as benchmark

from http_server import FREE, request, running
from public_services import Greeter
from rowstead.service import PublicInterface, Service, SQLService
from rowstead.service.database import DatabaseService
from rowstead.service.http import Limits
from service.conftest import Place, place_named
from service.tables import METADATA, my_table

CLIENTS = 50


@pytest.mark.postgresql
async def test_fifty_clients_on_postgresql_beside_starlette_by_hand(postgres_url: str) -> None:
    await benchmark.prepare(postgres_url)
    report = await benchmark.measure(postgres_url, CLIENTS, 2.0)
    print(*benchmark.told(report), sep="\n")
    for figures in report.values():
        assert figures[benchmark.OURS]["calls"] > CLIENTS
        # The goal is 1.5, on a machine that does nothing else.
        assert figures["p50_ratio"] < 2.5


async def test_control_an_error_ends_the_run() -> None:
    with running(Limits(rate=0.01), services=[Greeter()]) as server:
        with pytest.raises(ExceptionGroup) as caught:
            await benchmark.load(server.address, "get", 2, 5.0, benchmark.Load())
        assert caught.group_contains(benchmark.WrongAnswer)


class Things(SQLService[str, Any], PublicInterface):
    service_name = "things"
    table = my_table


@pytest.fixture(params=["sqlite", "asyncpg", "mariadb"])
def place(request: pytest.FixtureRequest, tmp_path: Any) -> Place:
    return place_named(request.param, request, tmp_path)


def test_fifty_clients_that_write_lose_nothing(place: Place) -> None:
    """Each adds rows of its own, in batches and alone, and changes one that is everybody's."""

    @asynccontextmanager
    async def made() -> AsyncIterator[list[Service]]:
        async with DatabaseService(url=place.url, metadata=METADATA, init_db=False) as database:
            yield [database, Things(database)]

    refused: list[Any] = []

    def work(client: int) -> None:
        for turn in range(3):
            ids = [f"{client}-{turn}-{n}" for n in range(4)]
            batch = [request("things.create", {"id": id, "value": client}, id=id) for id in ids[:3]]
            answers = server.post(batch).json
            answers.append(server.post(request("things.create", {"id": ids[3], "value": client})).json)
            answers.append(server.post(request("things.update", "shared", {"value": client})).json)
            refused.extend(each for each in answers if "result" not in each)

    with running(FREE, make=made) as server:
        server.call("things.create", {"id": "shared", "value": -1})
        clients = [threading.Thread(target=work, args=(client,)) for client in range(CLIENTS)]
        for client in clients:
            client.start()
        for client in clients:
            client.join(120)
        assert refused == []
        assert server.call("things.count", conditions={"id": {"ne": "shared"}}) == CLIENTS * 12
        assert server.call("things.get", "shared")["value"] in range(CLIENTS)
        assert json.loads(server.ask("/health").body) == {"status": "ok"}


async def test_requests_of_one_connection_are_answered_in_their_order() -> None:
    with running(FREE, services=[Greeter()]) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        for number in range(200):
            body = json.dumps(request("greeter.echo", number, id=number))
            writer.write(f"{benchmark.HEAD}{len(body)}\r\n\r\n{body}".encode())
        found = []
        for _ in range(200):
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            found.append(json.loads(await reader.readexactly(int(length)))["result"])
        writer.close()
        await writer.wait_closed()
    assert found == list(range(200))
