"""The hooks: when they are called, with what, and that the conditions among them bind every path."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from rowstead import DB
from rowstead.service import (
    DuplicateError,
    NotFound,
    SQLService,
    UndefinedColumnError,
    UsageError,
    ValidationError,
    session,
)
from service.conftest import Sent
from service.services import Tasks, ids, names, some
from service.tables import projects, tasks


async def all_of(db: DB) -> list[dict[str, Any]]:
    """What is stored, whoever may see it."""
    return (await Tasks(db).list(sort="id", limit=1000))["data"] or []


# prepare_insert_data, prepare_update_data


class Stamped(Tasks):
    def prepare_insert_data(self, data: dict[str, Any]) -> dict[str, Any]:
        """The guide's."""
        current = self.get_session()
        if current is not None:
            data["user_id"] = current.user_id
        return data

    def prepare_update_data(self, data: dict[str, Any]) -> dict[str, Any]:
        return {**data, "expires": 5.0}


async def test_rows_are_prepared_one_by_one_and_the_callers_stay_as_they_are(db: DB) -> None:
    service, given = Stamped(db), [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]
    with session(user_id=7):
        rows = await service.m_create(given, columns=["id", "user_id"])
        assert rows == [{"id": 1, "user_id": 7}, {"id": 2, "user_id": 7}]
        assert await service.create(given[0] | {"id": 3, "name": "c"}, columns=["user_id"]) == {"user_id": 7}
    assert given == [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]
    assert await service.create({"id": 4, "name": "d"}, columns=["user_id"]) == {"user_id": None}


async def test_updates_are_prepared_those_of_upserts_too(db: DB) -> None:
    service, patch = Stamped(db), {"value": 1}
    await service.create({"id": 1, "name": "a"})
    await service.create({"id": 2, "name": "b"})
    assert await service.update(1, patch, columns=["value", "expires"]) == {"value": 1, "expires": 5.0}
    rows = await service.m_update([2], patch, columns=["expires"])
    assert rows == [{"expires": 5.0}]
    await Tasks(db).update(1, {"expires": None})
    row = await service.create(
        {"id": 1, "name": "a"},
        columns=["value", "expires"],
        on_conflict="do_update",
        on_conflict_keys=["id"],
        on_conflict_values={"value": 2},
    )
    assert row == {"value": 2, "expires": 5.0}
    assert patch == {"value": 1}


async def test_a_hook_may_be_static(db: DB) -> None:
    class Static(Tasks):
        @staticmethod
        def prepare_insert_data(data: dict[str, Any]) -> dict[str, Any]:  # pyright: ignore[reportIncompatibleMethodOverride]
            return {**data, "value": 9}

        @staticmethod
        def get_condition_hook(sql: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
            return sql.where(tasks.c.value == 9)

    await Tasks(db).create({"id": 5, "name": "other"})
    service = Static(db)
    assert await service.create({"id": 1, "name": "a"}, columns="value") == {"value": 9}
    assert await service.count() == 1


async def test_what_a_hook_adds_is_not_held_to_the_callers_lists(db: DB) -> None:
    class Listed(Stamped):
        insert_columns = ("id", "name")
        update_columns = ("name",)

    service = Listed(db)
    with session(user_id=7):
        assert await service.create({"id": 1, "name": "a"}, columns="user_id") == {"user_id": 7}
        with pytest.raises(ValidationError, match="may not set 'user_id'"):
            await service.create({"id": 2, "name": "b", "user_id": 8})
    assert await service.update(1, {"name": "z"}, columns="expires") == {"expires": 5.0}


async def test_a_hook_that_returns_no_data_or_unknown_columns_is_an_error(db: DB) -> None:
    class Forgets(Tasks):
        def prepare_insert_data(self, data: dict[str, Any]) -> Any:
            data["value"] = 1

    class Waits(Tasks):
        async def prepare_insert_data(self, data: dict[str, Any]) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
            return data

    class Mistypes(Tasks):
        def prepare_insert_data(self, data: dict[str, Any]) -> Any:
            return {**data, "valeu": 1}

        prepare_update_data = prepare_insert_data

    for cls in (Forgets, Waits):
        with pytest.raises(UsageError, match="prepare_insert_data returned"):
            await cls(db).create({"name": "a"})
    with pytest.raises(UndefinedColumnError, match="did you mean 'value'"):
        await Mistypes(db).create({"name": "a"})
    with pytest.raises(UndefinedColumnError, match="did you mean 'value'"):
        await Mistypes(db).update(1, {"name": "a"})
    assert await all_of(db) == []


# Conditions


class Owned(Tasks):
    """Whoever calls sees, changes and deletes only rows of user 1."""

    def get_condition_hook(self, sql: sa.Select[Any]) -> sa.Select[Any]:
        return sql.where(self.table.c.user_id == 1)

    def update_condition_hook(self, sql: sa.Update) -> sa.Update:
        return sql.where(self.table.c.user_id == 1)

    def delete_condition_hook(self, sql: sa.Delete) -> sa.Delete:
        return sql.where(self.table.c.user_id == 1)


@pytest.fixture
async def owned(db: DB) -> Owned:
    """Rows 1 to 3 of user 1, 4 to 6 of user 2."""
    rows = [{**row, "user_id": 1 + (row["id"] > 3)} for row in some(6)]
    await Tasks(db).m_create(rows, columns=[])
    return Owned(db)


async def test_the_get_hook_binds_every_read(owned: Owned) -> None:
    with pytest.raises(NotFound):
        await owned.get(4)
    with pytest.raises(NotFound):
        await owned.get(4, columns=[])
    assert await owned.exists(1)
    assert not await owned.exists(4)
    assert await owned.m_exists([1, 4]) == frozenset({1})
    assert names(await owned.m_get([1, 4])) == ["t1"]
    assert names(await owned.m_get(conditions="*")) == ["t1", "t2", "t3"]
    assert await owned.m_get([1, 4], columns=[]) == [{}]
    assert await owned.count() == 3
    assert await owned.count([{"user_id": 2}, {"user_id": 1}]) == 3
    page = await owned.list({"or": [{"id": {"gt": 0}}, {"user_id": 2}]}, limit=2)
    assert (page["count"], ids(page["data"])) == (3, [1, 2])
    assert (await owned.list(limit=0))["count"] == 3
    assert [ids(batch) async for batch in owned.iter(limit=2)] == [[1, 2], [3]]


async def test_the_update_hook_binds_update_and_m_update(owned: Owned, db: DB) -> None:
    with pytest.raises(NotFound):
        await owned.update(4, {"value": 0})
    rows = await owned.m_update([3, 4], {"value": 0})
    assert ids(rows) == [3]
    assert len(await owned.m_update([], {"value": 50}, conditions="*") or []) == 3
    assert [row["value"] for row in await all_of(db)] == [50, 50, 50, 4, 5, 6]


async def test_the_delete_hook_binds_delete_and_m_delete(owned: Owned, db: DB) -> None:
    with pytest.raises(NotFound):
        await owned.delete(4)
    assert await owned.m_delete([3, 4], columns=["id"]) == [{"id": 3}]
    await owned.m_delete(conditions="*")
    assert ids(await all_of(db)) == [4, 5, 6]


UPSERT: dict[str, Any] = {
    "on_conflict": "do_update",
    "on_conflict_keys": ["id"],
    "on_conflict_values": {"value": 0},
}


async def test_service_k05_the_update_hook_binds_what_an_upsert_changes(owned: Owned, db: DB) -> None:
    before = await all_of(db)
    with pytest.raises(DuplicateError):
        await owned.create({"id": 4, "name": "t4"}, **UPSERT)
    with pytest.raises(DuplicateError):
        await owned.create({"id": 4, "name": "t4"}, columns=[], **UPSERT)
    with pytest.raises(DuplicateError):
        await owned.m_create(
            [{"id": 1, "name": "t1"}, {"id": 4, "name": "t4"}, {"id": 9, "name": "t9"}], **UPSERT
        )
    assert await all_of(db) == before
    row = await owned.create({"id": 1, "name": "t1"}, columns=["id", "value"], **UPSERT)
    assert row == {"id": 1, "value": 0}


async def test_control_without_the_hook_an_upsert_changes_any_row(owned: Owned, db: DB) -> None:
    await Tasks(db).create({"id": 4, "name": "t4"}, **UPSERT)
    assert (await all_of(db))[3]["value"] == 0


async def test_service_k05_the_get_hook_binds_what_writes_give_back(db: DB) -> None:
    class Sees(Tasks):
        def get_condition_hook(self, sql: Any) -> Any:
            return sql.where(self.table.c.user_id == 1)

    service = Sees(db)
    assert await service.create({"id": 1, "name": "a", "user_id": 2, "hash": "h"}) is None
    rows = await service.m_create([{"id": n, "name": f"n{n}", "user_id": n} for n in (2, 1 + 2)])
    assert rows == []
    rows = await service.m_create(
        [{"id": 5, "name": "e", "user_id": 1}, {"id": 6, "name": "f", "user_id": 2}]
    )
    assert ids(rows) == [5]
    assert await service.update(1, {"value": 5}) is None
    assert ids(await service.m_update([1, 5], {"value": 6})) == [5]
    upsert = {**UPSERT, "on_conflict_values": {"value": 8}}
    assert await service.create({"id": 1, "name": "a"}, **upsert) is None
    assert await service.delete(1, columns="*") is None
    assert ids(await service.m_delete([2, 5, 6], columns=["id"])) == [5]
    assert ids(await all_of(db)) == [3]


async def test_an_update_that_hides_a_row_does_not_give_it_back(owned: Owned, db: DB) -> None:
    assert await owned.update(1, {"user_id": 2}) is None
    assert (await all_of(db))[0]["user_id"] == 2


async def test_hooks_with_other_tables_lists_and_parameters(owned: Owned, db: DB, sent: Sent) -> None:
    class Asking(Tasks):
        wanted: Any = (1, 2)

        def get_condition_hook(self, sql: Any) -> Any:
            open_ones = sa.select(projects.c.id).where(projects.c.title == "open")
            return sql.where(tasks.c.project.in_(open_ones)).where(tasks.c.id.in_(self.wanted))

        def update_condition_hook(self, sql: Any) -> Any:
            there = sa.exists().where(projects.c.id == tasks.c.project).where(projects.c.title == "open")
            return sql.where(there)

    everything = Tasks(db)
    await db.execute("INSERT INTO projects (id, title) VALUES (1, 'open'), (2, 'closed')")
    await everything.m_update([1, 2, 3], {"project": 1})
    await everything.m_update([4], {"project": 2})
    service = Asking(db)
    assert names(await service.m_get(conditions="*")) == ["t1", "t2"]
    service.wanted = (2, 3, 4, 5)
    assert names(await service.m_get(conditions="*")) == ["t2", "t3"]
    service.wanted = ()
    assert await service.count() == 0
    service.wanted = (3,)
    assert ids(await service.m_update([1, 3, 4], {"value": 77})) == [3]
    assert [row["value"] for row in await all_of(db)][:4] == [77, 2, 77, 4]


async def test_a_hook_with_new_values_is_the_same_statement(owned: Owned, db: DB, sent: Sent) -> None:
    class Mine(Tasks):
        def get_condition_hook(self, sql: Any) -> Any:
            current = self.get_session()
            return sql if current is None else sql.where(tasks.c.user_id == current.user_id)

    service = Mine(db)
    sent.clear()
    counts: list[int] = []
    for user in (1, 2, 3):
        with session(user_id=user):
            counts.append(await service.count({"value": {"gt": user}}))
    assert counts == [2, 3, 0]
    assert (len(sent), len(set(sent))) == (3, 1)


async def test_a_hook_that_does_more_than_add_conditions_is_an_error(owned: Owned, db: DB) -> None:
    class Limits(Tasks):
        def get_condition_hook(self, sql: Any) -> Any:
            return sql.limit(1)

    class Forgets(Tasks):
        def get_condition_hook(self, sql: Any) -> Any:
            sql.where(tasks.c.id == 1)

    for cls in (Limits, Forgets):
        for call in (cls(db).get(1), cls(db).list(), cls(db).count(), cls(db).update(1, {"value": 99})):
            with pytest.raises(UsageError):
                await call
    assert (await all_of(db))[0]["value"] == 1


# insert_condition_hook


async def test_an_insert_hook_may_refuse_and_give_values_to_every_row(db: DB) -> None:
    class Gives(Tasks):
        def insert_condition_hook(self, sql: sa.Insert) -> sa.Insert:
            current = self.get_session()
            if current is None:
                raise ValidationError("nobody inserts here")
            return sql.values({tasks.c.user_id: current.user_id}).values(value=3)

    service = Gives(db)
    with pytest.raises(ValidationError, match="nobody inserts"):
        await service.create({"id": 1, "name": "a"})
    with session(user_id=4):
        rows = await service.m_create(
            [{"id": 1, "name": "a", "user_id": 9}, {"id": 2, "name": "b"}], columns=["user_id", "value"]
        )
    assert rows == [{"user_id": 4, "value": 3}] * 2


@pytest.mark.parametrize(
    "change",
    [
        lambda sql: sql.values(value=sa.func.random()),
        lambda sql: sql.values([{"value": 1}, {"value": 2}]),
        lambda sql: sql.returning(tasks.c.id),
        lambda sql: sql.from_select(["id"], sa.select(projects.c.id)),
        lambda sql: sql.prefix_with("OR REPLACE"),
        lambda _sql: None,
        lambda _sql: sa.select(tasks),
    ],
    ids=["expression", "many rows", "returning", "from a select", "prefix", "nothing", "a select"],
)
async def test_an_insert_hook_that_does_more_is_an_error(db: DB, change: Any) -> None:
    class Odd(Tasks):
        def insert_condition_hook(self, sql: Any) -> Any:
            return change(sql)

    with pytest.raises(UsageError, match="insert_condition_hook"):
        await Odd(db).create({"id": 1, "name": "a"})
    assert await all_of(db) == []


async def test_an_insert_hook_that_names_no_column_is_told(db: DB) -> None:
    class Mistypes(Tasks):
        def insert_condition_hook(self, sql: Any) -> Any:
            return sql.values(valeu=1)

    with pytest.raises(UndefinedColumnError, match="did you mean 'value'"):
        await Mistypes(db).create({"id": 1, "name": "a"})


# after_create_hook, after_update_hook, after_delete_hook


class Told(Tasks):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.heard: list[Any] = []

    def after_create_hook(self, *rows: Any) -> None:
        self.heard.append(("created", *rows))

    async def after_update_hook(self, *rows: Any) -> None:
        # Outside the transaction: what was written is there for everybody.
        self.heard.append(("updated", *rows, await Tasks(self._database).count({"value": 5})))

    def after_delete_hook(self, *rows: Any) -> None:
        self.heard.append(("deleted", *rows))


async def test_the_after_hooks_are_told_the_rows_that_are_given_back(db: DB) -> None:
    service = Told(db)
    await service.create({"id": 1, "name": "a"}, columns=["id"])
    await service.m_create([{"id": 2, "name": "b"}, {"id": 3, "name": "c"}], columns=["name"])
    await service.update(1, {"value": 5}, columns="id")
    await service.m_update([1, 2], {"value": 5}, columns=["value"])
    await service.m_update([99], {"value": 5}, columns=["value"])
    await service.delete(1, columns="id")
    await service.m_delete([2], columns="id")
    assert service.heard == [
        ("created", {"id": 1}),
        ("created", {"name": "b"}, {"name": "c"}),
        ("updated", {"id": 1}, 1),
        ("updated", {"value": 5}, {"value": 5}, 2),
        ("updated", 2),
        ("deleted", {"id": 1}),
        ("deleted", {"id": 2}),
    ]


async def test_the_after_hooks_are_not_called_without_columns(db: DB) -> None:
    service = Told(db)
    await service.create({"id": 1, "name": "a"}, columns=[])
    await service.update(1, {"value": 5}, columns=None)
    await service.m_update([1], {"value": 6}, columns=[])
    await service.delete(1)
    await service.m_create([])
    assert service.heard == []


async def test_nothing_is_told_of_a_write_that_failed(db: DB) -> None:
    service = Told(db)
    await service.create({"id": 1, "name": "a"}, columns=[])
    for call in (service.create({"id": 1, "name": "a"}), service.update(9, {"value": 1}), service.delete(9)):
        with pytest.raises((DuplicateError, NotFound)):
            await call
    assert service.heard == []


# Mix-ins


class Adds:
    """A mix-in with hooks that ask nobody behind it."""

    def get_condition_hook(self, sql: Any) -> Any:
        return sql.where(tasks.c.value > 1)

    def prepare_insert_data(self, data: Any) -> Any:
        return {**data, "expires": 1.0}


class AddsMore:
    @staticmethod
    def get_condition_hook(sql: Any) -> Any:
        return sql.where(tasks.c.value > 1)

    @staticmethod
    def prepare_insert_data(data: Any) -> Any:
        return {**data, "expires": 1.0}


@pytest.mark.parametrize("mix_in", [Adds, AddsMore])
@pytest.mark.parametrize("behind", [False, True])
async def test_service_k06_a_mix_ins_hooks_hold_on_either_side(db: DB, mix_in: Any, behind: bool) -> None:
    bases = (Tasks, mix_in) if behind else (mix_in, Tasks)
    service: SQLService[int, dict[str, Any]] = type("Mixed", bases, {})(db)
    rows = await service.m_create(some(3), columns=["id", "expires"])
    assert rows == [{"id": 2, "expires": 1.0}, {"id": 3, "expires": 1.0}]
    assert await service.count() == 2


async def test_hooks_that_are_put_in_later_hold_too(db: DB, monkeypatch: pytest.MonkeyPatch) -> None:
    class Late(Tasks):
        pass

    def only_the_first(sql: Any) -> Any:
        return sql.where(tasks.c.id == 1)

    await Tasks(db).m_create(some(4), columns=[])
    service = Late(db)
    assert await service.count() == 4
    monkeypatch.setattr(service, "get_condition_hook", only_the_first)
    assert await service.count() == 1
    monkeypatch.undo()
    monkeypatch.setattr(Late, "get_condition_hook", staticmethod(only_the_first))
    assert await service.count() == 1
    assert await Tasks(db).count() == 4


async def test_a_classs_own_hook_adds_to_a_mix_ins_by_super(db: DB) -> None:
    class Both(Tasks, Adds):
        def get_condition_hook(self, sql: Any) -> Any:
            return super().get_condition_hook(sql).where(tasks.c.value < 3)

    await Tasks(db).m_create(some(4), columns=[])
    assert await Both(db).count() == 1
