"""Common table expressions: named parts of a statement, on every backend, with their values in place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rowstead import DB, UndefinedColumnError, UndefinedTableError, ValidationError
from rowstead.statements.ctes import ctes
from rowstead.sync import DB as SyncDB
from shop import SCOPE, Shop, filled, filled_sync, join, on_eq, select


@pytest.fixture
async def shop(db: DB, ddl: Callable[[str], str]) -> Shop:
    return await filled(db, ddl)


BIG = {"name": "big", "table": "orders", "filter": {"amount": {"gte": 10}}}


async def ids(shop: Shop, *arguments: Any, **named: Any) -> list[int]:
    return [row["id"] for row in await shop.run(select(shop.compiler, *arguments, **named))]


async def test_a_cte_is_read_like_a_table(shop: Shop) -> None:
    assert await ids(shop, "big", order="id", with_=[BIG]) == [1, 2, 3]
    assert await ids(shop, "big", {"customer_id": 1}, order="-id", limit=1, with_=[BIG]) == [2]


async def test_a_cte_has_its_own_columns_order_limit_and_offset(shop: Shop) -> None:
    second = {**BIG, "columns": ["id", "amount"], "order": "-amount,id", "limit": 1, "offset": 1}
    rows = await shop.run(select(shop.compiler, "big", {"amount": {"lt": 99}}, with_=[second]))
    assert rows == [{"id": 1, "amount": 10}]
    with pytest.raises(UndefinedColumnError, match="note"):
        select(shop.compiler, "big", {"note": "a"}, with_=[second])


async def test_a_cte_can_be_distinct(shop: Shop) -> None:
    amounts = {"name": "amounts", "table": "orders", "columns": ["amount"], "distinct": True}
    rows = await shop.run(select(shop.compiler, "amounts", order="amount", with_=[amounts]))
    assert [row["amount"] for row in rows] == [7, 10, 30, None]


async def test_a_later_cte_reads_an_earlier_one(shop: Shop) -> None:
    later = {"name": "few", "table": "big", "filter": {"id": {"gt": 1}}}
    assert await ids(shop, "few", order="id", with_=[BIG, later]) == [2, 3]


async def test_a_name_hides_the_table_that_it_is_made_of(shop: Shop) -> None:
    hiding = {**BIG, "name": "orders"}
    assert await ids(shop, "orders", order="id", with_=[hiding]) == [1, 2, 3]
    again = {"name": "orders", "table": "orders", "filter": {"customer_id": 1}}
    assert await ids(shop, "orders", {"amount": 30}, with_=[hiding, again]) == [2]


async def test_a_subquery_names_a_cte(shop: Shop) -> None:
    buyers = {"id": {"in_subquery": {"table": "big", "columns": ["customer_id"]}}}
    assert await ids(shop, "customers", buyers, order="id", with_=[BIG]) == [1, 2]
    of_them = {"exists": {"table": "big", "filter": {"customer_id": "$outer.id", "amount": {"gt": 20}}}}
    assert await ids(shop, "customers", of_them, with_=[BIG]) == [1]


async def test_a_ctes_filter_may_hold_a_correlated_subquery(shop: Shop) -> None:
    buyers = {
        "name": "buyers",
        "table": "customers",
        "filter": {"exists": {"table": "orders", "filter": {"customer_id": "$outer.id", "amount": 10}}},
    }
    assert await ids(shop, "buyers", {"id": {"gt": 1}}, with_=[buyers]) == [2]


async def test_a_cte_can_be_joined(shop: Shop) -> None:
    joins = [{"kind": "left", "table": "big", "on": on_eq("customers.id", "big.customer_id")}]
    call = join(
        shop.compiler, "customers", joins, None, {"customers.id": {"gt": 1}}, "customers.id", with_=[BIG]
    )
    assert [(r["customers"]["id"], r["big"] and r["big"]["id"]) for r in await shop.run(call)] == [
        (2, 3),
        (3, None),
        (4, None),
    ]


async def test_one_that_is_not_used_changes_nothing(shop: Shop) -> None:
    assert await ids(shop, "orders", {"id": 5}, with_=[BIG]) == [5]


def test_the_synchronous_world_has_them_too(sync_db: SyncDB, ddl: Callable[[str], str]) -> None:
    shop = filled_sync(sync_db, ddl)
    rows = shop.handle.run(select(shop.compiler, "big", {"id": {"lt": 3}}, "id", with_=[BIG]))
    assert [row["id"] for row in rows] == [1, 2]


def test_the_same_cte_with_other_values_is_the_same_table() -> None:
    def over(amount: int, limit: int) -> Any:
        return ctes([{**BIG, "filter": {"amount": {"gt": amount}}, "limit": limit}], SCOPE)

    first, second = over(1, 2), over(3, 4)
    assert first.tables == second.tables
    assert (first.values, second.values) == ([1, 2], [3, 4])


@pytest.mark.parametrize(
    ("spec", "error", "says"),
    [
        ({"table": "orders"}, ValidationError, "needs a name"),
        ({"name": "a", "table": "oders"}, UndefinedTableError, "did you mean 'orders'"),
        ({"name": "a", "table": "orders", "colums": []}, ValidationError, "did you mean 'columns'"),
        ({"name": "a", "table": "orders", "columns": ["nope"]}, UndefinedColumnError, "nope"),
        ({"name": "a", "table": "orders", "limit": -1}, ValidationError, "cannot be negative"),
        ("orders", ValidationError, "is a dict"),
    ],
)
def test_a_mistake_is_found_before_any_sql(spec: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        ctes([spec], SCOPE)
