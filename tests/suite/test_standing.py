"""Transactions that stand until they are ended: a failed statement costs itself, and nothing before it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from conftest import Backend
from rowstead import DB, RowsteadError
from rowstead.plan import Call
from rowstead.standing import StandingBlock, StandingTransaction

NO_SUCH = Call("SELECT n FROM no_such_table", [], list)


def written(n: int) -> Call[int]:
    return Call(f"INSERT INTO numbers VALUES ({n})", [], None, writes=True)


@asynccontextmanager
async def standing(backend: Backend) -> AsyncIterator[tuple[DB, StandingBlock]]:
    async with await DB.from_url(backend.url) as db:
        await db.execute("CREATE TABLE numbers (n INTEGER PRIMARY KEY)")
        yield db, db.database.standing()


async def numbers(db: DB) -> list[int]:
    return [row["n"] for row in await db.fetch("SELECT n FROM numbers ORDER BY n")]


async def test_a_failed_read_behind_a_write_leaves_the_write(backend: Backend) -> None:
    async with standing(backend) as (db, block):
        transaction = await block.start()
        await transaction.run(written(1))
        with pytest.raises(RowsteadError):
            await transaction.run(NO_SUCH)
        await transaction.run(written(2))
        with pytest.raises(RowsteadError):
            await transaction.run(written(2))
        await transaction.run(written(3))
        await block.commit()
        assert await numbers(db) == [1, 2, 3]


async def test_without_the_savepoint_set_anew_the_write_is_lost(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: where the database does not undo a failed statement itself, the savepoint counts."""

    async def nothing(_self: StandingTransaction) -> None: ...

    monkeypatch.setattr(StandingTransaction, "_stand", nothing)
    async with standing(backend) as (db, block):
        transaction = await block.start()
        await transaction.run(written(1))
        with pytest.raises(RowsteadError):
            await transaction.run(NO_SUCH)
        await block.commit()
        lost = not db.database.dialect.failure_is_local
        assert await numbers(db) == ([] if lost else [1])


async def test_rolled_back_by_hand_nothing_is_kept(backend: Backend) -> None:
    async with standing(backend) as (db, block):
        transaction = await block.start()
        await transaction.run(written(1))
        await block.roll_back()
        assert await numbers(db) == []
