"""The kit's writes: what goes in, what comes back, what is refused and leaves everything as it was."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from kit.conftest import Make
from kit.shop import shop
from rowstead.kit import (
    Database,
    DuplicateError,
    ForeignKeyError,
    NotFound,
    RestrictError,
    UndefinedColumnError,
    UndefinedTableError,
    ValidationError,
    fk,
    json_col,
    table,
    text,
)
from rowstead.kit import int as int_


@pytest.fixture
def db(make: Make) -> Database:
    """The shop with customers 1 to 3."""
    database = make(shop())
    with database.begin() as txn:
        txn.insert_many("customers", [{"email": f"{c}@x"} for c in "abc"])
    return database


def everything(db: Database, name: str = "customers") -> list[dict[str, Any]]:
    with db.begin() as txn:
        return txn.select(name, order="id")


def test_insert_gives_the_stored_row_in_the_schemas_order(db: Database) -> None:
    with db.begin() as txn:
        row = txn.insert("customers", {"name": "Di", "email": "d@x"})
        assert row == txn.get_by_pk("customers", 4)
    assert list(row.items()) == [("id", 4), ("email", "d@x"), ("name", "Di"), ("active", True)]


@pytest.mark.parametrize("verb", ["insert", "insert_many", "update", "update_where", "upsert", "patch"])
def test_a_key_that_is_no_column_is_refused_with_a_suggestion(db: Database, verb: str) -> None:
    before = everything(db)
    wrong = {"emial": "x"}
    with db.begin() as txn, pytest.raises(ValidationError, match="did you mean 'email'") as caught:
        match verb:
            case "insert":
                txn.insert("customers", wrong)
            case "insert_many":
                txn.insert_many("customers", [{"email": "d@x"}, wrong])
            case "update":
                txn.update("customers", 1, wrong)
            case "update_where":
                txn.update_where("customers", set=wrong)
            case "upsert":
                txn.upsert("customers", wrong)
            case _:
                txn.upsert("customers", {"id": 1, "email": "a@x"}, on_conflict={"do_update": wrong})
    assert isinstance(caught.value, UndefinedColumnError)
    assert caught.value.table == "customers"
    assert everything(db) == before


@pytest.mark.parametrize("row", ['{"email": "d@x"}', ["d@x"], None, 5])
def test_a_row_is_a_dict_and_nothing_else(db: Database, row: Any) -> None:
    with db.begin() as txn:
        with pytest.raises(ValidationError):
            txn.insert("customers", row)
        with pytest.raises(ValidationError):
            txn.insert_many("customers", [{"email": "d@x"}, row])
    assert len(everything(db)) == 3


def test_a_table_that_is_not_there_is_named_with_a_suggestion(db: Database) -> None:
    with db.begin() as txn, pytest.raises(UndefinedTableError, match="did you mean 'customers'"):
        txn.insert("custommers", {"email": "d@x"})


# Many rows


KINDS: dict[str, Any] = {
    "list": list,
    "tuple": tuple,
    "generator": iter,
    "dict values": lambda rows: dict(enumerate(rows)).values(),
}


@pytest.mark.parametrize("kind", KINDS)
def test_insert_many_takes_any_iterable_and_keeps_its_order(db: Database, kind: str) -> None:
    given = [{"email": f"n{n}@x", "name": f"n{n}"} for n in (3, 1, 2)]
    with db.begin() as txn:
        rows = txn.insert_many("customers", KINDS[kind](given))
        assert rows == txn.select("customers", {"id": {"gt": 3}}, order="id")
    assert [(row["id"], row["email"]) for row in rows] == [(4, "n3@x"), (5, "n1@x"), (6, "n2@x")]


def test_insert_many_takes_rows_that_name_different_columns(db: Database) -> None:
    with db.begin() as txn:
        given = [{"email": "d@x"}, {"name": "E", "email": "e@x"}, {"active": False, "email": "f@x"}]
        rows = txn.insert_many("customers", given)
    assert [(r["id"], r["name"], r["active"]) for r in rows] == [
        (4, None, True),
        (5, "E", True),
        (6, None, False),
    ]
    assert everything(db)[3:] == rows


@pytest.mark.parametrize("returning", [True, False])
def test_insert_many_of_nothing_gives_nothing(db: Database, returning: bool) -> None:
    with db.begin() as txn:
        result: Any = txn.insert_many("customers", [], returning=returning)
    assert result == ([] if returning else 0)


BAD: dict[str, tuple[dict[str, Any], type[Exception]]] = {
    "duplicate": ({"email": "a@x"}, DuplicateError),
    "too long": ({"email": "z@x", "name": "x" * 11}, ValidationError),
    "no email": ({"name": "x"}, ValidationError),
    "wrong type": ({"email": 5}, ValidationError),
}


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("returning", [True, False])
def test_insert_many_keeps_all_or_nothing_by_itself(db: Database, bad: str, returning: bool) -> None:
    row, error = BAD[bad]
    before = everything(db)
    with db.begin() as txn:
        txn.update("customers", 1, {"name": "kept"})
        good: list[dict[str, Any]] = [{"email": f"{n}@many"} for n in range(30)]
        with pytest.raises(error):
            txn.insert_many("customers", [*good, row, *good], returning=returning)
    assert everything(db) == [{**before[0], "name": "kept"}, *before[1:]]


def test_an_iterable_that_fails_keeps_nothing(db: Database) -> None:
    def rows() -> Iterator[dict[str, Any]]:
        yield {"email": "d@x"}
        raise ZeroDivisionError

    with db.begin() as txn, pytest.raises(ZeroDivisionError):
        txn.insert_many("customers", rows())
    assert len(everything(db)) == 3


def test_a_foreign_key_that_many_rows_break_is_named(db: Database) -> None:
    with db.begin() as txn, pytest.raises(ForeignKeyError) as caught:
        txn.insert_many("orders", [{"customer_id": 1, "amount": 1}, {"customer_id": 99, "amount": 1}])
    assert (caught.value.table, caught.value.constraint) == ("orders", "fk_customer")
    assert everything(db, "orders") == []


def peak(db: Database, count: int, returning: bool) -> int:
    """Bytes at most, while so many rows are inserted from a generator, in a transaction not kept."""
    txn = db.begin()
    tracemalloc.start()
    try:
        rows: Iterable[dict[str, Any]] = ({"id": n, "body": "x"} for n in range(count))
        txn.insert_many("notes", rows, returning=returning)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        txn.rollback()


def test_rows_that_nobody_asks_back_take_no_more_memory_when_they_are_more(make: Make) -> None:
    db = make(shop())
    peak(db, 20_000, False)
    flat = peak(db, 80_000, False) / peak(db, 20_000, False)
    assert flat < 1.5
    # The control: rows that are asked back are held, and then four times as many are seen.
    assert peak(db, 80_000, True) / peak(db, 20_000, True) > 2


# Keys


def links() -> dict[str, Any]:
    columns = [int_("a", 1, primary_key=True), text("b", 2, primary_key=True), text("c", 3, nullable=True)]
    return {"tables": [table("links", 1, columns, ["a", "b"])]}


@pytest.mark.parametrize("pk", [[1, "x"], (1, "x"), {"b": "x", "a": 1}, {"a": 1, "b": "x", "more": 2}])
def test_a_composite_key_is_a_list_a_tuple_or_a_dict(make: Make, pk: Any) -> None:
    db = make(links())
    with db.begin() as txn:
        txn.insert_many("links", [{"a": 1, "b": "x"}, {"a": 1, "b": "y"}])
        assert txn.get_by_pk("links", pk) == {"a": 1, "b": "x", "c": None}
        assert txn.update("links", pk, {"c": "z"})["c"] == "z"
        txn.delete("links", pk)
        assert txn.select("links") == [{"a": 1, "b": "y", "c": None}]


@pytest.mark.parametrize("pk", [1, "1,x", [1], (1, "x", 2), {"a": 1}, None, [None, "x"], ["1", "x"]])
def test_a_key_of_another_shape_or_type_is_refused(make: Make, pk: Any) -> None:
    db = make(links())
    with db.begin() as txn, pytest.raises(ValidationError):
        txn.get_by_pk("links", pk)


@pytest.mark.parametrize("pk", ["1", 1.0, True, None, {"email": "a@x"}])
def test_a_simple_key_is_of_its_type(db: Database, pk: Any) -> None:
    with db.begin() as txn, pytest.raises(ValidationError):
        txn.get_by_pk("customers", pk)


def test_a_simple_key_may_stand_in_a_dict_or_a_list(db: Database) -> None:
    with db.begin() as txn:
        assert txn.get_by_pk("customers", {"id": 2}) == txn.get_by_pk("customers", [2])
        assert txn.get_by_pk("customers", 77) is None


# By key


def test_update_changes_what_the_patch_names(db: Database) -> None:
    with db.begin() as txn:
        assert txn.update("customers", 1, {"name": "Ann"})["name"] == "Ann"
        assert txn.update("customers", 1, {}) == txn.get_by_pk("customers", 1)
        assert txn.update("customers", 1, {"name": None})["name"] is None
        with pytest.raises(ValidationError) as caught:
            txn.update("customers", 1, {"email": None})
        assert caught.value.column == "email"
        with pytest.raises(NotFound):
            txn.update("customers", 77, {})


def test_an_update_to_the_same_unique_value_is_fine(db: Database) -> None:
    with db.begin() as txn:
        assert txn.update("customers", 1, {"email": "a@x"})["email"] == "a@x"
        with pytest.raises(DuplicateError):
            txn.update("customers", 1, {"email": "b@x"})
        txn.delete("customers", 2)
        assert txn.update("customers", 1, {"email": "b@x"})["email"] == "b@x"


def test_insert_returning_gives_these_columns_in_this_order(db: Database) -> None:
    with db.begin() as txn:
        assert list(txn.insert_returning("customers", {"email": "d@x"}, ["active", "id"]).items()) == [
            ("active", True),
            ("id", 4),
        ]
        assert txn.insert_returning("customers", {"email": "e@x"}, []) == {}
        with pytest.raises(UndefinedColumnError):
            txn.insert_returning("customers", {"email": "f@x"}, ["idd"])
    assert [row["email"] for row in everything(db)][3:] == ["d@x", "e@x"]


FORMS: list[Any] = [
    {"do_update": {"set": {"name": "Ann"}}},
    {"do_update": {"name": "Ann"}},
    {"set": {"name": "Ann"}},
    {"action": "do_update", "set": {"name": "Ann"}},
]
NOTHING: list[Any] = [None, "do_nothing", {"do_nothing": True}, {"do_nothing": {}}, {"action": "do_nothing"}]


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_upsert_patches_the_row_that_is_there(db: Database, form: Any) -> None:
    with db.begin() as txn:
        old = txn.get_by_pk("customers", 1)
        assert old is not None
        proposed = {"id": 1, "email": "z@x", "active": False}
        assert txn.upsert("customers", proposed, on_conflict=form) == {**old, "name": "Ann"}
        assert txn.upsert("customers", {"id": 8, "email": "h@x"}, on_conflict=form)["name"] is None
        assert txn.upsert("customers", proposed, on_conflict=form, returning=["name"]) == {"name": "Ann"}
        assert txn.count("customers") == 4


@pytest.mark.parametrize("form", NOTHING, ids=str)
def test_upsert_leaves_the_row_that_is_there(db: Database, form: Any) -> None:
    with db.begin() as txn:
        old = txn.get_by_pk("customers", 1)
        assert txn.upsert("customers", {"id": 1, "email": "z@x"}, on_conflict=form) == old
        assert txn.upsert("customers", {"id": 8, "email": "h@x"}, on_conflict=form)["id"] == 8


@pytest.mark.parametrize(
    "form", ["do_update", "nothing", {"update": {}}, 5, {"do_update": {"set": 1}}], ids=str
)
def test_upsert_refuses_what_it_does_not_know(db: Database, form: Any) -> None:
    with db.begin() as txn, pytest.raises(ValidationError):
        txn.upsert("customers", {"id": 1, "email": "z@x"}, on_conflict=form)


def test_upsert_onto_another_rows_unique_value_is_refused(db: Database) -> None:
    with db.begin() as txn, pytest.raises(DuplicateError) as caught:
        txn.upsert("customers", {"id": 8, "email": "a@x"}, on_conflict={"set": {"name": "x"}})
    assert caught.value.constraint == "uq_email"


# By condition


def test_update_where_changes_all_that_match_in_one_statement(make: Make, sync_backend: Any) -> None:
    texts: list[str] = []
    with Database.create(sync_backend.url, shop(), trace=lambda told: texts.append(told.sql)) as db:
        txn = db.begin()
        with txn:
            txn.insert_many("customers", [{"email": f"{n}@x"} for n in range(10)])
            del texts[:]
            changed = txn.update_where(
                "customers", set={"name": "x"}, filter={"id": {"lte": 4}}, returning=["id"]
            )
            statements = [sql for sql in texts if "SAVEPOINT" not in sql]
            assert sorted(row["id"] for row in changed) == [1, 2, 3, 4]
            assert len(statements) == 1
            assert txn.update_where("customers", set={"name": "y"}) == [{}] * 10
            assert txn.update_where("customers", set={"name": "y"}, filter={"id": 77}) == []
            removed = txn.delete_where("customers", filter={"id": {"gt": 8}}, returning=["id", "name"])
            assert sorted(removed, key=lambda row: row["id"]) == [
                {"id": 9, "name": "y"},
                {"id": 10, "name": "y"},
            ]
            assert txn.delete_where("customers") == [{}] * 8
            assert txn.count("customers") == 0


def test_update_where_holds_to_every_constraint(db: Database) -> None:
    before = everything(db)
    with db.begin() as txn:
        with pytest.raises(DuplicateError):
            txn.update_where("customers", set={"email": "same@x"})
        with pytest.raises(ValidationError):
            txn.update_where("customers", set={"name": "x" * 11})
        with pytest.raises(ValidationError):
            txn.update_where("customers", set={})
        with pytest.raises(ValidationError):
            txn.update_where("customers", set={"name": "x"}, filter={"nope": 1})
    assert everything(db) == before


def test_a_condition_may_ask_other_tables_about_the_row(db: Database) -> None:
    with db.begin() as txn:
        txn.insert("orders", {"customer_id": 2, "amount": 1.0})
        has_orders = {"exists": {"table": "orders", "filter": {"customer_id": "$outer.id"}}}
        assert [row["id"] for row in txn.select("customers", has_orders)] == [2]
        assert len(txn.update_where("customers", set={"name": "buys"}, filter=has_orders)) == 1
        assert [row["id"] for row in txn.select("customers", {"name": "buys"})] == [2]


def test_truncate_empties_a_table_that_nobody_refers_to(db: Database) -> None:
    with db.begin() as txn:
        txn.insert("notes", {"id": 1})
        txn.truncate("notes")
        assert txn.count("notes") == 0
        with pytest.raises(RestrictError) as caught:
            txn.truncate("customers")
        assert caught.value.constraint == "fk_customer"
        assert txn.count("customers") == 3


def test_truncate_empties_a_table_whose_rows_refer_to_each_other(make: Make) -> None:
    columns = [int_("id", 1, primary_key=True), int_("p", 2, nullable=True)]
    db = make({"tables": [table("n", 1, columns, "id", foreign_keys=[fk("f", "p", "n", "id")])]})
    with db.begin() as txn:
        pairs = [(1, None), (2, 1), (3, 2), (4, 2), (5, 5)]
        txn.insert_many("n", [{"id": i, "p": p} for i, p in pairs])
        txn.truncate("n")
        assert txn.count("n") == 0


def test_json_comes_back_as_it_is_stored(make: Make) -> None:
    db = make(
        {"tables": [table("t", 1, [int_("id", 1, primary_key=True), json_col("j", 2, nullable=True)], "id")]}
    )
    values: list[Any] = [{"b": 1, "a": [1, None]}, [1, "x"], "text", None]
    with db.begin() as txn:
        rows = txn.insert_many("t", [{"id": n, "j": value} for n, value in enumerate(values)])
        assert [row["j"] for row in rows] == values
        assert txn.select("t", order="id") == rows
