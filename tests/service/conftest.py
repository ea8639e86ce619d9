"""The databases that the tests of services run on: `place` is empty, `db` is a handle on one with the tables.

`sent` counts what goes to the database: the texts of all statements since `sent.clear()`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from rowstead import DB
from rowstead.session import Trace
from servers import Server, with_driver
from service.database_site import Site
from service.tables import create


@dataclass(frozen=True, slots=True)
class Place:
    """A database, empty at first."""

    name: str
    url: str

    @property
    def is_sqlite(self) -> bool:
        return self.name == "sqlite"

    @property
    def is_postgres(self) -> bool:
        return self.name in ("asyncpg", "psycopg")

    @property
    def is_maria(self) -> bool:
        return self.name == "mariadb"


def place_named(name: str, request: pytest.FixtureRequest, folder: Path) -> Place:
    """The place of this name; a server is asked for only here, so that a test on SQLite needs none."""
    if name == "sqlite":
        return Place(name, f"sqlite:///{folder / 'test.sqlite'}")
    if name == "mariadb":
        return Place(name, with_driver(request.getfixturevalue("mariadb_url"), "asyncmy"))
    return Place(name, with_driver(request.getfixturevalue("postgres_url"), name))


@pytest.fixture(params=["sqlite", "asyncpg", "psycopg", "mariadb"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Each database in turn."""
    return place_named(request.param, request, tmp_path)


class Sent(list[str]):
    """The texts of the statements that were sent."""

    def hear(self, statement: Trace) -> None:
        self.append(statement.sql)


@pytest.fixture
def sent() -> Sent:
    return Sent()


@pytest.fixture
async def db(place: Place, sent: Sent) -> AsyncIterator[DB]:
    """An open handle on the place; the tables are there and empty."""
    async with await DB.from_url(place.url, trace=sent.hear) as db:
        await create(db)
        sent.clear()
        yield db


@pytest.fixture(params=["asyncpg", "psycopg"])
def site(request: pytest.FixtureRequest, postgres_server: Server) -> Iterator[Site]:
    """A server without the program's database and role."""
    site = Site(postgres_server, request.param)
    yield site
    site.clear()
