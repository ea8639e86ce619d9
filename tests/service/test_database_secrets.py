"""A password stands in no statement, log, error or text that is shown; a server that logs all is read."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from rowstead.errors import RowsteadError
from rowstead.service import DatabaseService
from rowstead.session import Trace
from servers import PostgresServer, Server
from service.database_site import USERS, Site

PASSWORD = "hidden'secret-7"
SPELLINGS = (PASSWORD, PASSWORD.replace("'", "''"), quote(PASSWORD, safe=""), "secret-7")


def holds_secret(text: str) -> bool:
    return any(spelling in text for spelling in SPELLINGS)


@pytest.fixture(scope="module")
def telling() -> Iterator[PostgresServer]:
    """A server that logs every statement, also of those that failed."""
    settings = ("log_statement=all", "log_min_error_statement=debug5", "log_min_messages=info")
    with PostgresServer(fast=True, settings=settings) as server:
        yield server


@pytest.mark.postgresql
@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_service_k09_the_password_is_in_no_log_and_no_trace(
    telling: PostgresServer, driver: str, caplog: pytest.LogCaptureFixture
) -> None:
    site = Site(Server(telling.url), driver, password=PASSWORD)
    seen: list[str] = []

    def hear(statement: Trace) -> None:
        seen.append(f"{statement.sql} {statement.params} {statement.error}")

    caplog.set_level(logging.DEBUG)
    # A role that cannot be made is logged with its statement too.
    with pytest.raises(RowsteadError) as failed:
        await DatabaseService(trace=hear, **site.settings(user="pg_reserved")).init()
    async with DatabaseService(metadata=USERS, trace=hear, echo=True, **site.settings()) as db:
        assert await db.fetchval("SELECT current_user") == site.user
        active = await db.fetch("SELECT query FROM pg_stat_activity")
    log = telling.log()
    assert f'CREATE ROLE "{site.user}" LOGIN PASSWORD \'SCRAM-SHA-256$' in log
    for told in (log, *seen, str(failed.value), caplog.text, *(str(row) for row in active)):
        assert not holds_secret(told)
    site.clear()


@pytest.mark.postgresql
async def test_control_a_password_in_clear_is_found_in_the_log(telling: PostgresServer) -> None:
    site = Site(Server(telling.url), "psycopg")
    site.do("CREATE ROLE {role} LOGIN PASSWORD 'shown-8 in clear'", database="postgres")
    assert "shown-8 in clear" in telling.log()
    site.do("DROP ROLE {role}", database="postgres")


@pytest.mark.postgresql
async def test_an_error_of_a_refused_connection_does_not_tell_the_password(postgres_server: Server) -> None:
    for driver in ("asyncpg", "psycopg"):
        site = Site(postgres_server, driver, password=PASSWORD)
        with pytest.raises(RowsteadError) as refused:
            await DatabaseService(**site.own(init_db=False)).init()
        chain: BaseException | None = refused.value
        while chain is not None:
            assert not holds_secret(str(chain))
            chain = chain.__cause__


def test_no_repr_tells_the_password() -> None:
    db = DatabaseService(
        host="h", database="d", user="u", password=PASSWORD, root_user="r", root_password=PASSWORD
    )
    held = [repr(db), *(repr(value) for value in vars(db).values())]
    assert not any(map(holds_secret, held))
