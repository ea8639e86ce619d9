"""An application is stopped by what it contains; what needs a service that failed is not started."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import pytest

from rowstead.service import App, Service, UsageError


class StopsAll(Service):
    async def close(self) -> None:
        assert self.app is not None
        await self.app.stop()


class WaitsForAWorker(Service):
    """Its worker stops the application when it ends."""

    closed = 0

    async def init(self) -> None:
        self.ends = asyncio.Event()
        self.worker = asyncio.create_task(self.work())

    async def work(self) -> None:
        assert self.app is not None
        await self.ends.wait()
        await self.app.stop()

    async def close(self) -> None:
        self.ends.set()
        await self.worker
        WaitsForAWorker.closed += 1


class Slow(Service):
    async def close(self) -> None:
        await asyncio.sleep(0.05)


def app_of(*classes: Any) -> App:
    return App.from_dict({"services": [{"cls": cls, "name": cls.__name__.lower()} for cls in classes]})


async def test_a_service_may_stop_the_application_while_it_is_closed() -> None:
    before = WaitsForAWorker.closed
    app = app_of(StopsAll, WaitsForAWorker, Slow)
    async with asyncio.timeout(20):
        for _ in range(2):
            async with app:
                assert len(app.services) == 3
            assert len(app.services) == 0
    assert WaitsForAWorker.closed == before + 2


async def test_whoever_is_no_part_of_it_waits_until_it_is_stopped() -> None:
    app = app_of(Slow)
    await app.start()
    stopping = asyncio.create_task(app.stop())
    await asyncio.sleep(0)
    await app.stop()
    assert len(app.services) == 0
    await stopping


class Needs(Service):
    """Has found another in `prepare`."""

    started: ClassVar[list[str]] = []

    def prepare(self) -> None:
        self.other = self.discover(None, Fails)

    async def init(self) -> None:
        self.started.append(self.name)


class Fails(Service):
    async def init(self) -> None:
        raise LookupError("not today")


async def test_what_needs_a_service_that_was_left_out_is_not_started_either() -> None:
    Needs.started.clear()
    entries = [{"cls": Fails, "name": "fails", "required": False}, {"cls": Needs, "name": "needs"}]
    with pytest.raises(UsageError, match="needs needs fails, which could not be started"):
        await App.from_dict({"services": entries}).start()
    entries[1]["required"] = False
    async with App.from_dict({"services": [*entries, {"cls": Slow, "name": "slow"}]}) as app:
        assert [*app.services] == ["slow"]
    assert Needs.started == []
