"""Keyset walks never drop or repeat a row and use the index; page arithmetic and tokens."""

import datetime
import json
import random
import uuid
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Any

import pytest
from pydantic import AwareDatetime

from conftest import Backend
from rowstead import DB, Kind, Row, UndefinedColumnError, ValidationError

UTC = datetime.UTC


class Entry(Row):
    __table__ = "entries"
    id: int
    a: int | None = None
    b: str | None = None
    price: Decimal | None = None
    seen: AwareDatetime | None = None
    group: int = 0


class Pair(Row):
    __table__ = "pairs"
    __pk__ = ("left", "right")
    left: int
    right: str
    rank: int | None = None


ENTRIES = """
CREATE TABLE entries (
    id {int} PRIMARY KEY, a {int}, b {text}, price {decimal}, seen {timestamptz}, "group" {int} NOT NULL DEFAULT 0
)
"""
TEXTS = ["", "a", "A", "ab", "b", "ä", "z", "Z%", "_"]


def entry(id: int, source: random.Random) -> Entry:
    def maybe(value: Any) -> Any:
        return None if source.random() < 0.25 else value

    return Entry(
        id=id,
        a=maybe(source.randrange(6)),
        b=maybe(source.choice(TEXTS)),
        price=maybe(Decimal(source.choice(["0.5", "9", "10", "-1", "1e-20", "12345678901234567890.5"]))),
        seen=maybe(datetime.datetime(2024, 1, source.randrange(1, 5), tzinfo=UTC)),
        group=source.randrange(3),
    )


@pytest.fixture
async def entries(db: DB, ddl: Callable[[str], str]) -> DB:
    # Texts in one order everywhere: by code point.
    collated = ddl(ENTRIES).replace(
        "b TEXT", 'b TEXT COLLATE "C"' if "TIMESTAMPTZ" in ddl(ENTRIES) else "b TEXT"
    )
    await db.execute(collated)
    source = random.Random(7)
    await db.insert_many([entry(i, source) for i in range(1, 61)])
    return db


def first(column: str) -> dict[str, str]:
    return {"asc": column, "nulls": "first"}


def first_down(column: str) -> dict[str, str]:
    return {"desc": column, "nulls": "first"}


ORDERS: Sequence[Any] = [
    None,
    "-id",
    "a",
    "-a",
    first("a"),
    first_down("a"),
    "a,b",
    "-a,b",
    "a,-b",
    "-a,-b",
    [first("a"), "-b"],
    [first_down("a"), first("b")],
    ["b", first_down("a")],
    "group,a",
    "-group,a,-b",
    ["group", first("a")],
    "-group,-id",
    "group,-id",
    "b",
    "-b",
    "price",
    "-price",
    [first("price"), "-a"],
    "-price,id",
    "seen,-price",
    "-seen",
    "-seen,-id",
    "a,-id",
    "a,id",
    "-a,b,price,seen,group,-id",
]


@pytest.mark.parametrize("order", ORDERS, ids=str)
async def test_a_walk_gives_every_row_once_in_the_order_of_one_query(entries: DB, order: Any) -> None:
    everything = await entries.query(Entry, order=_total(order))
    wanted = [r.id for r in everything]
    assert sorted(wanted) == list(range(1, 61))
    for size in (1, 7, 60, 61):
        walked = [r.id async for r in entries.iter_rows(Entry, order=order, batch_size=size)]
        assert walked == wanted, size
    for limit in (7, 30, 60):
        assert await _by_tokens(entries, order, limit) == wanted, limit


def _total(order: Any) -> Any:
    if order is None:
        return "id"
    terms = [order] if isinstance(order, (str, dict)) else list(order)
    named = str(order).replace("-", "").replace("'", ",").split(",")
    return terms if "id" in named else [*terms, "id"]


async def _by_tokens(db: DB, order: Any, limit: int, where: Any = None) -> list[int]:
    ids: list[int] = []
    after: str | None = None
    while True:
        page = await db.page(Entry, order=order, where=where, limit=limit, after=after)
        ids.extend(r.id for r in page.rows)
        assert len(page.rows) == limit or page.next is None
        if page.next is None:
            return ids
        assert page.rows
        after = page.next


@pytest.mark.parametrize(
    "where", [{"a": None}, {"a": {"ne": None}}, {"b": {"in": ["a", None]}}, {"id": {"gt": 55}}, {"id": 0}]
)
async def test_a_walk_over_a_filter_gives_its_rows_once(entries: DB, where: Any) -> None:
    for order in ("a", "-a,b", first("b"), None):
        wanted = [r.id for r in await entries.query(Entry, where=where, order=_total(order))]
        walked = [r.id async for r in entries.iter_rows(Entry, order=order, where=where, batch_size=3)]
        assert walked == wanted
        assert await _by_tokens(entries, order, 4, where) == wanted


@pytest.mark.parametrize(
    "order", ["id", "-id", "a", "-a,b", first("a"), first_down("b"), "price,-seen"], ids=str
)
@pytest.mark.parametrize("seed", range(3))
async def test_rows_that_stay_are_given_once_while_others_come_and_go(
    entries: DB, order: Any, seed: int
) -> None:
    source = random.Random(seed)
    seen: list[int] = []
    given: list[Entry] = []
    gone: set[int] = set()
    added = 1000
    async for row in entries.iter_rows(Entry, order=order, batch_size=3):
        assert row.id not in seen
        assert row.id not in gone
        seen.append(row.id)
        given.append(row)
        if len(seen) % 3 == 0:
            # Between two batches: the row just given goes, so does another, and new ones come.
            victims = {row.id, source.randrange(1, 61)}
            gone |= await _deleted(entries, victims)
            added += 1
            await entries.insert(entry(added, source))
    stayed = set(range(1, 61)) - gone
    assert stayed <= set(seen)
    assert len(seen) == len(set(seen))


async def _deleted(db: DB, ids: set[int]) -> set[int]:
    there = {r.id for r in await db.query(Entry, id=list(ids))}
    await db.delete_many(Entry, there)
    return there


async def test_deleting_every_row_as_it_is_given_reaches_every_row(entries: DB) -> None:
    seen: list[int] = []
    async for row in entries.iter_rows(Entry, batch_size=2):
        seen.append(row.id)
        await entries.delete(row)
    assert seen == list(range(1, 61))
    assert await entries.count(Entry) == 0


async def test_a_walk_goes_on_when_the_row_that_it_stands_on_changes_or_goes(entries: DB) -> None:
    page = await entries.page(Entry, order="id", limit=10)
    assert page.next is not None
    await entries.delete_many(Entry, [10])
    following = await entries.page(Entry, order="id", limit=10, after=page.next)
    assert [r.id for r in following.rows] == list(range(11, 21))


async def test_a_composite_key_orders_a_walk_and_makes_any_order_total(
    db: DB, ddl: Callable[[str], str], backend: Backend
) -> None:
    text = 'TEXT COLLATE "C"' if backend.is_postgres else "TEXT"
    await db.execute(
        ddl(
            f'CREATE TABLE pairs ("left" {{int}}, "right" {text}, rank {{int}}, PRIMARY KEY ("left", "right"))'
        )
    )
    rows = [Pair(left=i, right=t, rank=None if i % 2 else i // 2) for i in range(6) for t in TEXTS]
    await db.insert_many(rows)
    key = [(r.left, r.right) for r in rows]
    cases: list[tuple[Any, Callable[[Pair], Any]]] = [
        (None, lambda r: (r.left, r.right)),
        ("right", lambda r: (r.right, r.left)),
        ("rank", lambda r: (r.rank is None, r.rank or 0, r.left, r.right)),
        ("-rank", lambda r: (r.rank is None, -(r.rank or 0), r.left, r.right)),
        (
            [{"asc": "rank", "nulls": "first"}, "-left"],
            lambda r: (r.rank is not None, r.rank or 0, -r.left, r.right),
        ),
        ("-left,right", lambda r: (-r.left, r.right)),
    ]
    for order, by in cases:
        wanted = [(r.left, r.right) for r in sorted(rows, key=by)]
        for size in (1, 4, 1000):
            walked = [(r.left, r.right) async for r in db.iter_rows(Pair, order=order, batch_size=size)]
            assert walked == wanted, (order, size)
    assert sorted(key) == [(r.left, r.right) async for r in db.iter_rows_keyset(Pair, batch_size=5)]
    by_rank = [r.rank async for r in db.iter_rows_keyset(Pair, by="rank", batch_size=5)]
    assert by_rank == [*sorted(r.rank for r in rows if r.rank is not None), *[None] * 27]


async def test_a_key_that_may_be_null_on_sqlite_loses_no_row(db: DB, backend: Backend) -> None:
    class Loose(Row):
        __table__ = "loose"
        __pk__ = ("code",)
        code: str | None = None
        n: int = 0

    if backend.is_postgres:
        await db.execute('CREATE TABLE loose (code TEXT COLLATE "C" PRIMARY KEY, n INTEGER DEFAULT 0)')
        rows = [Loose(code=t) for t in TEXTS]
    else:
        await db.execute("CREATE TABLE loose (code TEXT PRIMARY KEY, n INTEGER DEFAULT 0)")
        rows = [Loose(code=t) for t in [*TEXTS, None]]
    await db.insert_many(rows)
    for size in (1, 2, 3, 100):
        walked = [r.code async for r in db.iter_rows_keyset(Loose, batch_size=size)]
        assert walked == [*sorted(TEXTS), *([] if backend.is_postgres else [None])]


async def test_walks_by_every_kind_of_key_give_all_rows_in_order(db: DB, ddl: Callable[[str], str]) -> None:
    keys: list[tuple[str, Any, list[Any]]] = [
        ("{uuid}", uuid.UUID, [uuid.UUID(int=i * 7919) for i in range(20)]),
        ("{decimal}", Decimal, [Decimal(i) / 8 - 1 for i in range(20)]),
        (
            "{date}",
            datetime.date,
            [datetime.date(2024, 1, 31) + datetime.timedelta(days=i) for i in range(20)],
        ),
        (
            "{timestamptz}",
            AwareDatetime,
            [
                datetime.datetime(2024, 1, 1, tzinfo=UTC) + datetime.timedelta(microseconds=i * 333_333)
                for i in range(20)
            ],
        ),
        (
            "{timestamp}",
            datetime.datetime,
            [datetime.datetime(2024, 1, 1) + datetime.timedelta(microseconds=i * 333_333) for i in range(20)],
        ),
        ("{time}", datetime.time, [datetime.time(1, 0, 0, i * 7) for i in range(20)]),
        ("{interval}", datetime.timedelta, [datetime.timedelta(seconds=i - 9) for i in range(20)]),
        ("{bytes}", bytes, [bytes([i, 255 - i]) for i in range(20)]),
        ("{float}", float, [i / 3 - 2 for i in range(20)]),
        ("{bigint}", int, [2**40 * (i - 9) for i in range(20)]),
    ]
    for number, (declared, annotation, values) in enumerate(keys):
        table = f"keyed{number}"
        await db.execute(ddl(f"CREATE TABLE {table} (k {declared} PRIMARY KEY)"))

        class Keyed(Row):
            __table__ = table
            __pk__ = ("k",)
            k: annotation

        shuffled = list(values)
        random.Random(1).shuffle(shuffled)
        await db.insert_many([Keyed(k=v) for v in shuffled])
        for order, wanted in ((None, sorted(values)), ("-k", sorted(values, reverse=True))):
            assert [r.k async for r in db.iter_rows(Keyed, order=order, batch_size=3)] == wanted
            after, walked = None, []
            while True:
                page = await db.page(Keyed, order=order, limit=6, after=after)
                walked.extend(r.k for r in page.rows)
                after = page.next
                if after is None:
                    break
            assert walked == wanted


async def test_keyset_walks_take_only_what_they_can_walk(entries: DB) -> None:
    with pytest.raises(UndefinedColumnError, match="did you mean"):
        entries_of = entries.iter_rows_keyset(Entry, by="grop")
        await anext(entries_of)
    for size in (0, -1, True):
        with pytest.raises(ValidationError, match="batch_size"):
            await anext(entries.iter_rows(Entry, batch_size=size))

    class Keyless(Row):
        __table__ = "entries"
        __pk__ = ()
        a: int | None = None

    with pytest.raises(ValidationError, match="no primary key"):
        await anext(entries.iter_rows(Keyless))


async def test_a_json_column_cannot_order_a_walk(db: DB, ddl: Callable[[str], str]) -> None:
    class Doc(Row):
        __table__ = "docs"
        id: int
        data: dict[str, int] | None = None
        tags: Annotated[list[str] | None, Kind.JSON] = None

    await db.execute(ddl("CREATE TABLE docs (id {int} PRIMARY KEY, data {jsonb}, tags {jsonb})"))
    for column in ("data", "tags"):
        with pytest.raises(ValidationError, match=f"rows cannot be ordered by '{column}'"):
            await anext(db.iter_rows(Doc, order=column))


# ── the index ────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def many(db: DB, backend: Backend, ddl: Callable[[str], str]) -> DB:
    await db.execute(ddl(ENTRIES))
    numbers = "generate_series(1, 25000) AS s(i)"
    if not backend.is_postgres:
        numbers = "(WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 25000) SELECT i FROM c) AS s"
    await db.execute(
        'INSERT INTO entries (id, a, b, "group") '
        f"SELECT i, CASE WHEN i % 5 = 0 THEN NULL ELSE i % 1000 END, 'text ' || i, i % 7 FROM {numbers}"
    )
    await db.execute("CREATE INDEX entries_a_id ON entries (a, id)")
    await db.execute('CREATE INDEX entries_group_id ON entries ("group", id)')
    await db.execute("ANALYZE entries" if not backend.is_postgres else "VACUUM ANALYZE entries")
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
        else:
            # Without a beginning, the rows of the table itself are read in the key's order.
            assert "USING INDEX" in plan or "USING INTEGER PRIMARY KEY" in plan or plan == "SCAN entries", (
                plan
            )
            assert "TEMP B-TREE" not in plan, plan


async def test_a_page_in_the_middle_begins_in_the_index_and_not_at_its_start(
    many: DB, backend: Backend
) -> None:
    page = await many.page(Entry, order="id", limit=10, offset=20_000)
    assert page.next is not None
    plan = await many.explain("page", Entry, order="id", limit=10, after=page.next)
    assert ("Index Cond" in plan) if backend.is_postgres else ("SEARCH" in plan and "rowid>?" in plan), plan
    page = await many.page(Entry, order="a", limit=10, offset=10_000)
    plan = await many.explain("page", Entry, order="a", limit=10, after=page.next)
    assert ("Index Cond" in plan) if backend.is_postgres else "SEARCH" in plan, plan


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
