"""The SQL of joins, aggregates, common table expressions and distinct reads, per dialect."""

from collections.abc import Sequence
from typing import Any

import pytest

from rowstead.dialects import POSTGRESQL, SQLITE
from rowstead.statements.compiled import Compiler
from rowstead.statements.joins import joined
from shop import SCOPE, aggregate, join, on_eq, select

POSTGRES = Compiler(POSTGRESQL, "asyncpg", "numeric_dollar")
LITE = Compiler(SQLITE, "sqlite", "qmark")

BOTH = "o.id, o.customer_id, o.amount, o.price, o.weight, o.paid, o.note, c.id, c.name, c.vip"
ON = on_eq("o.customer_id", "c.id")


def customers(kind: str, on: Any = ON) -> list[dict[str, Any]]:
    return [{"kind": kind, "table": "customers", "alias": "c", "on": on}]


def spelled(make: Any, *arguments: Any, **named: Any) -> list[tuple[str, list[Any]]]:
    calls = [make(compiler, *arguments, **named) for compiler in (POSTGRES, LITE)]
    return [(call.text, list(call.params)) for call in calls]


# (joins, filter, order, PostgreSQL after FROM, SQLite after FROM, values)
JOINS: Sequence[tuple[Any, Any, Any, str, str, list[Any]]] = [
    (
        customers("inner"),
        None,
        None,
        "orders AS o JOIN customers AS c ON o.customer_id = c.id",
        "orders AS o JOIN customers AS c ON o.customer_id = c.id",
        [],
    ),
    (
        customers("left", {"and": [ON, {"c.name": {"like": "a%"}}]}),
        {"o.amount": {"gt": 5}, "vip": True},
        "-c.name,o.id",
        "orders AS o LEFT OUTER JOIN customers AS c ON o.customer_id = c.id AND c.name LIKE $1 ESCAPE ''"
        " WHERE o.amount > $2 AND c.vip = $3 ORDER BY c.name DESC NULLS LAST, o.id",
        "orders AS o LEFT OUTER JOIN customers AS c ON o.customer_id = c.id AND (c.name GLOB ?)"
        " WHERE o.amount > ? AND c.vip = ? ORDER BY c.name DESC, o.id",
        ["a%", 5, True],
    ),
    (
        customers("right"),
        None,
        "o.id",
        "customers AS c LEFT OUTER JOIN orders AS o ON o.customer_id = c.id ORDER BY o.id",
        "customers AS c LEFT OUTER JOIN orders AS o ON o.customer_id = c.id ORDER BY o.id NULLS LAST",
        [],
    ),
    (
        customers("full"),
        {"o.amount": {"lt": {"$column": "c.id"}}},
        None,
        "orders AS o FULL OUTER JOIN customers AS c ON o.customer_id = c.id WHERE o.amount < c.id",
        "orders AS o FULL OUTER JOIN customers AS c ON o.customer_id = c.id WHERE o.amount < c.id",
        [],
    ),
    (
        customers("full", {"and": [{"c.id": {"gt": 2}}, {"and": [ON]}]}),
        None,
        None,
        "orders AS o FULL OUTER JOIN customers AS c ON c.id > $1 AND o.customer_id = c.id",
        "orders AS o FULL OUTER JOIN customers AS c ON c.id > ? AND o.customer_id = c.id",
        [2],
    ),
    (
        customers("full", {"c.id": {"gt": 2}}),
        None,
        None,
        # PostgreSQL refuses a full join without an equality between the sides.
        "orders AS o FULL OUTER JOIN customers AS c ON (o.id IS NULL OR o.id IS NOT NULL)"
        " = (c.id IS NULL OR c.id IS NOT NULL) AND c.id > $1",
        "orders AS o FULL OUTER JOIN customers AS c ON c.id > ?",
        [2],
    ),
    (
        customers("cross", None),
        {"exists": {"table": "orders", "filter": {"customer_id": "$outer.c.id"}}},
        None,
        "orders AS o JOIN customers AS c ON true WHERE EXISTS (SELECT 1 FROM orders AS inner_1"
        " WHERE inner_1.customer_id = c.id)",
        "orders AS o JOIN customers AS c ON 1 = 1 WHERE EXISTS (SELECT 1 FROM orders AS inner_1"
        " WHERE inner_1.customer_id = c.id)",
        [],
    ),
]


@pytest.mark.parametrize(("joins", "where", "order", "postgres", "lite", "values"), JOINS)
def test_a_join_is_written_as_a_person_writes_it(
    joins: Any, where: Any, order: Any, postgres: str, lite: str, values: list[Any]
) -> None:
    (text, params), (lite_text, _) = spelled(join, "orders", joins, "o", where, order)
    assert text == f"SELECT {BOTH} FROM {postgres}"
    assert lite_text == f"SELECT {BOTH} FROM {lite}"
    assert params == values


def test_without_aliases_the_tables_names_stand() -> None:
    joins = [{"table": "customers", "on": on_eq("orders.customer_id", "customers.id")}]
    table, _ = joined(SCOPE["orders"], None, joins, SCOPE)
    assert POSTGRES.get(("count", table, ("and",))).text == (
        "SELECT count(*) FROM orders JOIN customers ON orders.customer_id = customers.id"
    )


def test_a_side_without_a_telling_column_is_marked() -> None:
    tags = [{"kind": "left", "table": "tags", "alias": "t", "on": {"t.order_id": {"$column": "c.id"}}}]
    (text, _), _ = spelled(join, "customers", tags, "c")
    assert text == (
        'SELECT c.id, c.name, c.vip, t.order_id, t.word, t."$matched" FROM customers AS c LEFT OUTER JOIN'
        ' (SELECT tags.order_id AS order_id, tags.word AS word, 1 AS "$matched" FROM tags) AS t ON t.order_id = c.id'
    )


def test_a_right_join_of_three_takes_what_was_joined_before_as_one() -> None:
    joins = [
        *customers("inner"),
        {"kind": "right", "table": "tags", "on": {"tags.order_id": {"$column": "o.id"}}},
    ]
    (text, _), _ = spelled(join, "orders", joins, "o")
    assert text.endswith(
        "FROM tags LEFT OUTER JOIN (orders AS o JOIN customers AS c ON o.customer_id = c.id)"
        " ON tags.order_id = o.id"
    )


def test_an_aggregate_is_spelled_as_each_database_can() -> None:
    aggregates = [
        {"func": "count", "alias": "n"},
        {"func": "sum", "alias": "spent", "column": "amount", "distinct": True},
        {"func": "avg", "alias": "mean", "column": "amount"},
        {"func": "max", "alias": "dear", "column": "price"},
        {"func": "min", "alias": "all paid", "column": "paid"},
    ]
    having = {"n": {"gt": 1}, "dear": {"gt": 2}}
    (text, params), (lite, _) = spelled(
        aggregate, "orders", aggregates, ["customer_id"], {"id": {"lt": 9}}, having, "-n,customer_id"
    )
    assert text == (
        "SELECT customer_id, count(*) AS n, sum(DISTINCT amount) AS spent,"
        ' CAST(avg(amount) AS DOUBLE PRECISION) AS mean, max(price) AS dear, bool_and(paid) AS "all paid"'
        " FROM orders WHERE id < $1 GROUP BY customer_id HAVING count(*) > $2 AND max(price) > $3"
        " ORDER BY count(*) DESC, customer_id"
    )
    dear = "rowstead_decimals('max', json_group_array(price))"
    assert lite == (
        f"SELECT customer_id, count(*) AS n, sum(DISTINCT amount) AS spent, avg(amount) AS mean, {dear} AS dear,"
        " min(paid) AS `all paid` FROM orders WHERE id < ? GROUP BY customer_id"
        f" HAVING count(*) > ? AND rowstead_decimal({dear}) > rowstead_decimal(?)"
        " ORDER BY count(*) DESC, customer_id NULLS LAST"
    )
    assert params == [9, 1, 2]


def test_common_table_expressions_stand_before_the_statement_and_their_values_first() -> None:
    named = [
        {
            "name": "big",
            "table": "orders",
            "columns": ["id", "customer_id"],
            "filter": {"amount": {"gt": 5}},
            "limit": 3,
        },
        {
            "name": "customers",
            "table": "customers",
            "filter": {"id": {"in_subquery": {"table": "big", "columns": ["customer_id"]}}},
        },
    ]
    (text, params), (lite, _) = spelled(select, "customers", {"name": "ada"}, with_=named)
    assert text == (
        "WITH big AS (SELECT id, customer_id FROM orders WHERE amount > $1 LIMIT $2),"
        " customers_ AS (SELECT id, name, vip FROM customers WHERE id IN"
        " (SELECT inner_1.customer_id FROM big AS inner_1))"
        " SELECT id, name, vip FROM customers_ WHERE name = $3"
    )
    assert lite == text.replace("$1", "?").replace("$2", "?").replace("$3", "?")
    assert params == [5, 3, "ada"]


def test_distinct_is_one_word() -> None:
    (text, _), (lite, _) = spelled(
        select, "orders", {"id": {"gt": 1}}, "-amount", ["amount"], limit=2, distinct=True
    )
    assert text == "SELECT DISTINCT amount FROM orders WHERE id > $1 ORDER BY amount DESC NULLS LAST LIMIT $2"
    assert lite == "SELECT DISTINCT amount FROM orders WHERE id > ? ORDER BY amount DESC LIMIT ?"


def test_the_same_specification_is_compiled_once() -> None:
    compiler = Compiler(POSTGRESQL, "asyncpg", "numeric_dollar")
    for amount in range(5):
        on = {"and": [ON, {"o.amount": {"gt": amount}}]}
        join(compiler, "orders", customers("left", on), "o", {"c.id": amount}, "o.id", amount)
        big = {"name": "big", "table": "orders", "filter": {"amount": amount}, "limit": amount}
        select(compiler, "big", {"id": amount}, with_=[big])
        aggregate(
            compiler, "orders", [{"func": "count", "alias": "n"}], ["paid"], {"id": amount}, {"n": amount}
        )
    assert len(compiler.kept) == 3
