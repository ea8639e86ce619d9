"""Seeders run in order and are kept together or not at all; missing rows are inserted once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import Mapped, mapped_column

from repository.conftest import Place, create
from rowstead.errors import ConflictError, DuplicateError, UndefinedColumnError
from rowstead.repository import (
    Base,
    IntPKMixin,
    PersistEngine,
    Seeder,
    SoftDeleteMixin,
    run_seeders,
    seed_if_empty,
    seed_if_not_exists,
    transactional,
)

Sessions = async_sessionmaker[AsyncSession]


class Role(Base, IntPKMixin, SoftDeleteMixin):
    __tablename__ = "seeding_roles"

    name: Mapped[str | None] = mapped_column(unique=True)
    rank: Mapped[int] = mapped_column(default=0)


@pytest.fixture
async def sessions(engine: PersistEngine) -> Sessions:
    return await create(engine, Role)


@pytest.fixture
async def session(sessions: Sessions) -> AsyncIterator[AsyncSession]:
    async with sessions() as session:
        yield session


async def kept(sessions: Sessions) -> list[tuple[str | None, int]]:
    """What another session sees."""
    async with sessions() as session:
        found = await session.execute(sa.select(Role.name, Role.rank).order_by(Role.id))
        return [(name, rank) for name, rank in found]


class Adds(Seeder):
    """Adds a role, and fails if it is told to."""

    def __init__(self, name: str, priority: int | None = None, *, fails: bool = False) -> None:
        self.name, self.fails, self._priority = name, fails, priority

    def priority(self) -> int:
        return super().priority() if self._priority is None else self._priority

    async def seed(self, session: AsyncSession) -> None:
        session.add(Role(name=self.name))
        if self.fails:
            raise KeyError(self.name)


async def test_lower_priorities_run_first_and_equal_ones_as_they_stand(
    session: AsyncSession, sessions: Sessions
) -> None:
    await run_seeders(session, [Adds("c"), Adds("last", 101), Adds("d"), Adds("a", -1), Adds("b", 1)])
    assert [name for name, _ in await kept(sessions)] == ["a", "b", "c", "d", "last"]


async def test_a_seeder_that_fails_undoes_all_and_is_named(session: AsyncSession, sessions: Sessions) -> None:
    with pytest.raises(KeyError) as caught:
        await run_seeders(session, [Adds("a"), Adds("b", fails=True), Adds("c")])
    assert caught.value.__notes__ == ["in the seeder Adds; nothing of any seeder was kept"]
    await session.commit()
    assert await kept(sessions) == []


async def test_what_the_database_refuses_is_told_of_the_seeder_that_wrote_it(
    session: AsyncSession, sessions: Sessions
) -> None:
    class AddsTwice(Adds):
        async def seed(self, session: AsyncSession) -> None:
            session.add_all([Role(name=self.name), Role(name=self.name)])

    with pytest.raises(DuplicateError) as caught:
        await run_seeders(session, [Adds("a"), AddsTwice("b"), Adds("c")])
    assert "AddsTwice" in caught.value.__notes__[0]
    assert await kept(sessions) == []


async def test_within_a_block_only_the_seeders_work_is_undone(
    session: AsyncSession, sessions: Sessions
) -> None:
    async with transactional(session):
        session.add(Role(name="mine"))
        with pytest.raises(KeyError):
            await run_seeders(session, [Adds("a"), Adds("b", fails=True)])
        await run_seeders(session, [Adds("c")])
        assert await kept(sessions) == []
    assert [name for name, _ in await kept(sessions)] == ["mine", "c"]


async def test_without_commit_the_caller_decides(session: AsyncSession, sessions: Sessions) -> None:
    await run_seeders(session, [Adds("a")], commit=False)
    assert await kept(sessions) == []
    await session.rollback()
    assert await kept(sessions) == []


async def test_an_empty_table_is_seeded_once(session: AsyncSession, sessions: Sessions) -> None:
    rows = [{"name": "admin", "rank": 9}, {"name": "guest"}]
    assert await seed_if_empty(session, Role, rows) is True
    assert await kept(sessions) == []
    await session.commit()
    assert await kept(sessions) == [("admin", 9), ("guest", 0)]
    assert await seed_if_empty(session, Role, rows) is False
    assert rows == [{"name": "admin", "rank": 9}, {"name": "guest"}]


async def test_a_table_with_deleted_rows_only_is_not_empty(session: AsyncSession) -> None:
    role = Role(name="gone")
    role.soft_delete()
    session.add(role)
    assert await seed_if_empty(session, Role, [{"name": "admin"}]) is False


async def test_only_missing_rows_are_inserted(session: AsyncSession, sessions: Sessions) -> None:
    gone = Role(name="gone", rank=1)
    gone.soft_delete()
    session.add_all([gone, Role(name="there", rank=2)])
    rows: list[dict[str, Any]] = [
        {"name": "there", "rank": 7},
        {"name": "gone", "rank": 7},
        {"name": "new", "rank": 3},
        {"name": "new", "rank": 4},
        {"name": None, "rank": 5},
        {"name": None, "rank": 6},
    ]
    assert await seed_if_not_exists(session, Role, rows) == 2
    await session.commit()
    assert sorted(await kept(sessions), key=lambda row: row[1]) == [
        ("gone", 1),
        ("there", 2),
        ("new", 3),
        (None, 5),
    ]
    assert await seed_if_not_exists(session, Role, rows) == 0


async def test_a_key_that_is_not_unique_does_as_well(session: AsyncSession, sessions: Sessions) -> None:
    session.add(Role(name="a", rank=1))
    rows = [{"name": "b", "rank": "1"}, {"name": "c", "rank": 2}]
    assert await seed_if_not_exists(session, Role, rows, key="rank") == 1
    await session.commit()
    assert await kept(sessions) == [("a", 1), ("c", 2)]


async def test_all_keys_are_asked_for_at_once(engine: PersistEngine, session: AsyncSession) -> None:
    sent: list[str] = []

    @event.listens_for(engine.engine().sync_engine, "before_cursor_execute")
    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.lstrip().upper().startswith("SELECT"):
            sent.append(statement)

    await seed_if_not_exists(session, Role, [{"name": f"role {n}"} for n in range(50)])
    assert len(sent) == 1


async def test_a_row_without_the_key_is_left_out_with_a_warning(
    session: AsyncSession, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert await seed_if_not_exists(session, Role, [{"name": "a"}, {"rank": 1}]) == 1
    assert caplog.messages == ["row 1 for Role has no 'name' and was left out"]


async def test_a_key_that_is_no_column_is_refused_with_a_suggestion(session: AsyncSession) -> None:
    with pytest.raises(UndefinedColumnError, match="did you mean 'name'"):
        await seed_if_not_exists(session, Role, [{"name": "a"}], key="nmae")


async def test_runs_at_the_same_time_insert_each_row_once(sessions: Sessions, place: Place) -> None:
    rows = [{"name": f"role {number}"} for number in range(20)]

    async def seed() -> int:
        while True:
            try:
                async with sessions() as session, transactional(session):
                    return await seed_if_not_exists(session, Role, rows)
            except ConflictError:
                # MariaDB: two who wait for each other's keys; one of them is to run again.
                assert place.is_maria

    counts = await asyncio.gather(*(seed() for _ in range(5)))
    assert sum(counts) == 20
    assert sorted(name or "" for name, _ in await kept(sessions)) == sorted(row["name"] for row in rows)
