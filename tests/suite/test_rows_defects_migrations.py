"""Defects of an earlier package that ours must not have: migrations, URLs (D7-D12, D20, D21, D23).

As a user of `rowstead.DB` and of the command sees them; `tests/migrations` and `tests/cli` look closer.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from conftest import Backend
from rowstead import DB, MigrationError, PrivilegeError, UnreachableError, ValidationError
from servers import Server, with_driver

ON_POSTGRES = pytest.mark.parametrize("backend", ["asyncpg", "psycopg"], indirect=True)
ON_SQLITE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "migrations"
    path.mkdir()
    return path


async def tables(db: DB, backend: Backend) -> set[str]:
    """The user's tables, without the ledger."""
    sql = "SELECT name FROM sqlite_master WHERE type = 'table'"
    if backend.is_postgres:
        sql = "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'"
    return {row["name"] for row in await db.fetch(sql)} - {"_rowstead_migrations"}


def rowstead(*arguments: str, folder: Path) -> subprocess.Popen[str]:
    environment = {k: v for k, v in os.environ.items() if k != "DATABASE_URL"}
    environment["PYTHONPATH"] = os.pathsep.join(os.path.abspath(p) for p in sys.path if p)
    command = [sys.executable, "-m", "rowstead", *arguments]
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


async def test_rows_d07_ten_handles_that_migrate_at_once_apply_every_step_once(
    backend: Backend, folder: Path
) -> None:
    (folder / "1.sql").write_text("CREATE TABLE log (step TEXT)")
    (folder / "2.sql").write_text("INSERT INTO log VALUES ('two')")
    (folder / "3.sql").write_text("-- rowstead:no-transaction\nINSERT INTO log VALUES ('three')")

    async def runner() -> int:
        async with await DB.from_url(backend.url) as db:
            return await db.migrate(folder)

    assert sorted(await asyncio.gather(*(runner() for _ in range(10)))) == [0] * 9 + [3]
    async with await DB.from_url(backend.url) as db:
        assert [r["step"] for r in await db.fetch("SELECT step FROM log")] == ["two", "three"]


def test_rows_d07_commands_started_at_once_all_exit_0(backend: Backend, folder: Path) -> None:
    (folder / "1.sql").write_text("CREATE TABLE log (step TEXT)")
    (folder / "2.sql").write_text("INSERT INTO log VALUES ('two')")
    commands = [rowstead("migrate", str(folder), "--url", backend.url, folder=folder) for _ in range(5)]
    told = [command.communicate(timeout=60) for command in commands]
    assert [c.returncode for c in commands] == [0] * 5, told
    assert sorted(out for out, _ in told) == ["applied 0 migrations\n"] * 4 + ["applied 2 migrations\n"]


@ON_POSTGRES
async def test_rows_d08_a_file_outside_a_transaction_may_hold_several_such_statements(
    db: DB, folder: Path
) -> None:
    (folder / "1.sql").write_text("CREATE TABLE t (a INTEGER, b INTEGER)")
    (folder / "2.sql").write_text(
        "-- rowstead:no-transaction\nCREATE INDEX CONCURRENTLY by_a ON t (a);\n"
        "CREATE INDEX CONCURRENTLY by_b ON t (b);\nVACUUM t;\n"
    )
    assert await db.migrate(folder) == 2
    valid = "SELECT count(*) FROM pg_index WHERE indrelid = 't'::regclass AND indisvalid"
    assert await db.fetchval(valid) == 2


ENDING = {
    "END": "CREATE TABLE a (id INTEGER);\nEND;\nCREATE TABLE b (id INTEGER);",
    "COMMIT": "CREATE TABLE a (id INTEGER); commit ; CREATE TABLE b (id INTEGER);",
    "ROLLBACK": "CREATE TABLE a (id INTEGER);\n/* x */ ROLLBACK;",
    "an apostrophe in a comment": "CREATE TABLE a (id INTEGER); -- don't\nCOMMIT;\n-- it's",
    "no semicolon": "CREATE TABLE a (id INTEGER);\nCOMMIT",
}


@pytest.mark.parametrize("text", ENDING.values(), ids=ENDING)
async def test_rows_d09_a_file_that_ends_the_transaction_is_refused_before_any_is_applied(
    db: DB, backend: Backend, folder: Path, text: str
) -> None:
    (folder / "1.sql").write_text("CREATE TABLE good (id INTEGER)")
    (folder / "2.sql").write_text(text)
    with pytest.raises(ValidationError, match=r"2\.sql"):
        await db.migrate(folder)
    assert await tables(db, backend) == set()


@ON_POSTGRES
async def test_rows_d09_abort_is_refused_too(db: DB, backend: Backend, folder: Path) -> None:
    (folder / "1.sql").write_text("CREATE TABLE a (id INTEGER);\nABORT;")
    with pytest.raises(ValidationError, match=r"1\.sql"):
        await db.migrate(folder)
    assert await tables(db, backend) == set()
    assert (await db.migration_status(folder)).pending == ["1.sql"]


async def test_rows_d10_transaction_words_that_are_no_statements_are_fine(
    db: DB, backend: Backend, folder: Path
) -> None:
    (folder / "1.sql").write_text(
        '/* BEGIN */ CREATE TABLE a (id INTEGER, "commit" TEXT); -- COMMIT;\n'
        "INSERT INTO a VALUES (1, 'x; ROLLBACK;');"
    )
    if backend.is_postgres:
        (folder / "2.sql").write_text(
            "DO $b1$ BEGIN INSERT INTO a VALUES (2, 'y'); END $b1$;\n"
            "CREATE FUNCTION two() RETURNS INTEGER LANGUAGE SQL BEGIN ATOMIC SELECT 1; SELECT 2; END;"
        )
    else:
        (folder / "2.sql").write_text(
            "CREATE TRIGGER t AFTER INSERT ON a WHEN new.id = 1 BEGIN\n"
            "  INSERT INTO a VALUES (new.id + 1, 'y'); END;\n"
            "DELETE FROM a; INSERT INTO a VALUES (1, 'x; ROLLBACK;');"
        )
    assert await db.migrate(folder) == 2
    found = await db.fetch('SELECT id, "commit" AS c FROM a ORDER BY id')
    assert found == [{"id": 1, "c": "x; ROLLBACK;"}, {"id": 2, "c": "y"}]


async def test_rows_d11_a_failed_file_leaves_nothing_and_runs_again_when_mended(
    db: DB, backend: Backend, folder: Path
) -> None:
    (folder / "1.sql").write_text(
        "CREATE TABLE a (id INTEGER); INSERT INTO a VALUES (1); INSERT INTO b VALUES (1);"
    )
    for _ in range(2):
        with pytest.raises(MigrationError, match=r"1\.sql"):
            await db.migrate(folder)
        assert await tables(db, backend) == set()
    (folder / "1.sql").write_text("CREATE TABLE a (id INTEGER); INSERT INTO a VALUES (1);")
    assert await db.migrate(folder) == 1
    assert await db.fetchval("SELECT count(*) FROM a") == 1


async def test_rows_d11_migrations_inside_a_transaction_are_undone_with_it(
    db: DB, backend: Backend, folder: Path
) -> None:
    (folder / "1.sql").write_text("CREATE TABLE a (id INTEGER);")

    async def block() -> None:
        async with db.transaction() as tx:
            assert await tx.migrate(folder) == 1
            await tx.execute("INSERT INTO a VALUES (1)")
            raise KeyError

    with pytest.raises(KeyError):
        await block()
    assert await tables(db, backend) == set()
    assert await db.migrate(folder) == 1


async def test_rows_d12_empty_files_and_byte_order_marks_are_fine(
    db: DB, backend: Backend, folder: Path
) -> None:
    (folder / "1.sql").write_text("")
    (folder / "2.sql").write_text("-- only a comment")
    (folder / "3.sql").write_bytes(b"\xef\xbb\xbfCREATE TABLE a (id INTEGER);\r\n")
    assert await db.migrate(folder) == 3
    assert await tables(db, backend) == {"a"}
    (folder / "3.sql").write_bytes(b"\xef\xbb\xbfCREATE TABLE a (id INTEGER);\n")
    assert (await db.migration_status(folder)).is_consistent


@pytest.mark.parametrize(
    "url", ["sqlite://name.db", "sqlite+aiosqlite://name.db", "sqlite:name.db", "sqlit:///x.db"]
)
async def test_rows_d20_a_misspelt_sqlite_url_is_no_database_in_memory(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValidationError, match="sqlite"):
        await DB.from_url(url)
    assert os.listdir(tmp_path) == []


async def test_rows_d20_a_sqlite_urls_path_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for url, name in [("sqlite:///a%20b.db", "a b.db"), (f"sqlite:///{tmp_path}/c%3Fd.db", "c?d.db")]:
        async with await DB.from_url(url) as db:
            await db.execute("CREATE TABLE t (id INTEGER)")
        assert name in os.listdir(tmp_path)
    async with await DB.from_url("sqlite:///a%20b.db?mode=ro") as db:
        with pytest.raises(Exception, match="read"):
            await db.execute("INSERT INTO t VALUES (1)")
    with pytest.raises(ValidationError, match="did you mean 'mode'"):
        await DB.from_url("sqlite:///x.db?mod=ro")


async def test_rows_d21_one_bound_of_the_pool_is_enough(backend: Backend) -> None:
    for options in ({"max_size": 3}, {"max_size": 1}, {"min_size": 12}, {"min_size": 2, "max_size": 2}):
        async with await DB.from_url(backend.url, **options) as db:
            assert await asyncio.gather(*(db.fetchval("SELECT 1") for _ in range(20))) == [1] * 20


@ON_POSTGRES
async def test_rows_d21_a_wrong_password_or_address_is_told_by_from_url_at_once(backend: Backend) -> None:
    parts = urlsplit(backend.url)
    user, _, place = parts.netloc.rpartition("@")
    wrong = parts._replace(netloc=f"{user.partition(':')[0]}:Gehe1m@{place}")
    nobody = parts._replace(netloc=f"{user}@127.0.0.1:1")
    for url in map(urlunsplit, (wrong, nobody)):
        started = time.monotonic()
        with pytest.raises(UnreachableError) as told:
            await DB.from_url(url)
        assert time.monotonic() - started < 5
        for password in ("Gehe1m", user.partition(":")[2]):
            assert password not in str(told.value)
        assert told.value.__cause__ is not None


def test_rows_d23_the_command_tells_failures_apart_and_shows_no_traceback(folder: Path) -> None:
    (folder / "1.sql").write_text("CREATE TABLE a (id INTEGER); INSERT INTO nowhere VALUES (1);")
    (folder.parent / "damaged.db").write_bytes(b"this is no database" * 100)
    expected = {
        "postgresql+psycopg://u:Gehe1m@127.0.0.1:1/d": 3,
        "postgresql+asyncpg://u:Gehe1m@127.0.0.1:1/d": 3,
        f"sqlite:///{folder.parent}/damaged.db": 3,
        "mongodb://u:Gehe1m@h/d": 2,
        "sqlite://x.db": 2,
        f"sqlite:///{folder.parent}/fine.db": 1,
    }
    commands = [rowstead("migrate", str(folder), "--url", url, folder=folder) for url in expected]
    for command, (url, code) in zip(commands, expected.items(), strict=True):
        out, err = command.communicate(timeout=60)
        assert command.returncode == code, (url, err)
        assert err.startswith("error: ")
        assert "Traceback" not in err
        assert "Gehe1m" not in out + err


def test_rows_d23_status_makes_no_file(folder: Path) -> None:
    (folder / "1.sql").write_text("CREATE TABLE a (id INTEGER)")
    command = rowstead("status", str(folder), "--url", "sqlite:///none.db", folder=folder.parent)
    out, _ = command.communicate(timeout=60)
    assert (command.returncode, "pending (1)" in out) == (0, True)
    assert os.listdir(folder.parent) == ["migrations"]


@ON_POSTGRES
async def test_rows_d23_a_role_that_may_only_read_sees_the_status(
    db: DB, backend: Backend, postgres_server: Server, folder: Path
) -> None:
    (folder / "1.sql").write_text("CREATE TABLE a (id INTEGER)")
    with postgres_server.role() as (role, password):
        place = urlsplit(backend.url).path.removeprefix("/")
        url = with_driver(postgres_server.url_of(place, user=role, password=password), backend.name)
        async with await DB.from_url(url) as reader:
            assert (await reader.migration_status(folder)).pending == ["1.sql"]
            await db.migrate(folder)
            await db.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
            assert (await reader.migration_status(folder)).applied == ["1.sql"]
            with pytest.raises(PrivilegeError):
                await reader.execute("INSERT INTO a VALUES (1)")
