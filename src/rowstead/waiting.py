"""Waiting, the only thing that the two worlds do differently by hand; here asynchronously.

`rowstead.sync.waiting` has the same names for threads, and everything that waits is written on top
of them, so that `scripts/make_sync.py` can turn it into its synchronous twin. This module knows
nothing of databases.
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine
from types import TracebackType
from typing import Any, Generic, TypeVar

T = TypeVar("T")

sleep = asyncio.sleep
owner = asyncio.current_task
"""Who holds things: the running task."""


def owner_name(holder: object) -> str:
    """What to call an owner in a message."""
    return holder.get_name() if isinstance(holder, asyncio.Task) else "code outside any task"


def mutex() -> threading.Lock:
    """Guards book-keeping for moments in which nobody waits.

    A real lock here too: taken without contention it costs less than a Python no-op.
    """
    return threading.Lock()


class Waiter(Generic[T]):
    """A one-shot hand-over: one side waits, the other sets a value, once.

    When a wait ends by time-out or cancellation, `value` tells whether a value came in the last
    moment (it is then the waiter's to give back).
    """

    __slots__ = ("_future", "_loop", "value")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._future: asyncio.Future[T] = self._loop.create_future()
        self.value: T | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether a value would still reach somebody."""
        return not self._future.done()

    def set(self, value: T) -> bool:
        """Hand `value` over. False when nobody waits any more: it is still the caller's."""
        if self._future.done():
            return False
        self.value = value
        self._future.set_result(value)
        return True

    async def wait(self, timeout: float | None = None) -> T:
        """The value, or TimeoutError after `timeout` seconds."""
        if timeout is None:
            return await self._future
        timer = self._loop.call_later(timeout, self.expire)
        try:
            return await self._future
        finally:
            timer.cancel()

    def expire(self) -> None:
        """End the wait with TimeoutError."""
        if not self._future.done():
            self._future.set_exception(TimeoutError())


class Lock:
    """A lock for `async with` that serves in order of arrival; cancellation never loses it."""

    __slots__ = ("_held", "_queue")

    def __init__(self) -> None:
        self._held = False
        self._queue: OrderedDict[Waiter[bool], None] = OrderedDict()

    @property
    def locked(self) -> bool:
        return self._held

    def take(self) -> bool:
        """Take it if it is free; False: `acquire` has to wait."""
        if self._held:
            return False
        self._held = True
        return True

    async def acquire(self) -> None:
        if self.take():
            return
        waiter: Waiter[bool] = Waiter()
        self._queue[waiter] = None
        try:
            await waiter.wait()
        except BaseException:
            self._queue.pop(waiter, None)
            if waiter.value:
                self.release()
            raise

    def release(self) -> None:
        while self._queue:
            waiter, _ = self._queue.popitem(last=False)
            if waiter.set(True):
                return
        self._held = False

    async def __aenter__(self) -> None:
        await self.acquire()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


async def within(seconds: float | None, awaitable: Awaitable[T]) -> T:
    """Await, but no longer than `seconds` (None: without limit); then TimeoutError."""
    if seconds is None:
        return await awaitable
    async with asyncio.timeout(seconds):
        return await awaitable


async def finish(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run to the end even when the caller is cancelled meanwhile; the cancellation comes after."""
    task = asyncio.get_running_loop().create_task(coroutine)
    cancellation: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError as error:
            cancellation = error
    if cancellation is None:
        return task.result()
    if not task.cancelled() and task.exception() is not None:
        raise cancellation from task.exception()
    raise cancellation


def in_background(coroutine: Coroutine[Any, Any, None], registry: set[Any], lost: Callable[[], None]) -> bool:
    """Start `coroutine` (which must not raise) without waiting; `registry` keeps it until it ends.

    `lost` is called when it was cancelled before its end, and even before its beginning: a loop
    that shuts down does that. False where no loop runs: nothing was started.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        coroutine.close()
        return False
    task = loop.create_task(coroutine)
    registry.add(task)

    def ended(task: asyncio.Task[None]) -> None:
        registry.discard(task)
        if task.cancelled():
            lost()

    task.add_done_callback(ended)
    return True
