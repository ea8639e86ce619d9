"""Page arithmetic, tokens, and the index that a walk uses."""

import json
import random
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from conftest import Backend
from entry_cases import ENTRIES, Entry, entry
from rowstead import DB, Row, ValidationError


@pytest.fixture
async def entries(db: DB, ddl: Callable[[str], str]) -> DB:
    await db.execute(ddl(ENTRIES))
    source = random.Random(7)
    await db.insert_many([entry(i, source) for i in range(1, 61)])
    return db


# ── the index ────────────────────────────────────────────────────────────────────────────────


ANALYSES = {"sqlite": "ANALYZE entries", "mariadb": "ANALYZE TABLE entries"}


@pytest.fixture
async def many(db: DB, backend: Backend, ddl: Callable[[str], str]) -> DB:
    await db.execute(ddl(ENTRIES))
    numbers = "generate_series(1, 25000) AS s(i)"
    if not backend.is_postgres:
        numbers = (
            "(WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 25000)"
            " SELECT i FROM c) AS s"
        )
    if backend.is_maria:
        numbers = "seq_1_to_25000 AS s"
    i = "seq" if backend.is_maria else "i"
    await db.execute(
        ddl(
            'INSERT INTO entries (id, a, b, "group") SELECT '
            f"{i}, CASE WHEN {i} % 5 = 0 THEN NULL ELSE {i} % 1000 END, 'text', {i} % 7 FROM {numbers}"
        )
    )
    await db.execute("CREATE INDEX entries_a_id ON entries (a, id)")
    await db.execute(ddl('CREATE INDEX entries_group_id ON entries ("group", id)'))
    await db.execute(ANALYSES.get(backend.name, "VACUUM ANALYZE entries"))
    return db


async def _plans(db: DB, order: Any) -> list[str]:
    """The plans of pages at the beginning, in the middle and at the end of a walk."""
    plans: list[str] = []
    total = await db.count(Entry)
    for offset in (0, total // 2, total * 9 // 10):
        page = await db.page(Entry, order=order, limit=10, offset=offset, count=False)
        plans.append(await db.explain("page", Entry, order=order, limit=10, after=page.next))
        assert plans[-1] != "SCAN entries"
    plans.append(await db.explain("iter_rows", Entry, order=order, batch_size=10))
    return plans


@pytest.mark.parametrize(
    "order", ["id", "-id", "a", "-a,-id", "group", "-group,-id", [{"asc": "a", "nulls": "first"}]], ids=str
)
async def test_each_page_of_a_walk_reads_the_index_and_sorts_nothing(
    many: DB, backend: Backend, order: Any
) -> None:
    for plan in await _plans(many, order):
        if backend.is_postgres:
            assert "Index" in plan, plan
            assert "Sort" not in plan, plan
            assert "Seq Scan" not in plan, plan
        elif backend.is_maria:
            assert '"key"' in plan, plan
            assert "filesort" not in plan, plan
        else:
            # Without a beginning, the rows of the table itself are read in the key's order.
            assert "USING INDEX" in plan or "USING INTEGER PRIMARY KEY" in plan or plan == "SCAN entries", (
                plan
            )
            assert "TEMP B-TREE" not in plan, plan


def begins_in_the_index(backend: Backend, plan: str) -> bool:
    shown = {"sqlite": "SEARCH", "mariadb": '"access_type": "range"'}
    return shown.get(backend.name, "Index Cond") in plan


async def test_a_page_in_the_middle_begins_in_the_index_and_not_at_its_start(
    many: DB, backend: Backend
) -> None:
    page = await many.page(Entry, order="id", limit=10, offset=20_000)
    assert page.next is not None
    plan = await many.explain("page", Entry, order="id", limit=10, after=page.next)
    assert begins_in_the_index(backend, plan), plan
    assert backend.name != "sqlite" or "rowid>?" in plan, plan
    page = await many.page(Entry, order="a", limit=10, offset=10_000)
    plan = await many.explain("page", Entry, order="a", limit=10, after=page.next)
    assert begins_in_the_index(backend, plan), plan


# ── page arithmetic ──────────────────────────────────────────────────────────────────────────


class Thing(Row):
    __table__ = "things"
    id: int


@pytest.fixture
async def things(db: DB, ddl: Callable[[str], str]) -> DB:
    await db.execute(ddl("CREATE TABLE things (id {int} PRIMARY KEY)"))
    await db.insert_many([Thing(id=i) for i in range(152)])
    return db


@pytest.mark.parametrize(
    ("offset", "limit", "page", "pages", "on_page"),
    [
        (10, 10, 2, 16, 10),
        (0, 10, 1, 16, 10),
        (9, 10, 1, 16, 10),
        (150, 10, 16, 16, 2),
        (151, 10, 16, 16, 1),
        (152, 10, 16, 16, 0),
        (1000, 10, 101, 16, 0),
        (0, 152, 1, 1, 152),
        (0, 151, 1, 2, 151),
        (151, 151, 2, 2, 1),
        (0, 153, 1, 1, 152),
        (0, 1, 1, 152, 1),
        (151, 1, 152, 152, 1),
        (152, 1, 153, 152, 0),
        (5, 8, 1, 19, 8),
    ],
)
async def test_page_arithmetic(
    things: DB, offset: int, limit: int, page: int, pages: int, on_page: int
) -> None:
    got = await things.page(Thing, order="id", offset=offset, limit=limit)
    assert (got.count, got.offset, got.limit) == (152, offset, limit)
    assert (got.page, got.pages, got.on_page) == (page, pages, on_page)
    assert [r.id for r in got.rows] == list(range(offset, min(offset + limit, 152)))
    assert (got.next is None) is (offset + limit >= 152)


async def test_an_empty_result_is_one_page_without_rows(things: DB) -> None:
    for page in (await things.page(Thing, id=-1), await things.page(Thing, where={"id": []})):
        assert (page.rows, page.count, page.page, page.pages, page.on_page, page.next) == (
            [],
            0,
            1,
            1,
            0,
            None,
        )


async def test_a_page_without_a_count_says_whether_more_follow(things: DB) -> None:
    page = await things.page(Thing, order="id", offset=140, limit=6, count=False)
    assert (page.count, page.pages, page.page, page.on_page) == (None, None, 24, 6)
    assert page.next is not None
    last = await things.page(Thing, order="id", offset=146, limit=6, count=False)
    assert (last.on_page, last.next) == (6, None)
    following = await things.page(Thing, order="id", limit=6, after=page.next, count=False)
    assert [r.id for r in following.rows] == list(range(146, 152))
    assert following.next is None
    assert following.count is None


async def test_tokens_lead_from_page_to_page_to_the_end(things: DB) -> None:
    sizes, ids, after = [], [], None
    while True:
        page = await things.page(Thing, limit=50, after=after)
        assert page.count == 152
        sizes.append(page.on_page)
        ids.extend(r.id for r in page.rows)
        after = page.next
        if after is None:
            break
    assert sizes == [50, 50, 50, 2]
    assert all(a < b for a, b in pairwise(ids))
    assert len(ids) == 152


async def test_a_page_that_ends_with_the_last_row_has_no_next(things: DB) -> None:
    page = await things.page(Thing, limit=76)
    assert page.next is not None
    last = await things.page(Thing, limit=76, after=page.next)
    assert (last.on_page, last.next) == (76, None)


@pytest.mark.parametrize(
    ("limit", "offset"), [(0, 0), (-1, 0), (10, -1), ("ten", 0), (10, "1"), (True, 0), (1.5, 0), (None, 0)]
)
async def test_impossible_pages_are_validation_errors(things: DB, limit: Any, offset: Any) -> None:
    with pytest.raises(ValidationError):
        await things.page(Thing, limit=limit, offset=offset)


async def test_huge_limits_and_offsets_are_only_large(things: DB) -> None:
    page = await things.page(Thing, limit=2**80, offset=3)
    assert page.on_page == 149
    assert (await things.page(Thing, limit=1, offset=2**80)).rows == []
    assert len(await things.query(Thing, limit=2**80)) == 152
    assert await things.query(Thing, limit=5, offset=2**80) == []


def _token(content: Any) -> str:
    return urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


def _content(token: str) -> Any:
    return json.loads(urlsafe_b64decode(token + "=" * (-len(token) % 4)))


BAD = [
    "",
    "x",
    "%%%",
    "bm90IGpzb24",
    "ä",
    _token(5),
    _token([]),
    _token({"a": 1}),
    _token(["", None, []]),
    5,
    b"abc",
    ["a"],
    "=" * 5,
]


@pytest.mark.parametrize("token", BAD, ids=[repr(b)[:30] for b in BAD])
async def test_a_text_that_is_no_token_is_a_validation_error(things: DB, token: Any) -> None:
    with pytest.raises(ValidationError, match="page token"):
        await things.page(Thing, after=token)


async def test_a_token_of_another_order_or_table_is_a_validation_error(entries: DB) -> None:
    page = await entries.page(Entry, order="a", limit=5)
    for order in (None, "-a", "b", "a,b", [{"asc": "a", "nulls": "first"}]):
        with pytest.raises(ValidationError, match="another table or order"):
            await entries.page(Entry, order=order, limit=5, after=page.next)
    with pytest.raises(ValidationError, match="another table or order"):
        await entries.page(Thing, limit=5, after=page.next)
    with pytest.raises(ValidationError, match="not both"):
        await entries.page(Entry, order="a", limit=5, offset=5, after=page.next)


async def test_a_token_with_other_values_inside_never_breaks_the_statement(entries: DB) -> None:
    page = await entries.page(Entry, order="a", limit=5)
    assert page.next is not None
    signature, part, values = _content(page.next)
    for changed in (
        ["x", 1],
        [[1], 1],
        [{"a": 1}, 1],
        [None, 1],
        [1, None],
        [1, "x"],
        [1.5, 2],
        [10**30, 1],
        [1],
        [1, 2, 3],
    ):
        with pytest.raises(ValidationError):
            await entries.page(Entry, order="a", limit=5, after=_token([signature, part, changed]))
    with pytest.raises(ValidationError):
        await entries.page(Entry, order="a", limit=5, after=_token([signature, "all", values]))
    with pytest.raises(ValidationError):
        await entries.page(Entry, order="a", limit=5, after=_token([signature, ["some"], values]))
    again = await entries.page(Entry, order="a", limit=5, after=_token([signature, part, values]))
    assert len(again.rows) == 5
