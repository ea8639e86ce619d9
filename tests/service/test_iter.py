"""Batches: every row exactly once, for any limit, also while rows come and go."""

from __future__ import annotations

from typing import Any

import pytest

from rowstead import DB
from rowstead.service import SQLService, ValidationError, session
from service.conftest import Sent
from service.services import Members, Tasks, ids, some
from service.tables import tasks


async def filled(db: DB, number: int) -> Tasks:
    service = Tasks(db)
    await service.m_create(some(number), columns=[])
    return service


async def batches(found: Any) -> list[list[Any]]:
    return [ids(batch) async for batch in found]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 10, 11, 100])
async def test_every_row_comes_once_for_any_limit(db: DB, limit: int) -> None:
    service = await filled(db, 10)
    found = await batches(service.iter(limit=limit, columns=["id"]))
    assert [n for batch in found for n in batch] == list(range(1, 11))
    assert [len(batch) for batch in found if len(batch) != limit] == ([10 % limit] if 10 % limit else [])


@pytest.mark.parametrize(
    "sort", ["value", "-value", "user_id", [{"desc": "active"}, {"asc": "name"}]], ids=str
)
async def test_every_row_comes_once_for_any_sort(db: DB, sort: Any) -> None:
    service = await filled(db, 10)
    await service.m_update([1, 4, 5], {"value": None, "user_id": 3}, columns=[])
    found = await batches(service.iter(sort=sort, limit=3))
    assert sorted(n for batch in found for n in batch) == list(range(1, 11))
    listed = await service.list(sort=sort, limit=100)
    assert [n for batch in found for n in batch] == ids(listed["data"])


async def test_service_k03_no_row_is_lost_over_the_largest_limit(db: DB) -> None:
    class Bounded(SQLService[int, dict[str, Any]]):
        table = tasks
        MAX_ROW_LIMIT = 100

    await filled(db, 252)
    service = Bounded(db)
    for limit in (200, 500, 10**9):
        found = await batches(service.iter(limit=limit))
        assert [len(batch) for batch in found] == [100, 100, 52]
        assert len({n for batch in found for n in batch}) == 252


@pytest.mark.parametrize(("offset", "limit"), [(10, 10), (5, 10), (0, 10), (19, 1), (20, 10), (40, 10)])
async def test_service_k03_an_offset_repeats_nothing(db: DB, offset: int, limit: int) -> None:
    service = await filled(db, 20)
    found = await batches(service.iter(offset=offset, limit=limit, columns=["id"]))
    assert [n for batch in found for n in batch] == list(range(offset + 1, 21))


async def test_service_k03_deleting_meanwhile_skips_nothing(db: DB) -> None:
    service = await filled(db, 20)
    seen: list[int] = []
    async for batch in service.iter(limit=3):
        seen += ids(batch)
        await service.m_delete(ids(batch))
    assert seen == list(range(1, 21))
    assert await service.count() == 0


async def test_inserting_behind_meanwhile_repeats_nothing(db: DB) -> None:
    service = await filled(db, 20)
    seen: list[int] = []
    async for batch in service.iter(sort="-id", limit=6):
        seen += ids(batch)
        await service.create({"id": 100 + len(seen), "name": f"new {len(seen)}"})
    assert seen == list(range(20, 0, -1))


async def test_control_pages_by_offset_lose_rows_when_some_are_deleted(db: DB) -> None:
    service = await filled(db, 20)
    seen: list[int] = []
    for offset in range(0, 20, 5):
        rows = ids((await service.list(offset=offset, limit=5))["data"])
        seen += rows
        await service.m_delete(conditions={"id": {"in": rows}})
    assert sorted(seen) != list(range(1, 21))


async def test_there_is_no_empty_batch(db: DB) -> None:
    service = await filled(db, 10)
    assert await batches(service.iter({"id": 99})) == []
    assert [len(b) for b in await batches(service.iter(limit=5))] == [5, 5]


async def test_service_k03_no_limit_is_the_usual_one(db: DB) -> None:
    service = await filled(db, 30)
    assert [len(b) for b in await batches(service.iter(limit=None))] == [24, 6]
    assert [len(b) for b in await batches(service.iter())] == [24, 6]


@pytest.mark.parametrize("wrong", [0, -1, "x", 1.5, True])
async def test_a_limit_that_is_none_is_refused(db: DB, wrong: Any) -> None:
    with pytest.raises(ValidationError, match="limit"):
        await batches(Tasks(db).iter(limit=wrong))
    with pytest.raises(ValidationError, match="offset"):
        await batches(Tasks(db).iter(offset=-1))


@pytest.mark.parametrize("columns", [None, []])
async def test_no_columns_give_nothing(db: DB, sent: Sent, columns: Any) -> None:
    service = await filled(db, 3)
    sent.clear()
    assert await batches(service.iter(columns=columns)) == []
    assert sent == []


async def test_columns_that_the_walk_needs_are_not_given(db: DB) -> None:
    service = await filled(db, 4)
    found = [b async for b in service.iter(sort="-value", limit=3, columns=["name"])]
    assert found == [[{"name": "t4"}, {"name": "t3"}, {"name": "t2"}], [{"name": "t1"}]]


async def test_a_composite_key_is_walked(db: DB) -> None:
    service = Members(db)
    await service.m_create([{"project": p, "person": n} for p in (1, 2, 3) for n in "abc"], columns=[])
    found = [b async for b in service.iter(limit=4)]
    assert [len(b) for b in found] == [4, 4, 1]
    assert len({(row["project"], row["person"]) for b in found for row in b}) == 9


async def test_a_mistake_is_raised_by_the_call(db: DB) -> None:
    with pytest.raises(ValidationError):
        Tasks(db).iter({"nmae": 1})


async def test_a_walk_sees_what_its_session_could_when_it_was_asked_for(db: DB) -> None:
    class Own(Tasks):
        def get_condition_hook(self, sql: Any) -> Any:
            current = self.get_session()
            return sql if current is None else sql.where(tasks.c.user_id == current.user_id)

    service = Own(db)
    await service.m_create([{"name": "a", "user_id": 1}, {"name": "b", "user_id": 2}], columns=[])
    with session(user_id=1):
        found = service.iter(columns=["name"])
    assert [b async for b in found] == [[{"name": "a"}]]
