"""The primary dies under load and a standby takes over: one handle goes on, and its word was good.

A primary with two synchronous standbys; kill -9 of everything that is the primary; promotion. The
load counts what it was told: acknowledged, unknown, refused. Then the new primary is asked.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest

from rowstead import DB
from rowstead.drivers.hosts import with_target
from rowstead.errors import ReadOnlyError, UnreachableError
from servers import with_driver

from .cluster import Cluster, wait_until
from .failover_load import MOVERS, SCHEMA, Load, Noted, bare, faults, of_load, prepare, stored
from .figures import LONG, record_figure, size

DRIVERS = ("asyncpg", "psycopg")
ROUNDS = size(short=1, long=5)
BEFORE, AFTER = size(short=50, long=400), 30
"""Acknowledgements of each handle that are waited for before the kill, and after the promotion."""
NAIVE = "application_name = 'naive'"


async def kill_and_promote(cluster: Cluster) -> tuple[float, float]:
    """Kill the primary and promote a standby; when that was asked for, and when it was done.

    One of the standbys stops answering first, so that the writes under way reach the other one and
    are acknowledged to nobody: the most doubtful moment there is.
    """
    silent = cluster.standbys[-1]
    primary = cluster.primary
    # Those of the naive one wait for no lock: they are all there, and most of the others too.
    waiting = f"SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND {NAIVE}"
    silent.freeze()
    try:
        await asyncio.to_thread(wait_until, lambda: primary.ask(waiting) == MOVERS)
        await asyncio.to_thread(primary.kill)
    finally:
        silent.thaw()
    asked = time.monotonic()
    await asyncio.to_thread(cluster.promote)
    return asked, time.monotonic()


@dataclass(frozen=True, slots=True)
class Failover:
    """What one round showed."""

    faults: list[str]
    caught: list[str]
    """What the same check finds wrong with asyncpg alone."""
    acknowledged: int
    unknown: int
    delays: dict[str, float | None]
    """Seconds from the promotion to the first acknowledgement, by driver."""
    promoting: float
    bound_went_on: bool
    """Whether the handle that knows the old host alone wrote after the promotion."""


async def fail_over() -> Failover:
    """Load by three handles and the naive one; the kill, the promotion, and what the new primary holds."""
    with Cluster(2, fsync=LONG) as cluster:
        prepare(cluster.primary)
        handles = [await DB.from_url(cluster.url(name), max_size=8) for name in DRIVERS]
        bound = await DB.from_url(cluster.url("asyncpg", cluster.primary), max_size=4)
        loads = [Load(db, (place + 1) * 1_000_000) for place, db in enumerate((*handles, bound))]
        url = cluster.url("asyncpg", query="?target_session_attrs=read-write&application_name=naive")
        naive = Load(bound, 9_000_000, bare(url.replace("+asyncpg", "")))
        everyone = [*loads, naive]
        try:
            for load in everyone:
                load.start()
            for load in everyone:
                assert await load.acknowledged(BEFORE if load is not naive else 5, 0.0) is not None
            asked, done = await kill_and_promote(cluster)
            first = [await load.acknowledged(AFTER, asked) for load in loads[:2]]
            bound_first = await loads[2].acknowledged(1, asked, seconds=0.5)
        finally:
            for load in everyone:
                await load.stop()
            for db in (*handles, bound):
                await db.close()
        new = cluster.primary
        found = faults(new, *loads)
        caught = naive.moved.faults(of_load(stored(new, "moved"), naive), "transfers")
    told = [told for load in loads for told in (load.moved, load.noted)]
    return Failover(
        found,
        caught,
        sum(len(each.acknowledged) for each in told),
        sum(len(each.unknown) for each in told),
        {name: moment and moment - done for name, moment in zip(DRIVERS, first, strict=True)},
        done - asked,
        bound_first is not None,
    )


async def test_a_killed_primary_costs_no_acknowledged_write_and_the_handle_finds_the_next() -> None:
    rounds = [await fail_over() for _ in range(ROUNDS)]
    found = [fault for each in rounds for fault in each.faults]
    caught = [fault for each in rounds for fault in each.caught]
    record_figure(
        "kill -9 of the primary under load, promotion: false words",
        f"{', '.join(found) or 0} of {sum(each.acknowledged for each in rounds)} acknowledged in "
        f"{ROUNDS} round(s); {sum(each.unknown for each in rounds)} said to be unknown",
        "0",
        f"asyncpg alone, every error taken for a failure: {', '.join(caught)}",
    )
    delays = {name: [each.delays[name] for each in rounds] for name in DRIVERS}
    went_on = sum(each.bound_went_on for each in rounds)
    for name, seconds in delays.items():
        shown = ", ".join("never" if s is None else f"{max(s, 0):.2f}" for s in seconds)
        record_figure(
            f"seconds from the promotion to the first acknowledgement, {name}",
            f"{shown} (the promotion itself: {max(each.promoting for each in rounds):.2f} at most)",
            "at most 1 in each round",
            f"a handle bound to the old host: {went_on or 'never'}",
        )
    assert found == []
    assert all(s is not None and s < 1.0 for seconds in delays.values() for s in seconds)
    assert went_on == 0
    assert all(any("applied twice" in fault for fault in each.caught) for each in rounds)


@pytest.mark.parametrize(
    ("dsn", "told"),
    [
        ("postgresql://u@h/db", "postgresql://u@h/db"),
        ("postgresql://u@h1,h2/db", "postgresql://u@h1,h2/db?target_session_attrs=read-write"),
        (
            "postgresql://u@h1:1,[::1]:2/db?sslmode=require",
            "postgresql://u@h1:1,[::1]:2/db?sslmode=require&target_session_attrs=read-write",
        ),
        ("postgresql:///db?host=h1,h2", "postgresql:///db?host=h1,h2&target_session_attrs=read-write"),
        ("postgresql://h1,h2/db?target_session_attrs=any", "postgresql://h1,h2/db?target_session_attrs=any"),
    ],
)
def test_of_several_hosts_the_one_that_takes_writes_is_wanted_unless_told(dsn: str, told: str) -> None:
    assert with_target(dsn, "read-write") == told


# ── the server lives, and is not the primary any more ────────────────────────────────────────

WRITES = 12


async def refusals(db: DB, first: int) -> int:
    """How many of some writes, one after the other, end up at a server that can only be read."""
    count = 0
    for number in range(first, first + WRITES):
        try:
            await db.insert(Noted(number=number))
        except ReadOnlyError:
            count += 1
    return count


async def in_blocks(db: DB, first: int) -> int:
    """The same in transaction blocks, which catch the error inside."""
    count = 0
    for number in range(first, first + WRITES):
        async with db.transaction() as tx:
            try:
                async with tx.transaction() as inner:
                    await inner.insert(Noted(number=number))
            except ReadOnlyError:
                count += 1
    return count


async def filled(db: DB, size: int) -> None:
    """Have the pool make this many connections, by statements after which none needs a reset."""
    await asyncio.gather(*(db.count(Noted) for _ in range(size)))


async def test_connections_to_a_server_that_became_read_only_are_not_kept() -> None:
    size_ = 4
    with Cluster(1, synchronous=False, fsync=False) as cluster:
        prepare(cluster.primary)
        cluster.wait_for_replay()
        old = cluster.primary
        handles = {name: await DB.from_url(cluster.url(name), max_size=size_) for name in DRIVERS}
        in_block = await DB.from_url(cluster.url("asyncpg"), max_size=size_)
        keeping = await DB.from_url(cluster.url("asyncpg", query="?target_session_attrs=any"), max_size=size_)
        everyone = [*handles.values(), in_block, keeping]
        try:
            for db in everyone:
                await filled(db, size_)
            # Fenced as an operator does it: the server goes on, and its connections too.
            old.set(default_transaction_read_only="on")
            new = await asyncio.to_thread(cluster.promote)
            found = {name: await refusals(db, n * 100) for n, (name, db) in enumerate(handles.items())}
            found["asyncpg, in blocks"] = await in_blocks(in_block, 1_000)
            kept = await refusals(keeping, 2_000)
            ports = {await db.fetchval("SELECT inet_server_port()") for db in everyone[:-1]}
        finally:
            for db in everyone:
                await db.close()
        written = len(stored(new, "noted"))
    for name, count in found.items():
        record_figure(
            f"writes refused by a primary that became read-only, {name}",
            f"{count} of {WRITES}",
            f"at most 1, with a pool of {size_}",
            f"connections kept (target_session_attrs=any): {kept} of {WRITES}",
        )
    assert max(found.values()) <= 1
    assert written == len(found) * WRITES - sum(found.values())
    assert ports == {new.port}
    assert kept == WRITES


@contextmanager
def silent_host() -> Iterator[str]:
    """Accepts connections and never says a word, as a server that is cut off seems to."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield f"127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.parametrize("driver", DRIVERS)
async def test_a_host_that_says_nothing_leaves_time_for_the_others(driver: str, postgres_url: str) -> None:
    limit = 1.2
    parts = urlsplit(with_driver(postgres_url, driver))
    login, _, place = parts.netloc.rpartition("@")
    with silent_host() as silent:
        url = parts._replace(netloc=f"{login}@{silent},{place}").geturl()
        begun = time.monotonic()
        async with await DB.from_url(url, connect_timeout=limit, min_size=1) as db:
            await db.execute(SCHEMA.splitlines()[3])
            first = time.monotonic() - begun
            begun = time.monotonic()
            await filled(db, 3)
            next_ones = time.monotonic() - begun
            hosts: Any = db.database.driver
            # Control: all hosts have one time together, and each connection begins with the first.
            hosts._hosts._each, hosts._hosts.timeout = [hosts._hosts.dsn], limit
            with pytest.raises(UnreachableError, match=r"within 1\.2 s"):
                await filled(db, 10)
    record_figure(
        f"connecting past a host that says nothing, {driver}",
        f"{first:.2f} s, the next ones {next_ones:.2f} s",
        f"within {limit:g} s, the next ones at once",
        "one time limit for all hosts: unreachable",
    )
    assert first < limit
    assert next_ones < 1.0
