"""Defects of an earlier package that ours must not have: statements and names (D5, D6, D16-D19, D24-D26)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from conftest import Backend
from rowstead import DB, Row, UndefinedColumnError, ValidationError, sql

ON_SQLITE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


class Item(Row):
    __table__ = "items"
    id: int | None = None
    name: str | None = None


@pytest.fixture
async def items(db: DB, backend: Backend) -> DB:
    await db.execute(backend.ddl("CREATE TABLE items (id {serial_pk}, name {text})"))
    await db.insert_many([Item(name=name) for name in "abcdef"])
    return db


EVIL = "1=1 OR 1=1 OR name"
ATTACKS: dict[str, Callable[[DB], Awaitable[Any]]] = {
    "get": lambda db: db.get(Item, **{EVIL: "x"}),
    "query": lambda db: db.query(Item, **{EVIL: "x"}),
    "query where": lambda db: db.query(Item, where={EVIL: "x"}),
    "query nested": lambda db: db.query(Item, where={"or": [{"not": {EVIL: "x"}}]}),
    "query order": lambda db: db.query(Item, order="name; DROP TABLE items"),
    "query order of a term": lambda db: db.query(Item, order=[{"asc": "1); DELETE FROM items; --"}]),
    "count": lambda db: db.count(Item, **{EVIL: "x"}),
    "page": lambda db: db.page(Item, order="(SELECT 1)"),
    "update": lambda db: db.update(Item(id=1, name="x"), where={EVIL: "x"}),
    "update_where": lambda db: db.update_where(Item.patch(name="x"), where={EVIL: "x"}),
    "delete": lambda db: db.delete(Item(id=1), where={EVIL: "x"}),
    "conflict target": lambda db: db.insert(
        Item(id=1, name="x"), on_conflict="upsert", conflict_target="id) DO NOTHING; DELETE FROM items; --"
    ),
    "bulk conflict target": lambda db: db.insert_many(
        [Item(id=1, name="x")], on_conflict="ignore", conflict_target=["id", "1=1"]
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
async def test_rows_d05_a_name_is_looked_up_and_never_pasted(items: DB, attack: str) -> None:
    with pytest.raises(UndefinedColumnError, match="items has no column"):
        await ATTACKS[attack](items)
    assert [(i.id, i.name) for i in await items.query(Item, order="id")] == list(enumerate("abcdef", 1))


async def test_rows_d05_an_operator_is_looked_up_and_never_pasted(items: DB) -> None:
    with pytest.raises(ValidationError, match="no operator"):
        await items.query(Item, where={"name": {"= name OR 1=1 --": "x"}})


async def test_rows_d05_a_tables_name_is_quoted_whole(db: DB) -> None:
    class Evil(Row):
        __table__ = "items WHERE 1=0; DROP TABLE items; --"
        id: int | None = None

    text = db.compose("query", Evil).sql
    assert any(f"{q}items WHERE 1=0; DROP TABLE items; --{q}" in text for q in '`"')


@pytest.mark.parametrize("order", [None, "name,id", "-name", "-name,id"])
async def test_rows_d06_every_keyset_page_reads_an_index_and_sorts_nothing(
    items: DB, backend: Backend, order: str | None
) -> None:
    db = items
    await db.execute("CREATE INDEX by_name ON items (name, id)")
    await db.execute("CREATE INDEX by_name_down ON items (name DESC, id)")
    await db.insert_many([Item(name=None if i % 50 == 0 else f"n{i % 997:03}") for i in range(20_000)])
    if backend.is_postgres:
        await db.execute("ANALYZE items")
    page = await db.page(Item, order=order, limit=50, count=False)
    for _ in range(3):
        assert page.next is not None
        plan = await db.explain("page", Item, order=order, limit=50, count=False, after=page.next)
        if db.database.dialect.text_collation is not None and order is not None:
            # Sorted by its characters alone, whatever the column's collation: no index has that order.
            assert "filesort" in plan, plan
            page = await db.page(Item, order=order, limit=50, count=False, after=page.next)
            continue
        assert "Index" in plan or "USING" in plan or '"key": "PRIMARY"' in plan, plan
        assert "filesort" not in plan, plan
        for slow in ("Seq Scan", "TEMP B-TREE", "SCAN items\n", "  Sort  "):
            assert slow not in f"{plan}\n", plan
        assert not plan.startswith(("Sort", "Limit\n  ->  Sort")), plan
        page = await db.page(Item, order=order, limit=50, count=False, after=page.next)


async def test_rows_d16_an_offset_needs_no_limit(items: DB) -> None:
    assert [i.id for i in await items.query(Item, order="id", offset=4)] == [5, 6]
    assert [i.id for i in await items.query(Item, order="id", offset=0)] == [1, 2, 3, 4, 5, 6]
    assert [i.id for i in await items.query(Item, order="id", limit=2, offset=3)] == [4, 5]


class Counted(Row):
    __table__ = "counted"
    id: int | None = None
    n: int = 0


@pytest.mark.parametrize("on_conflict", [None, "ignore"])
async def test_rows_d16_a_row_with_nothing_set_takes_the_databases_defaults(
    db: DB, backend: Backend, on_conflict: Any
) -> None:
    await db.execute(backend.ddl("CREATE TABLE counted (id {serial_pk}, n INTEGER DEFAULT 7)"))
    assert await db.insert(Counted(), on_conflict=on_conflict) == Counted(id=1, n=7)
    stored = await db.insert_many([Counted(), Counted()], on_conflict=on_conflict, returning=True)
    assert stored == [Counted(id=2, n=7), Counted(id=3, n=7)]
    assert await db.insert_many([Counted()] * 60, on_conflict=on_conflict) == 60


@pytest.mark.parametrize("order", [None, "-name", "name"])
async def test_rows_d17_deleting_while_iterating_skips_nothing(items: DB, order: str | None) -> None:
    seen: list[int | None] = []
    async for item in items.iter_rows(Item, batch_size=2, order=order):
        seen.append(item.id)
        await items.delete(item)
    assert seen == ([6, 5, 4, 3, 2, 1] if order == "-name" else [1, 2, 3, 4, 5, 6])
    assert await items.count(Item) == 0


class Tag(Row):
    __table__ = "tags"
    __pk__ = ("code",)
    code: str | None = None
    n: int


@ON_SQLITE
@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
async def test_rows_d17_a_walk_over_a_key_with_nulls_gives_every_row_once(db: DB, batch_size: int) -> None:
    await db.execute("CREATE TABLE tags (code TEXT PRIMARY KEY, n INTEGER)")
    for n, code in enumerate(["b", None, "a", "c", None]):
        await db.insert(Tag(code=code, n=n))
    seen = [t async for t in db.iter_rows_keyset(Tag, batch_size=batch_size)]
    assert [t.code for t in seen] == ["a", "b", "c", None, None]
    assert sorted(t.n for t in seen) == [0, 1, 2, 3, 4]
    page = await db.page(Tag, limit=batch_size)
    paged = list(page.rows)
    while page.next is not None:
        page = await db.page(Tag, limit=batch_size, after=page.next)
        paged += page.rows
    assert paged == seen


class Pair(Row):
    __table__ = "pairs"
    __pk__ = ("a", "b")
    a: int
    b: str | None = None
    n: int


@ON_SQLITE
async def test_rows_d17_rows_that_share_a_key_with_a_null_are_all_given(db: DB) -> None:
    await db.execute("CREATE TABLE pairs (a INTEGER, b TEXT, n INTEGER, PRIMARY KEY (a, b))")
    await db.insert_many([Pair(a=i // 6, b=[None, "x", None, "y", None, "z"][i % 6], n=i) for i in range(18)])
    for batch_size in range(1, 20):
        for order in (None, "-a", [{"desc": "b", "nulls": "first"}], "b,-a"):
            seen = [p.n async for p in db.iter_rows(Pair, batch_size=batch_size, order=order)]
            assert sorted(seen) == list(range(18)), (batch_size, order)


class Odd(Row):
    __table__ = "order"
    __pk__ = ("group",)
    group: int
    Mixed: str
    select: str | None = None


async def test_rows_d18_reserved_and_mixed_case_names_work_in_every_verb(db: DB, backend: Backend) -> None:
    await db.execute(
        backend.ddl('CREATE TABLE "order" ("group" INTEGER PRIMARY KEY, "Mixed" TEXT, "select" TEXT)')
    )
    one = Odd(group=1, Mixed="a", select="x")
    assert await db.insert(one) == one
    assert await db.insert(Odd(group=1, Mixed="b"), on_conflict="upsert") == Odd(
        group=1, Mixed="b", select="x"
    )
    assert await db.insert_many([Odd(group=i, Mixed="c") for i in range(2, 100)]) == 98
    upserted = await db.insert_many([Odd(group=2, Mixed="d")], on_conflict="upsert", returning=True)
    assert [o.Mixed for o in upserted] == ["d"]
    assert await db.update(Odd(group=1, Mixed="e"), where={"select": "x"}) == Odd(
        group=1, Mixed="e", select="x"
    )
    assert await db.get(Odd, Mixed="e") == Odd(group=1, Mixed="e", select="x")
    assert [o.group for o in await db.query(Odd, where={"group": {"lt": 4}}, order="-Mixed,group")] == [
        1,
        2,
        3,
    ]
    assert [o.group async for o in db.iter_rows_keyset(Odd, by="Mixed", group=[1, 2, 3])] == [3, 2, 1]
    assert await db.delete_many(Odd, range(3, 100)) == 97
    assert await db.delete(Odd(group=2, Mixed="")) == 1
    assert await db.count(Odd) == 1


async def test_rows_d19_a_list_has_no_size_limit(items: DB) -> None:
    ids = list(range(3, 40_003))
    assert [i.id for i in await items.query(Item, id=ids, order="id")] == [3, 4, 5, 6]
    assert await items.count(Item, where={"id": {"not_in": ids}}) == 2
    names = [f"n{i}" for i in range(40_000)] + ["a", None]
    assert await items.count(Item, name=names) == 1
    assert await items.update_where(Item.patch(name="z"), where={"id": ids}) == 4
    assert await items.delete_many(Item, ids) == 4
    assert await items.count(Item) == 2


async def test_rows_d24_rows_are_dicts_whatever_the_connection_makes_of_rows(postgres_url: str) -> None:
    import psycopg
    from psycopg.rows import dict_row

    from rowstead.psycopg import PsycopgAdapter

    for factory in ({}, {"row_factory": dict_row}):
        connection = await psycopg.AsyncConnection.connect(postgres_url, **factory)
        async with connection:
            db = DB(PsycopgAdapter.from_connection(connection))
            assert await db.fetch("SELECT 1 AS a, 'x' AS b") == [{"a": 1, "b": "x"}]
            assert await db.fetchrow("SELECT 1 AS a") == {"a": 1}
            assert await db.fetchval("SELECT 5") == 5


class Falsy(Row):
    __table__ = "items"
    id: int | None = None
    name: str | None = None

    def __bool__(self) -> bool:
        return False

    def __len__(self) -> int:
        return 0


async def test_rows_d25_a_row_that_is_false_is_still_a_row(items: DB) -> None:
    given = Falsy(name="new")
    stored = await items.insert(given)
    assert stored is not given
    assert isinstance(stored.id, int)
    assert (await items.get(Falsy, id=1)) is not None
    assert (await items.update(Falsy(id=1, name="x"))) == Falsy(id=1, name="x")
    assert len(await items.insert_many([Falsy(name="a"), Falsy(name="b")], returning=True)) == 2
    assert [f.name for f in await items.fetch_models(Falsy, "SELECT * FROM items WHERE id = 1")] == ["x"]
    assert (await items.fetch_model(Falsy, "SELECT * FROM items WHERE id = 1")) is not None


class Keyless(Row):
    __table__ = "items"
    __pk__ = ()
    id: int | None = None
    name: str | None = None


async def test_rows_d26_a_table_without_a_key_is_an_error_where_one_is_needed(items: DB) -> None:
    needs_a_key: list[Callable[[], Awaitable[Any]]] = [
        lambda: items.update(Keyless(id=1, name="x")),
        lambda: items.delete(Keyless(id=1)),
        lambda: items.delete_many(Keyless, [1]),
        lambda: items.insert(Keyless(id=1), on_conflict="upsert"),
        lambda: items.insert_many([Keyless(id=1)], on_conflict="upsert"),
        lambda: items.page(Keyless),
    ]
    for call in needs_a_key:
        with pytest.raises(ValidationError, match="__pk__"):
            await call()
    assert len(await items.query(Keyless)) == 6
    assert (await items.insert(Keyless(name="x"))).name == "x"
    upserted = await items.insert(Keyless(id=1, name="y"), on_conflict="upsert", conflict_target="id")
    assert upserted == Keyless(id=1, name="y")


def test_rows_d26_an_unknown_key_column_is_named_before_any_sql() -> None:
    class Misspelt(Row):
        __table__ = "items"
        __pk__ = ("idd",)
        id: int | None = None

    with pytest.raises(UndefinedColumnError, match="did you mean 'id'"):
        sql.compose("query", Misspelt, placeholder=str)


class Reading(Row):
    __table__ = "readings"
    id: int | None = None
    value: Any = None


async def test_rows_d26_a_changed_column_type_does_not_break_prepared_statements(
    db: DB, backend: Backend
) -> None:
    await db.execute(backend.ddl("CREATE TABLE readings (id {serial_pk}, value INTEGER)"))
    for n in range(12):
        await db.insert(Reading(value=n))
        await db.get(Reading, value=n)
        await db.fetch("SELECT * FROM readings WHERE id = $1", 1)
    if backend.is_postgres:
        await db.execute("ALTER TABLE readings ALTER COLUMN value TYPE TEXT")
        text: Any = "text"
    else:
        await db.execute("DROP TABLE readings")
        await db.execute(backend.ddl("CREATE TABLE readings (extra TEXT, id {serial_pk}, value TEXT)"))
        text = "text"
    stored = await db.insert(Reading(value=text))
    assert stored.value == "text"
    assert await db.get(Reading, value=text) == stored
    assert (await db.fetchrow("SELECT * FROM readings WHERE id = $1", stored.id) or {})["value"] == "text"
