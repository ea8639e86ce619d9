"""Both PostgreSQL drivers, by the contract of `drivers.base`: values, counts, errors, resets, pools."""

from __future__ import annotations

import asyncio
import datetime
import decimal
import enum
import math
import socket
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import psycopg
import pytest
from psycopg import AsyncConnection
from pydantic import BaseModel

from rowstead.asyncpg import AsyncpgAdapter
from rowstead.drivers.asyncpg import AsyncpgDriver
from rowstead.drivers.asyncpg_connection import AsyncpgConnection
from rowstead.drivers.asyncpg_prepared import PreparedConnection, speaks_directly
from rowstead.drivers.postgresql import address, plain_dsn, server_error
from rowstead.drivers.psycopg import PsycopgDriver
from rowstead.drivers.urls import Options
from rowstead.errors import (
    CheckError,
    ConflictError,
    DataError,
    DisconnectedError,
    DuplicateError,
    ForeignKeyError,
    HandleClosed,
    NotNullError,
    PrivilegeError,
    ReadOnlyError,
    RestrictError,
    StatementError,
    StatementTimeout,
    TransactionFailed,
    UndefinedColumnError,
    UndefinedTableError,
    UnreachableError,
    UsageError,
    ValidationError,
)
from rowstead.plan import ServerTyped
from rowstead.psycopg import PsycopgAdapter

DRIVERS = {"asyncpg": AsyncpgDriver, "psycopg": PsycopgDriver}
UTC = datetime.UTC


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Point(BaseModel):
    x: int
    y: decimal.Decimal


@pytest.fixture(params=list(DRIVERS))
def make(request: pytest.FixtureRequest) -> type[AsyncpgDriver] | type[PsycopgDriver]:
    return DRIVERS[request.param]


@pytest.fixture
async def driver(make: Any, postgres_url: str) -> AsyncIterator[Any]:
    driver = make(postgres_url, Options(max_size=3, statement_timeout=20))
    await driver.open()
    yield driver
    await driver.close()


@pytest.fixture
async def connection(driver: Any) -> AsyncIterator[Any]:
    connection = await driver.lend(True)
    yield connection
    driver.take_back(connection)


async def failure(driver: Any, awaitable: Any) -> Exception:
    """What a call raises, as a handle would show it."""
    with pytest.raises(Exception) as caught:
        await awaitable
    error = caught.value
    return driver.translate(error) or error


@asynccontextmanager
async def lent(driver: Any) -> AsyncIterator[Any]:
    connection = await driver.lend(True)
    try:
        yield connection
    finally:
        driver.take_back(connection)


async def until_asleep(connection: Any, pid: int) -> None:
    """Wait until the server is inside another connection's `pg_sleep`."""
    text = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep'"
    while (await connection.fetch(text, (pid,)))[0][0] == 0:
        pass


# ── values ───────────────────────────────────────────────────────────────────────────────────

NOON = datetime.datetime(2026, 3, 1, 12, 30, 15, 123456)
VALUES: list[tuple[str, Any]] = [
    ("int", 2**31 - 1),
    ("bigint", -(2**63)),
    ("numeric", decimal.Decimal(2**80)),
    ("numeric", decimal.Decimal("0.10")),
    ("float8", 0.1),
    ("float8", math.inf),
    ("bool", False),
    ("text", "naïve 'quoted' ☃"),
    ("bytea", b"\x00\xff'"),
    ("uuid", uuid.UUID(int=7)),
    ("date", datetime.date(1, 1, 1)),
    ("time", datetime.time(23, 59, 59, 999999)),
    ("timetz", datetime.time(1, 2, 3, tzinfo=datetime.timezone(datetime.timedelta(hours=2)))),
    ("timestamp", NOON),
    ("timestamptz", NOON.replace(tzinfo=UTC)),
    ("interval", datetime.timedelta(days=-3, seconds=5, microseconds=7)),
    ("text[]", ["a", None, 'q"{,}']),
    ("text[]", []),
    ("int[]", [[1, 2], [3, 4]]),
    ("bigint[]", [1, 2**62, None]),
    ("uuid[]", [uuid.UUID(int=1)]),
    ("float8[]", [1.0, 2.5]),
    ("numeric[]", [decimal.Decimal("1.5"), None]),
    ("timestamptz[]", [NOON.replace(tzinfo=UTC)]),
    ("jsonb", {"a": [1, None, {"b": "c"}], "ü": 1.5}),
    ("jsonb", [1, "two", None]),
    ("jsonb", []),
    ("jsonb", "a string"),
    ("jsonb", 12),
    ("jsonb", True),
    ("json", {"a": 1}),
    ("json", "text"),
    ("json", [1]),
    ("jsonb[]", [{"a": 1}, None, "s", 3]),
    ("mood", "red"),
    ("mood[]", ["red", "blue", None]),
]


@pytest.mark.parametrize(("type_name", "value"), VALUES, ids=[f"{t}-{v!r}"[:40] for t, v in VALUES])
async def test_a_value_comes_back_equal_and_of_the_same_type(
    connection: Any, type_name: str, value: Any
) -> None:
    await connection.execute("CREATE TYPE mood AS ENUM ('red', 'blue')", ())
    await connection.execute(f"CREATE TABLE t (id int, v {type_name})", ())
    insert = "INSERT INTO t VALUES ($1, $2) RETURNING v"
    shape = value if connection.raw.__class__.__module__.startswith("asyncpg") else ServerTyped(value)
    records = [
        (await connection.fetch(insert, (1, shape)))[0],
        (await connection.fetch_raw(insert, (2, value))).records[0],
        (await connection.fetch(insert, (3, None)))[0],
        *await connection.fetch("SELECT v FROM t WHERE id < $1 ORDER BY id", (3,)),
    ]
    assert [r[0] for r in records] == [value, value, None, value, value]
    # asyncpg's UUID is a subclass of the standard library's.
    assert all(isinstance(r[0], type(value)) for r in records if r[0] is not None)
    assert await connection.copy_in(None, "t", ["id", "v"], [(9, shape), (10, None)]) == 2
    assert [r[0] for r in await connection.fetch("SELECT v FROM t WHERE id >= 9 ORDER BY id", ())] == [
        value,
        None,
    ]


async def test_nan_comes_back_as_nan(connection: Any) -> None:
    text = "SELECT $1::float8, $2::numeric"
    ((number, exact),) = await connection.fetch(text, (math.nan, decimal.Decimal("NaN")))
    assert math.isnan(number)
    assert exact.is_nan()


async def test_models_enums_and_what_pydantic_knows_travel_as_json_and_as_their_values(
    connection: Any,
) -> None:
    await connection.execute("CREATE TABLE t (j jsonb, k json, e text, es text[], n int)", ())
    numbered = enum.Enum("Numbered", {"ONE": 1})
    result = await connection.fetch_raw(
        "INSERT INTO t VALUES ($1, $2, $3, $4, $5) RETURNING *",
        (
            Point(x=1, y=decimal.Decimal("1.5")),
            {"id": uuid.UUID(int=0), "at": NOON, "color": Color.RED},
            Color.BLUE,
            [Color.RED, "x"],
            numbered.ONE,
        ),
    )
    assert tuple(result.records[0]) == (
        {"x": 1, "y": "1.5"},
        {"id": str(uuid.UUID(int=0)), "at": "2026-03-01T12:30:15.123456", "color": "red"},
        "blue",
        ["red", "x"],
        1,
    )
    assert await connection.execute("UPDATE t SET e = $1 WHERE e = $2", (Color.RED, Color.BLUE)) == 1


@pytest.mark.parametrize(
    ("type_name", "value"),
    [
        ("timestamp", NOON.replace(tzinfo=UTC)),
        ("int", "7"),
        ("int", 1.5),
        ("text", 5),
        ("bool", "true"),
        ("date", "2026-01-01"),
        ("bytea", "text"),
        ("int[]", [1.5]),
        ("jsonb", object()),
        ("int", 2**40),
        ("numeric(3, 1)", decimal.Decimal(1000)),
        ("varchar(2)", "long"),
        ("jsonb", math.nan),
    ],
)
async def test_a_value_of_the_wrong_type_is_a_data_error_and_writes_nothing(
    driver: Any, connection: Any, type_name: str, value: Any
) -> None:
    await connection.execute(f"CREATE TABLE t (v {type_name})", ())
    error = await failure(driver, connection.fetch_raw("INSERT INTO t VALUES ($1)", (value,)))
    assert isinstance(error, DataError)
    assert (await connection.fetch("SELECT count(*) FROM t", ()))[0][0] == 0


async def test_a_value_that_does_not_fit_is_not_shown_in_the_error(driver: Any, connection: Any) -> None:
    error = await failure(driver, connection.fetch_raw("SELECT $1::int", ("s3cret",)))
    assert isinstance(error, DataError)
    assert "s3cret" not in str(error)


async def test_too_many_or_too_few_values_are_a_validation_error(driver: Any, connection: Any) -> None:
    for params in ((), (1, 2)):
        error = await failure(driver, connection.fetch("SELECT $1::int", params))
        assert type(error) is ValidationError
        assert f"1 parameter(s), but {len(params)} value(s)" in str(error)


# ── counts and columns ───────────────────────────────────────────────────────────────────────


async def test_execute_gives_the_affected_count_of_writes_only(connection: Any) -> None:
    execute = connection.execute
    counts = [
        await execute(text, ())
        for text in (
            "CREATE TABLE t (id int)",
            "INSERT INTO t SELECT generate_series(1, 5)",
            "INSERT INTO t VALUES (6), (7) RETURNING id",
            "WITH more AS (SELECT 8 AS id) INSERT INTO t SELECT id FROM more",
            "UPDATE t SET id = id WHERE id < 4",
            "DELETE FROM t WHERE id > 6",
            "DELETE FROM t WHERE false",
            "SELECT * FROM t",
            "CREATE TABLE copy AS SELECT * FROM t",
            "EXPLAIN SELECT 1",
            "DROP TABLE copy",
            "VACUUM t",
        )
    ]
    assert counts == [-1, 5, 2, 1, 3, 2, 0, -1, -1, -1, -1, -1]


@pytest.mark.parametrize("text", ["", "   ", ";", "-- only a comment", "/* a comment */", "\n;;\n"])
async def test_rows_d12_a_text_without_statement_counts_nothing_and_gives_no_rows(
    connection: Any, text: str
) -> None:
    assert await connection.execute(text, ()) == -1
    raw = await connection.fetch_raw(text, ())
    assert (list(raw.columns), list(raw.records), raw.count) == ([], [], -1)


@pytest.mark.parametrize("call", ["execute", "fetch", "fetch_raw"])
async def test_several_statements_in_one_text_are_refused_and_none_runs(
    driver: Any, connection: Any, call: str
) -> None:
    await connection.execute("CREATE TABLE t (id int)", ())
    error = await failure(driver, getattr(connection, call)("INSERT INTO t VALUES (1); SELECT 1", ()))
    assert type(error) is ValidationError
    assert "one statement per call" in str(error)
    assert (await connection.fetch("SELECT count(*) FROM t", ()))[0][0] == 0
    assert await connection.execute("INSERT INTO t VALUES (1) ; ", ()) == 1
    assert await connection.execute("INSERT INTO t SELECT length(';--')", ()) == 1


async def test_column_names_are_known_when_there_are_no_rows(connection: Any) -> None:
    await connection.execute('CREATE TABLE t (id int, "Mixed Case" text)', ())
    raw = await connection.fetch_raw("SELECT *, 1 AS id FROM t WHERE id = $1", (1,))
    assert (list(raw.columns), list(raw.records), raw.count) == (["id", "Mixed Case", "id"], [], -1)
    raw = await connection.fetch_raw("INSERT INTO t VALUES ($1, 'x')", (1,))
    assert (list(raw.columns), list(raw.records), raw.count) == ([], [], 1)


async def test_statements_run_for_many_rows_count_all_and_give_each_runs_first_record(
    connection: Any,
) -> None:
    await connection.execute("CREATE TABLE t (id int PRIMARY KEY, n int DEFAULT 0)", ())
    await connection.execute("BEGIN", ())
    insert = "INSERT INTO t (id) VALUES ($1)"
    assert await connection.execute_many(insert, [(i,) for i in range(10)]) == 10
    assert await connection.execute_many(f"{insert} ON CONFLICT DO NOTHING", [(9,), (10,)]) == 1
    assert await connection.execute_many("UPDATE t SET n = 1 WHERE id < $1", [(3,), (5,), (0,)]) == 8
    assert await connection.execute_many(insert, []) == 0
    returned = await connection.fetch_many(
        f"{insert} ON CONFLICT DO NOTHING RETURNING id", [(20,), (1,), (21,)]
    )
    assert [r and tuple(r) for r in returned] == [(20,), None, (21,)]
    assert await connection.fetch_many(f"{insert} RETURNING id", []) == []
    await connection.execute("COMMIT", ())


async def test_copy_loads_every_type_names_the_schema_and_tells_a_bad_value(
    driver: Any, connection: Any
) -> None:
    await connection.execute('CREATE SCHEMA "Other"', ())
    await connection.execute(
        'CREATE TABLE "Other"."T t" ("I d" bigint UNIQUE, j jsonb, w text, n numeric)', ()
    )
    rows = ((i, {"i": i}, "w" * i, decimal.Decimal(i) / 8) for i in range(300))
    columns = ["I d", "j", "w", "n"]
    assert await connection.copy_in("Other", "T t", columns, rows) == 300
    stored = await connection.fetch('SELECT * FROM "Other"."T t" WHERE "I d" = 7', ())
    assert [tuple(r) for r in stored] == [(7, {"i": 7}, "wwwwwww", decimal.Decimal("0.875"))]
    bad = await failure(driver, connection.copy_in("Other", "T t", ["I d"], [(1000,), ("x",)]))
    twice = await failure(driver, connection.copy_in("Other", "T t", ["I d"], [(1001,), (7,)]))
    assert (type(bad), type(twice)) == (DataError, DuplicateError)
    assert (await connection.fetch('SELECT count(*) FROM "Other"."T t"', ()))[0][0] == 300


# ── errors ───────────────────────────────────────────────────────────────────────────────────

SCHEMA = (
    "CREATE TABLE parent (id int PRIMARY KEY, name text NOT NULL UNIQUE, CONSTRAINT small CHECK (id < 100))",
    "CREATE TABLE child (id int, parent_id int REFERENCES parent)",
    "INSERT INTO parent VALUES (1, 'one')",
    "INSERT INTO child VALUES (1, 1)",
)
FAILURES: list[tuple[str, type[Exception], str | None, str | None, str | None]] = [
    ("INSERT INTO parent VALUES (1, 'x')", DuplicateError, "parent", "id", "parent_pkey"),
    ("INSERT INTO parent VALUES (2, 'one')", DuplicateError, "parent", "name", "parent_name_key"),
    ("INSERT INTO child VALUES (2, 9)", ForeignKeyError, "child", "parent_id", "child_parent_id_fkey"),
    ("DELETE FROM parent", RestrictError, "child", "id", "child_parent_id_fkey"),
    ("INSERT INTO parent VALUES (3, NULL)", NotNullError, "parent", "name", None),
    ("INSERT INTO parent VALUES (300, 'x')", CheckError, "parent", None, "small"),
    ("SELECT * FROM nowhere", UndefinedTableError, "nowhere", None, None),
    ("SELECT nothing FROM parent", UndefinedColumnError, None, "nothing", None),
    ("SELECT p.nothing FROM parent p", UndefinedColumnError, None, "nothing", None),
    ("INSERT INTO parent (nothing) VALUES (1)", UndefinedColumnError, None, "nothing", None),
    ("SELECT 1 / 0", DataError, None, None, None),
    ("SELEC 1", StatementError, None, None, None),
    ("CREATE TABLE parent ()", StatementError, None, None, None),
    ("SELECT no_function()", StatementError, None, None, None),
    ("EXECUTE nobody_prepared", StatementError, None, None, None),
]


@pytest.mark.parametrize(
    ("text", "kind", "table", "column", "constraint"), FAILURES, ids=[f[0][:36] for f in FAILURES]
)
async def test_a_refused_statement_says_what_refused_it(
    driver: Any, connection: Any, text: str, kind: type, table: str, column: str, constraint: str
) -> None:
    for statement in SCHEMA:
        await connection.execute(statement, ())
    for call in (connection.execute, connection.fetch_raw):
        error: Any = await failure(driver, call(text, ()))
        assert type(error) is kind
        assert (error.table, error.column, error.constraint) == (table, column, constraint)
    assert not connection.in_transaction


async def test_a_failed_transaction_and_a_read_only_one_say_so(driver: Any, connection: Any) -> None:
    await connection.execute("CREATE TABLE t (id int)", ())
    await connection.execute("BEGIN READ ONLY", ())
    assert connection.in_transaction
    assert type(await failure(driver, connection.execute("DELETE FROM t", ()))) is ReadOnlyError
    assert type(await failure(driver, connection.fetch("SELECT 1", ()))) is TransactionFailed
    await connection.execute("ROLLBACK", ())
    assert not connection.in_transaction


async def test_the_loser_of_a_serializable_race_gets_a_retryable_conflict(driver: Any) -> None:
    async with lent(driver) as one, lent(driver) as two:
        await one.execute("CREATE TABLE t (id int, n int)", ())
        await one.execute("INSERT INTO t VALUES (1, 0)", ())
        for connection in (one, two):
            await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ", ())
            await connection.fetch("SELECT n FROM t", ())
        await one.execute("UPDATE t SET n = 1", ())
        await one.execute("COMMIT", ())
        error: Any = await failure(driver, two.execute("UPDATE t SET n = 2", ()))
        await two.execute("ROLLBACK", ())
    assert type(error) is ConflictError
    assert error.retryable


async def test_a_statement_that_runs_or_waits_too_long_is_a_timeout(make: Any, postgres_url: str) -> None:
    driver = make(postgres_url, Options(statement_timeout=0.2))
    await driver.open()
    async with lent(driver) as connection, lent(driver) as other:
        assert type(await failure(driver, connection.fetch("SELECT pg_sleep(60)", ()))) is StatementTimeout
        await other.execute("CREATE TABLE t (id int)", ())
        await other.execute("BEGIN", ())
        await other.execute("LOCK TABLE t", ())
        await connection.execute("SET lock_timeout = '50ms'", ())
        assert type(await failure(driver, connection.execute("DELETE FROM t", ()))) is StatementTimeout
        await connection.reset()
        assert (await connection.fetch("SHOW statement_timeout", ()))[0][0] == "200ms"
    await driver.close()


async def test_a_missing_privilege_is_a_privilege_error(driver: Any, connection: Any) -> None:
    await connection.execute("CREATE TABLE t (id int)", ())
    await connection.execute("SET ROLE pg_monitor", ())
    assert type(await failure(driver, connection.execute("DELETE FROM t", ()))) is PrivilegeError
    await connection.reset()


async def test_a_connection_that_the_server_ends_is_a_disconnection(driver: Any) -> None:
    async with lent(driver) as killer, lent(driver) as connection:
        pid = (await connection.fetch("SELECT pg_backend_pid()", ()))[0][0]
        running = asyncio.ensure_future(connection.fetch("SELECT pg_sleep(60)", ()))
        await until_asleep(killer, pid)
        await killer.fetch("SELECT pg_terminate_backend($1)", (pid,))
        assert type(await failure(driver, running)) is DisconnectedError
        assert type(await failure(driver, connection.fetch("SELECT 1", ()))) is DisconnectedError
        assert connection.is_closed


@pytest.mark.parametrize("state", ["08006", "57P01", "57P03", "25P03"])
def test_codes_that_mean_a_lost_connection_are_disconnections(state: str) -> None:
    assert type(server_error(state, "gone")) is DisconnectedError


# ── connecting ───────────────────────────────────────────────────────────────────────────────


def changed(url: str, **parts: Any) -> str:
    split = urlsplit(url)
    host = f"{parts.get('host', split.hostname)}:{parts.get('port', split.port)}"
    user = f"{split.username}:{parts.get('password', split.password)}"
    return urlunsplit(split._replace(netloc=f"{user}@{host}", path=parts.get("path", split.path)))


async def refused(make: Any, url: str, **options: Any) -> Exception:
    driver = make(url, Options(**options))
    with pytest.raises(UnreachableError) as caught:
        await asyncio.wait_for(driver.open(), 8)
    await driver.close()
    return caught.value


async def test_rows_d21_a_server_that_is_not_there_is_said_at_once(make: Any, postgres_url: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = changed(postgres_url, host="127.0.0.1", port=port, password="hush-hush")
    error = await refused(make, url, max_size=3)
    assert f"127.0.0.1:{port}" in str(error)
    assert "is the server running" in str(error)
    assert "hush-hush" not in repr(error) + str(error) + repr(error.__cause__)


async def test_rows_d21_a_server_that_never_answers_is_given_up_after_connect_timeout(
    make: Any, postgres_url: str
) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = changed(postgres_url, host="127.0.0.1", port=silent.getsockname()[1])
        error = await refused(make, url, connect_timeout=0.5)
    assert "within 0.5 s" in str(error)


async def test_rows_d21_a_login_that_is_refused_is_said_at_once(make: Any, postgres_url: str) -> None:
    missing = await refused(make, changed(postgres_url, path="/no_such_database"))
    assert 'database "no_such_database" does not exist' in str(missing)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:p@ss@host/db",
        "postgresql://u:p/ss@host/db",
        "postgresql://u:p?ss@h/db",
        "postgresql://u:p#s@h/d",
    ],
)
def test_a_url_whose_password_cannot_be_told_apart_is_refused_without_showing_it(make: Any, url: str) -> None:
    with pytest.raises(ValidationError) as caught:
        make(url)
    assert "p@ss" not in str(caught.value)
    assert "percent-encoded" in str(caught.value)


@pytest.mark.parametrize(
    ("dsn", "shown"),
    [
        ("postgresql://u:secret@h1:1,h2/db?target_session_attrs=read-write", "h1:1, h2:5432"),
        ("postgresql:///db", "localhost:5432"),
        ("postgresql://u:secret@/db?host=/run/pg&port=7", "/run/pg"),
        ("postgresql://[::1]:9/db", "[::1]:9"),
    ],
)
def test_an_address_shows_hosts_and_ports_and_no_password(dsn: str, shown: str) -> None:
    assert address(dsn) == shown


def test_the_drivers_name_is_taken_out_of_the_url() -> None:
    assert (
        plain_dsn("postgres+asyncpg://u@h/d")
        == plain_dsn("postgresql+psycopg://u@h/d")
        == "postgresql://u@h/d"
    )


async def test_of_several_hosts_the_first_that_may_be_written_to_is_taken(
    make: Any, postgres_url: str
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    split = urlsplit(postgres_url)
    login, _, place = split.netloc.rpartition("@")
    hosts = f"{login}@127.0.0.1:{port},{place}"
    driver = make(urlunsplit(split._replace(netloc=hosts, query="target_session_attrs=read-write")))
    await driver.open()
    async with lent(driver) as connection:
        assert (await connection.fetch("SELECT pg_is_in_recovery()", ()))[0][0] is False
    await driver.close()


# ── altered tables ───────────────────────────────────────────────────────────────────────────


async def test_rows_d26_a_statement_prepared_before_a_column_changed_runs_again(driver: Any) -> None:
    async with lent(driver) as one, lent(driver) as two:
        await one.execute("CREATE TABLE t (v int)", ())
        read, write = "SELECT v FROM t", "INSERT INTO t VALUES ($1) RETURNING v"
        for _ in range(6):
            await one.fetch(write, (1,))
            await one.fetch(read, ())
            await one.fetch_raw(read, ())
        async with await psycopg.AsyncConnection.connect(driver._hosts.dsn, autocommit=True) as other:
            await other.execute("ALTER TABLE t ALTER COLUMN v TYPE text")
            assert {r[0] for r in await one.fetch(read, ())} == {"1"}
            assert (await one.fetch_raw(read, ())).records[0][0] == "1"
            assert (await one.fetch(write, ("word",)))[0][0] == "word"
            await other.execute("ALTER TABLE t ALTER COLUMN v TYPE jsonb USING to_jsonb(v)")
            assert (await one.fetch(write, ({"a": 1},)))[0][0] == {"a": 1}
            assert (await two.fetch(write, ("word",)))[0][0] == "word"
        assert (await one.fetch(read, ()))[-1][0] == "word"


async def test_rows_d26_inside_a_transaction_a_stale_statement_is_a_retryable_conflict(driver: Any) -> None:
    async with lent(driver) as one, lent(driver) as two:
        await one.execute("CREATE TABLE t (v int)", ())
        for _ in range(6):
            await one.fetch("SELECT v FROM t", ())
        await two.execute("ALTER TABLE t ALTER COLUMN v TYPE text", ())
        await one.execute("BEGIN", ())
        error = await failure(driver, one.fetch("SELECT v FROM t", ()))
        await one.execute("ROLLBACK", ())
        assert type(error) is ConflictError
        assert list(await one.fetch("SELECT v FROM t", ())) == []


@pytest.mark.parametrize("text", ["DEALLOCATE ALL", "DISCARD ALL"])
async def test_statements_that_a_user_dropped_are_prepared_anew(connection: Any, text: str) -> None:
    for _ in range(5):
        await connection.fetch("SELECT $1::int", (1,))
        await connection.fetch_raw("SELECT $1::int + 1", (1,))
    await connection.execute(text, ())
    assert (await connection.fetch("SELECT $1::int", (2,)))[0][0] == 2
    assert (await connection.fetch_raw("SELECT $1::int + 1", (2,))).records[0][0] == 3


# ── reset ────────────────────────────────────────────────────────────────────────────────────

TRACES: dict[str, tuple[list[str], str, Any]] = {
    "an advisory lock": (
        ["SELECT pg_advisory_lock(42)"],
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()",
        0,
    ),
    "a cursor": (
        ["BEGIN", "DECLARE c CURSOR WITH HOLD FOR SELECT 1", "COMMIT"],
        "SELECT count(*) FROM pg_cursors WHERE name = 'c'",
        0,
    ),
    "a channel": (["LISTEN news"], "SELECT count(*) FROM pg_listening_channels()", 0),
    "a setting": (["SET work_mem = '1234kB'"], "SHOW work_mem", "4MB"),
    "a custom setting": (
        ["SET my.tenant = '7'"],
        "SELECT coalesce(current_setting('my.tenant', true), '')",
        "",
    ),
    "a role": (["SET ROLE pg_monitor"], "SELECT current_user = session_user", True),
    "a session's user": (
        ["SET SESSION AUTHORIZATION pg_monitor"],
        "SELECT session_user = 'pg_monitor'",
        False,
    ),
    "a temporary table": (
        ["CREATE TEMP TABLE tt (id int)"],
        "SELECT count(*) FROM pg_class WHERE relname = 'tt'",
        0,
    ),
    "a prepared statement": (
        ["PREPARE mine AS SELECT 1"],
        "SELECT count(*) FROM pg_prepared_statements WHERE from_sql",
        0,
    ),
    "an isolation level": (
        ["SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE"],
        "SHOW default_transaction_isolation",
        "read committed",
    ),
    "an open transaction": (
        ["CREATE TABLE t (id int)", "BEGIN", "DROP TABLE t"],
        "SELECT count(*) FROM t",
        0,
    ),
}


@pytest.mark.parametrize("name", TRACES)
async def test_a_reset_undoes(connection: Any, name: str) -> None:
    statements, question, clean = TRACES[name]
    for statement in statements:
        await connection.execute(statement, ())
    await connection.reset()
    assert not connection.in_transaction
    assert not connection.dirty
    assert (await connection.fetch(question, ()))[0][0] == clean


async def test_a_reset_undoes_what_a_failed_transaction_and_a_sequence_left(
    driver: Any, connection: Any
) -> None:
    await connection.execute("CREATE SEQUENCE s", ())
    await connection.fetch("SELECT nextval('s')", ())
    await connection.execute("BEGIN", ())
    await failure(driver, connection.fetch("SELECT 1 / 0", ()))
    await connection.reset()
    assert not connection.in_transaction
    error = await failure(driver, connection.fetch("SELECT currval('s')", ()))
    assert "currval" in str(error)


async def test_a_reset_keeps_the_drivers_own_prepared_statements(connection: Any) -> None:
    text = "SELECT $1::int AS kept"
    for _ in range(4):
        await connection.fetch(text, (1,))
    question = "SELECT count(*) FROM pg_prepared_statements WHERE statement = $1"
    before = (await connection.fetch(question, (text,)))[0][0]
    await connection.execute("PREPARE mine AS SELECT 1", ())
    await connection.reset()
    assert (before, (await connection.fetch(question, (text,)))[0][0]) == (1, 1)
    assert (await connection.fetch(text, (2,)))[0][0] == 2


async def test_a_connection_given_back_in_the_middle_of_a_transaction_comes_back_clean(driver: Any) -> None:
    connection = await driver.lend(True)
    await connection.execute("CREATE TABLE t (id int)", ())
    await connection.execute("BEGIN", ())
    await connection.execute("INSERT INTO t VALUES (1)", ())
    driver.take_back(connection, suspect=True)
    async with lent(driver) as again:
        assert not again.in_transaction
        assert (await again.fetch("SELECT count(*) FROM t", ()))[0][0] == 0


async def test_a_cancelled_statement_leaves_a_connection_that_can_be_put_right(driver: Any) -> None:
    connection = await driver.lend(True)
    pid = (await connection.fetch("SELECT pg_backend_pid()", ()))[0][0]
    running = asyncio.ensure_future(connection.fetch("SELECT pg_sleep(60)", ()))
    async with lent(driver) as other:
        await until_asleep(other, pid)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    driver.take_back(connection, suspect=True)
    async with lent(driver) as one, lent(driver) as two, lent(driver) as three:
        answers = [(await c.fetch("SELECT 1", ()))[0][0] for c in (one, two, three)]
        still = await one.fetch("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)' ", ())
    assert answers == [1, 1, 1]
    assert still[0][0] <= 1


# ── pools and connections that a user brought ────────────────────────────────────────────────


class OwnPool:
    """A pool of psycopg connections with the two calls that psycopg_pool has."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.idle: list[Any] = []
        self.made: list[Any] = []

    async def getconn(self) -> Any:
        if self.idle:
            return self.idle.pop()
        made = await AsyncConnection.connect(self.url)
        self.made.append(made)
        return made

    async def putconn(self, connection: Any) -> None:
        self.idle.append(connection)


@asynccontextmanager
async def own_pool(name: str, url: str) -> AsyncIterator[tuple[Any, Any]]:
    if name == "asyncpg":
        async with asyncpg.create_pool(url, min_size=1, max_size=1) as pool:
            yield AsyncpgAdapter.from_pool(pool), pool
        return
    pool = OwnPool(url)
    try:
        yield PsycopgAdapter.from_pool(pool), pool
    finally:
        for connection in pool.made:
            await connection.close()


@asynccontextmanager
async def own_connection(name: str, url: str) -> AsyncIterator[Any]:
    connection: Any = await (asyncpg.connect(url) if name == "asyncpg" else AsyncConnection.connect(url))
    try:
        yield connection
    finally:
        await connection.close()


@pytest.mark.parametrize("name", DRIVERS)
async def test_a_users_pool_serves_every_value_and_stays_open(name: str, postgres_url: str) -> None:
    async with own_pool(name, postgres_url) as (driver, pool):
        await driver.open()
        assert driver.own_pool is False
        assert driver.json_as_text is (name == "asyncpg")
        async with lent(driver) as connection:
            await connection.execute("CREATE TABLE t (id int, j jsonb, k json[], tags text[])", ())
            written = (1, {"a": [1]}, ["s", {"b": 1}], ["x"])
            await connection.fetch_raw("INSERT INTO t VALUES ($1, $2, $3, $4)", written)
            assert await connection.execute("INSERT INTO t (j) VALUES ($1)", ("text",)) == 1
            assert await connection.execute_many("INSERT INTO t (j) VALUES ($1)", [(Point(x=1, y=2),)]) == 1
            assert await connection.copy_in(None, "t", ["id", "j"], [(4, [1, 2])]) == 1
            many = await connection.fetch_many("UPDATE t SET j = $1 WHERE id = $2 RETURNING id", [([3], 4)])
            assert [tuple(r) for r in many] == [(4,)]
        async with lent(driver) as connection:
            stored = await connection.fetch("SELECT j::text FROM t ORDER BY j::text", ())
            assert [r[0] for r in stored] == ['"text"', "[3]", '{"a": [1]}', '{"x": 1, "y": "2"}']
        await driver.close()
        async with lent(driver) as connection:
            assert (await connection.fetch("SELECT 1", ()))[0][0] == 1
        await driver.close()
        if name == "psycopg":
            assert {c.autocommit for c in pool.made} == {False}


@pytest.mark.parametrize("name", DRIVERS)
async def test_what_is_left_open_on_a_users_pool_is_rolled_back_before_the_next_turn(
    name: str, postgres_url: str
) -> None:
    async with own_pool(name, postgres_url) as (driver, _):
        connection = await driver.lend(True)
        await connection.execute("CREATE TABLE t (id int)", ())
        await connection.execute("BEGIN", ())
        await connection.execute("INSERT INTO t VALUES (1)", ())
        driver.take_back(connection, suspect=True)
        async with lent(driver) as again:
            assert not again.in_transaction
            assert (await again.fetch("SELECT count(*) FROM t", ()))[0][0] == 0
        await driver.close()


@pytest.mark.parametrize("name", DRIVERS)
async def test_a_users_connection_is_lent_to_one_at_a_time_in_order_and_never_closed(
    name: str, postgres_url: str
) -> None:
    adapter: Any = {"asyncpg": AsyncpgAdapter, "psycopg": PsycopgAdapter}[name]
    async with own_connection(name, postgres_url) as raw:
        driver = adapter.from_connection(raw)
        await driver.open()
        assert driver.joined is False
        order: list[int] = []

        async def use(number: int) -> None:
            async with lent(driver) as connection:
                order.append(number)
                await connection.execute("BEGIN", ())
                await connection.fetch("SELECT 1", ())

        await asyncio.gather(*(use(n) for n in range(5)))
        async with lent(driver) as connection:
            assert not connection.in_transaction
            with pytest.raises(UsageError, match="wait for itself"):
                await driver.lend(True)
        await driver.close()
        assert order == [0, 1, 2, 3, 4]
        assert not (raw.is_closed() if name == "asyncpg" else raw.closed)
        if name == "psycopg":
            assert raw.autocommit is False


@pytest.mark.parametrize("name", DRIVERS)
async def test_a_users_connection_that_is_in_a_transaction_is_joined(name: str, postgres_url: str) -> None:
    adapter: Any = {"asyncpg": AsyncpgAdapter, "psycopg": PsycopgAdapter}[name]
    async with own_connection(name, postgres_url) as raw:
        await raw.execute("CREATE TABLE t (id int)")
        if name == "psycopg":
            await raw.commit()
        await raw.execute("BEGIN")
        driver = adapter.from_connection(raw)
        assert driver.joined is True
        async with lent(driver) as connection:
            assert await connection.execute("INSERT INTO t VALUES (1)", ()) == 1
        await driver.close()
        assert connection.in_transaction
        await raw.execute("ROLLBACK")
        async with lent(adapter.from_connection(raw)) as connection:
            assert (await connection.fetch("SELECT count(*) FROM t", ()))[0][0] == 0


@pytest.mark.parametrize("name", DRIVERS)
async def test_a_closed_connection_of_a_user_says_so(name: str, postgres_url: str) -> None:
    adapter: Any = {"asyncpg": AsyncpgAdapter, "psycopg": PsycopgAdapter}[name]
    async with own_connection(name, postgres_url) as raw:
        driver = adapter.from_connection(raw)
        await raw.close()
        with pytest.raises(HandleClosed, match="is closed"):
            await driver.lend(True)


@pytest.mark.parametrize("name", DRIVERS)
async def test_an_adapter_from_a_url_is_open_with_a_pool_of_its_own(name: str, postgres_url: str) -> None:
    adapter: Any = {"asyncpg": AsyncpgAdapter, "psycopg": PsycopgAdapter}[name]
    driver = await adapter.from_url(postgres_url.replace("postgresql:", f"postgresql+{name}:"), max_size=2)
    assert (driver.own_pool, driver.pool.size, driver.pool.max_size) == (True, 1, 2)
    async with lent(driver) as connection:
        assert (await connection.fetch("SELECT '{}'::jsonb", ()))[0][0] == {}
    await driver.close()
    with pytest.raises(HandleClosed):
        await driver.lend(True)


@pytest.mark.parametrize(
    ("module", "missing", "advice"),
    [
        ("rowstead.asyncpg", "asyncpg", "rowstead[asyncpg]"),
        ("rowstead.psycopg", "psycopg", "rowstead[psycopg]"),
        ("rowstead.sqlalchemy", "greenlet", "sqlalchemy[asyncio]"),
    ],
)
def test_a_name_module_without_its_driver_says_what_to_install(
    module: str, missing: str, advice: str
) -> None:
    code = f"import sys; sys.modules[{missing!r}] = None; import rowstead; import {module}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("ImportError: ")
    assert f"pip install '{advice}'" in done.stderr.splitlines()[-1]


async def test_asyncpg_has_inside_what_our_own_connections_call(postgres_url: str) -> None:
    """Where a newer asyncpg has it no longer, statements go the longer way and this says so."""
    driver = AsyncpgDriver(postgres_url)
    await driver.open()
    try:
        connection = await driver.lend(False)
        assert type(connection) is PreparedConnection
        raw = connection.raw
        driver.take_back(connection)
        assert speaks_directly(raw)
        assert not speaks_directly(object())
        plain = AsyncpgConnection(raw)
        assert [tuple(r) for r in await plain.fetch("SELECT $1::int + 1", [1])] == [(2,)]
    finally:
        await driver.close()
