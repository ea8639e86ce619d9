"""Whitelists and blacklists: what they allow, and that there is no way round them."""

# ruff: noqa: RUF012  (lists as the guide writes them)

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import sqlalchemy as sa

from rowstead import DB
from rowstead.service import (
    DatabaseService,
    NotFound,
    PublicInterface,
    SQLService,
    UndefinedColumnError,
    UsageError,
    ValidationError,
)
from service.services import Tasks, some
from service.tables import ddl, tasks


class Customers(SQLService[int, dict[str, Any]], PublicInterface):
    """The guide's, with another table."""

    table = tasks
    select_columns_blacklist = {"hash"}
    update_columns_blacklist = {"hash"}


@pytest.fixture
async def full(db: DB) -> Customers:
    """Three tasks; the hash of each is `secret <id>`."""
    await Tasks(db).m_create(some(3), columns=[])
    return Customers(db)


async def stored(service: Customers) -> list[Any]:
    everything = await Tasks(service._database).list(sort="id")  # pyright: ignore[reportPrivateUsage]
    return [row["hash"] for row in everything["data"] or []]


async def test_a_hidden_column_is_in_no_result(full: Customers) -> None:
    visible = [column.name for column in tasks.columns if column.name != "hash"]
    results = [
        await full.get(1),
        *(await full.m_get([1, 2])),
        *((await full.list())["data"] or []),
        *[row async for batch in full.iter() for row in batch],
        await full.create({"id": 4, "name": "t4", "hash": "own"}),
        *(await full.m_create([{"id": 5, "name": "t5", "hash": "own"}]) or []),
        await full.update(1, {"value": 5}),
        *(await full.m_update([2], {"value": 5}) or []),
        await full.delete(4, columns="*"),
        *(await full.m_delete([5], columns="*") or []),
    ]
    assert [list(row) for row in results if row is not None] == [visible] * len(results)


async def test_naming_a_hidden_column_gives_the_others(full: Customers) -> None:
    assert await full.get(1, columns=["id", "hash"]) == {"id": 1}
    assert await full.update(1, {"value": 9}, columns=["hash", "value"]) == {"value": 9}
    assert (await full.list(columns=["hash", "id"], limit=1))["data"] == [{"id": 1}]


async def test_service_k07_only_hidden_columns_give_an_empty_row_or_nothing(full: Customers) -> None:
    assert await full.get(1, columns=["hash"]) == {}
    assert await full.get(1, columns=[]) == {}
    with pytest.raises(NotFound):
        await full.get(99, columns=["hash"])
    assert await full.m_get([1, 2], columns=["hash"]) == [{}, {}]
    assert (await full.list(columns=["hash"]))["data"] is None
    assert [batch async for batch in full.iter(columns=["hash"])] == []
    assert await full.update(1, {"value": 9}, columns=["hash"]) is None
    assert await full.m_update([1], {"value": 9}, columns="hash") is None
    assert await full.create({"id": 4, "name": "t4"}, columns=["hash"]) is None
    assert await full.delete(4, columns=["hash"]) is None


Call = Callable[[Any], Awaitable[Any]]


async def walked(service: Any, **arguments: Any) -> Any:
    return [batch async for batch in service.iter(**arguments)]


PROBES: dict[str, Call] = {
    "a filter of list": lambda s: s.list({"hash": "secret 1"}),
    "a filter of count": lambda s: s.count({"hash": {"like": "secret%"}}),
    "a filter of m_get": lambda s: s.m_get([1], {"hash": "secret 1"}),
    "a filter of iter": lambda s: walked(s, conditions={"hash": "secret 1"}),
    "a filter of m_update": lambda s: s.m_update([1], {"value": 1}, {"hash": "secret 1"}),
    "a filter of m_delete": lambda s: s.m_delete([1], {"hash": {"gt": "r"}}),
    "a nested filter": lambda s: s.list([{"id": 1}, {"and": [{"not": {"hash": "x"}}]}]),
    "the long form of a column": lambda s: s.list({"col": {"name": "hash", "eq": "secret 1"}}),
    "another column's name for it": lambda s: s.list({"name": {"eq": {"$column": "hash"}}}),
    "a sort": lambda s: s.list(sort="hash"),
    "a sort behind another": lambda s: s.list(sort=["id", {"desc": "hash"}]),
    "a sort of iter": lambda s: walked(s, sort="-hash"),
}


@pytest.mark.parametrize("probe", PROBES)
async def test_service_k06_a_hidden_column_is_neither_filtered_nor_sorted_by(
    full: Customers, probe: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        await PROBES[probe](full)
    # As a column that is not there; what is there is told without it.
    assert "secret" not in str(caught.value)
    assert "known: hash" not in str(caught.value)
    assert (await full.get(1))["value"] == 1


async def test_control_the_probes_find_the_column_where_it_is_not_hidden(full: Customers, db: DB) -> None:
    open_to_all = Tasks(db)
    refused = []
    for probe, call in PROBES.items():
        try:
            await call(open_to_all)
        except ValidationError:
            refused.append(probe)
    assert refused == ["another column's name for it"]


WRITES: dict[str, Call] = {
    "update": lambda s: s.update(1, {"hash": "mine"}),
    "update beside others": lambda s: s.update(1, {"value": 1, "hash": "mine"}),
    "m_update": lambda s: s.m_update([1], {"hash": "mine"}),
    "an upsert": lambda s: s.create(
        {"id": 1, "name": "t1"},
        on_conflict="do_update",
        on_conflict_keys=["id"],
        on_conflict_values={"hash": "mine"},
    ),
    "an upsert of many": lambda s: s.m_create(
        [{"id": 9, "name": "t9"}, {"id": 1, "name": "t1"}],
        on_conflict="do_update",
        on_conflict_keys="id",
        on_conflict_values={"value": 3, "hash": "mine"},
    ),
}


@pytest.mark.parametrize("write", WRITES)
async def test_service_k05_a_column_that_may_not_be_updated_is_not(full: Customers, write: str) -> None:
    with pytest.raises(ValidationError, match="may not set 'hash'") as caught:
        await WRITES[write](full)
    assert "mine" not in str(caught.value)
    assert await stored(full) == ["secret 1", "secret 2", "secret 3"]


async def test_service_d07_an_upsert_does_not_go_past_the_list_of_updates(full: Customers) -> None:
    # A row of its own the upsert may insert with the column: that is another list.
    row = await full.create(
        {"id": 1, "name": "t1", "hash": "mine", "value": 8},
        on_conflict="do_update",
        on_conflict_keys=["id"],
        on_conflict_values={"value": 7},
    )
    assert row is not None
    assert row["value"] == 7
    assert (await stored(full))[0] == "secret 1"


@pytest.mark.parametrize("write", WRITES)
async def test_control_without_the_list_the_column_is_written(full: Customers, db: DB, write: str) -> None:
    await WRITES[write](Tasks(db))
    assert (await stored(full))[0] == "mine"


async def test_a_column_that_may_not_be_inserted_is_not(db: DB) -> None:
    class Limited(Tasks):
        insert_columns = ("id", "name")

    service = Limited(db)
    for row in ({"id": 1, "name": "a", "hash": "h"}, {"hash": "h"}):
        with pytest.raises(ValidationError, match="may not set 'hash'"):
            await service.create(row)
        with pytest.raises(ValidationError, match="may not set 'hash'"):
            await service.m_create([{"id": 2, "name": "b"}, row])
    assert await service.count() == 0
    assert await service.create({"id": 1, "name": "a"}, columns="id") == {"id": 1}


async def test_service_k06_an_empty_whitelist_allows_nothing(full: Customers, db: DB) -> None:
    class Closed(Tasks):
        select_columns: Any = ()
        insert_columns: Any = []
        update_columns: Any = frozenset()

    service = Closed(db)
    assert await service.get(1) == {}
    assert await service.get(1, columns=["id", "hash"]) == {}
    assert (await service.list(columns=["id"]))["data"] is None
    with pytest.raises(UndefinedColumnError):
        await service.list({"id": 1})
    with pytest.raises(ValidationError, match="it may set: nothing"):
        await service.create({"id": 7})
    with pytest.raises(ValidationError, match="it may set: nothing"):
        await service.update(1, {"value": 7})


async def test_service_k06_a_blacklist_of_all_columns_allows_nothing(full: Customers, db: DB) -> None:
    class Closed(Tasks):
        select_columns_blacklist = set(tasks.columns.keys())
        update_columns_blacklist = set(tasks.columns.keys())

    service = Closed(db)
    assert await service.get(1, columns=["id", "hash"]) == {}
    assert await service.m_get([1], columns="hash") == [{}]
    with pytest.raises(ValidationError):
        await service.update(1, {"value": 7})


async def test_a_blacklist_takes_away_from_a_whitelist(full: Customers, db: DB) -> None:
    class Both(Tasks):
        select_columns = ("id", "name", "hash")
        select_columns_blacklist = ("hash", "value")

    assert await Both(db).get(1) == {"id": 1, "name": "t1"}


class Hides:
    select_columns_blacklist = {"hash"}
    update_columns_blacklist = {"hash"}


class Before(Hides, Tasks):
    pass


class Behind(Tasks, Hides):
    pass


@pytest.mark.parametrize("cls", [Before, Behind])
async def test_service_k06_a_mix_ins_lists_hold_on_either_side(full: Customers, db: DB, cls: Any) -> None:
    service = cls(db)
    assert "hash" not in await service.get(1)
    with pytest.raises(ValidationError):
        await service.list(sort="hash")
    with pytest.raises(ValidationError):
        await service.update(1, {"hash": "mine"})


async def test_lists_that_an_instance_says_hold_too(full: Customers, db: DB) -> None:
    class Own(Tasks):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            self.select_columns_blacklist: Any = ["hash"]  # pyright: ignore[reportIncompatibleVariableOverride]

    assert "hash" not in await Own(db).get(1)


@pytest.mark.parametrize(
    ("name", "wrong", "message"),
    [
        ("select_columns_blacklist", "hash", "set of column names"),
        ("select_columns_blacklist", {"hsah"}, "did you mean 'hash'"),
        ("update_columns", {"hash": True}, "set of column names"),
        ("insert_columns", 5, "set of column names"),
        ("select_columns_blacklist", iter(["hash"]), "set of column names"),
    ],
)
async def test_a_list_that_is_none_is_said_when_the_service_is_made_ready(
    db: DB, name: str, wrong: Any, message: str
) -> None:
    service = type("Odd", (Tasks,), {name: wrong})
    with pytest.raises(UsageError, match=message):
        service(db).prepare()


async def test_a_key_of_a_conflict_is_a_column_that_may_be_named(full: Customers, db: DB) -> None:
    class Sealed(Tasks):
        select_columns_blacklist = {"hash"}
        insert_columns_blacklist = {"hash"}

    with pytest.raises(UndefinedColumnError):
        await Sealed(db).create({"id": 5, "name": "x"}, on_conflict="do_nothing", on_conflict_keys=["hash"])


async def test_a_name_that_the_table_lacks_is_told_without_the_hidden_ones(full: Customers) -> None:
    for call in (full.get(1, columns=["hsh"]), full.list({"hsh": 1}), full.list(sort="hsh")):
        with pytest.raises(UndefinedColumnError) as caught:
            await call
        assert "'hash'" not in str(caught.value)


async def test_a_column_that_the_database_computes_is_read_and_never_set(db: DB) -> None:
    n = sa.Column("n", sa.Integer, primary_key=True, autoincrement=False)
    twice = sa.Column("twice", sa.Integer, sa.Computed("n * 2", persisted=True))

    class Doubles(SQLService[int, dict[str, Any]]):
        table = sa.Table("doubles", sa.MetaData(), n, twice)

    for text in ddl(Doubles.table.metadata, db.session.dialect.name):
        await db.execute(text)
    service = Doubles(db)
    assert await service.create({"n": 4}) == {"n": 4, "twice": 8}
    refused = [
        service.create({"n": 5, "twice": 1}),
        service.m_create([{"n": 5}, {"n": 6, "twice": None}]),
        service.update(4, {"twice": 1}),
        service.create({"n": 4}, "*", "do_update", "n", {"twice": 1}),
    ]
    for call in refused:
        with pytest.raises(ValidationError, match="may not set 'twice'; it may set: n"):
            await call
    assert await service.count({"twice": 8}) == 1


@pytest.mark.parametrize("place", ["asyncpg", "psycopg"], indirect=True)
async def test_a_sequence_that_is_a_default_numbers_the_rows_that_give_no_number(db: DB) -> None:
    class Numbered(SQLService[int, dict[str, Any]]):
        table = sa.Table(
            "numbered",
            sa.MetaData(),
            sa.Column("id", sa.Integer, sa.Sequence("Own seq", start=5), primary_key=True),
            sa.Column("name", sa.String(20), unique=True),
        )

    async with DatabaseService(db=db) as database:
        service = Numbered(database)
        await database.create_tables()
        assert await service.create({"name": "a"}) == {"id": 5, "name": "a"}
        rows = await service.m_create([{"name": "b"}, {"id": 1, "name": "c"}, {"name": "d"}])
        assert rows == [{"id": 6, "name": "b"}, {"id": 1, "name": "c"}, {"id": 7, "name": "d"}]
        again = await service.create({"name": "a"}, "*", "do_update", "name", {"name": "z"})
        assert again == {"id": 5, "name": "z"}
