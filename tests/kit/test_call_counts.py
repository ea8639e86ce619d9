"""What each of the kit's verbs costs, counted: statements sent, and on PostgreSQL round trips on the wire.

Seconds depend on the machine; these do not. Each verb has run before, so that what is counted is the
warm path; it stands in a transaction that has written already, unless it says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from conftest import Backend
from rowstead.kit import Database, Transaction, agg, column, on_eq
from suite.test_call_counts import WARMING, Counts, Proxy

from .migrations import op, raw, schema, users, version
from .shop import shop

Operation = Callable[[Transaction, int], Any]


def customer(i: int) -> dict[str, Any]:
    return {"id": i, "email": f"c{i}@x"}


def notes(i: int, count: int) -> list[dict[str, Any]]:
    return [{"id": n, "body": "x"} for n in range(i, i + count)]


JOINED = [{"kind": "left", "table": "customers", "alias": "c", "on": on_eq("o.customer_id", "c.id")}]
BIG = [{"name": "big", "table": "orders", "filter": {"amount": {"gt": 1}}}]

OPERATIONS: Mapping[str, Operation] = {
    "get_by_pk": lambda txn, i: txn.get_by_pk("customers", 1),
    "select": lambda txn, i: txn.select("orders", {"amount": {"gt": 1}}, "-id", 5),
    "select with a subquery": lambda txn, i: txn.select(
        "customers", {"id": {"in_subquery": {"table": "orders", "columns": ["customer_id"]}}}
    ),
    "select from a CTE": lambda txn, i: txn.select("big", ctes=BIG),
    "count": lambda txn, i: txn.count("orders"),
    "aggregate": lambda txn, i: txn.aggregate("orders", [agg("count", "n")], group_by=["customer_id"]),
    "join": lambda txn, i: txn.join("orders", JOINED, alias="o"),
    "insert": lambda txn, i: txn.insert("notes", {"id": i}),
    "insert, key from a counter": lambda txn, i: txn.insert("orders", {"customer_id": 1, "amount": 1}),
    "insert, key given beside a counter": lambda txn, i: txn.insert("customers", customer(i)),
    "insert_returning": lambda txn, i: txn.insert_returning("notes", {"id": i}, ["id"]),
    "insert_many, 5 rows": lambda txn, i: txn.insert_many("notes", notes(i, 5)),
    "insert_many, 5 rows not given back": lambda txn, i: txn.insert_many(
        "notes", notes(i, 5), returning=False
    ),
    "insert_many, 500 rows": lambda txn, i: txn.insert_many("notes", notes(i, 500)),
    "insert_many, 500 keys from a counter": lambda txn, i: txn.insert_many(
        "orders", [{"customer_id": 1, "amount": 1}] * 500
    ),
    "update": lambda txn, i: txn.update("notes", 1, {"body": str(i)}),
    "update_where": lambda txn, i: txn.update_where("notes", set={"body": str(i)}, filter={"id": 1}),
    "upsert, new": lambda txn, i: txn.upsert("notes", {"id": i}),
    "upsert, there and left": lambda txn, i: txn.upsert("notes", {"id": 1}, "do_nothing"),
    "upsert, there and changed": lambda txn, i: txn.upsert("notes", {"id": 1}, {"set": {"body": "y"}}),
    "insert, then delete": lambda txn, i: (txn.insert("notes", {"id": i}), txn.delete("notes", i)),
    "delete_where": lambda txn, i: txn.delete_where("notes", filter={"id": -1}),
    "allocate_sequence": lambda txn, i: txn.allocate_sequence("numbers", 10),
}

READ = (1, 1)
WRITE = (2, 2)
"""On PostgreSQL a savepoint stands before whatever comes next: it is set anew before what follows a write."""

EXPECTED: Mapping[str, tuple[int, tuple[int, int]]] = {
    "get_by_pk": (1, READ),
    "select": (1, READ),
    "select with a subquery": (1, READ),
    "select from a CTE": (1, READ),
    "count": (1, READ),
    "aggregate": (1, READ),
    "join": (1, READ),
    "insert": (1, WRITE),
    # The counter is asked for a number, or moved behind the one that is given.
    "insert, key from a counter": (2, (3, 3)),
    "insert, key given beside a counter": (2, (3, 3)),
    "insert_returning": (1, WRITE),
    # A savepoint of its own around the rows, however many.
    "insert_many, 5 rows": (3, (3, 3)),
    "insert_many, 5 rows not given back": (3, (3, 3)),
    "insert_many, 500 rows": (3, (3, 3)),
    "insert_many, 500 keys from a counter": (4, (4, 4)),
    "update": (1, WRITE),
    "update_where": (1, WRITE),
    "upsert, new": (1, WRITE),
    # The row that is there is read.
    "upsert, there and left": (2, (3, 3)),
    "upsert, there and changed": (1, WRITE),
    "insert, then delete": (2, (4, 4)),
    "delete_where": (1, WRITE),
    "allocate_sequence": (1, READ),
}
"""Statements on SQLite; statements and round trips on PostgreSQL."""


@contextmanager
def counted(backend: Backend) -> Iterator[tuple[str, Counts]]:
    """A URL and what is counted on the way to it."""
    if not backend.is_postgres:
        yield backend.url, Counts(None)
        return
    parts = urlsplit(backend.url)
    with Proxy(str(parts.hostname), int(parts.port or 5432)) as proxy:
        place = f"{parts.username}:{parts.password}@127.0.0.1:{proxy.port}"
        yield urlunsplit(parts._replace(netloc=place)), Counts(proxy)


def noting(counts: Counts) -> Callable[[Any], None]:
    def note(_trace: Any) -> None:
        counts.statements += 1

    return note


def test_each_verb_sends_what_the_table_says(sync_backend: Backend) -> None:
    found: dict[str, tuple[int, int]] = {}
    with counted(sync_backend) as (url, counts), Database.create(url, shop(), trace=noting(counts)) as db:
        with db.begin() as txn:
            txn.insert("customers", customer(1))
        for number, (name, operation) in enumerate(OPERATIONS.items(), 1):
            with db.begin() as txn:
                txn.upsert("notes", {"id": 1})
                for warming in range(WARMING):
                    operation(txn, number * 100_000 + warming * 1_000)
                counts.clear()
                operation(txn, number * 100_000 + WARMING * 1_000)
                found[name] = counts.found
    assert found == expected(EXPECTED, sync_backend)


def expected(table: Mapping[str, Any], backend: Backend) -> dict[str, tuple[int, int]]:
    """The part of a table that is this backend's."""
    if backend.is_postgres:
        return {name: figures[1] for name, figures in table.items()}
    return {name: (figures[0], 0) for name, figures in table.items()}


def _reading(db: Database, _: int) -> None:
    with db.begin() as txn:
        txn.get_by_pk("customers", 1)


def _writing(db: Database, i: int) -> None:
    with db.begin() as txn:
        txn.insert("notes", {"id": i})


def _rolled_back(db: Database, i: int) -> None:
    txn = db.begin()
    txn.insert("notes", {"id": i})
    txn.rollback()


def _function(db: Database, i: int) -> None:
    db.transaction(lambda txn: txn.insert("notes", {"id": i}))


BLOCKS: Mapping[str, Callable[[Database, int], Any]] = {
    "begin, read, commit": _reading,
    "begin, insert, commit": _writing,
    "begin, insert, rollback": _rolled_back,
    "transaction(insert)": _function,
    "allocate_sequence": lambda db, _: db.allocate_sequence("numbers"),
    "migrate, nothing to do": lambda db, _: db.migrate([]),
}
EXPECTED_OF_BLOCKS: Mapping[str, tuple[int, tuple[int, int]]] = {
    # BEGIN and a read, since the transaction is to see that moment; on PostgreSQL in one round trip with
    # the savepoint before the verb, and the transaction's id comes with the row.
    "begin, read, commit": (4, (3, 3)),
    "begin, insert, commit": (4, (3, 3)),
    "begin, insert, rollback": (4, (3, 3)),
    "transaction(insert)": (4, (3, 3)),
    # A number that no transaction holds needs none.
    "allocate_sequence": (3, (1, 1)),
    # The schema is read first, since another handle may have changed it.
    "migrate, nothing to do": (6, (7, 9)),
}


def test_each_block_sends_what_the_table_says(sync_backend: Backend) -> None:
    found: dict[str, tuple[int, int]] = {}
    with counted(sync_backend) as (url, counts), Database.create(url, shop(), trace=noting(counts)) as db:
        for number, (name, operation) in enumerate(BLOCKS.items(), 1):
            for warming in range(WARMING):
                operation(db, number * 1_000 + warming)
            counts.clear()
            operation(db, number * 1_000 + WARMING)
            found[name] = counts.found
    assert found == expected(EXPECTED_OF_BLOCKS, sync_backend)


def test_opening_looks_at_every_definition_only_where_something_has_changed(sync_backend: Backend) -> None:
    with counted(sync_backend) as (url, counts):
        found: list[int] = []

        def opened() -> None:
            counts.clear()
            Database.open(url, trace=noting(counts)).close()
            found.append(counts.statements)

        with Database.create(url, schema(users())) as db:
            opened()
            name = column("name", 3, "text", nullable=True)
            db.set_schema(schema(users(name)))
            db.migrate([version(1, op("add_column", "users", "name"))])
            opened()
        raw(sync_backend, "CREATE TABLE another (id INTEGER)")
        opened()
    # The schema; the number that says that it is as it was; all definitions.
    assert found == ([2, 2, 2] if sync_backend.is_postgres else [2, 2, 3])
