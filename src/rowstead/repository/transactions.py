"""Blocks of work on a session that are kept whole or not at all.

    async with transactional(session):      # commits at its end
        async with transactional(session):  # a savepoint: never commits what is around it
            ...

Cancellation rolls back like an error, at any await. Whatever the end, the session can be used again.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession, AsyncSessionTransaction
from sqlalchemy.orm import SessionTransactionOrigin

from rowstead.errors import UsageError
from rowstead.model_refresh import expired, load_expired
from rowstead.model_session import ModelSession
from rowstead.waiting import finish

P = ParamSpec("P")
R = TypeVar("R")

_BLOCK = "rowstead.transaction"
"""The key in a session's `info` while a block of ours is open on it."""


def in_block(session: AsyncSession) -> bool:
    """Whether somebody further out decides about the session's commit.

    So it is in a `transactional` block, in SQLAlchemy's own `session.begin()`, and in any savepoint.
    """
    if session.info.get(_BLOCK):
        return True
    transaction = session.sync_session.get_transaction()
    if transaction is None:
        return False
    return transaction.origin is SessionTransactionOrigin.BEGIN or session.in_nested_transaction()


def transactional(
    session: AsyncSession, commit: bool = True, rollback_on_exception: bool = True
) -> AbstractAsyncContextManager[AsyncSession]:
    """A block that is committed at its end (with `commit=False`: left open) and rolled back on an error.

    Inside another block it is a savepoint: at its end its work belongs to the outer block, on an error only
    its own work is undone. `rollback_on_exception=False` leaves the session as the error left it; a
    cancellation is rolled back all the same.
    """
    if not in_block(session):
        return _outermost(session, commit, rollback_on_exception)
    return _inner(session, rollback_on_exception)


@asynccontextmanager
async def savepoint(
    session: AsyncSession, name: str | None = None
) -> AsyncGenerator[AsyncSessionTransaction]:
    """A savepoint: its work is undone on an error, else it belongs to the transaction around it.

    `name` is told by errors that come out of it; the database's own name is SQLAlchemy's. What the database
    refuses at its beginning and end is an error of ours, as at the end of a `transactional` block.
    """
    core = ModelSession.of(session)
    with core.errors():
        # What the session has to write is written first, and may be refused.
        point = await session.begin_nested()
    try:
        yield point
        if point.is_active:
            with core.errors():
                await point.commit()
    except BaseException as error:
        if name is not None:
            error.add_note(f"in the savepoint {name!r}, which was rolled back")
        await finish(_undo_savepoint(point))
        raise


class HasSession(Protocol):
    """What a method needs of its object to be made `in_transaction`."""

    @property
    def session(self) -> AsyncSession: ...


S = TypeVar("S", bound=HasSession)
Method = Callable[Concatenate[S, P], Coroutine[Any, Any, R]]


def in_transaction(
    commit: bool = True, rollback_on_exception: bool = True
) -> Callable[[Method[S, P, R]], Method[S, P, R]]:
    """Makes an asynchronous method of an object with a `session` one `transactional` block.

    UsageError for anything else than an `async def`.
    """
    if not isinstance(commit, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise UsageError("in_transaction is called first: write @in_transaction() above the method")

    def decorate(method: Method[S, P, R]) -> Method[S, P, R]:
        if not inspect.iscoroutinefunction(method):
            name = getattr(method, "__qualname__", repr(method))
            raise UsageError(f"@in_transaction takes an `async def` method; {name} is none")

        @functools.wraps(method)
        async def within_transaction(self: S, *args: P.args, **kwargs: P.kwargs) -> R:
            async with transactional(self.session, commit, rollback_on_exception):
                return await method(self, *args, **kwargs)

        return within_transaction

    return decorate


@asynccontextmanager
async def _outermost(
    session: AsyncSession, commit: bool, rollback_on_exception: bool
) -> AsyncGenerator[AsyncSession]:
    session.info[_BLOCK] = True
    try:
        yield session
        if commit:
            await ModelSession.of(session).commit()
    except BaseException as error:
        if rollback_on_exception or not isinstance(error, Exception):
            await finish(session.rollback())
        raise
    finally:
        session.info.pop(_BLOCK, None)


@asynccontextmanager
async def _inner(session: AsyncSession, rollback_on_exception: bool) -> AsyncGenerator[AsyncSession]:
    if not rollback_on_exception:
        # Nothing of it is ever undone by itself, so that it needs no savepoint.
        yield session
        return
    async with savepoint(session):
        yield session


async def _undo_savepoint(point: AsyncSessionTransaction) -> None:
    # Whoever rolled back further out has taken it along.
    session = point.session
    if point.is_active or session.in_nested_transaction():
        before = expired(session)
        await point.rollback()
        await load_expired(session, expired(session) - before)
