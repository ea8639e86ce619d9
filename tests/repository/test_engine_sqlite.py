"""`PersistEngine` on a SQLite file and in memory: what is kept, who waits, and what cancelling leaves."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from repository.conftest import create
from repository.items import Item, add_one, names, value
from rowstead.repository import PersistEngine

pytestmark = pytest.mark.sqlite


async def test_a_file_keeps_what_it_says(file: Path) -> None:
    async with PersistEngine(f"sqlite+aiosqlite:///{file}") as engine:
        below = engine.engine()
        assert await value(below, "PRAGMA foreign_keys") == 1
        assert await value(below, "PRAGMA journal_mode") == "wal"
        assert await value(below, "PRAGMA synchronous") == 2
        assert await value(below, "PRAGMA busy_timeout") == 30_000
        assert await value(below, "SELECT rowstead_decimal('9') < rowstead_decimal('10')") == 1


async def test_a_file_opened_for_reading_is_only_read(file: Path) -> None:
    async with PersistEngine(f"sqlite+aiosqlite:///{file}") as engine:
        await create(engine, Item)
    async with PersistEngine(f"sqlite+aiosqlite:///file:{quote(str(file))}?mode=ro&uri=true") as engine:
        assert await names(engine) == []
        with pytest.raises(OperationalError, match="readonly"):
            async with engine.engine().begin() as connection:
                await connection.execute(sa.insert(Item).values(name="a"))


async def test_what_is_read_in_a_transaction_stays_of_one_moment(file: Path) -> None:
    async with PersistEngine(f"sqlite+aiosqlite:///{file}") as engine:
        sessions = await create(engine, Item)
        async with sessions() as reader, sessions() as writer:
            assert await reader.scalar(sa.select(sa.func.count(Item.id))) == 0
            writer.add(Item(name="a"))
            await writer.commit()
            assert await reader.scalar(sa.select(sa.func.count(Item.id))) == 0
            await reader.rollback()
            assert await reader.scalar(sa.select(sa.func.count(Item.id))) == 1


async def test_a_schema_change_is_undone_with_its_transaction(file: Path) -> None:
    async with PersistEngine(f"sqlite+aiosqlite:///{file}") as engine:
        with pytest.raises(KeyError):
            async with engine.engine().begin() as connection:
                await connection.run_sync(Item.metadata.create_all, tables=[Item.__table__])
                raise KeyError
        assert await value(engine.engine(), "SELECT count(*) FROM sqlite_master") == 0


async def test_writers_wait_for_their_turn(file: Path) -> None:
    async with PersistEngine(f"sqlite+aiosqlite:///{file}") as engine:
        await create(engine, Item)

        async def add(number: int) -> None:
            _, sessions = engine.session()
            async with sessions() as session:
                session.add(Item(name=str(number)))
                await session.flush()
                await session.execute(sa.select(Item))
                await session.commit()

        await asyncio.gather(*(add(number) for number in range(40)))
        assert len(await names(engine)) == 40


@pytest.mark.parametrize("level", [None, "SERIALIZABLE"])
async def test_who_reads_first_is_told_of_a_conflict_or_waits_if_told_to(
    file: Path, level: str | None
) -> None:
    """Two tasks read a number, add one and write it: none is lost; SERIALIZABLE makes them wait instead."""
    async with PersistEngine(f"sqlite+aiosqlite:///{file}") as engine:
        await create(engine, Item)
        _, sessions = engine.session(isolation_level=level)
        both_read = asyncio.Barrier(2)

        async def add(number: int) -> bool:
            async with sessions() as session:
                if level is None:
                    count = await session.scalar(sa.select(sa.func.count(Item.id)))
                    await both_read.wait()
                else:
                    count = await session.scalar(sa.select(sa.func.count(Item.id)))
                    await asyncio.sleep(0.01)
                session.add(Item(name=f"number {count}"))
                try:
                    await session.commit()
                except OperationalError:
                    # "database is locked"
                    return False
                return True

        done = await asyncio.gather(add(1), add(2))
        assert sorted(done) == ([False, True] if level is None else [True, True])
        assert await names(engine) == ["number 0", "number 1"][: sum(done)]


async def test_a_database_in_memory_is_one_and_each_transaction_is_its_own() -> None:
    async with PersistEngine("sqlite+aiosqlite:///:memory:") as engine:
        sessions = await create(engine, Item)

        async def add(number: int) -> None:
            async with sessions() as session:
                session.add(Item(name=str(number)))
                await session.flush()
                await asyncio.sleep(0)
                await (session.commit() if number % 2 else session.rollback())

        await asyncio.gather(*(add(number) for number in range(20)))
        assert sorted(map(int, await names(engine))) == list(range(1, 20, 2))


async def test_a_cancelled_statement_does_not_take_the_database_in_memory_with_it() -> None:
    async with PersistEngine("sqlite+aiosqlite:///:memory:") as engine:
        await create(engine, Item)
        await add_one(engine, lambda session: session.execute(sa.insert(Item).values(name="a")))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await value(engine.engine(), ENDLESS)
        assert await names(engine) == ["a"]


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


async def test_a_cancelled_writer_gives_its_turn_back(file: Path) -> None:
    async with PersistEngine(f"sqlite+aiosqlite:///{file}") as engine:
        sessions = await create(engine, Item)
        for number in range(3):
            async with sessions() as session:
                session.add(Item(name="cancelled"))
                await session.flush()
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await session.scalar(sa.text(ENDLESS))
            # It would wait thirty seconds for a lock that nobody gives back.
            async with asyncio.timeout(10):
                await add_one(
                    engine,
                    lambda session, n=number: session.execute(sa.insert(Item).values(name=f"next {n}")),
                )
        assert await names(engine) == ["next 0", "next 1", "next 2"]


async def test_autocommit_is_what_it_says(file: Path) -> None:
    async with PersistEngine(f"sqlite+aiosqlite:///{file}") as engine:
        await create(engine, Item)
        async with engine.engine(isolation_level="autocommit").connect() as connection:
            await connection.execute(sa.insert(Item).values(name="a"))
            await connection.rollback()
        assert await names(engine) == ["a"]
