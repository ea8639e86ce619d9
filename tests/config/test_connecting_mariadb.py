"""Built addresses lead to a real MariaDB: hard users and passwords, by SQLAlchemy and by our own driver."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from rowstead import DB, RowsteadError
from rowstead.config import DatabaseConfigSchema
from rowstead.repository import PersistEngine
from rowstead.sync import DB as SyncDB
from servers import MariaDatabase

pytestmark = pytest.mark.mariadb

DRIVERS = ["asyncmy", "aiomysql"]
SCHEMES = ["mysql", "mariadb"]
PASSWORDS = ["p@ss/w:rd", "100%41 ?#&=+", "p ss ;,'\"\\", "0123"]
USER = "h@rd:us/er %41"


@pytest.fixture(scope="module")
def database() -> Iterator[MariaDatabase]:
    with MariaDatabase.made() as made:
        yield made


@pytest.fixture
def keys(database: MariaDatabase, request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    """Where a role with the password of the test's parameter may connect."""
    password: str = request.param
    parts = urlsplit(database.url)
    with database.admin() as admin, admin.cursor() as cursor:
        cursor.execute("CREATE USER %s@'%%' IDENTIFIED BY %s", (USER, password))
        cursor.execute(f"GRANT ALL ON `{database.name}`.* TO %s@'%%'", (USER,))
        try:
            yield {
                "user": USER,
                "password": password,
                "host": parts.hostname,
                "port": parts.port,
                "db": database.name,
            }
        finally:
            cursor.execute("DROP USER %s@'%%'", (USER,))


async def user_by_sqlalchemy(database: DatabaseConfigSchema) -> str:
    engine = create_async_engine(database.build_dsn())
    try:
        async with engine.connect() as connection:
            return str(await connection.scalar(text("SELECT user()"))).rpartition("@")[0]
    finally:
        await engine.dispose()


async def user_by_our_engine(database: DatabaseConfigSchema) -> str:
    made = PersistEngine(database)
    try:
        async with made.engine().connect() as connection:
            return str(await connection.scalar(text("SELECT user()"))).rpartition("@")[0]
    finally:
        await made.dispose_engines()


async def user_by_our_driver(database: DatabaseConfigSchema) -> str:
    async with await DB.from_url(database.core_url()) as db:
        return str(await db.fetchval("SELECT user()")).rpartition("@")[0]


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("keys", PASSWORDS, indirect=True)
async def test_any_password_connects(keys: dict[str, Any], driver: str) -> None:
    for dialect in SCHEMES:
        database = DatabaseConfigSchema(dialect=dialect, driver=driver, **keys)
        assert await user_by_sqlalchemy(database) == USER
        assert await user_by_our_driver(database) == USER
    # The control: another password is refused.
    wrong = DatabaseConfigSchema(driver=driver, **{**keys, "password": "x"})
    with pytest.raises(DBAPIError):
        await user_by_sqlalchemy(wrong)
    with pytest.raises(RowsteadError):
        await user_by_our_driver(wrong)


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("keys", ["pä ss 💾"], indirect=True)
async def test_our_driver_takes_passwords_that_the_libraries_would_write_as_latin_1(
    keys: dict[str, Any], driver: str
) -> None:
    assert await user_by_our_driver(DatabaseConfigSchema(driver=driver, **keys)) == USER


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("keys", ["x"], indirect=True)
async def test_tuning_of_the_driver_does_not_keep_ours_from_connecting(
    keys: dict[str, Any], driver: str
) -> None:
    database = DatabaseConfigSchema(driver=driver, params={"charset": "utf8mb4", "autocommit": "1"}, **keys)
    assert await user_by_our_driver(database) == USER


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("params", [{"ssl": "true"}, {"ssl_ca": "/etc/ssl/certs/ca-certificates.crt"}])
@pytest.mark.parametrize("keys", ["x"], indirect=True)
async def test_repository_p04_tls_that_is_asked_for_of_mariadb_is_never_left_out(
    keys: dict[str, Any], params: dict[str, str], driver: str
) -> None:
    """The server has no TLS: whoever connects all the same did not ask for it."""
    database = DatabaseConfigSchema(driver=driver, params=params, **keys)
    with pytest.raises((DBAPIError, RowsteadError, OSError)):
        await user_by_our_engine(database)
    with pytest.raises((RowsteadError, OSError)):
        await user_by_our_driver(database)
    with pytest.raises((RowsteadError, OSError)), SyncDB.from_url(_for_threads(database)) as db:
        db.fetchval("SELECT 1")
    # The control: without asking for it, each of them connects.
    plain = DatabaseConfigSchema(driver=driver, **keys)
    assert await user_by_our_engine(plain) == await user_by_our_driver(plain) == USER
    with SyncDB.from_url(_for_threads(plain)) as db:
        assert db.fetchval("SELECT 1") == 1


def _for_threads(database: DatabaseConfigSchema) -> str:
    return str(database.core_url()).replace(f"+{database.driver}", "")
