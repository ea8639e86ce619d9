"""Customers and orders: the tables that joins, aggregates and common table expressions are tested on.

The orders' customers are 1, 1, 2, 9 (there is none) and NULL; the customers are 1, 2, 3 and one whose
name is NULL.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, NamedTuple

from rowstead import DB, Row
from rowstead.language.aggregates import aggregated
from rowstead.language.conditions import read
from rowstead.language.ordering import read_order
from rowstead.plan import Call
from rowstead.statements.compiled import Compiler
from rowstead.statements.ctes import ctes
from rowstead.statements.joins import joined
from rowstead.sync import DB as SyncDB
from rowstead.tables.dicts import dict_rows
from rowstead.tables.schema import Table
from rowstead.tables.serialized import friendly, friendly_order


class Customer(Row):
    __table__ = "customers"
    id: int
    name: str | None = None
    vip: bool = False


class Order(Row):
    __table__ = "orders"
    id: int
    customer_id: int | None = None
    amount: int | None = None
    price: Decimal | None = None
    weight: float | None = None
    paid: bool | None = None
    note: str | None = None


class Tag(Row):
    """A table of which no column tells whether a row is there."""

    __table__ = "tags"
    __pk__ = ()
    order_id: int | None = None
    word: str | None = None


TABLES = (
    "CREATE TABLE customers (id {int} PRIMARY KEY, name {text}, vip {bool} NOT NULL)",
    "CREATE TABLE orders (id {int} PRIMARY KEY, customer_id {int}, amount {bigint}, price {decimal},"
    " weight {float}, paid {bool}, note {text})",
    "CREATE TABLE tags (order_id {int}, word {text})",
)
CUSTOMERS = (
    Customer(id=1, name="ada", vip=True),
    Customer(id=2, name="bob", vip=False),
    Customer(id=3, name="cid", vip=False),
    Customer(id=4, vip=False),
)
ORDERS = (
    Order(id=1, customer_id=1, amount=10, price=Decimal("1.10"), weight=0.5, paid=True, note="a"),
    Order(id=2, customer_id=1, amount=30, price=Decimal("2.20"), weight=1.5, paid=False, note=""),
    Order(id=3, customer_id=2, amount=10, price=Decimal("10"), paid=True, note="b"),
    Order(id=4, customer_id=9, amount=None, price=Decimal("-5.5"), weight=2.0),
    Order(id=5, customer_id=None, amount=7, paid=False),
)


def _of_dicts(model: type[Row]) -> Table:
    return replace(model.__rowstead__(), hydrate=dict_rows, facts={})


SCOPE: Mapping[str, Table] = {t.name: t for t in map(_of_dicts, (Customer, Order, Tag))}


def on_eq(left: str, right: str) -> dict[str, Any]:
    return {"eq": [{"column": left}, {"column": right}]}


class Shop(NamedTuple):
    """A handle of either world with the shop's tables filled."""

    compiler: Compiler
    handle: Any

    async def run(self, call: Call[Any]) -> Any:
        return await self.handle.run(call)


async def filled(db: DB, ddl: Any) -> Shop:
    for statement in TABLES:
        await db.execute(ddl(statement))
    await db.insert_many(CUSTOMERS)
    await db.insert_many(ORDERS)
    return Shop(db.database.compiler, db.database)


def filled_sync(db: SyncDB, ddl: Any) -> Shop:
    for statement in TABLES:
        db.execute(ddl(statement))
    db.insert_many(CUSTOMERS)
    db.insert_many(ORDERS)
    return Shop(db.database.compiler, db.database)


def select(
    compiler: Compiler,
    name: str,
    where: Any = None,
    order: Any = None,
    columns: Sequence[str] | None = None,
    limit: int | None = None,
    offset: int | None = None,
    distinct: bool = False,
    with_: Sequence[Mapping[str, Any]] = (),
) -> Call[Any]:
    named = ctes(with_, SCOPE, outer_strings=True)
    table = named.scope[name]
    shape, values = read(where, table, scope=named.scope, outer_strings=True)
    window = [n for n in (limit, offset) if n is not None]
    compiled = compiler.get(
        (
            "select",
            table,
            tuple(columns or table.all),
            shape,
            read_order(order, table),
            limit is not None,
            offset is not None,
            None,
            False,
            distinct,
            named.tables,
        )
    )
    return compiled.call([*named.values, *values, *window], compiled.read_all)


def join(
    compiler: Compiler,
    base: str,
    joins: Sequence[Mapping[str, Any]],
    alias: str | None = None,
    where: Any = None,
    order: Any = None,
    limit: int | None = None,
    with_: Sequence[Mapping[str, Any]] = (),
) -> Call[Any]:
    named = ctes(with_, SCOPE)
    table, values = joined(named.scope[base], alias, joins, named.scope)
    shape, given = read(
        friendly(where, table), table, scope=named.scope, outer_strings=True, column_operands=True
    )
    terms = read_order(friendly_order(order), table)
    window = [] if limit is None else [limit]
    key = (
        "select",
        table,
        table.all,
        shape,
        terms,
        limit is not None,
        False,
        None,
        False,
        False,
        named.tables,
    )
    compiled = compiler.get(key)
    return compiled.call([*named.values, *values, *given, *window], compiled.read_all)


def aggregate(
    compiler: Compiler,
    table: Table | str,
    aggregates: Sequence[Mapping[str, Any]],
    group_by: Sequence[str] = (),
    where: Any = None,
    having: Any = None,
    order: Any = None,
    join_values: Sequence[Any] = (),
) -> Call[Any]:
    source = SCOPE[table] if isinstance(table, str) else table
    result = aggregated(source, aggregates, group_by)
    shape, values = read(where, source, scope=SCOPE)
    condition, having_values = read(having, result)
    terms = read_order(list(group_by) if order is None else order, result)
    compiled = compiler.get(("aggregate", result, shape, condition, terms))
    return compiled.call([*join_values, *values, *having_values], compiled.read_all)
