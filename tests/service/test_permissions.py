"""`PermHook`: whose rows a session sees and changes, wherever the mix-in stands."""

from __future__ import annotations

from typing import Any

import pytest

from rowstead import DB
from rowstead.service import (
    DuplicateError,
    NotFound,
    PermHook,
    Session,
    SQLService,
    UsageError,
    ValidationError,
    session,
)
from service.services import Tasks, ids, some
from service.tables import projects

Perms = SQLService[int, dict[str, Any]]


class Before(PermHook, Tasks):
    service_name = "tasks"


class Behind(Tasks, PermHook):
    service_name = "tasks"


@pytest.fixture(params=[Before, Behind])
async def service(request: pytest.FixtureRequest, db: DB) -> Perms:
    """Rows 1 to 3 of user 1, 4 to 6 of user 2, 7 of nobody; the mix-in before and behind."""
    rows = [{**row, "user_id": {0: 1, 1: 2, 2: None}[row["id"] // 4 + (row["id"] == 7)]} for row in some(7)]
    await Tasks(db).m_create(rows, columns=[])
    return request.param(db)


async def owners(db: DB) -> list[Any]:
    return [row["user_id"] for row in (await Tasks(db).list(sort="id"))["data"] or []]


async def test_a_session_sees_its_own_rows(service: Perms) -> None:
    with session(user_id=1):
        assert ids((await service.list())["data"]) == [1, 2, 3]
        assert await service.count() == 3
        assert sorted(ids(await service.m_get([1, 4, 7]))) == [1]
        assert await service.m_exists([1, 4]) == frozenset({1})
        with pytest.raises(NotFound):
            await service.get(4)
        assert [ids(batch) async for batch in service.iter()] == [[1, 2, 3]]


async def test_a_session_changes_its_own_rows(service: Perms) -> None:
    with session(user_id=2):
        assert ids(await service.m_update([1, 4, 7], {"value": 90})) == [4]
        with pytest.raises(NotFound):
            await service.update(1, {"value": 90})
        with pytest.raises(NotFound):
            await service.delete(1)
        assert await service.m_delete([1, 5, 7], columns="id") == [{"id": 5}]
        assert len(await service.m_update([], {"value": 91}, "*") or []) == 2


async def test_without_a_session_and_for_the_systems_nothing_is_kept(service: Perms) -> None:
    assert await service.count() == 7
    assert len(await service.m_update([1, 4, 7], {"value": 90}) or []) == 3
    with session(user_id=1, system=True):
        assert await service.count() == 7
        assert (await service.update(4, {"user_id": 1}, columns="user_id")) == {"user_id": 1}


async def test_permissions_open_the_rows_of_others(service: Perms) -> None:
    with session(user_id=1, permissions={"tasks.view_others"}):
        assert await service.count() == 7
        with pytest.raises(NotFound):
            await service.update(4, {"value": 90})
    with session(user_id=1, permissions={"tasks.modify_others"}):
        assert await service.count() == 3
        # Changed, and not shown.
        assert await service.update(4, {"value": 90}) is None
        assert ids(await service.m_update([1, 5], {"value": 91})) == [1]
    with session(user_id=1, permissions={"other.view_others"}):
        assert await service.count() == 3


async def test_a_permission_may_have_another_name(db: DB, service: Perms) -> None:
    class Named(Before):
        permission_view = "all.see"
        permission_modify = "all.write"

    named = Named(db)
    with session(user_id=1, permissions={"all.see"}):
        assert await named.count() == 7
    with session(user_id=1, permissions={"tasks.view_others", "tasks.modify_others"}):
        assert await named.count() == 3
        with pytest.raises(ValidationError, match=r"'all\.write'"):
            await named.create({"id": 20, "name": "x", "user_id": 2})


async def test_somebody_who_has_not_said_who_they_are_sees_and_writes_nothing(service: Perms, db: DB) -> None:
    before = await owners(db)
    with session():
        assert await service.count() == 0
        assert (await service.list())["data"] == []
        with pytest.raises(NotFound):
            await service.get(7)
        with pytest.raises(NotFound):
            await service.update(7, {"value": 9})
        assert await service.m_update([], {"value": 9}, "*") == []
        assert await service.m_delete(conditions="*", columns="id") == []
        for row in ({"id": 20, "name": "x"}, {"id": 20, "name": "x", "user_id": 1}):
            with pytest.raises(ValidationError):
                await service.create(row)
    assert await owners(db) == before


async def test_a_new_row_is_the_sessions(service: Perms, db: DB) -> None:
    with session(user_id=1):
        assert await service.create({"id": 20, "name": "x"}, columns="user_id") == {"user_id": 1}
        rows = await service.m_create(
            [
                {"id": 21, "name": "y", "user_id": 1},
                {"id": 22, "name": "z", "user_id": None},
                {"id": 23, "name": "w"},
            ],
            columns=["user_id"],
        )
        assert rows == [{"user_id": 1}] * 3


async def test_a_row_of_somebody_else_needs_the_permission(service: Perms, db: DB) -> None:
    before = await owners(db)
    with session(user_id=1):
        for rows in (
            [{"id": 20, "name": "x", "user_id": 2}],
            [{"id": 20, "name": "x"}, {"id": 21, "name": "y", "user_id": 2}],
        ):
            with pytest.raises(ValidationError, match=r"'tasks\.modify_others'"):
                await service.m_create(rows)
    assert await owners(db) == before
    with session(user_id=1, permissions={"tasks.modify_others"}):
        assert await service.create({"id": 20, "name": "x", "user_id": 2}, columns=[]) is None
    assert await owners(db) == [*before, 2]


async def test_a_row_is_not_given_to_somebody_else(service: Perms, db: DB) -> None:
    before = await owners(db)
    with session(user_id=1):
        for value in (2, None):
            with pytest.raises(ValidationError, match="user_id"):
                await service.update(1, {"user_id": value})
            with pytest.raises(ValidationError, match="user_id"):
                await service.m_update([], {"user_id": value}, "*")
        assert await service.update(1, {"user_id": 1, "value": 3}, columns="value") == {"value": 3}
    assert await owners(db) == before


UPSERT: dict[str, Any] = {"on_conflict": "do_update", "on_conflict_keys": ["id"]}


async def test_service_k05_an_upsert_does_not_change_anothers_row(service: Perms, db: DB) -> None:
    before = await owners(db)
    with session(user_id=1):
        with pytest.raises(DuplicateError):
            await service.create({"id": 4, "name": "t4"}, **UPSERT, on_conflict_values={"value": 66})
        with pytest.raises(DuplicateError):
            await service.create({"id": 4, "name": "t4"}, **UPSERT, on_conflict_values={"user_id": 1})
        with pytest.raises(ValidationError):
            await service.create({"id": 1, "name": "t1"}, **UPSERT, on_conflict_values={"user_id": 2})
        row = await service.create({"id": 1, "name": "t1"}, **UPSERT, on_conflict_values={"value": 66})
        assert row is not None
        assert (row["id"], row["value"]) == (1, 66)
    assert await owners(db) == before
    assert await Tasks(db).count({"value": 66}) == 1


async def test_control_without_the_mix_in_the_row_is_changed(service: Perms, db: DB) -> None:
    with session(user_id=1):
        await Tasks(db).create({"id": 4, "name": "t4"}, **UPSERT, on_conflict_values={"value": 66})
        assert (await Tasks(db).get(4))["value"] == 66


async def test_a_prepared_row_is_held_to_it_too(db: DB) -> None:
    class Prepares(Before):
        def prepare_insert_data(self, data: dict[str, Any]) -> dict[str, Any]:
            return {**data, "user_id": 99}

    with session(user_id=1), pytest.raises(ValidationError, match="user_id"):
        await Prepares(db).create({"id": 1, "name": "a"})


async def test_another_column_may_hold_the_user(db: DB) -> None:
    class ByHash(PermHook, Tasks):
        permission_column = "hash"

    await Tasks(db).m_create(some(3), columns=[])
    with session(user_id="secret 2"):
        assert ids((await ByHash(db).list())["data"]) == [2]


async def test_a_table_without_the_column_is_a_mistake(db: DB) -> None:
    class OfProjects(PermHook, SQLService[int, dict[str, Any]]):
        table = projects
        permission_column = "titel"

    with session(user_id=1), pytest.raises(UsageError, match="did you mean 'title'"):
        await OfProjects(db).count()


async def test_a_session_may_be_given_whole(service: Perms) -> None:
    with session(Session(user_id=2)):
        assert await service.count() == 3
        with session(user_id=1):
            assert ids((await service.list())["data"]) == [1, 2, 3]
        assert ids((await service.list())["data"]) == [4, 5, 6]
