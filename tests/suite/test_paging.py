"""Keyset walks never drop or repeat a row and use the index; page arithmetic and tokens."""

import datetime
import random
import uuid
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Annotated, Any

import pytest
from pydantic import AwareDatetime

from entry_cases import ENTRIES, TEXTS, UTC, Entry, Pair, entry
from rowstead import DB, Kind, Row, UndefinedColumnError, ValidationError


@pytest.fixture
async def entries(db: DB, ddl: Callable[[str], str]) -> DB:
    await db.execute(ddl(ENTRIES))
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
    db: DB, ddl: Callable[[str], str]
) -> None:
    await db.execute(
        ddl(
            'CREATE TABLE pairs ("left" {int}, "right" {sorted_text}, rank {int},'
            ' PRIMARY KEY ("left", "right"))'
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


async def test_a_key_that_may_be_null_on_sqlite_loses_no_row(db: DB, ddl: Callable[[str], str]) -> None:
    class Loose(Row):
        __table__ = "loose"
        __pk__ = ("code",)
        code: str | None = None
        n: int = 0

    await db.execute(ddl("CREATE TABLE loose (code {sorted_text} PRIMARY KEY, n INTEGER DEFAULT 0)"))
    nulls = [None] if db.database.dialect.key_may_be_null else []
    await db.insert_many([Loose(code=t) for t in [*TEXTS, *nulls]])
    for size in (1, 2, 3, 100):
        walked = [r.code async for r in db.iter_rows_keyset(Loose, batch_size=size)]
        assert walked == [*sorted(TEXTS), *nulls]


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
