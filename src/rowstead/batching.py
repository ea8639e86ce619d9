"""Gets by key that wait for a connection, answered together by one statement.

While the pool has a connection to give, or may make one, a get is sent by itself and this adds
nothing. When it has none, gets of one shape gather, and the next connection that becomes free
answers them all: their keys travel as arrays and are joined to the table in the database, so that
its own equality decides. Whatever goes wrong with a statement of many is nobody's answer: each of
its gets is then sent by itself. Threads do without. Must not know what a get's record becomes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from rowstead.bulk import ServerTable, server_table
from rowstead.compiled import Compiler, Get, columns_of
from rowstead.drivers.base import Connection
from rowstead.errors import PoolTimeout
from rowstead.plan import Call, Record
from rowstead.session import Session
from rowstead.waiting import Waiter, in_background, owner

LARGEST = 1_000
"""Keys in one statement; those who come later gather anew."""

Answer = Sequence[Record] | None
"""A get's records; None: it must ask by itself."""


class Crowd(Protocol):
    """What is asked of a pool: whether a newcomer would have to wait, and for how long at most."""

    acquire_timeout: float | None

    @property
    def crowded(self) -> bool: ...

    def holds(self, who: object) -> bool:
        """Whether this owner has a connection: it must not wait for others, who may wait for it."""
        ...

    def timed_out(self) -> PoolTimeout: ...


class Together(Call[list[Record]]):
    """The one statement of several gets, whose number a trace tells."""

    __slots__ = ("answers",)

    def __init__(self, text: str, params: Sequence[Any], table: str | None, answers: int) -> None:
        super().__init__(text, params, list, table=table)
        self.answers = answers


class Gathering:
    """Gets of one shape that wait for the same connection."""

    __slots__ = ("calls", "task", "waiters")

    def __init__(self) -> None:
        self.calls: list[Get[Any]] = []
        self.waiters: list[Waiter[Answer]] = []
        self.task: set[Any] = set()

    def forget(self) -> None:
        """Nobody has an answer: each asks by itself."""
        for waiter in self.waiters:
            waiter.set(None)


class BatchedGets:
    """Gathers gets while there is a queue. `lend` and `on` are the handle's: `on` runs on one connection."""

    def __init__(
        self,
        crowd: Crowd,
        compiler: Compiler,
        lend: Callable[[bool], Awaitable[Connection]],
        take_back: Callable[[Connection, bool], None],
        on: Callable[[Connection], Session],
    ) -> None:
        self._crowd = crowd
        self._compiler = compiler
        self._lend = lend
        self._take_back = take_back
        self._on = on
        self._open: dict[Any, Gathering] = {}
        self._pressed: dict[Any, int] = {}
        """Shapes whose waiting gets were answered together just now, in this turn of the event loop."""

    def gathers(self, call: Get[Any]) -> bool:
        """Whether a get that comes now would have to wait for a connection, or costs no wait to take along.

        Those who were answered together and ask again at once would else rush at all connections.
        Their statement is sent when they have all had their turn, before any answer could be read.
        """
        crowd = self._crowd
        if crowd.crowded or (self._pressed and call.together in self._pressed):
            return not crowd.holds(owner())
        return False

    async def answer(self, call: Get[Any]) -> Answer:
        """Wait, with all others of this shape, for the answer to this get; None: ask by yourself.

        Raises PoolTimeout where no connection became free in time.
        """
        gathering = self._open.get(call.together)
        if gathering is None:
            gathering = self._open[call.together] = Gathering()
            if not in_background(self._serve(call.together, gathering), gathering.task, gathering.forget):
                return None
        waiter: Waiter[Answer] = Waiter()
        gathering.calls.append(call)
        gathering.waiters.append(waiter)
        if len(gathering.calls) >= LARGEST:
            self._close(call.together, gathering)
        try:
            return await waiter.wait(self._crowd.acquire_timeout)
        except TimeoutError:
            raise self._crowd.timed_out() from None

    def _press(self, key: Any) -> None:
        """Until all who were answered just now have had their turn, gets of this shape gather."""
        self._pressed[key] = self._pressed.get(key, 0) + 1
        asyncio.get_running_loop().call_soon(self._release, key)

    def _release(self, key: Any) -> None:
        self._pressed[key] -= 1
        if not self._pressed[key]:
            del self._pressed[key]

    def _close(self, key: Any, gathering: Gathering) -> None:
        """Who comes from now on gathers anew."""
        if self._open.get(key) is gathering:
            del self._open[key]

    async def _serve(self, key: Any, gathering: Gathering) -> None:
        try:
            connection = await self._connection(gathering)
        finally:
            self._close(key, gathering)
        if connection is None:
            gathering.forget()
            return
        suspect = True
        try:
            # Who was cancelled meanwhile, or whose time is over, asks for nothing.
            waiting = [
                (c, w) for c, w in zip(gathering.calls, gathering.waiters, strict=True) if w.is_waiting
            ]
            answers = await self._ask(connection, [call for call, _ in waiting])
            suspect = False
            for (_, waiter), answer in zip(waiting, answers, strict=True):
                waiter.set(answer)
            if len(waiting) > 1:
                self._press(key)
        except Exception:
            # One key that does not fit fails all: by itself, each get gets what is its own.
            pass
        finally:
            self._take_back(connection, suspect)
            gathering.forget()

    async def _connection(self, gathering: Gathering) -> Connection | None:
        """A connection; None where none can be had, which each get then finds out by itself."""
        while any(waiter.is_waiting for waiter in gathering.waiters):
            try:
                return await self._lend(False)
            except PoolTimeout:
                continue  # those who came first are timed out by now, but not who came later
            except Exception:
                return None
        return None

    async def _ask(self, connection: Connection, calls: Sequence[Get[Any]]) -> Sequence[Answer]:
        if not calls:
            return []
        on = self._on(connection)
        if len(calls) == 1:
            # A Call of another kind would be traced as a batch of one.
            return [await on.run(Call(calls[0].text, calls[0].params, list, table=calls[0].table))]
        table, columns, names = calls[0].together
        server: ServerTable = await on.plan(server_table(self._compiler, table))
        known = [server.columns.get(name) for name in names]
        if any(column is None or column.is_array for column in known):
            return [None] * len(calls)
        types = tuple(column.name for column in known if column is not None)
        compiled = self._compiler.get(("get_many", table, columns, names, types))
        params = compiled.bind(columns_of([call.values for call in calls]))
        records: list[Record] = await on.run(Together(compiled.text, params, table.name, len(calls)))
        answers = [list[Record]() for _ in calls]
        for record in records:
            place: int = record[-1] - 1
            answers[place].append(record)
        return answers
