"""`transactional`, `savepoint`, `in_transaction`: what is kept and what undone; and a session goes on."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import Mapped, mapped_column

from repository.conftest import create
from rowstead.errors import IntegrityError, UsageError
from rowstead.repository import (
    Base,
    IntPKMixin,
    PersistEngine,
    in_transaction,
    savepoint,
    transactional,
)

Sessions = async_sessionmaker[AsyncSession]


class Note(Base, IntPKMixin):
    __tablename__ = "transactions_notes"

    text: Mapped[str] = mapped_column(unique=True)


@pytest.fixture
async def sessions(engine: PersistEngine) -> Sessions:
    return await create(engine, Note)


@pytest.fixture
async def session(sessions: Sessions) -> AsyncIterator[AsyncSession]:
    async with sessions() as session:
        yield session


async def kept(sessions: Sessions) -> list[str]:
    """What another session sees."""
    async with sessions() as session:
        return list(await session.scalars(sa.select(Note.text).order_by(Note.text)))


async def write(session: AsyncSession, text: str) -> None:
    session.add(Note(text=text))
    await session.flush()


async def test_a_block_commits_at_its_end(session: AsyncSession, sessions: Sessions) -> None:
    async with transactional(session) as same:
        assert same is session
        await write(session, "a")
        assert await kept(sessions) == []
    assert await kept(sessions) == ["a"]


async def test_an_error_undoes_the_block_and_comes_out(session: AsyncSession, sessions: Sessions) -> None:
    with pytest.raises(KeyError, match="mine"):
        async with transactional(session):
            await write(session, "a")
            raise KeyError("mine")
    await write(session, "b")
    await session.commit()
    assert await kept(sessions) == ["b"]


async def test_a_commit_that_fails_leaves_a_session_that_works(
    session: AsyncSession, sessions: Sessions
) -> None:
    with pytest.raises(IntegrityError):
        async with transactional(session):
            session.add_all([Note(text="same"), Note(text="same")])
    async with transactional(session):
        session.add(Note(text="other"))
    assert await kept(sessions) == ["other"]


async def test_without_commit_the_transaction_stays_open(session: AsyncSession, sessions: Sessions) -> None:
    async with transactional(session, commit=False):
        await write(session, "a")
    assert session.in_transaction()
    assert await kept(sessions) == []
    await session.rollback()
    assert await kept(sessions) == []


async def test_an_error_may_be_left_to_the_caller(session: AsyncSession, sessions: Sessions) -> None:
    with pytest.raises(KeyError):
        async with transactional(session, rollback_on_exception=False):
            await write(session, "a")
            raise KeyError
    await session.commit()
    assert await kept(sessions) == ["a"]


async def test_repository_p08_a_block_within_a_block_never_commits_the_outer_one(
    session: AsyncSession, sessions: Sessions
) -> None:
    with pytest.raises(KeyError):
        async with transactional(session):
            await write(session, "outer")
            async with transactional(session):
                await write(session, "inner")
            assert await kept(sessions) == []
            raise KeyError
    assert await kept(sessions) == []


@pytest.mark.parametrize("rollback_on_exception", [True, False])
async def test_repository_p08_blocks_of_any_depth_are_kept_by_the_outermost(
    session: AsyncSession, sessions: Sessions, rollback_on_exception: bool
) -> None:
    async with transactional(session):
        await write(session, "1")
        async with transactional(session, rollback_on_exception=rollback_on_exception):
            await write(session, "2")
            async with transactional(session):
                await write(session, "3")
        assert await kept(sessions) == []
    assert await kept(sessions) == ["1", "2", "3"]


async def test_repository_p08_an_error_inside_undoes_only_the_inner_block(
    session: AsyncSession, sessions: Sessions
) -> None:
    async with transactional(session):
        await write(session, "outer")
        with pytest.raises(exc.IntegrityError):
            async with transactional(session):
                await write(session, "inner")
                await write(session, "outer")
        await write(session, "later")
    assert await kept(sessions) == ["later", "outer"]


async def test_repository_p08_sqlalchemys_own_block_is_an_outer_block_too(
    session: AsyncSession, sessions: Sessions
) -> None:
    with pytest.raises(KeyError):
        async with session.begin():
            async with transactional(session):
                await write(session, "inner")
            assert await kept(sessions) == []
            raise KeyError
    async with session.begin():
        await write(session, "outer")
        async with session.begin_nested() as point:
            async with transactional(session):
                await write(session, "inner")
            await point.rollback()
    assert await kept(sessions) == ["outer"]


async def test_a_session_that_has_only_read_has_no_outer_block(
    session: AsyncSession, sessions: Sessions
) -> None:
    await session.execute(sa.select(Note))
    async with transactional(session):
        await write(session, "a")
    assert await kept(sessions) == ["a"]


async def test_after_a_block_the_next_one_is_outermost_again(
    session: AsyncSession, sessions: Sessions
) -> None:
    for text in ("a", "b"):
        with pytest.raises(KeyError):
            async with transactional(session):
                await write(session, text)
                raise KeyError
        async with transactional(session):
            await write(session, text)
        assert text in await kept(sessions)


Wait = Callable[[AsyncSession, asyncio.Event], Awaitable[Any]]


async def _idle(session: AsyncSession, reached: asyncio.Event) -> None:
    reached.set()
    await asyncio.sleep(60)


async def _writing(session: AsyncSession, reached: asyncio.Event) -> None:
    reached.set()
    for number in range(1_000_000):
        await write(session, f"more {number}")


async def _in_a_savepoint(session: AsyncSession, reached: asyncio.Event) -> None:
    async with savepoint(session):
        await write(session, "in the savepoint")
        reached.set()
        await asyncio.sleep(60)


async def _in_an_inner_block(session: AsyncSession, reached: asyncio.Event) -> None:
    async with transactional(session, rollback_on_exception=False):
        await _in_a_savepoint(session, reached)


@pytest.mark.parametrize("wait", [_idle, _writing, _in_a_savepoint, _in_an_inner_block])
@pytest.mark.parametrize("rollback_on_exception", [True, False])
async def test_repository_p08_cancellation_undoes_the_block_at_any_wait(
    sessions: Sessions, wait: Wait, rollback_on_exception: bool
) -> None:
    async with sessions() as session:
        reached = asyncio.Event()

        async def work() -> None:
            async with transactional(session, rollback_on_exception=rollback_on_exception):
                await write(session, "cancelled")
                await wait(session, reached)

        task = asyncio.create_task(work())
        await reached.wait()
        for _ in range(3):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        # What was cancelled is no part of what the session does next.
        await write(session, "next")
        await session.commit()
    assert await kept(sessions) == ["next"]


async def test_the_control_without_a_block_a_cancelled_write_is_kept_by_the_next_commit(
    sessions: Sessions,
) -> None:
    async with sessions() as session:
        reached = asyncio.Event()

        async def work() -> None:
            await write(session, "cancelled")
            await _idle(session, reached)

        task = asyncio.create_task(work())
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await session.commit()
    assert await kept(sessions) == ["cancelled"]


async def test_a_cancelled_inner_block_lets_the_outer_one_go_on(
    session: AsyncSession, sessions: Sessions
) -> None:
    async def inner() -> None:
        async with transactional(session):
            await write(session, "inner")
            await asyncio.sleep(60)

    async with transactional(session):
        await write(session, "outer")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await inner()
        await write(session, "later")
    assert await kept(sessions) == ["later", "outer"]


async def test_a_block_that_is_cancelled_twice_is_still_undone(sessions: Sessions) -> None:
    async with sessions() as session:
        reached = asyncio.Event()

        async def work() -> None:
            async with transactional(session):
                await write(session, "cancelled")
                await _idle(session, reached)

        task = asyncio.create_task(work())
        await reached.wait()
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not session.in_transaction()
    assert await kept(sessions) == []


async def test_a_savepoint_undoes_its_own_work_and_names_itself(
    session: AsyncSession, sessions: Sessions
) -> None:
    await write(session, "before")
    with pytest.raises(KeyError) as caught:
        async with savepoint(session, "import"):
            await write(session, "inside")
            raise KeyError
    assert caught.value.__notes__ == ["in the savepoint 'import', which was rolled back"]
    async with savepoint(session):
        await write(session, "kept")
    await session.commit()
    assert await kept(sessions) == ["before", "kept"]


async def test_a_savepoint_may_be_rolled_back_by_hand(session: AsyncSession, sessions: Sessions) -> None:
    async with savepoint(session) as point:
        await write(session, "inside")
        await point.rollback()
    await session.commit()
    assert await kept(sessions) == []


class Notes:
    """A service that has a session, as `in_transaction` wants it."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    @in_transaction()
    async def add(self, text: str, *, fail: bool = False) -> str:
        """Adds a note."""
        await write(self.session, text)
        if fail:
            raise KeyError
        return text

    @in_transaction(commit=False)
    async def add_later(self, text: str) -> None:
        await write(self.session, text)

    @in_transaction()
    async def add_both(self, first: str, second: str) -> None:
        await self.add(first)
        with pytest.raises(KeyError):
            await self.add(second, fail=True)


async def test_a_method_is_a_block_of_its_own(session: AsyncSession, sessions: Sessions) -> None:
    notes = Notes(session)
    assert await notes.add("a") == "a"
    with pytest.raises(KeyError):
        await notes.add("b", fail=True)
    assert await kept(sessions) == ["a"]
    await notes.add_later("c")
    assert await kept(sessions) == ["a"]
    await session.rollback()
    await notes.add_both("d", "e")
    assert await kept(sessions) == ["a", "d"]


def test_a_method_keeps_its_name_signature_and_documentation() -> None:
    assert (Notes.add.__name__, Notes.add.__doc__) == ("add", "Adds a note.")
    assert list(inspect.signature(Notes.add).parameters) == ["self", "text", "fail"]


def test_only_asynchronous_methods_can_be_blocks() -> None:
    def plain(self: Notes) -> None: ...

    async def generator(self: Notes) -> AsyncIterator[int]:
        yield 1

    for method in (plain, generator):
        with pytest.raises(UsageError, match="takes an `async def` method"):
            in_transaction()(method)  # type: ignore[type-var]
    with pytest.raises(UsageError, match=r"write @in_transaction\(\)"):
        in_transaction(plain)  # type: ignore[arg-type]
