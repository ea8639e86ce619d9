"""The databases that the repository's tests run on, reached by a `PersistEngine`.

`place` is a SQLite file, an empty PostgreSQL by either driver, or an empty MariaDB; `engine` is a
`PersistEngine` on it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from rowstead.repository import Base, PersistEngine
from servers import with_driver


@dataclass(frozen=True, slots=True)
class Place:
    """A database, empty at first."""

    name: str
    url: str
    """SQLAlchemy's."""
    core_url: str
    """The same for Rowstead's own handles."""

    @property
    def is_sqlite(self) -> bool:
        return self.name == "sqlite"

    @property
    def is_maria(self) -> bool:
        return self.name == "mariadb"


def place_named(name: str, request: pytest.FixtureRequest, folder: Path) -> Place:
    if name == "sqlite":
        file = folder / "test.sqlite"
        return Place(name, f"sqlite+aiosqlite:///{file}", f"sqlite:///{file}")
    # Asked for only here, so that a test on SQLite needs no server.
    if name == "mariadb":
        url = request.getfixturevalue("mariadb_url")
        return Place(name, with_driver(url, "asyncmy"), url)
    url = with_driver(request.getfixturevalue("postgres_url"), name)
    return Place(name, url, url)


@pytest.fixture(params=["sqlite", "asyncpg", "psycopg", "mariadb"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Each database in turn."""
    return place_named(request.param, request, tmp_path)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a SQLite file may be made."""
    return tmp_path / "file.sqlite"


@pytest.fixture
async def engine(place: Place) -> AsyncIterator[PersistEngine]:
    """A `PersistEngine` of the place; its connections are closed afterwards."""
    async with PersistEngine(place.url) as engine:
        yield engine


async def create(engine: PersistEngine, *models: type[Base]) -> async_sessionmaker[AsyncSession]:
    """Make the tables of these models, and give what makes sessions."""
    below, sessions = engine.session()
    tables = [model.metadata.tables[model.__tablename__] for model in models]
    metadata: MetaData = models[0].metadata
    async with below.begin() as connection:
        await connection.run_sync(metadata.create_all, tables=tables)
    return sessions
