"""Distinct rows, projections, orders and correlated strings; and what the kit's defects say of reading."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rowstead import DB, STRANGER, UndefinedColumnError, ValidationError
from rowstead.dialects import SQLITE
from rowstead.language.conditions import read
from rowstead.language.shapes import Outer
from rowstead.statements.compiled import Compiler
from rowstead.sync import DB as SyncDB
from shop import SCOPE, Shop, filled, filled_sync, select


@pytest.fixture
async def shop(db: DB, ddl: Callable[[str], str]) -> Shop:
    return await filled(db, ddl)


async def rows(shop: Shop, *arguments: Any, **named: Any) -> list[tuple[Any, ...]]:
    found = await shop.run(select(shop.compiler, *arguments, **named))
    return [tuple(row.values()) for row in found]


async def test_distinct_rows_come_once(shop: Shop) -> None:
    found = await rows(shop, "orders", None, "amount", ["amount"], distinct=True)
    assert found == [(7,), (10,), (30,), (None,)]
    found = await rows(shop, "orders", None, "-customer_id,amount", ["customer_id", "amount"], distinct=True)
    assert len(found) == 5


async def test_kit_d07_limit_and_offset_count_distinct_rows(shop: Shop) -> None:
    # Orders 1 and 3 share their amount: a limit taken before would give one row.
    found = await rows(shop, "orders", {"id": [1, 3, 2]}, "amount", ["amount"], limit=2, distinct=True)
    assert found == [(10,), (30,)]
    found = await rows(shop, "orders", None, "amount", ["amount"], limit=2, offset=1, distinct=True)
    assert found == [(10,), (30,)]


async def test_kit_d06_only_the_columns_asked_for_come_in_their_order(shop: Shop) -> None:
    (row,) = await shop.run(select(shop.compiler, "orders", {"id": 1}, None, ["note", "id"]))
    assert list(row.items()) == [("note", "a"), ("id", 1)]


def test_distinct_rows_are_ordered_only_by_what_they_have() -> None:
    compiler = Compiler(SQLITE, "sqlite", "qmark")
    with pytest.raises(ValidationError, match="can only be ordered by columns that they have, not by 'id'"):
        select(compiler, "orders", None, "id", ["amount"], distinct=True)


async def test_kit_d04_the_first_key_of_an_order_weighs_most(shop: Shop) -> None:
    found = await rows(shop, "orders", {"amount": {"is_not_null": True}}, "amount,-id", ["amount", "id"])
    assert found == [(7, 5), (10, 3), (10, 1), (30, 2)]


async def test_kit_d05_nulls_come_last_and_the_rest_is_sorted(shop: Shop) -> None:
    assert await rows(shop, "orders", None, "weight", ["weight"]) == [
        (0.5,),
        (1.5,),
        (2.0,),
        (None,),
        (None,),
    ]
    down = await rows(shop, "orders", None, "-weight,id", ["weight"])
    assert down == [(2.0,), (1.5,), (0.5,), (None,), (None,)]


@pytest.mark.parametrize(
    ("where", "ids"),
    [
        pytest.param({"id": {"in": [1, 3, 99]}}, [1, 3], id="kit_d03"),
        pytest.param({"amount": {"gte": 10, "lt": 30}}, [1, 3], id="kit_d08"),
        pytest.param({"amount": {"gt": 5, "lt": 20, "ne": 7}, "id": {"gt": 1}}, [3], id="kit_d08_more"),
        pytest.param({"note": {"eq": ""}}, [2], id="kit_d38"),
        pytest.param({"paid": {"gt": False}}, [1, 3], id="kit_d42_gt"),
        pytest.param({"paid": {"lte": False}}, [2, 5], id="kit_d42_lte"),
        pytest.param({"paid": {"gte": False}}, [1, 2, 3, 5], id="kit_d42_gte"),
        pytest.param({"note": {"is_null": False}}, [1, 2, 3], id="kit_d43"),
        pytest.param({"note": {"is_not_null": False}}, [4, 5], id="kit_d43_not"),
    ],
)
async def test_kit_d03_d08_d38_d42_d43_filters_find_what_they_say(shop: Shop, where: Any, ids: Any) -> None:
    assert await rows(shop, "orders", where, "id", ["id"]) == [(i,) for i in ids]


async def test_a_string_names_the_outer_column_where_the_caller_says_so(shop: Shop) -> None:
    bought = {"exists": {"table": "orders", "filter": {"customer_id": "$outer.id", "amount": {"gt": 5}}}}
    assert await rows(shop, "customers", bought, "id", ["id"]) == [(1,), (2,)]
    operator = {"exists": {"table": "orders", "filter": {"customer_id": {"gt": "$outer.id"}}}}
    assert await rows(shop, "customers", operator, "id", ["id"]) == [(1,), (2,), (3,), (4,)]


def test_a_string_is_a_value_unless_the_caller_says_otherwise() -> None:
    where = {"exists": {"table": "orders", "filter": {"note": "$outer.name"}}}
    customers = SCOPE["customers"]
    shape, given = read(where, customers, scope=SCOPE, outer_strings=True)
    assert (shape[1][1].where, given) == (("and", ("eq", "note", Outer("name"))), [])
    shape, given = read(where, customers, scope=SCOPE)
    assert given == ["$outer.name"]
    # Outside a subquery there is nothing around, and in a list it is a text.
    assert read({"name": "$outer.name"}, customers, outer_strings=True)[1] == ["$outer.name"]
    listed = {"exists": {"table": "orders", "filter": {"note": ["$outer.name"]}}}
    assert read(listed, customers, scope=SCOPE, outer_strings=True)[1] == ["$outer.name"]


@pytest.mark.parametrize(
    ("where", "error", "says"),
    [
        ({"customer_id": "$outer.nope"}, UndefinedColumnError, "nope"),
        ({"customer_id": "$outer.name"}, ValidationError, "cannot be compared"),
        ({"note": {"like": "$outer.name"}}, ValidationError, "takes a text, not a column"),
    ],
)
def test_a_wrong_outer_string_is_found_before_any_sql(where: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        read(
            {"exists": {"table": "orders", "filter": where}},
            SCOPE["customers"],
            scope=SCOPE,
            outer_strings=True,
        )


def test_a_stranger_can_name_no_column_as_a_value() -> None:
    with pytest.raises(ValidationError, match="takes a value, not a dict"):
        read({"amount": {"gt": {"$column": "id"}}}, SCOPE["orders"], access=STRANGER)
    with pytest.raises(ValidationError, match="no operator"):
        read({"amount": {"$column": "id"}}, SCOPE["orders"], access=STRANGER)


async def test_a_column_is_compared_with_another_of_its_row(shop: Shop) -> None:
    shape, given = read({"amount": {"gt": {"$column": "id"}}}, SCOPE["orders"], column_operands=True)
    assert (shape, given) == (("and", ("gt", "amount", ("id",))), [])
    compiled = shop.compiler.get(("count", SCOPE["orders"], shape))
    assert await shop.run(compiled.call([], lambda records: records[0][0])) == 4


def test_the_synchronous_world_has_them_too(sync_db: SyncDB, ddl: Callable[[str], str]) -> None:
    shop = filled_sync(sync_db, ddl)
    call = select(shop.compiler, "orders", None, "-amount", ["amount"], limit=2, distinct=True)
    assert shop.handle.run(call) == [{"amount": 30}, {"amount": 10}]
