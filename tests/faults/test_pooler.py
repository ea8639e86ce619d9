"""Behind PgBouncer in transaction mode: no wrong answer, no error, and nothing left for another client.

The pooler is found out, not configured: the URL is like any other. Processes of their own share few
server sessions, so that each statement may land on one which somebody else has used.
"""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncpg
import psycopg
import pytest

import rowstead.sync
from rowstead import DB, DataError, MigrationError, RowsteadError, StatementTimeout, UsageError
from rowstead.database import PinnedSession
from rowstead.drivers.pooled import PooledConnection
from rowstead.migrations import lease
from servers import PostgresDatabase, Server, with_driver

from .figures import LONG, record_figure, size
from .migrated import codes
from .pooler import Pooler
from .processes import Processes, processes

DRIVERS = ("asyncpg", "psycopg")
SERVERS = 3
ROUNDS = size(short=40, long=400)
TASKS = 5
MIGRATION_ROUNDS = size(short=1, long=20)
MIGRATORS = 10
SESSION = """
SELECT pg_backend_pid(), current_setting('search_path'), current_setting('statement_timeout'),
 current_setting('jit'), current_setting('work_mem'),
 (SELECT count(*) FROM pg_prepared_statements), (SELECT count(*) FROM pg_locks
  WHERE locktype = 'advisory' AND pid = pg_backend_pid()), pg_sleep(0.1)
"""
COMMITTING = "pg_stat_activity WHERE query = 'COMMIT' AND state = 'active'"
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
def database() -> Iterator[PostgresDatabase]:
    with Server.from_environment().database() as made:
        yield made


@pytest.fixture
def admin(database: PostgresDatabase) -> Iterator[psycopg.Connection]:
    """The server itself, with an empty database and nobody of an earlier test on it."""
    with database.connect() as connection:
        database.empty(connection)
        connection.execute("CREATE TYPE mood AS ENUM ('glad', 'sad')")
        connection.execute(
            "CREATE TABLE things (id integer PRIMARY KEY, owner integer NOT NULL, count integer NOT NULL,"
            " mood mood NOT NULL, note jsonb NOT NULL)"
        )
        yield connection


@pytest.fixture
def pooler(admin: psycopg.Connection, database: PostgresDatabase) -> Iterator[Pooler]:
    with Pooler(database.url, servers=SERVERS) as made:
        yield made


@pytest.fixture
def forgetful(pooler: Pooler, database: PostgresDatabase) -> Iterator[Pooler]:
    """One that does not follow prepared statements from session to session, as none did before 1.21."""
    if pooler.version < (1, 21):
        yield pooler
        return
    with Pooler(database.url, servers=SERVERS, settings=("max_prepared_statements = 0",)) as made:
        yield made


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client's own clock gives the server so long that only the server's can have struck."""
    monkeypatch.setattr("rowstead.drivers.postgresql.SHORTEST_GRACE", 5.0)


@pytest.fixture
def url(pooler: Pooler, database: PostgresDatabase) -> str:
    return pooler.url_of(database.url)


@pytest.fixture(scope="module")
def clients() -> Iterator[Processes]:
    with processes("job_pooler.py") as made:
        yield made


@pytest.fixture(scope="module")
def migrators() -> Iterator[Processes]:
    with processes("job_migrate.py") as made:
        yield made


def run_clients(clients: Processes, url: str, client: str, **more: Any) -> dict[str, Any]:
    """Two processes and what they counted together."""
    orders = [
        {"url": url, "client": client, "number": n, "tasks": TASKS, "rounds": ROUNDS, **more} for n in (1, 2)
    ]
    told = [json.loads(ended.told) for ended in clients.round(orders)]
    sums = {name: sum(one[name] for one in told) for name in ("answers", "wrong", "errors")}
    return sums | {"some": [error for one in told for error in one["some"]]}


def said(counted: dict[str, Any]) -> str:
    return f"{counted['wrong']} wrong and {counted['errors']} errors of {counted['answers']}"


# ── answers ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("client", [*DRIVERS, "psycopg, sync"])
def test_two_processes_behind_a_pooler_get_only_right_answers(
    client: str,
    clients: Processes,
    pooler: Pooler,
    forgetful: Pooler,
    database: PostgresDatabase,
    admin: psycopg.Connection,
) -> None:
    driver, _, sync = client.partition(", ")
    kind = f"ours, {sync}" if sync else "ours"
    ours = [
        run_clients(clients, with_driver(kept.url_of(database.url), driver), kind)
        for kept in dict.fromkeys((pooler, forgetful))
    ]

    left = admin.execute("SELECT count(*) FROM things").fetchone()

    broken = run_clients(clients, forgetful.url_of(database.url), f"bare {driver}")
    record_figure(
        f"pgbouncer, two processes, {client}",
        "; the same without max_prepared_statements: ".join(map(said, ours)),
        "0 wrong, 0 errors",
        f"bare {driver}: {said(broken)}",
    )
    for right in ours:
        assert (right["wrong"], right["errors"]) == (0, 0), right["some"]
        assert right["answers"] > 2 * TASKS * ROUNDS
    assert left == (0,)
    assert broken["wrong"] + broken["errors"] > 0


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_statement_timeout_needs_no_setting_of_the_session(
    driver: str, clients: Processes, url: str
) -> None:
    right = run_clients(clients, with_driver(url, driver), "ours", timeout=30.0)
    assert (right["wrong"], right["errors"]) == (0, 0), right["some"]


@pytest.mark.parametrize("driver", DRIVERS)
async def test_a_table_altered_by_another_is_read_as_it_is_now(
    driver: str, url: str, admin: psycopg.Connection
) -> None:
    async with await DB.from_url(with_driver(url, driver), max_size=2) as db:
        admin.execute("CREATE TABLE changing (value integer)")
        admin.execute("INSERT INTO changing VALUES (7)")
        for _ in range(4):
            assert await db.fetchval("SELECT value FROM changing") == 7
        admin.execute("ALTER TABLE changing ALTER value TYPE real USING 1.5")
        assert await db.fetchval("SELECT value FROM changing") == 1.5
        assert await db.execute("UPDATE changing SET value = $1", 2.5) == 1
        admin.execute("ALTER TABLE changing ALTER value TYPE date USING '2020-02-03'")
        assert str(await db.fetchval("SELECT value FROM changing")) == "2020-02-03"


@pytest.mark.parametrize("driver", DRIVERS)
async def test_the_first_block_of_a_connection_is_a_transaction(
    driver: str, url: str, admin: psycopg.Connection
) -> None:
    async with await DB.from_url(with_driver(url, driver), max_size=1) as db:
        with pytest.raises(LookupError):
            async with db.transaction() as tx:
                await tx.execute("INSERT INTO things VALUES (1, 1, 1, 'glad', '{}')")
                raise LookupError
        assert await db.fetchval("SELECT count(*) FROM things") == 0


# ── being found out ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("driver", DRIVERS)
async def test_a_pooler_is_found_out_and_a_server_is_not_taken_for_one(
    driver: str, url: str, database: PostgresDatabase
) -> None:
    async def is_pooled(url: str) -> bool:
        async with await DB.from_url(with_driver(url, driver)) as db:
            lending = db.session.driver
            connection = await lending.lend(True)
            lending.take_back(connection)
            return isinstance(connection, PooledConnection)

    assert (await is_pooled(url), await is_pooled(database.url)) == (True, False)


async def test_asking_costs_little_of_what_connecting_to_a_server_takes(database: PostgresDatabase) -> None:
    from rowstead.drivers.asyncpg_connection import AsyncpgConnection

    connecting: list[float] = []
    asking: list[float] = []
    for _ in range(30):
        started = time.perf_counter()
        raw = await asyncpg.connect(database.url)
        connecting.append(time.perf_counter() - started)
        started = time.perf_counter()
        found = await AsyncpgConnection(raw).behind_pooler()
        asking.append(time.perf_counter() - started)
        await raw.close()
        assert found is False
    whole, part = min(connecting) * 1000, min(asking) * 1000
    record_figure("pooler question at connect", f"{part:.2f} ms of {whole:.1f} ms", "a round trip", "none")
    assert part < whole / 4


# ── limits ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("settings", [(), ("ignore_startup_parameters = statement_timeout,options",)])
async def test_a_statement_timeout_holds_where_the_pooler_takes_no_setting(
    driver: str, settings: tuple[str, ...], database: PostgresDatabase, admin: psycopg.Connection
) -> None:
    with Pooler(database.url, servers=2, settings=settings) as pooler:
        url = with_driver(pooler.url_of(database.url), driver)
        async with await DB.from_url(url, statement_timeout=0.2, max_size=2) as db:
            with pytest.raises(StatementTimeout):
                await db.fetchval("SELECT count(*) FROM generate_series(1, 1000000000)")
            with pytest.raises(StatementTimeout):
                async with db.transaction() as tx:
                    await tx.execute("SELECT pg_sleep(2)")
            assert await db.fetchval("SELECT 1") == 1
            assert await db.execute("VACUUM things") == -1
    assert admin.execute("SHOW statement_timeout").fetchone() == ("0",)


@pytest.mark.usefixtures("patient")
def test_a_statement_timeout_holds_for_threads_too(url: str) -> None:
    with rowstead.sync.DB.from_url(with_driver(url, "psycopg"), statement_timeout=0.2) as db:
        with pytest.raises(StatementTimeout):
            db.fetchval("SELECT count(*) FROM generate_series(1, 1000000000)")
        assert db.fetchval("SELECT 1") == 1


async def test_control_a_pooler_refuses_the_setting_that_a_driver_begins_with(url: str) -> None:
    with pytest.raises(asyncpg.PostgresError, match="startup parameter"):
        await asyncpg.connect(url, server_settings={"statement_timeout": "200"})


# ── what is left behind ──────────────────────────────────────────────────────────────────────


async def sessions(url: str) -> list[tuple[Any, ...]]:
    """The state of every server session that the pooler has, as its clients find it."""
    connections = [await asyncpg.connect(url, statement_cache_size=0) for _ in range(SERVERS)]
    try:
        rows = await asyncio.gather(*(connection.fetchrow(SESSION) for connection in connections))
    finally:
        for connection in connections:
            await connection.close()
    return sorted(tuple(row)[:-1] for row in rows if row is not None)


LEAVING = [
    "SET search_path = 'elsewhere'",
    "-- a note\nSET SESSION work_mem = '9MB'",
    "RESET ALL",
    "LISTEN news",
    "DISCARD ALL",
    "DEALLOCATE ALL",
    "PREPARE mine AS SELECT 1",
    "CREATE TEMP TABLE mine (a integer)",
    "SELECT pg_advisory_lock(7)",
    "SELECT pg_catalog.pg_try_advisory_lock (7)",
]


@pytest.mark.parametrize("driver", DRIVERS)
async def test_what_would_reach_another_client_is_refused_with_what_to_do(driver: str, url: str) -> None:
    async with await DB.from_url(with_driver(url, driver), max_size=2) as db:
        for text in LEAVING:
            with pytest.raises(UsageError, match="another client's"):
                await db.execute(text)
            with pytest.raises(UsageError, match="another client's"):
                async with db.transaction() as tx:
                    await tx.execute(text)
        async with db.transaction() as tx:
            await tx.execute("SET LOCAL work_mem = '9MB'")
            await tx.execute("CREATE TEMP TABLE mine (a text) ON COMMIT DROP")
            await tx.execute("INSERT INTO mine VALUES ('SELECT pg_advisory_lock(1)')")
            assert await tx.fetchval("SHOW work_mem") == "9MB"
            assert await tx.fetchval("SELECT pg_try_advisory_xact_lock(7)") is True
        assert await db.fetchval("SHOW work_mem") == "4MB"


@pytest.mark.parametrize("driver", DRIVERS)
async def test_no_server_session_keeps_anything_of_ours(
    driver: str, url: str, admin: psycopg.Connection
) -> None:
    def left(found: list[tuple[Any, ...]]) -> int:
        return sum(row[1:] != ('"$user", public', "0", "on", "4MB", 0, 0) for row in found)

    async with await DB.from_url(with_driver(url, driver), max_size=4, statement_timeout=20.0) as db:

        async def work(n: int) -> None:
            # The type of its own makes asyncpg ask, for which it sets the session.
            assert await db.fetchval(f"SELECT {n}, 'glad'::mood") == n
            assert await db.fetchval(f"SELECT ('sad'::mood)::text || {n}") == f"sad{n}"
            with suppress(DataError):
                await db.fetchval("SELECT $1::int", "none")

        await asyncio.gather(*(work(n) for n in range(30)))
        ours = left(await sessions(url))

    async with asyncpg.create_pool(url, min_size=1, max_size=4) as pool:

        async def bare(n: int) -> None:
            with suppress(asyncpg.PostgresError, asyncpg.InterfaceError):
                await pool.fetchval(f"SELECT {n}")

        await asyncio.gather(*(bare(n) for n in range(30)))
        control = left(await sessions(url))
    record_figure(
        f"pgbouncer sessions with something left in them, {driver}",
        f"{ours} of {SERVERS}",
        "0",
        f"bare asyncpg: {control}",
    )
    assert ours == 0
    assert control > 0


# ── a lost COMMIT ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("driver", DRIVERS)
async def test_a_lost_commit_is_asked_after_through_the_pooler(
    driver: str, url: str, admin: psycopg.Connection
) -> None:
    admin.execute("CREATE TABLE slow (id integer)")
    admin.execute(
        "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_sleep(0.5); RETURN NULL; END $$"
    )
    admin.execute(
        "CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON slow DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION wait()"
    )

    async def commit(db: DB, end: Any) -> str:
        async def write() -> None:
            async with db.transaction() as tx:
                await tx.execute("INSERT INTO slow VALUES (1)")
                taken.append(tx.session.connection)

        taken: list[Any] = []
        task = asyncio.create_task(write())
        while not (taken and admin.execute(f"SELECT FROM {COMMITTING}").rowcount):  # noqa: ASYNC110  (it is another's state)
            await asyncio.sleep(0.01)
        end(taken[0])
        try:
            await task
        except RowsteadError as error:
            return str(error)
        return "committed"

    def kill_server(_connection: Any) -> None:
        admin.execute(f"SELECT pg_terminate_backend(pid) FROM {COMMITTING}")

    async with await DB.from_url(with_driver(url, driver), max_size=2) as db:
        kept = await commit(db, lambda connection: connection.terminate())
        undone = await commit(db, kill_server)
    assert kept == "committed"
    assert "nothing was applied" in undone
    assert admin.execute("SELECT count(*) FROM slow").fetchone() == (1,)


# ── migrations ───────────────────────────────────────────────────────────────────────────────


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
