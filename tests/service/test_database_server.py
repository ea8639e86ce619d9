"""A PostgreSQL is made ready: database, role, grants, schemas, extensions, functions and tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from rowstead.errors import PrivilegeError, RowsteadError, UnreachableError, ValidationError
from rowstead.service import App, DatabaseService, SQLFunctionsRegistry, UserFunction
from rowstead.session import Trace
from service.database_site import USERS, Doubled, Site, users

SUPER = "SELECT rolsuper OR rolcreaterole OR rolcreatedb FROM pg_roles WHERE rolname = %s"


async def test_a_first_start_makes_database_role_and_tables(site: Site) -> None:
    async with DatabaseService(metadata=USERS, **site.settings()) as db:
        assert await db.fetchrow("SELECT current_user AS u, current_database() AS d") == {
            "u": site.user,
            "d": site.database,
        }
        await db.execute(sa.insert(users).values(id=1, name="Ann"))
        assert await db.fetch(sa.select(users)) == [{"id": 1, "name": "Ann"}]
        indexes = await db.fetch("SELECT indexname FROM pg_indexes WHERE tablename = 'users' ORDER BY 1")
    assert [row["indexname"] for row in indexes] == ["ix_users_name", "users_pkey"]
    assert (
        site.ask("SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = %s", site.database)
        == "UTF8"
    )
    assert site.ask(SUPER, site.user) is False


async def test_a_second_start_changes_nothing(site: Site) -> None:
    seen: list[str] = []

    def hear(statement: Trace) -> None:
        seen.append(statement.sql)

    async with DatabaseService(metadata=USERS, **site.settings()) as db:
        await db.execute(sa.insert(users).values(id=1, name="Ann"))
    async with DatabaseService(metadata=USERS, trace=hear, **site.settings()) as db:
        assert await db.fetchval(sa.select(sa.func.count()).select_from(users)) == 1
    words = {text.split()[0] for text in seen}
    assert "SELECT" in words
    assert words.isdisjoint({"CREATE", "GRANT", "ALTER", "DROP"})


async def test_the_program_starts_again_without_the_administrator(site: Site) -> None:
    async with DatabaseService(metadata=USERS, **site.settings()):
        pass
    more = sa.Table("more", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True))
    db = DatabaseService(metadata=USERS, **site.own())
    db.add_table(more)
    async with db:
        assert await db.fetch(sa.select(more)) == []


async def test_service_d01_the_role_may_create_tables_where_public_lets_nobody(site: Site) -> None:
    async with DatabaseService(**site.settings()) as db:
        assert (await db.fetchval("SELECT current_setting('server_version_num')::int")) >= 150000
        await db.execute("CREATE TABLE own (id integer PRIMARY KEY)")
        await db.execute("INSERT INTO own VALUES (:id)", {"id": 7})
        assert await db.fetchval("SELECT id FROM own") == 7


async def test_control_without_the_grant_the_role_may_not(site: Site) -> None:
    async with DatabaseService(**site.settings()):
        pass
    site.do("REVOKE CREATE ON SCHEMA public FROM {role}")
    with pytest.raises(PrivilegeError, match="public"):
        async with DatabaseService(metadata=USERS, **site.own()):
            pass


async def test_service_d01_grants_of_a_role_that_is_there_are_repaired(site: Site) -> None:
    async with DatabaseService(**site.settings()):
        pass
    site.do("REVOKE CREATE, USAGE ON SCHEMA public FROM {role}")
    site.do("CREATE TABLE of_root (id integer)")
    site.do("REVOKE ALL ON of_root FROM {role}")
    async with DatabaseService(metadata=USERS, **site.settings()) as db:
        assert await db.fetch("SELECT * FROM of_root") == []
        assert set(db.tables) == {"users"}


async def test_tables_that_root_makes_before_and_later_are_usable(site: Site) -> None:
    async with DatabaseService(**site.settings()):
        pass
    site.do("CREATE TABLE later (id serial PRIMARY KEY, name text)")
    async with DatabaseService(**site.own()) as db:
        await db.execute("INSERT INTO later (name) VALUES (:name)", {"name": "x"})
        assert await db.fetchval("UPDATE later SET name = 'y' RETURNING id") == 1


async def test_the_role_may_nothing_in_other_databases(site: Site) -> None:
    async with DatabaseService(**site.settings()):
        pass
    granted = (
        "SELECT count(*) FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member WHERE r.rolname = %s"
    )
    assert site.ask(granted, site.user) == 0


async def test_service_k10_grants_are_made_in_the_programs_database(site: Site) -> None:
    async with DatabaseService(**site.settings()):
        pass
    creates = "SELECT has_schema_privilege(%s::name, 'public', 'CREATE')"
    assert site.ask(creates, site.user) is True
    assert site.ask(creates, site.user, database="postgres") is False
    touched = (
        "SELECT count(*) FROM pg_shdepend d JOIN pg_roles r ON r.oid = d.refobjid WHERE r.rolname = %s"
        " AND d.dbid = (SELECT oid FROM pg_database WHERE datname = 'postgres')"
    )
    assert site.ask(touched, site.user) == 0


@pytest.mark.parametrize(
    "password",
    [
        "x' SUPERUSER CREATEROLE --",
        "quote\"and'quote",
        "at@slash/colon:percent%40?hash#",
        "back\\slash $tag$ {brace}",
        "été ½ \u00a0 Ⅸ",
        "  spaces  ",
        123,
    ],
)
async def test_service_k09_any_password_works_and_means_nothing_else(site: Site, password: Any) -> None:
    async with DatabaseService(metadata=USERS, **site.settings(password=password)) as db:
        assert await db.fetchval("SELECT current_user") == site.user
    assert site.ask(SUPER, site.user) is False
    with pytest.raises(UnreachableError):
        await DatabaseService(**site.own(password=f"{password}!")).init()


@pytest.mark.parametrize(
    "name", ["with-dash", "KbUpper", 'quo"te', "it's", "a b", "per%40cent", "select", "x;--"]
)
async def test_service_k09_any_name_works_and_is_kept_as_it_is(site: Site, name: str) -> None:
    named = Site(site.server, site.driver, f"{name} {site.database}", f"{name} {site.user}")
    schema = f"{name} s"
    table = sa.Table("Mixed", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), schema=schema)
    try:
        db = DatabaseService(**named.settings(schemas=["public", schema]))
        db.add_table(table)
        async with db:
            assert await db.fetchval("SELECT current_database()") == named.database
            assert await db.fetchval("SELECT current_user") == named.user
            await db.execute(sa.insert(table), [{"id": 1}, {"id": 2}])
            assert await db.fetchval(sa.select(sa.func.count()).select_from(table)) == 2
        async with DatabaseService(**named.own()) as again:
            assert await again.fetch(sa.select(table.c.id).order_by("id")) == [{"id": 1}, {"id": 2}]
    finally:
        named.clear()


@pytest.mark.parametrize("setting", ["database", "user", "schemas", "extensions"])
@pytest.mark.parametrize("name", ["x" * 64, "ü" * 32, "a\0b"])
async def test_a_name_that_the_server_would_cut_off_is_refused(site: Site, setting: str, name: str) -> None:
    value: Any = [name] if setting.endswith("s") else name
    with pytest.raises(ValidationError, match=rf"{setting}|NUL"):
        await DatabaseService(**site.settings(**{setting: value})).init()
    assert site.ask("SELECT count(*) FROM pg_roles WHERE rolname = %s", site.user, database="postgres") == 0


async def test_an_existing_roles_password_stays(site: Site) -> None:
    async with DatabaseService(**site.settings()):
        pass
    with pytest.raises(UnreachableError, match="refused"):
        await DatabaseService(**site.settings(password="another")).init()
    async with DatabaseService(**site.settings()) as db:
        assert await db.fetchval("SELECT 1") == 1


async def test_extensions_and_schemas_are_made(site: Site) -> None:
    settings = site.settings(extensions=["citext"], schemas=["crm"])
    for _ in range(2):
        async with DatabaseService(**settings) as db:
            assert await db.fetchval("SELECT CAST('A' AS citext) = 'a'") is True
            await db.execute("CREATE TABLE IF NOT EXISTS crm.t (id integer)")


async def test_an_extension_that_is_nowhere_is_told(site: Site) -> None:
    with pytest.raises(RowsteadError, match="no_such_thing"):
        await DatabaseService(**site.settings(extensions=["no_such_thing"])).init()


async def test_service_d02_init_tables_false_makes_neither_tables_nor_functions(site: Site) -> None:
    registry = SQLFunctionsRegistry()
    registry.register(Doubled)
    for spelled in ("init_tables", "init_table"):
        db = DatabaseService(metadata=USERS, functions=registry, **site.settings(**{spelled: False}))
        async with db:
            assert await db.fetchval("SELECT to_regclass('users')::text") is None
            assert await db.fetchval("SELECT count(*) FROM pg_proc WHERE proname = 'doubled'") == 0
    async with DatabaseService(metadata=USERS, functions=registry, **site.settings()) as db:
        assert await db.fetchval("SELECT to_regclass('users')::text") == "users"


async def test_init_db_false_makes_no_database(site: Site) -> None:
    with pytest.raises(UnreachableError):
        await DatabaseService(**site.settings(init_db=False)).init()
    assert site.ask("SELECT count(*) FROM pg_roles WHERE rolname = %s", site.user, database="postgres") == 0


class Named(UserFunction):
    name = "named"
    type = sa.String
    body = "named(i int) RETURNS text LANGUAGE sql AS $$ SELECT name FROM users WHERE id = i $$;"


async def test_functions_are_made_anew_and_may_name_tables_that_come_behind_them(site: Site) -> None:
    for _ in range(2):
        async with DatabaseService(metadata=USERS, functions=[Doubled, Named], **site.settings()) as db:
            await db.execute("DELETE FROM users")
            await db.execute(sa.insert(users).values(id=1, name="Ann"))
            assert await db.fetchval(sa.select(Doubled(21))) == 42
            assert await db.fetchval(sa.select(Named(1))) == "Ann"


async def test_without_an_administrator_a_missing_database_says_who_could_make_it(site: Site) -> None:
    async with DatabaseService(**site.settings()):
        pass
    with pytest.raises(PrivilegeError, match="root_user"):
        await DatabaseService(**site.own(database=f"{site.database}x")).init()


async def test_schemas_of_tables_need_not_be_named(site: Site) -> None:
    plain = sa.Table("plain", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True))
    apart = sa.Table("apart", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), schema="Apart")
    db = DatabaseService(**site.settings(schemas=["crm"]))
    for table in (plain, apart):
        db.add_table(table)
    async with db:
        assert await db.fetch(sa.select(plain)) == await db.fetch(sa.select(apart)) == []
        schemas = await db.fetch("SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|info)' ORDER BY 1")
    assert [row["nspname"] for row in schemas] == ["Apart", "crm", "public"]


async def test_an_administrator_need_not_be_a_superuser(site: Site) -> None:
    with site.server.role(options="LOGIN CREATEDB CREATEROLE") as (name, password):
        settings = site.settings(root_user=name, root_password=password, extensions=["citext"])
        for _ in range(2):
            async with DatabaseService(metadata=USERS, **settings) as db:
                assert await db.fetch(sa.select(users)) == []
        site.clear()


async def test_the_guides_settings_start_an_application(site: Site, tmp_path: Path) -> None:
    settings = site.settings(password=123, init_db=True, init_tables=True, pool_size=4, extensions=["ltree"])
    written = "".join(f"      {name}: {json.dumps(value)}\n" for name, value in settings.items())
    file = tmp_path / "app.yaml"
    file.write_text(f"settings:\n  services:\n    cls: DatabaseService\n    settings:\n{written}")
    for _ in range(2):
        async with App.from_yaml(file) as app:
            db = app.services["db"]
            assert isinstance(db, DatabaseService)
            assert await db.fetchval("SELECT nlevel('a.b.c'::ltree)") == 3
            assert await db.fetchval("SELECT current_user") == site.user
