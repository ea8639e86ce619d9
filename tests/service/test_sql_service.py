"""The verbs of a service on every database: what comes in, what goes out, what is raised."""

from __future__ import annotations

import datetime
import inspect
import uuid
from collections.abc import Awaitable
from decimal import Decimal
from typing import Any, get_type_hints

import pytest
import sqlalchemy as sa

from rowstead import DB, TransactionFailed
from rowstead.service import (
    Conflict,
    DuplicateError,
    NotFound,
    SQLService,
    UndefinedColumnError,
    UsageError,
    ValidationError,
)
from service.conftest import Place, Sent
from service.services import Documents, Members, MyService, Readings, Tasks, ids, names, some
from service.tables import DOCUMENT, SCHEMAS, Colour, create, tasks, tasks_of_archive

FIRST = {
    "id": 1,
    "name": "t1",
    "value": 1,
    "active": True,
    "user_id": None,
    "hash": "secret 1",
    "expires": None,
    "project": None,
}


@pytest.fixture
async def full(db: DB, sent: Sent) -> Tasks:
    """Ten tasks."""
    service = Tasks(db)
    await service.m_create(some(10), columns=[])
    sent.clear()
    return service


# get, m_get, exists, m_exists, count


async def test_get_gives_every_column_of_a_row_by_its_id(full: Tasks) -> None:
    assert await full.get(1) == FIRST


async def test_get_gives_the_columns_that_are_asked_for_in_that_order(full: Tasks) -> None:
    assert list((await full.get(2, columns=["value", "id"])).items()) == [("value", 2), ("id", 2)]
    assert await full.get(2, columns="name") == {"name": "t2"}
    assert await full.get(2, {"name"}) == {"name": "t2"}


async def test_get_of_a_row_that_is_not_there_is_not_found(full: Tasks) -> None:
    with pytest.raises(NotFound, match="tasks has no row 99") as caught:
        await full.get(99)
    assert (caught.value.table, caught.value.pk) == ("tasks", 99)


async def test_get_with_none_as_columns_is_refused(full: Tasks) -> None:
    with pytest.raises(ValidationError, match="columns"):
        await full.get(1, columns=None)


async def test_a_column_that_is_not_there_is_refused_with_a_suggestion(full: Tasks) -> None:
    with pytest.raises(UndefinedColumnError, match="did you mean 'name'"):
        await full.get(1, columns=["nmae"])
    with pytest.raises(UndefinedColumnError):
        await full.get(1, columns=[["name"]])  # pyright: ignore[reportArgumentType]
    for wrong in (5, {"name": 1}):
        with pytest.raises(ValidationError, match="columns is"):
            await full.get(1, columns=wrong)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    "several", [[1, 2], (1, 2), {1, 2}, frozenset({1, 2}), range(1, 3), {1: "", 2: ""}.keys()], ids=repr
)
async def test_m_get_takes_every_collection_of_ids(full: Tasks, several: Any) -> None:
    assert names(await full.m_get(several)) == ["t1", "t2"]


async def test_m_get_takes_a_generator_and_a_single_id(full: Tasks) -> None:
    assert names(await full.m_get(n for n in (1, 2, 99))) == ["t1", "t2"]
    assert names(await full.m_get(3)) == ["t3"]


async def test_m_get_takes_what_m_exists_gave(full: Tasks) -> None:
    there = await full.m_exists([1, 2, 99])
    assert there == frozenset({1, 2})
    assert isinstance(there, frozenset)
    assert names(await full.m_get(there)) == ["t1", "t2"]


async def test_m_get_with_ids_and_conditions_means_both(full: Tasks) -> None:
    assert names(await full.m_get([1, 2, 3], {"active": True})) == ["t1", "t2"]
    assert names(await full.m_get([1, 2], {"id": 3})) == []


async def test_m_get_with_conditions_alone(full: Tasks) -> None:
    assert names(await full.m_get(conditions={"value": {"gt": 8}})) == ["t10", "t9"]
    assert names(await full.m_get([], conditions={"value": {"gt": 8}}, columns="name")) == ["t10", "t9"]
    assert len(await full.m_get(conditions="*")) == 10


async def test_no_columns_give_an_empty_dict_for_each_row(full: Tasks) -> None:
    assert await full.get(1, columns=[]) == {}
    with pytest.raises(NotFound):
        await full.get(99, columns=[])
    assert await full.m_get([1, 2, 99], columns=[]) == [{}, {}]


async def test_exists_and_count(full: Tasks) -> None:
    assert await full.exists(1) is True
    assert await full.exists(99) is False
    assert await full.m_exists([]) == frozenset()
    assert await full.count() == 10
    assert await full.count({"active": False}) == 3
    with pytest.raises(ValidationError, match="needs ids"):
        await full.m_exists(None)


async def test_more_ids_than_are_allowed_are_refused_before_they_are_read(db: DB) -> None:
    class Few(Tasks):
        MAX_IDS = 3

    def endless() -> Any:
        while True:
            yield 1

    service = Few(db)
    assert await service.m_get([1, 2, 3]) == []
    with pytest.raises(ValidationError, match="at most 3 ids"):
        await service.m_get(endless())


async def test_many_ids_are_one_statement(full: Tasks, sent: Sent) -> None:
    assert len(await full.m_get(range(10_000))) == 10
    assert len(sent) == 1


# create, m_create


async def test_create_gives_the_row_as_it_is_stored(db: DB) -> None:
    service = Tasks(db)
    row = await service.create({"name": "a", "value": 3})
    assert row is not None
    assert row == {**FIRST, "id": row["id"], "name": "a", "value": 3, "hash": None}
    assert await service.get(row["id"]) == row


async def test_create_gives_what_is_asked_for(db: DB) -> None:
    service = Tasks(db)
    assert await service.create({"id": 1, "name": "a"}, columns=["name"]) == {"name": "a"}
    assert await service.create({"id": 2, "name": "b"}, columns=[]) is None
    assert await service.create({"id": 3, "name": "c"}, columns=None) is None
    assert await service.count() == 3


async def test_a_create_is_one_statement(db: DB, sent: Sent, place: Place) -> None:
    service = Tasks(db)
    await service.create({"name": "a"})
    own = [text for text in sent if text.startswith("INSERT")]
    assert len(own) == len(sent) == 1, place.name


async def test_create_does_not_change_what_the_caller_gave(db: DB) -> None:
    given = {"name": "a"}
    await Tasks(db).create(given)
    assert given == {"name": "a"}


async def test_create_refuses_what_is_no_row(db: DB) -> None:
    service = Tasks(db)
    for wrong in ({}, [], None, "a", 5, [("name", "a")]):
        with pytest.raises(ValidationError):
            await service.create(wrong)  # pyright: ignore[reportArgumentType]
    with pytest.raises(UndefinedColumnError, match="did you mean 'name'"):
        await service.create({"nmae": "a"})
    with pytest.raises(UndefinedColumnError):
        await service.create({5: "a"})  # pyright: ignore[reportArgumentType]
    assert await service.count() == 0


async def test_m_create_gives_the_rows_in_the_order_given(db: DB) -> None:
    service = Tasks(db)
    rows = await service.m_create(some(5), columns=["id", "value"])
    assert rows == [{"id": n, "value": n} for n in range(1, 6)]
    assert await service.m_create(({"id": n, "name": f"g{n}"} for n in (8, 9)), columns=[]) is None
    assert await service.count() == 7


async def test_m_create_is_all_or_nothing(full: Tasks) -> None:
    with pytest.raises(DuplicateError):
        await full.m_create([{"id": 50, "name": "new"}, {"id": 51, "name": "t1"}])
    assert await full.count() == 10


async def test_m_create_refuses_what_is_no_list_of_rows(db: DB) -> None:
    service = Tasks(db)
    for wrong in ({"name": "a"}, "a", None, 5, ["a"], [None], [{"name": "a"}, {}]):
        with pytest.raises(ValidationError):
            await service.m_create(wrong)  # pyright: ignore[reportArgumentType]
    assert await service.count() == 0


async def test_m_create_of_very_many_rows(db: DB) -> None:
    service = Tasks(db)
    assert await service.m_create([{"name": f"n{n}"} for n in range(12_000)], columns=[]) is None
    assert await service.count() == 12_000


# on_conflict


async def test_do_nothing_gives_only_what_was_inserted(full: Tasks) -> None:
    rows = await full.m_create(
        [{"id": 1, "name": "other"}, {"id": 11, "name": "t11"}], columns=["id"], on_conflict="do_nothing"
    )
    assert rows == [{"id": 11}]
    assert (await full.get(1))["name"] == "t1"


async def test_do_nothing_by_a_key_still_refuses_another(full: Tasks, place: Place) -> None:
    keys = {"on_conflict": "do_nothing", "on_conflict_keys": ["id"]}
    assert await full.create({"id": 1, "name": "other"}, **keys) is None  # pyright: ignore[reportArgumentType]
    with pytest.raises(DuplicateError):
        await full.create({"id": 50, "name": "t1"}, **keys)  # pyright: ignore[reportArgumentType]
    assert await full.count() == 10


async def test_do_update_sets_the_values_on_the_row_that_is_there(full: Tasks) -> None:
    rows = await full.m_create(
        [{"id": 1, "name": "other", "value": 5}, {"id": 11, "name": "t11", "value": 5}],
        columns=["id", "name", "value"],
        on_conflict="do_update",
        on_conflict_keys=["id"],
        on_conflict_values={"value": 99},
    )
    assert rows == [{"id": 1, "name": "t1", "value": 99}, {"id": 11, "name": "t11", "value": 5}]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"on_conflict": "do_updat"}, "did you mean 'do_update'"),
        ({"on_conflict": 5}, "on_conflict is 5"),
        ({"on_conflict": ["do_nothing"]}, "on_conflict is"),
        ({"on_conflict_keys": ["id"]}, "on_conflict is None"),
        ({"on_conflict": "do_update"}, "needs on_conflict_keys"),
        ({"on_conflict": "do_update", "on_conflict_keys": ["id"]}, "needs on_conflict_keys"),
        ({"on_conflict": "do_update", "on_conflict_values": {"value": 1}}, "needs on_conflict_keys"),
        (
            {"on_conflict": "do_update", "on_conflict_keys": ["id"], "on_conflict_values": [1]},
            "is a dict, not list",
        ),
        ({"on_conflict": "do_nothing", "on_conflict_keys": {"id": 1}}, "names of columns"),
        ({"on_conflict": "do_nothing", "on_conflict_keys": ["idd"]}, "did you mean 'id'"),
        ({"on_conflict": "do_nothing", "on_conflict_keys": [["id"]]}, "no column"),
        ({"on_conflict": "do_nothing", "on_conflict_values": {"value": 1}}, "do_update"),
        (
            {"on_conflict": "do_update", "on_conflict_keys": ["id"], "on_conflict_values": {"valu": 1}},
            "did you mean 'value'",
        ),
    ],
)
async def test_what_on_conflict_cannot_be_is_refused(
    full: Tasks, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        await full.create({"id": 1, "name": "x"}, **arguments)
    assert (await full.get(1)) == FIRST


# update, m_update


async def test_update_gives_the_row_as_it_is_then(full: Tasks) -> None:
    assert await full.update(1, {"value": 50}) == {**FIRST, "value": 50}
    assert await full.update(1, {"value": 51}, columns=["value"]) == {"value": 51}
    assert await full.update(1, {"value": 52}, columns=[]) is None
    assert (await full.get(1))["value"] == 52
    assert (await full.get(2))["value"] == 2


async def test_update_of_a_row_that_is_not_there_is_not_found(full: Tasks) -> None:
    with pytest.raises(NotFound):
        await full.update(99, {"value": 1})
    with pytest.raises(NotFound):
        await full.update(99, {"value": 1}, columns=[])


async def test_an_update_that_changes_nothing_finds_its_row(full: Tasks) -> None:
    assert await full.update(1, {"value": 1}, columns=[]) is None
    assert await full.update(1, {"value": 1}) == FIRST


async def test_update_refuses_what_is_no_data(full: Tasks) -> None:
    for wrong in ({}, [], None, "a"):
        with pytest.raises(ValidationError):
            await full.update(1, wrong)  # pyright: ignore[reportArgumentType]
    with pytest.raises(UndefinedColumnError, match="did you mean 'value'"):
        await full.update(1, {"valu": 3})
    assert await full.get(1) == FIRST


async def test_m_update_of_ids_and_of_conditions(full: Tasks) -> None:
    rows = await full.m_update([1, 2, 99], {"value": 70}, columns=["id", "value"])
    assert sorted(ids(rows)) == [1, 2]
    rows = await full.m_update([1, 3], {"value": 71}, {"active": False}, columns=["id"])
    assert rows == [{"id": 3}]
    assert await full.m_update(None, {"value": 0}, {"value": {"ge": 70}}, columns=[]) is None
    assert await full.count({"value": 0}) == 3
    assert await full.m_update([], {"value": 8}, conditions={"value": 999}) == []


async def test_every_row_is_said_with_a_star(full: Tasks) -> None:
    assert len(await full.m_update([], {"value": 8}, conditions="*") or []) == 10
    assert len(await full.m_delete(conditions="*", columns=["id"]) or []) == 10
    assert await full.count() == 0


async def test_an_update_fills_what_its_table_says(db: DB) -> None:
    service = Documents(db)
    row = await service.create({"price": 1})
    assert row is not None
    assert (row["version"], row["state"]) == (1, "new")
    changed = await service.update(row["id"], {"state": "old"})
    assert changed is not None
    assert (changed["version"], changed["state"]) == (2, "old")


# delete, m_delete


async def test_delete_gives_nothing_or_what_the_row_was(full: Tasks) -> None:
    assert await full.delete(2) is None
    assert await full.delete(1, columns="*") == FIRST
    with pytest.raises(NotFound):
        await full.delete(1)
    assert await full.count() == 8


async def test_m_delete_of_ids_and_of_conditions(full: Tasks) -> None:
    assert await full.m_delete([1, 2, 99]) is None
    rows = await full.m_delete([3, 4], {"active": False}, columns=["id"])
    assert rows == [{"id": 3}]
    rows = await full.m_delete(conditions={"value": {"gt": 8}}, columns=["id"])
    assert sorted(ids(rows)) == [9, 10]
    assert await full.count() == 5


# Keys


async def test_a_composite_key_is_a_tuple_a_list_or_a_dict(db: DB) -> None:
    service = Members(db)
    await service.m_create([{"project": p, "person": n} for p in (1, 2) for n in "ab"], columns=[])
    assert await service.get((1, "a"), columns=["person"]) == {"person": "a"}
    assert await service.get([1, "b"], columns=["person"]) == {"person": "b"}
    assert await service.exists({"person": "a", "project": 2})
    found = await service.m_exists([(1, "a"), {"project": 2, "person": "b"}, [3, "a"]])
    assert found == frozenset({(1, "a"), (2, "b")})
    assert len(await service.m_get(found)) == 2
    assert len(await service.m_get({"project": 1, "person": "a"})) == 1
    changed = await service.m_update([(1, "a"), (2, "b")], {"role": "x"}, columns=["project", "role"])
    assert sorted(row["project"] for row in changed or []) == [1, 2]
    await service.delete({"project": 1, "person": "a"})
    assert await service.m_delete([(2, "a"), (2, "b")], columns=["person"]) is not None
    assert await service.count() == 1


async def test_a_wrong_id_is_refused(full: Tasks, db: DB) -> None:
    with pytest.raises(NotFound):
        await full.get(None)  # pyright: ignore[reportArgumentType]
    for wrong in ([1], (1,), {"id": 1, "name": "t1"}, {"name": "t1"}, {"idd": 1}):
        with pytest.raises(ValidationError):
            await full.get(wrong)  # pyright: ignore[reportArgumentType]
    for wrong in (1, "a", (1,), (1, "a", 2), {"project": 1}, {"project": 1, "person": "a", "role": 1}):
        with pytest.raises(ValidationError):
            await Members(db).get(wrong)


async def test_a_table_without_a_key_is_read_and_changed_by_conditions(db: DB) -> None:
    service = Readings(db)
    await service.m_create([{"place": "a", "amount": n} for n in range(5)], columns=[])
    for call in (
        service.get(1),
        service.exists(1),
        service.m_get([1]),
        service.update(1, {"amount": 1}),
        service.delete(1),
    ):
        with pytest.raises(ValidationError, match="no primary key"):
            await call
    page = await service.list({"amount": {"gt": 2}}, sort="-amount")
    assert (page["count"], page["data"]) == (2, [{"place": "a", "amount": n} for n in (4, 3)])
    assert (await service.list(limit=2))["on_page"] == 2
    with pytest.raises(ValidationError, match="key"):
        async for _ in service.iter():
            pass
    assert await service.m_delete(conditions={"amount": {"lt": 2}}) is None
    assert await service.count() == 3


# Values


async def test_every_kind_of_value_comes_back_as_it_was(db: DB) -> None:
    service = Documents(db)
    row = await service.create(DOCUMENT)
    assert row is not None
    assert {name: row[name] for name in DOCUMENT} == DOCUMENT
    assert isinstance(row["id"], uuid.UUID)
    assert (type(row["price"]), type(row["day"]), row["colour"]) == (Decimal, datetime.date, Colour.BLUE)
    assert await service.get(row["id"]) == row
    assert (await service.m_create([DOCUMENT, DOCUMENT], columns=["data"])) == [
        {"data": DOCUMENT["data"]}
    ] * 2


async def test_a_value_of_a_wrong_type_is_a_validation_error(full: Tasks) -> None:
    for wrong in ("abc", {"a": 1}, [1]):
        with pytest.raises(ValidationError):
            await full.create({"name": "x", "value": wrong})
        with pytest.raises(ValidationError):
            await full.list({"value": {"gt": wrong}})
    with pytest.raises(ValidationError):
        await full.get("1; DROP TABLE tasks")  # pyright: ignore[reportArgumentType]
    assert await full.count() == 10


# Transactions


async def test_a_call_is_a_part_of_the_block_that_it_is_given(full: Tasks, db: DB) -> None:
    class Undo(Exception):
        pass

    with pytest.raises(Undo):
        async with db.transaction() as tx:
            await full.create({"id": 50, "name": "new"}, _connection=tx)
            await full.delete(1, _connection=tx)
            assert await full.exists(50, _connection=tx)
            assert await full.count(_connection=tx) == 10
            assert (await full.list(limit=0, _connection=tx))["count"] == 10
            assert [b async for b in full.iter({"id": 50}, columns="id", _connection=tx)] == [[{"id": 50}]]
            raise Undo
    assert await full.count() == 10
    assert await full.exists(1)
    async with db.transaction() as tx:
        await full.update(1, {"value": 77}, _connection=tx)
    assert (await full.get(1))["value"] == 77


async def test_a_conflict_leaves_the_block_usable(full: Tasks, db: DB) -> None:
    async with db.transaction() as tx:
        await full.create({"id": 50, "name": "new"}, _connection=tx)
        with pytest.raises(Conflict):
            await full.create({"id": 51, "name": "t1"}, _connection=tx)
        with pytest.raises(Conflict):
            await full.update(2, {"name": "t1"}, _connection=tx)
        assert await full.exists(50, _connection=tx)
    assert await full.exists(50)


# Only there a refused statement ends its transaction.
@pytest.mark.parametrize("place", ["asyncpg", "psycopg"], indirect=True)
async def test_control_without_the_savepoint_the_block_is_lost(full: Tasks, db: DB) -> None:
    with pytest.raises(TransactionFailed):
        async with db.transaction() as tx:
            with pytest.raises(Conflict):
                await tx.execute("INSERT INTO tasks (id, name, active) VALUES (51, 't1', TRUE)")
            await full.exists(50, _connection=tx)


async def test_what_is_no_block_is_refused(full: Tasks) -> None:
    for wrong in (5, "db", {}, object()):
        with pytest.raises(ValidationError, match="_connection"):
            await full.get(1, _connection=wrong)


async def test_a_service_over_a_transactions_handle_works_in_it(full: Tasks, db: DB) -> None:
    async with db.transaction() as tx:
        inside = Tasks(tx)
        with pytest.raises(Conflict):
            await inside.create({"id": 50, "name": "t1"})
        await inside.create({"id": 50, "name": "new"})
    assert await full.exists(50)


# Construction


async def test_a_service_needs_a_table_and_a_database(db: DB) -> None:
    class Bare(SQLService[int, Any]):
        pass

    with pytest.raises(UsageError, match="Bare has no table"):
        Bare(db)
    with pytest.raises(UsageError, match="a database is"):
        Tasks(5)
    with pytest.raises(UsageError, match="has no database yet"):
        await Tasks().get(1)


def test_a_services_name() -> None:
    class Named(Tasks):
        service_name = "tasks"

    assert (Tasks().name, Named().name, Named(name="own").name) == ("Tasks", "tasks", "own")


@pytest.mark.parametrize("place", ["asyncpg", "psycopg"], indirect=True)
async def test_two_tables_of_one_name_in_two_schemas_are_two(db: DB, full: Tasks) -> None:
    class Archive(SQLService[int, dict[str, Any]]):
        table = tasks_of_archive

    await create(db, SCHEMAS)
    archive = Archive(db)
    assert await archive.create({"id": 1, "reason": "old"}) == {"id": 1, "reason": "old"}
    assert (await full.get(1))["name"] == "t1"
    await archive.delete(1)
    assert await full.exists(1)


async def test_a_column_whose_key_is_not_its_name_goes_by_its_name(db: DB) -> None:
    table = sa.Table(
        "odd",
        sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("Odd name", sa.Integer, key="odd"),
    )

    class Odd(SQLService[int, dict[str, Any]]):
        table_ = table

    Odd.table = table
    await create(db, table.metadata)
    service = Odd(db)
    assert await service.create({"id": 1, "Odd name": 5}) == {"id": 1, "Odd name": 5}
    assert (await service.list({"Odd name": 5}, sort="Odd name"))["count"] == 1


@pytest.mark.parametrize("verb", sorted({*Tasks().routes, "iter"}))
def test_whoever_asks_a_verb_for_its_types_finds_them(verb: str) -> None:
    method = getattr(SQLService, verb)
    hints = get_type_hints(method)
    assert set(hints) == {*inspect.signature(method).parameters, "return"} - {"self"}
    assert inspect.getdoc(method)


def test_the_routes_are_every_verb_but_iter() -> None:
    routes = Tasks().routes
    verbs = "get m_get create m_create update m_update delete m_delete exists m_exists list count"
    assert sorted(routes) == sorted(verbs.split())
    assert all(callable(method) for method in routes.values())


async def test_a_service_of_a_string_key(db: DB) -> None:
    service = MyService(db)
    await service.m_create([{"id": "abc", "value": 1}, {"id": "b", "value": 2}], columns=[])
    assert await service.m_get("abc") == [{"id": "abc", "value": 1}]
    assert await service.m_exists("abc") == frozenset({"abc"})
    assert tasks.name == "tasks"


# What JSON can say

FROM_JSON: list[Any] = [
    *("", "abc", "2026-02-03", "2026-02-03T04:05:06Z", "12.50", "RED", "NOPE", "\x00", "\ud800", "x" * 200),
    *(0, 1, -1, 5.5, 1e400, float("nan"), 2**31, 2**63, 10**400, "9" * 50, True, None),
    *([], [1], [None], {}, {"a": 1}, [[1]], {"$column": "id"}, {"$outer": "id"}),
]


@pytest.mark.parametrize("table", ["documents", "tasks"])
async def test_any_value_of_json_is_stored_or_refused_as_an_error_of_the_tree(
    db: DB, place: Place, table: str
) -> None:
    service: SQLService[Any, dict[str, Any]] = Documents(db) if table == "documents" else Tasks(db)
    whole = DOCUMENT if table == "documents" else {"id": 1, "name": "x"}
    done: dict[str, int] = {"done": 0, "refused": 0}

    async def tried(call: Awaitable[Any]) -> None:
        try:
            await call
            done["done"] += 1
        except (ValidationError, Conflict, NotFound):
            done["refused"] += 1

    for column in service.table.columns:
        for value in FROM_JSON:
            await tried(service.create({**whole, column.name: value}, columns=["id"]))
            await tried(service.m_update([], {column.name: value}, {"id": 1 if table == "tasks" else []}))
            for test in (value, {"eq": value}, {"gt": value}, {"in": [value]}, {"not": value}):
                await tried(service.count({column.name: test}))
            if column.primary_key:
                await tried(service.get(value))
                await tried(service.m_delete([value]))
            if table == "tasks":
                await service.m_delete(conditions="*")
    assert min(done.values()) > 100
