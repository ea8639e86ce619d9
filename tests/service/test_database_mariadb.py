"""A MariaDB is made ready by its administrator: database, user, grants, tables."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

import pymysql
import pytest
import sqlalchemy as sa

from rowstead.errors import RowsteadError, UnreachableError, ValidationError
from rowstead.service import DatabaseService
from rowstead.session import Trace
from service.database_site import USERS, users


@pytest.fixture
def settings(mariadb_url: str) -> Iterator[dict[str, Any]]:
    """All settings for a first start; what comes of it is removed."""
    root = urlsplit(mariadb_url)
    password = unquote(root.password or "")
    name = secrets.token_hex(5)
    made = {"database": f"d_%{name}", "user": f"u'\\_{name}", "password": "p'w%\\ x"}
    yield {
        "driver": "asyncmy",
        "host": root.hostname,
        "port": root.port,
        "root_user": root.username,
        "root_password": password,
        **made,
    }
    admin = pymysql.connect(host=root.hostname, port=root.port or 3306, user=root.username, password=password)
    with admin, admin.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS `d_%{name}`")
        cursor.execute("DROP USER IF EXISTS %s@'%%'", [made["user"]])


def own(settings: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Without the administrator."""
    return {name: value for name, value in settings.items() if not name.startswith("root")} | more


async def test_a_first_start_makes_database_user_and_tables(settings: dict[str, Any]) -> None:
    seen: list[str] = []

    def hear(statement: Trace) -> None:
        seen.append(f"{statement.sql} {statement.params}")

    for _ in range(2):
        async with DatabaseService(metadata=USERS, trace=hear, **settings) as db:
            assert await db.fetchval("SELECT DATABASE()") == settings["database"]
            await db.execute(sa.insert(users).values(name="Ann"))
    async with DatabaseService(**own(settings)) as db:
        assert await db.fetch(sa.select(users.c.name)) == [{"name": "Ann"}, {"name": "Ann"}]
    assert any("CREATE USER" in text for text in seen)
    assert not any(settings["password"] in text or "p''w" in text for text in seen)


async def test_the_user_may_nothing_in_other_databases(settings: dict[str, Any], mariadb_url: str) -> None:
    async with DatabaseService(**settings):
        pass
    other = urlsplit(mariadb_url).path.removeprefix("/")
    with pytest.raises((RowsteadError), match="denied"):
        await DatabaseService(**own(settings, database=other, init_db=False)).init()
    # `_` and `%` stand for themselves in the name that was granted on.
    with pytest.raises(RowsteadError, match="denied"):
        await DatabaseService(**own(settings, database=settings["database"].replace("%", "x"))).init()


async def test_a_wrong_password_is_refused(settings: dict[str, Any]) -> None:
    async with DatabaseService(**settings):
        pass
    with pytest.raises(UnreachableError):
        await DatabaseService(**own(settings, password="another", init_db=False)).init()


async def test_many_first_starts_at_once_all_succeed(settings: dict[str, Any]) -> None:
    made = [DatabaseService(metadata=USERS, pool_size=1, **settings) for _ in range(6)]
    results = await asyncio.gather(*(db.init() for db in made), return_exceptions=True)
    for db in made:
        await db.close()
    assert results == [None] * 6
    async with DatabaseService(**own(settings)) as db:
        assert await db.fetchval("SELECT count(*) FROM users") == 0
        indexes = "SELECT count(*) FROM information_schema.STATISTICS WHERE INDEX_NAME = 'ix_users_name'"
        assert await db.fetchval(indexes) == 1


@pytest.mark.parametrize("password", [None, ""])
async def test_no_user_is_made_whom_anybody_may_be(settings: dict[str, Any], password: str | None) -> None:
    with pytest.raises(ValidationError, match="a new one of MariaDB needs a password"):
        await DatabaseService(**settings | {"password": password}).init()
    with pytest.raises(UnreachableError):
        await DatabaseService(**own(settings, password="", init_db=False)).init()
    async with DatabaseService(**settings):
        pass
