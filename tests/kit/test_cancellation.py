"""A cancelled task leaves no transaction, no lock and no connection of the kit behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from conftest import Backend
from kit.shop import shop
from rowstead.kit import AsyncDatabase, AsyncTransaction, KitError


@pytest.fixture
async def db(backend: Backend) -> AsyncIterator[AsyncDatabase]:
    async with await AsyncDatabase.create(backend.url, shop()) as database:
        yield database


async def notes(db: AsyncDatabase) -> int:
    async with db.begin() as txn:
        return await txn.count("notes")


async def test_a_block_that_is_cancelled_rolls_back_and_frees_the_writers_lock(db: AsyncDatabase) -> None:
    wrote = asyncio.Event()

    async def work() -> None:
        async with db.begin() as txn:
            await txn.insert("notes", {"id": 1})
            wrote.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await wrote.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with db.begin() as txn:
        await txn.insert("notes", {"id": 1})
    assert await notes(db) == 1


async def test_a_write_that_is_cancelled_is_not_half_kept(db: AsyncDatabase) -> None:
    txn = await db.begin()
    await txn.insert("notes", {"id": 1})
    rows = [{"id": number} for number in range(2, 30_000)]
    task = asyncio.create_task(txn.insert_many("notes", rows))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    try:
        # The batch alone is undone where there was time for it, else the transaction has failed.
        assert await txn.count("notes") == 1
    except KitError:
        with pytest.raises(KitError):
            await txn.commit()
    await txn.rollback()
    assert await notes(db) == 0


async def test_a_forgotten_transaction_is_rolled_back_and_blocks_nobody(db: AsyncDatabase) -> None:
    async def forget() -> None:
        txn = await db.begin()
        await txn.insert("notes", {"id": 1})

    await forget()
    async with db.begin() as txn:
        await txn.insert("notes", {"id": 2})
    assert await notes(db) == 1


async def test_the_function_of_transaction_may_be_cancelled(db: AsyncDatabase) -> None:
    wrote = asyncio.Event()

    async def work(txn: AsyncTransaction) -> None:
        await txn.insert("notes", {"id": 1})
        wrote.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(db.transaction(work))
    await wrote.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await db.transaction(lambda txn: txn.insert("notes", {"id": 1})) == {"id": 1, "body": None}
