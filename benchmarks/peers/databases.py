"""The tables that all workers share: made, emptied before rounds, and looked into after.

The harness has a connection of its own, so that no side pays for it.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit, urlunsplit

import psycopg

from benchmarks import sql_postgresql, sql_sqlite
from benchmarks.people import NAMES, records
from benchmarks.workers.loop import digest
from benchmarks.workers.work import Size

NAME = "rowstead_bench_peers"
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
STORED = f"SELECT {NAMES} FROM people_new ORDER BY id"


class Database(Protocol):
    """What the comparison does to the shared tables."""

    name: str
    place: str
    """What the workers open."""

    def version(self) -> str: ...

    def empty(self) -> None:
        """Remove all rows of `people_new`; keys begin anew."""
        ...

    def half_full(self) -> None:
        """Leave the first half of a bulk in `people_new`."""
        ...

    def stored(self) -> str:
        """The digest of `people_new`."""
        ...


class PostgreSQL:
    name = "postgresql"

    def __init__(self, place: str, connection: Any, size: Size) -> None:
        self.place, self._connection = place, connection
        self._half = records(1, size.bulk // 2 + 1)
        for table in ("people", "people_new"):
            connection.execute(sql_postgresql.TABLE.format(table))
        self._copy("people", records(1, size.people + 1))
        connection.execute("CREATE INDEX ON people (age)")
        connection.execute("VACUUM ANALYZE people")

    def version(self) -> str:
        return self._connection.execute("SHOW server_version").fetchone()[0]

    def empty(self) -> None:
        self._connection.execute("TRUNCATE people_new RESTART IDENTITY")

    def half_full(self) -> None:
        self.empty()
        self._copy("people_new", self._half)

    def stored(self) -> str:
        return digest(self._connection.execute(STORED).fetchall())

    def _copy(self, table: str, rows: list[tuple[Any, ...]]) -> None:
        with self._connection.cursor().copy(f"COPY {table} ({NAMES}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)


class SQLite:
    name = "sqlite"

    def __init__(self, place: str, connection: sqlite3.Connection, size: Size) -> None:
        self.place, self._connection = place, connection
        self._half = records(1, size.bulk // 2 + 1)
        for setting in sql_sqlite.SETTINGS:
            connection.execute(f"PRAGMA {setting}")
        for table in ("people", "people_new"):
            connection.execute(sql_sqlite.TABLE.format(table))
        connection.execute(sql_sqlite.INDEX)
        self._fill("people", records(1, size.people + 1))

    def version(self) -> str:
        return sqlite3.sqlite_version

    def empty(self) -> None:
        self._connection.execute("DELETE FROM people_new")
        # So that no side has to write back what another one left in the log.
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def half_full(self) -> None:
        self._connection.execute("DELETE FROM people_new")
        self._fill("people_new", self._half)

    def stored(self) -> str:
        rows = self._connection.execute(STORED).fetchall()
        return digest([sql_sqlite.unstored(row) for row in rows])

    def _fill(self, table: str, rows: list[tuple[Any, ...]]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany(sql_sqlite.BULK_INSERT.format(table), map(sql_sqlite.stored, rows))
        self._connection.execute("COMMIT")
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


@contextmanager
def sqlite(size: Size) -> Iterator[Database]:
    """A file of its own, in memory where the machine has such a folder."""
    with tempfile.TemporaryDirectory(prefix="rowstead-peers-", dir=MEMORY) as folder:
        place = str(Path(folder) / "bench.db")
        with closing(sqlite3.connect(place, isolation_level=None, timeout=30)) as connection:
            yield SQLite(place, connection, size)


@contextmanager
def postgresql(server: str, size: Size, durable: bool) -> Iterator[Database]:
    """A database of its own on this server, removed at the end."""
    place = urlunsplit(urlsplit(server)._replace(path=f"/{NAME}"))
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {NAME} (FORCE)")
        admin.execute(f"CREATE DATABASE {NAME}")
        if not durable:
            admin.execute(f"ALTER DATABASE {NAME} SET synchronous_commit = off")
        try:
            with psycopg.connect(place, autocommit=True) as connection:
                yield PostgreSQL(place, connection, size)
        finally:
            admin.execute(f"DROP DATABASE {NAME} (FORCE)")
