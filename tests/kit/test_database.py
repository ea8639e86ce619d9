"""The kit's handle: creating and opening, by path and URL, the schema in the file, sequences, defaults."""

from __future__ import annotations

import sqlite3
import uuid
from pathlib import Path
from typing import Any

import pytest

from conftest import Backend
from kit.conftest import Make
from kit.shop import shop
from rowstead import DB, UsageError
from rowstead.kit import (
    AsyncDatabase,
    AsyncTransaction,
    ConflictError,
    Database,
    DuplicateError,
    HandleClosed,
    KitError,
    RestrictError,
    StorageError,
    Transaction,
    ValidationError,
    column,
    datetime,
    table,
    text,
)
from rowstead.kit import int as int_
from rowstead.sync import DB as SyncDB

KEY = int_("id", 1, primary_key=True)


def test_create_makes_the_tables_at_once_and_open_finds_the_schema(sync_backend: Backend) -> None:
    with Database.create(sync_backend.url, shop()) as db, db.begin() as txn:
        stored = txn.insert("customers", {"email": "a@x"})
    with Database.open(sync_backend.url) as db, db.begin() as txn:
        assert db.table_names() == ["customers", "orders", "notes"]
        assert (
            txn.select("customers") == [stored] == [{"id": 1, "email": "a@x", "name": None, "active": True}]
        )
        with pytest.raises(DuplicateError) as caught:
            txn.insert("customers", {"email": "a@x"})
        assert caught.value.constraint == "uq_email"


@pytest.mark.parametrize("kind", [str, Path])
def test_a_path_may_be_a_str_or_a_path_and_its_folders_are_made(tmp_path: Path, kind: Any) -> None:
    place = kind(tmp_path / "new folder" / "100% #1?.kitdb")
    with Database.create(place, shop()) as db:
        db.transaction(lambda txn: txn.insert("notes", {"id": 1}))
    assert Path(place).is_file()
    with Database.open(place) as db, db.begin() as txn:
        assert txn.count("notes") == 1


def test_a_database_in_memory_works_and_is_forgotten() -> None:
    with Database.create(":memory:", shop()) as db:
        db.transaction(lambda txn: txn.insert("notes", {"id": 1}))
        with db.begin() as txn:
            assert txn.count("notes") == 1


def test_create_refuses_a_database_that_is_there_and_leaves_it_alone(sync_backend: Backend) -> None:
    with Database.create(sync_backend.url, shop()) as db:
        db.transaction(lambda txn: txn.insert("notes", {"id": 1}))
    with pytest.raises(ValidationError, match=r"Database\.open"):
        Database.create(sync_backend.url, shop())
    with Database.open(sync_backend.url) as db, db.begin() as txn:
        assert txn.count("notes") == 1


def test_a_wrong_schema_makes_nothing(sync_backend: Backend) -> None:
    with pytest.raises(ValidationError):
        Database.create(sync_backend.url, {"tables": [table("t", 1, [KEY], "nope")]})
    with Database.create(sync_backend.url, shop()) as db:
        assert db.table_names() == ["customers", "orders", "notes"]


def test_open_says_where_nothing_is(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"Database\.create"):
        Database.open(tmp_path / "missing.db")
    assert not (tmp_path / "missing.db").exists()
    with pytest.raises(StorageError, match="folder"):
        Database.open(tmp_path)
    (tmp_path / "text").write_text("no database, but long enough to be looked at " * 100)
    with pytest.raises(StorageError, match="no SQLite database"):
        Database.open(tmp_path / "text")


def test_open_refuses_a_database_without_a_schema(sync_backend: Backend) -> None:
    with SyncDB.from_url(sync_backend.url) as plain:
        plain.execute("CREATE TABLE t (id INTEGER)")
    with pytest.raises(ValidationError, match=r"Database\.create"):
        Database.open(sync_backend.url)


def test_open_says_what_differs_from_the_schema(sync_backend: Backend) -> None:
    Database.create(sync_backend.url, shop()).close()
    with SyncDB.from_url(sync_backend.url) as plain:
        plain.execute("DROP TABLE notes")
        plain.execute("ALTER TABLE customers RENAME COLUMN name TO called")
    with pytest.raises(StorageError) as caught:
        Database.open(sync_backend.url)
    assert "notes" in str(caught.value)
    assert "customers" in str(caught.value)
    assert "orders" not in str(caught.value).replace("fk_customer", "")


def test_open_does_not_mind_what_is_beside_the_schema(sync_backend: Backend) -> None:
    Database.create(sync_backend.url, shop()).close()
    with SyncDB.from_url(sync_backend.url) as plain:
        plain.execute("CREATE TABLE other (id INTEGER)")
        plain.execute("CREATE INDEX more ON customers (name)")
    with Database.open(sync_backend.url) as db:
        assert db.table_names() == ["customers", "orders", "notes"]


def test_set_schema_writes_nothing(make: Make, sync_backend: Backend) -> None:
    db = make(shop())
    more = shop()
    more["tables"].append(table("extra", 9, [KEY], "id"))
    db.set_schema(more)
    assert db.table_names() == ["customers", "orders", "notes", "extra"]
    with Database.open(sync_backend.url) as other:
        assert other.table_names() == ["customers", "orders", "notes"]


# Sequences


def test_a_sequence_counts_from_one_and_reserves_blocks(make: Make, sync_backend: Backend) -> None:
    db = make(shop())
    assert [db.allocate_sequence("any"), db.allocate_sequence("any", 10), db.allocate_sequence("any")] == [
        1,
        2,
        12,
    ]
    assert db.allocate_sequence("other name; '\"") == 1
    db.close()
    with Database.open(sync_backend.url) as again:
        assert again.allocate_sequence("any") > 12


@pytest.mark.parametrize("count", [0, -1, 2**63, True, 1.0])
def test_a_sequence_refuses_a_count_that_is_none(make: Make, count: Any) -> None:
    db = make(shop())
    with pytest.raises(ValidationError):
        db.allocate_sequence("any", count)
    assert db.allocate_sequence("any") == 1


@pytest.mark.parametrize("jump", [7, 10_001, 2_000_000])
def test_an_id_given_by_hand_moves_the_counter_behind_it_and_never_back(make: Make, jump: int) -> None:
    db = make(shop())
    with db.begin() as txn:
        txn.insert("customers", {"id": jump, "email": "a@x"})
        txn.insert("customers", {"id": 3, "email": "b@x"})
        assert txn.insert("customers", {"email": "c@x"})["id"] == jump + 1


def test_a_number_may_be_taken_inside_a_transaction(make: Make) -> None:
    db = make(shop())
    with db.begin() as txn:
        txn.insert("notes", {"id": db.allocate_sequence("notes")})
        txn.insert("notes", {"id": db.allocate_sequence("notes")})
        assert [row["id"] for row in txn.select("notes", order="id")] == [1, 2]


def test_many_rows_take_their_numbers_at_once(sync_backend: Backend) -> None:
    texts: list[str] = []
    with Database.create(sync_backend.url, shop(), trace=lambda told: texts.append(told.sql)) as db:
        with db.begin() as txn:
            del texts[:]
            rows = txn.insert_many("customers", [{"email": f"{n}@x"} for n in range(200)])
            few = [sql for sql in texts if "SAVEPOINT" not in sql]
        with db.begin() as txn:
            del texts[:]
            for n in range(200):
                txn.insert("customers", {"email": f"{n}@y"})
            many = list(texts)
    assert [row["id"] for row in rows] == list(range(1, 201))
    assert len(few) <= 3
    # The control: row by row each takes its own.
    assert len(many) >= 400


# Defaults


def defaults_schema() -> dict[str, Any]:
    columns = [
        KEY,
        text("note", 2, nullable=True),
        text("token", 3, default="uuid"),
        column("token2", 4, "uuid", default="uuid"),
        datetime("at", 5, default="now"),
        datetime("changed", 6, default="now", generated=True),
        text("stamp", 7, default="now"),
        text("colour", 8, default={"static": "red"}),
        text("made", 9, default={"custom_name": "made"}),
        int_("n", 10, default={"sequence": "n"}),
    ]
    return {"tables": [table("t", 1, columns, "id")]}


@pytest.mark.parametrize("verb", ["insert", "insert_many", "upsert"])
def test_defaults_apply_in_every_insert(make: Make, verb: str) -> None:
    db = make(defaults_schema())
    db.register_default("made", lambda: "by hand")
    rows: list[dict[str, Any]] = []
    with db.begin() as txn:
        for n in (1, 2):
            given = {"id": n, "colour": None}
            match verb:
                case "insert":
                    rows.append(txn.insert("t", given))
                case "insert_many":
                    rows.extend(txn.insert_many("t", [given]))
                case _:
                    rows.append(txn.upsert("t", given))
        assert txn.select("t", order="id") == rows
    first, second = rows
    assert [row["n"] for row in rows] == [1, 2]
    assert first["token"] != second["token"]
    assert uuid.UUID(first["token"]).version == first["token2"].version == 4
    assert (first["colour"], first["made"], first["note"]) == ("red", "by hand", None)
    assert first["at"].tzinfo is not None
    assert first["stamp"].endswith("Z")


def test_a_generated_now_is_refreshed_by_updates_that_do_not_name_it(make: Make) -> None:
    db = make(defaults_schema())
    db.register_default("made", lambda: "x")
    with db.begin() as txn:
        first = txn.insert("t", {"id": 1})
        second = txn.update("t", 1, {"note": "a"})
        (third,) = txn.update_where("t", set={"note": "b"}, returning=["changed", "at"])
        fourth = txn.upsert("t", {"id": 1}, on_conflict={"do_update": {"note": "c"}})
        named = txn.update("t", 1, {"changed": first["changed"]})
    assert first["changed"] < second["changed"] < third["changed"] < fourth["changed"]
    assert {row["at"] for row in (first, second, third, fourth)} == {first["at"]}
    assert named["changed"] == first["changed"]
    assert {row["token"] for row in (first, second, fourth)} == {first["token"]}


def test_a_custom_default_without_a_function_says_what_to_do(make: Make) -> None:
    db = make(defaults_schema())
    with db.begin() as txn, pytest.raises(ValidationError, match="register_default"):
        txn.insert("t", {"id": 1})


def test_a_custom_default_may_be_registered_for_all_handles(make: Make) -> None:
    class Mine(Database):
        register_default = type(vars(Database)["register_default"])()

    Mine.register_default("made", lambda: "shared")
    with Mine.create(":memory:", defaults_schema()) as db:
        assert db.transaction(lambda txn: txn.insert("t", {"id": 1}))["made"] == "shared"
        db.register_default("made", lambda: "own")
        assert db.transaction(lambda txn: txn.insert("t", {"id": 2}))["made"] == "own"


# Errors


def test_every_error_is_of_one_tree_and_says_where(make: Make) -> None:
    db = make(shop(on_delete="restrict"))
    with db.begin() as txn:
        txn.insert("customers", {"email": "a@x"})
        txn.insert("orders", {"customer_id": 1, "amount": 1.0})
        with pytest.raises(RestrictError) as caught:
            txn.delete("customers", 1)
        error = caught.value
        assert isinstance(error, KitError)
        assert (error.code, error.table, error.constraint, error.pk, error.retryable) == (
            "RESTRICT",
            "customers",
            "fk_customer",
            1,
            False,
        )
        with pytest.raises(DuplicateError) as doubled:
            txn.insert("customers", {"id": 1, "email": "b@x"})
        assert (doubled.value.code, doubled.value.constraint, doubled.value.pk) == (
            "DUPLICATE",
            "customers_pkey",
            1,
        )
    assert (ConflictError.code, ValidationError.code, StorageError.code) == (
        "CONFLICT",
        "VALIDATION",
        "STORAGE",
    )


# The asynchronous world


async def test_the_asynchronous_database_has_the_same_verbs(backend: Backend) -> None:
    async with await AsyncDatabase.create(backend.url, shop()) as db:
        async with db.begin() as txn:
            assert isinstance(txn, AsyncTransaction)
            await txn.insert_many("customers", [{"email": "a@x"}, {"email": "b@x"}])
            with pytest.raises(DuplicateError):
                await txn.insert("customers", {"email": "a@x"})
        by_hand = await db.begin()
        await by_hand.update("customers", 1, {"name": "Ann"})
        await by_hand.rollback()
        with pytest.raises(HandleClosed):
            await by_hand.count("customers")
        assert await db.allocate_sequence("any", 3) == 1
        number = await db.transaction(lambda txn: txn.count("customers", {"name": None}))
        assert number == 2
    async with await AsyncDatabase.open(backend.url) as db, db.begin() as txn:
        row = {"id": 1, "email": "a@x", "name": None, "active": True}
        assert await txn.get_by_pk("customers", 1) == row
        assert [r["id"] for r in await txn.select("customers", order="-id")] == [2, 1]


def test_both_worlds_have_the_same_names() -> None:
    def public(kind: type) -> set[str]:
        return {name for name in dir(kind) if not name.startswith("_")}

    assert public(AsyncDatabase) - public(Database) == {"begun_transaction"}
    assert public(AsyncTransaction) == public(Transaction)


def test_the_file_is_an_ordinary_one_for_other_tools(tmp_path: Path) -> None:
    with Database.create(tmp_path / "a.db", shop()) as db:
        db.transaction(lambda txn: txn.insert("notes", {"id": 1, "body": "x"}))
    connection = sqlite3.connect(tmp_path / "a.db")
    try:
        assert connection.execute("SELECT id, body FROM notes").fetchall() == [(1, "x")]
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    finally:
        connection.close()


async def test_a_kits_database_can_be_used_by_the_rows_face(tmp_path: Path) -> None:
    async with await AsyncDatabase.create(tmp_path / "a.db", shop()) as db:
        rows = DB(db.database)
        assert await rows.fetchval("SELECT count(*) FROM customers") == 0


@pytest.mark.parametrize("kind", [Database, AsyncDatabase])
def test_a_handle_is_not_made_by_its_class_but_by_create_and_open(kind: Any) -> None:
    name = kind.__name__
    with pytest.raises(UsageError) as caught:
        kind("app.db")
    assert str(caught.value) == (f"{name}.create(path, schema) makes a database, {name}.open(path) opens one")


@pytest.mark.parametrize(
    ("given", "called"),
    [
        ([table("t", 1, [KEY], "id")], "a list"),
        (table("t", 1, [KEY], "id"), "one table alone"),
        (None, "a NoneType"),
        ("[]", "a list"),
    ],
    ids=["list of tables", "table", "None", "JSON of a list"],
)
def test_what_is_no_schema_is_told_its_shape(given: Any, called: str, tmp_path: Path) -> None:
    with pytest.raises(ValidationError) as caught:
        Database.create(tmp_path / "app.db", given)
    assert str(caught.value) == f'schema: a schema is {{"tables": [table, …]}}, not {called}'
