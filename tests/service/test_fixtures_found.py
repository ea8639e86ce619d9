"""Fixtures: what was lost once between a file and its table, or behind it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from rowstead import DB
from rowstead.errors import StatementError
from rowstead.service import (
    DatabaseService,
    DuplicateError,
    FixtureService,
    SQLService,
    ValidationError,
    session,
)
from service.conftest import Sent
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


counted = sa.Table(
    "Counted",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("Number", sa.BigInteger, sa.Identity()),
    sa.Column("back", sa.Integer, sa.Identity(start=-1, increment=-1, minvalue=-10_000, maxvalue=-1)),
    sa.Column("tens", sa.Integer, sa.Identity(start=10, increment=10, maxvalue=5000)),
    sa.Column("name", sa.String(20)),
)


@pytest.mark.parametrize("last", [3, 2_000_000])
async def test_a_counter_goes_on_behind_the_numbers_of_a_file(db: DB, tmp_path: Path, last: int) -> None:
    service = Tasks(db, name="tasks")
    put(tmp_path, "tasks.json", [{"id": id, "name": f"t{id}"} for id in (last, 1)])
    await FixtureService(services=[service], root_dir=tmp_path).load()
    assert (await service.create({"name": "new"}, columns="id")) == {"id": last + 1}
    put(tmp_path, "tasks.json", [{"id": 2, "name": "t2"}])
    await FixtureService(services=[service], root_dir=tmp_path, empty_tables_only=False).load()
    assert (await service.create({"name": "newer"}, columns="id")) == {"id": last + 2}


@pytest.mark.parametrize("place", ["asyncpg", "psycopg"], indirect=True)
async def test_every_counter_that_a_file_goes_round_is_moved(db: DB, tmp_path: Path) -> None:
    class Counted(SQLService[int, dict[str, Any]]):
        table = counted

    async with DatabaseService(db=db) as database:
        service = Counted(database, name="counted")
        await database.create_tables()
        put(
            tmp_path,
            "counted.json",
            [
                {"id": 5, "Number": 70_000, "back": -7, "tens": 4500, "name": "a"},
                {"id": 7, "Number": 2, "back": -2, "tens": 9},
            ],
        )
        await FixtureService(services=[service], root_dir=tmp_path).load()
        row = await service.create({"name": "b"})
        assert row == {"id": 8, "Number": 70_001, "back": -8, "tens": 4510, "name": "b"}


async def test_rows_are_put_over_those_that_are_there_in_few_statements(
    db: DB, sent: Sent, tmp_path: Path
) -> None:
    service = Tasks(db)
    await service.m_create(
        [{"id": n, "name": f"old{n}", "value": n, "active": False} for n in range(1, 151)], columns=[]
    )
    rows: list[dict[str, Any]] = [{"id": n, "name": f"new{n}", "expires": 1.5} for n in range(101, 301)]
    put(tmp_path, "tasks.json", [*rows, {"id": 300, "name": "last"}, {"id": 400, "name": "n400"}])
    sent.clear()
    fixtures = FixtureService(services=[Tasks(db, name="tasks")], root_dir=tmp_path, upsert=True)
    assert await fixtures.load() == {"tasks": 202}
    written = [text for text in sent if "INSERT INTO" in text]
    assert len(written) < 20 or db.session.dialect.upsert_guard is not None
    found = {row["id"]: row for row in await service.m_get(conditions="*")}
    assert len(found) == 301
    # What the file does not name stays, and a new row has the table's defaults.
    for id, expected in {
        100: ("old100", 100, False, None),
        101: ("new101", 101, False, 1.5),
        150: ("new150", 150, False, 1.5),
        151: ("new151", None, True, 1.5),
        300: ("last", None, True, 1.5),
        400: ("n400", None, True, None),
    }.items():
        row = found[id]
        assert (row["name"], row["value"], row["active"], row["expires"]) == expected


async def test_a_row_that_cannot_be_put_is_told_with_its_line(db: DB, tmp_path: Path) -> None:
    await Tasks(db).create({"id": 1, "name": "taken"})
    put(tmp_path, "tasks.json", [{"id": n, "name": "taken" if n == 7 else f"t{n}"} for n in range(2, 20)])
    fixtures = FixtureService(services=[Tasks(db, name="tasks")], root_dir=tmp_path, upsert=True)
    with pytest.raises(DuplicateError, match=r"tasks\.json"):
        await fixtures.load()
    assert await Tasks(db).count() == 1


async def test_what_may_not_be_updated_is_not_put(db: DB, tmp_path: Path) -> None:
    class Fixed(Tasks):
        update_columns = ("name",)

    put(tmp_path, "tasks.json", [{"id": 1, "name": "a", "value": 1}])
    with pytest.raises(ValidationError, match="may not set 'value'"):
        await FixtureService(services=[Fixed(db, name="tasks")], root_dir=tmp_path, upsert=True).load()
    assert await Tasks(db).count() == 0


@pytest.mark.parametrize("place", ["asyncpg", "psycopg"], indirect=True)
async def test_a_number_that_only_the_database_gives_is_told_with_its_line(db: DB, tmp_path: Path) -> None:
    class Numbered(SQLService[int, dict[str, Any]]):
        table = sa.Table(
            "numbered",
            sa.MetaData(),
            sa.Column("id", sa.Integer, sa.Identity(always=True), primary_key=True),
            sa.Column("name", sa.String(20)),
        )

    async with DatabaseService(db=db) as database:
        service = Numbered(database, name="numbered")
        await database.create_tables()
        put(tmp_path, "numbered.json", [{"name": "a"}, {"id": 7, "name": "b"}])
        with pytest.raises(StatementError, match=r"numbered\.json, line 1: "):
            await FixtureService(services=[service], root_dir=tmp_path).load()
        assert await service.count() == 0
