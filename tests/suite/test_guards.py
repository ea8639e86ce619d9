"""Conditions that hooks add by SQLAlchemy, in every kind of statement, on every backend."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import sqlalchemy as sa

from conftest import Backend
from rowstead import DB
from rowstead.errors import DuplicateError, UsageError, ValidationError
from rowstead.language.guards import NO_GUARD, Guard, guard_of
from rowstead.plans import table_inserts as inserts
from rowstead.plans import table_reads as reads
from rowstead.plans import table_writes as writes
from rowstead.plans.table_reads import EVERY_ROW, Wanted
from rowstead.tables.access import FULL_ACCESS
from rowstead.tables.from_sqlalchemy import table_of

METADATA = sa.MetaData()
NOTES = sa.Table(
    "notes",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("owner", sa.String(20)),
    sa.Column("body", sa.String(20)),
    sa.Column("weight", sa.Integer, default=5, onupdate=6),
)
READERS = sa.Table(
    "readers",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("note_id", sa.Integer),
    sa.Column("name", sa.String(20)),
)
TABLE = table_of(NOTES)
SELECT, UPDATE = sa.select(NOTES), sa.update(NOTES)


def of_owner(*owners: str) -> Guard:
    return guard_of(NOTES, SELECT, SELECT.where(NOTES.c.owner.in_(owners)))


def read_by(name: str) -> Guard:
    """Notes that this reader may read: by a subquery whose own `id` is another table's."""
    readers = sa.select(READERS.c.id).where(READERS.c.note_id == NOTES.c.id, READERS.c.name == name)
    return guard_of(NOTES, SELECT, SELECT.where(sa.exists(readers)))


@pytest.fixture
async def db(backend: Backend, ddl: Callable[[str], str]) -> AsyncIterator[DB]:
    async with await DB.from_url(backend.url) as handle:
        await handle.execute(
            ddl("CREATE TABLE notes (id {int} PRIMARY KEY, owner {text}, body {text}, weight {int})")
        )
        await handle.execute(ddl("CREATE TABLE readers (id {int} PRIMARY KEY, note_id {int}, name {text})"))
        for number, owner in enumerate(["ann", "ann", "bob", None], start=1):
            await handle.execute(
                "INSERT INTO notes (id, owner, body) VALUES ($1, $2, $3)", number, owner, f"n{number}"
            )
        await handle.execute("INSERT INTO readers (id, note_id, name) VALUES (1, 3, 'zoe'), (3, 1, 'zoe')")
        yield handle


async def ids(db: DB, wanted: Wanted) -> list[int]:
    found = await db.session.run(reads.rows(db.session.compiler, TABLE, ("id",), wanted))
    return sorted(row["id"] for row in found)


async def written(db: DB, plan: Any) -> tuple[int, list[Any]]:
    result = await db.session.plan(plan)
    return result.count, sorted(row["id"] for row in result.rows)


async def test_a_guard_binds_every_kind_of_read(db: DB) -> None:
    session, compiler = db.session, db.session.compiler
    anns = EVERY_ROW.also(of_owner("ann"))
    assert await ids(db, anns) == [1, 2]
    assert (
        await session.run(reads.get(compiler, TABLE, ("id",), reads.by_id(TABLE, 3).also(of_owner("ann"))))
        is None
    )
    assert await session.run(reads.count(compiler, TABLE, anns)) == 2
    assert await session.run(reads.exists(compiler, TABLE, EVERY_ROW.also(of_owner("eve")))) is False
    assert await session.run(
        reads.keys(compiler, TABLE, reads.by_ids(TABLE, [1, 3]).also(of_owner("ann")))
    ) == {1}
    page = await session.plan(reads.page(compiler, TABLE, ("id",), anns, (), 1, 1, True))
    assert (page.rows, page.count) == ([{"id": 2}], 2)
    batches = reads.batches(compiler, TABLE, ("body",), anns, ())
    rows, _ = await session.plan(batches.next(batches.start, 10))
    assert rows == [{"body": "n1"}, {"body": "n2"}]


async def test_the_same_guard_with_other_values_is_the_same_statement(db: DB) -> None:
    kept = db.session.compiler.kept
    assert await ids(db, EVERY_ROW.also(of_owner("ann"))) == [1, 2]
    number = len(kept)
    assert await ids(db, EVERY_ROW.also(of_owner("bob"))) == [3]
    assert len(kept) == number
    assert await ids(db, EVERY_ROW.also(of_owner("bob", "ann"))) == [1, 2, 3]
    assert len(kept) == number + 1
    assert await ids(db, EVERY_ROW.also(of_owner())) == []


async def test_what_sqlalchemy_cannot_tell_apart_is_not_kept(db: DB) -> None:
    class Hidden(sa.types.UserDefinedType[Any]):
        cache_ok = False

        def get_col_spec(self, **_kw: Any) -> str:
            return "INTEGER"

    number = sa.bindparam("number", 2, type_=sa.Integer())
    uncacheable = sa.type_coerce(NOTES.c.id, Hidden()) > sa.type_coerce(number, sa.Integer())
    guard = guard_of(NOTES, SELECT, SELECT.where(uncacheable))
    before = len(db.session.compiler.kept)
    assert await ids(db, EVERY_ROW.also(guard)) == [3, 4]
    assert len(db.session.compiler.kept) == before


async def test_an_or_in_a_guard_does_not_widen_the_rest(db: DB) -> None:
    guard = guard_of(NOTES, SELECT, SELECT.where((NOTES.c.owner == "ann") | NOTES.c.owner.is_(None)))
    assert await ids(db, reads.by_ids(TABLE, [2, 3]).also(guard)) == [2]


async def test_a_subquery_refers_to_the_row_in_every_kind_of_statement(db: DB) -> None:
    compiler, zoes = db.session.compiler, read_by("zoe")
    assert await ids(db, EVERY_ROW.also(zoes)) == [1, 3]
    wanted = reads.by_ids(TABLE, [1, 2, 3])
    changed = writes.update(compiler, NOTES, {"body": "x"}, wanted, ("id",), shown=zoes)
    assert await written(db, changed) == (3, [1, 3])
    changed = writes.update(compiler, NOTES, {"body": "y"}, wanted.also(zoes), ())
    assert await written(db, changed) == (2, [])
    new = [{"id": 7, "owner": "ann"}, {"id": 8, "owner": "ann"}]
    assert await written(db, inserts.insert(compiler, NOTES, new, ("id",), shown=zoes)) == (2, [])
    removed = writes.delete(compiler, NOTES, reads.by_ids(TABLE, [3, 7, 8]), ("id",), shown=zoes)
    assert await written(db, removed) == (3, [3])
    removed = writes.delete(compiler, NOTES, EVERY_ROW.also(zoes), ())
    assert await written(db, removed) == (1, [])


async def upserted(db: DB, rows: list[dict[str, Any]], **options: Any) -> tuple[int, list[Any]]:
    compiler = db.session.compiler
    plan = inserts.insert(
        compiler,
        NOTES,
        rows,
        options.pop("columns", ("id",)),
        on_conflict="do_update",
        keys=("id",),
        patch={"body": "patched"},
        **options,
    )
    return await written(db, plan)


@pytest.mark.parametrize("columns", [("id",), ()])
@pytest.mark.parametrize("guard", [of_owner("ann"), read_by("zoe")])
async def test_an_upsert_changes_no_row_that_its_guard_forbids(
    db: DB, guard: Guard, columns: tuple[str, ...]
) -> None:
    rows = [{"id": 1}, {"id": 9, "owner": "eve"}]
    assert (await upserted(db, rows, guard=guard, columns=columns))[0] == 2
    assert await ids(db, reads.by_where(TABLE, {"body": "patched"}, FULL_ACCESS)) == [1]
    with pytest.raises(DuplicateError, match="nothing was written"):
        await upserted(db, [{"id": 10}, {"id": 2, "body": "b"}, {"id": 4}], guard=guard, columns=columns)
    assert await ids(db, EVERY_ROW) == [1, 2, 3, 4, 9]
    # The control: without its guard the same rows are written.
    assert (await upserted(db, [{"id": 10}, {"id": 2}, {"id": 4}], columns=columns))[0] == 3


async def test_an_upsert_gives_back_what_may_be_seen(db: DB) -> None:
    assert await upserted(db, [{"id": 1}, {"id": 3}, {"id": 5}], shown=of_owner("bob")) == (3, [3])


async def test_defaults_are_filled_in_and_each_row_keeps_what_it_gives(db: DB) -> None:
    compiler = db.session.compiler
    rows = [{"id": 20, "owner": "a"}, {"id": 21, "body": "b", "weight": 1}, {"id": 22}]
    result = await db.session.plan(inserts.insert(compiler, NOTES, rows, TABLE.all))
    assert [(r["owner"], r["body"], r["weight"]) for r in result.rows] == [
        ("a", None, 5),
        (None, "b", 1),
        (None, None, 5),
    ]
    wanted = reads.by_ids(TABLE, [20, 21])
    result = await db.session.plan(writes.update(compiler, NOTES, {"body": "c"}, wanted, ("weight",)))
    assert result.rows == [{"weight": 6}, {"weight": 6}]
    assert result.count == 2


async def test_the_same_columns_in_another_order_are_one_statement(db: DB) -> None:
    rows = [{"id": 50, "owner": "a"}, {"owner": "b", "id": 51}, {"id": 52, "owner": "c"}]
    result = await db.session.plan(inserts.insert(db.session.compiler, NOTES, rows, ("id", "owner")))
    assert result.rows == rows


async def test_a_key_that_is_changed_is_given_back(db: DB) -> None:
    plan = writes.update(db.session.compiler, NOTES, {"id": 30}, reads.by_id(TABLE, 1), ("id", "body"))
    assert (await db.session.plan(plan)).rows == [{"id": 30, "body": "n1"}]


async def test_rows_that_are_there_are_left_alone(db: DB) -> None:
    rows = [{"id": 1, "body": "new"}, {"id": 40, "body": "new"}]
    compiler = db.session.compiler
    plan = inserts.insert(compiler, NOTES, rows, ("id",), on_conflict="do_nothing")
    assert await written(db, plan) == (1, [40])
    plan = inserts.insert(compiler, NOTES, rows[:1], ("id",), on_conflict="do_nothing")
    assert await written(db, plan) == (0, [])
    plan = inserts.insert(compiler, NOTES, rows[:1], (), on_conflict="do_nothing", keys=("id",))
    assert await written(db, plan) == (0, [])


@pytest.mark.parametrize(
    "hook",
    [
        lambda s: s.order_by(NOTES.c.id),
        lambda s: s.limit(1),
        lambda s: s.join(READERS, READERS.c.note_id == NOTES.c.id),
        lambda s: s.with_only_columns(NOTES.c.id),
        lambda s: s.distinct(),
        lambda s: s.with_for_update(),
        lambda s: sa.select(NOTES.c.id).where(NOTES.c.id == 1),
        lambda _: None,
        lambda _: NOTES.c.id == 1,
        lambda _: sa.update(NOTES),
    ],
)
def test_a_hook_that_does_more_than_add_conditions_is_refused(hook: Callable[[Any], Any]) -> None:
    with pytest.raises(UsageError, match="condition hook of notes"):
        guard_of(NOTES, SELECT, hook(SELECT))


def test_a_parameter_without_a_value_is_refused() -> None:
    with pytest.raises(UsageError, match="no value for 'who'"):
        guard_of(NOTES, SELECT, SELECT.where(NOTES.c.owner == sa.bindparam("who")))


def test_a_hook_that_adds_nothing_says_nothing() -> None:
    assert guard_of(NOTES, SELECT, SELECT) is NO_GUARD
    assert guard_of(NOTES, UPDATE, UPDATE.where(NOTES.c.id == 1)) != NO_GUARD


async def test_a_value_of_another_type_is_an_error_before_anything_is_sent(db: DB) -> None:
    guard = guard_of(NOTES, SELECT, SELECT.where(NOTES.c.id == sa.bindparam(None, "x", type_=sa.Integer())))
    with pytest.raises(ValidationError, match="takes int"):
        await ids(db, EVERY_ROW.also(guard))
