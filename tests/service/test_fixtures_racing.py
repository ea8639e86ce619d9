"""Two that have both seen a table empty, and then both fill it: its rows are there once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from rowstead import DB
from rowstead.service import FixtureService, fixture_loading, fixtures
from rowstead.session import Session
from service.conftest import Place
from service.services import Readings, Tasks

R = TypeVar("R")

pytestmark = pytest.mark.parametrize("place", ["asyncpg", "psycopg", "mariadb"], indirect=True)
"""SQLite has one writer: there the second cannot look while the first writes."""


@pytest.fixture
async def other(db: DB, place: Place) -> AsyncIterator[DB]:
    """A second handle, as another process has one."""
    async with await DB.from_url(place.url) as other:
        yield other


@pytest.fixture
def both_have_looked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody writes before both have seen the table empty in a transaction."""
    look = fixture_loading.is_empty
    barrier = asyncio.Barrier(2)
    looks = 0

    async def look_and_wait(session: Session, service: Any) -> bool:
        nonlocal looks
        looks += 1
        first = looks <= 2
        found = await look(session, service)
        if first:
            assert found
            await barrier.wait()
        return found

    monkeypatch.setattr(fixture_loading, "is_empty", look_and_wait)


async def load(db: DB, folder: Path) -> dict[str, int]:
    services = [Readings(db, name="readings"), Tasks(db, name="tasks")]
    return await FixtureService(services=services, root_dir=folder).load()


ROWS = [{"place": f"p{n}", "amount": n} for n in range(50)]


async def test_without_any_key_the_rows_are_there_once(
    db: DB, other: DB, tmp_path: Path, both_have_looked: None
) -> None:
    (tmp_path / "readings.json").write_text(json.dumps(ROWS))
    told = await asyncio.gather(load(db, tmp_path), load(other, tmp_path))
    assert await Readings(db).count() == 50
    assert sorted(map(len, told)) == [0, 1]


async def test_a_duplicate_key_of_the_others_rows_is_no_error(
    db: DB, other: DB, tmp_path: Path, both_have_looked: None
) -> None:
    (tmp_path / "tasks.json").write_text(json.dumps([{"id": n, "name": f"t{n}"} for n in range(1, 51)]))
    told = await asyncio.gather(load(db, tmp_path), load(other, tmp_path))
    assert await Tasks(db).count() == 50
    assert sorted(map(len, told)) == [0, 1]


async def test_control_each_by_itself_they_fill_it_twice(
    db: DB, other: DB, tmp_path: Path, both_have_looked: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Apart(fixture_loading.Load):
        async def _in_transaction(self, function: Callable[[Session], Awaitable[R]]) -> R:
            return await function(self._database)

    monkeypatch.setattr(fixtures, "Load", Apart)
    (tmp_path / "readings.json").write_text(json.dumps(ROWS))
    await asyncio.gather(load(db, tmp_path), load(other, tmp_path))
    assert await Readings(db).count() == 100


@pytest.mark.parametrize("settings", [{"upsert": True}, {"empty_tables_only": False}])
async def test_many_that_bring_the_same_rows_by_their_keys_all_succeed(
    place: Place, db: DB, tmp_path: Path, settings: dict[str, bool]
) -> None:
    (tmp_path / "tasks.json").write_text(json.dumps([{"id": n, "name": f"t{n}"} for n in range(1, 31)]))

    async def start() -> dict[str, int]:
        async with await DB.from_url(place.url, max_size=1) as own:
            fixtures = FixtureService(services=[Tasks(own, name="tasks")], root_dir=tmp_path, **settings)
            return await fixtures.load()

    assert await asyncio.gather(*(start() for _ in range(16))) == [{"tasks": 30}] * 16
    assert await Tasks(db).count() == 30
