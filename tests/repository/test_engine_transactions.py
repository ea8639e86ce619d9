"""What a transaction is on an engine of `PersistEngine`, on every database."""

from __future__ import annotations

import asyncio

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from repository.conftest import Place, create
from repository.items import Item, names
from rowstead.errors import TransactionFailed, ValidationError
from rowstead.repository import BaseRepository, PersistEngine, savepoint


async def test_a_transaction_in_which_a_statement_failed_is_not_committed(engine: PersistEngine) -> None:
    sessions = await create(engine, Item)
    async with sessions() as session:
        await session.execute(sa.insert(Item).values(name="before"))
        with pytest.raises(IntegrityError):
            await session.execute(sa.insert(Item).values(name="before"))
        with pytest.raises(TransactionFailed, match="run what may fail in a savepoint"):
            await session.commit()
        await session.rollback()
        assert await names(engine) == []
        session.add(Item(name="after"))
        await session.commit()
    assert await names(engine) == ["after"]


async def test_the_control_on_a_plain_engine_such_a_commit_is_silent(place: Place) -> None:
    below = create_async_engine(place.url)
    async with below.begin() as connection:
        await connection.run_sync(Item.metadata.create_all, tables=[Item.__table__])
    async with AsyncSession(below) as session:
        await session.execute(sa.insert(Item).values(name="before"))
        with pytest.raises(IntegrityError):
            await session.execute(sa.insert(Item).values(name="before"))
        await session.commit()
        kept = list(await session.scalars(sa.select(Item.name)))
    await below.dispose()
    assert kept == (["before"] if place.is_sqlite or place.is_maria else [])


async def test_a_savepoint_that_is_undone_takes_its_failure_along(engine: PersistEngine) -> None:
    sessions = await create(engine, Item)
    async with sessions() as session:
        await session.execute(sa.insert(Item).values(name="a"))
        for _ in range(2):
            async with savepoint(session):
                await session.execute(sa.insert(Item).values(name="b"))
                with pytest.raises(IntegrityError):
                    async with savepoint(session):
                        await session.execute(sa.insert(Item).values(name="a"))
                await session.execute(sa.delete(Item).where(Item.name == "b"))
        await session.commit()
    assert await names(engine) == ["a"]


async def test_what_is_refused_before_it_is_sent_fails_no_transaction(engine: PersistEngine) -> None:
    sessions = await create(engine, Item)
    async with sessions() as session:
        session.add(Item(name="a"))
        await session.flush()
        with pytest.raises(ValidationError):
            await session.execute(sa.select(Item).where(Item.id == "seven"))
        await session.commit()
    assert await names(engine) == ["a"]


# The repository block


async def test_a_repository_block_commits_or_undoes(engine: PersistEngine) -> None:
    await create(engine, Item)
    async with engine.repository(Item) as repository:
        assert isinstance(repository, BaseRepository)
        await repository.save(Item(name="kept"))
    with pytest.raises(KeyError):
        async with engine.repository(Item) as repository:
            await repository.save(Item(name="undone"))
            raise KeyError
    assert await names(engine) == ["kept"]


async def test_a_cancelled_repository_block_is_undone(engine: PersistEngine) -> None:
    await create(engine, Item)
    reached = asyncio.Event()

    async def work() -> None:
        async with engine.repository(Item) as repository:
            await repository.save(Item(name="undone"))
            reached.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(work())
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await names(engine) == []


async def test_a_savepoint_is_undone_and_what_is_around_it_kept(place: Place) -> None:
    async with PersistEngine(place.url) as engine:
        sessions = await create(engine, Item)
        async with sessions() as session:
            # The savepoint is the first thing that is sent.
            point = await session.begin_nested()
            session.add(Item(name="inside"))
            await session.flush()
            await point.rollback()
            session.add(Item(name="kept"))
            await session.commit()
        assert await names(engine) == ["kept"]
        async with sessions() as session:
            async with session.begin_nested():
                session.add(Item(name="released"))
            await session.rollback()
        assert await names(engine) == ["kept"]


async def test_a_text_of_several_statements_is_refused(engine: PersistEngine) -> None:
    sessions = await create(engine, Item)
    async with sessions() as session:
        session.add(Item(name="a"))
        await session.commit()
        with pytest.raises(DBAPIError):
            await session.execute(sa.text("DELETE FROM engine_items WHERE id = :id; SELECT 1"), {"id": 1})
    assert await names(engine) == ["a"]
