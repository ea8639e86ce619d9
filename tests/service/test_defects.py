"""The defects of the package whose guide this is: each by its number, on every database.

The others stand where they belong: K3 in `test_iter`, K4 in `test_list`, K5 and K6 in `test_columns`,
`test_hooks` and `test_permissions`, K7 in `test_columns` too; those of the database, of migrations and of
fixtures with these.
"""

from __future__ import annotations

from typing import Any

import pytest

from rowstead import DB as Handle
from rowstead import CheckError, ForeignKeyError, NotNullError, RestrictError
from rowstead.service import (
    Conflict,
    DuplicateError,
    NotFound,
    UndefinedColumnError,
    ValidationError,
)
from service.conftest import Sent
from service.services import Documents, Members, Projects, Tasks, ids, some
from service.tables import DOCUMENT


@pytest.fixture
async def full(db: Handle, sent: Sent) -> Tasks:
    service = Tasks(db)
    await service.m_create(some(5), columns=[])
    sent.clear()
    return service


NOTHING: list[Any] = [
    None,
    {},
    [],
    (),
    [{}],
    [{}, {}],
    {"value": {}},
    [{"id": 1}, {}],
    {"and": []},
    {"not": {"or": []}},
]
"""Conditions that say nothing, however they are written."""


@pytest.mark.parametrize("conditions", NOTHING, ids=str)
async def test_service_k01_no_ids_and_no_conditions_are_never_every_row(full: Tasks, conditions: Any) -> None:
    for no_ids in ([], None, (), set(), iter([])):
        with pytest.raises(ValidationError, match="every row"):
            await full.m_delete(no_ids, conditions)
        with pytest.raises(ValidationError, match="every row"):
            await full.m_update(no_ids, {"value": 0}, conditions)
    with pytest.raises(ValidationError, match="every row"):
        await full.m_get(None, conditions)
    assert await full.count({"value": {"gt": 0}}) == 5


async def test_service_k01_no_ids_give_no_rows(full: Tasks, sent: Sent) -> None:
    for no_ids in ([], (), set(), iter([])):
        assert await full.m_get(no_ids) == []
    assert await full.m_get([], conditions={}) == []
    assert await full.m_exists([]) == frozenset()
    assert sent == []


async def test_service_k01_as_strangers_call_it(full: Tasks) -> None:
    for verb in ("m_delete", "m_get"):
        with pytest.raises(ValidationError):
            await full.routes[verb]()
    assert await full.count() == 5


async def test_service_k02_an_incomplete_id_touches_no_row(db: Handle) -> None:
    service = Members(db)
    await service.m_create([{"project": 1, "person": n} for n in "abc"], columns=[])
    for wrong in ((), (1,), (1, "a", 5), [1], {}, {"project": 1}, 1, "1", None):
        for call in (
            service.delete(wrong),
            service.update(wrong, {"role": "x"}),
            service.get(wrong),
            service.exists(wrong),
            service.m_delete([wrong]),
            service.m_update([wrong], {"role": "x"}),
            service.m_get([(1, "a"), wrong]),
            service.m_exists([wrong]),
        ):
            with pytest.raises(ValidationError):
                await call
    assert await service.count({"role": None}) == 3
    assert await service.m_exists([]) == frozenset()


async def test_service_k02_a_complete_id_touches_its_row_only(db: Handle) -> None:
    service = Members(db)
    await service.m_create([{"project": p, "person": n} for p in (1, 2) for n in "ab"], columns=[])
    await service.delete((1, "a"))
    await service.update((2, "b"), {"role": "x"})
    assert await service.m_exists([(p, n) for p in (1, 2) for n in "ab"]) == {(1, "b"), (2, "a"), (2, "b")}
    assert await service.count({"role": "x"}) == 1


async def test_service_k07_a_conflict_that_is_let_be_gives_none(full: Tasks) -> None:
    for columns in ("*", ["id"], None):
        row = await full.create({"id": 1, "name": "other"}, columns=columns, on_conflict="do_nothing")
        assert row is None
    assert await full.m_create([{"id": 1, "name": "other"}], on_conflict="do_nothing") == []
    assert (await full.get(1))["name"] == "t1"


async def test_service_k08_no_rows_insert_no_row(full: Tasks, sent: Sent) -> None:
    assert await full.m_create([]) == []
    assert await full.m_create(iter([]), on_conflict="do_nothing") == []
    assert sent == []
    assert await full.count() == 5


async def test_service_k08_each_row_keeps_what_it_gives(db: Handle) -> None:
    service = Tasks(db)
    rows = await service.m_create(
        [
            {"id": 1, "name": "a"},
            {"id": 2, "name": "b", "value": 2, "hash": "h"},
            {"id": 3, "name": "c", "active": False},
            {"value": 4, "name": "d", "id": 4},
        ],
        columns=["id", "value", "hash", "active"],
    )
    wanted = [(1, None, None, True), (2, 2, "h", True), (3, None, None, False), (4, 4, None, True)]
    assert [tuple((row or {}).values()) for row in rows or []] == wanted
    found = await service.list(sort="id", columns=["id", "value", "hash", "active"])
    assert found["data"] == rows


async def test_service_k08_a_row_without_what_it_needs_is_a_not_null_error(db: Handle) -> None:
    with pytest.raises(NotNullError):
        await Tasks(db).m_create([{"id": 1, "name": "a"}, {"id": 2, "value": 2}])
    assert await Tasks(db).count() == 0


async def test_service_k12_json_is_written_and_read(db: Handle) -> None:
    service = Documents(db)
    texts = ["plain", "5", "null", "", '"quoted"', '{"a": 1}']
    values: list[Any] = [DOCUMENT["data"], [1, "a", None], 5, True, {"ü": "\N{GRINNING FACE}"}, *texts]
    for value in values:
        row = await service.create({"data": value, "settings": value}, columns=["id", "data", "settings"])
        assert row is not None
        assert (row["data"], row["settings"]) == (value, value)
        assert await service.get(row["id"], columns="data") == {"data": value}
        changed = await service.update(row["id"], {"data": {"new": value}}, columns=["data"])
        assert changed == {"data": {"new": value}}


async def test_service_k13_each_constraint_has_its_own_error(full: Tasks, db: Handle) -> None:
    refused: list[tuple[Any, type[Conflict]]] = [
        ({"id": 1, "name": "new"}, DuplicateError),
        ({"id": 50, "name": "t1"}, DuplicateError),
        ({"id": 50, "name": "new", "project": 77}, ForeignKeyError),
        ({"id": 50, "name": None}, NotNullError),
        ({"id": 50, "name": "new", "value": -1}, CheckError),
    ]
    for row, error in refused:
        with pytest.raises(Conflict) as caught:
            await full.create(row)
        assert type(caught.value) is error
        if row["id"] != 1:
            patch = {name: value for name, value in row.items() if name != "id"}
            with pytest.raises(error):
                await full.update(2, patch)
    projects = Projects(db)
    await projects.create({"id": 1, "title": "p"})
    await full.update(1, {"project": 1})
    for call in (projects.delete(1), projects.m_delete([1])):
        with pytest.raises(RestrictError):
            await call
    assert await full.count() == 5


async def test_service_d05_a_dict_behind_the_ids_of_m_delete_is_conditions(full: Tasks) -> None:
    # As the guide prints it: `m_delete([id_1, id_2], {'value': False})`.
    assert await full.m_delete([1, 2, 3], {"active": False}) is None
    assert ids((await full.list())["data"]) == [1, 2, 4, 5]


async def test_an_unknown_column_is_no_internal_error(full: Tasks) -> None:
    for call in (full.create({"nmae": 1}), full.update(1, {"nmae": 1}), full.list({"nmae": 1})):
        with pytest.raises(UndefinedColumnError):
            await call
    with pytest.raises(NotFound):
        await full.get(77)
