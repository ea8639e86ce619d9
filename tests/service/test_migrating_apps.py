"""Migrations in an application: found beside the database, run when it starts, from the guide's file."""

from __future__ import annotations

import json
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from rowstead.errors import MigrationError, UsageError
from rowstead.service import App, DatabaseMigrationService, DatabaseService, SQLService
from service.conftest import Place

things = sa.Table(
    "things",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("colour", sa.String(20)),
)


class Things(SQLService):
    """A table as it is today: its `colour` came with state 1."""

    table = things


STATES = [
    {"id": 0, "commands": ["CREATE TABLE early (id INTEGER)"]},
    {"id": 1, "commands": ["ALTER TABLE things ADD COLUMN colour VARCHAR(20)"]},
]
MADE_BEFORE = "CREATE TABLE things (id INTEGER PRIMARY KEY)"


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "migrations.json"
    path.write_text(json.dumps(STATES))
    return str(path)


def put(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


def application(place: Place, *services: Any) -> App:
    # In a test the database is there; its role makes none.
    db = {"cls": DatabaseService, "settings": {"url": place.url, "init_db": False}}
    return App.from_dict({"services": [db, {"cls": Things}, *services]})


def migrating(file: str, **settings: Any) -> dict[str, Any]:
    return {"cls": "DatabaseMigrationService", "settings": {"migrations_file": file, **settings}}


async def test_an_application_migrates_when_it_starts(place: Place, file: str) -> None:
    async with DatabaseService(url=place.url, init_db=False) as db:
        await db.execute(MADE_BEFORE)
    async with application(place, migrating(file, migrate_on_start=True)) as app:
        service = app.services["DatabaseMigrationService"]
        assert isinstance(service, DatabaseMigrationService)
        assert await service.get_state() == 1
        created = await app.services["Things"].create({"id": 1, "colour": "red"})
        assert created == {"id": 1, "colour": "red"}
    async with application(place, migrating(file)) as app:
        assert await app.services["DatabaseMigrationService"].get_state() == 1


async def test_service_k11_a_fresh_install_starts_by_the_option(place: Place, file: str) -> None:
    # The control: the table is made as it is today, and then the state that led there is run.
    with pytest.raises(MigrationError, match=r"(?s)state 1 failed .*No state was recorded"):
        async with application(place, migrating(file, migrate_on_start=True)):
            pass
    async with DatabaseService(url=place.url, init_db=False) as db:
        for table in ("things", "early", "db_info", "_rowstead_migrations"):
            await db.execute(f"DROP TABLE {table}")
    fresh = migrating(file, migrate_on_start=True, baseline=True)
    async with application(place, fresh) as app:
        assert await app.services["DatabaseMigrationService"].get_state() == 1
        await app.services["Things"].create({"id": 1, "colour": "red"})
    async with application(place, fresh) as app:
        assert await app.services["DatabaseMigrationService"].get_state() == 1


async def test_of_several_databases_the_one_of_the_name_is_migrated(tmp_path: Path, file: str) -> None:
    def database(name: str) -> dict[str, Any]:
        return {"cls": DatabaseService, "name": name, "settings": {"url": f"sqlite:///{tmp_path / name}.db"}}

    put(Path(file), json.dumps(STATES[:1]))
    app = App.from_dict(
        {"services": [database("one"), database("two"), migrating(file, database_service="two")]}
    )
    async with app:
        assert await app.services["DatabaseMigrationService"].migrate() == 0
        ask = "SELECT count(*) FROM sqlite_master WHERE name = 'early'"
        assert [await app.services[name].fetchval(ask) for name in ("one", "two")] == [0, 1]


async def test_started_before_its_database_it_says_so(tmp_path: Path, file: str) -> None:
    db = {"cls": DatabaseService, "settings": {"url": f"sqlite:///{tmp_path / 'a.db'}"}}
    with pytest.raises(UsageError, match="the database service 'db' is not started"):
        async with App.from_dict({"services": [migrating(file, migrate_on_start=True), db]}):
            pass


GUIDE = """
settings:
  services:
    - cls: DatabaseService
      settings:
        database: ./app.sqlite
    - cls: DatabaseMigrationService
      enabled: True
      settings:
        migrations_file: ./etc/migrations.json
        migrate_on_start: True
        locks_service: null
"""


async def test_the_guides_settings_are_taken_as_printed(tmp_path: Path) -> None:
    put(tmp_path / "etc" / "migrations.json", json.dumps(STATES[:1]))
    put(tmp_path / "settings.yml", GUIDE)
    with chdir(tmp_path):
        async with App.from_yaml("settings.yml") as app:
            assert await app.services["DatabaseMigrationService"].get_state() == 0
