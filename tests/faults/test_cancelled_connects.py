"""A task that is cancelled while a connection is being made for it ends there, whichever moment it is."""

from __future__ import annotations

import asyncio

import pytest

from rowstead import DB
from servers import with_driver

TRIES = 300
"""One in a hundred was lost where a library swallowed it."""
STEP = 0.00002
"""Seconds by which each cancellation comes later than the one before; connecting takes a few milliseconds."""


@pytest.fixture(params=["asyncmy", "aiomysql"])
def library(request: pytest.FixtureRequest) -> str:
    return request.param


async def lost(url: str) -> int:
    """How many of the cancelled statements ran to their end."""
    found = 0
    async with await DB.from_url(url, min_size=1, max_size=1) as db:
        for number in range(TRIES):
            # One that is broken off costs its connection: the next statement waits for another.
            first = asyncio.create_task(db.fetchval("SELECT sleep(0.3)"))
            await asyncio.sleep(0.002 if number % 2 else 0)
            first.cancel()
            second = asyncio.create_task(db.fetchval("SELECT sleep(0.3)"))
            await asyncio.sleep(STEP * number)
            second.cancel()
            results = await asyncio.gather(first, second, return_exceptions=True)
            # One may find the server full instead, of those who were broken off and still sleep there.
            found += sum(not isinstance(each, BaseException) for each in results)
    return found


async def test_a_cancellation_while_mariadb_is_connected_to_is_not_lost(
    library: str, mariadb_url: str
) -> None:
    assert await lost(with_driver(mariadb_url, library)) == 0
