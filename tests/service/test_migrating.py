"""`DatabaseMigrationService` on every database: its verbs, and what keeps it from working."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest

from rowstead import DB
from rowstead.errors import MigrationError, UndefinedColumnError, UsageError, ValidationError
from rowstead.migrations import MigrationStatus
from rowstead.service.migrating import DatabaseMigrationService
from service.conftest import Place

FIRST = {"id": 0, "comments": "the table", "commands": ["CREATE TABLE seen (id INTEGER, word VARCHAR(9))"]}
SECOND = {"id": 1, "commands": ["INSERT INTO seen VALUES (1, 'a:b')", "INSERT INTO seen VALUES (2, '10%')"]}
THIRD = {"id": 5, "commands": ["UPDATE seen SET id = id + 10"]}

GUIDE = """[
  {
      "id": 0,
      "comments": "my dev comments",
      "commands": [
          "ALTER TABLE my_table ADD COLUMN new_col DEFAULT NULL;",
          "ALTER TABLE my_table DROP COLUMN old_col;",
      ]
  }
]
"""


@pytest.fixture
async def empty(place: Place) -> AsyncIterator[DB]:
    """A handle on the empty database."""
    async with await DB.from_url(place.url) as db:
        yield db


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "migrations.json"
    write(path, FIRST, SECOND, THIRD)
    return path


def write(path: Path, *states: Any) -> None:
    put(path, json.dumps(states))


def put(path: Path, text: str) -> None:
    path.write_text(text)


def service(db: Any, file: Path, **settings: Any) -> DatabaseMigrationService:
    return DatabaseMigrationService(database_service=db, migrations_file=file, **settings)


async def ids(db: DB) -> list[int]:
    return [row["id"] for row in await db.fetch("SELECT id FROM seen ORDER BY id")]


async def test_a_database_is_brought_to_the_last_state_once(empty: DB, file: Path) -> None:
    migrations = service(empty, file)
    assert await migrations.get_state() == -1
    assert await migrations.migrate() == 5
    assert await migrations.get_state() == 5
    assert await migrations.migrate() == 5
    assert await ids(empty) == [11, 12]
    status = await migrations.status()
    assert status == MigrationStatus([], ["state 0", "state 1", "state 5"], [], [])


async def test_from_and_to_bound_what_is_applied(empty: DB, file: Path) -> None:
    migrations = service(empty, file)
    assert await migrations.migrate(to_=0) == 0
    assert await migrations.migrate(from_=1) == 5
    assert await ids(empty) == []
    assert await migrations.migrate(to_=1) == 5
    assert await migrations.migrate(5, 5) == 5


@pytest.mark.parametrize("wrong", [True, "1", 1.0, -2])
@pytest.mark.parametrize("name", ["from_", "to_"])
async def test_a_state_that_is_none_is_refused(empty: DB, file: Path, name: str, wrong: Any) -> None:
    with pytest.raises(ValidationError, match=rf"{name} is the id of a state, .* got {wrong!r}"):
        await service(empty, file).migrate(**{name: wrong})
    assert await service(empty, file).get_state() == -1


async def test_the_file_is_looked_for_from_the_working_folder(empty: DB, tmp_path: Path) -> None:
    etc = tmp_path / "etc"
    etc.mkdir()
    write(etc / "migrations.json", FIRST)
    with chdir(tmp_path):
        assert await DatabaseMigrationService(database_service=empty).migrate() == 0
    with chdir(etc), pytest.raises(ValidationError, match=r"not found: \./etc/migrations\.json \(looked for"):
        await DatabaseMigrationService(database_service=empty).migrate()


async def test_another_place_of_the_file_may_be_given(empty: DB, file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    write(other, FIRST)
    assert await service(empty, file).migrate(migrations_file=other) == 0
    assert await service(empty, file).migrate() == 5


async def test_an_empty_file_leads_to_no_state(empty: DB, file: Path) -> None:
    write(file)
    assert await service(empty, file).migrate() == -1


@pytest.mark.parametrize("wanted", [True, False])
async def test_it_migrates_at_the_start_where_that_is_wanted(empty: DB, file: Path, wanted: bool) -> None:
    migrations = service(empty, file, migrate_on_start=wanted)
    migrations.prepare()
    await migrations.init()
    assert await migrations.get_state() == (5 if wanted else -1)


async def test_a_failure_says_where_and_leaves_what_was_applied_before(empty: DB, file: Path) -> None:
    write(file, FIRST, SECOND, {"id": 2, "commands": ["UPDATE seen SET id = 7", "UPDATE seen SET gone = 1"]})
    migrations = service(empty, file)
    with pytest.raises(
        MigrationError, match=r"state 2 failed at command 2, line 1 \(UPDATE seen SET gone"
    ) as told:
        await migrations.migrate()
    assert told.value.applied == ("state 0", "state 1")
    assert isinstance(told.value.__cause__, UndefinedColumnError)
    assert await migrations.get_state() == 1
    assert await ids(empty) == [1, 2]


async def test_service_k11_ten_services_at_once_apply_each_state_once(place: Place, file: Path) -> None:
    async def run() -> int:
        async with await DB.from_url(place.url) as own:
            return await service(own, file, locks_service="never asked").migrate()

    assert await asyncio.gather(*(run() for _ in range(10))) == [5] * 10
    async with await DB.from_url(place.url) as db:
        assert await ids(db) == [11, 12]


async def test_service_k11_what_was_edited_or_removed_is_noticed(empty: DB, file: Path) -> None:
    migrations = service(empty, file)
    await migrations.migrate()
    edited = {**SECOND, "commands": ["INSERT INTO seen VALUES (3, 'c')"]}
    write(file, FIRST, edited, THIRD)
    with pytest.raises(MigrationError, match=r"changed since they were applied: 1"):
        await migrations.migrate()
    write(file, FIRST, THIRD)
    with pytest.raises(MigrationError, match=r"no longer in the file: 1"):
        await migrations.migrate()
    assert await ids(empty) == [11, 12]
    write(file, {**FIRST, "comments": "said better"}, SECOND, THIRD)
    assert await migrations.migrate() == 5


async def test_service_k11_a_database_made_as_it_is_today_is_not_replayed(empty: DB, file: Path) -> None:
    await empty.execute("CREATE TABLE seen (id INTEGER, word VARCHAR(9), more INTEGER)")
    more = {"id": 0, "commands": ["ALTER TABLE seen ADD COLUMN more INTEGER"]}
    write(file, more)
    # The control: without the option it is, and the error says so.
    with pytest.raises(MigrationError, match="No state was recorded in this database before"):
        await service(empty, file).migrate()
    assert await service(empty, file).baseline() == 0
    await empty.execute("INSERT INTO seen (id) VALUES (1)")
    write(file, more, THIRD)
    assert await service(empty, file, baseline=True).migrate() == 5
    assert await ids(empty) == [11]


async def test_service_k11_a_new_database_is_at_the_last_state_by_the_option(empty: DB, file: Path) -> None:
    await empty.execute("CREATE TABLE seen (id INTEGER, word VARCHAR(9))")
    migrations = service(empty, file, baseline=True, migrate_on_start=True)
    await migrations.init()
    assert await migrations.get_state() == 5
    assert await ids(empty) == []


async def test_service_d04_the_guides_file_is_applied_where_the_database_takes_its_column(
    empty: DB, place: Place, file: Path
) -> None:
    await empty.execute("CREATE TABLE my_table (id INTEGER, old_col INTEGER)")
    put(file, GUIDE)
    migrations = service(empty, file)
    if place.is_sqlite:
        # A column without a type is one there.
        assert await migrations.migrate() == 0
        assert await empty.fetchval("SELECT count(*) FROM pragma_table_info('my_table')") == 2
        return
    with pytest.raises(
        MigrationError, match=r"state 0 failed at command 1, line 6 \(ALTER TABLE my_table ADD"
    ):
        await migrations.migrate()
    assert await migrations.get_state() == -1
    put(file, GUIDE.replace("new_col", "new_col INTEGER"))
    assert await migrations.migrate() == 0


async def test_what_it_does_is_told_to_its_log(
    empty: DB, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "rowstead.services.up"):
        await service(empty, file, name="up").migrate(to_=0)
    told = [record.getMessage() for record in caplog.records if record.name == "rowstead.services.up"]
    assert told == ["state 0 started (1 of 1)", "state 0 applied (1 of 1)"]


async def test_a_database_in_a_transaction_is_refused(empty: DB, file: Path) -> None:
    async with empty.transaction() as inside:
        with pytest.raises(UsageError, match=r"needs a DatabaseService, .* in no transaction"):
            await service(inside, file).migrate()
    with pytest.raises(UsageError, match="was given a int"):
        await service(5, file).migrate()


@pytest.mark.parametrize("wrong", [5, "", None, b"a.json"])
def test_a_file_that_is_no_path_is_refused(wrong: Any) -> None:
    with pytest.raises(ValidationError, match=rf"path of a JSON file of states, got {wrong!r}"):
        DatabaseMigrationService(migrations_file=wrong)


async def test_without_a_database_it_says_what_to_do(file: Path) -> None:
    with pytest.raises(UsageError, match="DatabaseMigrationService has no database yet"):
        await DatabaseMigrationService(migrations_file=file).get_state()
