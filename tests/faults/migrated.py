"""A folder that can only be applied once, and the look at a database that shows whether it was.

The files hold one of each kind of statement that the runner treats differently. What they leave is
read without Rowstead.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from conftest import Backend

Query = Callable[[str], list[Any]]

STEPS = [1, 2, 3, 4, 5]
FILES = ["0001_seen.sql", "0002_data.sql", "0003_steps.sql", "0004_last.sql"]
_LEDGER = "SELECT filename, progress FROM _rowstead_migrations ORDER BY filename"
_INDEXES = """
SELECT c.relname, i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = to_regclass('seen') ORDER BY 1
"""
_LOCKS = """
SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
WHERE l.locktype = 'advisory' AND d.datname = current_database()
"""


class Place:
    """The database of a test, emptied at will and read without Rowstead."""

    def __init__(
        self,
        backend: Backend,
        empty: Callable[[], None],
        reading: Callable[[], AbstractContextManager[Query]],
        folder: Path,
    ) -> None:
        self.name = backend.name
        self.url = backend.url
        self.is_postgres = backend.is_postgres
        self.empty = empty
        self.folder = folder
        self.lengths: dict[tuple[str, str], int] = {}
        """How many statements a whole run sends, by world and runner; filled by who asks."""
        self._reading = reading
        self._fill()

    def order(self, kill: tuple[str, int] | None = None, world: str = "async", runner: str = "real") -> Any:
        """An order for `job_migrate.py`."""
        folder = str(self.folder)
        return {"url": self.url, "folder": folder, "world": world, "runner": runner, "kill": kill}

    @property
    def worlds(self) -> list[str]:
        """In which of our worlds this backend's driver is."""
        return ["async"] if self.name == "asyncpg" else ["async", "sync"]

    def faults(self) -> list[str]:
        """What is wrong in the database, were the folder applied once and whole; empty: nothing."""
        try:
            with self._reading() as query:
                return [] if (seen := self._seen(query)) == self._wanted() else [str(seen)]
        except (sqlite3.Error, psycopg.Error) as error:
            return [f"{type(error).__name__}: {error}"]

    def _wanted(self) -> Any:
        indexes = [("seen_note", True), ("seen_step", True)] if self.is_postgres else ["seen_note"]
        return (
            STEPS,
            [(file, None) for file in FILES],
            indexes,
            [(0,)] if self.is_postgres else ["migrations"],
        )

    def _seen(self, query: Query) -> Any:
        steps = [step for (step,) in query("SELECT step FROM seen ORDER BY step")]
        ledger = query(_LEDGER)
        if self.is_postgres:
            return steps, ledger, query(_INDEXES), query(_LOCKS)
        indexes = [name for (name,) in query("SELECT name FROM sqlite_master WHERE name LIKE 'seen_%'")]
        # Beside the database nothing may be left, the lock's file neither.
        beside = sorted(p.name for p in self.folder.parent.iterdir() if not p.name.startswith("test.sqlite"))
        return steps, ledger, indexes, beside + [p.name for p in self.folder.parent.glob("*lock*")]

    def _fill(self) -> None:
        alone = (
            (
                "CREATE INDEX CONCURRENTLY seen_note ON seen (note)",
                "VACUUM seen",
                "SET work_mem TO '8MB'",
                "ALTER TABLE seen ADD COLUMN added INTEGER",
                "CREATE UNIQUE INDEX CONCURRENTLY seen_step ON seen (step)",
                "CREATE INDEX CONCURRENTLY seen_gone ON seen (added)",
                "DROP INDEX CONCURRENTLY seen_gone",
                "REINDEX INDEX CONCURRENTLY seen_note",
            )
            if self.is_postgres
            else (
                "PRAGMA foreign_keys = OFF",
                "CREATE INDEX seen_note ON seen (note)",
                "ALTER TABLE seen ADD COLUMN added INTEGER",
                "VACUUM",
            )
        )
        steps = ["-- rowstead:no-transaction\nINSERT INTO seen (step) VALUES (3)", *alone]
        steps.append("INSERT INTO seen (step) VALUES (4)")
        texts = (
            "CREATE TABLE seen (step INTEGER NOT NULL, note TEXT);",
            "INSERT INTO seen (step) VALUES (1);\nALTER TABLE seen ADD COLUMN more INTEGER;\n"
            "INSERT INTO seen (step) VALUES (2);",
            ";\n".join(steps) + ";",
            "INSERT INTO seen (step) VALUES (5);",
        )
        self.folder.mkdir()
        for name, text in zip(FILES, texts, strict=True):
            (self.folder / name).write_text(text)


def place_of(backend: Backend, request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """The backend's empty database with the folder for it."""
    if not backend.is_postgres:
        return _sqlite_place(backend, tmp_path)
    database, admin = request.getfixturevalue("_shared_database")

    @contextmanager
    def reading() -> Iterator[Query]:
        yield lambda text: admin.execute(text).fetchall()

    return Place(backend, lambda: database.empty(admin), reading, tmp_path / "migrations")


def _sqlite_place(backend: Backend, tmp_path: Path) -> Place:
    file = tmp_path / "test.sqlite"

    def empty() -> None:
        for left in tmp_path.glob("test.sqlite*"):
            left.unlink()

    @contextmanager
    def reading() -> Iterator[Query]:
        with closing(sqlite3.connect(file)) as connection:
            yield lambda text: connection.execute(text).fetchall()

    return Place(backend, empty, reading, tmp_path / "migrations")


def codes(ended: Sequence[Any]) -> list[int]:
    """The exit codes of a round."""
    return [each.code for each in ended]
