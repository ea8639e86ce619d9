"""Versioned migrations on one database: their verbs, and what both ledgers hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rowstead.migrations import (
    MigrationStatus,
    down_plan,
    preview_down_plan,
    preview_up_plan,
    redo_plan,
    up_plan,
    versions_status_plan,
)

from .conftest import Folder, Migrator

GOOSE = "SELECT version_id, is_applied FROM goose_db_version ORDER BY id"
OURS = "SELECT filename, checksum, progress FROM _rowstead_migrations ORDER BY 1"

NO_TRANSACTION = (
    "-- +goose NO TRANSACTION\n"
    "-- +goose Up\nCREATE TABLE t1 (id INTEGER);\nINSERT INTO t1 VALUES (1);\n{up}\n"
    "-- +goose Down\nDELETE FROM t1;\n{down}\nDROP TABLE t1;\n"
)
"""One file, with room for a statement in each direction."""


class Versions:
    """The verbs of versioned migrations on one database."""

    def __init__(self, db: Migrator, folder: Folder) -> None:
        self.db = db
        self.folder = folder

    async def _run(self, make: Callable[..., Any], **options: Any) -> Any:
        driver = self.db.database.driver
        return await self.db.database.plan(
            make(self.folder.path, driver.dialect, driver.paramstyle, **options)
        )

    async def up(self, **options: Any) -> list[str]:
        return await self._run(up_plan, **options)

    async def down(self, **options: Any) -> list[str]:
        return await self._run(down_plan, **options)

    async def redo(self, **options: Any) -> list[str]:
        return await self._run(redo_plan, **options)

    async def status(self) -> MigrationStatus:
        return await self._run(versions_status_plan)

    async def preview_up(self, **options: Any) -> list[str]:
        return await self._run(preview_up_plan, **options)

    async def preview_down(self, **options: Any) -> list[str]:
        return await self._run(preview_down_plan, **options)

    async def goose(self) -> list[int]:
        """The versions in goose's table in the order of its ids, all of them applied."""
        rows = await self.db.fetch(GOOSE)
        assert {row["is_applied"] for row in rows} <= {1}
        return [row["version_id"] for row in rows]

    async def ours(self) -> dict[str, int | None]:
        return {row["filename"]: row["progress"] for row in await self.db.fetch(OURS)}


def table(folder: Folder, number: int, *, name: str | None = None, head: str = "") -> str:
    """A file that makes the table of its number; its name."""
    name = name or f"{number:05d}_t{number}.sql"
    folder[name] = (
        f"{head}-- +goose Up\nCREATE TABLE t{number} (id INTEGER);\nINSERT INTO t{number} VALUES (1);\n"
        f"-- +goose Down\nDROP TABLE t{number};\n"
    )
    return name


def tables(folder: Folder, *numbers: int) -> list[str]:
    return [table(folder, number) for number in numbers]


async def note_as_goose(versions: Versions, version: int, is_applied: bool) -> None:
    sql = "INSERT INTO goose_db_version (version_id, is_applied) VALUES ($1, $2)"
    await versions.db.execute(sql, version, is_applied)


async def made(versions: Versions) -> list[str]:
    return [name for name in await versions.db.tables() if name.startswith("t")]
