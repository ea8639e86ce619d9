"""The reading half of a service: which rows a call is about, and the verbs that read them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeAlias, TypedDict, cast

import sqlalchemy as sa

from rowstead.errors import NotFound, UsageError, ValidationError
from rowstead.language.conditions import Where, read_count
from rowstead.language.ordering import Order, Sort
from rowstead.plan import Call, Plan, R
from rowstead.plans import table_reads
from rowstead.plans.table_reads import EVERY_ROW, Batches, Wanted, both, by_id, by_ids, by_where
from rowstead.service.database import DatabaseService
from rowstead.service.hooks import Hooks
from rowstead.service.policy import ColumnLists, Limits, Policy
from rowstead.service.service import Service
from rowstead.session import Session
from rowstead.tables.schema import Table
from rowstead.transaction import Transaction

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    from rowstead.service.app import App

    Id = TypeVar("Id", default=Any)
    Row = TypeVar("Row", default=dict[str, Any])
else:
    from typing import TypeVar

    Id = TypeVar("Id")
    Row = TypeVar("Row")

# A verb of services is called `list`, and inside the class it is meant by that name. No alias is a text:
# whoever asks a verb for its types (`typing.get_type_hints`) is to find them.
Rows: TypeAlias = list[Row]
Conditions: TypeAlias = Mapping[str, Any] | Iterable[Mapping[str, Any]] | str | None
"""A filter, or "*" for every row."""
ColumnNames: TypeAlias = str | Collection[str] | None
"""\"*\", a name or several; None and [] ask for nothing."""

EVERY = "*"


class _Usual:
    """Stands where a caller gives no limit; None is one."""

    def __repr__(self) -> str:
        return "DEFAULT_ROW_LIMIT"


USUAL: Any = _Usual()


class Listing(TypedDict, Generic[Row]):
    """A page of rows, and where it stands among all."""

    count: int | None
    """How many rows the conditions match; None where it was not asked for."""
    offset: int
    page: int | None
    """Its number, from 1."""
    pages: int | None
    on_page: int
    """The rows on this page."""
    data: Rows[Row] | None
    """None where no columns, or no rows, were asked for."""


class ReadingService(Hooks, ColumnLists, Limits, Service, Generic[Id, Row]):
    """A table as a service: what both halves share, and every way to read.

    Conditions and sorts are the language's, as strangers may hand them in: of visible columns, bounded.
    `_connection` is a block of the database (`async with db.begin() as connection`), whose transaction the
    call becomes a part of; without it each call is its own.
    """

    table: ClassVar[sa.Table]

    def __init__(
        self,
        database: Any = None,
        *,
        app: App | None = None,
        name: str | None = None,
    ) -> None:
        """`database` is a DatabaseService, a `rowstead.DB`, a service's name, or None: the application's."""
        super().__init__(app=app, name=name)
        if not isinstance(getattr(self, "table", None), sa.Table):
            raise UsageError(f"{type(self).__name__} has no table: say `table = …`, a sqlalchemy.Table")
        self._database: Any = database
        if database is not None and not isinstance(database, str):
            self._use(database)

    def prepare(self) -> None:
        """Find the database, have it make the table, and look whether the class says what can be."""
        super().prepare()
        if self._database is None or isinstance(self._database, str):
            self._use(self.discover(self._database, DatabaseService))
        _ = self._policy

    def _use(self, database: Any) -> None:
        if isinstance(database, DatabaseService):
            database.add_table(self.table)
        elif _session_of(database) is None:
            raise UsageError(
                f"{self.name}: a database is a DatabaseService, a rowstead.DB or a service's name, not "
                f"{type(database).__name__}"
            )
        self._database = database

    # Reading

    async def get(self, id: Id, columns: ColumnNames = EVERY, _connection: Any = None) -> Row:
        """The row of this id. NotFound where there is none; for [] as columns, {} where there is one.

        An id of several columns is a tuple in their order or a dict.
        """
        if columns is None:
            raise ValidationError(f"{self.name}.get needs columns; [] asks whether the row is there")
        wanted = by_id(self._rows_of, id).also(self._may_see())
        chosen = self._policy.select.chosen(columns)
        session = self._on(_connection)
        if chosen:
            found = await answered(session, table_reads.get(session.compiler, self._rows_of, chosen, wanted))
        else:
            there = await answered(session, table_reads.exists(session.compiler, self._rows_of, wanted))
            found = dict[str, Any]() if there else None
        if found is None:
            raise self._no_row(id)
        return cast("Row", found)

    async def m_get(
        self,
        id: Collection[Id] | Iterator[Id] | Id | None = None,
        conditions: Conditions = None,
        columns: ColumnNames = EVERY,
        _connection: Any = None,
    ) -> Rows[Row]:
        """The rows of these ids that fulfil the conditions; of [] none, in no particular order.

        ValidationError without ids and conditions; conditions "*" ask for every row.
        """
        ids = self._ids(id)
        if ids == [] and conditions in _UNSAID:
            return []
        wanted = self._chosen("m_get", ids, conditions).also(self._may_see())
        chosen = self._policy.select.chosen(columns)
        session = self._on(_connection)
        if not chosen:
            number = await answered(session, table_reads.count(session.compiler, self._rows_of, wanted))
            return cast("Rows[Row]", [{} for _ in range(number)])
        return cast(
            "Rows[Row]",
            await answered(session, table_reads.rows(session.compiler, self._rows_of, chosen, wanted)),
        )

    async def exists(self, id: Id, _connection: Any = None) -> bool:
        """Whether there is a row of this id."""
        wanted = by_id(self._rows_of, id).also(self._may_see())
        session = self._on(_connection)
        return await answered(session, table_reads.exists(session.compiler, self._rows_of, wanted))

    async def m_exists(
        self, id: Collection[Id] | Iterator[Id] | Id, _connection: Any = None
    ) -> frozenset[Id]:
        """Those of the ids that there are; tuples where an id has several columns."""
        ids = self._ids(id)
        if ids is None:
            raise ValidationError(f"{self.name}.m_exists needs ids, not None")
        if not ids:
            return frozenset()
        wanted = by_ids(self._rows_of, ids).also(self._may_see())
        session = self._on(_connection)
        return await answered(session, table_reads.keys(session.compiler, self._rows_of, wanted))

    async def count(self, conditions: Conditions = None, _connection: Any = None) -> int:
        """How many rows fulfil the conditions."""
        wanted = self._filtered(conditions).also(self._may_see())
        session = self._on(_connection)
        return await answered(session, table_reads.count(session.compiler, self._rows_of, wanted))

    async def list(
        self,
        conditions: Conditions = None,
        sort: Sort = None,
        offset: int = 0,
        limit: int | None = USUAL,
        count: bool = True,
        columns: ColumnNames = EVERY,
        _connection: Any = None,
    ) -> Listing[Row]:
        """A page of the rows that fulfil the conditions, by the sort and then by the key.

        A limit over MAX_ROW_LIMIT is MAX_ROW_LIMIT; with 0 or None the rows are counted only. `count=False`
        saves counting, and the page's number with it.
        """
        offset = read_count("offset", offset)
        size = self._limit(limit, least=0)
        wanted = self._filtered(conditions).also(self._may_see())
        order = self._policy.order(sort)
        chosen = self._policy.select.chosen(columns) if size else ()
        session = self._on(_connection)
        if not chosen:
            total = None
            if count:
                total = await answered(session, table_reads.count(session.compiler, self._rows_of, wanted))
            return _listing(total, offset, size, None)
        plan = table_reads.page(
            session.compiler, self._rows_of, chosen, wanted, order, size, offset, bool(count)
        )
        page = await answered(session, plan)
        return _listing(page.count, offset, size, cast("Any", page.rows))

    def iter(
        self,
        conditions: Conditions = None,
        sort: Sort = None,
        offset: int = 0,
        limit: int | None = USUAL,
        columns: ColumnNames = EVERY,
        _connection: Any = None,
    ) -> AsyncIterator[Rows[Row]]:
        """The rows that fulfil the conditions, in batches of `limit`; each once, whatever others come and go.

        A row whose sorted columns change may come once more, or not at all. What may be seen is settled now,
        not when the first batch is asked for.
        """
        size = self._limit(limit, least=1)
        wanted = self._filtered(conditions).also(self._may_see())
        order = self._policy.order(sort)
        chosen = self._policy.select.chosen(columns)
        offset = read_count("offset", offset)
        if not chosen:
            return _nothing()
        return self._walked(chosen, wanted, order, offset, size, _connection)

    async def _walked(
        self, columns: tuple[str, ...], wanted: Wanted, order: Order, offset: int, size: int, connection: Any
    ) -> AsyncIterator[Rows[Row]]:
        session = self._on(connection)
        batches: Batches = table_reads.batches(
            session.compiler, self._rows_of, columns, wanted, order, offset
        )
        position: Any = batches.start
        while position is not None:
            rows, position = await answered(session, batches.next(position, size))
            if rows:
                yield cast("Rows[Row]", rows)

    # Which rows

    def _ids(self, given: Any) -> Rows[Any] | None:
        """The ids of a caller's one or several; None where there is no word of them."""
        if given is None:
            return None
        several = isinstance(given, (Collection, Iterator)) and not isinstance(given, _ONE_ID)
        if not several:
            return [given]
        most = self._policy.max_ids
        # Read only as far as it may be long: it may be endless.
        found = list(islice(cast("Collection[Any]", given), None if most is None else most + 1))
        if most is not None and len(found) > most:
            raise ValidationError(f"{self.name} takes at most {most} ids in one call")
        return found

    def _filtered(self, conditions: Conditions) -> Wanted:
        """The rows that fulfil the conditions, of visible columns."""
        if conditions is None or conditions == EVERY:
            return EVERY_ROW
        policy = self._policy
        return by_where(self._rows_of, cast("Where", conditions), policy.access, policy.scope)

    def _chosen(self, verb: str, ids: Sequence[Any] | None, conditions: Conditions) -> Wanted:
        """The rows of the ids that fulfil the conditions. ValidationError where that is nothing at all."""
        wanted = self._filtered(conditions)
        if ids:
            return both(by_ids(self._rows_of, ids), wanted)
        if wanted.everything and conditions != EVERY:
            raise ValidationError(
                f"{self.name}.{verb} needs ids, or conditions that say something; "
                'conditions="*" says every row',
                table=self._rows_of.name,
            )
        return wanted

    def _limit(self, limit: Any, least: int) -> int:
        """How many rows at most; 0 where the caller wants none."""
        if limit is USUAL or (limit is None and least):
            return self._policy.default_limit
        size = read_count("limit", 0 if limit is None else limit)
        if size < least:
            raise ValidationError(f"limit is at least {least}, not {limit!r}")
        return min(size, self._policy.max_limit)

    def _no_row(self, id: Any) -> NotFound:
        name = self._rows_of.name
        return NotFound(f"{name} has no row {id!r} that is there for this caller", table=name, pk=id)

    # Where

    def _on(self, connection: Any) -> Session:
        """What runs a call: the block that the caller gives, or the service's database."""
        if connection is None:
            return self._own_session
        session = _session_of(connection)
        if session is None:
            raise ValidationError(
                "_connection is a block of the database, `async with db.begin() as connection`, not "
                f"{type(connection).__name__}"
            )
        return session

    @property
    def database(self) -> Any:
        """The handle that it works on: a DatabaseService, a `rowstead.DB`, … UsageError before it has one."""
        if self._database is None or isinstance(self._database, str):
            raise UsageError(
                f"{self.name} has no database yet: give it one, `{type(self).__name__}(database)`, or put "
                "both into an application and start that"
            )
        return self._database

    @property
    def _own_session(self) -> Session:
        database = self.database
        return database if isinstance(database, Session) else database.session

    @cached_property
    def _policy(self) -> Policy:
        return Policy.of(self, self.table)

    @cached_property
    def _rows_of(self) -> Table:
        return self._policy.table


_UNSAID: Sequence[Any] = (None, {}, [], ())
"""Conditions that are none."""
_ONE_ID = (str, bytes, bytearray, Mapping)
"""What can be counted and is one id all the same."""


def _session_of(handle: Any) -> Session | None:
    """The core's session behind a handle; None where it has none."""
    session = handle if isinstance(handle, Session) else getattr(handle, "session", None)
    return session if isinstance(session, Session) else None


def _listing(total: int | None, offset: int, size: int, rows: Any) -> Any:
    """The page as it is handed out. Without a size there are no pages."""
    counted = total is not None and size > 0
    return {
        "count": total,
        "offset": offset,
        "page": offset // size + 1 if counted else None,
        "pages": max(1, -(-cast("int", total) // size)) if counted else None,
        "on_page": len(rows or ()),
        "data": rows,
    }


async def answered(session: Session, work: Call[R] | Plan[R]) -> R:
    """Run a read. In somebody's block it stands in a savepoint: one that is refused ends only itself."""
    if not isinstance(session, Transaction):
        return await session.done(work)
    async with session.block() as inner:
        return await inner.done(work)


async def _nothing() -> AsyncIterator[Any]:
    """No batch."""
    for nothing in ():
        yield nothing
