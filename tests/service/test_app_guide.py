"""The guide's application, whole: a database, a table, migrations and fixtures from one file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from rowstead.errors import UsageError
from rowstead.service import App, PublicInterface, SQLService
from rowstead.service.database import DatabaseService
from rowstead.service.registry import ServiceRegistry
from service.app_files import folder
from service.conftest import Place

__all__ = ["folder"]  # a fixture that works by being here

tasks = sa.Table(
    "h3_tasks",
    sa.MetaData(),
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("commands", sa.JSON),
    sa.Column("cron", sa.String(40)),
)

REGISTRY = ServiceRegistry()


@REGISTRY.register
class TaskService(SQLService[str, dict[str, Any]], PublicInterface):
    service_name = "tasks"
    table = tasks


FILE = """
settings:
  services:
    - cls: TaskService                # before its database: all are prepared before any is started
    - cls: DatabaseService
      settings: {url: "${H3_URL}", init_db: false}
    - cls: DatabaseMigrationService
      settings: {migrations_file: ./migrations.json, migrate_on_start: true}
    - cls: FixtureService
      settings: {root_dir: ./fixtures}
"""
MIGRATIONS = [
    {"id": 0, "comments": "a table of its own", "commands": ["CREATE TABLE h3_more (id INTEGER PRIMARY KEY)"]}
]
FIXTURES = [
    {"id": "cache.clear", "commands": [{"method": "cache.clear"}], "cron": "* * * * *"},
    {"id": "orders.sync", "commands": [{"method": "orders.sync"}], "cron": "* * * * *"},
]


@pytest.fixture
def file(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("H3_URL", place.url)
    (tmp_path / "fixtures").mkdir()
    (tmp_path / "fixtures" / "tasks.json").write_text(json.dumps(FIXTURES))
    (tmp_path / "migrations.json").write_text(json.dumps(MIGRATIONS))
    path = tmp_path / "app.yaml"
    path.write_text(FILE)
    return path


async def test_the_guides_application_starts_is_used_and_starts_again(file: Path) -> None:
    app = App.from_yaml(file, registry=REGISTRY)
    assert await app.check() == []
    for _ in range(2):
        async with app:
            assert list(app.services) == ["tasks", "db", "DatabaseMigrationService", "FixtureService"]
            found = app.discover("tasks", TaskService)
            assert await found.m_get(["orders.sync", "cache.clear", "none"], columns="*") in (
                FIXTURES,
                FIXTURES[::-1],
            )
            database = app.discover(None, DatabaseService)
            assert await database.fetchval("SELECT count(*) FROM h3_more") == 0
    assert "stopped" in repr(app)


async def test_a_service_without_its_database_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "app.yaml").write_text("services: {cls: TaskService}\n")
    app = App.from_yaml(tmp_path / "app.yaml", registry=REGISTRY)
    (finding,) = await app.check()
    assert "tasks needs a DatabaseService" in finding.problem
    with pytest.raises(UsageError, match="needs a DatabaseService"):
        await app.start()
