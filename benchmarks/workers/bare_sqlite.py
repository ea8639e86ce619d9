"""The standard library called in the same thread, tuples as SQLite stores them: no layer at all."""

from __future__ import annotations

import sqlite3
from typing import Any

from benchmarks import sql_sqlite as sql
from benchmarks.people import NAMES
from benchmarks.workers.loop import SyncWorker, serve

STREAM = f"SELECT {NAMES} FROM people WHERE id <= ? ORDER BY id"


class Bare(SyncWorker):
    def open(self) -> None:
        self.connection = sqlite3.connect(self.target.place, isolation_level=None, timeout=30)
        for setting in sql.SETTINGS:
            self.connection.execute(f"PRAGMA {setting}")

    def close(self) -> None:
        self.connection.close()

    def plain(self, row: Any) -> tuple[Any, ...]:
        return sql.unstored(row)

    def bulk(self, rows: list[tuple[Any, ...]]) -> Any:
        return rows

    def get(self, key: int) -> Any:
        return self.connection.execute(sql.GET, (key,)).fetchone()

    def insert(self, values: dict[str, Any]) -> Any:
        return self.connection.execute(sql.INSERT, sql.stored(tuple(values.values()))).fetchall()[0]

    def update(self, key: int, name: str, score: float) -> Any:
        return self.connection.execute(sql.UPDATE, (name, score, key)).fetchall()[0]

    def insert_in_transaction(self, rows: list[dict[str, Any]]) -> Any:
        self.connection.execute("BEGIN IMMEDIATE")
        found = [self.insert(row) for row in rows]
        self.connection.execute("COMMIT")
        return found

    def insert_many(self, rows: list[tuple[Any, ...]]) -> None:
        self._write(sql.BULK_INSERT.format("people_new"), rows)

    def upsert_many(self, rows: list[tuple[Any, ...]]) -> None:
        self._write(sql.UPSERT, rows)

    def _write(self, statement: str, rows: list[tuple[Any, ...]]) -> None:
        self.connection.execute("BEGIN IMMEDIATE")
        self.connection.executemany(statement, map(sql.stored, rows))
        self.connection.execute("COMMIT")

    def page(self, age: int) -> Any:
        rows = self.connection.execute(sql.PAGE, (age,)).fetchall()
        return self.connection.execute(sql.COUNT, (age,)).fetchone()[0], rows

    def by_age(self, age: int) -> Any:
        return self.connection.execute(sql.BY_AGE, (age,)).fetchall()

    def first_rows(self, count: int) -> Any:
        return self.connection.execute(sql.FIRST, (count,)).fetchall()

    def stream(self, count: int) -> int:
        return sum(row[3] + row[0] for row in self.connection.execute(STREAM, (count,)))


if __name__ == "__main__":
    serve(Bare)
