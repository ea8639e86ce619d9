"""The condition language: one table of filters over one set of rows, the same answer on every backend."""

import datetime
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from conftest import Backend
from filter_cases import ALWAYS, EVERY, ITEMS, MISTAKES, ORDERS, TABLE, TABLES, Item, Order, moment
from rowstead import (
    DB,
    STRANGER,
    Access,
    DataError,
    Row,
    UndefinedColumnError,
    ValidationError,
)
from rowstead.language.conditions import read


@pytest.fixture
async def items(db: DB, ddl: Callable[[str], str]) -> DB:
    await db.execute(ddl(TABLES))
    await db.execute(ddl("CREATE TABLE orders (id {int} PRIMARY KEY, item {int}, amount {int})"))
    await db.insert_many(ITEMS)
    await db.insert_many(ORDERS)
    return db


async def found(db: DB, where: Any) -> list[int]:
    return [row.id for row in await db.query(Item, where=where, order="id")]


async def test_a_filter_finds_the_same_rows_on_every_backend(items: DB) -> None:
    wrong = [(where, ids, wanted) for where, wanted in TABLE if (ids := await found(items, where)) != wanted]
    assert wrong == []
    assert len(TABLE) > 80


async def test_count_exists_page_update_and_delete_take_the_same_filters(items: DB) -> None:
    for where, wanted in TABLE:
        assert await items.count(Item, where=where) == len(wanted), where
        assert await items.exists(Item, where=where) is bool(wanted), where
        page = await items.page(Item, where=where, order="id", limit=100)
        assert [r.id for r in page.rows] == wanted, where
        assert page.count == len(wanted), where
        assert [r.id async for r in items.iter_rows(Item, where=where, batch_size=3)] == wanted, where


async def test_update_where_changes_exactly_the_rows_that_the_filter_finds(items: DB) -> None:
    for where, wanted in TABLE:
        if where in ALWAYS:
            with pytest.raises(ValidationError, match="update_where needs a filter"):
                await items.update_where(Item.patch(raw=b"hit"), where=where)
            continue
        await items.update_where(Item.patch(raw=b"old"), where={"id": {"gt": 0}})
        await items.insert_many(ITEMS, on_conflict="upsert")
        assert await items.update_where(Item.patch(raw=b"hit"), where=where) == len(wanted), where
        assert [r.id for r in await items.query(Item, raw=b"hit", order="id")] == wanted, where


async def test_an_update_asks_its_subqueries_about_the_rows_as_they_were(items: DB) -> None:
    # SQLite's one pass would find the name that the row before has just got.
    where = {"not_exists": {"table": Item, "filter": {"name": "new"}}}
    other = {"not_exists": {"table": Item, "filter": {"name": "new", "id": {"not": {"$outer": "id"}}}}}
    assert await items.update_where(Item.patch(name="new"), where=other) == len(ITEMS)
    assert await items.count(Item, name="new") == len(ITEMS)
    assert await items.update_where(Item.patch(name="newer"), where=where) == 0


async def test_ilike_ignores_case_in_the_alphabets_that_the_database_knows(
    items: DB, backend: Backend
) -> None:
    # PostgreSQL goes by the database's locale, and a `C` locale knows only ASCII's cases.
    knows = not backend.is_postgres or await items.fetchval("SELECT 'ä' ILIKE 'Ä'")
    assert await found(items, {"name": {"ilike": "ÄRGER"}}) == ([9, 10] if knows else [9])


async def test_keywords_and_a_filter_are_joined_by_and(items: DB) -> None:
    rows = await items.query(Item, where=[{"n": 10}, {"n": 1}], name="1000")
    assert [r.id for r in rows] == [6]
    assert [r.id for r in await items.query(Item, n=[10, 1], ok=None, order="-id")] == [6, 5]
    assert await items.count(Item, name=None, n=None) == 1
    got = await items.get(Item, n=10, name="100%")
    assert got is not None
    assert got.id == 5


async def test_a_regular_expression_works_on_postgresql_and_is_refused_by_name_on_sqlite(
    items: DB, backend: Backend
) -> None:
    if backend.is_postgres:
        assert await found(items, {"name": {"~": "^[aA]pple$"}}) == [1, 2]
        with pytest.raises(DataError):
            await found(items, {"name": {"~": "("}})
        return
    with pytest.raises(ValidationError, match="no regular expressions; use like, contains or starts_with"):
        await found(items, {"name": {"~": "^a"}})


async def test_columns_named_like_the_languages_words_are_written_by_name(db: DB, backend: Backend) -> None:
    words = ["not", "and", "or", "exists", "not_exists", "col"]
    quote = '"' if backend.is_postgres else "`"
    columns = ", ".join(f"{quote}{w}{quote} INTEGER" for w in words)
    await db.execute(f"CREATE TABLE words (id INTEGER PRIMARY KEY, {columns})")
    from pydantic import create_model

    class Base(Row):
        __table__ = "words"
        id: int

    model: Any = create_model("Words", __base__=Base, **dict.fromkeys(words, (int | None, None)))
    await db.insert_many(
        [model(id=1, **dict.fromkeys(words, 1)), model(id=2, **dict.fromkeys(words, 2)), model(id=3)]
    )

    async def ids(where: Any) -> list[int]:
        return [r.id for r in await db.query(model, where=where, order="id")]

    for word in words:
        assert await ids({"col": {"name": word, "eq": 2}}) == [2]
        assert await ids({"col": {"name": word, "gte": 1, "lt": 2}}) == [1]
        assert await ids({"col": {"name": word, "is_null": True}}) == [3]
        assert await ids({"not": {"col": {"name": word, "eq": 2}}}) == [1, 3]
        assert [r.id for r in await db.query(model, order=f"-{word}")] == [2, 1, 3]
    assert await ids({"col": 2}) == [2]
    assert await ids({"col": {"gt": 1}}) == [2]
    with pytest.raises(ValidationError):
        await ids({"not": 2})


# ── mistakes ──


@pytest.mark.parametrize(("where", "error", "message"), MISTAKES, ids=[str(m[0])[:60] for m in MISTAKES])
async def test_a_mistake_in_a_filter_is_found_before_any_sql_exists(
    backend: Backend, where: Any, error: type[Exception], message: str
) -> None:
    # The table does not exist: a statement that were sent would fail otherwise.
    statements: list[str] = []
    async with await DB.from_url(backend.url, trace=lambda t: statements.append(t.sql)) as db:
        for verb in (db.query, db.count, db.exists, db.page):
            with pytest.raises(ValidationError) as caught:
                await verb(Item, where=where)  # pyright: ignore[reportArgumentType]
            assert type(caught.value) is error
            assert message in str(caught.value)
        with pytest.raises(error):
            await db.update_where(Item.patch(n=1), where=where)
        with pytest.raises(error):
            await db.delete(Item(id=1), where=where)
    assert statements == []


async def test_a_filter_nested_without_end_is_refused(db: DB) -> None:
    where: Any = {"id": 1}
    for _ in range(10_000):
        where = {"not": where}
    with pytest.raises(ValidationError, match="nested more than 100 levels"):
        await db.query(Item, where=where)


async def test_a_filter_nested_as_deep_as_allowed_works(items: DB) -> None:
    where: Any = {"id": 1}
    for _ in range(49):
        where = {"or": [{"and": [where, {"id": {"lt": 9}}]}, {"id": 2}]}
    assert await found(items, where) == [1, 2]


async def test_a_filter_of_very_many_terms_works(items: DB) -> None:
    where = [{"id": i, "n": {"ne": -1}} for i in range(400)]
    assert await found(items, where) == EVERY
    assert await found(items, {"and": [{"id": {"ne": i}} for i in range(6, 300)]}) == [1, 2, 3, 4, 5]


async def test_sql_in_names_and_values_stays_text(items: DB) -> None:
    evil = "'; DROP TABLE items; --"
    assert await found(items, {"name": evil}) == []
    assert await found(items, {"name": {"contains": evil}}) == []
    for where in ({"1=1 OR 1=1 OR name": "x"}, {'name" = name OR "name': "x"}):
        with pytest.raises(UndefinedColumnError):
            await found(items, where)
    with pytest.raises(UndefinedColumnError):
        await items.query(Item, order="id; DROP TABLE items")
    assert await items.count(Item) == 16


# ── access ───────────────────────────────────────────────────────────────────────────────────

TABLE_OF_ITEMS = Item.__rowstead__()


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"name": {"~": "a"}}, "regular expressions are not allowed here"),
        ({"id": list(range(1001))}, "1001 values in a list; at most 1000"),
        ([{"id": i} for i in range(101)], "101 terms; at most 100"),
        (
            {
                "and": [{"and": [{"and": [{"and": [{"and": [{"id": 1}]}]}]}]}],
                "not": {"not": {"not": {"not": {"not": {"not": {"not": {"not": {"id": 1}}}}}}}},
            },
            "9 levels; at most 8",
        ),
    ],
    ids=["regex", "list", "terms", "depth"],
)
def test_a_strangers_filter_is_bounded(where: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        read(where, TABLE_OF_ITEMS, access=STRANGER)
    assert read(where, TABLE_OF_ITEMS)[0][0] in ("and", "or")


def test_a_stranger_may_not_ask_other_tables() -> None:
    with pytest.raises(ValidationError, match="subqueries are not allowed here"):
        read({"exists": {"table": Order}}, TABLE_OF_ITEMS, access=STRANGER)
    with pytest.raises(ValidationError, match="subqueries are not allowed here"):
        read({"id": {"in_subquery": {"table": Order}}}, TABLE_OF_ITEMS, access=STRANGER)


def test_a_subquery_does_not_escape_a_strangers_bounds() -> None:
    scope = {"orders": Order.__rowstead__()}
    access = replace(STRANGER, subqueries=True)
    many = {"exists": {"table": "orders", "filter": {"id": list(range(1001))}}}
    with pytest.raises(ValidationError, match="values in a list"):
        read(many, TABLE_OF_ITEMS, access=access, scope=scope)
    terms = {"exists": {"table": "orders", "filter": [{"id": i} for i in range(101)]}}
    with pytest.raises(ValidationError, match="terms"):
        read(terms, TABLE_OF_ITEMS, access=access, scope=scope)
    deep: Any = {"id": 1}
    for _ in range(9):
        deep = {"not": deep}
    with pytest.raises(ValidationError, match="levels"):
        read({"exists": {"table": "orders", "filter": deep}}, TABLE_OF_ITEMS, access=access, scope=scope)
    with pytest.raises(ValidationError, match="regular expressions"):
        text = {"items": TABLE_OF_ITEMS}
        read(
            {"exists": {"table": "items", "filter": {"name": {"~": "a"}}}},
            TABLE_OF_ITEMS,
            access=access,
            scope=text,
        )


def test_a_hidden_column_cannot_be_filtered_on_and_is_not_suggested() -> None:
    access = Access(columns=frozenset({"id", "name"}))
    assert read({"name": "a"}, TABLE_OF_ITEMS, access=access) == (("and", ("eq", "name", "value")), ["a"])
    for where in (
        {"price": 1},
        {"or": [{"price": 1}]},
        {"col": {"name": "price", "eq": 1}},
        {"not": {"price": 1}},
    ):
        with pytest.raises(UndefinedColumnError) as caught:
            read(where, TABLE_OF_ITEMS, access=access)
        assert str(caught.value) == "items has no column 'price'; known: id, name"
    with pytest.raises(UndefinedColumnError) as caught:
        read(
            {"exists": {"table": Order, "filter": {"amount": {"$outer": "price"}}}},
            TABLE_OF_ITEMS,
            access=access,
        )
    assert "known: id, name" in str(caught.value)


# ── long lists ───────────────────────────────────────────────────────────────────────────────

LONG = 40_500

LISTS: Sequence[tuple[str, Any, str, Callable[[int], Any]]] = [
    ("int", int, "{int}", lambda i: i),
    ("bigint", int, "{bigint}", lambda i: i + 2**40),
    ("text", str, "{text}", lambda i: f"t'{i}\"\\ä"),
    ("bytes", bytes, "{bytes}", lambda i: i.to_bytes(4, "big")),
    ("uuid", uuid.UUID, "{uuid}", lambda i: uuid.UUID(int=i)),
    ("decimal", Decimal, "{decimal}", lambda i: Decimal(i) / 100),
    ("long_decimal", Decimal, "{decimal}", lambda i: Decimal(f"12345678901234567890.{i}1")),
    ("date", datetime.date, "{date}", lambda i: datetime.date(1900, 1, 1) + datetime.timedelta(days=i)),
    ("datetime", datetime.datetime, "{timestamptz}", lambda i: moment(1) + datetime.timedelta(seconds=i)),
    ("float", float, "{float}", lambda i: i / 3),
    ("timedelta", datetime.timedelta, "{interval}", lambda i: datetime.timedelta(milliseconds=i)),
]


@pytest.mark.parametrize(
    ("name", "annotation", "declared", "value"), LISTS, ids=[entry[0] for entry in LISTS]
)
async def test_a_list_may_be_of_any_length(
    db: DB, ddl: Callable[[str], str], name: str, annotation: Any, declared: str, value: Callable[[int], Any]
) -> None:
    from pydantic import create_model

    class Base(Row):
        __table__ = "listed"
        id: int

    model: Any = create_model("Listed", __base__=Base, v=(annotation | None, None))
    await db.execute(ddl(f"CREATE TABLE listed (id {{int}} PRIMARY KEY, v {declared})"))
    stored = list(range(0, 60, 2))
    await db.insert_many([*(model(id=i, v=value(i)) for i in stored), model(id=99)])

    async def ids(operator: str, values: list[Any]) -> list[int]:
        return [r.id for r in await db.query(model, where={"v": {operator: values}}, order="id")]

    for count in (16, 17, 51):
        values = [value(i) for i in range(count)]
        inside = [i for i in stored if i < count]
        outside = [i for i in stored if i >= count]
        assert await ids("in", values) == inside
        assert await ids("in", [*values, None]) == [*inside, 99]
        assert await ids("not_in", values) == [*outside, 99]
        assert await ids("not_in", [None, *values]) == outside
    values = [value(i) for i in range(6, LONG)]
    assert await ids("in", values) == [i for i in stored if i >= 6]
    assert await ids("in", [*values, None]) == [*(i for i in stored if i >= 6), 99]
    assert await ids("not_in", values) == [0, 2, 4, 99]
    assert await ids("not_in", [*values, None]) == [0, 2, 4]
    assert await db.count(model, v=values) == len(stored) - 3
    assert await db.update_where(model.patch(v=None), where={"v": values}) == len(stored) - 3


async def test_delete_many_takes_any_number_of_keys(items: DB) -> None:
    assert await items.delete_many(Item, range(3, LONG)) == 14
    assert await found(items, None) == [1, 2]


def test_a_string_in_a_subquery_is_never_anything_but_a_value() -> None:
    inner = {"table": Order, "filter": {"item": {"eq": "$outer.id"}}}
    shape, values = read({"exists": inner}, TABLE_OF_ITEMS)
    assert values == ["$outer.id"]
    assert "Outer(" not in repr(shape)


def test_a_name_that_is_no_text_is_refused_for_strangers_too() -> None:
    where = {"col": {"name": ["id"], "eq": 1}}
    for access in (Access(), Access(columns=frozenset({"id"}))):
        with pytest.raises(UndefinedColumnError, match=r"no column"):
            read(where, TABLE_OF_ITEMS, access=access)


async def test_a_text_with_a_nul_in_a_long_list_never_finds_its_beginning(items: DB) -> None:
    if items.database.dialect.values_list:
        assert await items.query(Item, name=["x"] * 20 + ["100%\x00"]) == []
        return
    # SQLite's JSON, as which a long list travels, ends a text at its first NUL.
    with pytest.raises(DataError):
        await items.query(Item, name=["x"] * 20 + ["100%\x00"])
