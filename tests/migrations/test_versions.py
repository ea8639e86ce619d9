"""Migrations in goose's format, forth and back, with goose's own ledger kept in step, on every backend.

What the ledgers hold is read without the code that writes them.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from rowstead.errors import MigrationError, TimeoutExceeded, ValidationError
from rowstead.migrations import MigrationEvent, MigrationStatus

from .conftest import Folder, Migrator, opened
from .versioned import NO_TRANSACTION, Versions, made, table, tables


@pytest.fixture
def versions(db: Migrator, folder: Folder) -> Versions:
    return Versions(db, folder)


async def test_up_applies_by_number_and_writes_both_ledgers(versions: Versions, folder: Folder) -> None:
    names = [table(folder, 9, name="9_nine.sql"), table(folder, 10, name="00010_ten.sql")]
    assert await versions.up() == names
    assert await versions.up() == []
    assert await versions.goose() == [0, 9, 10]
    assert await versions.ours() == {"9": None, "10": None}
    assert await versions.status() == MigrationStatus([], names, [], [])


async def test_down_undoes_the_last_one_and_its_rows(versions: Versions, folder: Folder) -> None:
    names = tables(folder, 1, 2, 3)
    await versions.up()
    assert await versions.down() == [names[2]]
    assert (await versions.goose(), await versions.ours()) == ([0, 1, 2], {"1": None, "2": None})
    assert await made(versions) == ["t1", "t2"]
    assert (await versions.status()).pending == [names[2]]
    assert await versions.up() == [names[2]]
    assert await versions.goose() == [0, 1, 2, 3]


async def test_up_to_and_down_to_stop_at_a_version(versions: Versions, folder: Folder) -> None:
    names = tables(folder, 1, 2, 3, 4)
    assert await versions.up(to=3) == names[:3]
    assert await versions.down(to=1) == [names[2], names[1]]
    assert await versions.goose() == [0, 1]
    assert await versions.down(to=0) == [names[0]]
    assert await versions.down(to=0) == []
    assert await versions.down() == []
    assert (await versions.goose(), await versions.ours(), await made(versions)) == ([0], {}, [])


@pytest.mark.parametrize("verb", ["up", "down"])
async def test_a_version_that_is_not_there_is_refused(versions: Versions, folder: Folder, verb: str) -> None:
    tables(folder, 1, 2)
    with pytest.raises(ValidationError, match=r"there is no migration 3 in .*; there are: 1, 2"):
        await getattr(versions, verb)(to=3)


async def test_redo_undoes_and_applies_the_last_one(versions: Versions, folder: Folder) -> None:
    names = tables(folder, 1, 2)
    await versions.up()
    await versions.db.execute("INSERT INTO t2 VALUES (2)")
    assert await versions.redo() == [names[1]]
    assert [r["id"] for r in await versions.db.fetch("SELECT id FROM t2")] == [1]
    assert (await versions.goose(), await versions.ours()) == ([0, 1, 2], {"1": None, "2": None})


async def test_a_redo_that_fails_leaves_everything_as_it_was(versions: Versions, folder: Folder) -> None:
    folder["1_a.sql"] = (
        "-- +goose Up\nCREATE TABLE t1 (id INTEGER);\nINSERT INTO once VALUES (1);\n"
        "-- +goose Down\nDROP TABLE t1;\n"
    )
    await versions.db.execute("CREATE TABLE once (id INTEGER PRIMARY KEY)")
    await versions.up()
    undoes = versions.db.undoes_ddl
    kept = "nothing of this file was kept" if undoes else "1 of its 2 statements are done and stay"
    with pytest.raises(MigrationError, match=rf"1_a\.sql failed at line 3 .*\n{kept}"):
        await versions.redo()
    ledgers = ([0, 1], {"1": None}) if undoes else ([0], {"1": 1})
    assert (await versions.goose(), await versions.ours()) == ledgers
    assert await made(versions) == ["t1"]


async def test_redo_with_nothing_applied_does_nothing(versions: Versions, folder: Folder) -> None:
    tables(folder, 1)
    assert await versions.redo() == []
    assert await made(versions) == []


# Policy


async def test_what_is_missing_below_the_highest_version_is_refused(
    versions: Versions, folder: Folder
) -> None:
    names = tables(folder, 2, 5)
    await versions.up()
    late = tables(folder, 3, 4)
    newer = table(folder, 6)
    with pytest.raises(MigrationError) as refusal:
        await versions.up()
    assert str(refusal.value) == (
        "found 2 missing below version 5, which is applied; nothing was applied:\n"
        "  00003_t3.sql\n  00004_t4.sql\n"
        "Give them a version above it, or apply them out of order with --allow-missing"
    )
    assert await made(versions) == ["t2", "t5"]
    assert await versions.preview_up(allow_missing=True) == [*late, newer]
    assert await versions.up(allow_missing=True) == [*late, newer]
    assert await versions.goose() == [0, 2, 5, 3, 4, 6]
    # Like goose: the one that was applied last, not the highest.
    await versions.down()
    assert await versions.down() == [late[1]]
    assert await versions.down(to=2) == [late[0], names[1]]


async def test_up_to_a_version_below_does_not_ask_for_what_is_missing_above(
    versions: Versions, folder: Folder
) -> None:
    tables(folder, 1, 5)
    await versions.up()
    tables(folder, 3)
    assert await versions.up(to=1) == []
    with pytest.raises(MigrationError, match="found 1 missing below version 5"):
        await versions.up(to=3)


async def test_without_a_way_back_nothing_is_undone(versions: Versions, folder: Folder) -> None:
    tables(folder, 2, 3)
    folder["00001_only.sql"] = "-- +goose Up\nCREATE TABLE t1 (id INTEGER);\n"
    await versions.up()
    with pytest.raises(MigrationError, match=r"no way back from 00001_only\.sql: no line `-- \+goose Down`"):
        await versions.down(to=0)
    assert await made(versions) == ["t1", "t2", "t3"]
    assert await versions.down(to=1) == ["00003_t3.sql", "00002_t2.sql"]
    with pytest.raises(MigrationError, match="nothing was undone"):
        await versions.down()
    assert await versions.goose() == [0, 1]


async def test_an_empty_way_back_removes_the_rows_alone(versions: Versions, folder: Folder) -> None:
    folder["1_a.sql"] = "-- +goose Up\nCREATE TABLE t1 (id INTEGER);\n-- +goose Down\n"
    await versions.up()
    assert await versions.down() == ["1_a.sql"]
    assert (await versions.goose(), await made(versions)) == ([0], ["t1"])


@pytest.mark.parametrize("verb", ["up", "down", "redo", "preview_up", "preview_down"])
async def test_a_changed_file_is_refused_by_every_verb(versions: Versions, folder: Folder, verb: str) -> None:
    name = table(folder, 1)
    await versions.up()
    folder[name] = (folder.path / name).read_text().replace("INSERT", "-- more\nINSERT")
    assert (await versions.status()).drifted == [name]
    with pytest.raises(MigrationError, match=f"changed since applied: {name}") as refusal:
        await getattr(versions, verb)()
    recovery = "DELETE FROM goose_db_version WHERE version_id = 1"
    assert recovery in str(refusal.value)
    await versions.db.execute("DROP TABLE t1")
    await versions.db.execute(recovery)
    assert await versions.up() == [name]


async def test_a_file_that_is_gone_is_refused_and_named_by_its_version(
    versions: Versions, folder: Folder
) -> None:
    tables(folder, 1, 2, 10)
    await versions.up()
    for name in ("00002_t2.sql", "00010_t10.sql"):
        del folder[name]
    assert (await versions.status()).missing == ["2", "10"]
    with pytest.raises(MigrationError, match=r"no longer in directory .*: 2, 10"):
        await versions.down()


async def test_a_renamed_file_is_the_same_migration(versions: Versions, folder: Folder) -> None:
    name = table(folder, 1)
    await versions.up()
    text = (folder.path / name).read_bytes()
    del folder[name]
    folder["1_other.sql"] = text
    assert await versions.status() == MigrationStatus([], ["1_other.sql"], [], [])


@pytest.mark.parametrize(("verb", "section"), [("up", "Up"), ("down", "Down")])
async def test_transaction_control_is_refused_with_the_line_that_asks_for_none(
    versions: Versions, folder: Folder, verb: str, section: str
) -> None:
    both = {"Up": "SELECT 1;", "Down": "SELECT 2;"}
    folder["1_a.sql"] = "".join(f"-- +goose {name}\n{text}\n" for name, text in both.items())
    if verb == "down":
        await versions.up()
        await versions.db.execute("UPDATE _rowstead_migrations SET checksum = NULL")
    both[section] = "COMMIT;"
    folder["1_a.sql"] = "".join(f"-- +goose {name}\n{text}\n" for name, text in both.items())
    with pytest.raises(ValidationError, match=r"1_a\.sql line \d: COMMIT is .* `-- \+goose NO TRANSACTION`"):
        await getattr(versions, verb)()


# Whole or not at all

BOTH = ["t1", "t2"]
AFTER_A_FAILURE = {
    ("up", True): (["t1"], [0, 1], {"1": None}),
    ("down", True): (BOTH, [0, 1, 2], {"1": None, "2": None}),
    ("up", False): (BOTH, [0, 1], {"1": None, "2": 1}),
    ("down", False): (["t1"], [0, 1, 2], {"1": None, "2": 1}),
}
"""Tables, goose's versions and our ledger after the failed second file, by verb and by whether DDL can be
undone."""


@pytest.mark.parametrize("verb", ["up", "down"])
async def test_a_failure_keeps_nothing_and_says_where_it_was(
    versions: Versions, folder: Folder, verb: str
) -> None:
    first = table(folder, 1)
    bad = {"Up": "CREATE TABLE t2 (id INTEGER);\n", "Down": "DROP TABLE t2;\n"}
    bad[verb.capitalize()] += "INSERT INTO nowhere VALUES (1);\n"
    folder["00002_bad.sql"] = f"-- +goose Up\n{bad['Up']}-- +goose Down\n{bad['Down']}"
    way = "" if verb == "up" else " on its way back"
    line = 3 if verb == "up" else 5
    if verb == "down":
        await versions.up()
    message = rf"^migration 00002_bad\.sql failed{way} at line {line} \(INSERT INTO nowhere"
    with pytest.raises(MigrationError, match=message) as failure:
        await getattr(versions, verb)()
    assert failure.value.applied == ((first,) if verb == "up" else ())
    seen = (await made(versions), await versions.goose(), await versions.ours())
    assert seen == AFTER_A_FAILURE[verb, versions.db.undoes_ddl]


async def test_the_value_of_a_variable_is_in_no_error_and_in_no_ledger(
    versions: Versions, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLANTED", "s3cret_word")
    folder["1_a.sql"] = (
        "-- +goose NO TRANSACTION\n-- +goose ENVSUB ON\n-- +goose Up\n"
        "CREATE TABLE t1 (s3 TEXT);\nINSERT INTO t1 VALUES ('${PLANTED}');\n"
        "INSERT INTO ${PLANTED} VALUES (1);\n"
    )
    with pytest.raises(MigrationError, match=r"line 6 \(INSERT INTO \$\{PLANTED\} VALUES") as failure:
        await versions.up()
    assert "s3cret_word" not in str(failure.value)
    rows = await versions.db.fetch("SELECT * FROM _rowstead_migrations")
    assert "s3cret_word" not in str([dict(row) for row in rows])
    assert [row["s3"] for row in await versions.db.fetch("SELECT s3 FROM t1")] == ["s3cret_word"]


async def test_without_a_transaction_both_ways_go_on_where_they_stopped(
    versions: Versions, folder: Folder
) -> None:
    folder["1_a.sql"] = NO_TRANSACTION.format(up="INSERT INTO late VALUES (1);", down="DELETE FROM never;")
    with pytest.raises(MigrationError, match="2 of its 3 statements are done and stay"):
        await versions.up()
    assert (await versions.goose(), await versions.ours()) == ([0], {"1": 2})
    assert (await versions.status()).pending == ["1_a.sql"]
    with pytest.raises(MigrationError, match=r"1_a\.sql was interrupted on its way forth; nothing"):
        await versions.down()
    await versions.db.execute("CREATE TABLE late (id INTEGER)")
    assert await versions.up() == ["1_a.sql"]
    assert (await versions.goose(), await versions.ours()) == ([0, 1], {"1": None})

    with pytest.raises(MigrationError, match=r"on its way back at line 8 .*\n1 of its 3 statements are done"):
        await versions.down()
    assert (await versions.goose(), await versions.ours()) == ([0, 1], {"1": 1})
    with pytest.raises(MigrationError, match=r"1_a\.sql was interrupted on its way back; nothing"):
        await versions.up()
    await versions.db.execute("CREATE TABLE never (id INTEGER)")
    # It was the first to be applied, and is the first to be finished.
    assert await versions.down() == ["1_a.sql"]
    assert (await versions.goose(), await versions.ours(), await made(versions)) == ([0], {}, [])


async def test_what_is_done_of_a_way_back_may_not_change(versions: Versions, folder: Folder) -> None:
    folder["1_a.sql"] = NO_TRANSACTION.format(up="", down="DELETE FROM never;")
    await versions.up()
    with pytest.raises(MigrationError):
        await versions.down()
    folder["1_a.sql"] = NO_TRANSACTION.format(up="", down="DELETE FROM t1;").replace("DELETE", "delete", 1)
    with pytest.raises(MigrationError, match="changed since applied"):
        await versions.down()
    folder["1_a.sql"] = NO_TRANSACTION.format(up="SELECT 5;", down="SELECT 6;")
    assert await versions.down() == ["1_a.sql"]


# Looking, waiting, telling


async def test_looking_writes_nothing(versions: Versions, folder: Folder) -> None:
    names = tables(folder, 1, 2)
    before = await versions.db.tables()
    assert (await versions.status()).pending == names
    assert await versions.preview_up(to=1) == names[:1]
    assert await versions.preview_down() == []
    assert await versions.db.tables() == before
    await versions.up()
    await versions.db.execute(
        "INSERT INTO goose_db_version (version_id, is_applied) VALUES ($1, $2)", 7, True
    )
    table(folder, 7)
    table(folder, 8)
    kept = (await versions.goose(), await versions.ours())
    assert await versions.preview_up() == ["00008_t8.sql"]
    assert await versions.preview_down(to=0) == ["00007_t7.sql", *names[::-1]]
    assert (await versions.goose(), await versions.ours()) == kept


async def test_ten_at_once_apply_each_once(versions: Versions, folder: Folder) -> None:
    names = tables(folder, *range(1, 6))

    async def one() -> list[str]:
        async with opened(versions.db.url) as db:
            return await Versions(db, folder).up()

    done = await asyncio.gather(*(one() for _ in range(10)))
    assert sorted(name for each in done for name in each) == names
    assert await versions.goose() == [0, 1, 2, 3, 4, 5]


async def test_ten_at_once_undo_each_once(versions: Versions, folder: Folder) -> None:
    names = tables(folder, *range(1, 6))
    await versions.up()

    async def one() -> list[str]:
        async with opened(versions.db.url) as db:
            return await Versions(db, folder).down(to=0)

    done = await asyncio.gather(*(one() for _ in range(10)))
    assert sorted(name for each in done for name in each) == names
    assert (await versions.goose(), await versions.ours(), await made(versions)) == ([0], {}, [])


async def test_whoever_waits_too_long_is_told_that_another_runner_holds_the_lock(
    versions: Versions, folder: Folder
) -> None:
    tables(folder, 1)
    refused: list[str] = []

    async def attempt() -> None:
        async with opened(versions.db.url) as db:
            with pytest.raises(TimeoutExceeded) as late:
                await Versions(db, folder).up(lock_timeout=0.05)
            refused.append(str(late.value))

    def meanwhile(event: MigrationEvent) -> None:
        # The runner stands still until the other one, in a thread of its own, has given up.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, attempt()).result()

    await versions.up(on_event=meanwhile)
    assert len(refused) == 2
    assert all(message.startswith("the migration lock is held by ") for message in refused)
    assert await versions.goose() == [0, 1]


async def test_events_name_the_files_and_the_direction(versions: Versions, folder: Folder) -> None:
    names = tables(folder, 1, 2)
    heard: list[tuple[str, str]] = []

    def hear(event: MigrationEvent) -> None:
        heard.append((event.kind, event.id))

    await versions.up(on_event=hear)
    await versions.down(on_event=hear)
    assert heard == [
        ("started", names[0]),
        ("applied", names[0]),
        ("started", names[1]),
        ("applied", names[1]),
        ("started", names[1]),
        ("undone", names[1]),
    ]
