# Generated from rowstead/database.py by scripts/make_sync.py; do not edit.
"""`Database`: the core's handle. Lends a connection per statement, opens transactions, retries them."""

from __future__ import annotations

import random
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from time import monotonic
from typing import Any, Self, TypeAlias, TypeVar

from rowstead.drivers.addresses import LOCK_TIMEOUT
from rowstead.errors import (
    ConflictError,
    DisconnectedError,
    HandleClosed,
    OperationalError,
    ReadOnlyError,
    RowsteadError,
    UsageError,
)
from rowstead.plan import Call, Copy, Many, ManyReturning, Plan, Read
from rowstead.statements.compiled import Compiler
from rowstead.sync.drivers.base import Connection, Driver, RawResult
from rowstead.sync.drivers.urls import Options, make_driver
from rowstead.sync.session import Session, Trace, Tracer, outcome
from rowstead.sync.standing import Expected, StandingBlock
from rowstead.sync.transaction import Block, Savepoint, Transaction
from rowstead.sync.waiting import finish, sleep

R = TypeVar("R")
H = TypeVar("H")

FIRST_DELAY = 0.005
LONGEST_DELAY = 0.5
"""Seconds between the tries of a transaction: doubled each time, up to this, with jitter; at first
twice as long as the try took, if that is more."""
INSISTING = 10
"""How often a write that is a transaction of its own is tried, where such writes conflict with each other."""


class Database(Session):
    """A database: statements run on its own connections, each a transaction of its own."""

    def __init__(
        self,
        driver: Driver,
        *,
        trace: Callable[[Trace], None] | None = None,
        trace_values: bool = False,
    ) -> None:
        self.driver = driver
        self.compiler = Compiler(driver.dialect, driver.codec, driver.paramstyle)
        self.tracer = None if trace is None else Tracer(trace, trace_values)
        self._closed = False
        self._replicated = bool(getattr(driver, "replicated", False))
        """Whether lending for reading may give a replica, which lags: only a `Read` may go there."""
        self._reading, self._writing = _lending(driver, False), _lending(driver, True)

    @classmethod
    def from_url(
        cls,
        url: str,
        options: Options,
        *,
        trace: Callable[[Trace], None] | None = None,
        trace_values: bool = False,
    ) -> Self:
        """Connect. Raises ValidationError for a wrong URL and UnreachableError when nobody answers."""
        driver = make_driver(url, options)
        driver.open()
        return cls(
            driver,
            trace=trace,
            trace_values=trace_values,
        )

    @property
    def closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        """Give every connection back. Statements after this raise HandleClosed; closing twice is fine."""
        if not self._closed:
            self._closed = True
            self.driver.close()

    def _lend(self, write: bool) -> Connection:
        if self._closed:
            raise HandleClosed("this database handle is closed")
        return self.driver.lend(write)

    def _once(self, call: Call[Any], write: bool) -> Any:
        """Run a statement that is its own transaction: what it gives, read.

        Every typed statement comes through here, so it is written for few calls within calls.
        """
        at_hand, take_back = self._writing if write else self._reading
        connection = None if self._closed else at_hand()
        if connection is None:
            connection = self._lend(write)
        try:
            if call.read is None or call.raw or self.tracer is not None:
                result = self._send(connection, call)
            else:
                try:
                    result = connection.fetch(call.text, call.params)
                except Exception as error:
                    self._fail(connection, error, call.text, call.table)
        except BaseException as error:
            # That it may not write is a server's answer; `_fail` has seen to it that it is looked at.
            answered = isinstance(error, ReadOnlyError) or not isinstance(error, OperationalError)
            lost = not isinstance(error, RowsteadError) or not answered
            take_back(connection, lost)
            told = outcome(error, call)
            if told is error:
                raise
            raise told from error.__cause__
        take_back(connection)
        return result if call.read is None else call.read(result)

    def run(self, call: Call[R]) -> R:
        if self._replicated:
            return self._anywhere(call) if isinstance(call, Read) else self._once(call, True)
        if call.writes and self.dialect.conflicts_alone:
            return self._insisting(lambda: self._once(call, True))
        return self._once(call, call.writes)

    def _insisting(self, attempt: Callable[[], R]) -> R:
        """A write that is a transaction of its own, made again when another one was first."""
        for tries_left in range(INSISTING, 0, -1):
            try:
                return attempt()
            except ConflictError:
                if tries_left == 1:
                    raise
            sleep(FIRST_DELAY * random.uniform(0.5, 1.5) * (INSISTING + 1 - tries_left))
        raise AssertionError("unreachable")

    def _anywhere(self, call: Read[Any]) -> Any:
        try:
            return self._once(call, False)
        except (DisconnectedError, ConflictError, ReadOnlyError):
            # The replica ended, or had to cancel the statement to go on replaying.
            return self._once(call, True)

    def raw(self, call: Call[RawResult]) -> RawResult:
        if call.writes or not self.dialect.one_writer:
            return self._once(call, True)
        try:
            return self._once(call, False)
        except ReadOnlyError:
            # It began like a query and turned out to write: nothing was done, so the writer runs it.
            return self._once(call, True)

    def bulk(self, step: Many | ManyReturning | Copy) -> Any:
        if self.dialect.conflicts_alone:
            return self._insisting(lambda: self._in_block(step))
        return self._in_block(step)

    def _in_block(self, step: Many | ManyReturning | Copy) -> Any:
        with self.block() as transaction:
            return transaction.bulk(step)

    def block(
        self, isolation: str | None = None, readonly: bool = False
    ) -> AbstractContextManager[Transaction]:
        """A transaction at this isolation level (None: the database's own)."""
        if self._closed:
            raise HandleClosed("this database handle is closed")
        begin = self.dialect.begin(isolation, readonly)
        if getattr(self.driver, "joined", False):
            return JoinedBlock(self)
        return Block(self, begin, write=not readonly or self._replicated)

    def standing(
        self,
        isolation: str | None = None,
        lock_timeout: float = LOCK_TIMEOUT,
        expected: Expected | None = None,
    ) -> StandingBlock:
        """A transaction that is ended by hand and outlives its failed statements.

        On a server a statement of it waits for another's lock as many seconds; on a file as the handle was
        told.

        Without an isolation level it sees one moment's state, and of two that change the same the
        first to commit wins. `expected` is a row whose absence the transaction's `as_expected` tells.
        """
        if self._closed:
            raise HandleClosed("this database handle is closed")
        opens, reads = self.dialect.snapshot
        begin = (opens,) if isolation is None else self.dialect.begin(isolation, False)
        # Where that statement is there for nothing but to read, the look for the row does it as well.
        only_reads = self.dialect.snapshot_only_reads and expected is not None
        sets = () if only_reads else (reads.format(max(1, round(lock_timeout * 1000))),)
        return StandingBlock(self, (*begin, *sets), isolation is None, expected)

    def read_only(self, call: Call[RawResult]) -> RawResult:
        """Run a user's statement where it cannot write: the database refuses it then (ReadOnlyError)."""
        with self.block(readonly=True) as transaction:
            # As a user's own statement too: the connection is reset before its next turn.
            transaction.raw(Call(self.dialect.hold_to_reading, raw=True))
            return transaction.raw(call)

    def backup(self, path: str) -> None:
        """Copy the database to a new file at `path` while it is used; the copy is of one moment.

        UsageError where the database is no file, ValidationError where one is there already, StorageError
        where the copy cannot be made.
        """
        if self._closed:
            raise HandleClosed("this database handle is closed")
        copy: Callable[[str], None] | None = getattr(self.driver, "backup", None)
        if copy is None:
            raise UsageError(
                "only a database that is a file can be copied from here; the backup of one on a server is "
                "made by the server's own program, for PostgreSQL pg_dump"
            )
        try:
            copy(path)
        except Exception as error:
            known = self.driver.translate(error)
            if known is None:
                raise
            raise type(known)(f"the backup to {path} failed: {known}") from error

    @contextmanager
    def connection(self) -> Generator[PinnedSession, None, None]:
        """One connection for the block, outside any transaction; what was set on it ends with the block."""
        connection = self._lend(True)
        suspect = True
        try:
            yield PinnedSession(self, connection)
            finish(connection.reset())
            suspect = False
        finally:
            self.driver.take_back(connection, suspect)

    def pinned(self, plan: Plan[R]) -> R:
        with self.connection() as session:
            return session.plan(plan)

    def attempt(
        self,
        function: Callable[[Transaction], R],
        *,
        max_retries: int,
        isolation: str | None = None,
        readonly: bool = False,
    ) -> R:
        """Run `function` in a transaction, again when another transaction was first.

        Serializable unless told: at the usual default level a read-add-write loses updates without
        an error. The function must be ready to run more than once.
        """
        level = "serializable" if isolation is None else isolation
        return self.retry(lambda: self.block(level, readonly), function, max_retries)

    def retry(
        self,
        block: Callable[[], AbstractContextManager[H]],
        function: Callable[[H], R],
        max_retries: int,
    ) -> R:
        """Run `function` in a block that `block` makes, each time a new one, as `attempt` does."""
        delay = FIRST_DELAY
        for tries_left in range(max_retries, -1, -1):
            started = monotonic()
            try:
                with block() as transaction:
                    return function(transaction)
            except RowsteadError as error:
                if not error.retryable or not tries_left:
                    raise
            # Those who were first need about as long as this try took, and then their own retries.
            delay = min(max(delay, 2 * (monotonic() - started)), LONGEST_DELAY)
            sleep(delay * random.uniform(0.5, 1.5))
            delay *= 2
        raise AssertionError("unreachable")


Lending: TypeAlias = tuple[Callable[[], Connection | None], Callable[..., None]]
"""How a connection that is ready is had at once, and how it is given back."""


def _lending(driver: Driver, write: bool) -> Lending:
    """The pool's own functions: each call between costs a thirtieth of a short statement of SQLite."""
    pool_for: Callable[[bool], Any] | None = getattr(driver, "pool_for", None)
    if pool_for is None:
        return _nothing_at_hand, driver.take_back
    pool = pool_for(write)
    return pool.at_hand, pool.release


def _nothing_at_hand() -> None:
    """For drivers without a pool of their own."""


class PinnedSession(Session):
    """One connection without a transaction, for a plan that needs the same session throughout."""

    def __init__(self, database: Database, connection: Connection) -> None:
        self.driver = database.driver
        self.compiler = database.compiler
        self.tracer = database.tracer
        self.connection = connection

    def run(self, call: Call[R]) -> R:
        result = self._once(call)
        return result if call.read is None else call.read(result)

    def raw(self, call: Call[RawResult]) -> RawResult:
        return self._once(call)

    def _once(self, call: Call[Any]) -> Any:
        try:
            return self._send(self.connection, call)
        except RowsteadError as error:
            told = outcome(error, call)
            if told is error:
                raise
            raise told from error.__cause__

    def pinned(self, plan: Plan[R]) -> R:
        return self.plan(plan)

    def behind_pooler(self) -> bool:
        ask = getattr(self.connection, "behind_pooler", None)
        return ask is not None and ask()

    def bulk(self, step: Many | ManyReturning | Copy) -> Any:
        with self.block() as transaction:
            return transaction.bulk(step)

    def block(
        self, isolation: str | None = None, readonly: bool = False
    ) -> AbstractContextManager[Transaction]:
        return Block(self, self.dialect.begin(isolation, readonly), True, pinned=self.connection)


class JoinedBlock(AbstractContextManager[Transaction]):
    """A block on a connection whose transaction is somebody else's: a savepoint of it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._savepoint: Savepoint | None = None
        self._connection: Connection | None = None

    def __enter__(self) -> Transaction:
        database = self._database
        self._connection = connection = database.driver.lend(True)
        outer = Transaction(database.driver, database.compiler, database.tracer, connection)
        self._savepoint = Savepoint(outer)
        try:
            return self._savepoint.__enter__()
        except BaseException:
            database.driver.take_back(connection)
            raise

    def __exit__(self, *error: Any) -> None:
        assert self._savepoint is not None
        assert self._connection is not None
        try:
            self._savepoint.__exit__(*error)
        finally:
            self._database.driver.take_back(self._connection)
