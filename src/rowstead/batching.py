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

from rowstead.drivers.base import Connection
from rowstead.errors import PoolTimeout
from rowstead.plan import Call, Record
from rowstead.plans.bulk import ServerTable, server_table
from rowstead.session import Session
from rowstead.statements.compiled import Compiler, Get, columns_of
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
    """Gets of one shape that wait for the same connection, each until its own deadline.

    One timer serves them all, set for the first of them: one for each would cost as much as the get.
    """

    __slots__ = ("_timer", "calls", "deadlines", "task", "waiters")

    def __init__(self) -> None:
        self.calls: list[Get[Any]] = []
        self.waiters: list[Waiter[Answer]] = []
        self.deadlines: list[float] = []
        self.task: set[Any] = set()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, call: Get[Any], timeout: float | None) -> Waiter[Answer]:
        """One more get; its waiter gets a TimeoutError when no connection came in time."""
        waiter: Waiter[Answer] = Waiter()
        self.calls.append(call)
        self.waiters.append(waiter)
        if timeout is not None:
            loop = asyncio.get_running_loop()
            self.deadlines.append(loop.time() + timeout)
            if self._timer is None:
                self._timer = loop.call_at(self.deadlines[0], self._expire)
        return waiter

    def _expire(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for waiter, deadline in zip(self.waiters, self.deadlines, strict=True):
            if deadline > now:
                self._timer = loop.call_at(deadline, self._expire)
                return
            waiter.expire()
        self._timer = None

    def has_connection(self) -> None:
        """From now on nobody's time runs out: what is waited for is the statement's own answer."""
        if self._timer is not None:
            self._timer.cancel()
        self.deadlines.clear()

    def forget(self) -> None:
        """Nobody has an answer: each asks by itself."""
        self.has_connection()
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
        self._busy: dict[Any, int] = {}
        """Shapes of which a statement of several gets is on its way, or was answered in this turn."""

    def gathers(self, call: Get[Any]) -> bool:
        """Whether a get that comes now would have to wait for a connection, or costs no wait to take along.

        While a statement of several gets is on its way, and until those whom it answered have had their
        turn, those who ask would else rush one by one at all connections. A statement for them is sent
        when this turn of the event loop ends, before any answer could be read.
        """
        crowd = self._crowd
        if crowd.crowded or (self._busy and call.together in self._busy):
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
        waiter = gathering.add(call, self._crowd.acquire_timeout)
        if len(gathering.calls) >= LARGEST:
            self._close(call.together, gathering)
        try:
            return await waiter.wait()
        except TimeoutError:
            raise self._crowd.timed_out() from None

    def _release(self, key: Any) -> None:
        self._busy[key] -= 1
        if not self._busy[key]:
            del self._busy[key]

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
        gathering.has_connection()
        suspect, many = True, False
        try:
            # Who was cancelled meanwhile, or whose time is over, asks for nothing.
            waiting = [
                (c, w) for c, w in zip(gathering.calls, gathering.waiters, strict=True) if w.is_waiting
            ]
            many = len(waiting) > 1
            if many:
                self._busy[key] = self._busy.get(key, 0) + 1
            answers = await self._ask(connection, [call for call, _ in waiting])
            suspect = False
            for (_, waiter), answer in zip(waiting, answers, strict=True):
                waiter.set(answer)
        except Exception:
            # One key that does not fit fails all: by itself, each get gets what is its own.
            pass
        finally:
            self._take_back(connection, suspect)
            gathering.forget()
            if many:
                # Until all who were answered just now have had their turn, gets of this shape gather.
                asyncio.get_running_loop().call_soon(self._release, key)

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
