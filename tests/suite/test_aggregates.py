"""Aggregates: the same groups and figures on every backend, whole sums exact or an error, never wrong."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from rowstead import DB, DataError, UndefinedColumnError, ValidationError
from rowstead.language.aggregates import FUNCTIONS, aggregated
from rowstead.language.conditions import read
from rowstead.sync import DB as SyncDB
from shop import SCOPE, Order, Shop, aggregate, filled, filled_sync


@pytest.fixture
async def shop(db: DB, ddl: Callable[[str], str]) -> Shop:
    return await filled(db, ddl)


def agg(func: str, alias: str, column: str | None = None, distinct: bool = False) -> dict[str, Any]:
    named = {} if column is None else {"column": column}
    return {"func": func, "alias": alias, **named, **({"distinct": True} if distinct else {})}


async def one(
    shop: Shop, func: str, column: str | None = None, distinct: bool = False, where: Any = None
) -> Any:
    (row,) = await shop.run(
        aggregate(shop.compiler, "orders", [agg(func, "x", column, distinct)], where=where)
    )
    return row["x"]


@pytest.mark.parametrize(
    ("func", "column", "distinct", "wanted"),
    [
        ("count", None, False, 5),
        ("count", "amount", False, 4),
        ("count", "amount", True, 3),
        ("sum", "amount", False, 57),
        ("sum", "amount", True, 47),
        ("avg", "amount", False, 14.25),
        ("min", "amount", False, 7),
        ("max", "amount", False, 30),
        ("sum", "weight", False, 4.0),
        ("avg", "weight", False, 4.0 / 3),
        ("sum", "price", False, Decimal("7.8")),
        ("avg", "price", False, Decimal("1.95")),
        # As text 10 would come before 2.20.
        ("min", "price", False, Decimal("-5.5")),
        ("max", "price", False, Decimal(10)),
        ("count", "price", True, 4),
        ("min", "note", False, ""),
        ("max", "note", False, "b"),
        ("min", "paid", False, False),
        ("max", "paid", False, True),
    ],
)
async def test_each_function_gives_its_natural_value(
    shop: Shop, func: str, column: str | None, distinct: bool, wanted: Any
) -> None:
    found = await one(shop, func, column, distinct)
    assert found == wanted
    assert type(found) is type(wanted)


@pytest.mark.parametrize("func", FUNCTIONS)
async def test_over_no_rows_a_count_is_zero_and_all_else_none(shop: Shop, func: str) -> None:
    nowhere = {"id": {"lt": 0}}
    for column in ("amount", "weight", "price"):
        assert await one(shop, func, column, where=nowhere) == (0 if func == "count" else None)
    call = aggregate(shop.compiler, "orders", [agg(func, "x", "amount")], ["note"], nowhere)
    assert await shop.run(call) == []


async def test_groups_come_with_their_columns_first_and_null_is_a_group(shop: Shop) -> None:
    rows = await shop.run(
        aggregate(
            shop.compiler,
            "orders",
            [agg("count", "n"), agg("sum", "spent", "amount")],
            ["customer_id"],
        )
    )
    assert [list(row) for row in rows] == [["customer_id", "n", "spent"]] * 4
    assert [tuple(row.values()) for row in rows] == [(1, 2, 40), (2, 1, 10), (9, 1, None), (None, 1, 7)]


async def test_groups_by_several_columns_and_by_booleans(shop: Shop) -> None:
    rows = await shop.run(aggregate(shop.compiler, "orders", [agg("count", "n")], ["paid", "customer_id"]))
    assert [tuple(row.values()) for row in rows] == [
        (False, 1, 1),
        (False, None, 1),
        (True, 1, 1),
        (True, 2, 1),
        (None, 9, 1),
    ]


@pytest.mark.parametrize(
    ("having", "groups"),
    [
        ({"n": {"gt": 1}}, [1]),
        ({"spent": None}, [9]),
        ({"spent": {"gte": 10}}, [1, 2]),
        ({"spent": [7, 10]}, [2, None]),
        ({"customer_id": {"ne": 1}}, [2, 9, None]),
        ({"or": [{"n": 2}, {"spent": 7}]}, [1, None]),
        ({"dear": {"gt": Decimal("2.5")}}, [2]),
        ({"dear": Decimal("2.2")}, [1]),
        ({"mean": {"between": [15, 25.5]}}, [1]),
        ({"first": "b"}, [2]),
        ({"some": True}, [1, 2]),
        ({"not": {"n": 1}}, [1]),
        ({}, [1, 2, 9, None]),
    ],
)
async def test_having_is_a_filter_on_groups_and_aliases(shop: Shop, having: Any, groups: Any) -> None:
    aggregates = [
        agg("count", "n"),
        agg("sum", "spent", "amount"),
        agg("max", "dear", "price"),
        agg("avg", "mean", "amount"),
        agg("max", "first", "note"),
        agg("max", "some", "paid"),
    ]
    rows = await shop.run(aggregate(shop.compiler, "orders", aggregates, ["customer_id"], having=having))
    assert [row["customer_id"] for row in rows] == groups


async def test_having_works_without_groups_and_orders_take_aliases(shop: Shop) -> None:
    count = [agg("count", "n")]
    assert await shop.run(aggregate(shop.compiler, "orders", count, having={"n": {"gt": 9}})) == []
    assert await shop.run(aggregate(shop.compiler, "orders", count, having={"n": 5})) == [{"n": 5}]
    rows = await shop.run(
        aggregate(
            shop.compiler, "orders", [agg("sum", "s", "amount")], ["customer_id"], order="-s,customer_id"
        )
    )
    assert [row["customer_id"] for row in rows] == [1, 2, None, 9]


async def test_nothing_to_compute_gives_the_groups_alone(shop: Shop) -> None:
    assert await shop.run(aggregate(shop.compiler, "orders", [])) == [{}]
    rows = await shop.run(aggregate(shop.compiler, "orders", [], ["paid"]))
    assert rows == [{"paid": False}, {"paid": True}, {"paid": None}]


async def test_of_two_equal_names_the_last_gives_the_value(shop: Shop) -> None:
    twice = [agg("count", "x"), agg("sum", "x", "amount")]
    assert await shop.run(aggregate(shop.compiler, "orders", twice)) == [{"x": 57}]
    over = [agg("max", "customer_id", "amount")]
    rows = await shop.run(aggregate(shop.compiler, "orders", over, ["customer_id"], where={"customer_id": 1}))
    assert rows == [{"customer_id": 30}]


async def test_kit_d32_a_whole_sum_is_exact_or_an_error(db: DB, ddl: Callable[[str], str]) -> None:
    shop = await filled(db, ddl)
    most = 2**63 - 1
    await db.insert_many([Order(id=n, customer_id=50, amount=most) for n in (10, 11)])
    await db.insert(Order(id=12, customer_id=51, amount=most))
    assert await one(shop, "sum", "amount", where={"customer_id": 51}) == most
    too_much = {"customer_id": 50}
    if db.database.dialect.typed_columns:
        found = await one(shop, "sum", "amount", where=too_much)
        assert found == 2 * most
        assert type(found) is int
        having = {"s": {"gt": most}}
        rows = await shop.run(
            aggregate(shop.compiler, "orders", [agg("sum", "s", "amount")], ["customer_id"], having=having)
        )
        assert rows == [{"customer_id": 50, "s": 2 * most}]
        return
    with pytest.raises(DataError, match="64 bits"):
        await one(shop, "sum", "amount", where=too_much)


async def test_kit_d03_a_list_on_the_key_finds_rows_in_aggregates_too(shop: Shop) -> None:
    assert await one(shop, "count", where={"id": {"in": [1, 2, 99]}}) == 2


def test_the_synchronous_world_aggregates_too(sync_db: SyncDB, ddl: Callable[[str], str]) -> None:
    shop = filled_sync(sync_db, ddl)
    call = aggregate(shop.compiler, "orders", [agg("sum", "s", "price")], ["paid"])
    assert shop.handle.run(call) == [
        {"paid": False, "s": Decimal("2.2")},
        {"paid": True, "s": Decimal("11.1")},
        {"paid": None, "s": Decimal("-5.5")},
    ]


@pytest.mark.parametrize(
    ("aggregates", "group_by", "error", "says"),
    [
        ([agg("summ", "x", "amount")], (), ValidationError, "did you mean 'sum'"),
        ([{"func": "count"}], (), ValidationError, "needs an alias"),
        ([agg("sum", "x")], (), ValidationError, "needs a column"),
        ([agg("count", "x", None, True)], (), ValidationError, "needs a column"),
        ([agg("sum", "x", "amont")], (), UndefinedColumnError, "did you mean 'amount'"),
        ([agg("sum", "x", "note")], (), ValidationError, "'sum' makes no sense on column 'note'"),
        ([agg("avg", "x", "paid")], (), ValidationError, "makes no sense"),
        ([{"func": "count", "alias": "x", "colum": "id"}], (), ValidationError, "did you mean 'column'"),
        (["count"], (), ValidationError, "an aggregate is"),
        ([agg("count", "x")], ["nope"], UndefinedColumnError, "nope"),
        ([agg("count", "x")], ["paid", "paid"], ValidationError, "different column names"),
    ],
)
def test_a_mistake_is_found_before_any_sql(
    aggregates: Any, group_by: Any, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        aggregated(SCOPE["orders"], aggregates, group_by)


def test_having_knows_only_groups_and_aliases() -> None:
    groups = aggregated(SCOPE["orders"], [agg("count", "n")], ["paid"])
    for unknown in ("amount", "m"):
        with pytest.raises(UndefinedColumnError, match=unknown):
            read({unknown: 1}, groups)


def test_the_same_grouping_is_the_same_table() -> None:
    def grouping(func: str) -> Any:
        return aggregated(SCOPE["orders"], [agg(func, "x", "amount")], ["paid"])

    assert grouping("sum") is grouping("sum")
    assert grouping("sum") is not grouping("max")
