"""Gets by key that are answered together by one statement.

A get that is alone is sent by itself, and this adds nothing. Gets of one shape gather where they
cost each other no wait: while the pool has no connection to give, until the next one becomes free;
and while others are at work, until the event loop's turn in which they all ask has ended. Their keys
travel as arrays and are joined to the table in the database, so that its own equality decides.
Whatever goes wrong with a statement of many is nobody's answer: each of its gets is then sent by
itself. Threads do without. Must not know what a get's record becomes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeAlias

from rowstead.drivers.base import Connection
from rowstead.errors import PoolTimeout
from rowstead.plan import Call, Record
from rowstead.plans.bulk import ServerTable, server_table
from rowstead.session import Session
from rowstead.statements.compiled import Compiled, Compiler, Get, columns_of
from rowstead.waiting import in_background, owner

LARGEST = 1_000
"""Keys in one statement; those who come later gather anew."""

ALONE = object()
"""Instead of an answer: the get must be sent by itself."""

Answer: TypeAlias = "asyncio.Future[Any]"
"""Will have what a get's record becomes, or `ALONE`."""

Waiting: TypeAlias = "tuple[Get[Any], Answer]"
"""A get that gathers, and its answer."""


class Crowd(Protocol):
    """What is asked of a pool: whether a newcomer would have to wait, and for how long at most."""

    acquire_timeout: float | None

    @property
    def crowded(self) -> bool: ...

    @property
    def idle(self) -> int: ...

    @property
    def size(self) -> int: ...

    def holds(self, who: object) -> bool:
        """Whether this owner has a connection: who has all would wait for itself, and is to be told."""
        ...

    def timed_out(self) -> PoolTimeout: ...


class Together(Call[list[Record]]):
    """The one statement of several gets, whose number a trace tells."""

    __slots__ = ("answers",)

    def __init__(self, text: str, params: Sequence[Any], table: str | None, answers: int) -> None:
        super().__init__(text, params, list, table=table)
        self.answers = answers


class Gathering:
    """Gets of one shape that will be sent together.

    Where they have to wait for a connection, each does until its own deadline. One timer serves them
    all, set for the first of them: one for each would cost as much as the get.
    """

    __slots__ = ("_crowd", "_deadlines", "_loop", "_timer", "gets", "task", "waits")

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._loop = asyncio.get_running_loop()
        self.gets: list[Waiting] = []
        self.task: set[Any] = set()
        self.waits = False
        """Whether there was no connection for them when their turn of the event loop had ended."""
        self._deadlines: list[float] = []
        self._timer: asyncio.TimerHandle | None = None

    def add(self, call: Get[Any]) -> Answer:
        """One more get. Its answer is a PoolTimeout when no connection came in time."""
        answer: Answer = self._loop.create_future()
        self.gets.append((call, answer))
        if self.waits:
            self._limit(1)
        return answer

    def wait(self) -> None:
        """From now on a connection is waited for."""
        self.waits = True
        self._limit(len(self.gets))

    def has_connection(self) -> None:
        """From now on nobody's time runs out: what is waited for is the statement's own answer."""
        if self._timer is not None:
            self._timer.cancel()
        self._deadlines.clear()

    def waiting(self) -> list[Waiting]:
        """Those who still wait: who was cancelled, or whose time is over, asks for nothing."""
        return [get for get in self.gets if not get[1].done()]

    def forget(self) -> None:
        """Nobody has an answer: each asks by itself."""
        self.has_connection()
        for _, answer in self.gets:
            if not answer.done():
                answer.set_result(ALONE)

    def _limit(self, newcomers: int) -> None:
        timeout = self._crowd.acquire_timeout
        if timeout is not None:
            self._deadlines.extend([self._loop.time() + timeout] * newcomers)
            if self._timer is None:
                self._timer = self._loop.call_at(self._deadlines[0], self._expire)

    def _expire(self) -> None:
        now = self._loop.time()
        for (_, answer), deadline in zip(self.gets, self._deadlines, strict=True):
            if deadline > now:
                self._timer = self._loop.call_at(deadline, self._expire)
                return
            if not answer.done():
                answer.set_exception(self._crowd.timed_out())
        self._timer = None


class BatchedGets:
    """Gathers gets. `at_hand`, `lend` and `on` are the handle's: `on` runs on one connection."""

    def __init__(
        self,
        crowd: Crowd,
        compiler: Compiler,
        at_hand: Callable[[], Connection | None],
        lend: Callable[[bool], Awaitable[Connection]],
        take_back: Callable[[Connection, bool], None],
        on: Callable[[Connection], Session],
    ) -> None:
        self._crowd = crowd
        self._compiler = compiler
        self._at_hand = at_hand
        self._lend = lend
        self._take_back = take_back
        self._on = on
        self._open: dict[Compiled, Gathering] = {}
        self._busy: dict[Compiled, int] = {}
        """Shapes of which a get was sent in this turn of the event loop while others were at work, or a
        statement of several is on its way or was answered in this turn."""

    def join(self, call: Get[Any]) -> Answer | None:
        """This get's answer where it is to come with others'; None: it is to be sent by itself.

        Without a connection to give, the next free one answers all who wait. With one, those who ask
        in the same turn as others would rush one by one at all connections: their statement is sent
        when this turn ends, before any answer could be read.
        """
        shape, crowd = call.compiled, self._crowd
        gathering = self._open.get(shape)
        if gathering is not None and not gathering.waits and len(gathering.gets) < LARGEST:
            return gathering.add(call)
        if crowd.crowded:
            if crowd.holds(owner()):
                return None
            if gathering is None or len(gathering.gets) >= LARGEST:
                gathering = self._begun(shape)
            return gathering.add(call)
        if crowd.idle < crowd.size:
            if crowd.idle and shape in self._busy:
                return self._begun(shape).add(call)
            self._hold(shape)
            asyncio.get_running_loop().call_soon(self._release, shape)
        return None

    def _begun(self, shape: Compiled) -> Gathering:
        """Who comes from now on gathers in a new one."""
        gathering = self._open[shape] = Gathering(self._crowd)

        def lost() -> None:
            self._close(shape, gathering)
            gathering.forget()

        in_background(self._serve(shape, gathering), gathering.task, lost)
        return gathering

    def _hold(self, shape: Compiled) -> None:
        self._busy[shape] = self._busy.get(shape, 0) + 1

    def _release(self, shape: Compiled) -> None:
        self._busy[shape] -= 1
        if not self._busy[shape]:
            del self._busy[shape]

    def _close(self, shape: Compiled, gathering: Gathering) -> None:
        if self._open.get(shape) is gathering:
            del self._open[shape]

    async def _serve(self, shape: Compiled, gathering: Gathering) -> None:
        connection = self._at_hand()
        try:
            if connection is None:
                gathering.wait()
                connection = await self._connection(gathering)
        finally:
            self._close(shape, gathering)
        if connection is None:
            gathering.forget()
            return
        gathering.has_connection()
        gets = gathering.waiting()
        suspect, many = True, len(gets) > 1
        if many:
            self._hold(shape)
        try:
            records = await self._ask(connection, shape, [call for call, _ in gets])
            suspect = False
            if records is not None:
                _deliver(shape, gets, records)
        except Exception:
            # One key that does not fit fails all: by itself, each get gets what is its own.
            pass
        finally:
            self._take_back(connection, suspect)
            gathering.forget()
            if many:
                # Until all who were answered just now have had their turn, gets of this shape gather.
                asyncio.get_running_loop().call_soon(self._release, shape)

    async def _connection(self, gathering: Gathering) -> Connection | None:
        """A connection; None where none can be had, which each get then finds out by itself."""
        while gathering.waiting():
            try:
                return await self._lend(False)
            except PoolTimeout:
                continue  # those who came first are timed out by now, but not who came later
            except Exception:
                return None
        return None

    async def _ask(
        self, connection: Connection, shape: Compiled, calls: Sequence[Get[Any]]
    ) -> Sequence[Record] | None:
        """The records of these gets, each ending in the place of its get, from 1 on; None: they go alone."""
        if not calls or shape.together is None:
            return None
        on = self._on(connection)
        if len(calls) == 1:
            # A Call of another kind would be traced as a batch of one.
            (call,) = calls
            records: Sequence[Record] = await on.run(Call(call.text, call.params, list, table=call.table))
            return [(*record, 1) for record in records]
        table, columns, names = shape.together
        server: ServerTable = await on.plan(server_table(self._compiler, table))
        known = [server.columns.get(name) for name in names]
        if any(column is None or column.is_array for column in known):
            return None
        types = tuple(column.name for column in known if column is not None)
        compiled = self._compiler.get(("get_many", table, columns, names, types))
        params = compiled.bind(columns_of([call.values for call in calls]))
        return await on.run(Together(compiled.text, params, table.name, len(calls)))


def _deliver(shape: Compiled, gets: Sequence[Waiting], records: Sequence[Record]) -> None:
    """Give each get what the first of its records becomes."""
    rows = _read_together(shape, gets, records)
    if rows is None:
        _deliver_one_by_one(gets, records)
        return
    for record, row in zip(records, rows, strict=True):
        place: int = record[-1]
        answer = gets[place - 1][1]
        if not answer.done():
            answer.set_result(row)
    for _, answer in gets:
        if not answer.done():
            answer.set_result(None)


def _read_together(shape: Compiled, gets: Sequence[Waiting], records: Sequence[Record]) -> list[Any] | None:
    """What the records become, in one go, which costs half; None where each get has to read its own.

    Where one cannot be read, that is the affair of its get alone.
    """
    if not all(call.read is shape.read_one for call, _ in gets):
        return None
    try:
        return shape.rows(records)
    except Exception:
        return None


def _deliver_one_by_one(gets: Sequence[Waiting], records: Sequence[Record]) -> None:
    own: list[list[Record]] = [[] for _ in gets]
    for record in records:
        place: int = record[-1]
        own[place - 1].append(record)
    for (call, answer), its in zip(gets, own, strict=True):
        if answer.done():
            continue
        if call.read is None:
            answer.set_result(ALONE)
            continue
        try:
            answer.set_result(call.read(its))
        except Exception as error:
            answer.set_exception(error)
