"""The guide's examples of the SQL interface, as it prints them, on every database."""

from __future__ import annotations

# ruff: noqa: RUF012  (as the guide writes them)
from pathlib import Path
from time import time
from typing import Any, TypedDict

import pytest
import sqlalchemy as sa

from rowstead import DB, UsageError
from rowstead.service import App, DatabaseService, PublicInterface, SQLService, ValidationError, session
from rowstead.service.registry import ServiceRegistry
from service.conftest import Place
from service.services import Tasks, some
from service.tables import my_table, tasks


class MyType(TypedDict):
    id: str
    value: int


# type hinting primary key and value inside [] is not required but encouraged
class MyService(SQLService[str, MyType], PublicInterface):
    # the table will be registered automatically
    table = my_table


async def filled(db: DB) -> MyService:
    my_service = MyService(db)
    await my_service.m_create([{"id": f"row_{n}", "value": n} for n in range(1, 6)], columns=[])
    return my_service


async def test_select(db: DB) -> None:
    my_service = await filled(db)
    obj_id, id_1, id_2, id_3 = "row_1", "row_2", "row_3", "none"
    # equivalent to SELECT * FROM table WHERE id == obj_id
    item = await my_service.get(obj_id)
    assert item == {"id": "row_1", "value": 1}
    # you can specify which columns to return
    items = await my_service.m_get([id_1, id_2, id_3], columns=["id", "value"])
    assert sorted(item["id"] for item in items) == ["row_2", "row_3"]


async def test_create(db: DB) -> None:
    service = Tasks(db)
    # create an object and do not return anything
    assert await service.create({"id": 1, "name": "a", "active": True}, columns=[]) is None
    # create multiple objects, discard conflicting ones
    data = await service.m_create(
        [{"id": 1, "name": "b", "active": True}, {"id": 2, "name": "c", "active": True}],
        on_conflict="do_nothing",
    )
    assert [row["id"] for row in data or []] == [2]


async def test_update(db: DB) -> None:
    service = Tasks(db)
    await service.m_create(some(6), columns=[])
    # update a single object
    assert await service.update(1, {"active": False}, columns=[]) is None
    # update multiple objects
    await service.m_update([2, 3, 4], {"active": False}, columns=[])
    assert await service.count({"active": True}) == 1
    await service.m_update([1, 2], {"expires": time() - 60}, columns=[])
    await service.m_update([3], {"expires": time() + 60}, columns=[])
    # update only objects with expire time > now
    await service.m_update([], {"value": 0}, conditions={"expires": {"lt": time()}}, columns=[])
    assert await service.count({"value": 0}) == 2


async def test_delete(db: DB) -> None:
    service = Tasks(db)
    await service.m_create(some(6), columns=[])
    await service.delete(1)
    await service.m_delete([2, 3], {"active": False})
    assert await service.m_exists([1, 2, 3]) == {2}
    await service.m_update([4, 5], {"expires": time() - 60}, columns=[])
    # delete only objects with expire time > now and return primary ids of the deleted ones
    gone = await service.m_delete([], conditions={"expires": {"lt": time()}}, columns=["id"])
    assert sorted(row["id"] for row in gone or []) == [4, 5]


async def test_exists(db: DB) -> None:
    my_service = await filled(db)
    assert await my_service.exists("row_1")
    assert await my_service.m_exists(["row_1", "none"]) == {"row_1"}


async def test_iterate(db: DB) -> None:
    my_service = await filled(db)
    batches: list[Any] = []
    async for batch in my_service.iter(
        conditions={"value": {"gt": 2}}, columns=["id", "value"], offset=0, limit=100
    ):
        batches.append(batch)
    assert batches == [[{"id": f"row_{n}", "value": n} for n in (3, 4, 5)]]


async def test_conditions(db: DB) -> None:
    service = Tasks(db)
    await service.m_create(some(9), columns=[])
    where = {
        "equal": ({"name": "t1"}, {1}),
        "in": ({"name": ["t1", "t2"]}, {1, 2}),
        "not": ({"id": {"not": 1}}, set(range(2, 10))),
        "bounds": ({"value": {"gt": 3, "lt": 6, "ge": 3, "le": 6}}, {4, 5}),
        "like": ({"hash": {"like": "%ret 4%"}}, {4}),
        "several": ({"value": 3, "active": False}, {3}),
    }
    for said, (conditions, wanted) in where.items():
        assert {row["id"] for row in await service.m_get(conditions=conditions)} == wanted, said
    await service.m_update(
        id=[],
        data={"user_id": 5},
        conditions=[  # WHERE (value > 3 AND id = 4) OR active IS FALSE
            {"value": {"gt": 3}, "id": 4},
            {"active": False},
        ],
    )
    assert await service.count({"user_id": 5}) == 4


async def test_sorting(db: DB) -> None:
    service = Tasks(db)
    await service.m_create(some(4), columns=[])
    found = await service.list(sort=[{"asc": "active"}, {"desc": "value"}])
    assert [row["id"] for row in found["data"] or []] == [3, 4, 2, 1]
    # you can also use plain column names which is a shortcut to {'asc': <column_name>}
    found = await service.list(sort=["active", "value"])
    assert [row["id"] for row in found["data"] or []] == [3, 1, 2, 4]


class MyCustomerService(SQLService, PublicInterface):  # pyright: ignore[reportMissingTypeArgument]
    table = tasks
    select_columns_blacklist = {"hash"}  # you can exclude some of the columns from the output
    update_columns_blacklist = {"hash"}  # you can disable updates on certain columns as well

    def prepare_insert_data(self, data: dict[str, Any]) -> dict[str, Any]:
        session = self.get_session()
        if session is not None:
            data["user_id"] = session.user_id
        return data

    def get_condition_hook(self, sql: sa.Select[Any]) -> sa.Select[Any]:
        """Get only rows visible to the current user."""
        session = self.get_session()
        if session is not None:
            sql = sql.where(self.table.c.user_id == session.user_id)
        return sql


async def test_blacklists_normalisation_and_permission_hooks(db: DB) -> None:
    customers = MyCustomerService(db)
    with session(user_id=1):
        row = await customers.create({"id": 1, "name": "a", "hash": "h"})
        assert row is not None
        assert (row["user_id"], "hash" in row) == (1, False)
    with session(user_id=2):
        assert (await customers.list())["count"] == 0
    with pytest.raises(ValidationError):
        await customers.update(1, {"hash": "mine"})


def test_the_service_of_the_guide_is_public() -> None:
    service: Any = MyService()
    assert isinstance(service, PublicInterface)
    assert service.routes["get"] == service.get


async def test_a_database_service_may_stand_in_for_the_handle(db: DB) -> None:
    database = DatabaseService(db=db)
    async with database:
        my_service = MyService(database)
        await my_service.create({"id": "a", "value": 1}, columns=[])
        assert await my_service.get("a") == {"id": "a", "value": 1}
        async with database.begin() as connection:
            await my_service.delete("a", _connection=connection)
            assert not await my_service.exists("a", _connection=connection)
        assert await my_service.count() == 0


class Stock(SQLService[str, MyType], PublicInterface):
    # A table of its own: that of an application is made by it.
    table = sa.Table(
        "stock",
        sa.MetaData(),
        sa.Column("id", sa.String(100), primary_key=True),
        sa.Column("value", sa.INTEGER),
    )


async def test_create_sql_services(db: DB, place: Place, tmp_path: Path) -> None:
    registry = ServiceRegistry()
    registry.register(Stock)
    file = tmp_path / "settings.yml"
    file.write_text(
        f"""
        services:
          - cls: Stock
          - cls: DatabaseService
            settings:
              url: {place.url}
              init_db: False
          - cls: Stock
            name: the_same
            settings:
              database: db
        """
    )
    async with App.from_yaml(file, registry=registry) as app:
        stock, same = app.services["Stock"], app.services["the_same"]
        assert isinstance(stock, Stock)
        assert isinstance(same, Stock)
        # The table was registered, and made.
        await stock.create({"id": "a", "value": 1}, columns=[])
        assert await same.get("a") == {"id": "a", "value": 1}
        assert await db.fetchval("SELECT value FROM stock") == 1
    with pytest.raises(UsageError):
        await stock.get("a")
