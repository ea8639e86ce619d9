"""The SQLite driver in both worlds: what it promises of files, locks, cancellation and errors."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from rowstead.drivers.addresses import Options
from rowstead.drivers.sqlite import SQLiteDriver
from rowstead.drivers.sqlite_connection import Settings, SQLiteConnection
from rowstead.drivers.sqlite_errors import translate
from rowstead.drivers.sqlite_thread import ThreadConnection
from rowstead.errors import (
    CheckError,
    ConflictError,
    DataError,
    DuplicateError,
    ForeignKeyError,
    HandleClosed,
    IntegrityError,
    NotNullError,
    ReadOnlyError,
    RestrictError,
    RowsteadError,
    StatementError,
    StatementTimeout,
    StorageError,
    UndefinedColumnError,
    UndefinedTableError,
    UsageError,
    ValidationError,
)
from rowstead.sync.drivers.sqlite import SQLiteDriver as SyncSQLiteDriver

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


@asynccontextmanager
async def opened(
    path: Path | str, options: Options | None = None, mode: str = "rwc"
) -> AsyncIterator[SQLiteDriver]:
    driver = SQLiteDriver(str(path), options, mode=mode)
    await driver.open()
    try:
        yield driver
    finally:
        await driver.close()


@asynccontextmanager
async def lent(driver: SQLiteDriver, write: bool) -> AsyncIterator[ThreadConnection]:
    connection = await driver.lend(write)
    try:
        yield connection
    finally:
        driver.take_back(connection)


async def started_in(connection: ThreadConnection) -> None:
    """Wait until the thread has taken the job that was just given."""
    await asyncio.sleep(0)

    def look() -> None:
        while not connection._jobs.empty():
            pass

    await asyncio.to_thread(look)


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def content(path: Path) -> bytes:
    return path.read_bytes()


@pytest.fixture
def text_file(tmp_path: Path) -> Path:
    path = tmp_path / "text.db"
    path.write_text("this is no database, " * 100)
    return path


@contextmanager
def mapped() -> Iterator[None]:
    """Raise sqlite3's errors as ours, as a session does."""
    try:
        yield
    except Exception as error:
        ours = translate(error)
        if ours is None:
            raise
        raise ours from error


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data with % and ?.db"


@pytest.fixture
def connection() -> Iterator[SQLiteConnection]:
    connection = SQLiteConnection(Settings(":memory:", busy_timeout=0.05))
    connection.connect()
    yield connection
    connection.close()


async def test_what_the_writer_committed_a_reader_sees(file: Path) -> None:
    async with opened(file) as driver:
        async with lent(driver, True) as writer:
            await writer.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)", ())
            assert await writer.execute("INSERT INTO t (name) VALUES (?), (?)", ("a", "b")) == 2
        async with lent(driver, False) as reader:
            assert await reader.fetch("SELECT name FROM t WHERE id = ?", (2,)) == [("b",)]


async def test_a_file_is_opened_durable_with_foreign_keys_and_a_log(file: Path) -> None:
    async with opened(file) as driver, lent(driver, True) as writer:
        found = [
            await writer.fetch(f"PRAGMA {name}", ())
            for name in ("journal_mode", "foreign_keys", "synchronous")
        ]
        assert found == [[("wal",)], [(1,)], [(2,)]]


async def test_a_reader_keeps_its_snapshot_while_the_writer_commits(file: Path) -> None:
    async with opened(file) as driver, lent(driver, True) as writer, lent(driver, False) as reader:
        await writer.execute("CREATE TABLE t (n)", ())
        await writer.execute("INSERT INTO t VALUES (1)", ())
        await reader.execute("BEGIN", ())
        assert await reader.fetch("SELECT n FROM t", ()) == [(1,)]
        await writer.execute("UPDATE t SET n = 2", ())
        assert await reader.fetch("SELECT n FROM t", ()) == [(1,)]
        await reader.execute("COMMIT", ())
        assert await reader.fetch("SELECT n FROM t", ()) == [(2,)]


async def test_a_reader_refuses_to_write_recognisably(file: Path) -> None:
    async with opened(file) as driver, lent(driver, False) as reader:
        with pytest.raises(ReadOnlyError) as caught, mapped():
            await reader.fetch_raw("CREATE TABLE t (n)", ())
        assert caught.value.code == "READ_ONLY"


async def test_rows_d01_an_insert_that_returns_is_committed(file: Path) -> None:
    async with opened(file) as driver, lent(driver, True) as writer:
        await writer.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, n)", ())
        assert await writer.fetch("INSERT INTO t (n) VALUES (5), (6) RETURNING id", ()) == [(1,), (2,)]
        raw = await writer.fetch_raw("INSERT INTO t (n) VALUES (7) RETURNING id AS key", ())
        assert (raw.columns, raw.records, raw.count) == (["key"], [(3,)], 1)
        assert await writer.execute("INSERT INTO t (n) VALUES (8) RETURNING id", ()) >= 0
        assert not writer.in_transaction
        other = sqlite3.connect(file)
        assert other.execute("SELECT count(*) FROM t").fetchone() == (4,)
        other.close()


async def test_rows_d04_a_failed_statement_leaves_nothing_open(file: Path) -> None:
    async with opened(file) as driver, lent(driver, True) as writer:
        await writer.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)", ())
        await writer.execute("INSERT INTO t VALUES (1)", ())
        with pytest.raises(sqlite3.IntegrityError):
            await writer.execute("INSERT INTO t VALUES (2), (1)", ())
        assert not writer.in_transaction
        other = sqlite3.connect(file, timeout=0, isolation_level=None)
        other.execute("INSERT INTO t VALUES (9)")
        other.close()
        assert await writer.fetch("SELECT id FROM t", ()) == [(1,), (9,)]


async def test_a_database_in_memory_is_shared_by_all_who_use_the_handle() -> None:
    async with opened(":memory:") as driver:
        async with lent(driver, True) as writer:
            await writer.execute("CREATE TABLE t (n)", ())

        async def add(number: int) -> None:
            async with lent(driver, True) as writer:
                await writer.execute("INSERT INTO t VALUES (?)", (number,))

        await asyncio.gather(*(add(number) for number in range(50)))
        async with lent(driver, False) as reader:
            assert await reader.fetch("SELECT count(*), sum(n) FROM t", ()) == [(50, 1225)]


async def test_rows_d22_reading_in_memory_inside_ones_own_transaction_raises_at_once() -> None:
    async with opened(":memory:") as driver, lent(driver, True):
        with pytest.raises(UsageError, match="tx"):
            await driver.lend(False)


async def test_a_cancelled_query_ends_and_its_connection_is_usable(file: Path) -> None:
    async with opened(file) as driver, lent(driver, False) as reader:
        started = monotonic()
        query = asyncio.create_task(reader.fetch(ENDLESS, ()))
        await started_in(reader)
        query.cancel()
        with pytest.raises(asyncio.CancelledError):
            await query
        assert monotonic() - started < 2
        assert await reader.fetch("SELECT (41 + 1)", ()) == [(42,)]


async def test_a_query_cancelled_before_it_began_does_not_run_on(file: Path) -> None:
    async with opened(file) as driver, lent(driver, False) as reader:
        for _ in range(20):
            query = asyncio.create_task(reader.fetch(ENDLESS, ()))
            await asyncio.sleep(0)
            query.cancel()
            query.cancel()
            with pytest.raises(asyncio.CancelledError):
                await query
        assert await reader.fetch("SELECT (1)", ()) == [(1,)]


async def test_cancelling_ends_the_wait_for_a_lock(file: Path) -> None:
    async with (
        opened(file) as driver,
        opened(file) as other,
        lent(other, True) as holder,
        lent(driver, True) as writer,
    ):
        await holder.execute("BEGIN IMMEDIATE", ())
        waiting = asyncio.create_task(writer.execute("BEGIN IMMEDIATE", ()))
        await started_in(writer)
        started = monotonic()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert monotonic() - started < 1
        assert not writer.in_transaction
        await holder.execute("COMMIT", ())
        await writer.execute("BEGIN IMMEDIATE", ())
        assert writer.in_transaction
        await writer.execute("ROLLBACK", ())


async def test_a_second_handle_waits_for_the_first_ones_transaction(file: Path) -> None:
    async with (
        opened(file) as one,
        opened(file) as two,
        lent(one, True) as first,
        lent(two, True) as second,
    ):
        await first.execute("CREATE TABLE t (n)", ())
        await first.execute("BEGIN IMMEDIATE", ())
        await first.execute("INSERT INTO t VALUES (1)", ())
        waiting = asyncio.create_task(second.execute("INSERT INTO t VALUES (2)", ()))
        await asyncio.wait((waiting,), timeout=0.05)
        assert not waiting.done()
        await first.execute("COMMIT", ())
        assert await waiting == 1
        assert await second.fetch("SELECT n FROM t", ()) == [(1,), (2,)]


def test_a_lock_that_is_never_given_up_is_a_time_out_of_ours(file: Path) -> None:
    holder, waiter = (SQLiteConnection(Settings(str(file), busy_timeout=0.05)) for _ in range(2))
    holder.connect()
    waiter.connect()
    holder.execute("BEGIN IMMEDIATE", ())
    started = monotonic()
    with pytest.raises(StatementTimeout, match="locked by another process"):
        waiter.execute("BEGIN IMMEDIATE", ())
    assert 0.045 <= monotonic() - started < 1
    holder.close()
    waiter.execute("BEGIN IMMEDIATE", ())
    assert waiter.in_transaction
    waiter.close()


def test_a_write_upon_an_old_snapshot_is_a_conflict(file: Path) -> None:
    one, two = (SQLiteConnection(Settings(str(file))) for _ in range(2))
    one.connect()
    two.connect()
    one.execute("CREATE TABLE t (n)", ())
    two.execute("BEGIN", ())
    two.fetch("SELECT n FROM t", ())
    one.execute("INSERT INTO t VALUES (1)", ())
    with pytest.raises(ConflictError) as caught, mapped():
        two.execute("INSERT INTO t VALUES (2)", ())
    assert caught.value.retryable
    one.close()
    two.close()


async def test_a_statement_over_its_time_limit_is_stopped(file: Path) -> None:
    async with opened(file, Options(statement_timeout=0.05)) as driver, lent(driver, True) as writer:
        with pytest.raises(StatementTimeout), mapped():
            await writer.fetch(ENDLESS, ())
        assert await writer.fetch("SELECT (1)", ()) == [(1,)]


async def test_a_short_read_takes_no_hop_and_a_long_one_does(file: Path) -> None:
    async with opened(file) as driver, lent(driver, True) as writer:
        await writer.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, n)", ())
        await writer.execute_many("INSERT INTO t (n) VALUES (?)", [(n,) for n in range(20_000)])
        threads: list[str] = []

        def seen(statement: str) -> None:
            threads.append(threading.current_thread().name)

        db: Any = writer._connection._db
        db.set_trace_callback(seen)
        for number in range(1, 501):
            assert await writer.fetch("SELECT n FROM t WHERE id = ?", (number,)) == [(number - 1,)]
        assert set(threads) == {threading.current_thread().name}
        threads.clear()
        rows = await writer.fetch("SELECT id, n FROM t", ())
        assert len(rows) == 20_000
        assert threads == [threading.current_thread().name, "rowstead-sqlite"]
        threads.clear()
        assert len(await writer.fetch("SELECT id, n FROM t", ())) == 20_000
        assert threads == ["rowstead-sqlite"]


async def test_short_reads_in_a_row_let_other_tasks_run(file: Path) -> None:
    async with opened(file) as driver, lent(driver, True) as writer:
        await writer.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)", ())
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(other())
        for _ in range(320):
            await writer.fetch("SELECT id FROM t WHERE id = ?", (1,))
        task.cancel()
        assert turns >= 15


def test_one_handle_serves_one_event_loop_after_another(file: Path) -> None:
    driver = SQLiteDriver(str(file))

    async def first() -> None:
        await driver.open()
        async with lent(driver, True) as writer:
            await writer.execute("CREATE TABLE t (n)", ())
            await writer.execute("INSERT INTO t VALUES (1)", ())

    async def second() -> list[Any]:
        async with lent(driver, False) as reader:
            return await reader.fetch("SELECT n FROM t", ())

    asyncio.run(first())
    assert asyncio.run(second()) == [(1,)]
    asyncio.run(driver.close())
    assert names(file.parent) == [file.name]


async def test_closing_ends_the_threads(file: Path) -> None:
    async with opened(file) as driver, lent(driver, True), lent(driver, False):
        names = [thread.name for thread in threading.enumerate()]
        assert names.count("rowstead-sqlite") >= 2
        mine = [thread for thread in threading.enumerate() if thread.name == "rowstead-sqlite"]
    for thread in mine:
        await asyncio.to_thread(thread.join, 5)
    assert not any(thread.is_alive() for thread in mine)


async def test_a_closed_connection_says_so(file: Path) -> None:
    async with opened(file) as driver:
        connection = await driver.lend(True)
        await connection.close()
        with pytest.raises(HandleClosed):
            await connection.execute("SELECT 1", ())
        driver.take_back(connection, suspect=True)


async def test_a_read_only_file_is_read_and_nothing_else(file: Path) -> None:
    async with opened(file) as driver, lent(driver, True) as writer:
        await writer.execute("CREATE TABLE t (n)", ())
    before = content(file)
    async with opened(file, mode="ro") as driver, lent(driver, True) as reader:
        assert await reader.fetch("SELECT n FROM t", ()) == []
        with pytest.raises(ReadOnlyError), mapped():
            await reader.execute("BEGIN IMMEDIATE", ())
            await reader.execute("INSERT INTO t VALUES (1)", ())
    assert content(file) == before


@pytest.mark.parametrize("mode", ["ro", "rw"])
async def test_a_missing_file_is_not_made_unless_asked(tmp_path: Path, mode: str) -> None:
    with pytest.raises(StorageError, match=r"nothing\.db"):
        async with opened(tmp_path / "nothing.db", mode=mode):
            pass
    assert names(tmp_path) == []


async def test_a_missing_folder_and_a_file_of_another_kind_are_storage_errors(
    tmp_path: Path, text_file: Path
) -> None:
    with pytest.raises(StorageError, match="folder"):
        async with opened(tmp_path / "no" / "folder.db"):
            pass
    with pytest.raises(StorageError, match="no SQLite database"):
        async with opened(text_file):
            pass


WRITER = """
import asyncio, sys
from rowstead.drivers.sqlite import SQLiteDriver

async def main():
    driver = SQLiteDriver(sys.argv[1])
    await driver.open()
    writer = await driver.lend(True)
    await writer.execute("CREATE TABLE IF NOT EXISTS t (n)", ())
    for n in range(10**9):
        await writer.execute("INSERT INTO t VALUES (?)", (n,))
        print(n, flush=True)

asyncio.run(main())
"""


def test_an_acknowledged_write_survives_a_killed_process(file: Path) -> None:
    for _ in range(3):
        file.unlink(missing_ok=True)
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(file)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        acknowledged = [int(process.stdout.readline()) for _ in range(50)]
        process.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in process.stdout.read().split()]
        process.stdout.close()
        process.wait()
        driver = SyncSQLiteDriver(str(file))
        driver.open()
        reader = driver.lend(False)
        stored = {n for (n,) in reader.fetch("SELECT n FROM t", ())}
        assert stored >= set(acknowledged)
        assert reader.fetch("PRAGMA integrity_check", ()) == [("ok",)]
        driver.take_back(reader)
        driver.close()


def test_two_processes_write_to_one_file_and_nothing_is_lost(file: Path) -> None:
    script = """
import sys
from rowstead.sync.drivers.sqlite import SQLiteDriver
driver = SQLiteDriver(sys.argv[1]); driver.open()
writer = driver.lend(True)
writer.execute("CREATE TABLE IF NOT EXISTS t (n)", ())
for n in range(50):
    writer.execute("BEGIN IMMEDIATE", ())
    writer.execute("INSERT INTO t SELECT coalesce(max(n), 0) + 1 FROM t", ())
    writer.execute("COMMIT", ())
driver.take_back(writer); driver.close()
"""
    processes = [subprocess.Popen([sys.executable, "-c", script, str(file)]) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    db = sqlite3.connect(file)
    assert db.execute("SELECT count(*), max(n) FROM t").fetchone() == (150, 150)
    db.close()


def test_threads_share_a_synchronous_handle(file: Path) -> None:
    driver = SyncSQLiteDriver(str(file))
    driver.open()
    writer = driver.lend(True)
    writer.execute("CREATE TABLE t (n)", ())
    driver.take_back(writer)

    def work(number: int) -> None:
        for n in range(20):
            connection = driver.lend(True)
            connection.execute("INSERT INTO t VALUES (?)", (number * 100 + n,))
            driver.take_back(connection)
            connection = driver.lend(False)
            connection.fetch("SELECT count(*) FROM t", ())
            driver.take_back(connection)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    reader = driver.lend(False)
    assert reader.fetch("SELECT count(DISTINCT n) FROM t", ()) == [(200,)]
    driver.take_back(reader)
    driver.close()


# ── one connection ───────────────────────────────────────────────────────────────────────────


def test_counts_tell_rows_for_writes_only(connection: SQLiteConnection) -> None:
    assert connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, n)", ()) == -1
    assert connection.execute("INSERT INTO t (n) VALUES (1), (2)", ()) == 2
    assert connection.fetch_raw("SELECT * FROM t", ()).count == -1
    assert connection.fetch_raw("UPDATE t SET n = 3 WHERE id > 5", ()).count == 0
    assert connection.fetch_raw("WITH x AS (SELECT 9) INSERT INTO t (n) SELECT * FROM x", ()).count == 1
    assert connection.fetch_raw("/* all */ WITH x AS (SELECT 9) DELETE FROM t WHERE n = 77", ()).count == 0
    returned = connection.fetch_raw("WITH x AS (SELECT 9) UPDATE t SET n = 1 RETURNING id", ())
    assert (returned.count, returned.columns) == (3, ["id"])
    assert connection.fetch_raw("WITH x AS (SELECT 9 AS y) SELECT * FROM x", ()).count == -1
    assert connection.fetch_raw("-- nothing", ()).count == -1


def test_many_runs_give_their_first_records_in_order(connection: SQLiteConnection) -> None:
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, n UNIQUE)", ())
    connection.execute("BEGIN IMMEDIATE", ())
    assert connection.execute_many("INSERT INTO t (n) VALUES (?)", [(1,), (2,)]) == 2
    text = "INSERT INTO t (n) VALUES (?) ON CONFLICT DO NOTHING RETURNING id, n"
    assert connection.fetch_many(text, [(3,), (1,), (4,)]) == [(3, 3), None, (4, 4)]
    connection.execute("COMMIT", ())
    assert connection.fetch("SELECT count(*) FROM t", ()) == [(4,)]


def test_reset_brings_a_connection_back_to_how_it_was_opened(
    connection: SQLiteConnection, file: Path
) -> None:
    connection.fetch_raw("CREATE TEMP TABLE a (n)", ())
    connection.fetch_raw("CREATE TEMP VIEW b AS SELECT 1", ())
    connection.fetch_raw("ATTACH ? AS other", (str(file),))
    connection.fetch_raw("PRAGMA case_sensitive_like = ON", ())
    connection.fetch_raw("PRAGMA foreign_keys = OFF", ())
    connection.execute("BEGIN", ())
    connection.reset()
    assert not connection.in_transaction
    assert connection.fetch("SELECT count(*) FROM temp.sqlite_master", ()) == [(0,)]
    assert [name for _, name, _ in connection.fetch("PRAGMA database_list", ()) if name != "temp"] == ["main"]
    assert connection.fetch("SELECT 'A' LIKE 'a'", ()) == [(1,)]
    assert connection.fetch("PRAGMA foreign_keys", ()) == [(1,)]


def test_copy_is_refused(connection: SQLiteConnection) -> None:
    with pytest.raises(UsageError, match="bulk"):
        connection.copy_in(None, "t", ["n"], [(1,)])


SCHEMA = """
CREATE TABLE parent (id INTEGER PRIMARY KEY, code TEXT UNIQUE);
CREATE TABLE child (a INT, b INT, parent INT REFERENCES parent ON DELETE RESTRICT, name TEXT NOT NULL,
    CONSTRAINT positive CHECK (a > 0), UNIQUE (a, b));
CREATE TABLE strict_one (n INT) STRICT;
CREATE UNIQUE INDEX by_lower ON child (lower(name));
CREATE TRIGGER no_seven BEFORE INSERT ON parent WHEN new.id = 7 BEGIN SELECT RAISE(ABORT, 'no sevens'); END;
INSERT INTO parent VALUES (1, 'one');
INSERT INTO child VALUES (1, 1, 1, 'x')
"""

REFUSED: list[tuple[str, tuple[Any, ...], type[RowsteadError], dict[str, str | None]]] = [
    ("INSERT INTO parent VALUES (1, 'two')", (), DuplicateError, {"table": "parent", "column": "id"}),
    ("INSERT INTO parent VALUES (2, 'one')", (), DuplicateError, {"table": "parent", "column": "code"}),
    ("INSERT INTO child VALUES (2, 1, 1, 'X')", (), DuplicateError, {"constraint": "by_lower"}),
    ("INSERT INTO child VALUES (1, 1, 1, 'y')", (), DuplicateError, {"table": "child", "column": None}),
    ("INSERT INTO child VALUES (2, 1, 99, 'y')", (), ForeignKeyError, {}),
    ("DELETE FROM parent", (), RestrictError, {}),
    ("INSERT INTO child VALUES (2, 1, 1, NULL)", (), NotNullError, {"table": "child", "column": "name"}),
    ("INSERT INTO child VALUES (0, 1, 1, 'y')", (), CheckError, {"constraint": "positive"}),
    ("INSERT INTO strict_one VALUES ('x')", (), DataError, {"table": "strict_one", "column": "n"}),
    ("INSERT INTO parent VALUES (7, 'seven')", (), IntegrityError, {}),
    ("INSERT INTO parent (id) VALUES ('x')", (), DataError, {}),
    ("SELECT * FROM parnt", (), UndefinedTableError, {"table": "parnt"}),
    ("SELECT cod FROM parent", (), UndefinedColumnError, {"column": "cod"}),
    ("SELECT p.cod FROM parent p", (), UndefinedColumnError, {"table": "p", "column": "cod"}),
    ("INSERT INTO parent (cod) VALUES (1)", (), UndefinedColumnError, {"table": "parent", "column": "cod"}),
    ("SELEC 1", (), StatementError, {}),
    ("SELECT nothing_like_this(1)", (), StatementError, {}),
    ("SELECT 1; SELECT 2", (), ValidationError, {}),
    ("SELECT ?", (), ValidationError, {}),
    ("SELECT ?", (1, 2), ValidationError, {}),
    ("SELECT ?", (2**63,), DataError, {}),
    ("SELECT ?", (object(),), DataError, {}),
    ("SELECT ?", ("\ud800",), DataError, {}),
]


@pytest.mark.parametrize(
    ("text", "params", "expected", "facts"), REFUSED, ids=[case[0][:40] for case in REFUSED]
)
def test_errors_are_mapped_with_what_sqlite_tells(
    connection: SQLiteConnection,
    text: str,
    params: tuple[Any, ...],
    expected: type[RowsteadError],
    facts: dict[str, str | None],
) -> None:
    for statement in SCHEMA.split(";\n"):
        connection.execute(statement.replace("; END", ";END"), ())
    with pytest.raises(RowsteadError) as caught, mapped():
        connection.execute(text, params)
    assert type(caught.value) is expected
    assert {name: getattr(caught.value, name) for name in facts} == facts


def test_errors_of_other_libraries_are_not_taken_for_ours() -> None:
    assert translate(ValueError("x")) is None
    assert translate(OverflowError("x")) is None


def test_a_statement_survives_a_change_of_its_table(connection: SQLiteConnection) -> None:
    connection.execute("CREATE TABLE t (a)", ())
    connection.execute("INSERT INTO t VALUES (1)", ())
    assert connection.fetch("SELECT * FROM t", ()) == [(1,)]
    connection.execute("ALTER TABLE t ADD COLUMN b DEFAULT 2", ())
    assert connection.fetch("SELECT * FROM t", ()) == [(1, 2)]
    assert connection.fetch_raw("SELECT * FROM t", ()).columns == ["a", "b"]


# ── functions ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("pattern", "value", "expected"),
    [
        ("straße%", "STRASSE 1", 0),
        ("ÄÖ_", "äöü", 1),
        ("%ПРИВЕТ%", "ну привет!", 1),
        ("a_c", "abbc", 0),
        ("a.c", "abc", 0),
        ("%b%b%", "abab", 1),
        ("%bc", "abcbc", 1),
        ("", "", 1),
        ("%", "line\nbreak", 1),
        ("a", "a\n", 0),
        ("1%", 12, 1),
        (None, "x", None),
        ("x", None, None),
    ],
)
def test_ilike_ignores_case_in_every_alphabet(
    connection: SQLiteConnection, pattern: str | None, value: Any, expected: int | None
) -> None:
    assert connection.fetch("SELECT rowstead_ilike(?, ?)", (pattern, value)) == [(expected,)]


def test_ilike_takes_no_longer_for_a_hostile_pattern(connection: SQLiteConnection) -> None:
    started = monotonic()
    assert connection.fetch("SELECT rowstead_ilike(?, ?)", ("%a" * 30 + "%b", "a" * 5000)) == [(0,)]
    assert monotonic() - started < 1


def test_bytes_come_from_their_hexadecimal_form(connection: SQLiteConnection) -> None:
    assert connection.fetch("SELECT rowstead_bytes('00ff'), rowstead_bytes(NULL)", ()) == [
        (b"\x00\xff", None)
    ]
