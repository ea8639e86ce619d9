"""A connection through a pooler (PgBouncer and its kind) that gives each transaction any server session.

Nothing that lasts longer than a transaction belongs to us there: no name of a prepared statement, no
setting, no lock of the session. This wraps a driver's connection, which must prepare by no name, and
knows no driver. How a pooler is found out stands in `rowstead.drivers.postgresql`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from rowstead.drivers.base import Connection, RawResult
from rowstead.drivers.postgresql import NOT_IN_TRANSACTION, local_limit, require_local
from rowstead.plan import Record

R = TypeVar("R")

SEEN = 1024
"""How many texts a connection remembers to have run; when full it starts afresh."""


class Simple(Connection, Protocol):
    """A driver's connection that can also send a text, of one statement or several, in one round trip."""

    async def simple(self, text: str, /) -> int: ...


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

    async def behind_pooler(self) -> bool:
        return True

    async def simple(self, text: str) -> int:
        """Send a text of several statements, in one round trip, inside a transaction or beginning one."""
        first, semicolon, rest = text.partition(";")
        local = self._local if first.startswith("BEGIN") else ""
        return await self._inner.simple(first + local + semicolon + rest)

    async def fetch(self, text: str, params: Sequence[Any]) -> Sequence[Record]:
        return await self._run(self._inner.fetch, text, params)

    async def execute(self, text: str, params: Sequence[Any]) -> int:
        if text.startswith("BEGIN"):
            await self._inner.simple(text + self._local)
            return -1
        return await self._run(self._inner.execute, text, params)

    async def fetch_raw(self, text: str, params: Sequence[Any]) -> RawResult:
        require_local(text)
        return await self._run(self._inner.fetch_raw, text, params)

    async def execute_many(self, text: str, rows: Sequence[Sequence[Any]]) -> int:
        return await self._inner.execute_many(text, rows)

    async def fetch_many(self, text: str, rows: Sequence[Sequence[Any]]) -> list[Record | None]:
        return await self._inner.fetch_many(text, rows)

    async def copy_in(
        self, schema: str | None, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]
    ) -> int:
        return await self._inner.copy_in(schema, table, columns, rows)

    async def ping(self) -> None:
        await self._inner.ping()

    async def reset(self) -> None:
        """Undo what is open, and nothing else: the session is not ours.

        What a statement would leave in it is refused, and a reset would undo what the pooler set there.
        """
        if self.in_transaction:
            await self._inner.simple("ROLLBACK")
        elif self._halfway:
            await self._inner.simple("SELECT 1")
        self._halfway = False
        self.dirty = False

    async def close(self) -> None:
        await self._inner.close()

    def terminate(self) -> None:
        self._inner.terminate()

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    async def _run(
        self, method: Callable[[str, Sequence[Any]], Awaitable[R]], text: str, params: Sequence[Any]
    ) -> R:
        inner = self._inner
        if inner.in_transaction:
            return await method(text, params)
        if self._local or (self._looks_up and text not in self._seen):
            return await self._alone(method, text, params)
        # What was described and never run keeps a server session, and its locks, for this client.
        self._halfway = True
        try:
            result = await method(text, params)
        except Exception:
            if self._looks_up and not inner.is_closed:
                with suppress(Exception):
                    await self.reset()
            raise
        self._halfway = False
        return result

    async def _alone(
        self, method: Callable[[str, Sequence[Any]], Awaitable[R]], text: str, params: Sequence[Any]
    ) -> R:
        """Run one statement in a transaction of its own; one that refuses that, as it stands."""
        inner = self._inner
        await inner.simple("BEGIN" + self._local)
        try:
            result = await method(text, params)
        except Exception as error:
            if not inner.is_closed:
                with suppress(Exception):
                    await inner.simple("ROLLBACK")
            if getattr(error, "sqlstate", None) not in NOT_IN_TRANSACTION or inner.in_transaction:
                raise
            return await method(text, params)
        await inner.simple("COMMIT")
        if self._looks_up:
            if len(self._seen) >= SEEN:
                self._seen.clear()
            self._seen.add(text)
        return result
