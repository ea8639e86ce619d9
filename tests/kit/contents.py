"""What a table of a test's database holds: filled at once, read in the order of its keys."""

from __future__ import annotations

from typing import Any

from rowstead.kit import Database


def rows_of(db: Database, name: str) -> list[dict[str, Any]]:
    with db.begin() as txn:
        return txn.select(name, order=db.table(name).key)


def fill(db: Database, name: str, rows: Any) -> None:
    db.transaction(lambda txn: txn.insert_many(name, rows, returning=False))
