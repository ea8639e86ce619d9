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
    "CREATE TABLE entries (id BIGINT PRIMARY KEY, source BIGINT NOT NULL,"
    " target BIGINT NOT NULL, amount BIGINT NOT NULL)",
)


class Engine:
    """A database to load: its address, its kinds of kills, and the rows for the judge."""

    url = ""

    def execute(self, *texts: str) -> None:
        raise NotImplementedError

    def rows(self, text: str) -> Iterator[tuple[int, ...]]:
        raise NotImplementedError

    def damage(self) -> str:
        return ""

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
        found = [str(row[0]) for row in self.rows("PRAGMA integrity_check")]
        return "" if found == ["ok"] else "; ".join(found[:3])


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
