"""The wire cut at every byte of a transfer, both directions: what was said must be what happened.

An answer is an acknowledgement, *not applied*, or *unknown*, and a journal without any unique key tells
how often each transfer was applied. The cut strikes BEGIN, each statement, the question for the
transaction's id and COMMIT alike, since it strikes at every byte of them.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import psycopg
import pytest

from rowstead import (
    DisconnectedError,
    RowsteadError,
)
from rowstead.dialects import POSTGRESQL
from rowstead.transaction import Block
from servers import PostgresDatabase, PostgresServer, Server

from .figures import record_figure, size
from .proxy import Proxy
from .wire import (
    LONE,
    START,
    WORKERS,
    Work,
    block,
    cut_through,
    function,
    gone,
    lone,
    places,
    span_of,
    sync_block,
)

STEP = size(short=12, long=1)
"""Cuts at every so manyth byte."""
SILENT_STEP = size(short=90, long=9)
ENDINGS = {2: "nd", 3: "rd", 22: "nd"}
"""Of the steps in words."""


@pytest.fixture(scope="module")
def bank(postgres_server: Server) -> Any:
    with postgres_server.database() as made:
        with made.connect() as admin:
            admin.execute("CREATE TABLE account (id int PRIMARY KEY, balance int NOT NULL)")
            admin.execute("CREATE TABLE journal (op int NOT NULL, worker int NOT NULL)")
        yield made


@pytest.mark.parametrize(
    ("driver", "work"),
    [("asyncpg", block), ("psycopg", block), ("psycopg sync", sync_block)],
    ids=lambda value: getattr(value, "__name__", value),
)
async def test_a_block_cut_at_any_byte_tells_the_truth_and_leaves_nothing_unknown(
    bank: PostgresDatabase, driver: str, work: Work
) -> None:
    findings = await cut_through(bank, driver, work, STEP if driver != "psycopg sync" else 2 * STEP)
    record_figure(
        f"wire cut at every {ordinal(STEP)}byte of a transfer in a block, {driver}",
        findings,
        "none wrong, 0 unknown",
        "see asyncpg alone",
    )
    assert findings.faults == []
    assert findings.all_that("unknown") == []
    assert findings.balances == findings.expected_balances
    assert findings.all_that("not applied"), "no cut came before COMMIT"
    assert findings.cuts >= len(findings.said) // 2 - 2 * WORKERS


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_a_function_cut_at_any_byte_is_applied_exactly_once(
    bank: PostgresDatabase, driver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    findings = await cut_through(bank, driver, function, STEP)

    async def never_ask(self: Block, transaction: Any, identity: Any, error: RowsteadError) -> None:
        raise DisconnectedError("lost, so it was not applied") from error

    with monkeypatch.context() as patch:
        patch.setattr(Block, "_settle", never_ask)
        naive = await cut_through(bank, driver, function, max(1, STEP // 4), at_least=0.8)
    record_figure(
        f"wire cut at every {ordinal(STEP)}byte of transaction(fn), {driver}",
        findings,
        "none wrong, 0 unknown, 0 not applied",
        f"a lost COMMIT taken for a failure: {naive}",
    )
    assert findings.faults == []
    assert set(findings.said.values()) == {"applied"}
    assert set(findings.applied.values()) == {1}
    assert findings.balances == findings.expected_balances
    assert naive.twice > 0
    assert naive.faults != []


@pytest.mark.parametrize("name", LONE)
@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_a_lone_write_whose_answer_was_lost_is_unknown_and_not_sent_again(
    bank: PostgresDatabase, driver: str, name: str
) -> None:
    work = LONE[name]
    findings = await cut_through(bank, driver, work, max(1, STEP // 2))
    unknown = findings.all_that("unknown")
    happened = sum(findings.applied[op] for op in unknown)
    record_figure(
        f"wire cut at every {ordinal(max(1, STEP // 2))}byte of a lone write, {name}, {driver}",
        f"{findings}; of the unknown {happened} had happened",
        "none wrong, and some unknown",
        "see asyncpg alone",
    )
    assert findings.faults == []
    assert 0 < happened < len(unknown)
    assert {findings.classes[op] for op in unknown} == {"OutcomeUnknown"}


@pytest.mark.parametrize(
    ("driver", "work"),
    [
        ("asyncpg", block),
        ("psycopg", block),
        ("psycopg sync", sync_block),
        ("asyncpg", lone),
        ("psycopg", lone),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
async def test_a_wire_that_falls_silent_ends_in_time_and_in_the_truth(
    bank: PostgresDatabase, driver: str, work: Work
) -> None:
    limit = 0.25
    step = SILENT_STEP if work is not lone else max(1, SILENT_STEP // 4)
    findings = await cut_through(bank, driver, work, step, silence=limit)
    record_figure(
        f"wire silent from every {ordinal(step)}byte of a {work.__name__.replace('_', ' ')} on, {driver}",
        f"{findings}; each over in {findings.longest:.2f} s",
        f"none wrong, unknown only outside a block, over in 1 s (statement_timeout is {limit} s)",
        "asyncpg with the server's own time-out alone still waits, see the test beside",
    )
    assert findings.faults == []
    assert bool(findings.all_that("unknown")) == (work is lone)
    assert findings.balances == findings.expected_balances or work is lone
    assert findings.longest < 1


async def test_control_the_servers_own_time_out_does_not_end_a_wait_for_a_silent_wire(
    bank: PostgresDatabase,
) -> None:
    parts = urlsplit(bank.url)
    async with Proxy("127.0.0.1", parts.port or 5432) as proxy:
        place = f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{proxy.port}"
        address = urlunsplit(parts._replace(netloc=place))
        trusting = await asyncpg.connect(address, server_settings={"statement_timeout": "250"})
        proxy.cut("to server", 0, silently=True)
        waiting = asyncio.create_task(trusting.fetch("SELECT 1"))
        ended, _ = await asyncio.wait([waiting], timeout=1)
        trusting.terminate()
        assert (proxy.cuts, ended) == (1, set())
        with pytest.raises(asyncpg.PostgresError):
            await waiting


async def test_asyncpg_alone_raises_one_class_for_what_happened_and_what_did_not(
    bank: PostgresDatabase,
) -> None:
    """The control of the figures above: the same cuts without Rowstead cannot be told apart."""

    class Bare:
        def __init__(self, address: str) -> None:
            self.address = address
            self.raw: Any = None

        async def run(self, op: int, worker: int) -> None:
            if self.raw is None or self.raw.is_closed():
                self.raw = await asyncpg.connect(self.address)
            async with self.raw.transaction():
                update = "UPDATE account SET balance = balance + $2 WHERE id = $1"
                await self.raw.fetch(update, 2 * worker, -1)
                await self.raw.fetch(update, 2 * worker + 1, 1)
                await self.raw.fetch("INSERT INTO journal (op, worker) VALUES ($1, $2)", op, worker)

    parts = urlsplit(bank.url)
    applied: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    raised: dict[int, str] = {}
    with bank.connect() as admin:
        admin.execute("TRUNCATE account, journal")
        admin.execute("INSERT INTO account SELECT g, %s FROM generate_series(0, 99) g", [START])
        async with Proxy("127.0.0.1", parts.port or 5432) as proxy:
            place = f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{proxy.port}"
            bare = Bare(urlunsplit(parts._replace(netloc=place)))
            span = await span_of(bare, proxy, lambda bare, op, worker: bare.run(op, worker))
            for index, (direction, byte) in enumerate(places(span, STEP)):
                await bare.run(-10 - index, 0)
                proxy.cut(direction, byte)
                try:
                    await bare.run(index, 0)
                except Exception as error:
                    raised[index] = type(error).__name__
                proxy.spare()
            await bare.raw.close()
        await gone(admin)
        journal = Counter(op for (op,) in admin.execute("SELECT op FROM journal"))
    for op, name in raised.items():
        (applied if journal[op] else failed)[name] += 1
    alike = sum(count for name, count in applied.items() if name in failed)
    record_figure(
        f"asyncpg alone, wire cut at every {ordinal(STEP)}byte of a transfer",
        f"{alike} of {len(raised)} failures raise the class of a failure though the commit happened",
        "more than 0: it is the control",
        f"happened: {dict(applied)}, did not: {dict(failed)}",
    )
    assert alike > 0


async def test_an_id_that_a_crash_gave_to_another_transaction_is_not_taken_for_ours() -> None:
    """pg_xact_status alone says `committed` of a transaction that the crash lost."""
    naive = "SELECT pg_xact_status(%s::text::xid8)"
    asked = POSTGRESQL.transaction_status or ""
    # Nobody writes the log out before the crash.
    with PostgresServer(settings=("wal_writer_delay=10s", "restart_after_crash=on")) as server:
        mine = psycopg.connect(server.url)
        mine.execute("CREATE TABLE t (n int)")
        mine.commit()
        mine.execute("INSERT INTO t VALUES (1)")
        identity = value(mine, POSTGRESQL.transaction_id or "")
        xid = identity.split()[0]
        with psycopg.connect(server.url, autocommit=True) as other:
            assert value(other, asked.replace("$1", "%s"), identity) == "in progress"
        os.kill(mine.info.backend_pid, signal.SIGKILL)
        mine.close()
        with recovered(server) as other:
            others = 0
            while others < int(xid):
                with other.transaction():
                    other.execute("INSERT INTO t VALUES (2)")
                    others = int(value(other, "SELECT pg_current_xact_id()::text"))
            believed = value(other, naive, xid)
            told = value(other, asked.replace("$1", "%s"), identity)
            rows = other.execute("SELECT count(*) FROM t WHERE n = 1").fetchone()
    record_figure(
        "a lost transaction's id given to another by a crash: what we take it for",
        told,
        "aborted",
        f"pg_xact_status alone: {believed}",
    )
    assert rows == (0,)
    assert believed == "committed"
    assert told == "aborted"


def value(connection: psycopg.Connection, sql: str, *params: str) -> str:
    row = connection.execute(sql.encode(), params or None).fetchone()
    assert row is not None
    return row[0]


def recovered(server: PostgresServer) -> psycopg.Connection:
    until = time.monotonic() + 20
    while True:
        try:
            return psycopg.connect(server.url, autocommit=True)
        except psycopg.OperationalError:
            assert time.monotonic() < until, "the server does not come back"
            time.sleep(0.02)


def ordinal(step: int) -> str:
    return "" if step == 1 else f"{step}{ENDINGS.get(step, 'th')} "
