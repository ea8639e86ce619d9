"""What the tests of MariaDB share: users, a handle by each library, and what runs on the server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from rowstead import (
    DB,
    Row,
)
from servers import with_driver

LIBRARIES = ("asyncmy", "aiomysql")


class User(Row):
    __table__ = "users"
    id: int | None = None
    email: str | None = None
    nick: str | None = None
    n: int = 0


USERS = (
    "CREATE TABLE users (id INTEGER AUTO_INCREMENT PRIMARY KEY, email VARCHAR(100) UNIQUE,"
    " nick VARCHAR(100) UNIQUE, n INTEGER NOT NULL DEFAULT 0 CHECK (n >= 0))"
)


# ruff: noqa: ASYNC110  (what runs on the server can only be asked)


@pytest.fixture(params=LIBRARIES, name="db")
async def db_by_each_library(request: pytest.FixtureRequest, mariadb_url: str) -> AsyncIterator[DB]:
    """An open handle by each library, on a database with users."""
    async with await DB.from_url(with_driver(mariadb_url, request.param)) as handle:
        await handle.execute(USERS)
        yield handle


async def processes(db: DB, text: str) -> list[str]:
    """The statements that run on the server now and hold this text."""
    found = await db.fetch("SELECT info FROM information_schema.processlist WHERE info LIKE $1", f"{text}%")
    return [row["info"] for row in found]


async def gone(db: DB, text: str) -> bool:
    """Whether no such statement runs any more; the server is asked until it is so."""
    async with asyncio.timeout(10):
        while await processes(db, text):
            await asyncio.sleep(0.01)
    return True


async def there(db: DB, text: str) -> None:
    async with asyncio.timeout(10):
        while not await processes(db, text):
            await asyncio.sleep(0.01)


def library_of(db: DB) -> str:
    driver: Any = db.database.driver
    return driver._library.name
