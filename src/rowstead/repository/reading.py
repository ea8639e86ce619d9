"""The reading half of a repository: SQLAlchemy's selects, and the language of filters."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Generic, Literal, TypeAlias, TypeVar, cast, overload

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from rowstead.errors import ValidationError, did_you_mean, undefined_column
from rowstead.language.bound import ModelWhere, is_expression, model_table
from rowstead.language.conditions import read_count
from rowstead.language.ordering import Sort
from rowstead.model_session import ModelSession
from rowstead.plan import Call, Plan
from rowstead.plans import model_reads
from rowstead.plans.model_pages import ModelWalk
from rowstead.plans.model_reads import Filter, filter_of
from rowstead.plans.paging import Page
from rowstead.statements.for_models import ModelStatements
from rowstead.tables.access import FULL_ACCESS, Access
from rowstead.tables.schema import Kind

M = TypeVar("M")
T = TypeVar("T")

Deleted: TypeAlias = Literal["exclude", "include", "only"]
"""What of a model's soft-deleted rows a read or write is about."""
MARK = "deleted_at"
"""The attribute that makes a model one whose rows are marked as deleted, and stay."""

_RULES: Mapping[str, Mapping[str, Any]] = {
    "exclude": {MARK: None},
    "include": {},
    "only": {MARK: {"is_null": False}},
}


class ReadingRepository(Generic[M]):
    """What both halves share, and every way to read.

    A `where` is a filter of the language, `{"age": {"gte": 18}}`, or a condition of SQLAlchemy's. Rows that
    are marked as deleted are left out unless `deleted` says "include" or "only".
    """

    def __init__(self, session: AsyncSession, model_cls: type[M]) -> None:
        self.session = session
        self.model_cls = model_cls
        self._model = model_table(model_cls)
        self._core = ModelSession.of(session)
        self._core.check_bind(self._model)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.model_cls.__name__}>"

    # SQLAlchemy's own statements

    def select(self, *entities: Any) -> sa.Select[Any]:
        """A select of the model, or of these entities of it, without its deleted rows."""
        statement = cast("sa.Select[Any]", sa.select(*entities) if entities else sa.select(self.model_cls))
        return self._without_deleted(statement)

    def where(self, *conditions: ModelWhere) -> sa.Select[M]:
        """A select of the model's rows that fulfil all of these, without its deleted rows."""
        return self._without_deleted(sa.select(self.model_cls)).where(*map(self._expression, conditions))

    def active_only(self) -> sa.Select[M]:
        """A select of the rows that are not marked as deleted. UndefinedColumnError without such a mark."""
        return sa.select(self.model_cls).where(self._mark().is_(None))

    def deleted_only(self) -> sa.Select[M]:
        """A select of the rows that are marked as deleted. UndefinedColumnError without such a mark."""
        return sa.select(self.model_cls).where(self._mark().is_not(None))

    def include_deleted(self) -> sa.Select[M]:
        """A select of all rows."""
        return sa.select(self.model_cls)

    @overload
    async def all(self, query: None = None, limit: int | None = None) -> list[M]: ...

    @overload
    async def all(self, query: sa.Select[T], limit: int | None = None) -> list[T]: ...

    async def all(self, query: sa.Select[Any] | None = None, limit: int | None = None) -> list[Any]:
        """What a select gives, its first column; without one, every row of the model.

        An object comes once, however many rows a join makes of it. `limit` lowers the select's own.
        """
        statement = self.select() if query is None else query
        if limit is None:
            return await self._core.scalars(statement, self._model)
        most = read_count("limit", limit)
        return (await self._core.scalars(model_reads.limited(statement, most), self._model))[:most]

    @overload
    async def first(self, query: None = None, order_by: Any = None) -> M | None: ...

    @overload
    async def first(self, query: sa.Select[T], order_by: Any = None) -> T | None: ...

    async def first(self, query: sa.Select[Any] | None = None, order_by: Any = None) -> Any:
        """The first thing that a select gives, or None; without an order, by the model's key.

        `order_by` is one or several of SQLAlchemy's expressions, or a sort: "-created_at,name".
        """
        statement = self.select() if query is None else query
        terms = self._order_terms(order_by)
        if not terms and model_reads.can_be_ordered(statement, self._model):
            terms = model_reads.key_terms(self._model)
        found = await self._core.scalars(model_reads.limited(statement.order_by(*terms), 1), self._model)
        return found[0] if found else None

    async def get(self, pk: Any, *, deleted: Deleted = "exclude") -> M | None:
        """The object with this key: a value or, for a composite key, a tuple or a dict; None without one."""
        key = model_reads.key_values(self._model, pk)
        with self._core.errors(self._model):
            found = await self.session.get(self.model_cls, key)
            return found if found is None or await self._is_wanted(found, deleted) else None

    async def count(
        self,
        query: sa.Select[Any] | None = None,
        *,
        where: ModelWhere = None,
        deleted: Deleted = "exclude",
        access: Access = FULL_ACCESS,
    ) -> int:
        """How many rows a select gives, its limit and offset heeded; or how many fulfil `where`."""
        if query is None and where is None and not self._core.is_known:
            query = self.select()
        if query is None:
            return await self._read(model_reads.count(self._statements, self._filter(where, deleted, access)))
        if where is not None:
            raise ValidationError("count takes a select or a where, not both")
        counted = sa.select(sa.func.count()).select_from(query.subquery())
        return (await self._core.scalars(counted, self._model))[0]

    # The language of filters

    async def find_by(self, **equal: Any) -> M | None:
        """One object whose attributes have these values, or None; None stands for NULL.

        ValidationError without any, UndefinedColumnError for a name that the model lacks.
        """
        if not equal:
            raise ValidationError("find_by takes attributes and their values: find_by(email=address)")
        if not self._core.is_known:
            # On a database that only SQLAlchemy knows.
            by_attribute = {self._model.attribute(name): value for name, value in equal.items()}
            return await self.first(self.where().filter_by(**by_attribute))
        return await self._read(model_reads.first(self._statements, self._filter(equal)))

    async def find(
        self,
        where: ModelWhere = None,
        *,
        order: Sort = None,
        limit: int | None = None,
        offset: int | None = None,
        deleted: Deleted = "exclude",
        access: Access = FULL_ACCESS,
    ) -> list[M]:
        """Every object that fulfils the filter, in this order.

        `access` bounds a filter and an order that come from a stranger, here and below.
        """
        wanted = self._filter(where, deleted, access)
        call = model_reads.find(self._statements, wanted, order, limit, offset, access)
        return await self._read(call)

    async def exists(
        self, where: ModelWhere = None, *, deleted: Deleted = "exclude", access: Access = FULL_ACCESS
    ) -> bool:
        """Whether any row fulfils the filter."""
        return await self._read(model_reads.exists(self._statements, self._filter(where, deleted, access)))

    async def page(
        self,
        where: ModelWhere = None,
        *,
        order: Sort = None,
        limit: int = 50,
        offset: int = 0,
        after: str | None = None,
        count: bool = True,
        deleted: Deleted = "exclude",
        access: Access = FULL_ACCESS,
    ) -> Page[M]:
        """A page: objects from `offset` on, or behind the `next` of the page before (`after`).

        By token no row is dropped or repeated while others come and go, and a page costs the same wherever
        it is. `count=False` saves counting.
        """
        walk = self._walk(where, order, deleted, access)
        return await self._read(model_reads.page(walk, limit, offset, after, count))

    async def iterate(
        self,
        where: ModelWhere = None,
        *,
        order: Sort = None,
        batch_size: int = 500,
        deleted: Deleted = "exclude",
        access: Access = FULL_ACCESS,
    ) -> AsyncIterator[M]:
        """Every object that fulfils the filter, read in batches, each of which begins behind the last.

        Rows may come and go meanwhile: none is dropped or given twice, and one batch at a time is held.
        """
        if type(batch_size) is not int or batch_size < 1:
            raise ValidationError(f"batch_size is a whole number of at least 1, not {batch_size!r}")
        walk = self._walk(where, order, deleted, access)
        position = walk.start
        while position is not None:
            found, position = await self._read(walk.page(position, batch_size))
            for one in found:
                yield one

    # What the methods share

    @property
    def _statements(self) -> ModelStatements:
        return self._core.statements(self._model)

    async def _read(self, work: Call[T] | Plan[T]) -> T:
        return await self._core.read(work, self._model)

    def _filter(
        self, where: ModelWhere, deleted: Deleted = "exclude", access: Access = FULL_ACCESS
    ) -> Filter:
        """A caller's filter, and which deleted rows it is about."""
        return filter_of(self._model, where, self._rule(deleted), access)

    def _rule(self, deleted: Deleted) -> Mapping[str, Any]:
        if not isinstance(deleted, str) or deleted not in _RULES:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValidationError(f"deleted is {deleted!r}; {did_you_mean(str(deleted), _RULES)}")
        if self._marks_deleted:
            return _RULES[deleted]
        if deleted == "only":
            self._mark()
        return {}

    @property
    def _marks_deleted(self) -> bool:
        column = self._model.named.columns.get(MARK)
        # Where it is True or False, a row that is there has no NULL in it.
        return column is not None and column.kind is not Kind.BOOL and hasattr(self.model_cls, MARK)

    def _moment(self) -> date:
        """Now, as the mark's column holds moments."""
        now, column = datetime.now(UTC), self._model.named.columns[MARK]
        if column.kind is Kind.DATE:
            return now.date()
        has_zone = not isinstance(column.via, sa.DateTime) or column.via.timezone
        return now if has_zone else now.replace(tzinfo=None)

    def _mark(self) -> Any:
        if not self._marks_deleted:
            raise undefined_column(MARK, self.model_cls.__name__, self._model.named.columns)
        return getattr(self.model_cls, MARK)

    def _without_deleted(self, statement: sa.Select[T]) -> sa.Select[T]:
        """The statement, about rows that are not marked; one that does not read the model stays as it is."""
        if not self._marks_deleted:
            return statement
        return statement.where(
            *(getattr(one, MARK).is_(None) for one in model_reads.read_by(statement, self._model))
        )

    async def _is_wanted(self, found: M, deleted: Deleted) -> bool:
        if deleted == "include" or not self._rule(deleted):
            return True
        return (await self._marked(found) is not None) == (deleted == "only")

    async def _marked(self, one: M) -> Any:
        """An object's mark of deletion, read anew where it was expired."""
        if MARK not in sa.inspect(cast("Any", one)).dict:
            await self.session.refresh(one, [MARK])
        return getattr(one, MARK)

    def _expression(self, where: ModelWhere) -> Any:
        return where if is_expression(where) else model_reads.condition(self._statements, where)

    def _order_terms(self, order: Any) -> Sequence[Any]:
        """SQLAlchemy's terms of an order, of either kind."""
        several = cast("list[Any]", list(order) if isinstance(order, (list, tuple)) else [order])  # pyright: ignore[reportUnknownArgumentType]
        if any(map(is_expression, several)):
            return several
        return model_reads.ordering(self._statements, cast("Sort", order)) if order is not None else ()

    def _walk(self, where: ModelWhere, order: Sort, deleted: Deleted, access: Access) -> ModelWalk:
        wanted = self._filter(where, deleted, access)
        return model_reads.walk(self._statements, wanted, order, access)
