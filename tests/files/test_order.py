"""The order in which tables and rows are stored: each behind what it refers to."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from rowstead.errors import UsageError
from rowstead.plans.loading import behind_their_parents
from rowstead.tables.dependencies import referred_first
from rowstead.tables.from_sqlalchemy import table_of


def table(name: str, *refers_to: str, metadata: sa.MetaData | None = None, **options: Any) -> sa.Table:
    keys = [
        sa.Column(f"to_{n}", sa.Integer, sa.ForeignKey(f"{other}.id", **options))
        for n, other in enumerate(refers_to)
    ]
    schema, _, plain = name.rpartition(".")
    id = sa.Column("id", sa.Integer, primary_key=True)
    return sa.Table(plain, metadata or sa.MetaData(), id, *keys, schema=schema or None)


def test_tables_stand_behind_those_that_they_refer_to_whatever_metadata_they_are_of() -> None:
    orders, items, users = table("orders", "users"), table("items", "orders", "items"), table("users")
    assert referred_first([items, orders, users]) == [users, orders, items]


def test_a_table_that_is_not_among_them_is_left_aside() -> None:
    assert referred_first([one := table("orders", "users"), two := table("a")]) == [one, two]


def test_tables_of_one_name_in_two_schemas_are_two() -> None:
    first, second = table("users", "archive.users"), table("archive.users")
    assert referred_first([first, second]) == [second, first]


def test_a_circle_is_named_and_what_to_do_told() -> None:
    with pytest.raises(UsageError) as caught:
        referred_first([table("a", "b"), table("b", "c"), table("c", "a"), table("d", "a")])
    told = str(caught.value)
    assert any(circle in told for circle in ("a -> b -> c -> a", "b -> c -> a -> b", "c -> a -> b -> c"))
    assert 'deferrable=True, initially="DEFERRED"' in told


def test_a_key_that_waits_for_the_end_of_the_transaction_may_stand_in_a_circle() -> None:
    a, b = table("a", "b"), table("b", "a", deferrable=True, initially="DEFERRED")
    assert referred_first([a, b]) == [b, a]


TREE = table_of(
    sa.Table(
        "nodes",
        sa.MetaData(),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("parent", sa.Uuid, sa.ForeignKey("nodes.id")),
        sa.Column("name", sa.Text),
    )
)
IDS = [f"{n:08x}-0000-4000-8000-000000000abc" for n in range(8)]


def stored(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return list(behind_their_parents(TREE, rows, lambda row: row))


def test_rows_stand_behind_their_parents_however_an_id_is_written() -> None:
    child = {"id": IDS[0], "parent": IDS[1].upper()}
    parent = {"id": IDS[1].replace("-", ""), "name": "first"}
    assert stored([child, parent]) == [parent, child]


def test_rows_in_order_stay_as_they_are() -> None:
    rows = [{"id": IDS[n], "parent": IDS[n - 1] if n else None} for n in range(4)]
    assert stored(rows) == rows


def test_rows_without_ids_and_with_wrong_ones_are_nobodys_parents() -> None:
    rows: list[dict[str, Any]] = [
        {"parent": None},
        {"parent": "no id"},
        {"id": "no id"},
        {"id": [1]},
        {"name": "x"},
    ]
    assert stored(rows) == rows


def test_rows_in_a_circle_come_last() -> None:
    first, second = {"id": IDS[0], "parent": IDS[1]}, {"id": IDS[1], "parent": IDS[0]}
    alone = {"id": IDS[2], "parent": IDS[3]}
    root = {"id": IDS[3]}
    assert stored([first, alone, second, root]) == [root, alone, first, second]


@given(st.permutations(range(8)), st.lists(st.integers(0, 7), min_size=8, max_size=8))
def test_no_row_of_a_tree_comes_before_its_parent(order: list[int], parents: list[int]) -> None:
    # A parent of a smaller number: no circles.
    rows = [{"id": IDS[n], "parent": IDS[parents[n] % n] if n else None} for n in order]
    seen: set[Any] = {None}
    for row in stored(rows):
        assert row["parent"] in seen
        seen.add(row["id"])
    assert len(seen) == 9
