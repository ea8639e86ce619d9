"""Hooks that were overlooked once: whoever says something is heard, however its class came about."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
import sqlalchemy as sa

from rowstead import DB
from rowstead.service import PermHook, SQLService, UsageError, session
from service.services import Documents, Tasks, ids, some
from service.tables import tasks


class Quiet:
    """A mix-in that keeps a register of its classes, as people write them, and does not call `super()`."""

    classes: ClassVar[list[type]] = []

    def __init_subclass__(cls, **_options: Any) -> None:
        Quiet.classes.append(cls)


class QuietTasks(Tasks):
    def __init_subclass__(cls, **_options: Any) -> None:
        Quiet.classes.append(cls)


class Small:
    def get_condition_hook(self, sql: Any) -> Any:
        return sql.where(tasks.c.value < 3)

    def prepare_insert_data(self, data: Any) -> Any:
        return {**data, "expires": 1.0}


class InFront(Quiet, Tasks):
    get_condition_hook = Small.get_condition_hook
    prepare_insert_data = Small.prepare_insert_data


class Behind(QuietTasks, Small):
    pass


class Between(Small, QuietTasks):
    pass


@pytest.mark.parametrize("cls", [InFront, Behind, Between])
async def test_hooks_hold_whatever_is_done_when_the_class_is_made(
    db: DB, cls: Callable[[DB], SQLService[int, dict[str, Any]]]
) -> None:
    service = cls(db)
    rows = await service.m_create(some(4), columns=["id", "expires"])
    assert rows == [{"id": 1, "expires": 1.0}, {"id": 2, "expires": 1.0}]
    assert ids(await service.m_get(conditions="*", columns="id")) == [1, 2]
    assert await Tasks(db).count() == 4


async def test_permissions_hold_behind_such_a_class(db: DB) -> None:
    class Owned(QuietTasks, PermHook):
        pass

    await Tasks(db).create({"id": 1, "name": "a", "user_id": 3})
    with session(user_id=99):
        assert await Owned(db).m_get(conditions="*") == []
        assert await Owned(db).m_delete(conditions="*", columns="id") == []
    with session(user_id=3):
        assert await Owned(db).count() == 1


async def test_a_hook_that_a_mix_in_gets_later_holds_on_either_side(
    db: DB, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Later:
        pass

    class Front(Later, Tasks):
        pass

    class Back(Tasks, Later):
        pass

    def none(_service: Any, sql: Any) -> Any:
        return sql.where(sa.false())

    await Tasks(db).m_create(some(2), columns=[])
    services = Front(db), Back(db)
    assert [await each.count() for each in services] == [2, 2]
    monkeypatch.setattr(Later, "get_condition_hook", none, raising=False)
    assert [await each.count() for each in services] == [0, 0]
    monkeypatch.undo()
    monkeypatch.setattr(SQLService, "get_condition_hook", none)
    assert [await each.count() for each in services] == [0, 0]


@pytest.mark.parametrize("behind", [False, True])
async def test_an_own_hook_beside_permissions_takes_nothing_away_from_them(db: DB, behind: bool) -> None:
    def active(_service: Any, sql: Any) -> Any:
        return sql.where(tasks.c.active)

    hooks = ("get_condition_hook", "update_condition_hook", "delete_condition_hook")
    bases = (Tasks, PermHook) if behind else (PermHook, Tasks)
    service: SQLService[int, dict[str, Any]] = type("Own", bases, dict.fromkeys(hooks, active))(db)
    await Tasks(db).m_create([row | {"user_id": 1 + row["id"] % 2} for row in some(6)], columns=[])
    with session(user_id=1):
        assert sorted(ids(await service.m_get(conditions="*", columns="id"))) == [2, 4]
        assert sorted(ids(await service.m_update([], {"value": 0}, "*", columns="id") or [])) == [2, 4]
        assert sorted(ids(await service.m_delete([], "*", columns="id") or [])) == [2, 4]
    assert ids((await Tasks(db).list(sort="id"))["data"]) == [1, 3, 5, 6]


async def test_a_hooks_copy_of_a_row_is_its_own_to_the_bottom(db: DB) -> None:
    class Marks(Documents):
        def prepare_insert_data(self, data: Any) -> Any:
            data["data"]["marked"] = True
            data["data"]["list"].append(1)
            return data

        prepare_update_data = prepare_insert_data

    given = {"data": {"list": []}}
    row = await Marks(db).create(given, columns=["id", "data"])
    assert row is not None
    assert row["data"] == {"list": [1], "marked": True}
    await Marks(db).update(row["id"], given)
    assert given == {"data": {"list": []}}


@pytest.mark.parametrize(
    ("hook", "call"),
    [
        ("get_condition_hook", lambda service: service.count()),
        ("insert_condition_hook", lambda service: service.create({"name": "a"})),
        ("permit_insert", lambda service: service.create({"name": "a"})),
        ("permit_select", lambda service: service.count()),
        ("update_condition_hook", lambda service: service.update(1, {"value": 1})),
        ("delete_condition_hook", lambda service: service.delete(1)),
    ],
)
async def test_a_hook_that_may_not_be_awaited_is_one_error(db: DB, hook: str, call: Any) -> None:
    async def waits(_service: Any, given: Any) -> Any:
        return given

    service = type("Waits", (Tasks,), {hook: waits})(db)
    with pytest.raises(UsageError, match="coroutine"):
        await call(service)
    gc.collect()
