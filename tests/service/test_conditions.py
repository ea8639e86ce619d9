"""Conditions and sorts: the guide's words on every database, and what a stranger can do with them."""

from __future__ import annotations

from typing import Any

import pytest

from rowstead import DB
from rowstead.service import SQLService, UndefinedColumnError, UsageError, ValidationError
from service.conftest import Place
from service.services import Documents, MyService, Tasks, ids, some
from service.tables import tasks


@pytest.fixture
async def full(db: DB) -> Tasks:
    """Ten tasks; the values of 4 and 8 are NULL."""
    service = Tasks(db)
    await service.m_create(some(10), columns=[])
    await service.m_update([4, 8], {"value": None}, columns=[])
    return service


ALL = list(range(1, 11))
WORDS = [
    ({"name": "t3"}, [3]),
    ({"name": ["t1", "t2", "t99"]}, [1, 2]),
    ({"value": {"not": 3}}, [1, 2, 5, 6, 7, 9, 10]),
    ({"value": {"gt": 5}}, [6, 7, 9, 10]),
    ({"value": {"ge": 5, "lt": 7}}, [5, 6]),
    ({"value": {"gt": 1, "lt": 4, "ge": 1, "le": 2}}, [2]),
    ({"name": {"like": "%1%"}}, [1, 10]),
    ({"value": {"LT": 3, "Ge": 2}}, [2]),
    ({"value": {"eq": 5}}, [5]),
    ({"value": None}, [4, 8]),
    ({"value": {"not": None}}, [1, 2, 3, 5, 6, 7, 9, 10]),
    ({"value": []}, []),
    # As everywhere in the language: None in a list is NULL.
    ({"value": [None, 1]}, [1, 4, 8]),
    ({"value": (1, 2)}, [1, 2]),
    ({"value": {"not_in": [1, 2, 3]}}, [4, 5, 6, 7, 8, 9, 10]),
    ({"active": True}, [1, 2, 4, 5, 7, 8, 10]),
    ({"id": {"gt": 2}, "active": False}, [3, 6, 9]),
    ([{"value": {"gt": 6}, "active": True}, {"id": 3}], [3, 7, 10]),
    ([[{"id": 1}], [{"id": 2}, {"id": 3}]], [1, 2, 3]),
    ({}, ALL),
    ([], ALL),
    (None, ALL),
    ("*", ALL),
    ({"or": [{"id": 1}, {"not": {"id": {"lt": 10}}}]}, [1, 10]),
]


@pytest.mark.parametrize(("conditions", "wanted"), WORDS, ids=str)
async def test_what_conditions_say(full: Tasks, conditions: Any, wanted: list[int]) -> None:
    page = await full.list(conditions, columns=["id"])
    assert ids(page["data"]) == wanted
    assert page["count"] == await full.count(conditions) == len(wanted)
    assert [n for batch in [b async for b in full.iter(conditions)] for n in ids(batch)] == wanted


async def test_a_json_value_is_compared_whole(db: DB, place: Place) -> None:
    service = Documents(db)
    await service.m_create([{"settings": {"on": n}} for n in range(3)], columns=[])
    assert await service.count({"settings": {"eq": {"on": 1}}}) == 1
    assert await service.count({"settings": {"eq": {"on": 5}}}) == 0


SORTS = [
    ("name", ["t1", "t10", "t2", "t3"]),
    ({"asc": "name"}, ["t1", "t10", "t2", "t3"]),
    ({"DESC": "id"}, ["t10", "t9", "t8", "t7"]),
    ([{"asc": "active"}, {"desc": "id"}], ["t9", "t6", "t3", "t10"]),
    (["active", {"desc": "id"}], ["t9", "t6", "t3", "t10"]),
    ("-value", ["t10", "t9", "t7", "t6"]),
    (("active", "name"), ["t3", "t6", "t9", "t1"]),
]


@pytest.mark.parametrize(("sort", "wanted"), SORTS, ids=str)
async def test_what_sorts_say(full: Tasks, sort: Any, wanted: list[str]) -> None:
    page = await full.list(sort=sort, limit=4)
    assert [row["name"] for row in page["data"] or []] == wanted


@pytest.mark.parametrize("sort", ["value", "-value", {"desc": "value"}], ids=str)
async def test_nulls_come_last_in_both_directions(full: Tasks, sort: Any) -> None:
    assert ids((await full.list(sort=sort))["data"])[-2:] == [4, 8]


# Strangers

WRONG_CONDITIONS: list[Any] = [
    {"nmae": 1},
    {"value": {"gtt": 1}},
    {"value": {"in": 5}},
    {"value": {"gt": None}},
    {"value": {"not": [1, 2]}},
    {"value": {5: 1}},
    {"value": {None: 1}},
    {"value": {"gt": {"a": 1}}},
    {"value": {"in": [{"a": 1}]}},
    {5: 1},
    {None: 1},
    {"name; DROP TABLE tasks": 1},
    "name = 1",
    5,
    True,
    [5],
    ["*"],
    [None],
    {"and": 5},
    {"or": {"id": 1}},
    {"exists": {"table": "projects"}},
    {"project": {"in": {"table": "projects", "columns": ["id"]}}},
    {"project": {"in_subquery": {"table": "projects", "columns": ["id"]}}},
    {"name": {"~": "a"}},
    {"name": {"between": [1]}},
    {"$outer": 1},
]


@pytest.mark.parametrize("conditions", WRONG_CONDITIONS, ids=str)
async def test_a_strangers_conditions_are_at_worst_a_validation_error(full: Tasks, conditions: Any) -> None:
    for call in (
        lambda: full.list(conditions),
        lambda: full.m_get(conditions=conditions),
        lambda: full.count(conditions),
        lambda: full.m_update([], {"value": 1}, conditions),
        lambda: full.m_delete([], conditions),
        lambda: full.m_update([1], {"value": 1}, conditions),
    ):
        with pytest.raises(ValidationError):
            await call()
    assert await full.count() == 10


WRONG_SORTS: list[Any] = [
    "nmae",
    {"up": "name"},
    {"asc": "name", "desc": "id"},
    {"asc": 5},
    [{}],
    [5],
    5,
    True,
    ["name", "name"],
    {"asc": "name; DROP TABLE tasks"},
    [["name"]],
]


@pytest.mark.parametrize("sort", WRONG_SORTS, ids=str)
async def test_a_strangers_sort_is_at_worst_a_validation_error(full: Tasks, sort: Any) -> None:
    with pytest.raises(ValidationError):
        await full.list(sort=sort)
    with pytest.raises(ValidationError):
        full.iter(sort=sort)


def nested(depth: int) -> Any:
    found: Any = {"id": 1}
    for _ in range(depth - 1):
        found = {"and": [found]}
    return found


@pytest.mark.parametrize(
    ("allowed", "refused", "message"),
    [
        (nested(8), nested(9), "levels"),
        (nested(8), nested(5000), "levels"),
        ([{"id": n} for n in range(100)], [{"id": n} for n in range(101)], "terms"),
        ({"id": list(range(1000))}, {"id": list(range(1001))}, "values in a list"),
    ],
    ids=["depth", "great depth", "width", "length of a list"],
)
async def test_depth_width_and_length_are_bounded(
    full: Tasks, allowed: Any, refused: Any, message: str
) -> None:
    assert await full.count(allowed) > 0
    with pytest.raises(ValidationError, match=message):
        await full.count(refused)


async def test_the_bounds_are_class_attributes_wherever_they_stand(db: DB) -> None:
    class Narrow:
        MAX_CONDITION_DEPTH = 1
        MAX_CONDITION_TERMS = 2
        MAX_LIST_LENGTH = 3
        MAX_SORT_COLUMNS = 2

    class Before(Narrow, Tasks):
        pass

    class Behind(Tasks, Narrow):
        pass

    for service in (Before(db), Behind(db)):
        assert await service.count({"id": [1, 2, 3], "value": 1}) == 0
        for conditions in ([{"id": 1}], {"id": 1, "name": "a", "value": 1}, {"id": [1, 2, 3, 4]}):
            with pytest.raises(ValidationError, match="at most"):
                await service.count(conditions)
        with pytest.raises(ValidationError, match="at most 2"):
            await service.list(sort=["id", "name", "value"])


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("MAX_ROW_LIMIT", 0), ("MAX_IDS", "x"), ("ALLOW_REGEX", 1), ("DEFAULT_ROW_LIMIT", None)],
)
async def test_a_bound_that_is_none_is_said_when_the_service_is_made_ready(
    db: DB, name: str, wrong: Any
) -> None:
    service = type("Odd", (Tasks,), {name: wrong})(db)
    with pytest.raises(UsageError, match=name):
        service.prepare()


async def test_what_is_allowed_to_more_than_strangers(db: DB, place: Place) -> None:
    class Trusting(SQLService[int, dict[str, Any]]):
        table = tasks
        ALLOW_REGEX = True
        ALLOW_SUBQUERIES = True

    service = Trusting(db)
    await service.m_create(some(3), columns=[])
    if place.is_postgres:
        assert await service.count({"name": {"~": "^t[12]$"}}) == 2
    query = {"table": "my_table", "columns": ["value"], "filter": {"value": {"gt": 2}}}
    await MyService(db).create({"id": "a", "value": 3})
    assert ids((await service.list({"value": {"in_subquery": query}}))["data"]) == [3]
    with pytest.raises(ValidationError, match="unknown table"):
        await service.count({"value": {"in_subquery": {**query, "table": "pg_authid"}}})


async def test_values_are_never_sql(full: Tasks) -> None:
    texts = ("' OR 1=1 --", "t1'; DROP TABLE tasks; --", "%s", "$1", "?", ":name", "\\", "NULL")
    for number, text in enumerate(texts, 100):
        assert await full.count({"name": text}) == 0
        assert await full.count({"name": {"like": text}}) == 0
        row = await full.create({"id": number, "name": text}, columns=["name"])
        assert row == {"name": text}
    assert await full.count({"name": "' OR 1=1 --"}) == 1


async def test_a_column_that_is_not_there_names_those_that_are(full: Tasks) -> None:
    with pytest.raises(UndefinedColumnError, match="did you mean 'value'"):
        await full.count({"valu": 1})
