"""SIGTERM and Ctrl-C for a command that runs until it is told to end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any

ENDING = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def first_signal() -> Generator[asyncio.Future[signal.Signals]]:
    """A future of the first signal that asks the process to end. A second one cancels the task itself.

    For the main thread, in a coroutine; the handlers that were there before come back at the end.
    """
    loop = asyncio.get_running_loop()
    first: asyncio.Future[signal.Signals] = loop.create_future()
    task = asyncio.current_task()

    def received(number: int) -> None:
        if not first.done():
            first.set_result(signal.Signals(number))
        elif task is not None:
            task.cancel()

    def handler(number: int, _frame: FrameType | None) -> None:
        # Called between any two instructions: the loop is only told.
        loop.call_soon_threadsafe(received, number)

    before: dict[signal.Signals, Any] = {each: signal.signal(each, handler) for each in ENDING}
    try:
        yield first
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
