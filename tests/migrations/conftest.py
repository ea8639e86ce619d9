"""A folder of migrations and a handle that applies them, on every backend."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from conftest import Backend, backend_of
from rowstead.database import Database
from rowstead.drivers.urls import Options
from rowstead.migrations import (
    MigrationStatus,
    migrate_in_transaction_plan,
    migrate_plan,
    preview_plan,
    status_plan,
)

TABLES: Mapping[str, str] = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table'",
    "postgresql": "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'",
    "mariadb": "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = database()",
}


class Folder:
    """A folder of `.sql` files, filled by `folder["0001_a.sql"] = "CREATE …"`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()

    def __setitem__(self, name: str, text: str | bytes) -> None:
        (self.path / name).write_bytes(text if isinstance(text, bytes) else text.encode())

    def __delitem__(self, name: str) -> None:
        (self.path / name).unlink()


class Migrator:
    """A database handle with the verbs of migrations."""

    def __init__(self, database: Database, url: str) -> None:
        self.database = database
        self.url = url
        self.fetch = database.fetch
        self.fetchval = database.fetchval
        self.execute = database.execute

    @property
    def undoes_ddl(self) -> bool:
        """Whether a transaction can hold what changes the schema."""
        return self.database.dialect.commits_by_itself is None

    async def migrate(self, folder: Folder, **options: Any) -> list[str]:
        driver = self.database.driver
        return await self.database.plan(
            migrate_plan(folder.path, driver.dialect, driver.paramstyle, **options)
        )

    async def migrate_inside(self, transaction: Any, folder: Folder, **options: Any) -> list[str]:
        driver = self.database.driver
        plan = migrate_in_transaction_plan(folder.path, driver.dialect, driver.paramstyle, **options)
        return await transaction.plan(plan)

    async def status(self, folder: Folder, **options: Any) -> MigrationStatus:
        driver = self.database.driver
        return await self.database.plan(
            status_plan(folder.path, driver.dialect, driver.paramstyle, **options)
        )

    async def preview(self, folder: Folder) -> list[str]:
        driver = self.database.driver
        return await self.database.plan(preview_plan(folder.path, driver.dialect, driver.paramstyle))

    async def tables(self) -> list[str]:
        """The user's tables, ours with them."""
        return sorted(row["name"] for row in await self.fetch(TABLES[self.database.dialect.name]))


@pytest.fixture(params=["sqlite", "asyncpg", "psycopg", "mariadb"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    """Each backend of the asynchronous world, MariaDB with them."""
    return backend_of(request, tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "migrations")


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Migrator]:
    """A handle of its own on the database at `url`."""
    database = await Database.from_url(url, Options())
    try:
        yield Migrator(database, url)
    finally:
        await database.close()


@pytest.fixture
async def db(backend: Backend) -> AsyncIterator[Migrator]:
    async with opened(backend.url) as migrator:
        yield migrator
