"""Whether the databases answer, and how much their pools are in use."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from time import monotonic
from typing import Any

from rowstead.errors import PoolTimeout, UsageError
from rowstead.service.http.log import ERRORS
from rowstead.service.http.metrics import Labels, label
from rowstead.session import Session as DatabaseSession

PATIENCE = 5.0
"""Seconds for each database."""
FRESH = 1.0
"""Seconds for which an answer is given again: anybody may ask, and the databases have other work."""


class Health:
    """Asks every database, once for all who want to know at the same time."""

    def __init__(self, databases: Mapping[str, Callable[[], DatabaseSession]]) -> None:
        """`databases`: by the service's name, what gives its session (and raises where it is not started)."""
        self._databases = databases
        self._asking: asyncio.Task[bool] | None = None
        self._answered = 0.0

    async def is_good(self) -> bool:
        """Whether all of them answer now, or did a moment ago."""
        stale = self._asking is not None and self._asking.done() and monotonic() - self._answered > FRESH
        if self._asking is None or stale:
            self._asking = asyncio.create_task(self._ask())
        # Who asked first may go away; the others still want to know.
        return await asyncio.shield(self._asking)

    async def _ask(self) -> bool:
        try:
            async with asyncio.TaskGroup() as group:
                for session in self._databases.values():
                    group.create_task(_answers(session()))
            return True
        except Exception as error:
            ERRORS.warning("a database does not answer: %s", ", ".join(sorted(_kinds(error))))
            return False
        finally:
            self._answered = monotonic()

    def gauges(self) -> Iterator[tuple[str, str, Labels, float]]:
        """The connections of each pool, by what they do; of databases that have a pool of ours."""
        for name, session in self._databases.items():
            try:
                driver = getattr(session(), "driver", None)
            except UsageError:
                # Not started, or closed again: the other numbers are wanted all the more.
                continue
            pool: Any = getattr(driver, "pool", None)
            if pool is None:
                continue
            states = {"busy": pool.size - pool.idle, "idle": pool.idle, "awaited": pool.waiting}
            for state, number in states.items():
                labels = (label("database", name), label("state", state))
                yield "rowstead_pool_connections", "Connections, and calls that wait for one", labels, number


async def _answers(session: DatabaseSession) -> None:
    """Raises what keeps a database from an answer. That all its connections are at work is none of it: who
    starts a busy server anew breaks off the work. What a call may take bounds how long they can be."""
    try:
        async with asyncio.timeout(PATIENCE):
            await session.ping()
    except (TimeoutError, PoolTimeout):
        pool: Any = getattr(session.driver, "pool", None)
        # Where a connection cannot be made it is not lent either.
        if pool is None or len(pool.holders()) < pool.max_size:
            raise


def _kinds(error: BaseException) -> set[str]:
    """The classes of an error, or of all in a group. No message: it may hold an address."""
    parts: tuple[BaseException, ...] | None = getattr(error, "exceptions", None)
    if parts is None:
        return {type(error).__name__}
    return {kind for part in parts for kind in _kinds(part)}
