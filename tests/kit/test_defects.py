"""Defects of the earlier package in writing and in transactions, each shown not to be ours.

The ids are the catalogue's. Those of reading, schema and migrations stand beside their subjects.
"""

from __future__ import annotations

from typing import Any

import pytest

from conftest import Backend
from kit.conftest import Make
from kit.shop import shop
from rowstead.kit import (
    ConflictError,
    Database,
    DuplicateError,
    ForeignKeyError,
    IntegrityError,
    NotFound,
    ValidationError,
    check,
    fk,
    table,
    text,
    timestamp,
    unique,
)
from rowstead.kit import int as int_

SHOPPERS = [{"email": "a@x"}, {"email": "b@x"}, {"email": "c@x"}]


@pytest.fixture
def db(make: Make) -> Database:
    """The shop with three customers, 1 to 3."""
    database = make(shop())
    with database.begin() as txn:
        txn.insert_many("customers", SHOPPERS)
    return database


def all_of(db: Database, name: str) -> list[dict[str, Any]]:
    with db.begin() as txn:
        return txn.select(name, order="id")


def emails(db: Database) -> dict[int, str]:
    return {row["id"]: row["email"] for row in all_of(db, "customers")}


def test_kit_d09_insert_then_delete_of_one_row_leaves_the_others_alone(db: Database) -> None:
    with db.begin() as txn:
        made = txn.insert("customers", {"email": "d@x"})
        txn.delete("customers", made["id"])
    assert emails(db) == {1: "a@x", 2: "b@x", 3: "c@x"}


def test_kit_d09b_insert_then_update_of_one_row_changes_that_row(db: Database) -> None:
    with db.begin() as txn:
        made = txn.insert("customers", {"email": "d@x"})
        txn.update("customers", made["id"], {"email": "e@x"})
    assert emails(db) == {1: "a@x", 2: "b@x", 3: "c@x", made["id"]: "e@x"}


def test_kit_d10_a_row_inserted_in_the_transaction_can_be_deleted(db: Database) -> None:
    with db.begin() as txn:
        txn.insert("notes", {"id": 1, "body": "x"})
        txn.delete("notes", 1)
        assert txn.get_by_pk("notes", 1) is None
    assert all_of(db, "notes") == []


def test_kit_d11_a_row_inserted_in_the_transaction_can_be_updated(db: Database) -> None:
    with db.begin() as txn:
        txn.insert("notes", {"id": 1, "body": "x"})
        assert txn.update("notes", 1, {"body": "y"}) == {"id": 1, "body": "y"}
    assert all_of(db, "notes") == [{"id": 1, "body": "y"}]


def test_kit_d12_a_second_update_keeps_the_first(db: Database) -> None:
    with db.begin() as txn:
        txn.update("customers", 1, {"name": "Ann"})
        txn.update("customers", 1, {"active": False})
    assert all_of(db, "customers")[0] == {"id": 1, "email": "a@x", "name": "Ann", "active": False}


@pytest.mark.parametrize(
    ("name", "pk", "patch", "column"),
    [("notes", 1, {"body": "x" * 11}, "body"), ("orders", 1, {"amount": -1.0}, "amount")],
)
def test_kit_d13_update_holds_to_ranges_and_lengths(
    db: Database, name: str, pk: int, patch: dict[str, Any], column: str
) -> None:
    with db.begin() as txn:
        txn.insert("notes", {"id": 1, "body": "x"})
        before = txn.insert("orders", {"customer_id": 1, "amount": 5.0})
        with pytest.raises(ValidationError) as caught:
            txn.update(name, pk, patch)
        assert (caught.value.table, caught.value.column) == (name, column)
    assert all_of(db, "notes") == [{"id": 1, "body": "x"}]
    assert all_of(db, "orders") == [before]


def test_kit_d14_update_holds_to_foreign_keys(db: Database) -> None:
    with db.begin() as txn:
        order = txn.insert("orders", {"customer_id": 1, "amount": 5.0})
        with pytest.raises(ForeignKeyError) as caught:
            txn.update("orders", order["id"], {"customer_id": 99})
        assert caught.value.constraint == "fk_customer"
    assert all_of(db, "orders") == [order]


def test_kit_d15_update_of_the_key_moves_the_row(db: Database) -> None:
    with db.begin() as txn:
        txn.insert("notes", {"id": 1, "body": "x"})
        assert txn.update("notes", 1, {"id": 7}) == {"id": 7, "body": "x"}
    assert all_of(db, "notes") == [{"id": 7, "body": "x"}]


def test_kit_d16_update_of_the_key_onto_another_row_is_refused(db: Database) -> None:
    rows = [{"id": 1, "body": "x"}, {"id": 2, "body": "y"}]
    with db.begin() as txn:
        txn.insert_many("notes", rows)
        with pytest.raises(DuplicateError):
            txn.update("notes", 1, {"id": 2})
    assert all_of(db, "notes") == rows


def test_kit_d17_a_self_referencing_cascade_takes_the_whole_branch(make: Make) -> None:
    parent = fk("fk_parent", "parent_id", "nodes", "id", on_delete="cascade")
    columns = [int_("id", 1, primary_key=True), int_("parent_id", 2, nullable=True)]
    db = make({"tables": [table("nodes", 1, columns, "id", foreign_keys=[parent])]})
    with db.begin() as txn:
        pairs = [(1, None), (2, 1), (3, 2), (4, 3), (5, None)]
        txn.insert_many("nodes", [{"id": i, "parent_id": p} for i, p in pairs])
        txn.delete("nodes", 2)
    assert [row["id"] for row in all_of(db, "nodes")] == [1, 5]


def test_kit_d18_a_foreign_key_to_a_unique_column_holds(make: Make) -> None:
    users = table(
        "users",
        1,
        [int_("id", 1, primary_key=True), text("email", 2)],
        "id",
        unique_constraints=[unique("uq", "email")],
    )
    logins = table(
        "logins",
        2,
        [int_("id", 1, primary_key=True), text("email", 2)],
        "id",
        foreign_keys=[fk("fk_email", "email", "users", "email")],
    )
    db = make({"tables": [users, logins]})
    with db.begin() as txn:
        txn.insert("users", {"id": 7, "email": "a@x"})
        txn.insert("logins", {"id": 1, "email": "a@x"})
        with pytest.raises(ForeignKeyError) as caught:
            txn.insert("logins", {"id": 2, "email": "b@x"})
        assert caught.value.constraint == "fk_email"
    assert all_of(db, "logins") == [{"id": 1, "email": "a@x"}]


def test_kit_d19_a_timestamp_can_be_now_by_default(make: Make) -> None:
    columns = [int_("id", 1, primary_key=True), timestamp("at", 2, default="now")]
    db = make({"tables": [table("events", 1, columns, "id")]})
    with db.begin() as txn:
        first = txn.insert("events", {"id": 1})
        second = txn.insert("events", {"id": 2})
    assert first["at"] <= second["at"]
    assert all_of(db, "events") == [first, second]


def test_kit_d22_a_text_key_is_given_as_a_str(make: Make) -> None:
    columns = [text("code", 1, primary_key=True), int_("n", 2)]
    db = make({"tables": [table("codes", 1, columns, "code")]})
    with db.begin() as txn:
        for code in ("abc", "1", '{"code": "abc"}', "2024-01-01"):
            txn.insert("codes", {"code": code, "n": 1})
            assert txn.get_by_pk("codes", code) == {"code": code, "n": 1}
            assert txn.update("codes", code, {"n": 2}) == {"code": code, "n": 2}
        txn.delete("codes", '{"code": "abc"}')
        assert txn.get_by_pk("codes", "abc") == {"code": "abc", "n": 2}
        assert txn.count("codes") == 3


def test_kit_d23_on_conflict_takes_the_str_do_nothing(db: Database) -> None:
    with db.begin() as txn:
        stored = txn.upsert("customers", {"id": 1, "email": "z@x"}, on_conflict="do_nothing")
    assert stored == {"id": 1, "email": "a@x", "name": None, "active": True}
    assert emails(db)[1] == "a@x"


def test_kit_d24_upsert_returns_what_it_stored(db: Database) -> None:
    with db.begin() as txn:
        row = {"id": 1, "email": "z@x", "active": False}
        stored = txn.upsert("customers", row, on_conflict={"do_update": {"set": {"name": "Ann"}}})
    assert stored == {"id": 1, "email": "a@x", "name": "Ann", "active": True}
    assert all_of(db, "customers")[0] == stored


def test_kit_d25_after_an_upsert_the_unique_constraint_holds_what_is_stored(db: Database) -> None:
    with db.begin() as txn:
        txn.upsert("customers", {"id": 1, "email": "z@x"}, on_conflict={"set": {"name": "Ann"}})
    with db.begin() as txn:
        with pytest.raises(DuplicateError) as caught:
            txn.insert("customers", {"email": "a@x"})
        assert caught.value.constraint == "uq_email"
        txn.insert("customers", {"email": "z@x"})
    assert sorted(emails(db).values()) == ["a@x", "b@x", "c@x", "z@x"]


def test_kit_d33_no_read_of_a_transaction_sees_later_commits(db: Database) -> None:
    reader = db.begin()
    with db.begin() as writer:
        writer.update("customers", 1, {"name": "late"})
        writer.insert("customers", {"id": 9, "email": "late@x"})
    seen = (
        reader.get_by_pk("customers", 1),
        reader.get_by_pk("customers", 9),
        reader.select("customers", filter={"id": {"gte": 9}}),
        reader.select("customers", filter={"email": "late@x"}),
        reader.count("customers"),
        [row["name"] for row in reader.select("customers")],
    )
    reader.rollback()
    row = {"id": 1, "email": "a@x", "name": None, "active": True}
    assert seen == (row, None, [], [], 3, [None, None, None])
    assert emails(db)[9] == "late@x"


def test_kit_d34_an_update_does_not_bring_back_a_row_deleted_meanwhile(db: Database) -> None:
    late = db.begin()
    with db.begin() as txn:
        txn.delete("customers", 1)
    with pytest.raises(ConflictError) as caught:
        late.update("customers", 1, {"name": "back"})
    late.rollback()
    assert caught.value.retryable
    assert 1 not in emails(db)


def test_kit_d35_after_truncate_a_unique_value_is_free(make: Make) -> None:
    columns = [int_("id", 1, primary_key=True), text("code", 2)]
    db = make({"tables": [table("t", 1, columns, "id", unique_constraints=[unique("uq", "code")])]})
    with db.begin() as txn:
        txn.insert("t", {"id": 1, "code": "a"})
        txn.truncate("t")
        txn.insert("t", {"id": 2, "code": "a"})
    assert all_of(db, "t") == [{"id": 2, "code": "a"}]


RULES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "enum": ({"enum_values": ["a", "b"]}, {"s": "c"}),
    "regex": ({"regex": "^[a-z]+$"}, {"s": "A1"}),
    "check_expr": ({"check_expr": "s != 'no'"}, {"s": "no"}),
    "check": ({}, {"s": "x", "n": -1}),
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("verb", ["insert", "insert_many", "upsert", "update", "update_where"])
def test_kit_d36_every_rule_is_held_to_at_the_statement(make: Make, rule: str, verb: str) -> None:
    options, broken = RULES[rule]
    columns = [int_("id", 1, primary_key=True), text("s", 2, **options), int_("n", 3, default={"static": 0})]
    db = make({"tables": [table("t", 1, columns, "id", check_constraints=[check("ck_n", "n >= 0")])]})
    sound = {"id": 1, "s": "a", "n": 0}
    with db.begin() as txn:
        txn.insert("t", sound)
        row = {"id": 2, **broken}
        with pytest.raises(ValidationError):
            match verb:
                case "insert":
                    txn.insert("t", row)
                case "insert_many":
                    txn.insert_many("t", [{"id": 3, "s": "a"}, row])
                case "upsert":
                    txn.upsert("t", row)
                case "update":
                    txn.update("t", 1, broken)
                case _:
                    txn.update_where("t", set=broken)
    assert all_of(db, "t") == [sound]


REFUSE = {
    "sqlite": [
        "CREATE TRIGGER no_spam BEFORE INSERT ON notes WHEN NEW.body = 'spam' "
        "BEGIN SELECT RAISE(ABORT, 'no spam'); END"
    ],
    "psycopg": [
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'no spam' USING ERRCODE = 'check_violation'; END $$",
        "CREATE TRIGGER no_spam BEFORE INSERT ON notes FOR EACH ROW "
        "WHEN (NEW.body = 'spam') EXECUTE FUNCTION refuse()",
    ],
}


def test_kit_d39_a_trigger_made_by_a_migration_refuses_with_a_typed_error(
    db: Database, sync_backend: Backend
) -> None:
    ops = [{"raw_sql": sql} for sql in REFUSE[sync_backend.name]]
    db.migrate([{"version": 1, "name": "no spam", "ops": ops}])
    with db.begin() as txn:
        with pytest.raises(IntegrityError, match="no spam"):
            txn.insert("notes", {"id": 1, "body": "spam"})
        txn.insert("notes", {"id": 2, "body": "eggs"})
    assert all_of(db, "notes") == [{"id": 2, "body": "eggs"}]


def test_kit_d40_a_huge_limit_with_an_offset_is_no_panic(db: Database) -> None:
    with db.begin() as txn:
        rows = txn.select("customers", order="id", limit=2**63 - 1, offset=2)
        assert [row["id"] for row in rows] == [3]
        assert txn.select("customers", limit=2**63 - 1, offset=2**63 - 1) == []
        assert len(txn.select("customers", limit=2**64, offset=1)) == 2
        with pytest.raises(ValidationError):
            txn.select("customers", limit=-1)


def test_kit_d41_a_sequence_never_meets_an_id_that_was_given(db: Database) -> None:
    with db.begin() as txn:
        txn.insert("customers", {"id": 5, "email": "e@x"})
        txn.insert_many("customers", [{"email": "f@x"}, {"id": 9, "email": "g@x"}, {"email": "h@x"}])
        after = txn.insert("customers", {"email": "i@x"})
        txn.update("customers", after["id"], {"id": 50})
        last = txn.insert("customers", {"email": "j@x"})
    found = emails(db)
    assert sorted(found.values()) == [f"{c}@x" for c in "abcefghij"]
    assert found[5] == "e@x"
    assert found[9] == "g@x"
    assert last["id"] > 50


def test_a_missing_row_is_not_found(db: Database) -> None:
    with db.begin() as txn:
        with pytest.raises(NotFound) as caught:
            txn.update("customers", 99, {"name": "x"})
        assert (caught.value.table, caught.value.pk) == ("customers", 99)
        with pytest.raises(NotFound):
            txn.delete("customers", 99)
