"""A storm of cancellations through `DB`: nothing leaks, nothing is swallowed, no money is lost.

Each seed runs a crowd of tasks over a pool of five and cancels most of them, half while they wait for
a connection and half a moment after they got one. Afterwards the pool is whole, the server (or a second
handle on the file) sees no transaction and no lock, and the journal, the balances and what the tasks
said agree.
"""

from __future__ import annotations

import asyncio
import random
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from conftest import Backend
from rowstead import DB
from rowstead.transaction import Block
from servers import with_driver

from .figures import record_figure, size
from .proxy import Proxy
from .storm import POOL, STRUCK_WAITING, Entry, Move, block, outside, storm

TASKS = size(short=800, long=3000)
SEEDS = size(short=2, long=20)


# ── the tests ────────────────────────────────────────────────────────────────────────────────


async def test_a_storm_of_cancellations_leaves_nothing_behind(backend: Backend) -> None:
    wrong: list[str] = []
    cancelled = struck = 0
    for seed in range(SEEDS):
        async with storm(backend, seed, TASKS) as crowd:
            await crowd.blow()
            cancelled += crowd.cancelled
            struck += len(crowd.struck)
            wrong += [f"seed {seed}: {fault}" for fault in await crowd.faults(outside(backend))]
    record_figure(
        f"{TASKS} tasks on {POOL} connections, most of them cancelled, {SEEDS} seeds, {backend.name}",
        f"{len(wrong)} faults; {cancelled / TASKS / SEEDS:.0%} cancelled, {struck - cancelled} swallowed",
        "0 faults, each struck one cancelled",
        "see the broken blocks",
    )
    assert wrong == []
    assert cancelled == struck
    assert cancelled > TASKS * SEEDS * STRUCK_WAITING


async def cancelled_begin(url: str, driver: str) -> int:
    """How many rows of one acknowledged insert are there, after a BEGIN was cancelled before it.

    The answer to the BEGIN is under way when its task is cancelled: the transaction is open, and the
    client does not know.
    """
    parts = urlsplit(with_driver(url, driver))
    async with Proxy("127.0.0.1", parts.port or 5432) as proxy:
        place = f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{proxy.port}"
        async with await DB.from_url(parts._replace(netloc=place).geturl(), max_size=1) as db:
            await db.execute("DROP TABLE IF EXISTS journal")
            await db.execute("CREATE TABLE journal (op INTEGER, source INTEGER, target INTEGER)")
            assert await db.count(Entry) == 0
            proxy.delay = 0.04
            begin = asyncio.create_task(block(db, Move(1, random.Random(1))))
            await asyncio.wait([begin], timeout=0.06)
            begin.cancel()
            await asyncio.wait([begin])
            assert begin.cancelled()
            proxy.delay = 0.0
            await db.insert(Entry(op=2, source=0, target=0))
            with psycopg.connect(parts._replace(scheme="postgresql").geturl()) as admin:
                row = admin.execute("SELECT count(*) FROM journal WHERE op = 2").fetchone()
    assert row is not None
    return row[0]


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_a_begin_that_was_cancelled_swallows_nobody_elses_write(
    postgres_url: str, driver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def believe(connection: Any) -> None:
        await connection.reset()

    there = await cancelled_begin(postgres_url, driver)
    with monkeypatch.context() as patch:
        patch.setattr("rowstead.drivers.pool._clean", believe)
        naive = await cancelled_begin(postgres_url, "asyncpg")
    record_figure(
        f"an acknowledged insert after a BEGIN that was cancelled on its way, {driver}",
        f"{there} row",
        "1 row",
        f"a pool that believes what asyncpg knew before: {naive} rows",
    )
    assert there == 1
    assert naive == 0


class Leaking(Block):
    """The control: a block that forgets its connection when it is cancelled."""

    async def __aexit__(self, kind: Any, error: Any, trace: Any) -> None:
        if kind is asyncio.CancelledError:
            self._lent = False
        await super().__aexit__(kind, error, trace)


class Swallowing(Block):
    """The control: a block after which its task goes on as if nothing had been."""

    async def __aexit__(self, kind: Any, error: Any, trace: Any) -> bool:  # type: ignore[override]
        await super().__aexit__(kind, error, trace)
        return kind is asyncio.CancelledError


class Keeping(Block):
    """The control: a block that commits what a cancelled task had done until then."""

    async def __aexit__(self, kind: Any, error: Any, trace: Any) -> None:
        if kind is asyncio.CancelledError:
            self._transaction.failure = None  # pyright: ignore
            kind = error = trace = None
            await super().__aexit__(None, None, None)
            raise asyncio.CancelledError
        await super().__aexit__(kind, error, trace)


@pytest.mark.parametrize(
    ("broken", "symptom"),
    [(Leaking, "busy, waiting, held, lent"), (Swallowing, "swallowed"), (Keeping, "balances")],
    ids=["leaks", "swallows", "keeps"],
)
async def test_the_same_check_catches_a_broken_block(
    backend: Backend, broken: type[Block], symptom: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rowstead.database.Block", broken)
    found: list[str] = []
    seeds = 0
    # A small storm may, by chance, strike nobody inside a block.
    while seeds < 8 and not any(symptom in fault for fault in found):
        async with storm(backend, seeds, 300, timeout=0.5 if broken is Leaking else 60.0) as crowd:
            await crowd.blow()
            found += await crowd.faults(list)
        seeds += 1
    record_figure(
        f"a block that {broken.__name__.lower().replace('ing', 's')}, under the same storm, {backend.name}",
        f"{len(found)} faults in {seeds} seed(s)",
        "more than 0: it is the control",
        "it is one",
    )
    assert any(symptom in fault for fault in found), found
