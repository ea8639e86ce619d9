"""`FixtureService` on every database: which tables it fills, with what, in which order; what it refuses."""

from __future__ import annotations

import datetime
import io
import json
import logging
import uuid
from contextlib import chdir
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from rowstead import DB
from rowstead.errors import (
    DuplicateError,
    ForeignKeyError,
    NotNullError,
    UndefinedColumnError,
    UsageError,
    ValidationError,
)
from rowstead.service import App, FixtureService, PermHook, Service, SQLService, session
from rowstead.service.registry import ServiceRegistry
from service.conftest import Place, Sent
from service.services import Documents, Members, Projects, Readings, Tasks, names
from service.tables import NAME, Colour, create

PROJECTS = [{"id": 1, "title": "first"}, {"id": 2, "title": "second"}]
TASKS = [{"id": 1, "name": "a", "project": 2}, {"id": 2, "name": "b", "project": 1, "value": 7}]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "fixtures"
    made.mkdir()
    return made


def put(folder: Path, name: str, content: Any) -> Path:
    """Write a file: a text as it is, anything else as JSON."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


class Filled:
    """The services of one database, and a fixture service over them."""

    def __init__(self, db: Any, folder: Path) -> None:
        self.projects = Projects(db, name="projects")
        self.tasks = Tasks(db, name="tasks")
        self.members = Members(db, name="members")
        self.readings = Readings(db, name="readings")
        self.documents = Documents(db, name="documents")
        self._folder = folder

    def fixtures(self, **settings: Any) -> FixtureService:
        services = [self.tasks, self.members, self.readings, self.documents, self.projects]
        return FixtureService(services=services, root_dir=self._folder, **settings)


@pytest.fixture
def here(db: DB, folder: Path) -> Filled:
    return Filled(db, folder)


async def every(service: SQLService[Any, Any]) -> list[dict[str, Any]]:
    return (await service.list(limit=1000))["data"] or []


# What is loaded


async def test_rows_of_every_format_become_values_of_the_columns_types(here: Filled, folder: Path) -> None:
    texts = {
        "day": "2026-02-03",
        "made": "2026-02-03T04:05:06",
        "price": 12.50,
        "colour": "blue",
        "raw": "\\x00ff",
        "data": {"a": [1, 2, {"b": None}]},
        "settings": {"on": True},
    }
    put(folder, "documents.json", [{"id": str(uuid.UUID(int=1)), **texts}])
    put(folder, "documents.2.jsonl", json.dumps({"id": str(uuid.UUID(int=2)), **texts}))
    put(
        folder,
        "documents.3.csv",
        "id,day,made,price,colour,raw,data,settings\n"
        f"{uuid.UUID(int=3)},2026-02-03,2026-02-03 04:05:06,12.50,blue,\\x00ff,"
        '"{""a"": [1, 2, {""b"": null}]}","{""on"": true}"\n',
    )
    put(
        folder,
        "documents.4.yaml",
        f"- id: {uuid.UUID(int=4)}\n  day: 2026-02-03\n  made: 2026-02-03 04:05:06\n  price: 12.50\n"
        "  colour: blue\n  raw: \\x00ff\n  data: {a: [1, 2, {b: null}]}\n  settings: {on: true}\n",
    )
    assert await here.fixtures().load() == {"documents": 4}
    for number in range(1, 5):
        row = await here.documents.get(uuid.UUID(int=number))
        assert row == {
            "id": uuid.UUID(int=number),
            "data": {"a": [1, 2, {"b": None}]},
            "settings": {"on": True},
            "price": Decimal("12.50"),
            "day": datetime.date(2026, 2, 3),
            "made": datetime.datetime(2026, 2, 3, 4, 5, 6),
            "colour": Colour.BLUE,
            "raw": b"\x00\xff",
            "state": "new",
            "version": 1,
        }


async def test_what_a_file_leaves_out_or_leaves_empty_takes_the_columns_default(
    here: Filled, folder: Path
) -> None:
    put(folder, "tasks.csv", 'id,name,active,value,hash\n,a,,,""\n,b,false,3,x\n')
    put(folder, "tasks.2.json", [{"id": None, "name": "c", "active": None, "value": None}, {"name": "d"}])
    assert await here.fixtures().load() == {"tasks": 4}
    rows = {row["name"]: row for row in await every(here.tasks)}
    assert [rows[name]["active"] for name in "abcd"] == [True, False, True, True]
    assert [rows[name]["value"] for name in "abcd"] == [None, 3, None, None]
    assert [rows[name]["hash"] for name in "abcd"] == ["", "x", None, None]
    assert len({row["id"] for row in rows.values()}) == 4


async def test_service_k08_rows_may_name_different_columns_and_lose_none(here: Filled, folder: Path) -> None:
    rows = [{"id": 1, "name": "a"}, {"id": 2, "name": "b", "value": 7, "hash": "x"}, {"name": "c", "id": 3}]
    put(folder, "tasks.json", rows)
    await here.fixtures().load()
    found = await every(here.tasks)
    assert [(row["id"], row["name"], row["value"], row["hash"]) for row in found] == [
        (1, "a", None, None),
        (2, "b", 7, "x"),
        (3, "c", None, None),
    ]


async def test_service_k08_no_row_inserts_none(here: Filled, folder: Path) -> None:
    put(folder, "tasks.json", [])
    assert await here.fixtures().load() == {"tasks": 0}
    assert await here.tasks.count() == 0


async def test_files_are_found_by_their_names_and_folders(here: Filled, folder: Path) -> None:
    files = ["tasks.json", "tasks.2.json", "010_tasks.x.json", "more/020_tasks.JSON", "tasks/any.json"]
    files += ["030_tasks/deep/any.other.json"]
    for number, name in enumerate(files, 1):
        put(folder, name, [{"id": number, "name": name}])
    for left_aside in (".tasks.json", ".git/tasks.json", "tasks.json~", "README.md", "tasks.txt"):
        put(folder, left_aside, "{")
    (folder / "projects.json").mkdir()
    assert await here.fixtures().load() == {"tasks": len(files)}
    assert names(await every(here.tasks)) == sorted(files)


async def test_a_files_own_name_goes_before_its_folders(here: Filled, folder: Path) -> None:
    put(folder, "tasks/projects.json", PROJECTS)
    assert await here.fixtures().load() == {"projects": 2}


async def test_files_of_one_table_are_loaded_in_the_order_of_their_paths(here: Filled, folder: Path) -> None:
    for name in ("tasks.b.json", "tasks.a.json", "010_tasks.json"):
        put(folder, name, [{"name": name}])
    await here.fixtures().load()
    found = sorted(await every(here.tasks), key=lambda row: row["id"])
    assert [row["name"] for row in found] == ["010_tasks.json", "tasks.a.json", "tasks.b.json"]


async def test_tables_are_filled_behind_those_that_they_refer_to(here: Filled, folder: Path) -> None:
    put(folder, "001_tasks.json", TASKS)
    put(folder, "002_projects.json", PROJECTS)
    assert list(await here.fixtures().load()) == ["projects", "tasks"]
    assert await here.tasks.count({"project": 1}) == 1


nodes = sa.Table(
    "nodes",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("parent", sa.Integer, sa.ForeignKey("nodes.id")),
    sa.Column("label", NAME),
)


class Nodes(SQLService[int, dict[str, Any]]):
    table = nodes
    service_name = "nodes"


async def test_rows_of_a_tree_are_stored_behind_their_parents(db: DB, folder: Path) -> None:
    await create(db, nodes.metadata)
    rows: list[dict[str, Any]] = [
        {"id": 4, "parent": "3"},
        {"id": 2, "parent": 1},
        {"label": "root", "id": 1},
    ]
    put(folder, "nodes.json", [*rows, {"id": "3", "label": "x", "parent": 2}])
    await FixtureService(services=[Nodes(db)], root_dir=folder).load()
    found = await every(Nodes(db))
    assert [(row["id"], row["parent"]) for row in found] == [(1, None), (2, 1), (3, 2), (4, 3)]


async def test_many_rows_take_few_statements(here: Filled, folder: Path, sent: Sent) -> None:
    put(folder, "readings.jsonl", "".join(f'{{"place": "p{n}", "amount": {n}}}\n' for n in range(2500)))
    sent.clear()
    assert await here.fixtures().load() == {"readings": 2500}
    assert await here.readings.count() == 2500
    assert len(sent) < 20


async def test_nothing_is_printed_where_nobody_watches(
    here: Filled, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    put(folder, "projects.json", PROJECTS)
    await here.fixtures().load()
    assert capfd.readouterr() == ("", "")


# Hooks and sessions


class Watching(Tasks):
    """Notes which hooks ran, in which session."""

    ran: list[Any]

    def prepare_insert_data(self, data: dict[str, Any]) -> dict[str, Any]:
        self.ran.append(self.get_session())
        return {**data, "hash": "prepared"}

    def after_create_hook(self, *rows: Any) -> None:
        self.ran.append("after")


async def test_rows_are_prepared_in_no_session_and_after_hooks_do_not_run(db: DB, folder: Path) -> None:
    service = Watching(db, name="tasks")
    service.ran = []
    put(folder, "tasks.json", [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}])
    with session(user_id=3) as current:
        await FixtureService(services=[service], root_dir=folder).load()
        assert service.get_session() is current
    assert service.ran == [None, None]
    assert [row["hash"] for row in await every(service)] == ["prepared"] * 2
    assert service.get_session() is None


class Hiding(Tasks):
    """Shows nobody anything."""

    def get_condition_hook(self, sql: Any) -> Any:
        return sql.where(sa.false())


async def test_a_table_whose_rows_nobody_may_see_is_not_empty(db: DB, folder: Path) -> None:
    await Tasks(db).create({"id": 9, "name": "z"})
    put(folder, "tasks.json", [{"id": 1, "name": "a"}])
    service = Hiding(db, name="tasks")
    assert await service.count() == 0
    assert await FixtureService(services=[service], root_dir=folder).load() == {}
    assert await Tasks(db).count() == 1


class Owned(PermHook, Tasks):
    pass


async def test_rows_of_any_user_are_loaded_where_users_have_their_own(db: DB, folder: Path) -> None:
    put(folder, "tasks.json", [{"id": 1, "name": "a", "user_id": 5}, {"id": 2, "name": "b", "user_id": 6}])
    assert await FixtureService(services=[Owned(db, name="tasks")], root_dir=folder).load() == {"tasks": 2}
    assert [row["user_id"] for row in await every(Tasks(db))] == [5, 6]


# What is there already


async def test_a_table_with_rows_is_left_alone_and_said_to_be(
    here: Filled, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await here.projects.create({"id": 7, "title": "mine"})
    put(folder, "projects.json", PROJECTS)
    put(folder, "members.json", [{"project": 1, "person": "p"}])
    with caplog.at_level(logging.INFO):
        assert await here.fixtures().load() == {"members": 1}
        assert await here.fixtures().load() == {}
    assert [row["id"] for row in await every(here.projects)] == [7]
    assert "projects: left alone, its table has rows" in caplog.messages
    assert any(message.startswith("members: 1 rows of ") for message in caplog.messages)


async def test_files_of_tables_that_are_left_alone_are_not_read(here: Filled, folder: Path) -> None:
    await here.projects.create({"id": 7, "title": "mine"})
    put(folder, "projects.json", "no JSON")
    assert await here.fixtures().load() == {}


async def test_by_wish_rows_with_new_keys_are_added_to_a_table_with_rows(here: Filled, folder: Path) -> None:
    await here.projects.create({"id": 1, "title": "mine"})
    put(folder, "projects.json", PROJECTS)
    for _ in range(2):
        assert await here.fixtures(empty_tables_only=False).load() == {"projects": 2}
    assert await every(here.projects) == [{"id": 1, "title": "mine"}, {"id": 2, "title": "second"}]


async def test_a_row_that_is_there_by_another_unique_key_is_a_conflict_all_the_same(
    here: Filled, folder: Path
) -> None:
    await here.tasks.create({"id": 1, "name": "a"})
    file = put(folder, "tasks.json", [{"id": 1, "name": "b"}, {"id": 2, "name": "a"}])
    with pytest.raises(DuplicateError) as caught:
        await here.fixtures(empty_tables_only=False).load()
    assert str(caught.value).startswith(f"{file}, line 1: ")
    assert names(await every(here.tasks)) == ["a"]


async def test_by_wish_rows_that_are_there_get_the_files_values(here: Filled, folder: Path) -> None:
    await here.members.m_create(
        [{"project": 1, "person": "p", "role": "old"}, {"project": 1, "person": "q", "role": "kept"}]
    )
    new = [{"project": 1, "person": "p", "role": "new"}, {"project": 2, "person": "p"}]
    put(folder, "members.json", [*new, {"project": 1, "person": "q"}])
    for _ in range(2):
        assert await here.fixtures(upsert=True).load() == {"members": 3}
    assert [(row["project"], row["person"], row["role"]) for row in await every(here.members)] == [
        (1, "p", "new"),
        (1, "q", "kept"),
        (2, "p", None),
    ]


@pytest.mark.parametrize("settings", [{"upsert": True}, {"empty_tables_only": False}])
@pytest.mark.parametrize(
    ("name", "row", "key"),
    [("tasks", {"name": "b"}, "id"), ("readings", {"place": "p"}, "this table has none")],
)
async def test_a_row_without_its_key_cannot_go_to_rows_that_are_there(
    here: Filled, folder: Path, settings: Any, name: str, row: Any, key: str
) -> None:
    file = put(folder, f"{name}.jsonl", json.dumps(row))
    with pytest.raises(ValidationError) as caught:
        await here.fixtures(**settings).load()
    assert str(caught.value).startswith(f"{file}, line 1: {name}: ")
    assert f"({key})" in str(caught.value)


# What is refused

REFUSED: list[tuple[Any, type[Exception], int, str]] = [
    ([{"id": 1, "name": "a", "vlaue": 1}], UndefinedColumnError, 1, "did you mean 'value'?"),
    ('[{"id": 1, "name": "a"},\n{"id": 2, "name": "b", "value": "x"}]', ValidationError, 2, "'value'"),
    ('[{"id": 1, "name": "a"},\n{"id": 2, "value": 1}]', NotNullError, 2, "name"),
    ('[{"id": 1, "name": "a"},\n{"id": 1, "name": "b"}]', DuplicateError, 2, ""),
    ('[{"id": 1, "name": "a"},\n{"id": 2, "name": "a"}]', DuplicateError, 2, ""),
    ('[{"id": 1, "name": "a"},\n\n{"id": 2, "name": "b", "project": 5}]', ForeignKeyError, 3, ""),
    ('[{"id": 1, "name": "a"},\n{}]', ValidationError, 2, "empty"),
    ("{}", ValidationError, 1, "a JSON list of objects"),
]


@pytest.mark.parametrize(("content", "error", "line", "told"), REFUSED, ids=range(len(REFUSED)))
async def test_nothing_is_loaded_where_a_row_cannot_be_and_its_place_is_told(
    here: Filled, folder: Path, content: Any, error: type[Exception], line: int, told: str
) -> None:
    put(folder, "projects.json", PROJECTS)
    put(folder, "000_tasks.json", [{"id": 50, "name": "before"}])
    file = put(folder, "tasks.json", content)
    with pytest.raises(error) as caught:
        await here.fixtures().load()
    assert str(caught.value).startswith(f"{file}, line {line}")
    assert told in str(caught.value)
    assert (await here.projects.count(), await here.tasks.count()) == (0, 0)


async def test_a_wrong_value_is_not_shown(here: Filled, folder: Path) -> None:
    put(folder, "tasks.json", [{"id": 1, "name": "a", "value": "sesame", "hash": "open"}])
    with pytest.raises(ValidationError) as caught:
        await here.fixtures().load()
    assert "sesame" not in str(caught.value)
    assert "open" not in str(caught.value)


async def test_a_file_for_no_service_is_an_error_or_by_wish_a_warning(
    here: Filled, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(folder, "projects.json", PROJECTS)
    file = put(folder, "010_taks.first.json", TASKS)
    with pytest.raises(ValidationError) as caught:
        await here.fixtures().load()
    told = f"{file}: there is no service 'taks'; did you mean 'tasks'?"
    assert str(caught.value) == told
    assert await here.projects.count() == 0
    assert await here.fixtures(strict=False).load() == {"projects": 2}
    assert f"{told}: not loaded" in caplog.messages


async def test_only_the_named_services_are_loaded(here: Filled, folder: Path) -> None:
    put(folder, "projects.json", PROJECTS)
    put(folder, "members.json", [{"project": 1, "person": "p"}])
    put(folder, "stranger.json", [])
    assert await here.fixtures(fixtures=["projects"]).load() == {"projects": 2}
    with pytest.raises(ValidationError, match=r"no service 'project'; did you mean 'projects'\?"):
        await here.fixtures(fixtures=["project"]).load()
    with pytest.raises(ValidationError, match="no file for 'tasks'"):
        await here.fixtures(fixtures=["tasks"]).load()
    with pytest.raises(ValidationError, match="a list of services' names"):
        here.fixtures(fixtures="projects")


async def test_a_missing_folder_is_a_warning_and_a_file_in_its_place_an_error(
    db: DB, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert await Filled(db, folder / "none").fixtures().load() == {}
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert str(folder / "none") in caplog.messages[0]
    with pytest.raises(ValidationError, match="is no folder"):
        await Filled(db, put(folder, "some", "")).fixtures().load()


async def test_service_d06_the_folder_is_fixtures_where_nothing_is_said(db: DB, folder: Path) -> None:
    put(folder, "projects.json", PROJECTS)
    put(folder, "sql/members.json", [{"project": 1, "person": "p"}])
    services = [Projects(db, name="projects"), Members(db, name="members")]
    with chdir(folder.parent):
        assert await FixtureService(services=services).load() == {"projects": 2, "members": 1}


async def test_tables_in_a_circle_are_named(db: DB, folder: Path) -> None:
    metadata = sa.MetaData()
    for name, other in (("a", "b"), ("b", "a")):
        key = sa.Column("other", sa.Integer, sa.ForeignKey(f"{other}.id", name=f"fk_{name}", use_alter=True))
        sa.Table(name, metadata, sa.Column("id", sa.Integer, primary_key=True), key)
        put(folder, f"{name}.json", [{"id": 1}])
        await db.execute(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, other INTEGER)")

    def service(name: str) -> SQLService[Any, Any]:
        made: Any = type(name, (SQLService,), {"table": metadata.tables[name]})
        return made(db)

    with pytest.raises(UsageError, match=r"the tables (a -> b -> a|b -> a -> b) refer to each other"):
        await FixtureService(services=[service("a"), service("b")], root_dir=folder).load()


async def test_names_and_services_are_said_to_be_missing(db: DB, folder: Path) -> None:
    with pytest.raises(UsageError, match="no services to fill"):
        await FixtureService(root_dir=folder).load()
    with pytest.raises(UsageError, match="two of the services have one name"):
        await FixtureService(services=[Tasks(db), Tasks(db)], root_dir=folder).load()


# Inside a transaction, and in several databases


async def test_in_a_transaction_the_rows_are_part_of_it(db: DB, folder: Path) -> None:
    put(folder, "projects.json", PROJECTS)

    class Enough(Exception):
        pass

    with pytest.raises(Enough):
        async with db.transaction() as inner:
            service = Projects(inner, name="projects")
            assert await FixtureService(services=[service], root_dir=folder).load() == {"projects": 2}
            assert await service.count() == 2
            raise Enough
    assert await Projects(db).count() == 0


async def test_each_database_has_a_transaction_of_its_own_and_one_can_be_named(
    db: DB, folder: Path, tmp_path: Path
) -> None:
    put(folder, "projects.json", PROJECTS)
    put(folder, "members.json", [{"project": 1, "person": "p"}])
    async with await DB.from_url(f"sqlite:///{tmp_path / 'other.sqlite'}") as other:
        await create(other)
        services = [Projects(db, name="projects"), Members(other, name="members")]
        some = FixtureService(services=services, root_dir=folder, database_service=other)
        assert await some.load() == {"members": 1}
        assert await FixtureService(services=services, root_dir=folder).load() == {"projects": 2}
        assert (await Projects(other).count(), await Members(other).count()) == (0, 1)


# In an application

guides = sa.Table(
    "tasks",
    sa.MetaData(),
    sa.Column("id", NAME, primary_key=True),
    sa.Column("commands", sa.JSON),
    sa.Column("cron", NAME),
)


class GuidesTasks(SQLService[str, dict[str, Any]]):
    table = guides
    service_name = "tasks"


class Cache(Service):
    service_name = "cache"


GUIDE = """[
  {"id": "cache.clear", "commands": [{"method": "cache.clear"}], "cron": "* * * * *"},
  {"id": "orders.sync", "commands": [{"method": "orders.sync"}], "cron": "* * * * *"}
]"""


def application(place: Place, folder: Path, **settings: Any) -> App:
    registry = ServiceRegistry()
    for cls in (GuidesTasks, Cache):
        registry.register(cls)
    services = [
        {"cls": "DatabaseService", "settings": {"url": place.url, "init_db": False}},
        {"cls": "GuidesTasks"},
        {"cls": "Cache"},
        {"cls": "FixtureService", "settings": {"root_dir": str(folder), **settings}},
    ]
    return App.from_dict({"services": services}, registry=registry)


async def test_the_guides_fixtures_are_loaded_when_the_application_starts(place: Place, folder: Path) -> None:
    put(folder, "tasks.json", GUIDE)
    for _ in range(2):
        async with application(place, folder) as app:
            tasks: Any = app.services["tasks"]
            assert sorted(await every(tasks), key=lambda row: row["id"]) == json.loads(GUIDE)


async def test_they_are_loaded_later_where_the_settings_say_so(place: Place, folder: Path) -> None:
    put(folder, "tasks.json", GUIDE)
    async with application(place, folder, load_on_init="no") as app:
        tasks: Any = app.services["tasks"]
        fixtures: Any = app.services["FixtureService"]
        assert await tasks.count() == 0
        assert await fixtures.load() == {"tasks": 2}


async def test_a_file_for_a_service_without_a_table_is_told_so(place: Place, folder: Path) -> None:
    file = put(folder, "cache.json", [])
    with pytest.raises(ValidationError, match=f"{file} is for cache, which is a Cache and has no table"):
        async with application(place, folder):
            pass


async def test_an_application_whose_fixtures_are_wrong_does_not_start(place: Place, folder: Path) -> None:
    put(folder, "tasks.json", [{"id": "a", "crom": ""}])
    with pytest.raises(UndefinedColumnError, match=r"tasks\.json, line 1: .* did you mean 'cron'\?"):
        async with application(place, folder):
            pass


async def test_the_database_to_fill_is_named_by_its_service(place: Place, folder: Path) -> None:
    put(folder, "tasks.json", GUIDE)
    async with application(place, folder, database_service="db") as app:
        tasks: Any = app.services["tasks"]
        assert await tasks.count() == 2
    with pytest.raises(UsageError, match="dbx"):
        async with application(place, folder, database_service="dbx"):
            pass


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


async def test_a_person_who_watches_is_told_how_far_it_is(
    here: Filled, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder, "projects.json", PROJECTS)
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    await here.fixtures(name="fixtures").load()
    assert "fixtures  2 rows" in screen.getvalue()
    assert screen.getvalue().endswith("\r\x1b[K")
