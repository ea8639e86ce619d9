"""Tables of every sort are made on a PostgreSQL, once, with all that SQLAlchemy says of them."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from rowstead.errors import ForeignKeyError
from rowstead.service import DatabaseService
from servers import with_driver

pytestmark = pytest.mark.postgresql


class Mood(enum.Enum):
    GOOD = "good"
    BAD = "bad"


@pytest.fixture(params=["asyncpg", "psycopg"])
def url(request: pytest.FixtureRequest) -> str:
    return with_driver(request.getfixturevalue("postgres_url"), request.param)


@pytest.fixture
async def look(postgres_server: Any, url: str) -> AsyncIterator[DatabaseService]:
    """What looks at the database and makes nothing."""
    async with DatabaseService(url=url, init_db=False) as service:
        yield service


def rich_tables() -> list[sa.Table]:
    """Two tables of one MetaData and two of their own, which share a type and refer to each other."""
    together = sa.MetaData(naming_convention={"uq": "unique_%(table_name)s_%(column_0_name)s"})
    mood = sa.Enum(Mood, name="Mood of rows", metadata=together)
    numbers = sa.Sequence("some numbers", start=5, metadata=together)
    first = sa.Table(
        "First",
        together,
        sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
        sa.Column("mood", mood, nullable=False),
        sa.Column("number", sa.Integer, numbers, server_default=numbers.next_value()),
        sa.Column("code", sa.String(10), unique=True),
        sa.Column("tags", postgresql.ARRAY(sa.Text)),
        sa.Column("share", sa.String, server_default="100%", comment="100 % of it's"),
        sa.CheckConstraint("code <> '%'", name="ck % sign"),
        comment="the first; it's rich",
    )
    sa.Index("by lower code", sa.func.lower(first.c.code), postgresql_concurrently=True)
    sa.Table(
        "second",
        together,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("mood", mood),
        sa.Column("next", sa.Integer, sa.ForeignKey("third.id", name="fk_next", use_alter=True)),
    )
    sa.Table(
        "third",
        together,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("back", sa.Integer, sa.ForeignKey("second.id", name="fk_back")),
    )
    apart = sa.Table(
        "apart",
        sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("of", sa.Integer, sa.ForeignKey("crm.of_schema.id")),
        sa.Column("mood", sa.Enum(Mood, name="Mood of rows")),
    )
    of_schema = sa.Table(
        "of_schema", sa.MetaData(schema="crm"), sa.Column("id", sa.Integer, primary_key=True)
    )
    sa.event.listen(
        first,
        "after_create",
        sa.DDL("COMMENT ON TABLE \"First\" IS 'told 50%% by DDL'").execute_if(dialect="postgresql"),
    )
    return [*together.tables.values(), apart, of_schema]


CATALOGUE = """
SELECT 'table ' || relname AS line FROM pg_class WHERE relkind IN ('r', 'S', 'i')
  AND relnamespace IN ('public'::regnamespace, to_regnamespace('crm'))
UNION ALL SELECT 'type ' || typname FROM pg_type WHERE typtype = 'e'
UNION ALL SELECT 'constraint ' || conname FROM pg_constraint WHERE conrelid <> 0
  AND connamespace IN ('public'::regnamespace, to_regnamespace('crm'))
ORDER BY 1
"""


async def test_rich_tables_are_made_once(url: str, look: DatabaseService) -> None:
    made: list[list[dict[str, Any]]] = []
    for _ in range(2):
        service = DatabaseService(url=url)
        first, *rest = [service.add_table(table) for table in rich_tables()]
        async with service:
            row = await service.execute(
                sa.insert(first).values(mood=Mood.BAD, code="a", tags=["x", "y"]).returning(first)
            )
            assert row.rows[0]["mood"] is Mood.BAD
            assert (row.rows[0]["tags"], row.rows[0]["share"]) == (["x", "y"], "100%")
            with pytest.raises(ForeignKeyError):
                await service.execute(sa.insert(rest[-2]).values(id=1, of=7))
            await service.execute(sa.delete(first))
        made.append(await look.fetch(CATALOGUE))
    assert made[0] == made[1]
    lines = {row["line"] for row in made[0]}
    assert {
        "table First",
        "table by lower code",
        "table of_schema",
        "table some numbers",
        "type Mood of rows",
        "constraint unique_First_code",
        "constraint ck % sign",
        "constraint fk_next",
        "constraint fk_back",
    } <= lines
    assert await look.fetchval("SELECT obj_description('\"First\"'::regclass)") == "told 50% by DDL"
    assert await look.fetchval("SELECT col_description('\"First\"'::regclass, 6)") == "100 % of it's"


async def test_a_table_that_is_there_is_left_as_it_is(url: str, look: DatabaseService) -> None:
    await look.execute("CREATE TABLE apart (only_this integer)")
    await look.execute("CREATE VIEW second AS SELECT 1 AS id")
    for table in (
        sa.Table("apart", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True, index=True)),
        sa.Table("second", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True)),
    ):
        service = DatabaseService(url=url, metadata=table.metadata)
        async with service:
            assert await service.create_tables() == ()
    columns = await look.fetch(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'apart'::regclass AND attnum > 0"
    )
    assert columns == [{"attname": "only_this"}]


async def test_a_missing_table_joins_a_type_that_is_there(url: str) -> None:
    old, new = sa.MetaData(), sa.MetaData()
    mood = sa.Enum(Mood, name="mood")
    sa.Table("old", old, sa.Column("id", sa.Integer, primary_key=True), sa.Column("mood", mood))
    async with DatabaseService(url=url, metadata=old):
        pass
    sa.Table("old", new, sa.Column("id", sa.Integer, primary_key=True), sa.Column("mood", mood))
    table = sa.Table("new", new, sa.Column("id", sa.Integer, primary_key=True), sa.Column("mood", mood))
    async with DatabaseService(url=url, metadata=new) as service:
        await service.execute(sa.insert(table).values(mood=Mood.GOOD))
        assert await service.fetchval(sa.select(table.c.mood)) is Mood.GOOD


async def test_rows_that_an_event_inserts_are_there(url: str) -> None:
    table = sa.Table(
        "kinds", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String)
    )

    @sa.event.listens_for(table, "after_create")
    def fill(table: sa.Table, connection: Any, **_: Any) -> None:
        connection.execute(sa.insert(table), [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}])

    for _ in range(2):
        async with DatabaseService(url=url, metadata=table.metadata) as service:
            assert await service.fetchval(sa.select(sa.func.count()).select_from(table)) == 2


async def test_tables_can_be_made_in_somebody_elses_transaction(url: str, look: DatabaseService) -> None:
    table = sa.Table("late", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True))
    with pytest.raises(RuntimeError):
        async with look.begin() as block, DatabaseService(db=block, metadata=table.metadata) as service:
            assert await service.fetch(sa.select(table)) == []
            raise RuntimeError
    assert await look.fetchval("SELECT to_regclass('late')::text") is None
