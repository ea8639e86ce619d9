"""Migrations from a folder: each once, in order, whole or not at all, on every backend."""

from __future__ import annotations

import asyncio
import hashlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from rowstead.errors import MigrationError, TimeoutExceeded, UsageError, ValidationError
from rowstead.migrations import MigrationEvent, MigrationStatus

from .conftest import opened

USERS = "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT UNIQUE);\n"
FIRST = "INSERT INTO users VALUES (1, 'Ann; -- \"x\" 100%');\nINSERT INTO users VALUES (2, '$1 %s ? :a');"


async def test_pending_files_are_applied_once_in_order_of_name(db, folder) -> None:
    folder["0002_first.sql"] = FIRST
    folder["0001_users.sql"] = USERS
    assert await db.migrate(folder) == ["0001_users.sql", "0002_first.sql"]
    assert await db.migrate(folder) == []
    names = [row["name"] for row in await db.fetch("SELECT name FROM users ORDER BY id")]
    assert names == ['Ann; -- "x" 100%', "$1 %s ? :a"]


async def test_the_status_tells_applied_from_pending(db, folder) -> None:
    folder["0001_users.sql"] = USERS
    await db.migrate(folder)
    folder["0002_first.sql"] = FIRST
    expected = MigrationStatus(["0002_first.sql"], ["0001_users.sql"], [], [])
    assert await db.status(folder) == expected
    assert expected.is_consistent is True


async def test_a_new_file_that_sorts_before_applied_ones_is_pending(db, folder) -> None:
    folder["0002_users.sql"] = USERS
    await db.migrate(folder)
    folder["0001_late.sql"] = "CREATE TABLE late (id INTEGER);"
    assert await db.migrate(folder) == ["0001_late.sql"]
    assert (await db.status(folder)).is_consistent is True


async def test_the_ledger_has_the_name_the_checksum_and_the_time(db, folder) -> None:
    folder["0001_users.sql"] = USERS
    await db.migrate(folder)
    (row,) = await db.fetch("SELECT filename, checksum, applied_at FROM _rowstead_migrations")
    assert row["filename"] == "0001_users.sql"
    assert row["checksum"] == hashlib.sha256(USERS.encode()).hexdigest()
    assert row["applied_at"] is not None


async def test_a_changed_file_is_refused_and_the_named_recovery_works(db, folder) -> None:
    folder["0001_users.sql"] = USERS
    await db.migrate(folder)
    folder["0001_users.sql"] = USERS + "-- changed"
    folder["0002_more.sql"] = "CREATE TABLE more (id INTEGER);"
    assert await db.status(folder) == MigrationStatus(["0002_more.sql"], [], ["0001_users.sql"], [])
    recovery = "DELETE FROM _rowstead_migrations WHERE filename = '0001_users.sql' AND source = 'plain'"
    with pytest.raises(MigrationError, match=r"^Migration state is inconsistent") as refusal:
        await db.migrate(folder)
    assert "changed since applied: 0001_users.sql" in str(refusal.value)
    assert recovery in str(refusal.value)
    assert "more" not in await db.tables()
    await db.execute(recovery)
    await db.execute("DROP TABLE users")
    assert await db.migrate(folder) == ["0001_users.sql", "0002_more.sql"]


async def test_a_file_that_is_gone_is_refused_and_named(db, folder) -> None:
    folder["0001_o'users.sql"] = USERS
    await db.migrate(folder)
    del folder["0001_o'users.sql"]
    status = await db.status(folder)
    assert (status.missing, status.is_consistent) == (["0001_o'users.sql"], False)
    with pytest.raises(RuntimeError, match=r"no longer in directory .*: 0001_o'users.sql") as refusal:
        await db.migrate(folder)
    assert "WHERE filename = '0001_o''users.sql' AND source = 'plain'" in str(refusal.value)


async def test_rows_d11_a_file_that_fails_leaves_nothing_and_can_be_mended(db, folder) -> None:
    folder["0001_users.sql"] = USERS
    folder["0002_bad.sql"] = "CREATE TABLE half (id INTEGER);\n\nINSERT INTO nowhere VALUES (1);"
    with pytest.raises(
        MigrationError, match=r"0002_bad\.sql failed at line 3 \(INSERT INTO nowhere"
    ) as failure:
        await db.migrate(folder)
    assert failure.value.applied == ("0001_users.sql",)
    assert failure.value.__cause__ is not None
    kept = [] if db.undoes_ddl else ["half"]
    assert await db.tables() == ["_rowstead_migrations", *kept, "users"]
    folder["0002_bad.sql"] = "CREATE TABLE half (id INTEGER);"
    assert await db.migrate(folder) == ["0002_bad.sql"]
    assert await db.fetchval("SELECT count(*) FROM half") == 0


async def test_a_file_that_fails_at_commit_leaves_nothing(db, folder) -> None:
    if not db.undoes_ddl:
        # It has no constraint that waits for the commit; a file of rows alone is one transaction too.
        folder["0001.sql"] = USERS
        folder["0002.sql"] = "INSERT INTO users VALUES (1, 'a'); INSERT INTO users VALUES (1, 'b');"
        with pytest.raises(MigrationError, match=r"0002\.sql failed .*\nnothing of this file was kept"):
            await db.migrate(folder)
        assert await db.fetchval("SELECT count(*) FROM users") == 0
        return
    folder["0001.sql"] = (
        "CREATE TABLE a (id INTEGER PRIMARY KEY);"
        "CREATE TABLE b (a INTEGER REFERENCES a (id) DEFERRABLE INITIALLY DEFERRED);"
        "INSERT INTO b VALUES (7);"
    )
    with pytest.raises(MigrationError, match=r"0001\.sql failed when it was committed"):
        await db.migrate(folder)
    assert await db.tables() == ["_rowstead_migrations"]
    assert (await db.status(folder)).pending == ["0001.sql"]


@pytest.mark.parametrize("text", ["", "  \n", "-- nothing yet\n/* ; */;", b"\xef\xbb\xbf"])
async def test_rows_d12_an_empty_file_is_applied_as_nothing(db, folder, text) -> None:
    folder["0001_empty.sql"] = text
    assert await db.migrate(folder) == ["0001_empty.sql"]
    assert (await db.status(folder)).applied == ["0001_empty.sql"]


async def test_rows_d12_a_byte_order_mark_is_no_part_of_the_sql(db, folder) -> None:
    folder["0001.sql"] = b"\xef\xbb\xbf" + USERS.encode()
    assert await db.migrate(folder) == ["0001.sql"]
    assert "users" in await db.tables()


@pytest.mark.parametrize("word", ["BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT a"])
async def test_rows_d09_transaction_words_are_refused_before_any_file_is_applied(db, folder, word) -> None:
    folder["0001_users.sql"] = USERS
    folder["0002_bad.sql"] = f"-- don't\nCREATE TABLE t (id INTEGER);\n{word};\n"
    match = rf"0002_bad\.sql line 3: {word.split()[0]} is explicit transaction control"
    with pytest.raises(ValidationError, match=match):
        await db.migrate(folder)
    with pytest.raises(ValidationError, match=match):
        await db.preview(folder)
    assert "users" not in await db.tables()
    assert (await db.status(folder)).pending == ["0001_users.sql", "0002_bad.sql"]


async def test_rows_d09_a_file_that_cannot_be_read_stops_the_run_before_any_is_applied(db, folder) -> None:
    folder["0001_users.sql"] = USERS
    folder["0002_bad.sql"] = b"\xff"
    with pytest.raises(ValidationError, match=r"0002_bad\.sql is not UTF-8"):
        await db.migrate(folder)
    assert await db.tables() == []


BODIES = {
    "postgresql": """
        CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $b1$
        BEGIN NEW.commit := 'x; COMMIT;'; RETURN NEW; END; $b1$;
        CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();
        CREATE FUNCTION h(a int) RETURNS int LANGUAGE sql
        BEGIN ATOMIC SELECT CASE WHEN $1 > 0 THEN a END; END;
        DO $$ BEGIN PERFORM h(1); END $$;
        """,
    "sqlite": """
        CREATE TRIGGER g AFTER INSERT ON t WHEN NEW."commit" IS NULL
        BEGIN UPDATE t SET "commit" = 'x; COMMIT;' WHERE id = NEW.id; SELECT CASE WHEN 1 THEN 2 END; END;
        """,
    "mariadb": """
        DELIMITER //
        CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW
        BEGIN SET NEW.`commit` = 'x; COMMIT;'; IF 1 THEN SET @seen = 1; END IF; END//
        BEGIN NOT ATOMIC SET @ROLLBACK = 1; END//
        DELIMITER ;
        """,
}


async def test_rows_d10_triggers_bodies_comments_and_names_may_hold_transaction_words(db, folder) -> None:
    sql = '/* BEGIN */ CREATE TABLE t (id INTEGER, "commit" TEXT); -- ROLLBACK;\n'
    name = db.database.dialect.name
    text = sql.replace('"', "`") if name in ("mariadb", "sqlite") else sql
    folder["0001.sql"] = text + BODIES[name]
    assert await db.migrate(folder) == ["0001.sql"]
    await db.execute("INSERT INTO t (id) VALUES (1)")
    (row,) = await db.fetch("SELECT * FROM t")
    assert row["commit"] == "x; COMMIT;"


async def test_rows_d23_status_and_preview_write_nothing(db, folder) -> None:
    folder["0001_users.sql"] = USERS
    assert (await db.status(folder)).pending == ["0001_users.sql"]
    assert await db.preview(folder) == ["0001_users.sql"]
    assert await db.tables() == []


async def test_preview_refuses_what_migrate_would_refuse(db, folder) -> None:
    folder["0001_users.sql"] = USERS
    await db.migrate(folder)
    del folder["0001_users.sql"]
    with pytest.raises(MigrationError, match="inconsistent"):
        await db.preview(folder)


async def test_two_sources_keep_their_files_apart(db, folder) -> None:
    folder["0001.sql"] = "CREATE TABLE a (id INTEGER);"
    assert await db.migrate(folder, source="a") == ["0001.sql"]
    folder["0001.sql"] = "CREATE TABLE b (id INTEGER);"
    assert await db.migrate(folder, source="b") == ["0001.sql"]
    assert (await db.status(folder, source="b")).applied == ["0001.sql"]
    assert (await db.status(folder, source="a")).drifted == ["0001.sql"]


async def test_events_tell_what_is_started_and_applied(db, folder) -> None:
    folder["0001.sql"] = USERS
    folder["0002.sql"] = FIRST
    heard: list[MigrationEvent] = []
    await db.migrate(folder, on_event=heard.append)
    assert [(e.kind, e.id, e.index, e.total) for e in heard] == [
        ("started", "0001.sql", 1, 2),
        ("applied", "0001.sql", 1, 2),
        ("started", "0002.sql", 2, 2),
        ("applied", "0002.sql", 2, 2),
    ]


SETTINGS = {
    "postgresql": (
        "CREATE SCHEMA other; SET search_path TO other; "
        "SELECT pg_catalog.set_config('search_path', '', false);",
        "SET search_path TO other; CREATE TABLE inside (id INTEGER);",
    ),
    "sqlite": ("", "PRAGMA foreign_keys = OFF;"),
    "mariadb": (
        "SET foreign_key_checks = 0, lock_wait_timeout = 7; SET SESSION sql_mode = 'ANSI_QUOTES';",
        "SET foreign_key_checks = 0;",
    ),
}
"""What the first and the second file set, by database."""


async def test_settings_of_one_file_do_not_reach_the_next(db, folder) -> None:
    first, second = SETTINGS[db.database.dialect.name]
    folder["0001.sql"] = USERS + first
    folder["0002.sql"] = "-- rowstead:no-transaction\n" + second
    folder["0003.sql"] = (
        "CREATE TABLE child (id INTEGER REFERENCES users (id)); INSERT INTO child VALUES (99);"
    )
    with pytest.raises(MigrationError, match=r"0003\.sql failed"):
        await db.migrate(folder)
    kept = [] if db.undoes_ddl else ["child"]
    assert await db.tables() == ["_rowstead_migrations", *kept, "users"]
    assert (await db.status(folder)).applied == ["0001.sql", "0002.sql"]


@pytest.mark.parametrize("backend", ["sqlite", "asyncpg", "psycopg"], indirect=True)
async def test_inside_a_transaction_migrations_are_undone_with_it(db, folder) -> None:
    folder["0001_users.sql"] = USERS

    async def undone() -> None:
        async with db.database.block() as transaction:
            assert await db.migrate_inside(transaction, folder) == ["0001_users.sql"]
            raise KeyError("undo")

    with pytest.raises(KeyError):
        await undone()
    assert await db.tables() == []
    async with db.database.block() as transaction:
        assert await db.migrate_inside(transaction, folder) == ["0001_users.sql"]
    assert (await db.status(folder)).applied == ["0001_users.sql"]


async def test_inside_a_transaction_a_no_transaction_file_is_refused(db, folder) -> None:
    folder["0001_users.sql"] = "SELECT 1;"
    if not db.undoes_ddl:
        await db.migrate(folder)
    folder["0002.sql"] = "-- rowstead:no-transaction\nVACUUM;"
    async with db.database.block() as transaction:
        with pytest.raises(UsageError, match=r"0002\.sql is marked rowstead:no-transaction"):
            await db.migrate_inside(transaction, folder)
    assert "users" not in await db.tables()


async def test_a_runner_waits_for_another_no_longer_than_its_time_out(db, folder) -> None:
    folder["0001.sql"] = USERS
    second: list[Exception] = []

    def meanwhile(event: MigrationEvent) -> None:
        if event.kind == "started" and not second:
            second.append(_blocked(db, folder))

    await db.migrate(folder, on_event=meanwhile)
    assert isinstance(second[0], TimeoutExceeded)
    assert "the migration lock is held by" in str(second[0])
    assert "was not free after 0.05 s" in str(second[0])


def _blocked(db, folder) -> Exception:
    """What a second runner, in a thread of its own, gets while the first holds the lock."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, _second_runner(db, folder)).result()


async def _second_runner(db, folder) -> Exception:
    async with opened(db.url) as other:
        with pytest.raises(TimeoutExceeded) as blocked:
            await other.migrate(folder, lock_timeout=0.05)
        return blocked.value


async def test_a_cancelled_runner_leaves_no_lock_and_nothing_half_done(db, folder) -> None:
    folder["0001.sql"] = USERS
    folder["0002.sql"] = FIRST
    task: asyncio.Task[list[str]]

    def cancel(event: MigrationEvent) -> None:
        if event.id == "0002.sql":
            task.cancel()

    task = asyncio.create_task(db.migrate(folder, on_event=cancel))
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await db.status(folder)).applied == ["0001.sql"]
    assert await db.migrate(folder, lock_timeout=5) == ["0002.sql"]


async def test_a_failed_runner_gives_the_lock_back(db, folder) -> None:
    folder["0001.sql"] = "SELECT nothing FROM nowhere;"
    for _ in range(2):
        with pytest.raises(MigrationError, match=r"0001\.sql failed"):
            await db.migrate(folder, lock_timeout=5)


async def test_a_no_transaction_file_goes_statement_by_statement(db, folder) -> None:
    folder["0001.sql"] = USERS
    alone = "VACUUM;" if db.undoes_ddl else "OPTIMIZE TABLE users;"
    folder["0002.sql"] = "-- rowstead:no-transaction\n" + FIRST + alone
    assert await db.migrate(folder) == ["0001.sql", "0002.sql"]
    assert await db.fetchval("SELECT count(*) FROM users") == 2
    assert (await db.status(folder)).applied == ["0001.sql", "0002.sql"]


async def test_an_interrupted_file_goes_on_where_it_stopped_and_may_be_mended_there(db, folder) -> None:
    folder["0001.sql"] = USERS
    marked = "-- rowstead:no-transaction\nINSERT INTO users VALUES (1, 'a');\n"
    folder["0002.sql"] = marked + "INSERT INTO wrong VALUES (2);"
    with pytest.raises(
        MigrationError, match=r"0002\.sql failed at line 3 .*\n.*1 of its 2 statements are done"
    ):
        await db.migrate(folder)
    assert (await db.status(folder)).pending == ["0002.sql"]
    folder["0002.sql"] = marked + "INSERT INTO users VALUES (2, 'b');"
    assert await db.migrate(folder) == ["0002.sql"]
    assert await db.fetchval("SELECT count(*) FROM users") == 2


async def test_what_is_done_of_an_interrupted_file_may_not_change(db, folder) -> None:
    folder["0001.sql"] = USERS
    marked = "-- rowstead:no-transaction\n"
    folder["0002.sql"] = marked + "INSERT INTO users VALUES (1, 'a'); INSERT INTO wrong VALUES (2);"
    with pytest.raises(MigrationError, match="failed"):
        await db.migrate(folder)
    folder["0002.sql"] = marked + "INSERT INTO users VALUES (9, 'z'); INSERT INTO users VALUES (2, 'b');"
    assert (await db.status(folder)).drifted == ["0002.sql"]
