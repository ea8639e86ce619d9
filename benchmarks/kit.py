"""The kit on a SQLite file: its dicts beside the standard library called bare, which makes dicts too.

The bare side reads and writes the kit's own tables, so it finds the same indexes, constraints and
stored forms. Two files: one that is only read, by both sides in a transaction that is open already,
and one that is written. A dict of the bare side holds values as SQLite stores them.
"""

from __future__ import annotations

import datetime
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.harness import BARE, OURS, Benchmark, Side
from benchmarks.people import COLUMNS, named, record
from benchmarks.sql_sqlite import BY_AGE, GET, SETTINGS
from benchmarks.sqlite import MEMORY
from rowstead.kit import (
    Database,
    Transaction,
    agg,
    bool_,
    fk,
    float_,
    index,
    on_eq,
    table,
    text,
    unique,
)
from rowstead.kit import datetime as datetime_
from rowstead.kit import int as int_

ROWS = 100_000
ORDERS = 10_000
CUSTOMERS = 1_000

Row = Mapping[str, Any]

PEOPLE = table(
    "people",
    1,
    [
        int_("id", 1, primary_key=True),
        text("name", 2),
        text("email", 3, nullable=True),
        int_("age", 4),
        float_("score", 5),
        bool_("active", 6),
        datetime_("created_at", 7),
    ],
    "id",
    indexes=[index("people_age", "age")],
)
SOLD = [
    table("customers", 2, [int_("id", 1, primary_key=True), text("name", 2)], "id"),
    table(
        "orders",
        3,
        [int_("id", 1, primary_key=True), int_("customer_id", 2), float_("amount", 3)],
        "id",
        foreign_keys=[fk("fk_customer", "customer_id", "customers", "id")],
    ),
]
TEAMS = table("teams", 1, [int_("id", 1, primary_key=True)], "id")
MEMBERS = table(
    "members",
    2,
    [
        int_("id", 1, primary_key=True, default={"sequence": "members_id"}),
        text("email", 2),
        int_("team_id", 3),
    ],
    "id",
    unique_constraints=[unique("uq_email", "email")],
    foreign_keys=[fk("fk_team", "team_id", "teams", "id")],
)

JOIN = (
    "SELECT o.id, o.customer_id, o.amount, c.id, c.name FROM orders AS o"
    " JOIN customers AS c ON o.customer_id = c.id"
)
BY_GROUP = "SELECT age, count(*), sum(score), max(name) FROM people GROUP BY age ORDER BY age"
GROUP = ("age", "n", "total", "last")
INSERT = "INSERT INTO members (id, email, team_id) VALUES (?, ?, ?)"
CATALOGUE = "SELECT type, name, tbl_name, sql FROM sqlite_master"


@asynccontextmanager
async def benchmarks() -> AsyncIterator[list[Benchmark]]:
    """The benchmarks on files of their own, removed at the end."""
    with tempfile.TemporaryDirectory(prefix="rowstead-bench-", dir=MEMORY) as folder:
        read, written = Path(folder) / "read.db", Path(folder) / "written.db"
        with _filled(read) as db, _bare(read) as bare:
            # A transaction that has read sees one state until it ends, on both sides.
            bare.execute("BEGIN")
            with db.begin() as txn, Database.create(written, {"tables": [TEAMS, MEMBERS]}) as other:
                with other.begin() as writing:
                    writing.insert_many("teams", [{"id": number} for number in range(100)])
                with _bare(written) as bare_writer:
                    yield [
                        *_reads(bare, txn),
                        *_sets(bare, txn),
                        *_opening(read),
                        *_writes(bare_writer, other),
                    ]
            bare.execute("COMMIT")


@contextmanager
def _filled(path: Path) -> Iterator[Database]:
    with Database.create(path, {"tables": [PEOPLE, *SOLD]}) as db:
        with db.begin() as txn:
            people = (_utc(named((number, *record(number)))) for number in range(1, ROWS + 1))
            txn.insert_many("people", people, returning=False)
            names = [{"id": number, "name": f"customer {number}"} for number in range(CUSTOMERS)]
            txn.insert_many("customers", names, returning=False)
            orders = [
                {"id": number, "customer_id": number % CUSTOMERS, "amount": number / 4}
                for number in range(ORDERS)
            ]
            txn.insert_many("orders", orders, returning=False)
        yield db


def _utc(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"created_at": row["created_at"].replace(tzinfo=datetime.UTC)}


@contextmanager
def _bare(path: Path) -> Iterator[sqlite3.Connection]:
    bare = sqlite3.connect(path, isolation_level=None, timeout=30)
    try:
        for pragma in SETTINGS:
            bare.execute(f"PRAGMA {pragma}")
        yield bare
    finally:
        bare.close()


def _typed(row: Row) -> dict[str, Any]:
    """A person of either side, as the kit gives it."""
    moment = row["created_at"]
    if isinstance(moment, str):
        moment = datetime.datetime.fromisoformat(moment).replace(tzinfo=datetime.UTC)
    return {**row, "active": bool(row["active"]), "created_at": moment}


def _all_typed(rows: Sequence[Row]) -> list[dict[str, Any]]:
    return sorted(map(_typed, rows), key=lambda row: row["id"])


def _dicts(names: Sequence[str], records: Sequence[Any]) -> list[dict[str, Any]]:
    return [dict(zip(names, record, strict=True)) for record in records]


def _reads(bare: sqlite3.Connection, txn: Transaction) -> list[Benchmark]:
    def bare_get(i: int) -> Row:
        return dict(zip(COLUMNS, bare.execute(GET, (i % ROWS + 1,)).fetchone(), strict=True))

    def our_get(i: int) -> Row | None:
        return txn.get_by_pk("people", i % ROWS + 1)

    def bare_filter(_: int) -> list[dict[str, Any]]:
        return _dicts(COLUMNS, bare.execute(BY_AGE, (7,)).fetchall())

    def our_filter(_: int) -> list[dict[str, Any]]:
        return txn.select("people", {"age": 7})

    return [
        Benchmark(
            "get by key",
            [Side(BARE, bare_get, seen=_typed), Side(OURS, our_get, seen=_typed)],
            1000,
            wanted=5.0,
        ),
        Benchmark(
            "1,000 of 100,000 rows by filter",
            [Side(BARE, bare_filter, seen=_all_typed), Side(OURS, our_filter, seen=_all_typed)],
            20,
            wanted=2.5,
        ),
    ]


def _sets(bare: sqlite3.Connection, txn: Transaction) -> list[Benchmark]:
    condition = [{"kind": "inner", "table": "customers", "alias": "c", "on": on_eq("o.customer_id", "c.id")}]
    figures = [agg("count", "n"), agg("sum", "total", "score"), agg("max", "last", "name")]

    def bare_join(_: int) -> list[Any]:
        return [
            {"o": {"id": order, "customer_id": customer, "amount": amount}, "c": {"id": key, "name": name}}
            for order, customer, amount, key, name in bare.execute(JOIN)
        ]

    def our_join(_: int) -> list[Any]:
        return txn.join("orders", condition, alias="o")

    def bare_groups(_: int) -> list[dict[str, Any]]:
        return _dicts(GROUP, bare.execute(BY_GROUP).fetchall())

    def our_groups(_: int) -> list[dict[str, Any]]:
        return txn.aggregate("people", figures, group_by=["age"], order="age")

    def by_order(rows: list[Any]) -> list[Any]:
        return sorted(rows, key=lambda row: row["o"]["id"])

    return [
        Benchmark(
            "join 10,000 rows with 1,000",
            [Side(BARE, bare_join, seen=by_order), Side(OURS, our_join, seen=by_order)],
            2,
            wanted=1.3,
        ),
        Benchmark(
            "aggregate 100,000 rows in 100 groups",
            [Side(BARE, bare_groups), Side(OURS, our_groups)],
            2,
            wanted=1.3,
        ),
    ]


def _opening(path: Path) -> list[Benchmark]:
    """Another handle is open throughout, so that closing does not end with a checkpoint on either side."""

    def bare_open(_: int) -> list[str]:
        bare = sqlite3.connect(path)
        found = bare.execute(CATALOGUE).fetchall()
        bare.close()
        ours = [name for kind, name, _, _ in found if kind == "table" and not name.startswith("_rowstead")]
        return sorted(ours)

    def our_open(_: int) -> list[str]:
        with Database.open(path) as db:
            return sorted(db.table_names())

    return [
        Benchmark(
            "open a file of 100,000 rows",
            [Side(BARE, bare_open), Side(OURS, our_open)],
            50,
            wanted=3.0,
        )
    ]


def _writes(bare: sqlite3.Connection, db: Database) -> list[Benchmark]:
    rows = [{"email": f"m{number}@example.org", "team_id": number % 100} for number in range(ROWS)]
    records = [(number, row["email"], row["team_id"]) for number, row in enumerate(rows, 1)]

    async def empty() -> None:
        bare.execute("DELETE FROM members")

    def bare_insert(_: int) -> None:
        bare.execute("BEGIN IMMEDIATE")
        bare.executemany(INSERT, records)
        bare.execute("COMMIT")

    def our_insert(_: int) -> None:
        with db.begin() as txn:
            txn.insert_many("members", rows, returning=False)

    def our_insert_returning(_: int) -> None:
        with db.begin() as txn:
            txn.insert_many("members", rows)

    def there(_: Any) -> list[Any]:
        # Not the keys: the kit's counter goes on where the round before left it.
        return bare.execute("SELECT email, team_id FROM members ORDER BY id").fetchall()

    return [
        Benchmark(
            f"insert_many of 100,000 rows with a sequence, a unique constraint and a foreign key{rest}",
            [Side(BARE, bare_insert, empty, there), Side(OURS, ours, empty, there)],
            rounds=7,
            wanted=3.0,
        )
        for rest, ours in (("", our_insert), (", given back", our_insert_returning))
    ]
