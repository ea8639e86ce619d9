"""The words of waiting, in both worlds."""

from __future__ import annotations

import asyncio
import threading

import pytest

from rowstead import waiting
from rowstead.sync import waiting as sync_waiting


async def test_a_lock_serves_in_order_of_arrival() -> None:
    lock = waiting.Lock()
    served: list[int] = []

    async def use(number: int) -> None:
        async with lock:
            await asyncio.sleep(0)
            served.append(number)

    await asyncio.gather(*(use(number) for number in range(50)))
    assert served == list(range(50))
    assert not lock.locked


async def test_a_lock_handed_to_a_cancelled_task_goes_to_the_next() -> None:
    lock = waiting.Lock()
    await lock.acquire()
    first, second = (asyncio.create_task(lock.acquire()) for _ in range(2))
    await asyncio.sleep(0)
    lock.release()
    first.cancel()
    await second
    assert first.cancelled()
    assert lock.locked
    lock.release()
    assert not lock.locked


async def test_finish_runs_to_the_end_and_then_cancels() -> None:
    done: list[str] = []
    go_on = asyncio.Event()

    async def commit() -> str:
        await go_on.wait()
        done.append("commit")
        return "result"

    task = asyncio.create_task(waiting.finish(commit()))
    for _ in range(3):
        await asyncio.sleep(0)
        task.cancel()
    assert not task.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == ["commit"]
    assert await waiting.finish(commit()) == "result"


async def test_finish_raises_what_went_wrong_and_tells_it_under_a_cancellation() -> None:
    go_on = asyncio.Event()

    async def fail() -> None:
        await go_on.wait()
        raise ValueError("no")

    task = asyncio.create_task(waiting.finish(fail()))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(ValueError, match="no"):
        await waiting.finish(fail())


async def test_a_wait_ends_by_its_time_limit_and_refuses_what_comes_later() -> None:
    waiter = waiting.Waiter[int]()
    with pytest.raises(TimeoutError):
        await waiter.wait(0.001)
    assert (waiter.set(1), waiter.value) == (False, None)
    with pytest.raises(TimeoutError):
        await waiting.within(0.001, asyncio.Event().wait())


def test_work_in_the_background_without_a_loop_is_not_begun() -> None:
    async def never() -> None:
        raise AssertionError

    assert waiting.in_background(never(), set(), lambda: None) is False


def test_a_lock_for_threads_is_held_by_one_at_a_time() -> None:
    lock = sync_waiting.Lock()
    inside: list[int] = []
    most: list[int] = []

    def use(number: int) -> None:
        for _ in range(200):
            with lock:
                inside.append(number)
                most.append(len(inside))
                inside.remove(number)

    threads = [threading.Thread(target=use, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(most), max(most), lock.locked) == (1600, 1, False)


def test_both_worlds_have_the_same_words() -> None:
    words = {"Lock", "Waiter", "finish", "in_background", "mutex", "owner", "owner_name", "sleep", "within"}
    for world in (waiting, sync_waiting):
        assert words <= set(vars(world))
