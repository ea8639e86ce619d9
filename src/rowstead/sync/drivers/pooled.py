# Generated from rowstead/drivers/pooled.py by scripts/make_sync.py; do not edit.
"""A connection through a pooler (PgBouncer and its kind) that gives each transaction any server session.

Nothing that lasts longer than a transaction belongs to us there: no name of a prepared statement, no
setting, no lock of the session. This wraps a driver's connection, which must prepare by no name, and
knows no driver. How a pooler is found out stands in `rowstead.drivers.postgresql`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from rowstead.drivers.postgresql import NOT_IN_TRANSACTION, local_limit, require_local
from rowstead.plan import Record
from rowstead.sync.drivers.base import Connection, RawResult

R = TypeVar("R")

SEEN = 1024
"""How many texts a connection remembers to have run; when full it starts afresh."""


class Simple(Connection, Protocol):
    """A driver's connection that can also send a text, of one statement or several, in one round trip."""

    def simple(self, text: str, /) -> int: ...


class PooledConnection:
    """One client's connection to a pooler, as `Connection`.

    `limit`: the statement timeout in seconds; a pooler takes none for a session, so it is set within
    each transaction. `looks_up`: on a text's first run the driver may ask for its types and set the
    session meanwhile, which one transaction then keeps together on one server session.
    """

    def __init__(self, inner: Simple, limit: float | None = None, *, looks_up: bool = False) -> None:
        self.dirty = False
        self._inner = inner
        self._halfway = False
        self._local = local_limit(limit)
        self._looks_up = looks_up
        self._seen: set[str] = set()

    @property
    def raw(self) -> Any:
        """The driver's own connection."""
        return getattr(self._inner, "raw", None)

    @property
    def in_transaction(self) -> bool:
        return self._inner.in_transaction

    @property
    def is_closed(self) -> bool:
        return self._inner.is_closed

    def behind_pooler(self) -> bool:
        return True

    def simple(self, text: str) -> int:
        """Send a text of several statements, in one round trip, inside a transaction or beginning one."""
        first, semicolon, rest = text.partition(";")
        local = self._local if first.startswith("BEGIN") else ""
        return self._inner.simple(first + local + semicolon + rest)

    def fetch(self, text: str, params: Sequence[Any]) -> Sequence[Record]:
        return self._run(self._inner.fetch, text, params)

    def execute(self, text: str, params: Sequence[Any]) -> int:
        if text.startswith("BEGIN"):
            self._inner.simple(text + self._local)
            return -1
        return self._run(self._inner.execute, text, params)

    def fetch_raw(self, text: str, params: Sequence[Any]) -> RawResult:
        require_local(text)
        return self._run(self._inner.fetch_raw, text, params)

    def execute_many(self, text: str, rows: Sequence[Sequence[Any]]) -> int:
        return self._inner.execute_many(text, rows)

    def fetch_many(self, text: str, rows: Sequence[Sequence[Any]]) -> list[Record | None]:
        return self._inner.fetch_many(text, rows)

    def copy_in(
        self, schema: str | None, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]
    ) -> int:
        return self._inner.copy_in(schema, table, columns, rows)

    def ping(self) -> None:
        self._inner.ping()

    def reset(self) -> None:
        """Undo what is open, and nothing else: the session is not ours.

        What a statement would leave in it is refused, and a reset would undo what the pooler set there.
        """
        if self.in_transaction:
            self._inner.simple("ROLLBACK")
        elif self._halfway:
            self._inner.simple("SELECT 1")
        self._halfway = False
        self.dirty = False

    def close(self) -> None:
        self._inner.close()

    def terminate(self) -> None:
        self._inner.terminate()

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    def _run(self, method: Callable[[str, Sequence[Any]], R], text: str, params: Sequence[Any]) -> R:
        inner = self._inner
        if inner.in_transaction:
            return method(text, params)
        if self._local or (self._looks_up and text not in self._seen):
            return self._alone(method, text, params)
        # What was described and never run keeps a server session, and its locks, for this client.
        self._halfway = True
        try:
            result = method(text, params)
        except Exception:
            if self._looks_up and not inner.is_closed:
                with suppress(Exception):
                    self.reset()
            raise
        self._halfway = False
        return result

    def _alone(self, method: Callable[[str, Sequence[Any]], R], text: str, params: Sequence[Any]) -> R:
        """Run one statement in a transaction of its own; one that refuses that, as it stands."""
        inner = self._inner
        inner.simple("BEGIN" + self._local)
        try:
            result = method(text, params)
        except Exception as error:
            if not inner.is_closed:
                with suppress(Exception):
                    inner.simple("ROLLBACK")
            if getattr(error, "sqlstate", None) not in NOT_IN_TRANSACTION or inner.in_transaction:
                raise
            return method(text, params)
        inner.simple("COMMIT")
        if self._looks_up:
            if len(self._seen) >= SEEN:
                self._seen.clear()
            self._seen.add(text)
        return result
