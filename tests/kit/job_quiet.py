"""A process that meets errors which a program expects, and handles every one of them.

python job_quiet.py URL refused|cancelled|bare refused|bare cancelled
"""

from __future__ import annotations

import asyncio
import gc
import io
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import asyncpg
import psycopg

from rowstead.kit import AsyncDatabase, Database, DuplicateError, int, table, text

SCHEMA = {"tables": [table("t", 1, [int("id", 1), text("v", 2, nullable=True)], "id")]}
ROWS = [{"id": number} for number in (*range(10), 7, *range(10, 3000))]
TRIES = 40
TURNS = (*range(40), *range(40, 400, 10))
"""Turns of the loop after which a task is cancelled, from before its first step on."""


def refused(url: str) -> None:
    """A batch in which a row stands twice, by a file and by a call."""
    with Database.create(url, SCHEMA) as db:
        lines = "".join(f'{{"id": {row["id"]}}}\n' for row in ROWS)
        with suppress(DuplicateError):
            db.import_("t", io.StringIO(lines), format="jsonl")
        for returning in (True, False):
            with suppress(DuplicateError), db.begin() as txn:
                txn.insert_many("t", ROWS, returning=returning)
        with db.begin() as txn:
            print(txn.count("t"))


async def cancelled_one_by_one(work: Callable[[], Awaitable[Any]]) -> None:
    for turns in TURNS:
        task = asyncio.ensure_future(work())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def cancelled(url: str) -> None:
    async def write() -> None:
        # A new pool each time: connecting is a part of what is cancelled.
        async with await AsyncDatabase.open(url) as other, other.begin() as txn:
            await txn.insert_many("t", ROWS[11:500], returning=False)
            raise LookupError

    async with await AsyncDatabase.create(url, SCHEMA) as db:
        await cancelled_one_by_one(write)
        async with db.begin() as txn:
            print(await txn.count("t"))


def bare_refused(url: str) -> None:
    """What psycopg itself says of such a batch."""
    with psycopg.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t (id integer PRIMARY KEY)")
        # It depends on when the server's answers come: often it says something, not always.
        for _ in range(TRIES):
            with suppress(psycopg.Error):
                cursor.executemany("INSERT INTO t VALUES (%s)", [(row["id"],) for row in ROWS])
    print(0)


async def bare_cancelled(url: str) -> None:
    """What asyncpg itself says of connections that are cancelled while they are made."""

    async def connect() -> None:
        await (await asyncpg.connect(url)).close()

    await cancelled_one_by_one(connect)
    print(0)


WORK: dict[str, Callable[[str], Any]] = {
    "refused": refused,
    "cancelled": cancelled,
    "bare refused": bare_refused,
    "bare cancelled": bare_cancelled,
}

if __name__ == "__main__":
    done = WORK[sys.argv[2]](sys.argv[1])
    if done is not None:
        asyncio.run(done)
    # What nobody asked for is told when it is collected.
    gc.collect()
