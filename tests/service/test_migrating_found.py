"""A baseline after a first start that failed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rowstead import DB
from rowstead.errors import MigrationError
from rowstead.service import DatabaseMigrationService
from service.conftest import Place

STATES = [
    {"id": 0, "commands": ["CREATE TABLE seen (id INTEGER)"]},
    {"id": 1, "commands": ["INSERT INTO seen VALUES (1)"]},
]


async def test_a_baseline_is_set_where_a_first_start_without_it_came_to_nothing(
    place: Place, tmp_path: Path
) -> None:
    file = tmp_path / "migrations.json"
    file.write_text(json.dumps(STATES))
    async with await DB.from_url(place.url) as db:
        await db.execute("CREATE TABLE seen (id INTEGER)")
        with pytest.raises(MigrationError, match="by a baseline"):
            await DatabaseMigrationService(database_service=db, migrations_file=file).migrate()
        migrations = DatabaseMigrationService(database_service=db, migrations_file=file, baseline=True)
        assert await migrations.migrate() == 1
        assert (await migrations.status()).pending == []
        assert await db.fetch("SELECT * FROM seen") == []


async def test_a_state_that_was_done_in_part_is_not_passed_over_by_a_baseline(
    place: Place, tmp_path: Path
) -> None:
    file = tmp_path / "migrations.json"
    broken = {
        "id": 0,
        "transaction": False,
        "commands": [STATES[0]["commands"][0], "INSERT INTO nowhere VALUES (1)"],
    }
    file.write_text(json.dumps([broken]))
    async with await DB.from_url(place.url) as db:
        for baseline in (False, True):
            migrations = DatabaseMigrationService(
                database_service=db, migrations_file=file, baseline=baseline
            )
            if baseline:
                assert await db.fetch("SELECT * FROM seen") == []
            with pytest.raises(MigrationError):
                await migrations.migrate()
