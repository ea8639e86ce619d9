"""One blocking connection to a SQLite file through the standard library.

Autocommits: transactions are the explicit BEGIN of whoever stands above. SQLite itself never waits
for a lock (`timeout=0`); the waiting is ours, so that it can be bounded and stopped. Must not know
of pools, threads or other connections.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Any, TypeVar
from urllib.parse import quote

from rowstead.drivers.base import RawResult
from rowstead.drivers.sqlite_copy import copy_database
from rowstead.drivers.sqlite_functions import register
from rowstead.drivers.sqlite_inserts import of_several_rows
from rowstead.drivers.sqlite_running import (
    NO_SUCH,
    fetched,
    is_busy,
    is_not_quick,
    run_raw,
    run_to_end,
    unless_it_waits,
)
from rowstead.errors import StatementTimeout, UsageError
from rowstead.plan import Record
from rowstead.values.columnar import columnar

T = TypeVar("T")

MEMORY = ":memory:"
CACHED_STATEMENTS = 512
LONGEST_NAP = 0.02
QUICK_OPERATIONS = 1000
"""Steps of SQLite's machine (some 0.05 ms) that `fetch_quickly` may take; at most twice as many."""
CLOCK_OPERATIONS = 5000
"""Steps after which a statement with a time limit looks at the clock."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How to open a file. `mode` is SQLite's: "ro", "rw" (it must exist) or "rwc" (made if not).

    `reader`: this connection only ever reads; writes are refused. Times are seconds.
    """

    path: str
    mode: str = "rwc"
    reader: bool = False
    busy_timeout: float = 30.0
    statement_timeout: float | None = None

    @property
    def pragmas(self) -> tuple[str, ...]:
        if self.reader:
            return ("PRAGMA query_only = ON", "PRAGMA foreign_keys = ON")
        return (
            "PRAGMA query_only = OFF",
            "PRAGMA foreign_keys = ON",
            # NORMAL would lose acknowledged commits on a power cut.
            "PRAGMA synchronous = FULL",
        )


class SQLiteConnection:
    """`drivers.base.Connection` for SQLite, blocking. Used by one thread at a time.

    `stop`, set from another thread, ends a wait for a lock; `interrupt` ends a running statement.
    """

    __slots__ = (
        "_clock",
        "_db",
        "_deadline",
        "_quick",
        "_ticks",
        "dirty",
        "is_closed",
        "reader",
        "settings",
        "stop",
    )

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.reader = settings.reader
        self.is_closed = True
        self.dirty = False
        self.stop = False
        self._db: sqlite3.Connection | None = None
        self._clock = settings.statement_timeout is not None
        self._deadline = 0.0
        self._quick = False
        self._ticks = 0

    def connect(self) -> None:
        """Open the file; raises sqlite3's errors."""
        settings = self.settings
        target = MEMORY if settings.path == MEMORY else f"file:{quote(settings.path)}?mode={settings.mode}"
        self._db = sqlite3.connect(
            target,
            uri=settings.path != MEMORY,
            timeout=0,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=CACHED_STATEMENTS,
        )
        self.is_closed = False
        try:
            register(self._db)
            self._watch_clock()
            if settings.reader:
                # ATTACH would make a file, which no setting of ours forbids.
                self._db.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
            if not settings.reader and settings.path != MEMORY:
                self.execute("PRAGMA journal_mode = WAL", ())
            for pragma in settings.pragmas:
                self.execute(pragma, ())
            # SQLite opens lazily; only a read shows that this is a database.
            self.fetch("SELECT count(*) FROM sqlite_master", ())
        except BaseException:
            self.terminate()
            raise

    @property
    def in_transaction(self) -> bool:
        return self._db is not None and self._db.in_transaction

    def fetch(self, text: str, params: Sequence[Any]) -> list[Record]:
        db = self._db
        if db is None or self.stop or self._clock:  # `_ready`, as every read comes through here
            db = self._ready()
        try:
            return db.execute(text, params).fetchall()
        except sqlite3.OperationalError as error:
            if not (is_busy(error) or self._may_be_misled(error)):
                raise
        return self._patiently(lambda: db.execute(text, params).fetchall())

    def fetch_quickly(self, text: str, params: Sequence[Any]) -> list[Record] | None:
        """As `fetch`; None when it would take long or had to wait, and then nothing was done.

        Only for a read, or outside a transaction: a write that is broken off takes its transaction along.
        """
        db = self._db
        if db is None or self.stop or self._clock or not self._quick:  # `_ready_for_quick`, as in `fetch`
            db = self._ready_for_quick()
        self._ticks = 0
        try:
            return db.execute(text, params).fetchall()
        except sqlite3.OperationalError as error:
            if is_not_quick(error):
                return None
            raise

    def execute_quickly(self, text: str, params: Sequence[Any]) -> int | None:
        """As `execute`, in the way of `fetch_quickly`."""
        db = self._ready_for_quick()
        try:
            return run_to_end(db, text, params)
        except sqlite3.OperationalError as error:
            if is_not_quick(error):
                return None
            raise

    def fetch_within(self, text: str, params: Sequence[Any]) -> list[Record] | None:
        """As `fetch`, for a steady write in a transaction: never broken off; None when it had to wait."""
        return unless_it_waits(fetched, self._ready(), text, params)

    def execute_within(self, text: str, params: Sequence[Any]) -> int | None:
        """As `execute`, in the way of `fetch_within`."""
        return unless_it_waits(run_to_end, self._ready(), text, params)

    def end_quick(self) -> None:
        """What runs from now on may take as long as it takes."""
        if self._quick:
            self._quick = False
            self._watch_clock()

    def fold(self) -> None:
        """Copy what the log holds to the file, as far as nobody is in the way."""
        try:
            self._ready().execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except sqlite3.OperationalError:
            pass  # nothing is lost: it stays in the log, and SQLite itself tries again when that is long

    def execute(self, text: str, params: Sequence[Any]) -> int:
        db = self._ready()
        try:
            return run_to_end(db, text, params)
        except sqlite3.OperationalError as error:
            if not (is_busy(error) or self._may_be_misled(error)):
                raise
        return self._patiently(lambda: run_to_end(db, text, params))

    def fetch_raw(self, text: str, params: Sequence[Any]) -> RawResult:
        db = self._ready()
        try:
            return run_raw(db, text, params)
        except sqlite3.OperationalError as error:
            if not (is_busy(error) or self._may_be_misled(error)):
                raise
        return self._patiently(lambda: run_raw(db, text, params))

    def execute_many(self, text: str, rows: Sequence[Sequence[Any]]) -> int:
        db = self._ready()
        several = of_several_rows(text)
        if several is None:
            return db.executemany(text, rows).rowcount
        insert, at_once = several
        whole = len(rows) - len(rows) % at_once
        count = 0
        if whole:
            values = columnar(rows).flat(whole)
            step = len(values) // whole * at_once
            groups = (values[i : i + step] for i in range(0, len(values), step))
            count = db.executemany(insert, groups).rowcount
        return count + (db.executemany(text, rows[whole:]).rowcount if whole < len(rows) else 0)

    def fetch_many(self, text: str, rows: Sequence[Sequence[Any]]) -> list[Record | None]:
        execute = self._ready().execute
        found: list[Record | None] = []
        for row in rows:
            if self.stop:
                raise _stopped()
            # To its end, not only to its first record: a statement half run holds its locks.
            records = execute(text, row).fetchall()
            found.append(records[0] if records else None)
        return found

    def copy_in(
        self, schema: str | None, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]
    ) -> int:
        raise UsageError("SQLite has no bulk path beside INSERT")

    def copy_to(self, path: str) -> None:
        """Copy the database, as it is at this moment, to a new file."""
        copy_database(self._ready(), path, lambda: self.stop)

    def ping(self) -> None:
        self.fetch("SELECT 1", ())

    def reset(self) -> None:
        """No transaction, our pragmas, no temporary objects, no attached files."""
        db = self._ready()
        if db.in_transaction:
            db.execute("ROLLBACK")
        self.execute("PRAGMA query_only = OFF", ())
        for name, kind in db.execute("SELECT name, type FROM temp.sqlite_master").fetchall():
            if kind in ("table", "view", "trigger") and not name.startswith("sqlite_"):
                db.execute(f"DROP {kind} IF EXISTS temp.{_quoted(name)}")
        for _, name, _ in db.execute("PRAGMA database_list").fetchall():
            if name not in ("main", "temp"):
                db.execute(f"DETACH {_quoted(name)}")
        for pragma in (*_DEFAULTS, *self.settings.pragmas):
            self.execute(pragma, ())
        self.dirty = False

    def interrupt(self) -> None:
        """End the running statement, from any thread."""
        db = self._db
        if db is not None:
            try:
                db.interrupt()
            except sqlite3.ProgrammingError:
                pass  # it was closed in this very moment

    def close(self) -> None:
        self.terminate()

    def terminate(self) -> None:
        db, self._db = self._db, None
        self.is_closed = True
        if db is not None:
            try:
                db.close()
            except sqlite3.Error:
                pass  # a transaction that could not be rolled back here is rolled back by recovery

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    def _ready(self) -> sqlite3.Connection:
        if self._db is None:
            raise sqlite3.ProgrammingError("Cannot operate on a closed database.")
        if self.stop:
            raise _stopped()
        if self._clock:
            limit = self.settings.statement_timeout
            self._deadline = monotonic() + (limit or 0)
        return self._db

    def _ready_for_quick(self) -> sqlite3.Connection:
        db = self._ready()
        if not self._quick:
            db.set_progress_handler(self._tick, QUICK_OPERATIONS)
            self._quick = True
        self._ticks = 0
        return db

    def _watch_clock(self) -> None:
        if self._db is not None:
            if self._clock:
                self._db.set_progress_handler(self._is_late, CLOCK_OPERATIONS)
            else:
                self._db.set_progress_handler(None, 0)

    def _is_late(self) -> bool:
        return monotonic() > self._deadline

    def _tick(self) -> bool:
        # SQLite counts over all runs of a prepared statement, so the first tick may come at once.
        self._ticks += 1
        return self._ticks > 1

    def _may_be_misled(self, error: sqlite3.OperationalError) -> bool:
        """Whether to look again for a table or column that is missing.

        When SQLite cannot read the file to see if the schema is still what it remembers, it says
        nothing of that and takes what it remembers for right. Reading the version raises the real error.
        """
        if NO_SUCH not in str(error):
            return False
        self._ready().execute("PRAGMA schema_version").fetchall()
        return True

    def _patiently(self, attempt: Callable[[], T]) -> T:
        """Repeat `attempt` while another connection holds the lock, in growing steps."""
        started = monotonic()
        limit = self.settings.busy_timeout
        if self._clock:
            limit = min(limit, self._deadline - started)
        nap = 0.0005
        while True:
            if self.stop:
                raise _stopped()
            left = started + limit - monotonic()
            if left <= 0:
                raise StatementTimeout(
                    f"the database file is locked by another process or handle for {limit:g} s; "
                    "end its transaction, or raise the time-out"
                )
            sleep(min(nap, left))
            nap = min(nap * 1.5, LONGEST_NAP)
            try:
                return attempt()
            except sqlite3.OperationalError as error:
                if not is_busy(error):
                    raise


_DEFAULTS = (
    "PRAGMA case_sensitive_like = OFF",
    "PRAGMA ignore_check_constraints = OFF",
    "PRAGMA recursive_triggers = OFF",
    "PRAGMA reverse_unordered_selects = OFF",
    "PRAGMA read_uncommitted = OFF",
    "PRAGMA defer_foreign_keys = OFF",
    "PRAGMA writable_schema = OFF",
    "PRAGMA locking_mode = NORMAL",
    "PRAGMA busy_timeout = 0",
)
"""Settings that a user's SQL may have changed and that others would notice."""


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _stopped() -> StatementTimeout:
    return StatementTimeout("the statement was stopped because its caller was cancelled")
