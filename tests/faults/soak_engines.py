"""The databases that the soak loads, as nobody's layer sees them: their rows for the judge, their kills."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psycopg

from .soak_client import ACCOUNTS, BALANCE

TABLES = (
    "CREATE TABLE accounts (id BIGINT PRIMARY KEY, balance BIGINT NOT NULL)",
    # Without any unique key: what is written twice must be there twice.
    "CREATE TABLE entries (id BIGINT NOT NULL, source BIGINT NOT NULL,"
    " target BIGINT NOT NULL, amount BIGINT NOT NULL)",
    "CREATE INDEX entries_id ON entries (id)",
)


class Engine:
    """A database to load: its address, its kinds of kills, and the rows for the judge."""

    url = ""

    def execute(self, *texts: str) -> None:
        raise NotImplementedError

    def rows(self, text: str) -> Iterator[tuple[int, ...]]:
        raise NotImplementedError

    def damage(self) -> str:
        """What is wrong in the files themselves; empty: nothing."""
        raise NotImplementedError

    def spoil(self) -> None:
        """Damage the files, as a control of `damage`."""
        raise NotImplementedError

    def kills(self) -> dict[str, Callable[[], None]]:
        """Beside those of clients."""
        return {}

    def prepare(self) -> None:
        values = ", ".join(f"({number}, {BALANCE})" for number in range(1, ACCOUNTS + 1))
        self.execute(*TABLES, f"INSERT INTO accounts VALUES {values}")


class SQLite(Engine):
    def __init__(self, folder: Path) -> None:
        self.file = folder / "soak.sqlite"
        self.url = f"sqlite:///{self.file}"

    def execute(self, *texts: str) -> None:
        db = sqlite3.connect(self.file, isolation_level=None)
        for text in texts:
            db.execute(text)
        db.close()

    def rows(self, text: str) -> Iterator[tuple[int, ...]]:
        db = sqlite3.connect(self.file)
        yield from db.execute(text)
        db.close()

    def damage(self) -> str:
        try:
            found = [str(row[0]) for row in self.rows("PRAGMA integrity_check")]
        except sqlite3.DatabaseError as error:
            return str(error)
        return "" if found == ["ok"] else "; ".join(found[:3])

    def spoil(self) -> None:
        self.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with self.file.open("r+b") as file:
            file.seek(self.file.stat().st_size // 2)
            file.write(bytes(4096))


class PostgreSQL(Engine):
    def __init__(self, server: object, chance: random.Random) -> None:
        self.server, self.chance = server, chance
        self.url = server.url.replace("postgresql:", "postgresql+asyncpg:")

    def execute(self, *texts: str) -> None:
        with psycopg.connect(self.server.url, autocommit=True) as db:
            for text in texts:
                db.execute(text)

    def rows(self, text: str) -> Iterator[tuple[int, ...]]:
        with psycopg.connect(self.server.url) as db, db.cursor("soak") as cursor:
            cursor.itersize = 10_000
            yield from cursor.execute(text)

    def damage(self) -> str:
        """Whether the index tells of other rows than the table holds."""
        by_table, by_index = (self._seen_by(kind) for kind in ("seqscan", "indexscan"))
        return "" if by_table == by_index else f"by the table {by_table}, by its index {by_index}"

    def _seen_by(self, kind: str) -> tuple[int, ...]:
        ways = {"seqscan", "indexscan", "indexonlyscan", "bitmapscan"}
        ours = {kind} if kind == "seqscan" else ways - {"seqscan"}
        with psycopg.connect(self.server.url) as db:
            for way in ways - ours:
                db.execute(f"SET enable_{way} = off".encode())
            (row,) = db.execute("SELECT count(*), sum(id) FROM entries WHERE id > 0").fetchall()
        return row

    def spoil(self) -> None:
        of_entries = "WHERE indexrelid = 'entries_id'::regclass"
        self.execute(
            f"UPDATE pg_index SET indisready = false {of_entries}",
            "INSERT INTO entries VALUES (1, 1, 1, 0)",
            f"UPDATE pg_index SET indisready = true {of_entries}",
        )

    def kills(self) -> dict[str, Callable[[], None]]:
        return {"backend": self._backend, "postmaster": self._postmaster}

    def _backend(self) -> None:
        """One connection's process; the postmaster then ends all others and recovers."""
        with suppress(psycopg.Error):
            others = [pid for (pid,) in self.rows(BACKENDS)]
            if others:
                os.kill(self.chance.choice(others), signal.SIGKILL)

    def _postmaster(self) -> None:
        self.server.stop(signal.SIGKILL)
        deadline = time.monotonic() + 60
        while True:
            try:
                # Its children must have ended first: they hold what the next one needs.
                self.server.start()
                return
            except RuntimeError:
                if time.monotonic() > deadline:
                    raise


BACKENDS = """
SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


@contextmanager
def engines(names: list[str], folder: Path, seed: int) -> Iterator[dict[str, Engine]]:
    """The databases to load; PostgreSQL waits for its disk at each commit."""
    from with_postgres import PostgresServer

    with ExitStack() as stack:
        made: dict[str, Engine] = {}
        if "sqlite" in names:
            made["SQLite"] = SQLite(folder)
        if "postgres" in names:
            server = stack.enter_context(PostgresServer(fast=False))
            made["PostgreSQL"] = PostgreSQL(server, random.Random(seed))
        yield made
