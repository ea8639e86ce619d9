# Generated from rowstead/rows/db.py by scripts/make_sync.py; do not edit.
"""`DB`: typed rows on a database. Each verb is one line: `calls` makes it, the session runs it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, Self, TypeVar, cast, overload

from rowstead.drivers.addresses import Options
from rowstead.errors import HandleClosed, RowsteadError, UsageError, ValidationError
from rowstead.language.conditions import Where
from rowstead.language.ordering import Sort
from rowstead.migrations import MigrationStatus, migrate_in_transaction_plan, migrate_plan, status_plan
from rowstead.plan import Call
from rowstead.plans.paging import Page
from rowstead.rows import calls, results
from rowstead.rows.calls import Query
from rowstead.rows.compose import first_call
from rowstead.rows.row import Row
from rowstead.sync.database import Database
from rowstead.sync.drivers.base import Driver
from rowstead.sync.rows.blocks import TransactionBlock
from rowstead.sync.rows.raw import RawSQL
from rowstead.sync.session import Session, Trace
from rowstead.sync.transaction import Transaction
from rowstead.tables.access import FULL_ACCESS, Access

R = TypeVar("R", bound=Row)
T = TypeVar("T")

OnConflict = Literal["ignore", "upsert"]


class DB(RawSQL):
    """Typed rows on a database, or on one transaction of it.

    A statement outside `transaction()` is its own transaction, committed when the call returns.
    Filters are keyword arguments, or `where=` in the condition language.
    """

    def __init__(
        self,
        on: Driver | Session,
        *,
        trace: Callable[[Trace], None] | None = None,
        trace_values: bool = False,
    ) -> None:
        """`on` is a driver (`AsyncpgAdapter.from_pool(pool)`), or a session to share.

        `trace` is called after every statement; it sees values only with `trace_values`.
        """
        if isinstance(on, Session):
            self.session = on
        else:
            self.session = Database(on, trace=trace, trace_values=trace_values)

    @classmethod
    def from_url(
        cls,
        url: str,
        *,
        min_size: int | None = None,
        max_size: int | None = None,
        connect_timeout: float = 10.0,
        acquire_timeout: float = 30.0,
        statement_timeout: float | None = None,
        max_lifetime: float | None = 3600.0,
        max_idle: float | None = 600.0,
        replicas: Iterable[str] = (),
        replica_wait: float = 0.1,
        trace: Callable[[Trace], None] | None = None,
        trace_values: bool = False,
    ) -> Self:
        """Connect to `postgresql+asyncpg://…`, `postgresql+psycopg://…` or `sqlite:///path`.

        Sizes bound the pool; times are seconds, None is no limit. Raises ValidationError for a URL
        that is none, UnreachableError when nobody answers or the password is wrong.

        `replicas` are URLs of PostgreSQL's hot standbys, which answer reads outside transactions; a
        read waits `replica_wait` seconds at most for one to have what this handle wrote, then goes
        to the primary.

        Gets by key that wait for a connection of PostgreSQL are answered together, unless `batch_gets`
        is false; threads do without.
        """
        options = Options(
            min_size=min_size,
            max_size=max_size,
            connect_timeout=connect_timeout,
            acquire_timeout=acquire_timeout,
            statement_timeout=statement_timeout,
            max_lifetime=max_lifetime,
            max_idle=max_idle,
            replicas=tuple(replicas),
            replica_wait=replica_wait,
        )
        database = Database.from_url(
            url,
            options,
            trace=trace,
            trace_values=trace_values,
        )
        return cls(database)

    @property
    def database(self) -> Database:
        """The core's handle, for the other faces. A transaction's handle has none."""
        if isinstance(self.session, Database):
            return self.session
        raise UsageError("this is a transaction's handle; use the database's own handle here")

    def __repr__(self) -> str:
        dialect = self.session.dialect.name
        kind = "" if isinstance(self.session, Database) else ", in a transaction"
        return f"<{type(self).__name__} on {dialect} by {self.session.driver.codec}{kind}>"

    def close(self) -> None:
        """Give the connections back. On a transaction's handle nothing: its block ends it."""
        if isinstance(self.session, Database):
            self.session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def ping(self) -> bool:
        """Whether the database answers. Raises only on a handle that is closed."""
        try:
            self.session.ping()
        except HandleClosed:
            raise
        except RowsteadError:
            return False
        return True

    # Reading

    def get(self, model: type[R], /, **filters: Any) -> R | None:
        """One row that fulfils the filters, or None."""
        return self.session.run(calls.get(self.session.compiler, model, filters))

    def query(
        self,
        model: type[R],
        /,
        *,
        where: Where = None,
        order: Sort = None,
        limit: int | None = None,
        offset: int | None = None,
        access: Access = FULL_ACCESS,
        **filters: Any,
    ) -> list[R]:
        """Every row that fulfils the filters, in this order.

        `access` bounds a `where` and an `order` that come from a stranger, here and below.
        """
        call = calls.query(self.session.compiler, model, filters, where, order, limit, offset, access)
        return self.session.run(call)

    def count(
        self, model: type[Row], /, *, where: Where = None, access: Access = FULL_ACCESS, **filters: Any
    ) -> int:
        """How many rows fulfil the filters."""
        return self.session.run(calls.count(self.session.compiler, model, filters, where, access))

    def exists(
        self, model: type[Row], /, *, where: Where = None, access: Access = FULL_ACCESS, **filters: Any
    ) -> bool:
        """Whether any row fulfils the filters."""
        return self.session.run(calls.exists(self.session.compiler, model, filters, where, access))

    def page(
        self,
        model: type[R],
        /,
        *,
        where: Where = None,
        order: Sort = None,
        limit: int = 50,
        offset: int = 0,
        after: str | None = None,
        count: bool = True,
        access: Access = FULL_ACCESS,
        **filters: Any,
    ) -> Page[R]:
        """A page: rows from `offset` on, or behind the `next` of the page before (`after`).

        By token no row is dropped or repeated while others come and go, and a page costs the same
        wherever it is.
        """
        plan = calls.page(
            self.session.compiler, model, filters, where, order, limit, offset, after, count, access
        )
        return self.session.plan(plan)

    def iter_rows(
        self,
        model: type[R],
        /,
        *,
        batch_size: int = 500,
        where: Where = None,
        order: Sort = None,
        access: Access = FULL_ACCESS,
        **filters: Any,
    ) -> Iterator[R]:
        """Every row that fulfils the filters, read in batches, each of which begins behind the last.

        Rows may be deleted or added meanwhile: none is dropped or given twice.
        """
        if isinstance(batch_size, bool) or batch_size < 1:
            raise ValidationError(f"batch_size is a whole number of at least 1, not {batch_size!r}")
        walk = calls.walk(self.session.compiler, model, filters, where, order, access)
        position = walk.start
        while position is not None:
            rows, position = self.session.plan(walk.page(position, batch_size))
            for row in rows:
                yield cast(R, row)

    def iter_rows_keyset(
        self,
        model: type[R],
        /,
        *,
        by: str | None = None,
        batch_size: int = 500,
        where: Where = None,
        **filters: Any,
    ) -> Iterator[R]:
        """`iter_rows` in the order of the column `by` (default: the key)."""
        order = None if by is None else [{"asc": by}]
        return self.iter_rows(model, batch_size=batch_size, where=where, order=order, **filters)

    # Writing

    def insert(
        self,
        row: R,
        *,
        on_conflict: OnConflict | None = None,
        conflict_target: str | Iterable[str] | None = None,
    ) -> R:
        """Insert what is set on the row; the row as the database stored it.

        `on_conflict`: "ignore" leaves a row that is there (and gives back the one given), "upsert"
        updates it, by the primary key or by the unique columns `conflict_target`.
        """
        return self.session.done(calls.insert(self.session.compiler, row, on_conflict, conflict_target))

    @overload
    def insert_many(
        self,
        rows: Iterable[R],
        *,
        on_conflict: OnConflict | None = None,
        conflict_target: str | Iterable[str] | None = None,
        returning: Literal[False] = False,
    ) -> int: ...

    @overload
    def insert_many(
        self,
        rows: Iterable[R],
        *,
        on_conflict: OnConflict | None = None,
        conflict_target: str | Iterable[str] | None = None,
        returning: Literal[True],
    ) -> list[R]: ...

    def insert_many(
        self,
        rows: Iterable[R],
        *,
        on_conflict: OnConflict | None = None,
        conflict_target: str | Iterable[str] | None = None,
        returning: bool = False,
    ) -> int | list[R]:
        """Insert any number of rows of one class, all or none; how many were written.

        With `returning`, the stored rows in the order given (ignored ones are left out).
        """
        plan = calls.insert_many(self.session.compiler, rows, on_conflict, conflict_target, returning)
        return self.session.plan(plan)

    def update(self, row: R, *, where: Where = None) -> R | None:
        """Change the row with this key: what is set, nothing else. The row now, or None without a match.

        `where` must hold too, in the same statement: `where={"user_id": current_user}`.
        """
        return self.session.done(calls.update(self.session.compiler, row, where))

    def update_where(self, patch: Row, *, where: Where) -> int:
        """Change every row that fulfils `where` to what is set on `patch`; how many there were."""
        return self.session.run(calls.update_where(self.session.compiler, patch, where))

    def delete(self, row: Row, *, where: Where = None) -> int:
        """Remove the row with this key, if `where` holds too; how many there were."""
        return self.session.run(calls.delete(self.session.compiler, row, where))

    def delete_many(self, model: type[Row], keys: Iterable[Any], /) -> int:
        """Remove the rows with these keys (for composite keys: mappings or tuples); how many there were."""
        return self.session.plan(calls.delete_many(self.session.compiler, model, keys))

    # Transactions

    @overload
    def transaction(
        self, *, isolation: str | None = None, readonly: bool = False
    ) -> TransactionBlock[DB]: ...

    @overload
    def transaction(
        self,
        function: Callable[[DB], T],
        *,
        max_retries: int = 5,
        isolation: str | None = None,
        readonly: bool = False,
    ) -> T: ...

    def transaction(
        self,
        function: Callable[[DB], T] | None = None,
        *,
        max_retries: int = 5,
        isolation: str | None = None,
        readonly: bool = False,
    ) -> TransactionBlock[DB] | T:
        """`with db.transaction() as tx:` or `db.transaction(fn)`.

        The block commits at its end and rolls back on any exception; inside a transaction it is a
        savepoint. The function is run again, up to `max_retries` times, when another transaction
        was first; it is serializable unless told.
        """
        if function is None:
            return TransactionBlock(self.session, DB, isolation, readonly)
        return self._attempt(function, max_retries, isolation, readonly)

    def _attempt(
        self,
        function: Callable[[DB], T],
        max_retries: int,
        isolation: str | None,
        readonly: bool,
    ) -> T:
        if isinstance(self.session, Database):
            return self.session.attempt(
                lambda transaction: function(DB(transaction)),
                max_retries=max_retries,
                isolation=isolation,
                readonly=readonly,
            )
        # Only the outermost transaction can be run again.
        with self.session.block() as inner:
            return function(DB(inner))

    # Looking before running

    def compose(self, verb: str, /, *args: Any, **options: Any) -> Query:
        """The exact SQL and parameters that a verb would send: `db.compose("get", User, id=1)`."""
        call = first_call(self.session.compiler, verb, *args, **options)
        return Query(call.text, list(call.params))

    def explain(self, verb: str, /, *args: Any, **options: Any) -> str:
        """The database's plan for what a verb would send; nothing is run."""
        call = first_call(self.session.compiler, verb, *args, **options)
        plan: Call[str] = results.explain(self.session.dialect, call)
        return self.session.run(plan)

    # Migrations

    def migrate(self, directory: str | Path) -> int:
        """Apply every pending .sql file of the directory, in the order of their names; how many."""
        make = migrate_in_transaction_plan if isinstance(self.session, Transaction) else migrate_plan
        plan = make(directory, self.session.dialect, self.session.driver.paramstyle)
        return len(self.session.plan(plan))

    def migration_status(self, directory: str | Path) -> MigrationStatus:
        """What is applied, pending, drifted and missing; writes nothing."""
        plan = status_plan(directory, self.session.dialect, self.session.driver.paramstyle)
        return self.session.plan(plan)
