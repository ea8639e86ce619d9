"""Migrations by states on one database: a file, their verbs, and what both ledgers hold."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from rowstead.migrations import (
    MigrationStatus,
    baseline_states_plan,
    migrate_states_plan,
    preview_states_plan,
    state_plan,
    states_status_plan,
)

from .conftest import Migrator

OURS = "SELECT filename, checksum, progress FROM _rowstead_migrations WHERE source = 'states'"
_INFO = sa.table("db_info", sa.column("key"), sa.column("value"))


def state(id: int, *commands: str, **more: Any) -> dict[str, Any]:
    return {"id": id, "commands": [*commands], **more}


def making(*ids: int) -> list[dict[str, Any]]:
    """States that each make the table of their id, with a row in it."""
    return [state(id, f"CREATE TABLE t{id} (id INTEGER)", f"INSERT INTO t{id} VALUES (1)") for id in ids]


class States:
    """The verbs of states on one database; `write` gives the file its content."""

    def __init__(self, db: Migrator, folder: Path) -> None:
        self.db = db
        self.file = folder / "migrations.json"

    def write(self, states: Any) -> None:
        self.file.write_text(states if isinstance(states, str) else json.dumps(states, indent=1))

    async def _run(self, make: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        driver = self.db.database.driver
        return await self.db.database.plan(make(*arguments, driver.dialect, driver.paramstyle, **options))

    async def migrate(self, **options: Any) -> int:
        return await self._run(migrate_states_plan, self.file, **options)

    async def baseline(self, **options: Any) -> int:
        return await self._run(baseline_states_plan, self.file, **options)

    async def status(self) -> MigrationStatus:
        return await self._run(states_status_plan, self.file)

    async def preview(self, **options: Any) -> list[str]:
        return await self._run(preview_states_plan, self.file, **options)

    async def state(self) -> int:
        return await self._run(state_plan)

    async def info(self) -> list[tuple[str, int]]:
        """All rows of `db_info`, the value as a number."""
        return [(row["key"], int(row["value"])) for row in await self.db.fetch(self._sql(sa.select(_INFO)))]

    async def say_in_info(self, value: str | None) -> None:
        """What another tool would do: the row is changed, or (None) removed."""
        where = _INFO.c.key == "state"
        change = sa.delete(_INFO).where(where)
        if value is not None:
            change = sa.update(_INFO).where(where).values(value=sa.literal_column(f"'{value}'"))
        await self.db.execute(self._sql(change))

    async def ours(self) -> dict[str, tuple[bool, int | None]]:
        """By id: whether the checksum is known, and the progress."""
        rows = await self.db.fetch(OURS)
        return {row["filename"]: (row["checksum"] is not None, row["progress"]) for row in rows}

    async def made(self) -> list[str]:
        return [name for name in await self.db.tables() if name.startswith("t")]

    def _sql(self, expression: Any) -> str:
        dialect = self.db.database.dialect.sqlalchemy("named")
        return str(expression.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
