"""A handle of the synchronous world, awaited like one of the other: its calls run in a thread of its own.

So one script, one stage and one judge serve both worlds. A transaction belongs to the thread that began
it, hence each handle has one thread, and all that is asked of it happens there in turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from rowstead.sync import DB

T = TypeVar("T")


class InThread:
    """`rowstead.sync.DB`, or a transaction's handle, whose verbs are awaited; its properties are its own."""

    def __init__(self, handle: DB, thread: ThreadPoolExecutor) -> None:
        self.handle = handle
        self._thread = thread

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.handle, name)
        if not callable(found):
            return found

        async def call(*arguments: Any, **options: Any) -> Any:
            return await run(self._thread, lambda: found(*arguments, **options))

        return call

    @asynccontextmanager
    async def transaction(self, **options: Any) -> AsyncIterator[InThread]:
        block = self.handle.transaction(**options)
        inner = await run(self._thread, block.__enter__)
        try:
            yield InThread(inner, self._thread)
        except BaseException as caught:
            error = caught
            await run(self._thread, lambda: block.__exit__(type(error), error, error.__traceback__))
            raise
        await run(self._thread, lambda: block.__exit__(None, None, None))


async def run(thread: ThreadPoolExecutor, function: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(thread, function)


@asynccontextmanager
async def in_threads(url: str, threads: int = 1, **options: Any) -> AsyncIterator[list[InThread]]:
    """One synchronous handle, used by so many threads."""
    pools = [ThreadPoolExecutor(1, thread_name_prefix=f"T{number + 1}") for number in range(threads)]
    try:
        db = await run(pools[0], lambda: DB.from_url(url, **options))
        try:
            yield [InThread(db, pool) for pool in pools]
        finally:
            await run(pools[0], db.close)
    finally:
        for pool in pools:
            pool.shutdown()
