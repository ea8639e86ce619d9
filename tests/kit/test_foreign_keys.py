"""Foreign keys when rows are written and removed: what they do, and which of several is named."""

from __future__ import annotations

from typing import Any

import pytest

from kit.conftest import Make
from kit.shop import shop
from rowstead.kit import (
    ForeignKeyError,
    RestrictError,
    fk,
    table,
)
from rowstead.kit import int as int_


@pytest.mark.parametrize("on_delete", ["cascade", "set_null", "restrict"])
def test_a_delete_does_what_the_foreign_key_says(make: Make, on_delete: str) -> None:
    db = make(shop(on_delete))
    with db.begin() as txn:
        txn.insert_many("customers", [{"email": "a@x"}, {"email": "b@x"}])
        txn.insert_many("orders", [{"customer_id": 1, "amount": 1.0}, {"customer_id": 2, "amount": 2.0}])
        if on_delete == "restrict":
            with pytest.raises(RestrictError) as caught:
                txn.delete("customers", 1)
            assert caught.value.constraint == "fk_customer"
            txn.delete("orders", 1)
        txn.delete("customers", 1)
        left = [(row["id"], row["customer_id"]) for row in txn.select("orders", order="id")]
    assert left == {"cascade": [(2, 2)], "set_null": [(1, None), (2, 2)], "restrict": [(2, 2)]}[on_delete]


def test_which_of_several_foreign_keys_is_broken_is_named(make: Make) -> None:
    key = int_("id", 1, primary_key=True)
    parents = [table(name, number, [key], "id") for number, name in enumerate(("a", "b"), 1)]
    child = table(
        "c",
        3,
        [key, int_("a_id", 2, nullable=True), int_("b_id", 3, nullable=True)],
        "id",
        foreign_keys=[fk("fk_a", "a_id", "a", "id"), fk("fk_b", "b_id", "b", "id")],
    )
    db = make({"tables": [*parents, child]})
    with db.begin() as txn:
        txn.insert("a", {"id": 1})
        with pytest.raises(ForeignKeyError) as caught:
            txn.insert("c", {"id": 1, "a_id": 1, "b_id": 9})
        assert caught.value.constraint == "fk_b"
        txn.insert("c", {"id": 1, "a_id": 1})
        with pytest.raises(ForeignKeyError) as caught:
            txn.update("c", 1, {"a_id": 9})
        assert caught.value.constraint == "fk_a"


def test_which_of_several_foreign_keys_restricts_a_deletion_is_named(make: Make) -> None:
    key = int_("id", 1, primary_key=True)

    def child(name: str, number: int, on_delete: str) -> dict[str, Any]:
        parent = fk(f"fk_{name}", "a_id", "a", "id", on_delete=on_delete)
        return table(name, number, [key, int_("a_id", 2, nullable=True)], "id", foreign_keys=[parent])

    children = [child("b", 2, "restrict"), child("c", 3, "restrict"), child("d", 4, "cascade")]
    db = make({"tables": [table("a", 1, [key], "id"), *children]})
    with db.begin() as txn:
        txn.insert_many("a", [{"id": 1}, {"id": 2}])
        txn.insert("b", {"id": 1, "a_id": 2})
        txn.insert("c", {"id": 1, "a_id": 1})
        txn.insert("d", {"id": 1, "a_id": 1})
        for pk, name in ((1, "fk_c"), (2, "fk_b")):
            with pytest.raises(RestrictError) as caught:
                txn.delete("a", pk)
            assert caught.value.constraint == name
