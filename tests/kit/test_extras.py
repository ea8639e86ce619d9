"""`check`, `explain`, `sql` and `backup`: what a database tells of itself, and a copy of it in use."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from conftest import Backend
from kit.conftest import Make
from kit.past import raw
from kit.shop import shop
from rowstead import RowsteadError, StatementTimeout, UsageError
from rowstead.drivers import sqlite_copy
from rowstead.kit import AsyncDatabase, Database, StorageError, ValidationError, column, fk, table
from rowstead.kit import int as int_


def filled(make: Make) -> Database:
    db = make(shop())

    def fill(txn: Any) -> None:
        txn.insert_many("customers", [{"email": f"{n}@x"} for n in range(3)])
        txn.insert_many("orders", [{"customer_id": 1, "amount": n} for n in range(5)])

    db.transaction(fill)
    return db


# check


def test_a_sound_database_has_no_faults(make: Make) -> None:
    db = filled(make)
    assert db.check() == []
    with db.begin() as txn:
        txn.insert("notes", {"id": 1})
        assert db.check() == []


def test_check_finds_rows_whose_parents_are_missing(make: Make, sync_backend: Backend) -> None:
    db = filled(make)
    with raw(sync_backend) as connection:
        connection.execute("DELETE FROM customers WHERE id = 1")
    faults = [fault for fault in db.check() if "orders" in fault]
    assert faults == [
        "orders: the row with id 1 (and 4 more) refers by fk_customer to a row of customers that is not there"
    ]


def test_check_finds_parents_that_are_missing_by_composite_and_own_keys(
    make: Make, sync_backend: Backend
) -> None:
    columns = [int_("a", 1), int_("b", 2), *(int_(name, n, nullable=True) for n, name in enumerate("xy", 3))]
    db = make(
        {"tables": [table("t", 1, columns, ["a", "b"], foreign_keys=[fk("up", ["x", "y"], "t", ["a", "b"])])]}
    )
    with raw(sync_backend) as connection:
        connection.execute("INSERT INTO t VALUES (1, 1, NULL, 7), (1, 2, 1, 1), (1, 3, 1, 9)")
    assert [fault for fault in db.check() if fault.startswith("t:")] == [
        "t: the row with a 1, b 3 refers by up to a row of t that is not there"
    ]


def test_check_finds_what_something_else_has_changed(make: Make, sync_backend: Backend) -> None:
    filled(make).close()
    with raw(sync_backend) as connection:
        connection.execute("ALTER TABLE customers RENAME COLUMN name TO called")
        connection.execute("DROP TABLE notes")
    with pytest.raises(StorageError):
        Database.open(sync_backend.url)
    with Database.open(sync_backend.url, verify=False) as db:
        faults = db.check()
    assert any("customers" in fault and "changed" in fault for fault in faults), faults
    assert any("notes" in fault and "is missing" in fault for fault in faults), faults


def test_check_finds_that_the_handle_has_another_schema(make: Make) -> None:
    db = filled(make)
    more = shop()
    more["tables"][2]["columns"].append(column("extra", 9, "text", nullable=True))
    db.set_schema(more)
    assert db.check() == [
        "this handle's schema is not the one in the database: table 'notes': column 'extra' is new"
    ]


def test_check_finds_counters_that_stand_behind_their_columns(make: Make, sync_backend: Backend) -> None:
    db = filled(make)
    with raw(sync_backend) as connection:
        if sync_backend.is_postgres:
            connection.execute("SELECT setval('_rowstead_seq_orders_id', 2)")
        else:
            connection.execute("UPDATE _rowstead_sequences SET value = 2 WHERE name = 'orders_id'")
    (fault,) = db.check()
    assert fault == (
        "the counter 'orders_id' stands at 2, and orders.id holds 5 already: "
        "take the numbers between by allocate_sequence('orders_id', 3)"
    )
    db.allocate_sequence("orders_id", 3)
    assert db.check() == []


def test_check_finds_damage_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    with Database.create(path, shop()) as db:
        db.transaction(
            lambda txn: txn.insert_many("notes", ({"id": n, "body": "x" * 10} for n in range(5000)))
        )
    content = bytearray(path.read_bytes())
    half = len(content) // 2 // 4096 * 4096
    content[half : half + 4096] = b"\xff" * 4096
    path.write_bytes(content)
    with Database.open(path) as db:
        faults = db.check()
    assert any("file" in fault for fault in faults), faults


# explain and sql


def test_explain_gives_the_databases_plan_and_runs_nothing(make: Make) -> None:
    db = filled(make)
    plan = db.explain("customers", {"email": "0@x"}, order="-id", limit=1)
    assert "uq_email" in plan or "sqlite_autoindex_customers_1" in plan
    with pytest.raises(ValidationError):
        db.explain("customers", {"nope": 1})


async def test_the_other_world_has_the_same_verbs(backend: Backend, tmp_path: Path) -> None:
    async with await AsyncDatabase.create(backend.url, shop()) as db:
        async with db.begin() as txn:
            await txn.insert_many("notes", [{"id": n} for n in range(1500)])
        assert await db.check() == []
        assert "notes" in await db.explain("notes", {"id": 1})
        assert await db.sql("SELECT count(*) AS n FROM notes WHERE id < $1", 700) == [{"n": 700}]
        assert await db.export("notes", tmp_path / "n.csv") == 1500
        assert await db.import_("notes", tmp_path / "n.csv", batch=1000) == (0, 1500)


def test_sql_gives_rows_as_dicts(make: Make) -> None:
    db = filled(make)
    rows = db.sql(
        "SELECT c.email, count(*) AS n FROM customers c JOIN orders o ON o.customer_id = c.id "
        "WHERE o.amount >= $1 GROUP BY c.email",
        2,
    )
    assert rows == [{"email": "0@x", "n": 3}]
    assert db.sql("SELECT 1 AS one WHERE $1 = 2", 1) == []


WRITES = (
    "DELETE FROM orders",
    "INSERT INTO notes (id) VALUES (1)",
    "CREATE TABLE more (id INTEGER)",
    "CREATE TEMP TABLE more (id INTEGER)",
    "WITH gone AS (SELECT 1) DELETE FROM orders",
    "SELECT 1; DELETE FROM orders",
    "SELECT 1; COMMIT; DELETE FROM orders",
    "COMMIT",
)
WRITES_OF = {
    False: ("PRAGMA user_version = 7", "ATTACH 'more.db' AS more", "PRAGMA query_only = OFF", "VACUUM"),
    True: (
        "SELECT setval('_rowstead_seq_orders_id', 1)",
        "SET TRANSACTION READ WRITE",
        "WITH gone AS (DELETE FROM orders RETURNING 1) SELECT * FROM gone",
    ),
}


def test_sql_cannot_write_whatever_it_says(
    make: Make, sync_backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    db = filled(make)
    with db.begin() as txn:
        before = txn.select("orders", order="id")
    for text in (*WRITES, *WRITES_OF[sync_backend.is_postgres]):
        if text != "PRAGMA query_only = OFF":
            with pytest.raises(RowsteadError):
                db.sql(text)
        else:
            db.sql(text)
        with pytest.raises(StorageError):
            db.sql("DELETE FROM orders")
    with db.begin() as txn:
        assert txn.select("orders", order="id") == before
        txn.insert("notes", {"id": 1})
    assert db.check() == []
    assert not (tmp_path / "more.db").exists()


def test_sql_cannot_write_in_memory_either_and_others_still_can() -> None:
    with Database.create(":memory:", shop()) as db:
        with pytest.raises(StorageError):
            db.sql("INSERT INTO notes (id) VALUES (1)")
        db.transaction(lambda txn: txn.insert("notes", {"id": 1}))
        assert db.sql("SELECT id FROM notes") == [{"id": 1}]
        db.transaction(lambda txn: txn.insert("notes", {"id": 2}))


# backup


def test_a_backup_on_a_server_says_what_to_use(make: Make, sync_backend: Backend, tmp_path: Path) -> None:
    db = filled(make)
    if sync_backend.is_postgres:
        with pytest.raises(UsageError, match="pg_dump"):
            db.backup(tmp_path / "copy.db")
        return
    db.backup(tmp_path / "copy.db")
    with Database.open(tmp_path / "copy.db") as copy, db.begin() as txn, copy.begin() as same:
        assert same.select("orders") == txn.select("orders")


def test_a_backup_never_writes_over_a_file(tmp_path: Path) -> None:
    with Database.create(tmp_path / "app.db", shop()) as db:
        (tmp_path / "copy.db").write_text("mine")
        for place in (tmp_path / "copy.db", tmp_path / "app.db"):
            with pytest.raises(ValidationError, match="is there already"):
                db.backup(place)
        assert (tmp_path / "copy.db").read_text() == "mine"
        with pytest.raises(StorageError, match="none"):
            db.backup(tmp_path / "none" / "copy.db")
        assert db.check() == []


def test_a_backup_of_a_database_in_memory(tmp_path: Path) -> None:
    with Database.create(":memory:", shop()) as db:
        db.transaction(lambda txn: txn.insert("notes", {"id": 1}))
        db.backup(tmp_path / "copy.db")
    with Database.open(tmp_path / "copy.db") as copy, copy.begin() as txn:
        assert txn.count("notes") == 1


ACCOUNTS = {"tables": [table("t", 1, [int_("id", 1), int_("v", 2)], "id")]}
HELD = 2000


def _move_about(db: Database, stop: threading.Event, moved: threading.Event) -> None:
    """Transactions that take from one row and give to another, far away: the sum never changes."""
    number = 0
    while not stop.is_set():
        number += 1

        def move(txn: Any, one: int = number % HELD) -> None:
            other = HELD - 1 - one
            txn.update("t", one, {"v": txn.get_by_pk("t", one)["v"] - 1})
            txn.update("t", other, {"v": txn.get_by_pk("t", other)["v"] + 1})

        db.transaction(move)
        if number > 20:
            moved.set()


def test_a_backup_taken_while_another_writes_is_of_one_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So that many transactions are committed while one copy is made.
    monkeypatch.setattr(sqlite_copy, "PAGES", 1)
    path = tmp_path / "app.db"
    stop, moved = threading.Event(), threading.Event()
    with Database.create(path, ACCOUNTS) as db:
        db.transaction(lambda txn: txn.insert_many("t", ({"id": n, "v": 0} for n in range(HELD))))
        writer = threading.Thread(target=_move_about, args=(db, stop, moved))
        writer.start()
        try:
            for number in range(10):
                moved.clear()
                assert moved.wait(30)
                db.backup(tmp_path / f"copy{number}.db")
        finally:
            stop.set()
            writer.join()
    changed: list[int] = []
    for number in range(10):
        with Database.open(tmp_path / f"copy{number}.db") as copy:
            assert copy.check() == []
            assert copy.sql("SELECT sum(v) AS s, count(*) AS n FROM t") == [{"s": 0, "n": HELD}]
            changed.append(copy.sql("SELECT sum(abs(v)) AS s FROM t")[0]["s"])
    assert len(set(changed)) > 1, "the writer wrote nothing between the copies"
    assert sorted(path.suffix for path in tmp_path.iterdir() if path.suffix == ".partial") == []


def test_control_a_plain_copy_of_the_file_lacks_what_is_committed(tmp_path: Path) -> None:
    with Database.create(tmp_path / "app.db", shop()) as db:
        db.transaction(lambda txn: txn.insert("notes", {"id": 1}))
        shutil.copy(tmp_path / "app.db", tmp_path / "plain.db")
        db.backup(tmp_path / "copy.db")
    with Database.open(tmp_path / "copy.db") as copy:
        assert copy.sql("SELECT count(*) AS n FROM notes") == [{"n": 1}]
    # What is committed lies in the log beside the file until it is folded in: this copy has no tables yet.
    with pytest.raises(ValidationError, match="no schema"):
        Database.open(tmp_path / "plain.db")


def test_a_backup_that_is_stopped_leaves_no_file(tmp_path: Path) -> None:
    with closing(sqlite3.connect(":memory:")) as source:
        source.execute("CREATE TABLE t (id INTEGER)")
        with pytest.raises(StatementTimeout):
            sqlite_copy.copy_database(source, str(tmp_path / "copy.db"), lambda: True)
    assert list(tmp_path.iterdir()) == []
