"""Hooks on tables in schemas, where another may have the same name; subqueries on a service's own table."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from rowstead import DB
from rowstead.errors import DuplicateError, UndefinedColumnError, UsageError, ValidationError
from rowstead.service import SQLService
from service.tables import create

IN_SCHEMA = {"sqlite": "main", "asyncpg": "rights", "psycopg": "rights"}


@pytest.mark.parametrize("place", sorted(IN_SCHEMA), indirect=True)
async def test_a_guard_asks_the_tables_of_its_schemas(place: Any) -> None:
    metadata, decoys = sa.MetaData(), sa.MetaData()
    schema = IN_SCHEMA[place.name]
    texts = sa.Table(
        "texts",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("body", sa.String(20)),
        schema=schema,
    )
    rights = sa.Table(
        "rights_of", metadata, sa.Column("text_id", sa.Integer, primary_key=True), schema=schema
    )
    decoy = sa.Table("rights_of", decoys, sa.Column("text_id", sa.Integer, primary_key=True))
    one = rights.alias("one")

    class Texts(SQLService[int, dict[str, Any]]):
        table = texts

        def get_condition_hook(self, sql: Any) -> Any:
            return sql.where(texts.c.id.in_(sa.select(one.c.text_id)) | (texts.c.body == "new"))

        def update_condition_hook(self, sql: Any) -> Any:
            return sql.where(texts.c.id.in_(sa.select(one.c.text_id)), texts.c.id > 0)

    async with await DB.from_url(place.url) as db:
        if place.is_postgres:
            await create(db, metadata, decoys)
            await db.execute(str(sa.insert(decoy).values(text_id=sa.literal_column("2"))))
        else:
            for text in ("texts (id INTEGER NOT NULL PRIMARY KEY, body TEXT)", "rights_of (text_id INTEGER)"):
                await db.execute(f"CREATE TABLE {text}")
        await db.execute(f"INSERT INTO {schema}.rights_of (text_id) VALUES (1)")
        service = Texts(db)
        assert await service.create({"id": 1}) == {"id": 1, "body": None}
        assert await service.create({"id": 2}) is None
        options: dict[str, Any] = {
            "on_conflict": "do_update",
            "on_conflict_keys": ["id"],
            "on_conflict_values": {"body": "new"},
        }
        assert await service.create({"id": 1}, **options) == {"id": 1, "body": "new"}
        with pytest.raises(DuplicateError, match="may not be changed"):
            await service.create({"id": 2}, **options)
        assert await service.m_update([1, 2], {"body": "x"}) == [{"id": 1, "body": "x"}]
        assert await service.m_delete([1, 2], columns=["id"]) == [{"id": 1}]


NOTES = sa.Table(
    "notes",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("body", sa.String(20)),
    sa.Column("secret", sa.String(20)),
)
OTHERS = sa.Table(
    "others", NOTES.metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("b", sa.Integer)
)


class Notes(SQLService[int, dict[str, Any]]):
    table = NOTES
    select_columns_blacklist = frozenset({"secret"})
    ALLOW_SUBQUERIES = True


@pytest.fixture
async def notes(place: Any) -> Any:
    async with await DB.from_url(place.url) as db:
        await create(db, NOTES.metadata)
        service = Notes(db)
        await service.m_create([{"id": n, "body": "b", "secret": f"s{n}"} for n in (1, 2)], columns=[])
        yield service


@pytest.mark.parametrize(
    "query",
    [
        {"columns": ["id"], "filter": {"secret": "s1"}},
        {"columns": ["secret"]},
        {"columns": ["id"], "order": "secret", "limit": 1},
        {"columns": ["id"], "filter": {"exists": {"table": "notes", "filter": {"secret": "s1"}}}},
        {
            "table": "others",
            "columns": ["id"],
            "filter": {"exists": {"table": "notes", "filter": {"secret": "s1"}}},
        },
    ],
)
async def test_a_subquery_on_its_own_table_sees_no_more(notes: Notes, query: dict[str, Any]) -> None:
    with pytest.raises(UndefinedColumnError, match="notes has no column 'secret'"):
        await notes.count(conditions={"id": {"in_subquery": {"table": "notes", **query}}})
    visible = {"table": "notes", "columns": ["id"], "filter": {"body": "b"}, "order": "id"}
    assert await notes.count(conditions={"id": {"in_subquery": visible}}) == 2


@pytest.mark.parametrize(
    "conditions",
    [{"id": {"not_in": []}}, {"not": {"id": []}}, {"or": [{"id": []}, {"id": {"not_in": []}}]}, [{}]],
)
async def test_conditions_that_say_nothing_are_not_every_row(notes: Notes, conditions: Any) -> None:
    with pytest.raises(ValidationError, match="conditions that say something"):
        await notes.m_update([], {"body": "all"}, conditions=conditions)
    assert await notes.count(conditions={"body": "b"}) == 2
    # The control: a list with something in it says something.
    assert len(await notes.m_update([], {"body": "c"}, conditions={"id": {"not_in": [1]}}) or []) == 1


async def test_a_hook_that_asks_another_table_beside_its_own_is_refused(notes: Notes) -> None:
    class Beside(Notes):
        def get_condition_hook(self, sql: Any) -> Any:
            return sql.where(OTHERS.c.id == NOTES.c.id)

    with pytest.raises(UsageError, match="asks others beside it; ask other tables by EXISTS"):
        await Beside(notes.database).count(conditions="*")


async def test_a_value_for_another_tables_column_is_refused(notes: Notes) -> None:
    class Other(Notes):
        def insert_condition_hook(self, sql: Any) -> Any:
            return sql.values({OTHERS.c.id: 4})

    with pytest.raises(UsageError, match=r"others\.id, another table's"):
        await Other(notes.database).create({"body": "x"})


async def test_a_coroutine_of_a_hook_is_refused_and_closed(notes: Notes) -> None:
    class Later(Notes):
        async def get_condition_hook(self, sql: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
            return sql

    with pytest.raises(UsageError, match="returned coroutine"):
        await Later(notes.database).count(conditions="*")
