"""Behind PgBouncer in transaction mode: no wrong answer, no error, and nothing left for another client.

The pooler is found out, not configured: the URL is like any other. Processes of their own share few
server sessions, so that each statement may land on one which somebody else has used.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import asyncpg
import psycopg
import pytest

import rowstead.sync
from rowstead import DB, DataError, RowsteadError, StatementTimeout, UsageError
from rowstead.drivers.pooled import PooledConnection
from servers import PostgresDatabase, with_driver

from .behind_pooler import DRIVERS, SERVERS, sessions
from .figures import record_figure, size
from .pooler import Pooler
from .processes import Processes, processes

ROUNDS = size(short=40, long=400)
TASKS = 5
COMMITTING = "pg_stat_activity WHERE query = 'COMMIT' AND state = 'active'"


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


@pytest.fixture(scope="module")
def clients() -> Iterator[Processes]:
    with processes("job_pooler.py") as made:
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
