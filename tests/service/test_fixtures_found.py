"""Fixtures: what was lost once between a file and its table, or behind it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from rowstead import DB
from rowstead.service import FixtureService, session
from service.services import Tasks


def put(folder: Path, name: str, rows: Any) -> None:
    (folder / name).write_text(json.dumps(rows), encoding="utf-8")


class Guides(Tasks):
    """The guide's hooks: rows are the session's user's."""

    service_name = "tasks"

    def prepare_insert_data(self, data: dict[str, Any]) -> dict[str, Any]:
        current = self.get_session()
        if current is not None:
            data["user_id"] = current.user_id
        return data

    def update_condition_hook(self, sql: sa.Update) -> sa.Update:
        current = self.get_session()
        return sql if current is None else sql.where(self.table.c.user_id == current.user_id)


async def test_hooks_that_ask_for_the_user_leave_a_files_rows_as_they_are(db: DB, tmp_path: Path) -> None:
    service = Guides(db)
    put(tmp_path, "tasks.json", [{"id": 1, "name": "a", "user_id": 7, "value": 1}])
    with session(user_id=99):
        await FixtureService(services=[service], root_dir=tmp_path).load()
    assert (await service.get(1, ["user_id", "value"])) == {"user_id": 7, "value": 1}
    put(tmp_path, "tasks.json", [{"id": 1, "name": "a", "user_id": 8, "value": 2}])
    await FixtureService(services=[service], root_dir=tmp_path, upsert=True).load()
    assert (await service.get(1, ["user_id", "value"])) == {"user_id": 8, "value": 2}
