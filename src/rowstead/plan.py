"""Work without I/O: one statement is a `Call`, several are a `Plan`; `run` and `arun` drive them.

A plan is a generator that yields steps and is sent their results, so an operation of several
statements is written once for both worlds. It knows nothing of connections. **A plan never yields
in `finally`**: when its task is cancelled the plan is closed, and a step yielded then would leave
the transaction open. What must be undone stands in an `Atomic` or a `Pinned`, which the session
itself undoes.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, TypeAlias, TypeVar

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

Record: TypeAlias = Sequence[Any]
"""One row as the driver gives it: values by position, in the order of the statement's columns."""


def first_value(records: Sequence[Record]) -> Any:
    """What a statement that answers with one value says: how a `Call` of it reads its records."""
    return records[0][0]


class ServerTyped:
    """A value whose travelling form the server's own parameter type decides: JSON, array, scalar."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"ServerTyped({type(self.value).__name__})"


class OfDriver(NamedTuple):
    """A column's value as the driver gave it, which goes back to the driver as it is."""

    value: Any


class Call(Generic[R]):
    """One statement with its values and what to make of its rows.

    `read` is given the list of records and returns the result; None asks for the number of
    affected rows instead. `writes` routes the statement (a replica, SQLite's readers) and tells
    whether a lost answer leaves its outcome unknown. `raw` is SQL that a user wrote: it may have
    changed the connection's state. `table` is for error messages.
    """

    __slots__ = ("params", "raw", "read", "table", "text", "writes")

    brings_id = False
    """Whether in a transaction its answer can bring the transaction's id along, behind a row's columns."""

    def __init__(
        self,
        text: str,
        params: Sequence[Any] = (),
        read: Callable[[Sequence[Record]], R] | None = None,
        *,
        writes: bool = False,
        raw: bool = False,
        table: str | None = None,
    ) -> None:
        self.text = text
        self.params = params
        self.read = read
        self.writes = writes
        self.raw = raw
        self.table = table


class Read(Call[R]):
    """A statement of ours that only reads rows, and whose answer nothing is written by.

    Outside a transaction a replica may give it.
    """

    __slots__ = ()


class Stored(Call[R]):
    """A statement of ours that writes one row and ends by returning it."""

    __slots__ = ()

    brings_id = True


@dataclass(frozen=True, slots=True)
class Many:
    """One statement run once for each sequence of values; the result is the affected count."""

    text: str
    rows: Sequence[Sequence[Any]]
    table: str | None = None


@dataclass(frozen=True, slots=True)
class ManyReturning:
    """As `Many`, with a list of what each run returned: its first record, or None."""

    text: str
    rows: Sequence[Sequence[Any]]
    table: str | None = None


@dataclass(frozen=True, slots=True)
class Copy:
    """Load records by the database's bulk path (only where `dialect.copy`); the result is the count."""

    schema: str | None
    table: str
    columns: Sequence[str]
    rows: Iterable[Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Atomic(Generic[R]):
    """Run a plan inside a transaction (a savepoint where one is open); the result is the plan's."""

    plan: Generator[Any, Any, R]


@dataclass(frozen=True, slots=True)
class Trying(Generic[R]):
    """One statement whose refusal for a row that is there already (DuplicateError) the plan looks into.

    The transaction goes on then: by a savepoint where the database does not undo the statement alone.
    """

    call: Call[R]


@dataclass(frozen=True, slots=True)
class Pinned(Generic[R]):
    """Run a plan on one connection, outside any transaction; the result is the plan's.

    When it ends, however it ends, the connection's session state (locks, settings) is reset.
    """

    plan: Generator[Any, Any, R]


@dataclass(frozen=True, slots=True)
class Within(Generic[R]):
    """Run a plan inside a context manager that never waits (a file lock); the result is the plan's.

    What `__enter__` raises is thrown into the plan that yielded this step.
    """

    context: AbstractContextManager[Any]
    plan: Generator[Any, Any, R]


@dataclass(frozen=True, slots=True)
class Finally(Generic[R]):
    """Run a plan and then `after`, however the plan ended; the result is the plan's.

    Where a plan may not yield in `finally`, this may: `after` runs to its end in a cancelled task too.
    """

    plan: Generator[Any, Any, R]
    after: Generator[Any, Any, None]


@dataclass(frozen=True, slots=True)
class BehindPooler:
    """Ask whether a pooler may give each transaction another server session; the result is a bool.

    Only the connection knows, so inside a `Pinned`; anywhere else the answer is no.
    """


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait, outside any statement."""

    seconds: float


Step: TypeAlias = (
    Call[Any]
    | Many
    | ManyReturning
    | Copy
    | Atomic[Any]
    | Trying[Any]
    | Pinned[Any]
    | Within[Any]
    | Finally[Any]
    | BehindPooler
    | Sleep
)
Plan: TypeAlias = Generator[Step, Any, R]


class AsyncSession(Protocol):
    """What `arun` needs: something that can perform one step."""

    async def perform(self, step: Step, /) -> Any: ...


class SyncSession(Protocol):
    """What `run` needs: something that can perform one step."""

    def perform(self, step: Step, /) -> Any: ...


async def arun(plan: Plan[R], session: AsyncSession) -> R:
    """Drive `plan` to its end on an asynchronous session and return its result."""
    try:
        step = next(plan)
        while True:
            try:
                result = await session.perform(step)
            except Exception as error:
                step = plan.throw(error)
            else:
                step = plan.send(result)
    except StopIteration as stop:
        return stop.value
    finally:
        plan.close()


def run(plan: Plan[R], session: SyncSession) -> R:
    """Drive `plan` to its end on a synchronous session and return its result."""
    try:
        step = next(plan)
        while True:
            try:
                result = session.perform(step)
            except Exception as error:
                step = plan.throw(error)
            else:
                step = plan.send(result)
    except StopIteration as stop:
        return stop.value
    finally:
        plan.close()
