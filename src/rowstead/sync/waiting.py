"""Waiting, the only thing that the two worlds do differently by hand; here for threads.

The same names as `rowstead.waiting`. What is a coroutine there has already run when it is an
argument here, so the functions that take one only pass its result on: time limits of single calls
are the driver's business, and nothing can be cancelled.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from types import TracebackType
from typing import Any, Generic, TypeVar

T = TypeVar("T")

sleep = time.sleep
owner = threading.get_ident
"""Who holds things: the running thread."""


def owner_name(holder: object) -> str:
    """What to call an owner in a message."""
    for thread in threading.enumerate():
        if thread.ident == holder:
            return thread.name
    return "a thread that has ended"


def mutex() -> threading.Lock:
    """Guards book-keeping for moments in which nobody waits."""
    return threading.Lock()


class Waiter(Generic[T]):
    """A one-shot hand-over: one side waits, the other sets a value, once.

    When a wait ends by time-out, `value` tells whether a value came in the last moment (it is then
    the waiter's to give back). The caller's mutex must be held for `set` and for that look.
    """

    __slots__ = ("_gate", "value")

    def __init__(self) -> None:
        self._gate = threading.Lock()
        self._gate.acquire()
        self.value: T | None = None

    def set(self, value: T) -> bool:
        """Hand `value` over. False when it was set before."""
        if self.value is not None:
            return False
        self.value = value
        self._gate.release()
        return True

    def wait(self, timeout: float | None = None) -> T:
        """The value, or TimeoutError after `timeout` seconds."""
        reached = self._gate.acquire(timeout=-1 if timeout is None else max(timeout, 0))
        if not reached or self.value is None:
            raise TimeoutError
        return self.value


class Lock:
    """A lock for `with` that serves in order of arrival; an interrupted wait never loses it."""

    __slots__ = ("_held", "_mutex", "_queue")

    def __init__(self) -> None:
        self._held = False
        self._mutex = threading.Lock()
        self._queue: OrderedDict[Waiter[bool], None] = OrderedDict()

    @property
    def locked(self) -> bool:
        return self._held

    def take(self) -> bool:
        """Take it if it is free; False: `acquire` has to wait."""
        with self._mutex:
            if self._held:
                return False
            self._held = True
            return True

    def acquire(self) -> None:
        with self._mutex:
            if not self._held:
                self._held = True
                return
            waiter = Waiter[bool]()
            self._queue[waiter] = None
        try:
            waiter.wait()
        except BaseException:
            with self._mutex:
                self._queue.pop(waiter, None)
                mine = waiter.value
            if mine:
                self.release()
            raise

    def release(self) -> None:
        with self._mutex:
            while self._queue:
                waiter, _ = self._queue.popitem(last=False)
                if waiter.set(True):
                    return
            self._held = False

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def within(seconds: float | None, result: T) -> T:
    """The result: the call it bounds in the other world has its own time limit here."""
    return result


def finish(result: T) -> T:
    """The result: nothing can cancel a running call."""
    return result


def in_background(result: None, registry: set[Any], lost: Callable[[], None]) -> bool:
    """Nothing is left to do: the call has already run."""
    return True
