# Generated from rowstead/drivers/base.py by scripts/make_sync.py; do not edit.
"""What a driver is: the two protocols that everything above asks for, in both worlds.

A driver is one module with a small connection class. It sends text and values and gives back
records; it translates its own exceptions. Transactions, savepoints, retries and tracing are
written once above it, pools once beside it.

The synchronous protocols are these without `async` (see `rowstead.sync`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from rowstead.dialects import Dialect
from rowstead.drivers.base import RawResult as RawResult
from rowstead.errors import RowsteadError
from rowstead.plan import Record


class Connection(Protocol):
    """One connection to a database. Used by one thread at a time; autocommits unless told BEGIN."""

    dirty: bool
    """True when a user's SQL ran on it: whoever lends it next must call `reset` first."""

    @property
    def in_transaction(self) -> bool:
        """Whether the server holds a transaction open. Known locally, costs no round trip."""
        ...

    @property
    def is_closed(self) -> bool: ...

    def fetch(self, text: str, params: Sequence[Any]) -> Sequence[Record]:
        """Run one statement of ours and give its records."""
        ...

    def execute(self, text: str, params: Sequence[Any]) -> int:
        """Run one statement and give the affected count (-1 where it has none)."""
        ...

    def fetch_raw(self, text: str, params: Sequence[Any]) -> RawResult:
        """Run a user's statement, which may or may not give rows."""
        ...

    def execute_many(self, text: str, rows: Sequence[Sequence[Any]]) -> int:
        """Run one statement for each of `rows`. The caller holds a transaction open."""
        ...

    def fetch_many(self, text: str, rows: Sequence[Sequence[Any]]) -> list[Record | None]:
        """As `execute_many`, with the first record (or None) of each run, in order."""
        ...

    def copy_in(
        self, schema: str | None, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]
    ) -> int:
        """Load rows by the bulk path. Only called where `dialect.copy` is true."""
        ...

    def ping(self) -> None:
        """One cheap round trip; raises when the connection is not usable."""
        ...

    def reset(self) -> None:
        """Bring the session back to how it was when opened: no transaction, locks or settings."""
        ...

    def close(self) -> None:
        """Say goodbye to the server and close. Never raises; bounded in time."""
        ...

    def terminate(self) -> None:
        """Drop the connection at once, without a goodbye. Never raises."""
        ...


class Poolable(Protocol):
    """What the pool asks of a connection; `drivers.base.Connection` has it."""

    dirty: bool

    @property
    def in_transaction(self) -> bool: ...

    @property
    def is_closed(self) -> bool: ...

    def ping(self) -> None: ...

    def reset(self) -> None: ...

    def close(self) -> None: ...

    def terminate(self) -> None: ...


class Driver(Protocol):
    """Lends connections and speaks one dialect.

    `lend(write)` gives a connection for the caller's sole use; a driver that has pools of its own may
    also have `pool_for(write)`, the pool that this is from. `take_back` never waits: a connection that
    may be in the middle of something (`suspect`) is put right, or closed, behind the caller's back
    before its next turn.
    """

    dialect: Dialect
    codec: str
    """Which column of `values.py` this driver's values travel by: "sqlite", "asyncpg", …"""
    paramstyle: str
    """How a parameter is spelled in text: "numeric_dollar" ($1), "qmark" (?) or "format" (%s)."""
    own_pool: bool
    """False for a pool or connection that the user brought: its state is its owner's."""

    def open(self) -> None:
        """Make the first connection, so that a wrong address or password is known at once."""
        ...

    def lend(self, write: bool) -> Connection: ...

    def take_back(self, connection: Connection, suspect: bool = False) -> None: ...

    def close(self) -> None: ...

    def translate(self, error: Exception) -> RowsteadError | None:
        """The driver's exception as ours, without `__cause__` set; None when it is not one of its own."""
        ...
