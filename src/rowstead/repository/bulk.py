"""Writes of many rows at once: inserts with conflicts settled, changes and deletions by a filter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, TypeAlias, TypeVar, overload

from rowstead.language.bound import ModelWhere, is_expression
from rowstead.model_objects import objects_of
from rowstead.model_refresh import has_objects, tell_changed, tell_removed
from rowstead.plans import model_writes
from rowstead.plans.model_reads import Filter
from rowstead.repository.reading import MARK, Deleted, ReadingRepository
from rowstead.repository.transactions import in_block

M = TypeVar("M")

OnConflict: TypeAlias = Literal["fail", "nothing", "update"]


class BulkRepository(ReadingRepository[M]):
    """The statements of many rows. None of them commits unless told, and in a block its end does."""

    @overload
    async def bulk_insert(
        self,
        values: Iterable[Mapping[str, Any] | M],
        *,
        commit: bool = False,
        on_conflict: OnConflict = "fail",
        on_conflict_index_elements: Iterable[Any] | None = None,
        returning: Literal[True] = True,
    ) -> list[M]: ...

    @overload
    async def bulk_insert(
        self,
        values: Iterable[Mapping[str, Any] | M],
        *,
        commit: bool = False,
        on_conflict: OnConflict = "fail",
        on_conflict_index_elements: Iterable[Any] | None = None,
        returning: Literal[False],
    ) -> int: ...

    async def bulk_insert(
        self,
        values: Iterable[Mapping[str, Any] | M],
        *,
        commit: bool = False,
        on_conflict: OnConflict = "fail",
        on_conflict_index_elements: Iterable[Any] | None = None,
        returning: bool = True,
    ) -> list[M] | int:
        """Insert any number of rows, dicts by attribute or objects, all or none.

        Gives the stored objects in the order given or, without `returning`, how many were written.
        `on_conflict`: "fail" is a DuplicateError, "nothing" leaves a row that is there (and is not in the
        result), "update" sets what the values name and `updated_at`. `on_conflict_index_elements` are the
        columns of the unique key that this is about; "update" goes by the primary key without them. Of
        values with one key the last wins. What was given is not changed, and objects stay what they were.
        None is NULL: in a `sqlalchemy.JSON` column too, where `save` writes JSON's null unless the type says
        `none_as_null`. ValidationError for an object of which a relationship was set, whose key is not.
        """
        compiler, model = self._core.database.compiler, self._model
        elements = _names(on_conflict_index_elements)
        plan = model_writes.insert_values(
            compiler, model, values, on_conflict, elements, returning, self._core.has_sequences
        )
        async with self._unit(commit):
            written = await self._core.plan(plan, model)
        return objects_of(self.session.sync_session, model, written) if returning else written

    async def update_where(
        self,
        patch: Mapping[str, Any],
        where: ModelWhere,
        *,
        commit: bool = False,
        deleted: Deleted = "exclude",
    ) -> int:
        """Change every row that fulfils the filter, which must not be empty; how many there were.

        Values may be `Inc` and `Now`. `updated_at` moves and a version counts. The session's objects of
        these rows are read anew; what was set on them and not written yet stays.
        """
        return await self._change(patch, where, deleted, "update_where", commit)

    async def delete_where(
        self, where: ModelWhere, *, commit: bool = False, hard: bool = False, deleted: Deleted | None = None
    ) -> int:
        """Remove every row that fulfils the filter, which must not be empty; how many there were.

        A model that marks rows as deleted has them marked; `hard=True` removes them, marked ones too.
        """
        if self._marks_deleted and not hard:
            mark = {MARK: self._moment()}
            return await self._change(mark, where, deleted or "exclude", "delete_where", commit)
        wanted = self._own_filter(where, deleted or "include", "delete_where")
        call = model_writes.delete_where(self._core.database.compiler, self._statements, wanted)
        async with self._unit(commit):
            count = await self._core.run(call, self._model)
            await tell_removed(self.session, self._model)
        return count

    async def _change(
        self, patch: Mapping[str, Any], where: ModelWhere, deleted: Deleted, verb: str, commit: bool
    ) -> int:
        change = model_writes.change_of(self._model, patch)
        wanted = self._own_filter(where, deleted, verb)
        compiler, statements = self._core.database.compiler, self._statements
        async with self._unit(commit):
            if not has_objects(self.session, self._model):
                return await self._core.run(
                    model_writes.update_where(compiler, statements, change, wanted), self._model
                )
            keys = await self._changed(change, wanted)
            await tell_changed(self.session, self._model, keys, [name for name, _ in change.given])
        return len(keys)

    async def _changed(self, change: model_writes.Change, wanted: Filter) -> list[Any]:
        """Change the rows; the keys of those that were."""
        compiler, statements, run = self._core.database.compiler, self._statements, self._core.run
        if compiler.dialect.update_returns:
            return await run(model_writes.update_returning(compiler, statements, change, wanted), self._model)
        keys = await run(model_writes.lock_keys(statements, wanted), self._model)
        await run(model_writes.update_where(compiler, statements, change, wanted), self._model)
        return keys

    def _own_filter(self, where: ModelWhere, deleted: Deleted, verb: str) -> Filter:
        """The rows that a write is about. ValidationError where the caller's own filter says nothing."""
        wanted = self._filter(where, deleted)
        model_writes.refuse_everything(self._model, wanted, verb)
        return wanted

    def _unit(self, commit: bool) -> AbstractAsyncContextManager[None]:
        """One write: its errors are ours; it ends with a commit where that is wanted and no block decides."""
        return self._core.unit(self._model, commit and not in_block(self.session))


def _names(elements: Iterable[Any] | None) -> list[str] | None:
    """Columns named by text or as attributes of the model."""
    if elements is None:
        return None
    several = [elements] if isinstance(elements, str) or is_expression(elements) else elements
    return [str(getattr(one, "key", one)) for one in several]
