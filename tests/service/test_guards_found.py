"""What was found wrong with hooks, ids and upserts on some database, and is right on all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import sqlalchemy as sa

from rowstead import DB
from rowstead.errors import DuplicateError, UsageError, ValidationError
from rowstead.service import SQLService
from service.tables import create

METADATA = sa.MetaData()
notes = sa.Table(
    "notes",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("owner", sa.Integer),
    sa.Column("body", sa.String(50)),
    sa.Column("slug", sa.String(50), unique=True),
    sa.Column("rowstead_shown", sa.String(50)),
)
words = sa.Table(
    "words", METADATA, sa.Column("and", sa.String(20), primary_key=True), sa.Column("in", sa.Integer)
)
pairs = sa.Table(
    "pairs",
    METADATA,
    sa.Column("or", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("exists", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("not", sa.Integer),
)
events = sa.Table("events", METADATA, sa.Column("a", sa.Integer), sa.Column("b", sa.Integer))
others = notes.alias("others")


class Notes(SQLService[int, dict[str, Any]]):
    table = notes


class Words(SQLService[str, dict[str, Any]]):
    table = words


class Pairs(SQLService[Any, dict[str, Any]]):
    table = pairs


class Events(SQLService[Any, dict[str, Any]]):
    table = events


@pytest.fixture
async def db(place: Any) -> AsyncIterator[DB]:
    async with await DB.from_url(place.url) as handle:
        await create(handle, METADATA)
        yield handle


def hooked(db: DB, condition: Callable[[], Any]) -> Notes:
    """Notes of which this alone may be seen, changed and deleted."""

    class Hooked(Notes):
        def get_condition_hook(self, sql: Any) -> Any:
            return sql.where(condition())

        def update_condition_hook(self, sql: Any) -> Any:
            return sql.where(condition())

        def delete_condition_hook(self, sql: Any) -> Any:
            return sql.where(condition())

    return Hooked(db)


def seeing(db: DB, condition: Callable[[], Any]) -> Notes:
    """Notes of which this alone may be seen; all may be changed."""

    class Seeing(Notes):
        def get_condition_hook(self, sql: Any) -> Any:
            return sql.where(condition())

    return Seeing(db)


async def filled(db: DB) -> Notes:
    rows = [{"id": n, "owner": n % 3 or None, "body": f"n{n}", "slug": f"s{n}"} for n in range(1, 7)]
    plain = Notes(db)
    await plain.m_create(rows, columns=[])
    return plain


def ids(rows: list[dict[str, Any]] | None) -> list[int]:
    return sorted(row["id"] for row in rows or [])


CONDITIONS: dict[str, tuple[Callable[[], Any], list[int]]] = {
    "is null": (lambda: notes.c.owner.is_(None), [3, 6]),
    "is not null": (lambda: notes.c.owner.is_not(None), [1, 2, 4, 5]),
    "nothing": (sa.false, []),
    "everything": (sa.true, [1, 2, 3, 4, 5, 6]),
    "case": (lambda: sa.case((notes.c.owner > 1, 1), else_=0) == 1, [2, 5]),
    "tuples": (lambda: sa.tuple_(notes.c.id, notes.c.owner).in_([(1, 1), (2, 1), (5, 2)]), [1, 5]),
    "no tuples": (lambda: sa.tuple_(notes.c.id, notes.c.owner).in_([]), []),
    "text": (lambda: sa.func.lower(notes.c.body) == "n4", [4]),
    "own table": (lambda: notes.c.id.in_(sa.select(notes.c.id).where(notes.c.owner == 2)), [2, 5]),
    "newest": (lambda: sa.not_(sa.exists(sa.select(others.c.id).where(others.c.id > notes.c.id))), [6]),
}


@pytest.mark.parametrize("name", CONDITIONS)
async def test_a_hook_means_the_same_in_every_verb(db: DB, name: str) -> None:
    condition, wanted = CONDITIONS[name]
    plain = await filled(db)
    service = hooked(db, condition)
    assert ids(await service.m_get(conditions="*", columns=["id"])) == wanted
    assert ids((await service.list(columns=["id"]))["data"]) == wanted
    assert [row["id"] async for batch in service.iter(columns=["id"], limit=2) for row in batch] == wanted
    assert await service.m_exists(range(1, 7)) == set(wanted)
    changed = await service.m_update([], {"slug": None}, conditions="*", columns=["id"])
    assert ids(changed) == wanted
    assert ids(await plain.m_get(conditions={"slug": None})) == wanted
    assert await hooked(db, condition).m_update([], {"slug": None}, conditions="*", columns=[]) is None
    for number in range(1, 7):
        values = {"id": number}
        if number in wanted:
            assert await upserted(service, values) is not None
        else:
            with pytest.raises(DuplicateError):
                await upserted(service, values)
    assert ids(await service.m_delete([], conditions="*", columns=["id"])) == wanted
    assert ids(await plain.m_get(conditions="*")) == sorted({1, 2, 3, 4, 5, 6} - set(wanted))


async def upserted(service: Notes, row: dict[str, Any]) -> Any:
    return await service.create(
        row, on_conflict="do_update", on_conflict_keys=["id"], on_conflict_values={"slug": None}
    )


@pytest.mark.parametrize("name", CONDITIONS)
@pytest.mark.parametrize("in_block", [False, True])
async def test_what_a_write_gives_back_is_what_may_be_seen(db: DB, name: str, in_block: bool) -> None:
    condition, wanted = CONDITIONS[name]
    plain = await filled(db)
    rows = {row["id"]: row for row in await plain.m_get(conditions="*")}
    service = seeing(db, condition)

    async def written(connection: Any) -> None:
        options: dict[str, Any] = {"_connection": connection, "columns": ["id"]}
        assert ids(await service.m_update(range(1, 7), {"rowstead_shown": "x"}, **options)) == wanted
        assert ids(await service.m_delete(range(1, 7), **options)) == wanted
        assert ids(await service.m_create([rows[n] for n in rows], **options)) == wanted
        await plain.delete(6, _connection=connection)
        assert (await service.create(rows[6], **options) is not None) == (6 in wanted)

    if not in_block:
        await written(None)
        return
    async with db.session.block() as block:
        await written(block)


async def test_a_column_called_as_ours_could_be_is_given_back(db: DB) -> None:
    service = seeing(db, lambda: notes.c.id > 0)
    row = await service.create({"id": 1, "rowstead_shown": "mine"})
    assert row is not None
    assert row["rowstead_shown"] == "mine"


def test_a_cte_in_a_hook_is_refused_by_name() -> None:
    found = sa.select(others.c.id).cte("found")
    service = hooked(None, lambda: notes.c.id.in_(sa.select(found.c.id)))  # pyright: ignore[reportArgumentType]
    with pytest.raises(UsageError, match="uses a CTE; write it as a subquery"):
        service._may_see()


@pytest.mark.parametrize("keys", [["owner"], ["id", "owner"], ["body"]])
@pytest.mark.parametrize("action", ["do_nothing", "do_update"])
async def test_an_upsert_by_what_is_no_key_is_refused(db: DB, keys: list[str], action: str) -> None:
    service = await filled(db)
    values = {"on_conflict_values": {"body": "all of them"}} if action == "do_update" else {}
    row = {"id": 9, "owner": 1, "body": "b"}
    with pytest.raises(ValidationError, match="is no key of notes"):
        await service.create(row, on_conflict=action, on_conflict_keys=keys, **values)  # pyright: ignore[reportArgumentType]
    assert await service.count(conditions={"body": {"starts_with": "n"}}) == 6
    # The controls: the columns of its keys, in any order.
    for key in (["id"], ["slug"]):
        row = {"id": 1, "slug": "s1"}
        await service.create(row, on_conflict=action, on_conflict_keys=key, **values)  # pyright: ignore[reportArgumentType]


async def test_keys_that_are_called_like_connectives(db: DB) -> None:
    service = Words(db)
    await service.m_create([{"and": "k", "in": 1}, {"and": "l", "in": 2}])
    assert await service.get("k") == {"and": "k", "in": 1}
    assert [row["and"] for row in await service.m_get(["k", "x"])] == ["k"]
    assert await service.m_exists(["k", "l", "m"]) == {"k", "l"}
    assert (await service.update("k", {"in": 5}) or {})["in"] == 5
    options: dict[str, Any] = {"on_conflict": "do_update", "on_conflict_keys": ["and"]}
    assert await service.create({"and": "k"}, on_conflict_values={"in": 7}, **options) == {
        "and": "k",
        "in": 7,
    }
    await service.m_delete(["k"])
    assert await service.count() == 1


async def test_composite_keys_that_are_called_like_connectives(db: DB) -> None:
    service = Pairs(db)
    await service.m_create([{"or": 1, "exists": 2, "not": 3}, {"or": 1, "exists": 3, "not": 4}])
    assert await service.get((1, 2)) == {"or": 1, "exists": 2, "not": 3}
    assert len(await service.m_get([(1, 2), {"or": 1, "exists": 3}, (2, 2)])) == 2
    assert (await service.update((1, 2), {"not": 9}) or {})["not"] == 9
    changed = await service.m_update([], {"not": 1}, conditions="*")
    assert [row["not"] for row in changed or []] == [1, 1]
    assert (
        await service.create(
            {"or": 1, "exists": 2}, on_conflict="do_nothing", on_conflict_keys=["exists", "or"]
        )
        is None
    )


async def test_many_rows_of_a_composite_key_are_changed_and_given_back(db: DB) -> None:
    service = Pairs(db)
    rows = [{"or": n // 100, "exists": n % 100, "not": 0} for n in range(1_200)]
    await service.m_create(rows, columns=[])
    changed = await service.m_update([], {"not": 1}, conditions="*", columns=["not"])
    assert changed == [{"not": 1}] * 1_200
    too_many = [(n // 100, n % 100) for n in range(501)]
    with pytest.raises(ValidationError, match="501 keys of pairs are too many"):
        await service.m_get(too_many)
    assert len(await service.m_get(too_many[:500])) == 500


async def test_rows_without_a_key_are_changed(db: DB, place: Any) -> None:
    service = Events(db)
    await service.m_create([{"a": 1, "b": 1}, {"a": 2, "b": 2}], columns=[])
    await service.m_update([], {"b": 5}, conditions={"a": 2}, columns=[])
    assert await service.count(conditions={"b": 5}) == 1
    if place.is_maria:
        with pytest.raises(ValidationError, match="no primary key to read them by"):
            await service.m_update([], {"b": 6}, conditions={"a": 2})
    else:
        assert await service.m_update([], {"b": 6}, conditions={"a": 2}) == [{"a": 2, "b": 6}]


@pytest.mark.parametrize("user", [0, False, 1])
async def test_a_hook_that_compares_a_text_with_a_number_is_an_error(db: DB, user: Any) -> None:
    """On MariaDB every text that begins with no digit would equal 0."""
    await filled(db)
    service = hooked(db, lambda: notes.c.body == user)
    with pytest.raises(ValidationError, match="column 'body' takes str"):
        await service.count(conditions="*")
    with pytest.raises(ValidationError, match="column 'body' takes str"):
        await hooked(db, lambda: notes.c.body.in_([user, 7])).count(conditions="*")
    assert await hooked(db, lambda: notes.c.id == "3").count(conditions="*") == 1


@pytest.mark.parametrize(
    ("condition", "asks"),
    [
        (lambda: notes.c.id == 1, False),
        (lambda: notes.c.owner.is_(None), False),
        (lambda: sa.func.lower(notes.c.body).in_(["a"]), False),
        (lambda: sa.exists(sa.select(others.c.id).where(others.c.id == notes.c.id)), True),
        (lambda: notes.c.id == sa.select(sa.func.max(others.c.id)).scalar_subquery(), True),
        (lambda: sa.text("body = 'x'"), True),
        (lambda: notes.c.id == sa.literal_column("(SELECT 1)"), True),
    ],
)
async def test_what_is_given_back_takes_one_statement_where_nothing_else_is_asked(
    db: DB, condition: Callable[[], Any], asks: bool, place: Any
) -> None:
    await filled(db)
    service = seeing(db, condition)
    before = len(db.session.compiler.kept)
    await service.m_delete([1, 2], columns=["id"])
    # A deletion asks first where RETURNING could not be asked: a SELECT beside the DELETE.
    assert len(db.session.compiler.kept) - before == 1 + (asks or place.is_sqlite)
