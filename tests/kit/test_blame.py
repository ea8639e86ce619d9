"""A refused write names the constraint that refused it, also where the database does not say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from conftest import Backend
from kit.conftest import Make
from rowstead.kit import (
    Database,
    ForeignKeyError,
    IntegrityError,
    RestrictError,
    Transaction,
    fk,
    table,
    text,
    unique,
)
from rowstead.kit import int as int_

ID = int_("id", 1, primary_key=True)


def nullable(name: str, number: int) -> dict[str, Any]:
    return int_(name, number, nullable=True)


def children_schema() -> dict[str, Any]:
    """`c` refers to `a`, to `b` by two columns, and to itself."""
    a = table("a", 1, [ID], "id")
    b = table("b", 2, [int_("x", 1), text("y", 2)], ["x", "y"])
    c = table(
        "c",
        3,
        [ID, nullable("a_id", 2), nullable("x", 3), text("y", 4, nullable=True), nullable("up", 5)],
        "id",
        foreign_keys=[
            fk("fk_a", "a_id", "a", "id"),
            fk("fk_b", ["x", "y"], "b", ["x", "y"]),
            fk("fk_up", "up", "c", "id"),
        ],
    )
    return {"tables": [a, b, c]}


@pytest.fixture
def db(make: Make) -> Database:
    database = make(children_schema())
    with database.begin() as txn:
        txn.insert("a", {"id": 1})
        txn.insert_many("b", [{"x": 1, "y": "p"}, {"x": 2, "y": "p"}])
        txn.insert_many("c", [{"id": 1, "a_id": 1, "x": 1, "y": "p"}, {"id": 2, "a_id": 1, "x": 2, "y": "p"}])
    return database


def refused(db: Database, kind: type[IntegrityError], write: Callable[[Transaction], Any]) -> IntegrityError:
    """The error of a write, after which the transaction goes on."""
    with db.begin() as txn:
        before = {name: txn.select(name) for name in db.table_names()}
        with pytest.raises(kind) as caught:
            write(txn)
        assert {name: txn.select(name) for name in db.table_names()} == before
    return caught.value


GOOD = {"id": 3, "a_id": 1, "x": 1, "y": "p", "up": 1}
BROKEN = [
    ({"a_id": 9}, "fk_a"),
    ({"x": 9}, "fk_b"),
    ({"y": "q"}, "fk_b"),
    ({"up": 99_999}, "fk_up"),
]


@pytest.mark.parametrize(("change", "name"), BROKEN)
@pytest.mark.parametrize("count", [1, 120, 10_050])
def test_insert_many_names_the_foreign_key_and_the_row(
    db: Database, change: dict[str, Any], name: str, count: int
) -> None:
    """Of as many rows as are written one by one, as are written together, and as come after others."""
    rows = [{**GOOD, "id": 3 + place, "up": 3} for place in range(count)]
    rows[-1] |= change
    error = refused(db, ForeignKeyError, lambda txn: txn.insert_many("c", rows))
    assert (error.table, error.constraint) == ("c", name)
    assert name in str(error)


def test_insert_many_names_the_foreign_key_of_rows_that_refer_to_each_other_in_a_circle(
    make: Make, sync_backend: Backend
) -> None:
    """A server looks at the end of the statement, and takes it; a file is sent each row behind its parent."""
    db = make(children_schema())
    rows = [{"id": place, "up": None} for place in range(1, 150)]
    rows[0]["up"], rows[148]["up"] = 149, 1
    if sync_backend.is_postgres:
        with db.begin() as txn:
            assert txn.insert_many("c", rows, returning=False) == 149
        return
    error = refused(db, ForeignKeyError, lambda txn: txn.insert_many("c", rows))
    assert (error.constraint, error.pk) == ("fk_up", 1)


@pytest.mark.parametrize(("change", "name"), BROKEN)
@pytest.mark.parametrize("verb", ["insert", "update", "update_where", "upsert a new row", "upsert a row"])
def test_every_verb_names_the_foreign_key(db: Database, verb: str, change: dict[str, Any], name: str) -> None:
    """Also of two columns, of which only one is changed."""

    def write(txn: Transaction) -> None:
        match verb:
            case "insert":
                txn.insert("c", {**GOOD, **change})
            case "update":
                txn.update("c", 2, change)
            case "update_where":
                txn.update_where("c", set=change, filter={"id": {"ge": 2}})
            case "upsert a new row":
                txn.upsert("c", {**GOOD, **change}, {"do_update": {"set": {"up": 1}}})
            case _:
                # The row itself would break another one if it was inserted.
                other = {"up": 999} if name == "fk_a" else {"a_id": 9}
                txn.upsert("c", {**GOOD, **other, "id": 2}, {"do_update": {"set": change}})

    error = refused(db, ForeignKeyError, write)
    assert (error.table, error.constraint) == ("c", name)


def test_control_a_row_may_refer_to_itself_and_to_one_before_it(db: Database) -> None:
    with db.begin() as txn:
        txn.insert_many("c", [{**GOOD, "up": 3}, {**GOOD, "id": 4, "up": 3}])
        txn.update_where("c", set={"id": 7, "up": 7}, filter={"id": 4})
        assert txn.get_by_pk("c", 7) == {**GOOD, "id": 7, "up": 7}


def tree_schema() -> dict[str, Any]:
    """Nodes go with their parents, and leaves restrict: `plain` and `deep` a node, `coded` its code."""
    node = table(
        "node",
        1,
        [ID, nullable("up", 2), int_("code", 3)],
        "id",
        unique_constraints=[unique("uq_code", "code")],
        foreign_keys=[fk("fk_up", "up", "node", "id", on_delete="cascade", on_update="cascade")],
    )
    leaves = [
        table(name, 2 + place, [ID, nullable("n", 2)], "id", foreign_keys=[fk(f"fk_{name}", "n", "node", to)])
        for place, (name, to) in enumerate((("plain", "id"), ("coded", "code"), ("deep", "id")))
    ]
    return {"tables": [node, *leaves]}


@pytest.fixture
def tree(make: Make) -> Database:
    """A chain of nodes 1 to 40 below each other, and node 50 that stands alone."""
    db = make(tree_schema())
    with db.begin() as txn:
        chain = [{"id": n, "up": n - 1 or None, "code": 100 + n} for n in range(1, 41)]
        txn.insert_many("node", [*chain, {"id": 50, "code": 150}])
    return db


LEAVES = [("plain", 40, "fk_plain"), ("coded", 140, "fk_coded"), ("deep", 40, "fk_deep")]


@pytest.mark.parametrize(("leaf", "referred", "name"), LEAVES)
@pytest.mark.parametrize("at", [1, 40])
@pytest.mark.parametrize("verb", ["delete", "delete_where"])
def test_a_deletion_names_the_foreign_key_that_stands_against_it(
    tree: Database, verb: str, at: int, leaf: str, referred: int, name: str
) -> None:
    """Directly, and below cascades of any depth. Rows that refer to others are not meant."""
    with tree.begin() as txn:
        txn.insert_many("plain", [{"id": 1, "n": 50}, {"id": 2}])
        txn.insert("coded", {"id": 1, "n": 150})
        txn.insert("deep", {"id": 1, "n": 50})
        txn.insert(leaf, {"id": 9, "n": referred})

    def write(txn: Transaction) -> None:
        if verb == "delete":
            txn.delete("node", at)
        else:
            # What looks like a reference to a row around it is a value here.
            txn.delete_where("node", filter={"and": [{"id": {"between": [at, 40]}}, {"not": {"code": 1}}]})

    error = refused(tree, RestrictError, write)
    assert (error.table, error.constraint) == ("node", name)


def test_a_deletion_by_a_condition_with_a_subquery_names_it_too(tree: Database) -> None:
    with tree.begin() as txn:
        txn.insert("plain", {"id": 1, "n": 50})
        txn.insert("deep", {"id": 1, "n": 7})
    has_deep = {"exists": {"table": "deep", "filter": {"n": "$outer.id"}}}
    error = refused(tree, RestrictError, lambda txn: txn.delete_where("node", filter=has_deep))
    assert error.constraint == "fk_deep"


@pytest.mark.parametrize(("leaf", "referred", "name"), LEAVES)
@pytest.mark.parametrize("verb", ["update", "update_where", "upsert"])
def test_a_change_of_a_key_names_the_foreign_key_that_stands_against_it(
    tree: Database, verb: str, leaf: str, referred: int, name: str
) -> None:
    with tree.begin() as txn:
        txn.insert_many("plain", [{"id": 1, "n": 50}, {"id": 2}])
        txn.insert("coded", {"id": 1, "n": 150})
        txn.insert(leaf, {"id": 9, "n": referred})
    change = {"code": 999} if leaf == "coded" else {"id": 999}

    def write(txn: Transaction) -> None:
        match verb:
            case "update":
                txn.update("node", 40, change)
            case "update_where":
                txn.update_where("node", set=change, filter={"code": 140})
            case _:
                txn.upsert("node", {"id": 40, "code": 0}, {"do_update": {"set": change}})

    error = refused(tree, RestrictError, write)
    assert (error.table, error.constraint) == ("node", name)


def test_a_circle_of_cascades_ends(make: Make) -> None:
    """Two rows that refer to each other, with composite keys, and a third table that restricts one."""
    pair = [int_("x", 1), int_("y", 2), nullable("to_x", 3), nullable("to_y", 4)]
    ring = table(
        "ring",
        1,
        pair,
        ["x", "y"],
        foreign_keys=[fk("fk_next", ["to_x", "to_y"], "ring", ["x", "y"], on_delete="cascade")],
    )
    stops = [
        table(
            name,
            number,
            [ID, int_("x", 2), int_("y", 3)],
            "id",
            foreign_keys=[fk(f"fk_{name}", ["x", "y"], "ring", ["x", "y"])],
        )
        for number, name in enumerate(("one", "two"), 2)
    ]
    db = make({"tables": [ring, *stops]})
    with db.begin() as txn:
        txn.insert_many("ring", [{"x": 1, "y": n} for n in range(250)])
        for n in range(250):
            txn.update("ring", [1, n], {"to_x": 1, "to_y": (n + 1) % 250})
        txn.insert("two", {"id": 1, "x": 1, "y": 125})
    error = refused(db, RestrictError, lambda txn: txn.delete("ring", [1, 0]))
    assert error.constraint == "fk_two"


def test_writes_that_succeed_ask_nothing(tmp_path: Any) -> None:
    """Call counts: the statements of a good write are the same with many foreign keys and with none."""
    seen: list[str] = []
    db = Database.create(tmp_path / "x.db", children_schema(), trace=lambda event: seen.append(event.sql))
    with db, db.begin() as txn:
        txn.insert("a", {"id": 1})
        txn.insert("b", {"x": 1, "y": "p"})
        txn.insert("c", GOOD | {"id": 1})
        seen.clear()
        txn.insert("c", {**GOOD, "id": 4})
        txn.update_where("c", set={"a_id": 1}, filter={"id": 4})
        txn.delete("c", 4)
        good = len(seen)
        with pytest.raises(ForeignKeyError):
            txn.insert("c", {**GOOD, "id": 5, "a_id": 9})
    assert good == 3
    # The control: the failed one is counted, with its questions.
    assert len([text for text in seen[good:] if "SELECT" in text]) >= 1
