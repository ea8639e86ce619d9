"""Connections under SQLAlchemy's: the driver's own, found beneath, in our connection classes.

A driver's module is imported only when SQLAlchemy uses that driver, so that none is required.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from importlib import import_module
from typing import Any, cast

from rowstead.drivers import sqlite_errors
from rowstead.drivers.base import Connection, RawResult
from rowstead.drivers.sqlite_functions import register
from rowstead.errors import RowsteadError, UsageError
from rowstead.plan import Record

Translate = Callable[[Exception], RowsteadError | None]

BEGIN = {"asyncpg": "SELECT 1", "psycopg": "SELECT 1"}
"""By codec: what, sent through SQLAlchemy, makes its driver open the transaction in the database. Other
drivers are told by the database's own statement."""


def translator(codec: str) -> Translate:
    """The driver's errors as ours."""
    if codec == "asyncpg":
        from rowstead.drivers.asyncpg_errors import translate

        return translate
    if codec == "psycopg":
        from rowstead.drivers.psycopg_errors import translate

        return translate
    if codec == "mysql":
        from rowstead.drivers.mysql_errors import translate

        return partial(translate, own=_mysql_errors())
    return sqlite_errors.translate


def _mysql_errors() -> tuple[type[Exception], ...]:
    """The errors of the libraries for MariaDB that are installed, which SQLAlchemy may use."""
    found: list[type[Exception]] = []
    for module in ("asyncmy.errors", "pymysql.err"):
        with suppress(ModuleNotFoundError):
            found.append(import_module(module).MySQLError)
    return tuple(found)


class Wrapper:
    """Makes our connections of a driver's; what is learnt of texts is kept for all of them."""

    def __init__(self, codec: str) -> None:
        self._codec = codec
        self._types: dict[str, Any] = {}
        self._shapes: Any = None

    async def wrap(self, raw: Any) -> Connection:
        if self._codec == "asyncpg":
            from rowstead.drivers.asyncpg_borrowed import JSON_TYPES, TextJsonConnection

            # SQLAlchemy's codecs take JSON as text, and give what it says.
            return TextJsonConnection(raw, self._types, written=JSON_TYPES, read=frozenset())
        if self._codec == "psycopg":
            from rowstead.drivers.psycopg import PsycopgConnection, Shapes

            self._shapes = self._shapes or Shapes()
            return PsycopgConnection(raw, self._shapes)
        if self._codec == "mysql":
            from rowstead.drivers.mysql import MySQLConnection
            from rowstead.drivers.mysql_asynchronous import Library

            # Its session is its owner's: it is never reset from here, nor its statements killed.
            library = Library(type(raw).__module__.partition(".")[0])
            return MySQLConnection(raw, library, "", None, _nobodys)
        connection = AiosqliteConnection(raw)
        await connection.prepare()
        return connection


def _nobodys(_thread: int) -> None:
    """Who owns the connection ends its statements."""


class AiosqliteConnection:
    """An `aiosqlite.Connection` of SQLAlchemy's. It is never reset or closed from here."""

    def __init__(self, raw: Any) -> None:
        self.raw = raw
        self.dirty = False

    async def prepare(self) -> None:
        """Register the functions that our statements call."""
        for function in _functions():
            await self.raw.create_function(*function[:3], deterministic=function[3])

    @property
    def in_transaction(self) -> bool:
        return self.raw.in_transaction

    @property
    def is_closed(self) -> bool:
        return not self.raw.is_alive() if hasattr(self.raw, "is_alive") else False

    async def fetch(self, text: str, params: Sequence[Any]) -> Sequence[Record]:
        return list(await self.raw.execute_fetchall(text, params))

    async def execute(self, text: str, params: Sequence[Any]) -> int:
        return (await self.fetch_raw(text, params)).count

    async def fetch_raw(self, text: str, params: Sequence[Any]) -> RawResult:
        before = self.raw.total_changes
        async with self.raw.execute(text, params) as cursor:
            description = cursor.description
            records = list(await cursor.fetchall()) if description is not None else []
            count = cursor.rowcount
        if description is None:
            return RawResult((), (), count)
        # A write that returns has changed as many rows as it gave.
        wrote = count >= 0 or self.raw.total_changes != before
        return RawResult([column[0] for column in description], records, len(records) if wrote else -1)

    async def execute_many(self, text: str, rows: Sequence[Sequence[Any]]) -> int:
        async with self.raw.executemany(text, rows) as cursor:
            return cursor.rowcount

    async def fetch_many(self, text: str, rows: Sequence[Sequence[Any]]) -> list[Record | None]:
        def run() -> list[Record | None]:
            return [next(iter(connection.execute(text, row).fetchall()), None) for row in rows]

        connection = self.raw._conn
        # One hop to aiosqlite's thread for all of them, where its own methods would take one for each.
        return await self.raw._execute(run)

    async def copy_in(
        self, schema: str | None, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]
    ) -> int:
        raise UsageError("SQLite has no bulk path beside INSERT")

    async def ping(self) -> None:
        await self.fetch("SELECT 1", ())

    async def reset(self) -> None:
        self.dirty = False

    async def close(self) -> None:
        """Its owner closes it."""

    def terminate(self) -> None:
        """Its owner closes it."""


def _functions() -> list[tuple[str, int, Callable[..., Any], bool]]:
    """What `register` registers; the connection itself lives in a thread of aiosqlite's."""
    found: list[tuple[str, int, Callable[..., Any], bool]] = []

    class Collector:
        def create_function(
            self, name: str, arity: int, function: Callable[..., Any], *, deterministic: bool = False
        ) -> None:
            found.append((name, arity, function, deterministic))

    register(cast(sqlite3.Connection, Collector()))
    return found
