"""Services over one database, every text that they send, and a canary beside them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite

from conftest import Backend
from faults.injection_runs import storable
from rowstead import DB, NotFound, RowsteadError, ValidationError
from service.injection_positions import CANARY, METADATA, Services

BACKENDS = ("sqlite", "asyncpg", "psycopg", "mariadb")
CANARIES = "INSERT INTO canary (id, alive) VALUES (1, 1), (2, 1)"
ALIVE = [{"id": 1, "alive": 1}, {"id": 2, "alive": 1}]
LONGEST_KEY = 600
"""Characters, of a text in a key on MariaDB."""

NAMES_OF_TABLES = {
    "sqlite": "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'",
    "postgres": "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'",
    "mariadb": "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = database()",
}


class Wire(NamedTuple):
    """A database, the services over it and every text that was sent to it."""

    db: DB
    services: Services
    sent: list[str]
    backend: Backend

    def __repr__(self) -> str:
        # Hypothesis shows it, and what was sent grows long.
        return f"<Wire to {self.backend.name}>"

    def holds(self, text: str) -> bool:
        """Whether the database can hold the text in each of the columns."""
        return storable(text) and not (self.backend.is_maria and len(text) > LONGEST_KEY)

    def may_end(self, error: RowsteadError, text: str) -> bool:
        """Whether this error is a right answer to a value: what cannot be held, and no other kind of error.

        What could not be stored is then not found. A pattern cannot end in a backslash on PostgreSQL.
        """
        if not self.holds(text):
            return isinstance(error, (ValidationError, NotFound))
        return isinstance(error, ValidationError) and "\\" in text


@asynccontextmanager
async def wired(backend: Backend) -> AsyncIterator[Wire]:
    """Tables, services and canary; fails at the end if the canary is not as it was."""
    sent: list[str] = []
    async with await DB.from_url(backend.url, max_size=2, trace=lambda t: sent.append(t.sql)) as db:
        await make_tables(db, backend)
        sent.clear()
        yield Wire(db, Services.over(db), sent, backend)
        assert await canary_lives(db, backend)


async def make_tables(db: DB, backend: Backend) -> None:
    for table in METADATA.sorted_tables:
        await db.execute(text_of(table, backend))
    await db.execute(CANARIES)


async def mend_canary(db: DB, backend: Backend) -> None:
    """Make it as it was."""
    for name in ("planted", "canary"):
        await db.execute(f"DROP TABLE IF EXISTS {name}")
    await db.execute(text_of(CANARY, backend))
    await db.execute(CANARIES)


def text_of(table: sa.Table, backend: Backend) -> str:
    """CREATE TABLE."""
    dialect: Any = sqlite.dialect()
    if backend.is_postgres:
        dialect = postgresql.dialect()
    if backend.is_maria:
        dialect = mysql.dialect()
    return str(sa.schema.CreateTable(table).compile(dialect=dialect)).strip()


async def canary_lives(db: DB, backend: Backend) -> bool:
    """Whether the canary's rows are there and no table was made or lost."""
    server = "postgres" if backend.is_postgres else backend.name
    tables = {row["name"] for row in await db.fetch(NAMES_OF_TABLES[server])}
    if tables != set(METADATA.tables):
        return False
    return await db.fetch("SELECT id, alive FROM canary ORDER BY id") == ALIVE
