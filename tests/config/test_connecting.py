"""Built addresses lead to a real PostgreSQL: hard passwords, several hosts, sockets, TLS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from rowstead import DB, RowsteadError
from rowstead.config import DatabaseConfigSchema, config
from servers import Server
from with_postgres import free_port

from .conftest import Write

DRIVERS = ["asyncpg", "psycopg"]
PASSWORDS = ["p@ss/w:rd", "100%41 ?#&=+", "pä ss 💾'\"\\", "x sslmode=disable", " ", "0123", "${HOME}", "$$"]


class Place(NamedTuple):
    """A role of its own, and where it may connect."""

    role: str
    host: str
    port: int
    name: str
    socket: str
    server: Server

    def set_password(self, password: str) -> None:
        words = sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(self.role), sql.Literal(password))
        with self.server.connect() as admin:
            admin.execute(words)


@pytest.fixture(scope="module")
def place(postgres_server: Server) -> Iterator[Place]:
    with postgres_server.database() as database, postgres_server.role() as (role, _):
        with postgres_server.connect() as admin:
            (folder,) = admin.execute("SHOW unix_socket_directories").fetchone() or ("",)
            host, port = admin.info.host, admin.info.port
        assert Path(folder).is_dir()
        yield Place(role, host, port, database.name, folder, postgres_server)


async def user_by_sqlalchemy(database: DatabaseConfigSchema) -> str:
    engine = create_async_engine(database.build_dsn())
    try:
        async with engine.connect() as connection:
            return str(await connection.scalar(text("SELECT current_user")))
    finally:
        await engine.dispose()


async def user_by_our_driver(database: DatabaseConfigSchema) -> str:
    async with await DB.from_url(database.core_url()) as db:
        return str(await db.fetchval("SELECT current_user"))


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("password", PASSWORDS)
async def test_any_password_of_a_file_or_a_variable_connects(
    place: Place, write: Write, monkeypatch: pytest.MonkeyPatch, driver: str, password: str
) -> None:
    place.set_password(password)
    path = write(
        f"""\
database:
  dsn: postgresql+{driver}://nobody:wrong@{place.host}:{place.port}/{place.name}
  user: {place.role}
  password: ${{DB_PASSWORD}}
"""
    )
    monkeypatch.setenv("DB_PASSWORD", password)
    database = config(path).schema.database
    assert await user_by_sqlalchemy(database) == place.role
    assert await user_by_our_driver(database) == place.role
    # The control: another password is refused.
    wrong = database.model_copy(update={"password": password + "x"})
    with pytest.raises((DBAPIError, psycopg.Error, OSError)):
        await user_by_sqlalchemy(wrong)
    with pytest.raises(RowsteadError):
        await user_by_our_driver(wrong)


@pytest.mark.parametrize("driver", DRIVERS)
async def test_of_several_hosts_one_that_answers_is_taken(place: Place, driver: str) -> None:
    place.set_password("p@ss,w:rd")
    database = DatabaseConfigSchema(
        driver=driver,
        user=place.role,
        password="p@ss,w:rd",
        host=f"127.0.0.1:{free_port()},{place.host}:{place.port}",
        db=place.name,
    )
    assert await user_by_sqlalchemy(database) == place.role
    assert await user_by_our_driver(database) == place.role


@pytest.mark.parametrize("driver", DRIVERS)
async def test_a_socket_connects(place: Place, driver: str) -> None:
    place.set_password("p@ss/w:rd")
    database = DatabaseConfigSchema(
        driver=driver,
        user=place.role,
        password="p@ss/w:rd",
        host=place.socket,
        port=place.port,
        db=place.name,
    )
    assert await user_by_sqlalchemy(database) == place.role
    assert await user_by_our_driver(database) == place.role


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize(
    ("params", "connects"),
    [
        ({"ssl": "disable"}, True),
        ({"sslmode": "prefer"}, True),
        ({"ssl": "require"}, False),
        ({"sslmode": "require"}, False),
        ({"sslmode": "require", "application_name": "x y&z"}, False),
        ({"sslmode": "disable", "application_name": "x y&z"}, True),
    ],
)
async def test_repository_p04_tls_that_is_asked_for_is_never_left_out(
    place: Place, driver: str, params: dict[str, str], connects: bool
) -> None:
    """The server has no TLS: whoever connects all the same did not ask for it."""
    place.set_password("x")
    database = DatabaseConfigSchema(
        driver=driver,
        user=place.role,
        password="x",
        host=place.host,
        port=place.port,
        db=place.name,
        params=params,
    )
    for connect in (user_by_sqlalchemy, user_by_our_driver):
        if connects:
            assert await connect(database) == place.role
        else:
            with pytest.raises((DBAPIError, RowsteadError, OSError)):
                await connect(database)


@pytest.mark.parametrize("driver", DRIVERS)
async def test_an_application_name_reaches_the_server(place: Place, driver: str) -> None:
    place.set_password("x")
    database = DatabaseConfigSchema(
        dsn=f"postgresql+{driver}://{place.role}:x@{place.host}:{place.port}/{place.name}",
        params={"application_name": "a b&c=d/é"},
    )
    question = "SELECT application_name FROM pg_stat_activity WHERE pid = pg_backend_pid()"
    engine = create_async_engine(database.url)
    async with engine.connect() as connection:
        seen = await connection.scalar(text(question))
    await engine.dispose()
    async with await DB.from_url(database.core_url()) as db:
        assert await db.fetchval(question) == seen
    # PostgreSQL shows what is not ASCII as it likes.
    assert str(seen).startswith("a b&c=d/")
