# Generated from rowstead/drivers/pool.py by scripts/make_sync.py; do not edit.
"""A pool of connections: who may use which, in what order, and in what state each is handed on.

Only the book-keeping: it asks connections for `dirty`, `in_transaction`, `is_closed`, `ping`,
`reset`, `close` and `terminate` and must not know what they speak. There is no background thread in
the plain case; connections are checked when their turn comes.
"""

from __future__ import annotations

import random
from collections import OrderedDict, deque
from collections.abc import Callable
from time import monotonic
from typing import Any, Generic, TypeVar

from rowstead.drivers.slots import Slot, named
from rowstead.errors import HandleClosed, PoolTimeout, RowsteadError, UnreachableError, UsageError
from rowstead.sync.drivers.base import Poolable
from rowstead.sync.waiting import Waiter, in_background, mutex, owner, owner_name, within

CHECK_AFTER_IDLE = 30.0
"""Seconds after which an idle connection is asked whether it still lives before its next turn."""
MEND_TIMEOUT = 5.0
"""Seconds in which a connection must be back in order, or closed; longer, and it is dropped."""


C = TypeVar("C", bound=Poolable)


class Pool(Generic[C]):
    """Lends connections, the most recently used first, to those who ask in their order of arrival.

    `connect` makes a connection and raises errors of ours. `acquire` waits `acquire_timeout`
    seconds at most. A connection with `dirty` set is reset before its next turn, one that was idle
    for long, or that stood by when another broke, is pinged; what fails is replaced.
    """

    def __init__(
        self,
        connect: Callable[[], C],
        *,
        min_size: int = 1,
        max_size: int = 10,
        acquire_timeout: float | None = 30.0,
        max_lifetime: float | None = 3600.0,
        max_idle: float | None = 600.0,
        close_timeout: float = 5.0,
    ) -> None:
        self._connect = connect
        self.min_size = min_size
        self.max_size = max_size
        self.acquire_timeout = acquire_timeout
        self._max_lifetime = max_lifetime
        self._max_idle = max_idle if max_idle is not None else float("inf")
        self._close_timeout = close_timeout
        self._mutex = mutex()
        self._free: deque[Slot[C]] = deque()
        self._lent: dict[C, Slot[C]] = {}
        # Invariant: while anybody queues, no slot is free and all `max_size` slots exist.
        self._queue: OrderedDict[Waiter[Slot[C] | HandleClosed], None] = OrderedDict()
        self._size = 0
        self._breaks = 0
        self._closed = False
        self._drained: Waiter[bool] | None = None
        self._tasks: set[Any] = set()

    @property
    def size(self) -> int:
        """Connections that exist or are being made."""
        return self._size

    @property
    def idle(self) -> int:
        return len(self._free)

    @property
    def waiting(self) -> int:
        return len(self._queue)

    @property
    def crowded(self) -> bool:
        """Whether a newcomer would have to wait until somebody gives a connection back."""
        return not self._free and self._size >= self.max_size and not self._closed

    @property
    def is_closed(self) -> bool:
        return self._closed

    def holds(self, who: object) -> bool:
        """Whether this owner has a connection of this pool."""
        with self._mutex:
            return who in [slot.owner for slot in self._lent.values()]

    def open(self) -> None:
        """Make `min_size` connections now, so that a wrong address is known at once.

        When that fails the pool is closed.
        """
        made: list[C] = []
        try:
            while self._size < self.min_size:
                made.append(self.acquire())
        except BaseException:
            for connection in made:
                self.release(connection)
            self.close()
            raise
        for connection in made:
            self.release(connection)

    def at_hand(self) -> C | None:
        """A connection that is free and ready, lent at once; None where `acquire` has to wait for one."""
        with self._mutex:
            if not self._free:
                return None
            slot = self._free[-1]
            connection = slot.connection
            now = monotonic()
            if (
                connection is None
                or connection.dirty
                or slot.checked != self._breaks
                or now - slot.idle_since >= CHECK_AFTER_IDLE
                or now >= slot.expires
                or connection.is_closed
            ):
                return None
            self._free.pop()
            slot.owner = owner()
            slot.since = now
            self._lent[connection] = slot
            return connection

    def acquire(self) -> C:
        """A connection for the caller's sole use, ready for work.

        Raises PoolTimeout, HandleClosed, UsageError when the caller would wait for itself, and
        whatever `connect` raises.
        """
        ready = self.at_hand()
        if ready is not None:
            return ready
        me = owner()
        with self._mutex:
            turn = self._free.pop() if self._free else self._join(me)
        deadline = None if self.acquire_timeout is None else monotonic() + self.acquire_timeout
        slot = turn if isinstance(turn, Slot) else self._queued(turn)
        return self._prepare(slot, me, deadline)

    def release(self, connection: C, suspect: bool = False) -> None:
        """Give a connection back, without waiting.

        `suspect`: it may be in the middle of something; it is put right, or dropped, behind the
        caller's back before anybody else gets it.
        """
        now = monotonic()
        old = None
        with self._mutex:
            slot = self._lent.pop(connection, None)
            if slot is None:
                raise UsageError("this connection was not lent by this pool, or was given back before")
            slot.owner = None
            slot.idle_since = now
            mend = suspect or self._closed or connection.in_transaction or connection.is_closed
            if not mend:
                if self._queue:
                    self._pass_on(slot)
                else:
                    self._free.append(slot)
                    # The least recently used stands first: if that one is young enough, all are.
                    if self._size > self.min_size and now - self._free[0].idle_since > self._max_idle:
                        old = self._free.popleft().connection
                        self._size -= 1
        if mend:
            self._mend_or_drop(slot, connection)
        elif old is not None:
            self._drop_politely(old)

    def close(self) -> None:
        """Refuse newcomers, close what is idle, give those at work a bounded time, drop the rest."""
        me = owner()
        with self._mutex:
            self._closed = True
            while self._queue:
                waiter, _ = self._queue.popitem(last=False)
                waiter.set(_closed_error())
            idle = [slot.connection for slot in self._free if slot.connection is not None]
            self._size -= len(self._free)
            self._free.clear()
            drained = None
            others = self._size - sum(slot.owner == me for slot in self._lent.values())
            if others > 0:
                drained = self._drained = Waiter[bool]()
        for connection in idle:
            self._goodbye(connection)
        if drained is not None:
            try:
                drained.wait(self._close_timeout)
            except TimeoutError:
                pass
        for connection in list(self._lent):
            connection.terminate()

    def holders(self) -> list[tuple[str, float]]:
        """Who holds connections and since how many seconds, the longest first."""
        now = monotonic()
        with self._mutex:
            held = [(slot.since, slot.owner) for slot in self._lent.values()]
        return [(owner_name(who), now - since) for since, who in sorted(held, key=lambda h: h[0])]

    # ── inside, under the mutex ──────────────────────────────────────────────────────────────

    def _join(self, me: object) -> Slot[C] | Waiter[Slot[C] | HandleClosed]:
        """The right to make a connection, else a place in the queue."""
        if self._closed:
            raise _closed_error()
        if self._size < self.max_size:
            self._size += 1
            return Slot[C]()
        if len(self._lent) == self.max_size and all(slot.owner == me for slot in self._lent.values()):
            count = "the only connection" if self.max_size == 1 else f"all {self.max_size} connections"
            raise UsageError(
                f"{owner_name(me)} already holds {count} and would wait for itself for ever: inside a "
                "transaction block use its own handle (`tx`), not the outer one, or raise max_size"
            )
        waiter: Waiter[Slot[C] | HandleClosed] = Waiter()  # `Waiter[…]()` costs ten times as much
        self._queue[waiter] = None
        return waiter

    def _pass_on(self, slot: Slot[C]) -> None:
        """Give a slot to the first who still waits; else keep its connection, or let it go."""
        if not self._closed:
            while self._queue:
                waiter, _ = self._queue.popitem(last=False)
                if waiter.set(slot):
                    return
            if slot.connection is not None:
                self._free.append(slot)
                return
        self._size -= 1
        if self._drained is not None and self._size <= 0:
            self._drained.set(True)

    # ── inside, without the mutex ────────────────────────────────────────────────────────────

    def _queued(self, waiter: Waiter[Slot[C] | HandleClosed]) -> Slot[C]:
        try:
            result = waiter.wait(self.acquire_timeout)
        except BaseException as error:
            with self._mutex:
                self._queue.pop(waiter, None)
                result = waiter.value
                if isinstance(result, Slot) and not isinstance(error, TimeoutError):
                    self._pass_on(result)
            if not isinstance(error, TimeoutError):
                raise
            if result is None:
                raise self.timed_out() from None
        if isinstance(result, HandleClosed):
            raise result
        return result

    def _prepare(self, slot: Slot[C], me: object, deadline: float | None) -> C:
        """Bring a slot's connection in order, or make it a new one, and lend it."""
        try:
            left = None if deadline is None else deadline - monotonic()
            if slot.connection is not None and not self._is_fit(slot, slot.connection, left):
                slot.connection = None
            if slot.connection is None:
                left = None if deadline is None else max(deadline - monotonic(), 0.001)
                slot.connection = self._make(left)
                slot.expires = monotonic() + self._lifetime()
                slot.checked = self._breaks
        except BaseException:
            # Cut off in the middle of a reset, a connection is of no use to the next one.
            if slot.connection is not None:
                slot.connection.terminate()
                slot.connection = None
            with self._mutex:
                self._pass_on(slot)
            raise
        connection = slot.connection
        with self._mutex:
            slot.owner = me
            slot.since = monotonic()
            self._lent[connection] = slot
        return connection

    def _is_fit(self, slot: Slot[C], connection: C, left: float | None) -> bool:
        now = monotonic()
        if connection.is_closed:
            self._broken(connection)
            return False
        if now >= slot.expires:
            self._drop_politely(connection)
            return False
        checked = self._breaks
        limit = MEND_TIMEOUT if left is None else max(min(left, MEND_TIMEOUT), 0.001)
        try:
            if connection.dirty:
                within(limit, _clean(connection))
            elif slot.checked != checked or now - slot.idle_since >= CHECK_AFTER_IDLE:
                within(limit, connection.ping())
        except Exception:
            self._broken(connection)
            return False
        slot.checked = checked
        return True

    def _make(self, left: float | None) -> C:
        try:
            return within(left, self._connect())
        except RowsteadError:
            raise
        except TimeoutError as error:
            raise UnreachableError("no connection could be made within the time allowed") from error

    def _mend_or_drop(self, slot: Slot[C], connection: C) -> None:
        def drop() -> None:
            connection.terminate()
            slot.connection = None
            with self._mutex:
                self._pass_on(slot)

        if connection.is_closed:
            self._breaks += 1
            drop()
        elif not in_background(self._mend(slot, connection), self._tasks, drop):
            drop()

    def _mend(self, slot: Slot[C], connection: C) -> None:
        if self._closed:
            self._goodbye(connection)
            slot.connection = None
        else:
            try:
                within(MEND_TIMEOUT, _clean(connection))
            except Exception:
                self._broken(connection)
                slot.connection = None
        slot.idle_since = monotonic()
        with self._mutex:
            if self._closed and slot.connection is not None:
                connection.terminate()
                slot.connection = None
            self._pass_on(slot)

    def _broken(self, connection: C) -> None:
        """One broken connection makes all that now stand idle suspect."""
        self._breaks += 1
        connection.terminate()

    def _drop_politely(self, connection: C) -> None:
        if not in_background(self._goodbye(connection), self._tasks, connection.terminate):
            connection.terminate()

    def _goodbye(self, connection: C) -> None:
        try:
            within(MEND_TIMEOUT, connection.close())
        except Exception:
            connection.terminate()

    def _lifetime(self) -> float:
        # Jittered, so that connections made together do not end together.
        if self._max_lifetime is None:
            return float("inf")
        return self._max_lifetime * random.uniform(0.8, 1.0)

    def timed_out(self) -> PoolTimeout:
        """The error of who waited in vain: it names who holds the connections."""
        return PoolTimeout(
            f"no connection became free within {self.acquire_timeout:g} s; of {self.max_size} are held by: "
            f"{named(self.holders())}. Hold them shorter, or raise max_size"
        )


def _clean(connection: Poolable) -> None:
    """Reset. What would be left of a transaction would swallow the next one's writes."""
    connection.reset()
    if connection.in_transaction:
        # A driver may learn only now that a BEGIN which was cancelled had begun all the same.
        connection.reset()
    connection.dirty = False


def _closed_error() -> HandleClosed:
    return HandleClosed("this database handle is closed; open a new one")
