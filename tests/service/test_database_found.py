"""What a first start on PostgreSQL made once not, or not so that the program could use it."""

from __future__ import annotations

import asyncio
import warnings
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from rowstead.errors import PrivilegeError, RowsteadError, UnreachableError
from rowstead.service import DatabaseMigrationService, DatabaseService, UsageError, ValidationError
from service.database_site import Doubled, Site


def elsewhere(*columns: Any) -> sa.MetaData:
    """A table in a schema of its own, so that nothing is in the usual one."""
    metadata = sa.MetaData()
    sa.Table("parts", metadata, sa.Column("id", sa.Integer, primary_key=True), *columns, schema="shop")
    return metadata


@pytest.mark.parametrize("schemas", [None, ["shop"]])
async def test_functions_types_and_migrations_find_the_usual_schema(
    site: Site, tmp_path: Path, schemas: list[str] | None
) -> None:
    metadata = elsewhere(sa.Column("size", sa.Enum("big", "small", name="part_size")))
    settings = site.settings(metadata=metadata, functions=[Doubled], schemas=schemas)
    async with DatabaseService(**settings) as db:
        assert await db.fetchval("SELECT doubled(:n)", {"n": 4}) == 8
        await db.execute(sa.insert(metadata.tables["shop.parts"]).values(id=1, size="big"))
        file = tmp_path / "migrations.json"
        file.write_text('[{"id": 0, "commands": ["CREATE TABLE later (id integer)"]}]')
        assert await DatabaseMigrationService(database_service=db, migrations_file=file).migrate() == 0


def computing(persisted: bool | None) -> sa.MetaData:
    metadata = sa.MetaData()
    twice = sa.Column("twice", sa.Integer, sa.Computed("id * 2", persisted=persisted))
    sa.Table("computing", metadata, sa.Column("id", sa.Integer, primary_key=True), twice)
    return metadata


@pytest.mark.parametrize("persisted", [None, True])
async def test_a_computed_column_is_made_as_the_server_can(site: Site, persisted: bool | None) -> None:
    metadata = computing(persisted)
    with warnings.catch_warnings():
        # SQLAlchemy says which way it takes.
        warnings.simplefilter("ignore", sa.exc.SAWarning)
        async with DatabaseService(**site.settings(metadata=metadata)) as db:
            await db.execute("INSERT INTO computing (id) VALUES (4)")
            assert await db.fetchval("SELECT twice FROM computing") == 8


async def test_one_that_the_server_cannot_compute_is_told_with_its_column(site: Site) -> None:
    async with DatabaseService(**site.settings()) as db:
        newest = await db.fetchval("SELECT current_setting('server_version_num')::int >= 180000")
    start = DatabaseService(**site.settings(metadata=computing(False)))
    if newest:
        async with start:
            return
    with pytest.raises(UsageError, match=r"'computing'.*'twice'"):
        await start.init()
    await start.close()


async def test_two_starts_at_once_open_one_pool(site: Site) -> None:
    db = DatabaseService(**site.settings(pool_size=1))
    await asyncio.gather(db.init(), db.init())
    mine = "SELECT count(*) FROM pg_stat_activity WHERE usename = %s"
    assert site.ask(mine, site.user) == 1
    await db.close()


def test_truths_are_read_as_other_settings_are() -> None:
    with pytest.raises(ValidationError, match="init_db"):
        DatabaseService(url="sqlite://", init_db="perhaps")  # pyright: ignore[reportArgumentType]


async def test_the_text_false_is_false(site: Site) -> None:
    """The database would be made."""
    off: Any = "false"
    with pytest.raises(UnreachableError):
        await DatabaseService(**site.settings(init_db=off)).init()


async def test_what_cannot_be_made_is_told_with_its_name(site: Site) -> None:
    metadata = sa.MetaData()
    wrong = sa.Column("n", sa.Integer, server_default=sa.text("no_such_function()"))
    sa.Table("wrong", metadata, sa.Column("id", sa.Integer, primary_key=True), wrong)
    start = DatabaseService(**site.settings(metadata=metadata))
    with pytest.raises(RowsteadError, match=r"wrong was not made: .*no_such_function") as caught:
        await start.init()
    assert caught.value.table == "wrong"


async def test_who_cannot_grant_is_told_before_the_tables(site: Site) -> None:
    async with DatabaseService(**site.settings()):
        pass
    with site.server.role(options="LOGIN CREATEDB CREATEROLE") as (name, password):
        site.do("CREATE SCHEMA theirs")
        site.do("REVOKE CREATE ON SCHEMA public FROM {role}")
        site.do("GRANT USAGE ON SCHEMA theirs TO PUBLIC")
        settings = site.settings(root_user=name, root_password=password, schemas=["theirs"])
        with pytest.raises(PrivilegeError, match=r"'theirs' is another's.*root_user"):
            await DatabaseService(**settings).init()
        site.clear()


@pytest.mark.parametrize("url", ["sqlite://", "mysql://u:p@nowhere/d"])
def test_schemas_are_refused_where_there_are_none(url: str) -> None:
    with pytest.raises(ValidationError, match="schemas: this database has none"):
        DatabaseService(url=url, schemas=["public", "crm"])
    DatabaseService(url=url, schemas=["public"])


async def test_the_usual_schema_need_not_be_granted_where_nothing_named_is_in_it(site: Site) -> None:
    async with DatabaseService(**site.settings()):
        pass
    with site.server.role(options="LOGIN CREATEDB CREATEROLE") as (name, password):
        site.do("REVOKE CREATE ON SCHEMA public FROM {role}")
        site.do("CREATE SCHEMA crm")
        site.do("GRANT ALL ON SCHEMA crm TO PUBLIC")
        settings = site.settings(root_user=name, root_password=password, schemas=["crm"])
        async with DatabaseService(**settings) as db:
            await db.execute("CREATE TABLE crm.t (id integer)")
        site.clear()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"metadata": "x"}, "metadata is a MetaData, not str"),
        ({"functions": {"a": 1}}, "each is a subclass of UserFunction, and 1 is none"),
        ({"functions": 5}, "functions is a list or a mapping of them, not int"),
        ({"trace": 5}, "trace is a function"),
    ],
)
def test_settings_of_another_kind_are_told(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        DatabaseService(url="postgresql://u@nowhere/d", **settings)


def test_what_is_no_table_is_told() -> None:
    wrong: Any = "x"
    with pytest.raises(ValidationError, match="a table is a Table, not str"):
        DatabaseService(url="postgresql://u@nowhere/d").add_table(wrong)
