"""A service as it is written by somebody who pastes values and names into SQL: the control of the checks.

It talks to each database by a driver of its own, and lets it run several statements in one text.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from typing import Any
from urllib.parse import urlsplit

import asyncmy
import asyncpg
import psycopg
from asyncmy.constants import CLIENT
from asyncmy.errors import MySQLError

from conftest import Backend
from faults.injection_runs import storable
from rowstead import ValidationError

Send = Callable[[str], Awaitable[None]]
IMPATIENT = 200
"""Milliseconds after which a server gives up a statement: some of what is pasted sleeps."""

NOT_RUN = (
    sqlite3.Error,
    sqlite3.Warning,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    psycopg.Error,
    MySQLError,
    ValueError,
)


class Pasted:
    """`list` and `create` of a service; each text that it makes is sent as it is."""

    def __init__(self, send: Send, sent: list[str]) -> None:
        self._send = send
        self._sent = sent
        self.people = self

    async def _run(self, sql: str) -> None:
        self._sent.append(sql)
        try:
            await self._send(sql)
        except NOT_RUN as error:
            raise ValidationError("it did not run") from error

    async def list(self, conditions: Any = None, sort: Any = None, **_: Any) -> None:
        tests = " AND ".join(f"{name} = '{value}'" for name, value in (conditions or {"1": 1}).items())
        order = ", ".join(f"{name} {direction}" for term in sort or () for direction, name in term.items())
        await self._run(
            f"SELECT id, title FROM people WHERE {tests}" + (f" ORDER BY {order}" if order else "")
        )

    async def create(self, data: Any, **_: Any) -> None:
        names, values = ", ".join(data), ", ".join(f"'{value}'" for value in data.values())
        await self._run(f"INSERT INTO people ({names}) VALUES ({values})")


async def pasted_value(service: Pasted, text: str) -> bool:
    await service.list(conditions={"title": text})
    return True


async def pasted_data(service: Pasted, text: str) -> bool:
    await service.create({"id": 1, "title": text})
    return True


async def pasted_column(service: Pasted, text: str) -> None:
    await service.list(conditions={text: 1})


async def pasted_sort(service: Pasted, text: str) -> None:
    await service.list(sort=[{"asc": text}])


@asynccontextmanager
async def sender(backend: Backend) -> AsyncIterator[Send]:
    """What sends a text to this database as it is."""
    if backend.name == "sqlite":
        with closing(sqlite3.connect(backend.url.removeprefix("sqlite:///"), isolation_level=None)) as file:

            async def to_file(sql: str) -> None:
                # Reads what the first statement gives and runs the others too, as some drivers do.
                first, *others = sql.split(";")
                file.execute(first).fetchall()
                for statement in others:
                    file.executescript(statement)

            yield to_file
        return
    parts = urlsplit(backend.url)
    login: dict[str, Any] = {"host": parts.hostname, "port": parts.port, "user": parts.username}
    login["password"] = parts.password
    name = parts.path.lstrip("/")
    impatient = {"statement_timeout": str(IMPATIENT), "lock_timeout": str(IMPATIENT)}
    if backend.name == "asyncpg":
        simple = await asyncpg.connect(**login, database=name, server_settings=impatient)

        async def to_postgres(sql: str) -> None:
            if not storable(sql):
                raise ValueError("asyncpg's connection would not outlive a statement that is no text")
            await simple.execute(sql)

        try:
            yield to_postgres
        finally:
            await simple.close()
    elif backend.name == "psycopg":
        options = " ".join(f"-c {key}={value}" for key, value in impatient.items())
        async with await psycopg.AsyncConnection.connect(
            **login, dbname=name, options=options, autocommit=True
        ) as connection:
            yield connection.execute
    else:
        maria = await asyncmy.connect(**login, db=name, client_flag=CLIENT.MULTI_STATEMENTS, autocommit=True)

        async def to_maria(sql: str) -> None:
            async with maria.cursor() as cursor:
                await cursor.execute(sql)
                while await cursor.nextset():
                    pass

        await to_maria(f"SET max_statement_time = {IMPATIENT / 1000}")
        try:
            yield to_maria
        finally:
            await maria.ensure_closed()
