"""Migrations behind PgBouncer in transaction mode: each applied once, also where a runner is killed.

No lock of the session holds there, so runners keep each other out by a lease.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from rowstead import DB, MigrationError, RowsteadError
from rowstead.database import PinnedSession
from rowstead.migrations import lease
from servers import PostgresDatabase, with_driver

from .behind_pooler import sessions
from .figures import LONG, record_figure, size
from .migrated import codes
from .processes import Processes, processes

MIGRATION_ROUNDS = size(short=1, long=20)
MIGRATORS = 10
KILLED_AFTER = (8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28) if LONG else (12,)
STEPS = {
    "0001_tables.sql": "SET statement_timeout = '50s';\nSET SESSION work_mem = '9MB';\n"
    "CREATE TABLE seen (step integer NOT NULL, note text);\nINSERT INTO seen (step) VALUES (1);\n"
    "SELECT pg_catalog.set_config('search_path', '', false);",
    "0002_alone.sql": "-- rowstead:no-transaction\nINSERT INTO seen (step) VALUES (2);\n"
    "CREATE INDEX CONCURRENTLY seen_note ON seen (note);\nVACUUM seen;",
    "0003_last.sql": "ALTER TABLE seen ADD COLUMN more integer;\nINSERT INTO seen (step) VALUES (3);",
}


@pytest.fixture(scope="module")
def migrators() -> Iterator[Processes]:
    with processes("job_migrate.py") as made:
        yield made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "migrations"
    made.mkdir()
    for name, text in STEPS.items():
        (made / name).write_text(text)
    return made


def order(
    url: str, folder: Path, world: str = "async", runner: str = "real", kill: Any = None
) -> dict[str, Any]:
    return {"url": url, "folder": str(folder), "world": world, "runner": runner, "kill": kill}


def faults(admin: psycopg.Connection) -> list[str]:
    """What is wrong in the database, were the folder applied once and whole."""
    try:
        steps = [step for (step,) in admin.execute("SELECT step FROM public.seen ORDER BY step")]
        ledger = admin.execute(
            "SELECT filename, progress FROM public._rowstead_migrations ORDER BY 1"
        ).fetchall()
        locks = admin.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = "
            "(SELECT oid FROM pg_database WHERE datname = current_database())"
        ).fetchone()
        leases = admin.execute("SELECT count(*) FROM public._rowstead_lease").fetchone()
    except psycopg.Error as error:
        return [str(error)]
    found = (steps, ledger, locks, leases)
    return [] if found == ([1, 2, 3], [(name, None) for name in STEPS], (0,), (0,)) else [str(found)]


async def test_ten_migrators_through_the_pooler_all_succeed_and_apply_each_step_once(
    migrators: Processes, url: str, folder: Path, database: PostgresDatabase, admin: psycopg.Connection
) -> None:
    def race(runner: str, direct: int) -> list[str]:
        admin.execute("DROP TABLE IF EXISTS seen, _rowstead_migrations, _rowstead_lease")
        kinds = [("asyncpg", "async"), ("psycopg", "async"), ("psycopg", "sync")]
        orders = []
        for n in range(MIGRATORS):
            driver, world = kinds[n % 3]
            place = database.url if n < direct else url
            orders.append(order(with_driver(place, driver), folder, world, runner))
        failed = sum(map(bool, codes(migrators.round(orders))))
        return [f"{failed} of {MIGRATORS} failed"] * bool(failed) + faults(admin)

    wrong = [found for n in range(MIGRATION_ROUNDS) for direct in (0, 3) if (found := race("real", direct))]
    control = next((found for _ in range(10) if (found := race("without lock", 0))), None)
    record_figure(
        f"ten migrators through pgbouncer, {2 * MIGRATION_ROUNDS} rounds, half with three beside it",
        f"{len(wrong)} rounds went wrong",
        "0",
        f"without lock: {control[0] if control else 'nothing'}",
    )
    assert wrong == []
    assert control is not None
    race("real", 0)
    assert {row[1:] for row in await sessions(url)} == {('"$user", public', "0", "on", "4MB", 0, 0)}


def test_a_killed_holder_s_lease_is_taken_over_by_who_waits(
    migrators: Processes, url: str, folder: Path, admin: psycopg.Connection
) -> None:
    waiting = order(with_driver(url, "psycopg"), folder)
    wrong: list[Any] = []
    for number in KILLED_AFTER:
        admin.execute("DROP TABLE IF EXISTS seen, _rowstead_migrations, _rowstead_lease")
        killed = order(with_driver(url, "asyncpg"), folder, kill=("under way", number))
        assert codes(migrators.round([killed])) == [-signal.SIGKILL]
        assert faults(admin) != []
        if number != KILLED_AFTER[-1] or not LONG:
            # Only at the end of the long run the lease's own time is waited for.
            admin.execute("UPDATE _rowstead_lease SET until = until - interval '10 seconds'")
        ended = codes(migrators.round([waiting, waiting]))
        wrong += [number, ended, *found] if (found := faults(admin)) or any(ended) else []
    record_figure(
        f"migrator killed at {len(KILLED_AFTER)} statements behind pgbouncer: not healed by the next",
        f"{len(wrong)}",
        "0",
        "the lock's test: without it runners fail",
    )
    assert wrong == []


@pytest.mark.parametrize(
    "looks", [True, False], ids=["looks at what runs", "control: looks at the time only"]
)
async def test_who_waits_leaves_a_holder_alone_whose_statement_takes_longer_than_the_lease(
    looks: bool, url: str, tmp_path: Path, admin: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "_UNTIL", "clock_timestamp() + interval '0.2 seconds'")
    monkeypatch.setattr(lease, "GRACE", 0.3)
    if not looks:
        monkeypatch.setattr(lease, "_ABANDONED", "l.until < clock_timestamp()")
    slow = tmp_path / "slow"
    slow.mkdir()
    (slow / "0001.sql").write_text("CREATE TABLE seen (step integer);")
    (slow / "0002.sql").write_text("-- rowstead:no-transaction\nINSERT INTO seen SELECT 1 FROM pg_sleep(2);")

    async def migrate() -> int:
        async with await DB.from_url(with_driver(url, "asyncpg"), max_size=2) as db:
            return await db.migrate(slow)

    applied = await asyncio.gather(migrate(), migrate(), return_exceptions=True)
    if looks:
        assert sorted(map(str, applied)) == ["0", "2"]
        assert admin.execute("SELECT step FROM seen").fetchall() == [(1,)]
    else:
        assert any(isinstance(each, MigrationError) for each in applied)


async def test_a_setting_outside_a_transaction_is_refused_before_it_reaches_another_client(
    url: str, tmp_path: Path, admin: psycopg.Connection
) -> None:
    folder = tmp_path / "setting"
    folder.mkdir()
    (folder / "0001.sql").write_text("-- rowstead:no-transaction\nSET lock_timeout = '5s';\nVACUUM;")
    async with await DB.from_url(with_driver(url, "psycopg")) as db:
        with pytest.raises(RowsteadError, match="the server's own address"):
            await db.migrate(folder)
    assert admin.execute("SELECT count(*) FROM _rowstead_lease").fetchone() == (0,)


async def test_control_an_advisory_lock_of_the_session_stays_behind_in_the_pooler(
    url: str, folder: Path, admin: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(_self: PinnedSession) -> bool:
        return False

    monkeypatch.setattr(PinnedSession, "behind_pooler", never)
    async with await DB.from_url(with_driver(url, "asyncpg")) as db:
        with suppress(RowsteadError):
            await db.migrate(folder)
    assert faults(admin) != []
