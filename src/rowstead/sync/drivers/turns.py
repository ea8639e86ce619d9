# Generated from rowstead/drivers/turns.py by scripts/make_sync.py; do not edit.
"""One at a time, in order of arrival, on a single connection that a user brought.

Knows who has the turn and nothing of what is done with it.
"""

from __future__ import annotations

from rowstead.errors import PoolTimeout, UsageError
from rowstead.sync.waiting import Waiter, mutex, owner, owner_name


class Turns:
    """A queue for one connection. `take` waits its turn, `give` never waits."""

    def __init__(self, timeout: float | None = 30.0) -> None:
        self._timeout = timeout
        self._mutex = mutex()
        self._holder: object = None
        self._held = False
        self._queue: dict[Waiter[bool], object] = {}

    def take(self) -> None:
        """Wait for the turn.

        Raises UsageError where the caller has it already and would wait for itself, PoolTimeout
        after the time limit.
        """
        me = owner()
        with self._mutex:
            if not self._held:
                self._held = True
                self._holder = me
                return
            holder = self._holder
            if holder is not None and (holder is me or holder == me):
                raise UsageError(
                    f"{owner_name(me)} already uses this connection and would wait for itself for ever: "
                    "inside a transaction block use its own handle (`tx`), not the outer one"
                )
            waiter = Waiter[bool]()
            self._queue[waiter] = me
        try:
            waiter.wait(self._timeout)
        except BaseException as error:
            with self._mutex:
                self._queue.pop(waiter, None)
                given = bool(waiter.value)
            if given and isinstance(error, TimeoutError):
                return
            if given:
                self.give()
            if isinstance(error, TimeoutError):
                name = owner_name(holder) if holder is not None else "nobody: it is being put right"
                raise PoolTimeout(
                    f"the connection did not become free within {self._timeout:g} s; it is used by {name}"
                ) from None
            raise

    def keep(self) -> None:
        """The holder is done, but the connection is still being put right: nobody has the turn."""
        with self._mutex:
            self._holder = None

    def give(self) -> None:
        """Pass the turn on to the first who still waits."""
        with self._mutex:
            for waiter in list(self._queue):
                me = self._queue.pop(waiter)
                if waiter.set(True):
                    self._holder = me
                    return
            self._held = False
            self._holder = None
