"""The guide's verbs over the wire: conditions, sorts and pages as JSON, and hooks that see who calls."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from http_server import Server, request, running
from rowstead import DB
from rowstead.service import PermHook, PublicInterface, Service, SQLService
from service.conftest import Place, place_named
from service.tables import create, documents, members, my_table, tasks

ADA, EVE, ROOT = "ada-has-a-long-token", "eve-has-a-long-token", "root-has-a-long-token"
TOKENS = [
    {"token": ADA, "user_id": 1},
    {"token": EVE, "user_id": 2},
    {"token": ROOT, "user_id": 3, "permissions": ["owned.view_others"]},
]


IN_FRONT_OF_ANY = pytest.mark.parametrize("place", ["sqlite"], indirect=True)
"""For what no database is asked about."""


class Things(SQLService[str, Any], PublicInterface):
    service_name = "things"
    table = my_table


class Owned(PermHook, SQLService[int, Any], PublicInterface):
    service_name = "owned"
    table = tasks
    select_columns_blacklist = frozenset({"hash"})
    update_columns_blacklist = frozenset({"hash"})


class Private(SQLService[int, Any]):
    service_name = "private"
    table = tasks


class Members(SQLService[Any, Any], PublicInterface):
    service_name = "members"
    table = members


class Documents(SQLService[uuid.UUID, Any], PublicInterface):
    service_name = "documents"
    table = documents


@pytest.fixture(params=["sqlite", "asyncpg", "psycopg", "mariadb"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return place_named(request.param, request, tmp_path)


@pytest.fixture
def server(place: Place) -> Iterator[Server]:
    @asynccontextmanager
    async def made() -> AsyncIterator[list[Service]]:
        async with await DB.from_url(place.url) as db:
            await create(db)
            yield [Things(db), Owned(db), Private(db), Members(db), Documents(db)]

    with running(make=made, tokens=TOKENS, anonymous=True) as server:
        yield server


def test_a_page_of_the_guides_is_asked_for_as_json(server: Server) -> None:
    rows = [{"id": f"row_{n:03}", "value": n} for n in range(195)]
    assert server.call("things.m_create", data=rows, columns=[]) is None
    page = server.call("things.list", conditions={"value": {"gt": 42}}, offset=10, limit=10)
    data = page.pop("data")
    assert page == {"count": 152, "offset": 10, "page": 2, "pages": 16, "on_page": 10}
    assert data == [{"id": f"row_{n:03}", "value": n} for n in range(53, 63)]


@pytest.mark.parametrize(
    ("conditions", "found"),
    [
        ({"value": 2}, [2]),
        ({"value": [1, 3]}, [1, 3]),
        ({"value": {"not": 2}}, [0, 1, 3, 4]),
        ({"value": {"gt": 1, "le": 3}}, [2, 3]),
        ({"id": {"like": "%_4"}}, [4]),
        ([{"value": {"gt": 3}}, {"id": "row_0"}], [0, 4]),
        ({"not": {"value": {"in": [0, 1]}}}, [2, 3, 4]),
        (None, [0, 1, 2, 3, 4]),
    ],
)
def test_conditions_and_sorts_travel_as_json(server: Server, conditions: Any, found: list[int]) -> None:
    server.call("things.m_create", data=[{"id": f"row_{n}", "value": n} for n in range(5)])

    def values(sort: Any) -> list[int]:
        page = server.call("things.list", conditions=conditions, sort=sort, columns=["value"])
        return [row["value"] for row in page["data"]]

    assert values([{"asc": "value"}]) == found
    assert values([{"desc": "value"}, "id"]) == found[::-1]
    assert values("-value") == found[::-1]


def test_the_verbs_of_one_row(server: Server) -> None:
    assert server.call("things.create", {"id": "a", "value": 1}) == {"id": "a", "value": 1}
    assert server.call("things.get", id="a") == {"id": "a", "value": 1}
    assert server.call("things.update", "a", {"value": 2}, ["value"]) == {"value": 2}
    assert server.call("things.exists", "a") is True
    assert sorted(server.call("things.m_exists", ["a", "b"])) == ["a"]
    assert server.call("things.delete", "a") is None
    error = server.fails("things.get", "a")
    assert (error.number, error.code, error.data) == (
        404,
        "NOT_FOUND",
        {"code": "NOT_FOUND", "table": "my_table"},
    )


def test_keys_of_several_columns_travel_as_lists_or_objects(server: Server) -> None:
    row = {"project": 1, "person": "ada", "role": "author"}
    server.call("members.create", row)
    assert server.call("members.get", [1, "ada"]) == row
    assert server.call("members.get", {"project": 1, "person": "ada"}) == row
    assert server.call("members.m_exists", [[1, "ada"], [1, "eve"]]) == [[1, "ada"]]
    assert server.fails("members.get", [1]).code == "VALIDATION"


def test_values_of_every_kind_are_written_and_read(server: Server) -> None:
    id = str(uuid.uuid4())
    given = {
        "id": id,
        "data": {"a": [1, 2, {"b": None}]},
        "price": "12.50",
        "day": "2026-02-03",
        "made": "2026-02-03T04:05:06",
        "colour": "BLUE",
    }
    server.call("documents.create", given, columns=[])
    found = server.call("documents.get", id, ["id", "data", "price", "day", "made"])
    assert found == {each: given[each] for each in found}
    assert Decimal(found["price"]) == Decimal("12.5")
    assert datetime.datetime.fromisoformat(found["made"]) == datetime.datetime(2026, 2, 3, 4, 5, 6)
    assert (
        server.call("documents.list", conditions={"day": {"gt": "2026-02-02"}}, columns=["id"])["count"] == 1
    )


@IN_FRONT_OF_ANY
@pytest.mark.parametrize(
    ("method", "params", "words"),
    [
        ("things.list", {"conditions": {"valu": 1}}, "did you mean 'value'?"),
        ("things.list", {"conditions": {"value": {"gtt": 1}}}, "did you mean 'gt"),
        ("things.list", {"sort": "-valu"}, "did you mean 'value'?"),
        ("things.list", {"columns": ["valu"]}, "did you mean 'value'?"),
        ("things.list", {"limit": -1}, "limit cannot be negative"),
        ("things.list", {"limit": "10"}, "limit takes a whole number or null, not this text"),
        ("things.list", {"offset": None}, "offset takes a whole number, not null"),
        ("things.m_delete", {}, "needs ids, or conditions that say something"),
        ("things.m_delete", {"id": []}, "needs ids, or conditions that say something"),
        ("things.m_update", {"id": [], "data": {"value": 1}, "conditions": [{}]}, "needs ids"),
        ("things.create", {"data": {}}, "is empty"),
        ("things.create", {"data": {"id": "a", "value": "x"}}, "column 'value' takes int, not str"),
        ("things.create", {"data": {"id": "a"}, "on_conflict": "replace"}, "do_"),
    ],
)
def test_input_that_cannot_be_is_invalid_params_with_words(
    server: Server, method: str, params: dict[str, Any], words: str
) -> None:
    error = server.fails(method, **params)
    assert error.number == -32602
    assert words in str(error)


def test_constraints_are_conflicts_with_their_names_and_without_values(server: Server) -> None:
    server.call("owned.create", {"id": 1, "name": "s3cret-value", "user_id": 1}, _as=ADA)
    error = server.fails("owned.create", {"id": 2, "name": "s3cret-value", "user_id": 1}, _as=ADA)
    assert (error.number, error.code, error.data["table"]) == (409, "DUPLICATE", "tasks")
    assert "s3cret" not in str(error) + repr(error.data)
    error = server.fails("owned.create", {"id": 2, "name": "n", "user_id": 1, "value": -1}, _as=ADA)
    assert (error.number, error.code, error.data["constraint"]) == (409, "CHECK", "ck_tasks_value")


def test_a_permission_hook_sees_who_calls(server: Server) -> None:
    """Two users, somebody who may see others' rows, and nobody."""
    for id, token in enumerate((ADA, ADA, EVE), 1):
        server.call("owned.create", {"id": id, "name": f"n{id}"}, [], _as=token)

    def ids(token: str | None) -> list[int]:
        return [row["id"] for row in server.call("owned.list", sort="id", _as=token)["data"]]

    assert [ids(token) for token in (ADA, EVE, ROOT, None)] == [[1, 2], [3], [1, 2, 3], []]
    assert server.fails("owned.get", 1, _as=EVE).code == "NOT_FOUND"
    assert server.fails("owned.update", 1, {"value": 5}, _as=EVE).code == "NOT_FOUND"
    assert server.call("owned.m_delete", conditions="*", columns=["id"], _as=EVE) == [{"id": 3}]
    assert server.fails("owned.delete", 1).code == "NOT_FOUND"
    taken_over = {"id": 1, "name": "n1"}
    error = server.fails(
        "owned.create",
        data=taken_over,
        on_conflict="do_update",
        on_conflict_keys=["id"],
        on_conflict_values={"value": 9},
        _as=EVE,
    )
    assert error.code in ("DUPLICATE", "VALIDATION")
    assert server.call("owned.get", 1, _as=ADA)["value"] is None
    assert ids(ADA) == [1, 2]


def test_a_hidden_column_is_nowhere(server: Server) -> None:
    server.call("owned.create", {"id": 1, "name": "n", "hash": "s3cret-value"}, _as=ADA)
    assert "hash" not in server.call("owned.get", 1, _as=ADA)
    for named in ({"conditions": {"hash": "x"}}, {"sort": "hash"}, {"conditions": {"hash": {"like": "s%"}}}):
        error = server.fails("owned.list", **named, _as=ADA)
        assert error.code == "UNDEFINED_COLUMN"
        assert "hash" not in str(error).partition(";")[2]
    assert server.fails("owned.update", 1, {"hash": "x"}, _as=ADA).number == -32602


@IN_FRONT_OF_ANY
@pytest.mark.parametrize(
    "method", ["private.list", "private.get", "db.execute", "db.fetch", "things.iter", "things.table"]
)
def test_services_that_are_not_public_and_other_attributes_are_not_reached(
    server: Server, method: str
) -> None:
    assert server.fails(method).code == "METHOD_NOT_FOUND"


def test_a_huge_name_of_a_column_is_cut(server: Server) -> None:
    for named in ({"conditions": {"x" * 100_000: 1}}, {"columns": ["x" * 100_000]}, {"sort": "x" * 100_000}):
        error = server.fails("things.list", **named)
        assert error.number == -32602
        assert len(str(error)) + len(repr(error.data)) < 1000


def test_a_connection_cannot_be_given(server: Server) -> None:
    error = server.fails("things.get", id="a", _connection={"session": 1})
    assert str(error).startswith("there is no parameter '_connection'")
    assert server.fails("things.get", "a", "*", "connection").code == "INVALID_PARAMS"


def test_a_batch_reads_what_it_has_written_before(server: Server) -> None:
    batch = [
        request("things.create", {"id": "a", "value": 1}, id=1),
        request("things.get", "a", id=2),
        request("things.get", "b", id=3),
        request("things.count", id=4),
    ]
    answers = server.post(batch).json
    assert [each.get("result") for each in answers] == [{"id": "a", "value": 1}] * 2 + [None, 1]
    assert answers[2]["error"]["data"]["code"] == "NOT_FOUND"


def test_the_description_names_the_verbs_and_their_parameters(server: Server) -> None:
    document = server.ask("/openrpc.json").json
    methods = {each["name"]: each for each in document["methods"]}
    assert "private.get" not in methods
    assert [each["name"] for each in methods["things.list"]["params"]] == [
        "conditions",
        "sort",
        "offset",
        "limit",
        "count",
        "columns",
    ]
    offset = methods["things.list"]["params"][2]
    assert offset == {"name": "offset", "required": False, "schema": {"type": "integer", "default": 0}}
