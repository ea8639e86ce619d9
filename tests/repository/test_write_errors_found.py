"""What a write refuses, and that it is refused by an error of ours, wherever it comes out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from repository.conftest import Place, create
from repository.written_models import MODELS, Errand
from rowstead.errors import DuplicateError, PoolTimeout, RowsteadError, UsageError
from rowstead.repository import (
    BaseRepository,
    PersistEngine,
    Seeder,
    run_seeders,
    savepoint,
    seed_if_empty,
    seed_if_not_exists,
    transactional,
)

Sessions = async_sessionmaker[AsyncSession]


@pytest.fixture
async def sessions(engine: PersistEngine) -> Sessions:
    return await create(engine, *MODELS)


@pytest.fixture
async def session(sessions: Sessions) -> AsyncIterator[AsyncSession]:
    async with sessions() as session:
        await BaseRepository(session, Errand).save(Errand(name="there"), commit=True)
        yield session


# Where rows go


async def test_statements_that_would_miss_the_translated_schema_are_refused(
    sessions: Sessions, engine: PersistEngine, place: Place
) -> None:
    below, _ = engine.session()
    schema = {"sqlite": "main", "mariadb": below.url.database}.get(place.name, "public")
    translating = below.execution_options(schema_translate_map={None: schema})
    async with AsyncSession(translating, expire_on_commit=False) as session:
        errands = BaseRepository(session, Errand)
        refused: list[Any] = [
            lambda: errands.bulk_insert([{"name": "new"}]),
            lambda: errands.update_where({"n": 1}, {"name": "there"}),
            lambda: errands.delete_where({"name": "there"}),
        ]
        for write in refused:
            with pytest.raises(UsageError, match="schema_translate_map"):
                await write()
        assert (await errands.save(Errand(name="saved"))).id
        assert await errands.update_where({"n": 1}, Errand.name == "saved") == 1


async def test_what_needs_a_transaction_says_what_to_do_without_one(
    sessions: Sessions, engine: PersistEngine
) -> None:
    _, committing = engine.session(isolation_level="AUTOCOMMIT")
    async with committing() as session:
        with pytest.raises(UsageError, match="without isolation_level"):
            await BaseRepository(session, Errand).update_where({"n": 1}, {"name": "there"})


# Errors of inner blocks and of seeders


async def test_what_is_refused_at_the_end_of_an_inner_block_is_an_error_of_ours(
    session: AsyncSession,
) -> None:
    async with transactional(session):
        with pytest.raises(DuplicateError):
            async with transactional(session):
                session.add(Errand(name="there"))
        with pytest.raises(DuplicateError):
            async with savepoint(session):
                session.add(Errand(name="there"))


async def test_what_is_refused_at_the_beginning_of_an_inner_block_is_an_error_of_ours(
    session: AsyncSession,
) -> None:
    with pytest.raises(DuplicateError):
        async with transactional(session):
            session.add(Errand(name="there"))
            async with transactional(session):
                pass


@pytest.mark.parametrize("flushes", [False, True])
async def test_what_a_seeder_may_not_write_is_an_error_of_ours(session: AsyncSession, flushes: bool) -> None:
    class Twice(Seeder):
        async def seed(self, session: AsyncSession) -> None:
            session.add(Errand(name="there"))
            if flushes:
                await session.flush()

    with pytest.raises(DuplicateError) as caught:
        await run_seeders(session, [Twice()])
    assert "Twice" in caught.value.__notes__[0]


@pytest.fixture
def no_database(file: Path) -> Path:
    file.write_text("no database at all")
    return file


@pytest.mark.parametrize("seed", [seed_if_empty, seed_if_not_exists])
async def test_seeding_where_no_database_is_is_an_error_of_ours(no_database: Path, seed: Any) -> None:
    async with PersistEngine(f"sqlite+aiosqlite:///{no_database}") as engine:
        _, sessions = engine.session()
        async with sessions() as session:
            with pytest.raises(RowsteadError):
                await seed(session, Errand, [{"name": "one"}])


async def test_waiting_for_a_memory_databases_one_connection_says_why_there_is_none() -> None:
    async with PersistEngine("sqlite+aiosqlite://", pool_timeout=0.05) as engine:
        sessions = await create(engine, *MODELS)
        async with sessions() as first, sessions() as second:
            await BaseRepository(first, Errand).find()
            with pytest.raises(PoolTimeout, match="in memory is one connection"):
                await BaseRepository(second, Errand).find()
