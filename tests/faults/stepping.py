"""Transactions interleaved step by step, through Rowstead, with blocked steps found by asking who waits.

A script is lines such as `T1 set 1 11`: what a transaction does next. Each transaction does its steps
in a task of its own, and in the synchronous world in a thread of its own besides (`threads.py`). A step
that has to wait is found out by asking the database (or, on SQLite, the pool and the connection) and
never by a time: the script then goes on with the others, and the transaction catches up as soon as it
may.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from rowstead import DB, ConflictError, Inc, Row, RowsteadError
from rowstead.drivers.sqlite_connection import SQLiteConnection

PATIENCE = 20.0
"""Seconds after which a script that does not end is a failure."""


class Cell(Row):
    __table__ = "cells"
    id: int
    value: int


async def read(tx: DB, id: int) -> int | None:
    """One row's value."""
    cell = await tx.get(Cell, id=id)
    return None if cell is None else cell.value


async def read_all(tx: DB) -> dict[int, int]:
    """Every row: id to value."""
    return {cell.id: cell.value for cell in await tx.query(Cell)}


async def equal(tx: DB, value: int) -> dict[int, int]:
    """The rows with this value."""
    return {cell.id: cell.value for cell in await tx.query(Cell, value=value)}


async def multiple(tx: DB, of: int) -> dict[int, int]:
    """The rows whose value is a multiple."""
    rows = await tx.fetch("SELECT id, value FROM cells WHERE value % $1 = 0", of)
    return {row["id"]: row["value"] for row in rows}


async def set_value(tx: DB, id: int, value: int) -> Any:
    return await tx.update(Cell(id=id, value=value))


async def add_to_all(tx: DB, amount: int) -> int:
    return await tx.update_where(Cell.patch(value=Inc(amount)), where={"id": {"gt": 0}})


async def insert(tx: DB, id: int, value: int) -> Any:
    return await tx.insert(Cell(id=id, value=value))


async def delete_equal(tx: DB, value: int) -> int:
    """How many rows with this value were removed."""
    return await tx.execute("DELETE FROM cells WHERE value = $1", value)


VERBS: Mapping[str, Callable[..., Awaitable[Any]]] = {
    "read": read,
    "all": read_all,
    "equal": equal,
    "multiple": multiple,
    "set": set_value,
    "addall": add_to_all,
    "insert": insert,
    "delete": delete_equal,
}

Step: TypeAlias = tuple[str, list[int], str]
"""Verb, arguments, and the name under which the result is kept."""


class Story:
    """What came of a script: results by name, who committed, errors, and the rows at the end."""

    def __init__(self, actors: Sequence[Actor], final: dict[int, int]) -> None:
        self._results = {name: result for actor in actors for name, result in actor.results.items()}
        self.committed = {f"T{n}": actor.committed for n, actor in enumerate(actors, 1)}
        self.errors = [actor.error for actor in actors if actor.error is not None]
        self.final = final

    def __getitem__(self, name: str) -> Any:
        """A step's result; None when it was not reached or failed."""
        return self._results.get(name)

    @property
    def all_committed(self) -> bool:
        return all(self.committed.values())


class Aborted(Exception):
    """A script's `abort`."""


class Actor:
    """One transaction of a script."""

    def __init__(self, handle: DB, isolation: str | None, readonly: bool) -> None:
        self.handle = handle
        self.readonly = readonly
        self.results: dict[str, Any] = {}
        self.committed = False
        self.begun = False
        self.ended = False
        self.error: RowsteadError | None = None
        self._steps: asyncio.Queue[Step] = asyncio.Queue()
        self._pending = 1
        self.task = asyncio.create_task(self._run(isolation))

    @property
    def idle(self) -> bool:
        """Whether all that it was told to do is done."""
        return self.ended or not self._pending

    def do(self, step: Step) -> None:
        self._pending += 1
        self._steps.put_nowait(step)

    async def _run(self, isolation: str | None) -> None:
        try:
            async with self.handle.transaction(isolation=isolation, readonly=self.readonly) as tx:
                self.begun = True
                await self._play(tx)
            self.committed = True
        except Aborted:
            pass
        except RowsteadError as error:
            self.error = error
        finally:
            self.ended = True

    async def _play(self, tx: DB) -> None:
        while True:
            self._pending -= 1
            verb, arguments, name = await self._steps.get()
            if verb == "commit":
                return
            if verb == "abort":
                raise Aborted
            self.results[name] = await VERBS[verb](tx, *arguments)


class Stage(Protocol):
    """Where a script is played: a handle for each transaction, and who of them waits for another."""

    handles: Sequence[DB]

    async def blocked(self, actor: Actor, actors: Sequence[Actor]) -> bool: ...


class PostgresStage:
    """A handle with one connection for each; the server knows who waits."""

    def __init__(self, handles: Sequence[DB], backends: Sequence[int], watcher: DB) -> None:
        self.handles = handles
        self._backends = {id(handle): pid for handle, pid in zip(handles, backends, strict=True)}
        self._watcher = watcher

    async def blocked(self, actor: Actor, actors: Sequence[Actor]) -> bool:
        pid = self._backends[id(actor.handle)]
        return await self._watcher.fetchval("SELECT cardinality(pg_blocking_pids($1)) > 0", pid)


class OneHandleStage:
    """SQLite, and one handle for all: who wants to write queues in its pool.

    `handles`: that handle for each transaction; in the synchronous world in a thread for each.
    """

    def __init__(self, handles: Sequence[DB]) -> None:
        self.handles = handles

    async def blocked(self, actor: Actor, actors: Sequence[Actor]) -> bool:
        driver: Any = self.handles[0].session.driver
        # Only a beginning waits in the queue, and all that have not begun but one may be in it.
        waiting = driver._writer.waiting if self.handles[0].session.dialect.one_writer else 0
        beginners = [other for other in actors if not (other.begun or other.ended)]
        return actor in beginners[len(beginners) - waiting :]


class ManyHandlesStage:
    """SQLite, and a handle for each, as in processes of their own: who wants to write tries again."""

    def __init__(self, handles: Sequence[DB], waiting: set[SQLiteConnection]) -> None:
        self.handles = handles
        self._waiting = waiting

    async def blocked(self, actor: Actor, actors: Sequence[Actor]) -> bool:
        driver: Any = actor.handle.session.driver
        # A list at once: in the synchronous world other threads lend meanwhile.
        lent = [getattr(connection, "_connection", connection) for connection in list(driver._writer._lent)]
        waits = any(connection in self._waiting for connection in lent)
        # It may not have looked yet since the last one ended.
        return waits and any(
            other.begun and not other.ended and not other.readonly for other in actors if other is not actor
        )


def watch_waits(patch: Any) -> set[SQLiteConnection]:
    """Which connections to SQLite wait for a lock at this moment."""
    waiting: set[SQLiteConnection] = set()
    patiently = SQLiteConnection._patiently

    def watched(connection: SQLiteConnection, attempt: Any) -> Any:
        waiting.add(connection)
        try:
            return patiently(connection, attempt)
        finally:
            waiting.discard(connection)

    patch.setattr(SQLiteConnection, "_patiently", watched)
    return waiting


async def play(stage: Stage, script: str, isolation: str | None, readers: str = "") -> Story:
    """Play a script on rows 1 -> 10 and 2 -> 20; the transactions named in `readers` only read."""
    first = stage.handles[0]
    await first.execute("DELETE FROM cells")
    await first.insert_many([Cell(id=1, value=10), Cell(id=2, value=20)])
    actors: list[Actor] = []
    async with asyncio.timeout(PATIENCE):
        for line in script.strip().splitlines():
            who, verb, arguments, name = _parsed(line)
            while len(actors) < who:
                readonly = f"T{len(actors) + 1}" in readers.split()
                actors.append(Actor(stage.handles[len(actors)], isolation, readonly))
                await _settle(stage, actors)
            actors[who - 1].do((verb, arguments, name))
            await _settle(stage, actors)
        await asyncio.gather(*[actor.task for actor in actors])
    return Story(actors, await read_all(first))


async def _settle(stage: Stage, actors: Sequence[Actor]) -> None:
    """Wait until every transaction has done what it was told, or waits for another."""
    while True:
        for actor in actors:
            if not actor.idle and not await stage.blocked(actor, actors):
                break
        else:
            return
        # The others' turn; what is waited for is the state above, not a time.
        await asyncio.sleep(0.0005)


def _parsed(line: str) -> tuple[int, str, list[int], str]:
    """`T1 set 1 11`, or `T1 read 2 = name`."""
    told, _, name = line.partition("=")
    who, verb, *arguments = told.split()
    return int(who.removeprefix("T")), verb, [int(word) for word in arguments], name.strip()


def conflicts_only(story: Story) -> bool:
    """Whether nothing failed but for a conflict, which a retry heals."""
    return all(isinstance(error, ConflictError) and error.retryable for error in story.errors)
