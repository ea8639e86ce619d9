"""An error of a write says which row it is about: by its key, and of many by its place among them."""

from __future__ import annotations

import datetime as moment
from typing import Any

import pytest

from conftest import Backend
from kit.conftest import Make
from rowstead.kit import (
    CheckError,
    Database,
    DuplicateError,
    ForeignKeyError,
    NotNullError,
    RestrictError,
    RowsteadError,
    Transaction,
    UndefinedColumnError,
    ValidationError,
    datetime,
    fk,
    interval_col,
    json_col,
    table,
    text,
    unique,
)
from rowstead.kit import int as int_


def schema() -> dict[str, Any]:
    columns = [
        int_("id", 1, primary_key=True, default={"sequence": "ids"}),
        int_("n", 2, nullable=True, max=5),
        text("a", 3, default={"static": ""}),
        text("b", 4, nullable=True),
    ]
    check = {"name": "different", "expr": "a != b"}
    keys = [unique("uq_b", "b"), unique("uq_ab", ["n", "a"])]
    return {"tables": [table("t", 1, columns, "id", unique_constraints=keys, check_constraints=[check])]}


@pytest.fixture
def db(make: Make) -> Database:
    return make(schema())


def refused(txn: Transaction, rows: list[Any]) -> RowsteadError:
    before = txn.select("t")
    with pytest.raises(RowsteadError) as caught:
        txn.insert_many("t", rows, returning=False)
    assert txn.select("t") == before
    assert f"place {caught.value.place} " in str(caught.value)
    return caught.value


WRONG: list[tuple[Any, type[RowsteadError], Any]] = [
    ({"id": 77, "n": 9}, CheckError, 77),
    ({"id": 77, "n": "9"}, ValidationError, 77),
    ({"n": 9}, CheckError, None),
    ({"id": 77, "b": "x", "a": "x"}, CheckError, 77),
    ({"id": 77, "colour": 1}, UndefinedColumnError, 77),
    ({"id": 2**70}, ValidationError, 2**70),
    (5, ValidationError, None),
    ({"id": 77, "b": "\ud800"}, ValidationError, 77),
]


@pytest.mark.parametrize("place", [0, 7, 10_003])
@pytest.mark.parametrize(("row", "kind", "pk"), WRONG)
def test_what_python_refuses_names_the_row(
    db: Database, row: Any, kind: type[RowsteadError], pk: Any, place: int
) -> None:
    rows: list[Any] = [{"id": number + 100, "b": str(number)} for number in range(10_010)]
    rows[place] = row
    with db.begin() as txn:
        error = refused(txn, rows)
    assert (type(error), error.pk, error.place) == (kind, pk, place)
    assert error.table == "t"


TAKEN: list[tuple[dict[str, Any], str]] = [
    ({"id": 1}, "t_pkey"),
    ({"b": "first"}, "uq_b"),
    ({"n": 1, "a": "one"}, "uq_ab"),
    ({"b": "5"}, "uq_b"),
    ({"id": 105}, "t_pkey"),
]


@pytest.mark.parametrize("count", [10, 200, 10_020])
@pytest.mark.parametrize(("change", "name"), TAKEN)
def test_a_duplicate_names_the_row(db: Database, change: dict[str, Any], name: str, count: int) -> None:
    """What is stored already, and what another of the rows has; in the first chunk and behind it."""
    rows = [{"id": number + 100, "n": None, "a": "", "b": str(number)} for number in range(count)]
    place = count - 3
    rows[place] |= change
    with db.begin() as txn:
        txn.insert("t", {"id": 1, "n": 1, "a": "one", "b": "first"})
        error = refused(txn, rows)
    assert isinstance(error, DuplicateError)
    assert (error.constraint, error.pk, error.place) == (name, rows[place]["id"], place)


def test_one_row_is_named_by_its_key(db: Database) -> None:
    with db.begin() as txn:
        txn.insert("t", {"id": 1, "b": "one"})
        for write in (
            lambda: txn.insert("t", {"id": 9, "n": 9}),
            lambda: txn.upsert("t", {"id": 9, "n": 9}),
            lambda: txn.insert("t", {"id": 9, "b": "one"}),
            lambda: txn.update("t", 9, {"n": 9}),
            lambda: txn.update("t", 9, {"a": None}),
        ):
            with pytest.raises((CheckError, DuplicateError, NotNullError)) as caught:
                write()
            assert (caught.value.table, caught.value.pk, caught.value.place) == ("t", 9, None)


@pytest.mark.parametrize("verb", ["insert", "update", "update_where", "upsert"])
def test_a_check_reads_the_same_whoever_found_it_broken(db: Database, verb: str) -> None:
    """Of an insert we find it, of the others the database, which tells only the name."""
    with db.begin() as txn:
        txn.insert("t", {"id": 1, "a": "x", "b": "y"})
        with pytest.raises(CheckError) as caught:
            match verb:
                case "insert":
                    txn.insert("t", {"a": "y", "b": "y"})
                case "update":
                    txn.update("t", 1, {"a": "y"})
                case "update_where":
                    txn.update_where("t", set={"a": "y"})
                case _:
                    txn.upsert("t", {"id": 1}, {"do_update": {"set": {"a": "y"}}})
        assert str(caught.value) == "t: CHECK constraint 'different' failed: a != b"
        assert (caught.value.constraint, caught.value.table) == ("different", "t")
        assert txn.get_by_pk("t", 1) == {"id": 1, "n": None, "a": "x", "b": "y"}


def test_a_missing_parent_is_told_alike(make: Make) -> None:
    child = [int_("id", 1), int_("up", 2, nullable=True)]
    keys = [fk("fk_up", "up", "p", "id", on_update="restrict")]
    db = make(
        {"tables": [table("p", 1, [int_("id", 1)], "id"), table("c", 2, child, "id", foreign_keys=keys)]}
    )
    with db.begin() as txn:
        txn.insert("p", {"id": 1})
        txn.insert("c", {"id": 1, "up": 1})
        for write in (lambda: txn.insert("c", {"id": 2, "up": 9}), lambda: txn.update("c", 1, {"up": 9})):
            with pytest.raises(ForeignKeyError, match="fk_up") as caught:
                write()
            assert (caught.value.table, caught.value.column) == ("c", "up")
            assert "others refer" not in str(caught.value)


def test_set_null_where_null_cannot_be_is_the_key_that_refuses(make: Make) -> None:
    """Beside a key that restricts and has no rows."""
    row = [int_("id", 1), int_("x", 2)]
    tables = [
        table("a", 1, [int_("id", 1)], "id"),
        table("m", 2, row, "id", foreign_keys=[fk("r", "x", "a", "id")]),
        table("nn", 3, row, "id", foreign_keys=[fk("q", "x", "a", "id", on_delete="set_null")]),
    ]
    db = make({"tables": tables})
    with db.begin() as txn:
        txn.insert_many("a", [{"id": 1}, {"id": 2}])
        txn.insert("nn", {"id": 1, "x": 1})
        txn.insert("m", {"id": 1, "x": 2})
        for write, name in (
            (lambda: txn.delete("a", 1), "q"),
            (lambda: txn.delete_where("a", filter={"id": 1}), "q"),
            (lambda: txn.delete("a", 2), "r"),
        ):
            with pytest.raises(RestrictError) as caught:
                write()
            assert caught.value.constraint == name


def test_values_that_cannot_be_stored_name_their_column(make: Make, sync_backend: Backend) -> None:
    columns = [
        int_("id", 1),
        text("t", 2, nullable=True),
        json_col("j", 3, nullable=True),
        datetime("d", 4, nullable=True),
        interval_col("i", 5, nullable=True),
    ]
    db = make({"tables": [table("v", 1, columns, "id")]})
    early = moment.datetime(1, 1, 1, tzinfo=moment.timezone(moment.timedelta(hours=14)))
    late = moment.datetime(9999, 12, 31, 23, tzinfo=moment.timezone(moment.timedelta(hours=-14)))
    wrong: list[tuple[str, Any]] = [
        ("t", "\ud800"),
        ("j", "\ud800"),
        ("j", {"a": ["\ud800"]}),
        ("d", early),
        ("d", late),
        ("i", moment.timedelta.max),
        ("i", moment.timedelta.min),
    ]
    if sync_backend.is_postgres:
        wrong.append(("t", "a\0b"))
    with db.begin() as txn:
        txn.insert("v", {"id": 1, "t": "kept"})
        for name, value in wrong:
            for write in (
                lambda value=value, name=name: txn.insert("v", {"id": 2, name: value}),
                lambda value=value, name=name: txn.insert_many("v", [{"id": 2, name: value}]),
                lambda value=value, name=name: txn.update("v", 1, {name: value}),
            ):
                with pytest.raises(ValidationError) as caught:
                    write()
                assert (caught.value.table, caught.value.column) == ("v", name)
        assert txn.select("v", columns=["id", "t"]) == [{"id": 1, "t": "kept"}]
        with pytest.raises(ValidationError):
            txn.select("v", {"d": early})
