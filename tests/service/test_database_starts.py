"""Starts of a program that come at once, or that were cut off: the database is whole in the end."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import pytest
import sqlalchemy as sa

from rowstead.errors import TimeoutExceeded
from rowstead.service import DatabaseService
from rowstead.session import Trace
from rowstead.setup import postgresql
from service.database_site import USERS, Doubled, Site, users


async def start_together(site: Site, number: int) -> list[Any]:
    made = [
        DatabaseService(
            metadata=USERS,
            functions=[Doubled],
            **site.settings(extensions=["citext"], schemas=["public", "crm"], pool_size=1),
        )
        for _ in range(number)
    ]
    results = await asyncio.gather(*(db.init() for db in made), return_exceptions=True)
    for db in made:
        await db.close()
    return [result for result in results if result is not None]


async def test_many_first_starts_at_once_all_succeed(site: Site) -> None:
    assert await start_together(site, 8) == []
    async with DatabaseService(**site.own()) as db:
        assert await db.fetch(sa.select(users)) == []
        assert await db.fetchval("SELECT doubled(4)") == 8


async def test_control_without_a_second_look_first_starts_at_once_fail(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def careless(there: Any, make: Any) -> Any:
        if (yield there):
            return False
        yield make
        return True

    monkeypatch.setattr(postgresql, "ensured", careless)
    assert await start_together(site, 8) != []


async def test_several_programs_with_one_role_start_at_once(site: Site) -> None:
    sites = [
        Site(site.server, site.driver, f"{site.database}_{n}", site.user, site.password) for n in range(5)
    ]
    try:
        made = [DatabaseService(metadata=USERS, **each.settings(pool_size=1)) for each in sites]
        results = await asyncio.gather(*(db.init() for db in made), return_exceptions=True)
        for db in made:
            await db.close()
        assert [result for result in results if result is not None] == []
    finally:
        for each in sites:
            each.do("DROP DATABASE IF EXISTS {database} WITH (FORCE)", database="postgres")


async def test_who_waits_too_long_for_the_others_says_so(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async with DatabaseService(**site.settings()) as db:
        monkeypatch.setattr(postgresql, "LOCK_SECONDS", 0.05)
        async with db.begin() as holder:
            await holder.execute(f"SELECT pg_advisory_xact_lock({postgresql._KEY})")
            with pytest.raises(TimeoutExceeded, match="another process"):
                await DatabaseService(metadata=USERS, **site.own()).init()
    async with DatabaseService(metadata=USERS, **site.own()) as db:
        assert await db.fetch(sa.select(users)) == []


async def test_what_another_made_while_a_start_waited_is_seen(site: Site) -> None:
    waits = asyncio.Event()

    def hear(statement: Trace) -> None:
        if "advisory" in statement.sql:
            waits.set()

    async with DatabaseService(**site.settings()) as first:
        async with first.begin() as other:
            await other.execute(f"SELECT pg_advisory_xact_lock({postgresql._KEY})")
            second = DatabaseService(metadata=USERS, trace=hear, **site.own(init_db=False))
            starting = asyncio.create_task(second.init())
            await waits.wait()
            await other.execute("CREATE TABLE users (id integer PRIMARY KEY, name text)")
        await starting
        await second.close()
        assert await first.fetch(sa.select(users)) == []


PROGRAM = """
import asyncio, json, sys
import sqlalchemy as sa
from rowstead.service import DatabaseService

table = sa.Table("users", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True))

async def main():
    sys.stdin.readline()
    async with DatabaseService(metadata=table.metadata, **json.loads(sys.argv[1])) as db:
        await db.execute(sa.insert(table).values())

print("ready", flush=True)
asyncio.run(main())
"""


@pytest.mark.parametrize("site", ["asyncpg"], indirect=True)
async def test_several_processes_start_at_once(site: Site) -> None:
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            PROGRAM,
            json.dumps(site.settings()),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
    told = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    assert [(process.returncode, error) for process, (_, error) in zip(processes, told, strict=True)] == [
        (0, b"")
    ] * 3
    async with DatabaseService(**site.own()) as db:
        assert await db.fetchval("SELECT count(*) FROM users") == 3


class CutOff(BaseException):
    """The program ends here."""


async def test_a_start_that_was_cut_off_anywhere_is_finished_by_the_next(site: Site) -> None:
    def settings() -> dict[str, Any]:
        return {"metadata": USERS, "functions": [Doubled]} | site.settings(
            extensions=["citext"], schemas=["crm", "public"]
        )

    async def start(statements: int) -> int:
        """Start, and end behind so many statements; how many there were."""
        seen = 0

        def hear(_statement: Trace) -> None:
            nonlocal seen
            seen += 1
            if seen == statements:
                raise CutOff

        async with DatabaseService(trace=hear, **settings()):
            pass
        return seen

    total = await start(0)
    site.clear()
    assert total > 20
    # Not every place for each driver, but every place for one of several.
    for statements in range(1 + 3 * (site.driver == "psycopg"), total + 1, 6):
        with pytest.raises(CutOff):
            await start(statements)
        async with DatabaseService(**settings()) as db:
            assert await db.fetch(sa.select(users)) == []
            assert await db.fetchval(sa.select(Doubled(2))) == 4
            assert await db.fetchval("SELECT count(*) FROM pg_indexes WHERE indexname = 'ix_users_name'") == 1
            await db.execute("CREATE TABLE crm.t (a citext)")
        site.clear()
