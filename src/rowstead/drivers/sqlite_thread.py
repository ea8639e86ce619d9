"""A SQLite connection for asynchronous code: the blocking one in a thread of its own.

One hop for each operation: execute, fetch and commit travel together. A short read does not even
hop: it runs where it stands, within a budget that SQLite itself keeps, and what turns out longer
starts anew in the thread. So does a short write outside a transaction, while commits are known to be
quick (`sqlite_pace`). Inside one, only what cannot grow with the table does: new rows, savepoints.
Must not know SQL's meaning nor pools.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from queue import SimpleQueue
from time import perf_counter
from typing import Any, TypeVar

from rowstead.drivers.base import RawResult
from rowstead.drivers.sqlite_connection import Settings, SQLiteConnection
from rowstead.drivers.sqlite_pace import Pace
from rowstead.errors import HandleClosed, UsageError
from rowstead.plan import Record

R = TypeVar("R")

Job = tuple["asyncio.Future[Any]", Callable[..., Any], tuple[Any, ...]]

PUSH_EVERY = 0.01
"""Seconds between two interrupts of a cancelled statement: one alone may come just before it starts."""
TURNS = 16
"""Short statements in a row that do not let other tasks run."""
KNOWN_TEXTS = 1024

# A call, a subquery or a virtual table can do any amount of work in one step of SQLite's machine,
# where no budget is looked at; a column that equals a value cannot.
_SHORT = re.compile(r"SELECT [^(]*\Z", re.DOTALL)
_LONG = re.compile(r"\b(MATCH|LIKE|GLOB|UNION|JOIN|GROUP|DISTINCT)\b", re.IGNORECASE)
# Lists of columns and values stand in brackets; a call has them right behind its name.
_SHORT_WRITE = re.compile(r"(?:INSERT INTO|UPDATE|DELETE FROM) (?:(?!\w\(|\(SELECT).)*\Z", re.DOTALL)
# What breaks off a write breaks off its transaction, so inside one nothing can start anew. An update's
# work depends on its values, and a key's change goes on to who knows how many rows.
_GROWS = re.compile(r"UPDATE|DELETE|.* ON CONFLICT ", re.DOTALL)
_STEP = re.compile(r"(?:RELEASE )?SAVEPOINT \w+")


class _Kind(Enum):
    """What a statement's text says of how long it may take."""

    LONG = 0
    SHORT_READ = 1
    SHORT_WRITE = 2
    STEADY_WRITE = 3
    """A short one whose work is the same each time."""
    STEP = 4
    """A step of a transaction that is as steady."""


_WITHIN = frozenset({_Kind.STEADY_WRITE, _Kind.STEP})


class ThreadConnection:
    """`drivers.base.Connection` for SQLite, asynchronous. Used by one task at a time.

    Cancelling the caller stops the statement and waits for its end, so a cancelled call never goes
    on behind its caller's back. It may be used from one event loop after another.
    """

    def __init__(self, settings: Settings) -> None:
        self._connection = SQLiteConnection(settings)
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self.dirty = False
        self.is_closed = False
        self._kinds: dict[str, _Kind] = {}
        self._pace = Pace()
        self._turns = 0
        threading.Thread(
            target=_work, args=(self._jobs, self._connection), name="rowstead-sqlite", daemon=True
        ).start()

    async def connect(self) -> None:
        """Open the file; raises sqlite3's errors."""
        try:
            await self._hop(self._connection.connect)
        except BaseException:
            self.terminate()
            raise

    @property
    def reader(self) -> bool:
        return self._connection.settings.reader

    @property
    def in_transaction(self) -> bool:
        return not self.is_closed and self._connection.in_transaction

    async def fetch(self, text: str, params: Sequence[Any]) -> list[Record]:
        connection = self._connection
        kind = self._kinds.get(text) or self._classify(text)
        if kind is _Kind.SHORT_READ and not self.is_closed:
            records = connection.fetch_quickly(text, params)
            if records is not None:
                self._turns += 1
                if self._turns >= TURNS:
                    await self._let_others_run()
                return records
            self._kinds[text] = _Kind.LONG
        elif self._is_own_transaction(kind):
            return await self._write(connection.fetch_quickly, connection.fetch, text, params)
        elif kind in _WITHIN and connection.in_transaction:
            return await self._write_within(connection.fetch_within, connection.fetch, text, params)
        return await self._hop(connection.fetch, text, params)

    async def execute(self, text: str, params: Sequence[Any]) -> int:
        connection = self._connection
        kind = self._kinds.get(text) or self._classify(text)
        if self._is_own_transaction(kind):
            return await self._write(connection.execute_quickly, connection.execute, text, params)
        if kind in _WITHIN and connection.in_transaction:
            return await self._write_within(connection.execute_within, connection.execute, text, params)
        return await self._hop(connection.execute, text, params)

    async def fetch_raw(self, text: str, params: Sequence[Any]) -> RawResult:
        return await self._hop(self._connection.fetch_raw, text, params)

    async def execute_many(self, text: str, rows: Sequence[Sequence[Any]]) -> int:
        return await self._hop(self._connection.execute_many, text, rows)

    async def fetch_many(self, text: str, rows: Sequence[Sequence[Any]]) -> list[Record | None]:
        return await self._hop(self._connection.fetch_many, text, rows)

    async def copy_in(
        self, schema: str | None, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]
    ) -> int:
        raise UsageError("SQLite has no bulk path beside INSERT")

    async def copy_to(self, path: str) -> None:
        """Copy the database, as it is at this moment, to a new file."""
        await self._hop(self._connection.copy_to, path)

    async def ping(self) -> None:
        await self._hop(self._connection.ping)

    async def reset(self) -> None:
        await self._hop(self._connection.reset)
        self.dirty = False

    async def close(self) -> None:
        """Close the file and end the thread."""
        if self.is_closed:
            return
        try:
            await self._hop(self._connection.close)
        finally:
            self.terminate()

    def terminate(self) -> None:
        """End what runs and close, without waiting for it."""
        if self.is_closed:
            return
        self.is_closed = True
        self._connection.stop = True
        self._connection.interrupt()
        self._jobs.put(None)

    def __del__(self) -> None:
        # The thread holds the queue but not this object, so it ends with whoever forgot to close.
        self._jobs.put(None)

    def _classify(self, text: str) -> _Kind:
        kind = _Kind.LONG
        if _LONG.search(text) is None:
            if _SHORT.match(text) is not None:
                kind = _Kind.SHORT_READ
            elif _SHORT_WRITE.match(text) is not None:
                kind = _Kind.SHORT_WRITE if _GROWS.match(text) is not None else _Kind.STEADY_WRITE
            elif _STEP.fullmatch(text) is not None:
                kind = _Kind.STEP
        if len(self._kinds) >= KNOWN_TEXTS:
            self._kinds.clear()
        self._kinds[text] = kind
        return kind

    def _is_own_transaction(self, kind: _Kind) -> bool:
        """Whether this is a short write that commits by itself."""
        is_write = kind is _Kind.SHORT_WRITE or kind is _Kind.STEADY_WRITE
        return is_write and not self._connection.in_transaction

    async def _let_others_run(self) -> None:
        self._turns = 0
        await asyncio.sleep(0)

    async def _write(
        self,
        quickly: Callable[[str, Sequence[Any]], R | None],
        patiently: Callable[[str, Sequence[Any]], R],
        text: str,
        params: Sequence[Any],
    ) -> R:
        """Run a short write that is a transaction of its own: here while commits are quick, else there."""
        pace = self._pace
        if pace.allows(text):
            self._turns += 1
            if self._turns >= TURNS:
                # Before and not after: who is cancelled here has written nothing.
                await self._let_others_run()
            if not self.is_closed:
                pace.begin()
                try:
                    result = quickly(text, params)
                finally:
                    pace.end()
                if result is not None:
                    return result
                pace.forget(text)
        fold = self._connection.fold if pace.fold_is_due() else None
        return await self._hop(_timed, patiently, text, params, pace, fold)

    async def _write_within(
        self,
        within: Callable[[str, Sequence[Any]], R | None],
        patiently: Callable[[str, Sequence[Any]], R],
        text: str,
        params: Sequence[Any],
    ) -> R:
        """Run a steady write inside a transaction: here where it was quick before, else there."""
        pace = self._pace
        if pace.knows(text):
            self._turns += 1
            if self._turns >= TURNS:
                await self._let_others_run()
            if not self.is_closed:
                self._connection.end_quick()
                pace.begin()
                try:
                    result = within(text, params)
                finally:
                    pace.end(committed=False)
                if result is not None:
                    return result
                pace.forget(text)
        return await self._hop(_timed, patiently, text, params, pace, None)

    async def _hop(self, function: Callable[..., R], *arguments: Any) -> R:
        """Run a function in the thread and wait for its result."""
        if self.is_closed:
            raise HandleClosed("this connection is closed")
        self._connection.end_quick()
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._jobs.put((future, function, arguments))
        try:
            return await future
        except asyncio.CancelledError:
            await self._stop()
            raise

    async def _stop(self) -> None:
        """Stop the running job and wait until it has ended, however often one is cancelled."""
        connection = self._connection
        connection.stop = True
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._jobs.put((ended, _nothing, ()))
        while not ended.done():
            connection.interrupt()
            try:
                await asyncio.wait((ended,), timeout=PUSH_EVERY)
            except asyncio.CancelledError:
                continue  # the cancellation under way is raised when the job has ended
        connection.stop = self.is_closed


def _timed(
    run: Callable[[str, Sequence[Any]], R],
    text: str,
    params: Sequence[Any],
    pace: Pace,
    fold: Callable[[], None] | None,
) -> R:
    """Run a write in the thread and note how long it took; before it, where due, fold the log."""
    if fold is not None:
        fold()
    started = perf_counter()
    result = run(text, params)
    pace.ran_in_thread(text, perf_counter() - started)
    return result


def _nothing() -> None:
    pass


def _work(jobs: SimpleQueue[Job | None], connection: SQLiteConnection) -> None:
    """The thread: one job after the other, until None; then the file is closed."""
    while (job := jobs.get()) is not None:
        future, function, arguments = job
        try:
            result, error = function(*arguments), None
        except BaseException as raised:
            result, error = None, raised
        try:
            future.get_loop().call_soon_threadsafe(_deliver, future, result, error)
        except RuntimeError:
            pass  # the loop has ended, and whoever waited with it
        # Nothing of the last job may be kept alive while the next is waited for.
        del job, future, function, arguments, result, error
    connection.terminate()


def _deliver(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
