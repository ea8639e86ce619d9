"""Short writes on the event loop's own thread: only where they are quick, and each exactly once."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from rowstead.drivers import sqlite_pace
from rowstead.drivers.sqlite_connection import Settings
from rowstead.drivers.sqlite_pace import FOLD_EVERY, PENALTY, Pace
from rowstead.drivers.sqlite_thread import TURNS, ThreadConnection

INSERT = "INSERT INTO t (n) VALUES (?) RETURNING id, n"
UPDATE_ALL = "UPDATE t SET n = ?"
THREAD = "rowstead-sqlite"


class Seen:
    """The threads in which statements ran, by a callback that SQLite itself calls."""

    def __init__(self, connection: ThreadConnection) -> None:
        self.threads: list[str] = []
        self.texts: list[str] = []
        db: Any = connection._connection._db
        db.set_trace_callback(self._note)

    def _note(self, text: str) -> None:
        self.texts.append(text)
        self.threads.append(threading.current_thread().name)

    def clear(self) -> None:
        self.texts.clear()
        self.threads.clear()


@pytest.fixture(autouse=True)
def quick_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_pace, "QUICK", float("inf"))


@pytest.fixture
async def writer(tmp_path: Path) -> AsyncIterator[ThreadConnection]:
    connection = ThreadConnection(Settings(str(tmp_path / "a.db")))
    await connection.connect()
    await connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, n)", ())
    await connection.fetch(INSERT, (0,))
    yield connection
    await connection.close()


async def test_a_write_that_was_quick_in_the_thread_then_runs_on_the_loop(writer: ThreadConnection) -> None:
    seen = Seen(writer)
    for n in range(1, 50):
        assert await writer.fetch(INSERT, (n,)) == [(n + 1, n)]
    assert set(seen.threads) == {threading.current_thread().name}
    assert await writer.fetch("SELECT count(*) FROM t", ()) == [(50,)]


async def test_a_write_that_turns_out_long_starts_anew_in_the_thread_and_is_applied_once(
    writer: ThreadConnection,
) -> None:
    change = "UPDATE t SET n = n + ?"
    assert await writer.execute(change, (1,)) == 1
    await writer.execute("BEGIN", ())
    await writer.execute_many("INSERT INTO t (n) VALUES (?)", [(1,)] * 20_000)
    await writer.execute("COMMIT", ())
    seen = Seen(writer)
    assert await writer.execute(change, (1,)) == 20_001
    assert seen.threads == [threading.current_thread().name, THREAD]
    assert await writer.fetch("SELECT DISTINCT n FROM t", ()) == [(2,)]


async def test_inside_a_transaction_a_new_row_that_was_quick_before_stays_on_the_loop(
    writer: ThreadConnection,
) -> None:
    await writer.execute("BEGIN IMMEDIATE", ())
    seen = Seen(writer)
    for n in range(1, 2 * FOLD_EVERY):
        assert await writer.fetch(INSERT, (n,)) == [(n + 1, n)]
    assert set(seen.threads) == {threading.current_thread().name}
    await writer.execute("ROLLBACK", ())
    assert await writer.fetch("SELECT count(*) FROM t", ()) == [(1,)]


async def test_inside_a_transaction_what_may_grow_with_the_table_goes_to_the_thread(
    writer: ThreadConnection,
) -> None:
    upsert = "INSERT INTO t (id, n) VALUES (?, 1) ON CONFLICT (id) DO UPDATE SET n = ?"
    for text, values in ((UPDATE_ALL, (1,)), ("DELETE FROM t WHERE n = ?", (9,)), (upsert, (1, 1))):
        # Quick outside; a transaction would be lost with a statement that is broken off.
        await writer.execute(text, values)
        await writer.execute("BEGIN IMMEDIATE", ())
        seen = Seen(writer)
        await writer.execute(text, values)
        assert seen.threads == [THREAD], text
        await writer.execute("COMMIT", ())


async def test_a_savepoint_is_set_and_released_on_the_loop_once_it_was_quick(
    writer: ThreadConnection,
) -> None:
    await writer.execute("BEGIN IMMEDIATE", ())
    places: list[list[str]] = []
    for _ in range(2):
        seen = Seen(writer)
        await writer.execute("SAVEPOINT one", ())
        await writer.execute("RELEASE SAVEPOINT one", ())
        places.append(seen.threads)
    assert places == [[THREAD, THREAD], [threading.current_thread().name] * 2]
    await writer.execute("COMMIT", ())


async def test_a_savepoint_outside_a_transaction_goes_to_the_thread(writer: ThreadConnection) -> None:
    for _ in range(2):
        seen = Seen(writer)
        await writer.execute("SAVEPOINT one", ())
        assert seen.threads == [THREAD]
        await writer.execute("ROLLBACK", ())


async def test_a_new_row_that_meets_a_lock_inside_a_transaction_waits_in_the_thread(
    writer: ThreadConnection, tmp_path: Path
) -> None:
    other = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    # It takes no lock yet.
    await writer.execute("BEGIN", ())
    seen = Seen(writer)
    waiting = asyncio.create_task(writer.fetch(INSERT, (1,)))
    while THREAD not in seen.threads:  # noqa: ASYNC110 (SQLite's callback tells, in another thread)
        await asyncio.sleep(0)
    assert not waiting.done()
    other.execute("COMMIT")
    other.close()
    assert await waiting == [(2, 1)]
    await writer.execute("COMMIT", ())
    assert await writer.fetch("SELECT count(*) FROM t", ()) == [(2,)]


async def test_a_write_that_meets_a_lock_waits_in_the_thread(
    writer: ThreadConnection, tmp_path: Path
) -> None:
    other = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    seen = Seen(writer)
    waiting = asyncio.create_task(writer.fetch(INSERT, (1,)))
    while THREAD not in seen.threads:  # noqa: ASYNC110 (SQLite's callback tells, in another thread)
        await asyncio.sleep(0)
    assert not waiting.done()
    other.execute("COMMIT")
    other.close()
    assert await waiting == [(2, 1)]


async def test_a_write_refused_on_the_loop_raises_what_it_raises_in_the_thread(
    writer: ThreadConnection,
) -> None:
    text = "INSERT INTO t (id) VALUES (?)"
    await writer.execute(text, (7,))
    for _ in range(2):
        with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
            await writer.execute(text, (7,))
    assert not writer.in_transaction


async def test_who_is_cancelled_while_others_have_their_turn_has_written_nothing(
    writer: ThreadConnection,
) -> None:
    written: list[int] = []

    async def write() -> None:
        for n in range(1, 2 * TURNS):
            await writer.fetch(INSERT, (n,))
            written.append(n)

    task = asyncio.create_task(write())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert 0 < len(written) < TURNS
    assert await writer.fetch("SELECT n FROM t WHERE n > 0 ORDER BY n", ()) == [(n,) for n in written]


async def test_the_log_is_folded_in_the_thread(writer: ThreadConnection) -> None:
    seen = Seen(writer)
    for n in range(FOLD_EVERY + 1):
        await writer.fetch(INSERT, (n,))
    places = [t for text, t in zip(seen.texts, seen.threads, strict=True) if "wal_checkpoint" in text]
    assert places == [THREAD]


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO t (n) VALUES (lower(?))",
        "DELETE FROM t WHERE n IN (SELECT n FROM t)",
        "UPDATE t SET n = ? WHERE n LIKE ?",
        "CREATE TABLE u (n)",
        "PRAGMA wal_checkpoint",
        "COMMIT",
    ],
)
async def test_what_may_do_any_amount_of_work_in_one_step_is_no_short_write(
    writer: ThreadConnection, text: str
) -> None:
    assert writer._classify(text).name == "LONG"


def test_a_slow_write_sends_all_others_to_the_thread_for_many_times_as_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 100.0
    switches = (0, 0)
    for clock in ("monotonic", "perf_counter"):
        monkeypatch.setattr(sqlite_pace, clock, lambda: now)
    monkeypatch.setattr(sqlite_pace, "QUICK", 0.001)
    monkeypatch.setattr(sqlite_pace, "_switches", lambda: switches)
    pace = Pace()
    assert not pace.allows("a")
    pace.ran_in_thread("a", 0.01)
    assert not pace.allows("a")
    pace.ran_in_thread("a", 0.0005)
    pace.ran_in_thread("b", 0.0005)
    assert pace.allows("a")
    # Pushed aside by another program: not the disk's fault.
    pace.begin()
    now, switches = now + 0.5, (0, 1)
    pace.end()
    assert pace.allows("a")
    # It waited for the disk.
    pace.begin()
    now, switches = now + 0.5, (1, 1)
    pace.end()
    assert not pace.allows("a")
    pace.ran_in_thread("a", 0.0005)
    now += 0.5 * PENALTY - 0.1
    assert not pace.allows("a")
    now += 0.2
    assert pace.allows("a")
    assert not pace.allows("b")


def test_one_look_at_who_pushed_aside_serves_for_a_moment_but_excuses_one_slow_write(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 100.0
    looks = 0
    switches = (0, 0)

    def look() -> tuple[int, int]:
        nonlocal looks
        looks += 1
        return switches

    for clock in ("monotonic", "perf_counter"):
        monkeypatch.setattr(sqlite_pace, clock, lambda: now)
    monkeypatch.setattr(sqlite_pace, "_switches", look)
    monkeypatch.setattr(sqlite_pace, "QUICK", 0.0001)
    pace = Pace()
    pace.ran_in_thread("a", 0.00005)
    for _ in range(10):
        pace.begin()
        now += 0.00004
        pace.end()
    assert looks == 1
    # Pushed aside once; the look before that does not excuse the next one, which has no excuse.
    pace.begin()
    now, switches = now + 0.0015, (0, 1)
    pace.end()
    assert pace.allows("a")
    pace.begin()
    now += 0.0015
    pace.end()
    assert not pace.allows("a")


def test_a_millisecond_of_slow_writes_is_forgiven_until_it_is_paid_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 100.0
    for clock in ("monotonic", "perf_counter"):
        monkeypatch.setattr(sqlite_pace, clock, lambda: now)
    monkeypatch.setattr(sqlite_pace, "_switches", lambda: None)
    monkeypatch.setattr(sqlite_pace, "QUICK", 0.0001)
    pace = Pace()

    def write(seconds: float) -> bool:
        nonlocal now
        pace.ran_in_thread("a", 0.00005)
        pace.begin()
        now += seconds
        pace.end()
        return pace.allows("a")

    # One slow write behind each of another process's, far enough apart.
    for _ in range(10):
        assert write(0.0004)
        now += PENALTY * 0.0004
    assert write(0.0004)
    assert write(0.0004)
    assert not write(0.0004)
    now += PENALTY * 0.0012
    assert write(0.00005)
