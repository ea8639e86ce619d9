"""Pages: their arithmetic at every edge, their bounds, their order."""

from __future__ import annotations

from math import ceil
from typing import Any

import pytest

from rowstead import DB
from rowstead.service import SQLService, ValidationError
from service.conftest import Sent
from service.services import MyService, Tasks, ids, some
from service.tables import tasks


async def filled(db: DB, number: int) -> Tasks:
    service = Tasks(db)
    await service.m_create(some(number), columns=[])
    return service


async def test_the_guides_example_to_the_letter(db: DB) -> None:
    my_service = MyService(db)
    rows = [{"id": f"row_{n}", "value": 42 + n} for n in range(1, 153)]
    await my_service.m_create([*rows, {"id": "other", "value": 42}], columns=[])

    found = await my_service.list(conditions={"value": {"gt": 42}}, offset=10, limit=10)

    data = found.pop("data")  # pyright: ignore[reportAttributeAccessIssue, reportCallIssue]
    assert found == {"count": 152, "offset": 10, "page": 2, "pages": 16, "on_page": 10}
    # Without a sort: by the key.
    assert data == sorted(rows, key=lambda row: row["id"])[10:20]


EDGES = [(0, 10), (0, 20), (0, 21), (0, 1), (5, 10), (10, 10), (19, 10), (20, 10), (30, 10), (33, 10), (7, 3)]


@pytest.mark.parametrize(("offset", "limit"), EDGES)
async def test_service_k04_the_page_is_where_its_first_row_is(db: DB, offset: int, limit: int) -> None:
    service = await filled(db, 20)
    page = await service.list(offset=offset, limit=limit, columns=["id"])
    wanted = [{"id": n} for n in range(1, 21)][offset : offset + limit]
    assert page == {
        "count": 20,
        "offset": offset,
        "page": offset // limit + 1,
        "pages": ceil(20 / limit),
        "on_page": len(wanted),
        "data": wanted,
    }


async def test_service_k04_the_second_page_of_two_is_the_second(db: DB) -> None:
    # Where the rows behind the offset were a multiple of the limit, it was called the first.
    page = await (await filled(db, 20)).list(offset=10, limit=10)
    assert (page["page"], page["pages"]) == (2, 2)


async def test_an_empty_table_has_one_empty_page(db: DB) -> None:
    page = await Tasks(db).list()
    assert page == {"count": 0, "offset": 0, "page": 1, "pages": 1, "on_page": 0, "data": []}


@pytest.mark.parametrize("limit", [0, None])
async def test_no_limit_only_counts(db: DB, sent: Sent, limit: int | None) -> None:
    service = await filled(db, 5)
    sent.clear()
    page = await service.list({"value": {"gt": 2}}, limit=limit)
    assert page == {"count": 3, "offset": 0, "page": None, "pages": None, "on_page": 0, "data": None}
    assert len(sent) == 1


@pytest.mark.parametrize("columns", [None, []])
async def test_no_columns_give_the_arithmetic_without_rows(db: DB, columns: Any) -> None:
    page = await (await filled(db, 20)).list(offset=10, limit=10, columns=columns)
    assert page == {"count": 20, "offset": 10, "page": 2, "pages": 2, "on_page": 0, "data": None}


async def test_without_a_count_there_is_no_page_number(db: DB, sent: Sent) -> None:
    service = await filled(db, 5)
    sent.clear()
    page = await service.list(limit=2, count=False, columns="id")
    assert page == {
        "count": None,
        "offset": 0,
        "page": None,
        "pages": None,
        "on_page": 2,
        "data": [{"id": 1}, {"id": 2}],
    }
    assert len(sent) == 1
    assert "count(" not in sent[0].lower()
    nothing = await service.list(limit=0, count=False)
    assert (nothing["count"], nothing["data"]) == (None, None)


async def test_rows_and_count_come_in_one_statement(db: DB, sent: Sent) -> None:
    service = await filled(db, 5)
    sent.clear()
    assert (await service.list(limit=2))["count"] == 5
    assert len(sent) == 1


class Bounded(SQLService[int, dict[str, Any]]):
    table = tasks
    DEFAULT_ROW_LIMIT = 3
    MAX_ROW_LIMIT = 6


async def test_the_usual_limit_and_the_largest(db: DB) -> None:
    await filled(db, 20)
    service = Bounded(db)
    usual = await service.list()
    assert (usual["on_page"], usual["pages"]) == (3, 7)
    # A limit over the largest is the largest, in the arithmetic too.
    most = await service.list(limit=5000, offset=6)
    assert (most["on_page"], most["page"], most["pages"]) == (6, 2, 4)
    assert len((await Tasks(db).list())["data"] or []) == 20
    assert Bounded.DEFAULT_ROW_LIMIT == 3
    assert (SQLService.DEFAULT_ROW_LIMIT, SQLService.MAX_ROW_LIMIT) == (24, 1000)


@pytest.mark.parametrize("wrong", [-1, "10", "x", 1.5, True, [1], {"a": 1}])
async def test_a_limit_or_offset_that_is_no_number_is_refused(db: DB, wrong: Any) -> None:
    service = Tasks(db)
    with pytest.raises(ValidationError, match="limit"):
        await service.list(limit=wrong)
    with pytest.raises(ValidationError, match="offset"):
        await service.list(offset=wrong)


async def test_an_endless_offset_is_no_error(db: DB) -> None:
    page = await (await filled(db, 3)).list(offset=10**30)
    assert (page["count"], page["data"]) == (3, [])


async def test_pages_do_not_overlap_where_the_sort_says_nothing_of_it(db: DB) -> None:
    service = await filled(db, 20)
    seen: list[Any] = []
    for offset in range(0, 20, 4):
        seen += ids((await service.list(sort="active", offset=offset, limit=4))["data"])
    assert sorted(seen) == list(range(1, 21))
