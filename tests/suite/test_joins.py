"""Joins give the same rows on every backend: each side a dict, or None where there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rowstead import DB, DataError, UndefinedColumnError, UndefinedTableError, ValidationError
from rowstead.errors import RowError
from rowstead.statements.joins import joined
from rowstead.sync import DB as SyncDB
from rowstead.tables.dicts import Side, dict_rows, nested_rows
from shop import SCOPE, Shop, aggregate, filled, filled_sync, join, on_eq

BY_CUSTOMER = on_eq("o.customer_id", "c.id")


@pytest.fixture
async def shop(db: DB, ddl: Callable[[str], str]) -> Shop:
    return await filled(db, ddl)


def to_customers(kind: str, on: Any = BY_CUSTOMER) -> list[dict[str, Any]]:
    return [{"kind": kind, "table": "customers", "alias": "c", "on": on}]


async def ids(shop: Shop, *arguments: Any, **named: Any) -> list[tuple[int | None, int | None]]:
    """The rows as pairs of the orders' and the customers' ids."""
    rows = await shop.run(join(shop.compiler, "orders", *arguments, alias="o", **named))
    return [tuple(row[side] and row[side]["id"] for side in ("o", "c")) for row in rows]


async def refused_where_there_is_none(shop: Shop) -> bool:
    """Whether this database has no full join; it is refused by name then."""
    if shop.compiler.dialect.full_join:
        return False
    with pytest.raises(ValidationError, match="has no full join; use a left join"):
        await ids(shop, to_customers("full"))
    return True


@pytest.mark.parametrize(
    ("kind", "pairs"),
    [
        ("inner", [(1, 1), (2, 1), (3, 2)]),
        ("left", [(1, 1), (2, 1), (3, 2), (4, None), (5, None)]),
        ("right", [(1, 1), (2, 1), (3, 2), (None, 3), (None, 4)]),
        ("full", [(1, 1), (2, 1), (3, 2), (4, None), (5, None), (None, 3), (None, 4)]),
    ],
)
async def test_each_kind_of_join_gives_its_rows(shop: Shop, kind: str, pairs: Any) -> None:
    if kind == "full" and await refused_where_there_is_none(shop):
        return
    assert await ids(shop, to_customers(kind), order="o.id,c.id") == pairs


@pytest.mark.parametrize(
    ("on", "matched"),
    [
        ({}, [(o, c) for o in range(1, 6) for c in range(1, 5)]),
        ({"o.id": {"gt": {"$column": "c.id"}}}, [(o, c) for o in range(1, 6) for c in range(1, 5) if o > c]),
        (
            {"or": [{"o.id": {"$column": "c.id"}}, {"o.amount": 30}]},
            [(1, 1), (2, 1), (2, 2), (2, 3), (2, 4), (3, 3), (4, 4)],
        ),
        ({"c.id": {"$column": "o.id"}, "o.amount": {"gt": 10}}, [(2, 2)]),
        ({"o.amount": 30}, [(2, c) for c in range(1, 5)]),
        ({"o.id": {"$column": "o.customer_id"}}, [(1, c) for c in range(1, 5)]),
    ],
)
async def test_a_full_join_takes_any_condition(shop: Shop, on: Any, matched: Any) -> None:
    if await refused_where_there_is_none(shop):
        return
    lone_orders = [(o, None) for o in range(1, 6) if o not in {pair[0] for pair in matched}]
    lone_customers = [(None, c) for c in range(1, 5) if c not in {pair[1] for pair in matched}]
    wanted = sorted([*matched, *lone_orders], key=lambda pair: (pair[0], pair[1] or 0)) + lone_customers
    assert await ids(shop, to_customers("full", on), order="o.id,c.id") == wanted


async def test_a_row_is_a_dict_of_sides_with_natural_values(shop: Shop) -> None:
    (row,) = await shop.run(
        join(shop.compiler, "orders", to_customers("inner"), "o", {"o.id": 3}, order="o.id")
    )
    assert list(row) == ["o", "c"]
    assert row["c"] == {"id": 2, "name": "bob", "vip": False}
    assert list(row["o"]) == ["id", "customer_id", "amount", "price", "weight", "paid", "note"]
    assert (row["o"]["paid"], row["o"]["weight"]) == (True, None)
    # A DECIMAL of MariaDB's comes with as many places as it was declared.
    assert str(row["o"]["price"]).rstrip("0") in ("1", "10.")


async def test_a_cross_join_and_a_join_without_condition_give_every_pair(shop: Shop) -> None:
    everything = [(o, c) for o in (1, 2, 3, 4, 5) for c in (1, 2, 3, 4)]
    for spec in ({"kind": "cross"}, {}, {"kind": "left"}):
        pairs = await ids(shop, [{**spec, "table": "customers", "alias": "c"}], order="o.id,c.id")
        assert pairs == everything


async def test_kit_d30_a_filter_on_the_right_side_of_a_left_join_removes_rows(shop: Shop) -> None:
    left = to_customers("left")
    assert await ids(shop, left, where={"c.name": "ada"}, order="o.id") == [(1, 1), (2, 1)]
    assert await ids(shop, left, where={"c.id": None}, order="o.id") == [(4, None), (5, None)]


async def test_kit_d31_null_joins_nothing(shop: Shop) -> None:
    # Order 5 has no customer and customer 4 no name: with NULL = NULL they would meet.
    nulls = to_customers("inner", on_eq("o.note", "c.name"))
    assert await ids(shop, nulls) == []
    assert (4, None) in await ids(shop, to_customers("left", on_eq("o.note", "c.name")))


async def test_a_side_whose_columns_are_all_null_is_there_and_a_missing_one_is_not(shop: Shop) -> None:
    await shop.handle.plan(_insert_tags(shop))
    tags = [{"kind": "left", "table": "tags", "alias": "t", "on": {"or": [TAGGED, {"t.order_id": None}]}}]
    rows = await shop.run(join(shop.compiler, "orders", tags, "o", {"o.id": [1, 2]}, order="o.id,t.word"))
    nothing = {"order_id": None, "word": None}
    assert [(r["o"]["id"], r["t"]) for r in rows] == [
        (1, {"order_id": 1, "word": "new"}),
        (1, nothing),
        (2, nothing),
    ]
    missing = [{**tags[0], "on": TAGGED}]
    rows = await shop.run(join(shop.compiler, "orders", missing, "o", {"o.id": [1, 2]}, order="o.id"))
    assert [(r["o"]["id"], r["t"] and r["t"]["word"]) for r in rows] == [(1, "new"), (2, None)]


TAGGED = {"t.order_id": {"$column": "o.id"}}


def _insert_tags(shop: Shop) -> Any:
    for values in ([1, "new"], [None, None]):
        given = (("order_id", "value"), ("word", "value"))
        compiled = shop.compiler.get(("insert", SCOPE["tags"], given, None, ()))
        yield compiled.call(values, None)


async def test_three_tables_and_a_table_with_itself(shop: Shop) -> None:
    pairs = [
        *to_customers("inner"),
        {"table": "orders", "alias": "o2", "on": {"o2.customer_id": {"$column": "c.id"}}},
    ]
    rows = await shop.run(
        join(shop.compiler, "orders", pairs, "o", {"o.id": {"lt": {"$column": "o2.id"}}}, order="o.id")
    )
    assert [(r["o"]["id"], r["c"]["name"], r["o2"]["id"]) for r in rows] == [(1, "ada", 2)]


@pytest.mark.parametrize(
    "on",
    [
        BY_CUSTOMER,
        on_eq("c.id", "customer_id"),
        {"c.id": {"$column": "o.customer_id"}},
        {"and": [BY_CUSTOMER, {"gt": [{"column": "o.amount"}, {"literal": {"int": 0}}]}]},
        {"and": [BY_CUSTOMER, {"lt": [{"literal": {"int": 0}}, {"column": "amount"}]}]},
        {"and": [BY_CUSTOMER, {"not": {"is_null": {"column": "o.amount"}}}]},
        {"and": [BY_CUSTOMER, {"in": [{"column": "o.id"}, [{"literal": {"int": n}} for n in (1, 2, 3)]]}]},
        {"and": [BY_CUSTOMER, {"or": [{"like": [{"column": "c.name"}, "a%"]}, {"c.name": "bob"}]}]},
        {"and": [BY_CUSTOMER, {"or": [{"column": "c.vip"}, {"c.id": 2}]}]},
        {"and": [BY_CUSTOMER, {"ne": [{"column": "o.note"}, {"literal": "null"}]}]},
        {"and": [BY_CUSTOMER, {"literal": {"bool": True}}]},
    ],
)
async def test_a_condition_can_be_written_in_every_form(shop: Shop, on: Any) -> None:
    assert await ids(shop, to_customers("inner", on), order="o.id") == [(1, 1), (2, 1), (3, 2)]


async def test_filters_and_orders_take_dotted_names_bare_names_and_the_serialized_form(shop: Shop) -> None:
    inner = to_customers("inner")
    by_amount = [{"expr": {"column": "o.amount"}, "direction": "desc"}, {"expr": {"column": "o.id"}}]
    assert await ids(shop, inner, order=by_amount) == [(2, 1), (1, 1), (3, 2)]
    assert await ids(shop, inner, order="-o.amount,-o.id", limit=2) == [(2, 1), (3, 2)]
    # Both sides have an id: the bare name is the first side's.
    assert await ids(shop, inner, where={"id": {"gt": 1}}, order="id") == [(2, 1), (3, 2)]
    text = {"eq": [{"column": "c.name"}, {"literal": {"text": "bob"}}]}
    assert await ids(shop, inner, where=text) == [(3, 2)]


async def test_a_condition_may_hold_a_subquery_on_a_side(shop: Shop) -> None:
    others = {"table": "orders", "filter": {"customer_id": {"$outer": "c.id"}, "amount": 30}}
    assert await ids(
        shop, to_customers("inner", {"and": [BY_CUSTOMER, {"exists": others}]}), order="o.id"
    ) == [
        (1, 1),
        (2, 1),
    ]
    strings = {"table": "orders", "filter": {"customer_id": "$outer.c.id", "amount": 30}}
    assert await ids(shop, to_customers("inner"), where={"not_exists": strings}) == [(3, 2)]


async def test_a_join_can_be_counted_and_grouped(shop: Shop) -> None:
    table, values = joined(SCOPE["orders"], "o", to_customers("left"), SCOPE)
    call = aggregate(
        shop.compiler,
        table,
        [{"func": "count", "alias": "n"}],
        ["c.name"],
        order="-n,c.name",
        join_values=values,
    )
    assert await shop.run(call) == [
        {"c.name": "ada", "n": 2},
        {"c.name": None, "n": 2},
        {"c.name": "bob", "n": 1},
    ]
    counted = shop.compiler.get(("count", table, ("and",)))
    assert await shop.run(counted.call(values, lambda records: records[0][0])) == 5


def test_the_synchronous_world_joins_too(sync_db: SyncDB, ddl: Callable[[str], str]) -> None:
    shop = filled_sync(sync_db, ddl)
    rows = shop.handle.run(join(shop.compiler, "orders", to_customers("left"), "o", order="-o.id", limit=2))
    assert [(r["o"]["id"], r["c"]) for r in rows] == [(5, None), (4, None)]


@pytest.mark.parametrize(
    ("joins", "error", "says"),
    [
        ([{"table": "customer"}], UndefinedTableError, "did you mean 'customers'"),
        ([{"kind": "outer", "table": "customers"}], ValidationError, "no join of kind 'outer'"),
        ([{"table": "orders"}], ValidationError, "two joined tables are called 'orders'"),
        ([{"tabel": "customers"}], ValidationError, "no 'tabel'; did you mean 'table'"),
        (["customers"], ValidationError, "a join is a dict"),
        ([{"table": "customers", "alias": "a.b"}], ValidationError, "without a dot"),
        ([{"kind": "cross", "table": "customers", "on": {"vip": True}}], ValidationError, "takes no `on`"),
        ([{"table": "customers", "on": on_eq("orders.nope", "customers.id")}], UndefinedColumnError, "nope"),
        ([{"table": "customers", "on": on_eq("orders.id", "c.id")}], UndefinedColumnError, "c.id"),
        ([{"table": "customers", "on": on_eq("orders.id", "name")}], ValidationError, "cannot be compared"),
        (
            [{"table": "customers", "on": {"name": {"like": {"$column": "note"}}}}],
            ValidationError,
            "takes a text",
        ),
        (
            [{"table": "customers", "on": {"eq": [{"literal": {"int": 1}}, {"literal": {"int": 1}}]}}],
            ValidationError,
            "compares no column",
        ),
        ([{"table": "customers", "on": {"vip": {"equals": True}}}], ValidationError, "no operator 'equals'"),
    ],
)
def test_a_mistake_is_found_before_any_sql(joins: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        joined(SCOPE["orders"], None, joins, SCOPE)


def test_a_condition_names_only_sides_that_are_there_by_then() -> None:
    early = [{"table": "customers", "on": on_eq("tags.order_id", "orders.id")}, {"table": "tags"}]
    with pytest.raises(UndefinedColumnError, match="tags"):
        joined(SCOPE["orders"], None, early, SCOPE)


def test_the_same_join_with_other_values_is_the_same_table() -> None:
    def over(amount: int) -> Any:
        return joined(SCOPE["orders"], "o", to_customers("left", {"o.amount": {"gt": amount}}), SCOPE)

    (first, ten), (second, twenty) = over(10), over(20)
    assert first is second
    assert (ten, twenty) == ([10], [20])
    other, _ = joined(SCOPE["orders"], "o", to_customers("inner", {"o.amount": {"gt": 1}}), SCOPE)
    assert other is not first


def test_only_so_many_joins_are_kept() -> None:
    base = SCOPE["customers"]
    for number in range(200):
        joined(base, f"a{number}", [{"table": "orders", "alias": f"b{number}"}], SCOPE)
    assert len(base.facts["joins"]) <= 64


def test_part_of_a_joins_columns_can_be_asked_for_where_a_missing_side_is_told() -> None:
    table, _ = joined(SCOPE["orders"], "o", to_customers("left"), SCOPE)
    read = table.hydrate(["o.id", "c.id"], [None, None])
    assert read([(1, 2), (3, None)]) == [{"o": {"id": 1}, "c": {"id": 2}}, {"o": {"id": 3}, "c": None}]
    with pytest.raises(ValidationError, match=r"a 'c' is told by 'c.id': ask for it too"):
        table.hydrate(["o.id", "c.name"], [None, None])


def test_readers_of_dicts_take_any_name_and_say_what_cannot_be_read() -> None:
    odd = 'it\'s "odd"\n{}'
    assert dict_rows([odd, "b"], [None, int])([(1, "2")]) == [{odd: 1, "b": 2}]
    assert dict_rows(["a"], [None])([(1, "count of all")]) == [{"a": 1}]
    assert dict_rows([], [])([(1,), (2,)]) == [{}, {}]
    assert nested_rows({odd: Side({"a": 0}), "b": Side({"c": 1}, 1)}, [None, None])([(1, None)]) == [
        {odd: {"a": 1}, "b": None}
    ]
    with pytest.raises(RowError, match="ValueError while reading"):
        dict_rows(["a"], [int])([("no number",)])
    assert issubclass(DataError, ValidationError)


ODD = 'it\'s "odd" `$1` %s ? :x {}\\'


async def test_any_name_can_be_an_alias(shop: Shop) -> None:
    customers = [{"table": "customers", "alias": ODD, "on": on_eq("o.customer_id", f"{ODD}.id")}]
    where = {f"{ODD}.name": "bob"}
    rows = await shop.run(join(shop.compiler, "orders", customers, "o", where, f"{ODD}.id", with_=[]))
    assert [(r["o"]["id"], r[ODD]["name"]) for r in rows] == [(3, "bob")]
    hidden = {"name": ODD, "table": "customers", "filter": {"id": 2}}
    customers = [{"table": ODD, "on": on_eq("o.customer_id", f"{ODD}.id")}]
    rows = await shop.run(join(shop.compiler, "orders", customers, "o", with_=[hidden]))
    assert [(r["o"]["id"], r[ODD]["name"]) for r in rows] == [(3, "bob")]
    (row,) = await shop.run(aggregate(shop.compiler, "orders", [{"func": "count", "alias": ODD}]))
    assert row == {ODD: 5}


async def test_sides_may_be_missing_on_either_hand_of_three(shop: Shop) -> None:
    await shop.handle.plan(_insert_tags(shop))
    right = [*to_customers("inner"), {"kind": "right", "table": "tags", "alias": "t", "on": TAGGED}]
    rows = await shop.run(join(shop.compiler, "orders", right, "o", order="t.word"))
    assert [tuple(r[s] and next(iter(r[s].values())) for s in "oct") for r in rows] == [
        (1, 1, 1),
        (None, None, None),
    ]
    assert [r["t"] for r in rows] == [
        {"order_id": 1, "word": "new"},
        {"order_id": None, "word": None},
    ]
    if await refused_where_there_is_none(shop):
        return
    full = [{"kind": "full", "table": "tags", "alias": "t", "on": TAGGED}, *to_customers("left")]
    rows = await shop.run(join(shop.compiler, "orders", full, "o", {"o.id": {"in": [1, 4, None]}}, "o.id"))
    assert [tuple(r[s] and next(iter(r[s].values())) for s in "oct") for r in rows] == [
        (1, 1, 1),
        (4, None, None),
        (None, None, None),
    ]
    assert [r["t"] is None for r in rows] == [False, True, False]
