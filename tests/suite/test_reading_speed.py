"""Joined rows cost no more than the same SQL by hand with one flat dict for each row.

Seconds depend on the machine; so short turns of both alternate, and the best of each are compared.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from time import perf_counter
from typing import Any

import pytest

from rowstead.dialects import SQLITE
from rowstead.statements.compiled import Compiler
from shop import join, on_eq

MOST = 1.3
TURNS = 20
COLUMNS = ["o_id", "customer_id", "amount", "price", "weight", "paid", "note", "c_id", "name", "vip"]


@pytest.fixture(scope="module")
def filled() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, vip INTEGER)")
    connection.execute(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER, amount INTEGER, price TEXT,"
        " weight REAL, paid INTEGER, note TEXT)"
    )
    connection.executemany(
        "INSERT INTO customers VALUES (?, ?, ?)", ((i, f"n{i}", i % 2) for i in range(200))
    )
    connection.executemany(
        "INSERT INTO orders VALUES (?, ?, ?, NULL, ?, ?, ?)",
        ((i, i % 200, i % 13, i / 3, i % 2, f"t{i}") for i in range(1_000)),
    )
    return connection


def ratio(work: Callable[[], object], reference: Callable[[], object]) -> float:
    """How many times the reference the work costs, by the best of alternating turns."""
    best = [float("inf"), float("inf")]
    for _ in range(TURNS):
        for place, function in enumerate((work, reference)):
            began = perf_counter()
            function()
            best[place] = min(best[place], perf_counter() - began)
    return best[0] / best[1]


def test_a_join_costs_what_the_same_sql_costs_by_hand(filled: sqlite3.Connection) -> None:
    kind = {"kind": "left", "table": "customers", "alias": "c", "on": on_eq("o.customer_id", "c.id")}
    call = join(Compiler(SQLITE, "sqlite", "qmark"), "orders", [kind], "o")

    def by_hand() -> list[dict[str, Any]]:
        return [dict(zip(COLUMNS, row, strict=True)) for row in filled.execute(call.text)]

    def ours() -> Any:
        assert call.read is not None
        return call.read(filled.execute(call.text).fetchall())

    def value_by_value() -> list[dict[str, Any]]:
        def read(row: Any, names: list[str]) -> dict[str, Any]:
            return {name: row[COLUMNS.index(name)] for name in names}

        rows = filled.execute(call.text).fetchall()
        return [{"o": read(row, COLUMNS[:7]), "c": read(row, COLUMNS[7:])} for row in rows]

    assert ours()[7] == {
        "o": dict(zip(["id", *COLUMNS[1:7]], [7, 7, 7, None, 7 / 3, True, "t7"], strict=True)),
        "c": {"id": 7, "name": "n7", "vip": True},
    }
    found = ratio(ours, by_hand)
    print(f"a joined row costs {found:.2f} of a flat one by hand")
    assert found <= MOST
    # A reader that touches each value by itself would be seen.
    assert ratio(value_by_value, by_hand) > MOST
