"""The service over HTTP beside Starlette by hand: 50 clients, the same queries, the same uvicorn.

    python -m benchmarks.http [--seconds 60] [--clients 50] [--json FILE]

Each side is a server in a process of its own, with a pool of ten connections to the PostgreSQL at
ROWSTEAD_TEST_POSTGRES; by hand means Starlette, asyncpg and `json`, no checks and no limits. Clients keep
their connections and send the next request when the last is answered. The sides take turns, a few seconds
each, until both have had the time. What is reported is latency and its ratio; an answer that is an error
ends the run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from time import perf_counter
from typing import Any

import asyncpg
import sqlalchemy as sa
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from rowstead.service import PublicInterface, SQLService
from rowstead.service.database import DatabaseService
from rowstead.service.http import HTTPService, Limits
from rowstead.service.http.serving import address_of, listening, serve

SERVER = "ROWSTEAD_TEST_POSTGRES"
ROWS, POOL, PAGE = 10_000, 10, 20
SLICE = 5.0
"""Seconds of one side's turn."""
WANTED = 1.5
"""At most so many times the latency of what is written by hand."""
OURS, BARE = "rowstead", "bare"
UNBOUNDED = Limits(rate=None, concurrent=1000)

people = sa.Table(
    "bench_http",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("age", sa.Integer, nullable=False),
    sa.Column("active", sa.Boolean, nullable=False),
)


class People(SQLService[int, Any], PublicInterface):
    service_name = "people"
    table = people


CALLS: dict[str, Callable[[int], dict[str, Any]]] = {
    "get": lambda n: {"id": n % ROWS + 1},
    "list": lambda n: {
        "conditions": {"age": {"gt": 30}},
        "sort": "-id",
        "offset": n % 50 * PAGE,
        "limit": PAGE,
    },
}
"""Method of `people` -> the parameters of the n-th call."""


# The two servers


@asynccontextmanager
async def ours(url: str) -> AsyncIterator[Any]:
    async with DatabaseService(url=url, pool_size=POOL, init_db=False, init_tables=False) as database:
        services = [database, People(database)]
        yield HTTPService(services=services, anonymous=True, limits=UNBOUNDED).asgi()


@asynccontextmanager
async def by_hand(url: str) -> AsyncIterator[Any]:
    pool = await asyncpg.create_pool(url, min_size=POOL, max_size=POOL)

    async def rpc(request: Request) -> JSONResponse:
        call = await request.json()
        given = call["params"]
        if call["method"] == "people.get":
            row = await pool.fetchrow(
                "SELECT id, name, age, active FROM bench_http WHERE id = $1", given["id"]
            )
            return JSONResponse({"jsonrpc": "2.0", "id": call["id"], "result": dict(row)})
        least, limit, offset = given["conditions"]["age"]["gt"], given["limit"], given["offset"]
        rows = await pool.fetch(
            "SELECT id, name, age, active FROM bench_http WHERE age > $1 ORDER BY id DESC LIMIT $2 OFFSET $3",
            least,
            limit,
            offset,
        )
        count = await pool.fetchval("SELECT count(*) FROM bench_http WHERE age > $1", least)
        result = {
            "count": count,
            "offset": offset,
            "page": offset // limit + 1,
            "pages": max(1, -(-count // limit)),
            "on_page": len(rows),
            "data": [dict(row) for row in rows],
        }
        return JSONResponse({"jsonrpc": "2.0", "id": call["id"], "result": result})

    try:
        yield Starlette(routes=[Route("/rpc", rpc, methods=["POST"])])
    finally:
        await pool.close()


SIDES = {OURS: ours, BARE: by_hand}


async def run_server(side: str, url: str) -> None:
    """Serve until standard input ends; the address is the one line that is printed."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin.fileno(), stop.set)
    with listening("127.0.0.1", 0) as listener:
        async with SIDES[side](url) as application:
            address = address_of(listener)
            await serve(
                application, listener, UNBOUNDED, stop=stop, started=lambda: print(address, flush=True)
            )


# The clients

HEAD = "POST /rpc HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: "


@dataclass
class Load:
    """What many clients saw of one side."""

    seconds: list[float] = field(default_factory=list[float])
    answers: dict[int, Any] = field(default_factory=dict[int, Any])
    """The results of some calls, to be compared between the sides."""


class WrongAnswer(AssertionError):
    """A call was answered with an error, or HTTP with another status than 200."""


async def load(address: str, method: str, clients: int, seconds: float, into: Load) -> None:
    """Have so many clients call one method for so many seconds. Raises WrongAnswer."""
    host, _, port = address.removeprefix("http://").partition(":")
    end = perf_counter() + seconds
    async with asyncio.TaskGroup() as group:
        for client in range(clients):
            group.create_task(_client(host, int(port), method, client, clients, end, into))


async def _client(host: str, port: int, method: str, first: int, step: int, end: float, into: Load) -> None:
    reader, writer = await asyncio.open_connection(host, port)
    number = first
    try:
        while (began := perf_counter()) < end:
            params = CALLS[method](number)
            body = json.dumps(
                {"jsonrpc": "2.0", "id": number, "method": f"people.{method}", "params": params}
            )
            writer.write(f"{HEAD}{len(body)}\r\n\r\n{body}".encode())
            answer = await _answer(reader)
            into.seconds.append(perf_counter() - began)
            if b'"result"' not in answer:
                raise WrongAnswer(answer.decode())
            if number < 200 and number not in into.answers:
                into.answers[number] = json.loads(answer)
            number += step
    finally:
        writer.close()


async def _answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise WrongAnswer(head.decode())
    length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
    return await reader.readexactly(int(length))


# The run


async def measure(url: str, clients: int, seconds: float) -> dict[str, Any]:
    """The latencies of both sides, method by method."""
    servers = {side: await _started(side, url) for side in SIDES}
    addresses: dict[str, str] = {}
    try:
        for side, process in servers.items():
            assert process.stdout is not None
            addresses[side] = (await process.stdout.readline()).decode().strip()
        report: dict[str, Any] = {}
        for method in CALLS:
            loads = {side: Load() for side in SIDES}
            for side in SIDES:
                await load(addresses[side], method, clients, min(seconds, 1.0), Load())
            for turn in range(max(1, round(seconds / SLICE))):
                for side in sorted(SIDES, reverse=turn % 2 == 0):
                    await load(addresses[side], method, clients, min(seconds, SLICE), loads[side])
            _compare(method, loads)
            report[method] = _figures(loads)
        return report
    finally:
        for process in servers.values():
            assert process.stdin is not None
            process.stdin.close()
            await process.wait()


async def _started(side: str, url: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    words = ("-m", "benchmarks.http", "--side", side)
    return await asyncio.create_subprocess_exec(
        sys.executable, *words, stdin=pipe, stdout=pipe, env={**os.environ, SERVER: url}
    )


def _compare(method: str, loads: dict[str, Load]) -> None:
    both = loads[OURS].answers.keys() & loads[BARE].answers.keys()
    for number in both:
        if loads[OURS].answers[number] != loads[BARE].answers[number]:
            raise WrongAnswer(f"{method} {number}: the sides differ")
    if not both:
        raise WrongAnswer(f"{method}: nothing could be compared")


def _figures(loads: dict[str, Load]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for side, each in loads.items():
        cuts = quantiles(each.seconds, n=100)
        found[side] = {"calls": len(each.seconds), "p50_ms": cuts[49] * 1e3, "p99_ms": cuts[98] * 1e3}
    for cut in ("p50", "p99"):
        found[f"{cut}_ratio"] = found[OURS][f"{cut}_ms"] / found[BARE][f"{cut}_ms"]
    return found


def told(report: dict[str, Any]) -> list[str]:
    """The report for people."""
    lines = [f"{'':6}{'':10}{'calls':>9}{'p50 ms':>9}{'p99 ms':>9}"]
    for method, figures in report.items():
        for side in SIDES:
            each = figures[side]
            lines.append(f"{method:6}{side:10}{each['calls']:>9}{each['p50_ms']:>9.2f}{each['p99_ms']:>9.2f}")
        ratios = f"{figures['p50_ratio']:>9.2f}{figures['p99_ratio']:>9.2f}"
        lines.append(f"{'':6}{'ratio':10}{'':9}{ratios}   (wanted: at most {WANTED})")
    return lines


async def prepare(url: str) -> None:
    """The table, filled."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("DROP TABLE IF EXISTS bench_http")
        await connection.execute(
            "CREATE TABLE bench_http (id integer PRIMARY KEY, name text NOT NULL, age integer NOT NULL, "
            "active boolean NOT NULL)"
        )
        rows = [(n, f"person {n}", n % 90, n % 3 > 0) for n in range(1, ROWS + 1)]
        await connection.copy_records_to_table("bench_http", records=rows)
        await connection.execute("ANALYZE bench_http")
    finally:
        await connection.close()


async def clean(url: str) -> None:
    """Without the table."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("DROP TABLE bench_http")
    finally:
        await connection.close()


async def run(options: argparse.Namespace, url: str) -> int:
    await prepare(url)
    try:
        report = await measure(url, options.clients, options.seconds)
    finally:
        await clean(url)
    print(f"{options.clients} clients, {options.seconds:g} s a side and method")
    print("\n".join(told(report)))
    if options.json is not None:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.http", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="for each side and method")
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the figures there, too")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    url = os.environ.get(SERVER)
    if not url:
        print(f"{SERVER} is not set (scripts/with_postgres.py sets it)", file=sys.stderr)
        return 2
    if options.side is None:
        return asyncio.run(run(options, url))
    asyncio.run(run_server(options.side, url))
    return 0


if __name__ == "__main__":
    sys.exit(main())
