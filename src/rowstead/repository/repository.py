"""`BaseRepository`: everything that can be done with the rows of one model, in a session of SQLAlchemy's.

    class UserRepository(BaseRepository[User]):
        def __init__(self, session: AsyncSession) -> None:
            super().__init__(session, User)

Nothing is committed unless a call says `commit=True` or the session's owner does. What a call writes is
flushed: keys are known afterwards, and what the database refuses is raised there, as an error of ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession, async_object_session
from sqlalchemy.orm import InstanceState

from rowstead.errors import UsageError, ValidationError
from rowstead.repository.bulk import BulkRepository
from rowstead.repository.reading import MARK

M = TypeVar("M")


class BaseRepository(BulkRepository[M]):
    """The objects of one model in one session.

    With `commit=True` a call commits, and one that fails rolls the session back; inside a
    `transactional` block the block's end decides, and the call flushes.
    """

    async def add(self, obj: M, commit: bool = False) -> M:
        """As `save`."""
        return await self.save(obj, commit)

    async def save(self, obj: M, commit: bool = False) -> M:
        """Write a new object, or what was changed on one that is there; the object, its key known."""
        (saved,) = await self.add_all([obj], commit)
        return saved

    async def add_all(self, objs: Iterable[M], commit: bool = False) -> list[M]:
        """Write all of these, or none."""
        several = list(objs)
        for one in several:
            self._check(one)
        async with self._unit(commit):
            self.session.add_all(several)
            await self.session.flush()
        await self._loaded(several)
        return several

    async def delete(self, obj: M, commit: bool = False, *, hard: bool = False) -> None:
        """Remove the object's row; one of a model that marks rows as deleted is marked, unless `hard`.

        A mark that is there stays. An object that was added and not written yet is forgotten. UsageError for
        one that was never added, or was removed already.
        """
        state = self._check(obj)
        if state.transient:
            raise UsageError(f"this {self.model_cls.__name__} was never saved: there is nothing to delete")
        if state.was_deleted:
            raise UsageError(f"this {self.model_cls.__name__} was deleted already")
        async with self._unit(commit):
            if state.pending:
                self.session.expunge(obj)
                return
            if self._marks_deleted and not hard:
                await self._mark_deleted(obj, self._moment())
            else:
                await self.session.delete(await self._own(obj))
            await self.session.flush()

    async def restore(self, obj: M, commit: bool = False) -> M:
        """Take the mark of deletion from an object. UndefinedColumnError for a model without one."""
        self._mark()
        self._check(obj)
        async with self._unit(commit):
            own = await self._mark_deleted(obj, None)
            await self.session.flush()
        await self._loaded([own])
        return own

    # The session's view of an object

    async def refresh(self, obj: M, attribute_names: Sequence[str] | None = None) -> M:
        """Read the object's row anew. One that belongs to no session comes to this one.

        UsageError for an object that was never saved, or that belongs to another session.
        """
        self._check_stored(obj)
        with self._core.errors(self._model):
            if obj not in self.session:
                self.session.add(obj)
            await self.session.refresh(obj, attribute_names)
        return obj

    async def expire(self, obj: M, attribute_names: Sequence[str] | None = None) -> None:
        """Forget the object's values (or those attributes), so that `refresh` must read them."""
        self._check_stored(obj)
        with self._core.errors(self._model):
            self.session.expire(obj, attribute_names)

    async def expunge(self, obj: M) -> None:
        """Take the object out of the session; its row stays. One that is not in it stays outside."""
        self._check(obj)
        if obj in self.session:
            self.session.expunge(obj)

    async def is_modified(self, obj: M) -> bool:
        """Whether the object's values differ from its row's as it was read. Asking changes nothing."""
        self._check(obj)
        return self.session.is_modified(obj)

    def obj_session(self, obj: M) -> AsyncSession | None:
        """The session that the object belongs to."""
        self._check(obj)
        return async_object_session(obj)

    # What the methods share

    def _check(self, obj: M) -> InstanceState[M]:
        if not isinstance(obj, self.model_cls):
            raise ValidationError(
                f"{type(self).__name__} works on {self.model_cls.__name__} objects, not {type(obj).__name__}"
            )
        return cast("InstanceState[M]", sa.inspect(cast("Any", obj)))

    def _check_stored(self, obj: M) -> None:
        state = self._check(obj)
        if not state.has_identity:
            raise UsageError(f"this {self.model_cls.__name__} was never saved: there is no row to read")

    async def _own(self, obj: M) -> M:
        """The object as this session has it: one of another session is copied in."""
        return obj if obj in self.session else await self.session.merge(obj)

    async def _mark_deleted(self, obj: M, moment: date | None) -> M:
        """Mark the row, unless it is marked already, or take the mark away; the session's object of it."""
        state, known = sa.inspect(cast("Any", obj)), self.session.sync_session.identity_map
        if state.session is None and state.key not in known:
            self.session.add(obj)
        own = await self._own(obj)
        if moment is None or await self._marked(own) is None:
            setattr(own, MARK, moment)
        return own

    async def _loaded(self, objs: Iterable[M]) -> None:
        """After a commit that expired them, read objects anew: nobody could wait for it at an attribute."""
        with self._core.errors(self._model):
            for one in objs:
                if sa.inspect(cast("Any", one)).expired:
                    await self.session.refresh(one)
