"""Hooks that were overlooked once: whoever says something is heard, however its class came about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import pytest
import sqlalchemy as sa

from rowstead import DB
from rowstead.service import PermHook, SQLService, session
from service.services import Tasks, ids, some
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
