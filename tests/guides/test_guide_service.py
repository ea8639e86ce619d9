"""Guide 003, every block of it, on every database: its statements, and its application as a reader has it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from time import time
from typing import Any

import pytest
import sqlalchemy as sa
import yaml

from conftest import Backend, backend_of
from rowstead import DB
from rowstead.service import DatabaseService, PublicInterface, SQLService, ValidationError, session
from servers import Server
from service.database_site import Site

from . import guide_service as guide
from .guide_repository import Project
from .guide_service import conditions, numbers, run, table, with_key

Service = SQLService[Any, dict[str, Any]]
NAME = sa.String(100)


@pytest.fixture(params=["sqlite", "asyncpg", "psycopg", "mariadb"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    """Each database of services, empty."""
    return backend_of(request, tmp_path)


@pytest.fixture
async def database(backend: Backend) -> AsyncIterator[DatabaseService]:
    """The backend as the guide's services are given it; tables are added by them."""
    async with await DB.from_url(backend.url) as db, DatabaseService(db=db) as database:
        yield database


async def service_of(database: DatabaseService, its: sa.Table, **said: Any) -> Service:
    """A service on a new table; `said` is what stands in its class."""
    cls = type("MyService", (SQLService,), {"table": its, **said})
    service: Service = cls(database)
    await database.create_tables()
    return service


@pytest.fixture
async def my_service(database: DatabaseService) -> Service:
    """Six things of an id, a value and a time at which they expire: 1 to 3 have expired."""
    things = with_key(
        "things",
        sa.Column("name", NAME),
        sa.Column("value", sa.Boolean),
        sa.Column("expires", sa.Float),
    )
    service = await service_of(database, things)
    now = time()
    rows = [
        {"id": n, "name": f"t{n}", "value": True, "expires": now + (60 if n > 3 else -60)}
        for n in range(1, 7)
    ]
    await service.m_create(rows, columns=[])
    return service


async def having(service: Service, value: bool) -> list[int]:
    page = await service.list({"value": value}, sort="id", columns="id")
    return [row["id"] for row in page["data"] or []]


async def test_select(my_service: Service) -> None:
    names = await run(guide.SELECT, my_service=my_service, obj_id=2, id_1=1, id_2=3, id_3=99)
    assert (names["item"]["id"], names["item"]["name"], names["item"]["value"]) == (2, "t2", True)
    assert sorted(names["items"], key=lambda row: row["id"]) == [
        {"id": 1, "name": "t1"},
        {"id": 3, "name": "t3"},
    ]


async def test_create(my_service: Service) -> None:
    await my_service.m_delete([1, 2])
    names = await run(guide.CREATE, my_service=my_service)
    assert names["data"] == [{"id": 2, "name": None, "value": True, "expires": None}]
    assert await my_service.m_exists([1, 2]) == {1, 2}


async def test_update(my_service: Service) -> None:
    names = await run(guide.UPDATE, my_service=my_service, obj_id=6, id_1=1, id_2=2, id_3=99)
    assert names["_"] is None
    assert await having(my_service, False) == [1, 2, 6]
    names = await run(guide.UPDATE_WHERE, my_service=my_service, time=time)
    assert names["_"] is None
    assert await having(my_service, False) == [1, 2, 3, 6]


async def test_delete(my_service: Service) -> None:
    await my_service.update(2, {"value": False})
    await run(guide.DELETE, my_service=my_service, obj_id=6, id_1=1, id_2=2)
    # The last of its arguments is conditions: 1 is not of that value.
    assert await having(my_service, True) == [1, 3, 4, 5]
    assert await having(my_service, False) == []
    names = await run(guide.DELETE_WHERE, my_service=my_service, time=time)
    assert sorted(row["id"] for row in names["_"]) == [1, 3]


async def test_exists(my_service: Service) -> None:
    assert await my_service.exists(1) is True
    assert await my_service.exists(99) is False
    assert await my_service.m_exists([1, 2, 99]) == {1, 2}


@pytest.fixture
async def counted(database: DatabaseService) -> Service:
    """152 rows of a value above 42, and one of 42."""
    its = table("counted", sa.Column("id", NAME, primary_key=True), sa.Column("value", sa.Integer))
    service = await service_of(database, its)
    await service.m_create([{"id": f"row_{n}", "value": 42 + n} for n in range(153)], columns=[])
    return service


async def test_list_gives_what_the_guide_shows(counted: Service) -> None:
    page = (await run(guide.LIST, my_service=counted))["_"]
    assert list(page) == [*numbers(guide.LISTED), "data"]
    assert page == {**numbers(guide.LISTED), "data": page["data"]}
    assert len(page["data"]) == 10
    assert set(page["data"][0]) == {"id", "value"}


async def test_iter(counted: Service) -> None:
    last = (await run(guide.ITER, my_service=counted))["batch"]
    assert len(last) == 52
    assert all(row["value"] > 42 and list(row) == ["id", "value"] for row in last)
    ended = await run(guide.ITER.replace("...", "seen += batch"), my_service=counted, seen=[])
    assert sorted(row["value"] for row in ended["seen"]) == list(range(43, 195))


async def matching(database: DatabaseService, service: Service, block: str) -> list[int]:
    """How many rows each condition of a block finds, which are as many as the guide's SQL finds."""
    found: list[int] = []
    for condition, said in conditions(block):
        count = await service.count(condition)
        its = await database.fetchval(f"SELECT count(*) FROM {service.table.name} WHERE {said}")
        assert count == its, said
        found.append(count)
    return found


async def test_conditions_mean_the_sql_beside_them(database: DatabaseService) -> None:
    """`col` is a text in four of them, and a number in the one that is above 1 and below 2."""
    texts = guide.WHERE.splitlines(keepends=True)
    figures = texts.pop(next(n for n, line in enumerate(texts) if '"gt"' in line))
    words = await service_of(database, with_key("words", sa.Column("col", NAME)))
    await words.m_create([{"col": text} for text in ("v", "v1", "v1", "v2", "a shtick", None)], columns=[])
    assert await matching(database, words, "".join(texts)) == [1, 3, 4, 1]
    amounts = await service_of(database, with_key("amounts", sa.Column("col", sa.Float)))
    await amounts.m_create([{"col": n} for n in (1, 1.25, 1.5, 2, None)], columns=[])
    assert await matching(database, amounts, figures) == [2]


async def test_conditions_of_several_columns(database: DatabaseService) -> None:
    its = with_key("flags", sa.Column("col1", sa.Integer), sa.Column("col2", sa.Boolean))
    flags = await service_of(database, its)
    rows = [(42, True), (42, False), (41, True), (None, True), (42, None)]
    await flags.m_create([{"col1": one, "col2": two} for one, two in rows], columns=[])
    assert await matching(database, flags, guide.WHERE_BOTH) == [1]


async def test_conditions_of_which_one_holds(database: DatabaseService) -> None:
    its = with_key(
        "several",
        sa.Column("col1", sa.Integer),
        sa.Column("col2", sa.Integer),
        sa.Column("col3", sa.Boolean),
        sa.Column("active", sa.Boolean, default=True),
    )
    service = await service_of(database, its)
    rows = [(4, 42, False), (4, 41, False), (3, 42, None), (0, 0, True)]
    await service.m_create([{"col1": a, "col2": b, "col3": c} for a, b, c in rows], columns=[])
    changed = (await run(guide.WHERE_EITHER, service=service))["_"]
    assert sorted(row["id"] for row in changed) == [1, 4]
    assert await service.count({"active": False}) == 2


async def test_sorting(database: DatabaseService) -> None:
    its = with_key(
        "articles",
        sa.Column("author_name", NAME),
        sa.Column("updated", sa.Integer),
    )
    my_service = await service_of(database, its)
    rows = [("b", 1), ("a", 1), ("b", 2), ("a", 2)]
    await my_service.m_create([{"author_name": name, "updated": when} for name, when in rows], columns=[])
    page = (await run(guide.SORT, my_service=my_service))["_"]
    assert [row["id"] for row in page["data"]] == [4, 2, 3, 1]
    assert await my_service.list(sort=["author_name", {"desc": "updated"}]) == page


# What a class says


async def test_blacklists(database: DatabaseService) -> None:
    its = with_key("customers", sa.Column("hash", NAME))
    names = await run(guide.BLACKLISTS, SQLService=SQLService, PublicInterface=PublicInterface, customers=its)
    service: Service = names["MyCustomerService"](database)
    await database.create_tables()
    assert await service.create({"id": 1, "hash": "secret"}) == {"id": 1}
    assert await service.get(1) == {"id": 1}
    with pytest.raises(ValidationError, match="may not set 'hash'"):
        await service.update(1, {"hash": "mine"})
    assert await database.fetchval("SELECT hash FROM customers") == "secret"


async def test_input_normalisation(database: DatabaseService) -> None:
    hook = (await run(guide.PREPARE))["prepare_insert_data"]
    its = with_key("rows", sa.Column("user_id", sa.Integer))
    service = await service_of(database, its, prepare_insert_data=hook)
    with session(user_id=7):
        assert await service.m_create([{"id": 1}, {"id": 2, "user_id": 8}]) == [
            {"id": 1, "user_id": 7},
            {"id": 2, "user_id": 7},
        ]
    assert await service.create({"id": 3}) == {"id": 3, "user_id": None}


async def test_permission_hooks(database: DatabaseService) -> None:
    hook = (await run(guide.GET_HOOK))["get_condition_hook"]
    its = with_key("owned", sa.Column("owner", sa.Integer))
    service = await service_of(database, its, get_condition_hook=hook)
    await service.m_create([{"id": n, "owner": n % 2} for n in range(1, 5)], columns=[])
    with session(user_id=1):
        assert await service.m_exists([1, 2, 3, 4]) == {1, 3}
        assert (await service.list({"owner": 0}))["count"] == 0
    assert await service.count() == 4


# The application

TASKS = """
class Tasks(SQLService):
    service_name = "tasks"
    table = sa.Table(
        "tasks", sa.MetaData(),
        sa.Column("id", sa.TEXT, primary_key=True),
        sa.Column("commands", sa.JSON),
        sa.Column("cron", sa.TEXT),
    )

SERVICE_CLASS_REGISTRY.register(Tasks)
"""
"""The `tasks` that the guide's fixtures are for."""

MAIN = """
import asyncio, json, yaml
import my_service
from rowstead.service import App

async def main():
    entries = [json.load(open("database.json"))]
    for file in ("service.yml", "migrations.yml", "tasks.yml", "fixtures.yml"):
        printed = yaml.safe_load(open(file))
        entries.append(printed.get("settings", printed)["services"])
    async with App.from_dict({"services": entries}) as app:
        service, tasks, db = (app.services[name] for name in ("MyService", "tasks", "db"))
        await service.create({"id": "a", "value": 1}, columns=[], on_conflict="do_nothing")
        print(json.dumps({
            "services": list(app.services),
            "public": sorted(service.routes),
            "rows": await service.m_get(conditions="*"),
            "columns": sorted(await db.fetchrow("SELECT * FROM my_table")),
            "tasks": (await tasks.list(sort="id"))["data"],
            "state": json.loads(str(await db.fetchval("SELECT value FROM db_info"))),
        }))

asyncio.run(main())
"""
"""Starts what the guide's blocks say, one behind the other, and looks."""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """The guide's files, each as it is printed there."""
    project = Project(tmp_path)
    project.write(
        {
            "my_service.py": guide.SERVICE + guide.REGISTER + TASKS,
            "main.py": MAIN,
            "database.yml": guide.DATABASE,
            "service.yml": guide.SERVICE_ENTRY,
            "migrations.yml": guide.MIGRATIONS_ENTRY,
            "tasks.yml": "services: {cls: Tasks}",
            "fixtures.yml": guide.FIXTURES_ENTRY,
            "etc/migrations.json": guide.MIGRATIONS,
            "fixtures/tasks.json": guide.FIXTURES,
        }
    )
    return project


@pytest.fixture(params=["asyncpg", "psycopg"])
def site(request: pytest.FixtureRequest, postgres_server: Server) -> Iterator[Site]:
    """A PostgreSQL without the guide's database and role."""
    site = Site(postgres_server, request.param)
    yield site
    site.clear()


OLD_TABLE = "CREATE TABLE my_table (id TEXT PRIMARY KEY, value INTEGER, old_col INTEGER)"
"""The guide's table before its migration."""


def started_twice(project: Project, database: dict[str, Any]) -> None:
    """Start the application on a database that has the old table; once more, and nothing has changed."""
    (project.folder / "database.json").write_text(json.dumps(database))
    shown = {
        "services": ["db", "MyService", "DatabaseMigrationService", "tasks", "FixtureService"],
        "rows": [{"id": "a", "value": 1}],
        "columns": ["id", "new_col", "value"],
        "tasks": json.loads(guide.FIXTURES),
        "state": 0,
    }
    for _ in range(2):
        done = project.python("-W", "error", "main.py")
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert {"get", "m_get", "list", "m_delete"} <= set(found.pop("public"))
        assert found == shown


async def test_the_application_on_sqlite(project: Project) -> None:
    url = f"sqlite:///{project.folder / 'guide.sqlite'}"
    async with await DB.from_url(url) as db:
        await db.execute(OLD_TABLE)
    started_twice(project, {"cls": "DatabaseService", "settings": {"url": url}})


async def test_the_application_on_postgresql(project: Project, site: Site) -> None:
    """With the address, names and passwords of a server that there is, and a type for the new column."""
    entry: dict[str, Any] = yaml.safe_load(guide.DATABASE)["settings"]["services"]
    assert set(entry["settings"]) <= {*site.settings(), "init_db", "init_tables", "pool_size", "extensions"}
    entry["settings"] |= site.settings()
    async with DatabaseService(**entry["settings"]) as db:
        await db.execute(OLD_TABLE)
        assert await db.fetchval("SELECT 'a.b'::text::ltree <@ 'a'") is True
    typed = guide.MIGRATIONS.replace("new_col DEFAULT", "new_col TEXT DEFAULT")
    project.write({"etc/migrations.json": typed})
    started_twice(project, entry)


def test_every_entry_of_the_guide_is_an_applications_file(project: Project) -> None:
    wanted = {
        "database.yml": (0, "1. db (DatabaseService), line 2"),
        "fixtures.yml": (0, "1. FixtureService (FixtureService), line 1"),
        # "A working instance of DatabaseService is also required".
        "service.yml": (1, "MyService needs a DatabaseService, and the application has none; add one"),
        "migrations.yml": (1, "needs a DatabaseService, and the application has none; add one"),
    }
    for file, (code, said) in wanted.items():
        done = project.rowstead(f"app check {file} --import my_service")
        assert done.returncode == code, done.stdout + done.stderr
        assert said in done.stdout


def test_init_table_of_the_guides_text_is_init_tables(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write({"app.yml": guide.DATABASE.replace("init_tables: True", "init_table: False")})
    assert project.rowstead("app check app.yml").returncode == 0
    project.write({"app.yml": guide.DATABASE.replace("init_tables: True", "init_tabel: False")})
    done = project.rowstead("app check app.yml")
    assert (done.returncode, "did you mean 'init_table'?" in done.stdout) == (1, True), done.stdout
