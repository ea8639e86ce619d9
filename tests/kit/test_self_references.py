"""Tables that refer to themselves: rows that come or go together do not stand in each other's way."""

from __future__ import annotations

from typing import Any

import pytest

from rowstead.kit import ForeignKeyError, RestrictError
from rowstead.kit.builders import column, fk, table

from .conftest import Make
from .migrations import fill, read, schema

LENGTH = 300


def nodes(on_delete: str = "restrict") -> dict[str, Any]:
    columns = [column("id", 1, "int64", primary_key=True), column("parent", 2, "int64", nullable=True)]
    key = fk("fk_parent", "parent", "nodes", "id", on_delete=on_delete)
    return schema(table("nodes", 1, columns, "id", foreign_keys=[key]))


def chain(length: int = LENGTH) -> list[dict[str, Any]]:
    """Each row refers to the one before it."""
    return [{"id": n, "parent": n - 1 or None} for n in range(1, length + 1)]


def test_truncate_takes_one_deletion_however_long_a_chain_is(make: Make) -> None:
    db = make(nodes())
    fill(db, nodes=chain())
    with db.begin() as txn:
        txn.truncate("nodes")
    assert read(db, "nodes") == []


def test_truncate_removes_a_circle(make: Make) -> None:
    db = make(nodes())
    fill(db, nodes=chain(3))
    with db.begin() as txn:
        txn.update("nodes", 1, {"parent": 3})
        txn.truncate("nodes")
        assert txn.count("nodes") == 0


def test_a_whole_chain_is_deleted_by_a_condition(make: Make) -> None:
    db = make(nodes())
    fill(db, nodes=[*chain(), {"id": LENGTH + 1}])
    with db.begin() as txn:
        assert len(txn.delete_where("nodes", filter={"id": {"lte": LENGTH}})) == LENGTH
    assert read(db, "nodes") == [{"id": LENGTH + 1, "parent": None}]


def test_a_row_that_another_still_refers_to_stays(make: Make) -> None:
    db = make(nodes())
    fill(db, nodes=chain(3))
    with db.begin() as txn:
        with pytest.raises(RestrictError) as part:
            txn.delete_where("nodes", filter={"id": {"lte": 2}})
        with pytest.raises(RestrictError) as one:
            txn.delete("nodes", 1)
        with pytest.raises(RestrictError):
            txn.update("nodes", 1, {"id": 9})
    assert (part.value.constraint, one.value.constraint) == ("fk_parent", "fk_parent")
    assert read(db, "nodes") == chain(3)


def test_children_may_stand_before_their_parents_in_a_batch(make: Make) -> None:
    db = make(nodes())
    upside_down = chain()[::-1]
    with db.begin() as txn:
        assert txn.insert_many("nodes", upside_down) == upside_down
        more = [{"id": n + LENGTH, "parent": n + LENGTH + 1} for n in range(1, 101)]
        assert txn.insert_many("nodes", [*more, {"id": LENGTH + 101}], returning=False) == 101
    assert read(db, "nodes")[:LENGTH] == chain()


def test_a_child_whose_parent_is_nowhere_is_refused_with_all_of_its_batch(make: Make) -> None:
    db = make(nodes())
    with db.begin() as txn, pytest.raises(ForeignKeyError) as refused:
        txn.insert_many("nodes", [{"id": 1, "parent": 2}, {"id": 2, "parent": 77}])
    assert refused.value.constraint == "fk_parent"
    assert read(db, "nodes") == []
