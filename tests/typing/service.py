"""What a type checker knows of a service: its ids and its rows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, TypedDict, assert_type

import sqlalchemy as sa

from rowstead import DB
from rowstead.service import Listing, PermHook, PublicInterface, Session, SQLService, get_session, session

my_table = sa.Table(
    "my_table", sa.MetaData(), sa.Column("id", sa.TEXT, primary_key=True), sa.Column("value", sa.INTEGER)
)


class MyType(TypedDict):
    id: str
    value: int


class MyService(SQLService[str, MyType], PublicInterface):
    table = my_table
    select_columns_blacklist = frozenset({"value"})
    MAX_ROW_LIMIT = 50

    def prepare_insert_data(self, data: dict[str, Any]) -> dict[str, Any]:
        session = self.get_session()
        if session is not None:
            data["user_id"] = session.user_id
        return data

    def get_condition_hook(self, sql: sa.Select[Any]) -> sa.Select[Any]:
        return sql.where(self.table.c.value == 1)

    async def after_create_hook(self, *rows: MyType) -> None:
        for row in rows:
            assert_type(row["value"], int)


class Unsaid(SQLService):
    """Without type arguments, as the guide has it too."""

    table = my_table


class Before(PermHook, SQLService[str, MyType]):
    table = my_table


class Behind(SQLService[str, MyType], PermHook):
    table = my_table


async def verbs(db: DB) -> None:
    service = MyService(db)
    assert_type(await service.get("a"), MyType)
    assert_type(await service.get("a", columns=["id"]), MyType)
    assert_type(await service.m_get(["a", "b"]), list[MyType])
    assert_type(await service.m_get({"a"}, columns="id"), list[MyType])
    assert_type(await service.m_get(conditions={"value": {"gt": 1}}), list[MyType])
    assert_type(await service.exists("a"), bool)
    assert_type(await service.m_exists(["a"]), frozenset[str])
    assert_type(await service.count("*"), int)
    assert_type(await service.create({"id": "a", "value": 1}), MyType | None)
    assert_type(await service.create({"id": "a"}, on_conflict="do_nothing"), MyType | None)
    assert_type(await service.m_create([{"id": "a"}], columns=[]), list[MyType] | None)
    assert_type(await service.update("a", {"value": 2}), MyType | None)
    assert_type(await service.m_update([], {"value": 2}, {"id": "a"}), list[MyType] | None)
    assert_type(await service.delete("a"), MyType | None)
    assert_type(await service.m_delete(["a"], columns="*"), list[MyType] | None)
    page = await service.list({"value": 1}, sort=[{"desc": "value"}, "id"], offset=10, limit=10)
    assert_type(page, Listing[MyType])
    assert_type(page["pages"], int | None)
    assert_type(page["data"], list[MyType] | None)
    assert_type(service.iter({"value": {"gt": 42}}, limit=100), AsyncIterator[list[MyType]])
    async for batch in service.iter():
        assert_type(batch, list[MyType])
    assert_type(await Unsaid(db).get(1), dict[str, Any])
    assert_type(await Before(db).get("a"), MyType)
    assert_type(await Behind(db).get("a"), MyType)


def sessions() -> None:
    with session(user_id=1, permissions={"tasks.view_others"}) as current:
        assert_type(current, Session)
    assert_type(get_session(), Session | None)
