"""SQLAlchemy engines on which a transaction means what it means elsewhere in Rowstead.

On all: one in which a statement failed is not committed. On SQLite: foreign keys, WAL, commits that survive a
power cut, the functions that our statements call, and transactions that begin when their first statement
comes, as writers if that writes. On PostgreSQL: the search path. On MariaDB: sessions as ours are. Knows no
configuration, no model and no statement of anybody's.
"""

from __future__ import annotations

import asyncio
import math
import re
import sqlite3
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, ExceptionContext
from sqlalchemy.exc import InvalidRequestError, NoSuchModuleError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from rowstead.dialects import DIALECTS, SQLITE
from rowstead.dialects import isolation_level as standard_level
from rowstead.drivers import sqlalchemy_mysql
from rowstead.drivers.joined import AiosqliteConnection
from rowstead.drivers.sqlalchemy_failures import refuse_failed_commits
from rowstead.drivers.sqlite_connection import LONGEST_NAP, MEMORY, Settings
from rowstead.errors import ValidationError

LOCK_TIMEOUT = 30.0
"""Seconds that a statement waits for another's lock on a SQLite file."""

_AUTOCOMMIT = "AUTOCOMMIT"
_STRICTEST = "serializable"


def make_engine(
    url: URL,
    *,
    schema: str | None = None,
    isolation_level: str | None = None,
    connect_timeout: float | None = None,
    **arguments: Any,
) -> AsyncEngine:
    """An engine for any asynchronous URL of SQLAlchemy's.

    `schema` is what names without one mean, where the database has a search path. `isolation_level` is a
    standard level or AUTOCOMMIT, in which each statement of the session's own is kept at once, and those of
    many rows (bulk_insert, update_where and delete_where by a filter) are refused. On SQLite, where every
    transaction is serializable, SERIALIZABLE makes it wait for its turn to write when it begins.
    `connect_timeout` is in seconds. `arguments` are those of `create_async_engine` and win. Raises
    ValidationError for what names no asynchronous database.
    """
    _check_known(url)
    prepare = _PREPARATIONS.get(url.get_backend_name(), _no_preparation)
    level = None if isolation_level is None else _level(isolation_level)
    given = _merged(_timeouts(url, connect_timeout), prepare.arguments(url, level), arguments)
    engine = _created(url, given)
    prepare.listen(engine, url, schema, level)
    refuse_failed_commits(engine)
    return engine


def _check_known(url: URL) -> None:
    try:
        url.get_dialect()
    except NoSuchModuleError as error:
        raise ValidationError(
            f"SQLAlchemy knows no {url.drivername}; name a database and its driver, as in "
            "postgresql+asyncpg://… or sqlite+aiosqlite://…"
        ) from error
    except ImportError:
        # Of a driver that is not installed: creating the engine says which.
        return


def _created(url: URL, arguments: Mapping[str, Any]) -> AsyncEngine:
    database = url.get_backend_name()
    if url.get_driver_name() in _SYNCHRONOUS:
        raise _not_asynchronous(url)
    try:
        # Values of rows stay out of messages and logs, unless somebody asks for them.
        return create_async_engine(url, **{"hide_parameters": True, **arguments})
    except ModuleNotFoundError as error:
        install = _EXTRAS.get(database, f"pip install {error.name}")
        raise ImportError(
            f"the driver of {url.drivername} needs the module {error.name}, which is not installed: {install}"
        ) from error
    except InvalidRequestError as error:
        if "async" not in str(error):
            raise
        raise _not_asynchronous(url) from error


def _not_asynchronous(url: URL) -> ValidationError:
    database = url.get_backend_name()
    return ValidationError(
        f"{url.drivername} is no asynchronous driver; name one, as in "
        f"{database}+{_ASYNCHRONOUS.get(database, 'driver')}://…"
    )


_SYNCHRONOUS = frozenset("psycopg2 pg8000 pysqlite pysqlcipher pymysql mysqldb mysqlconnector pyodbc".split())
_ASYNCHRONOUS: Mapping[str, str] = {
    "postgresql": "asyncpg",
    "sqlite": "aiosqlite",
    "mysql": "asyncmy",
    "mariadb": "asyncmy",
    "mssql": "aioodbc",
    "oracle": "oracledb_async",
}
_EXTRAS: Mapping[str, str] = {
    "postgresql": "pip install 'rowstead[pg]'",
    "sqlite": "pip install 'rowstead[sqlite]'",
    "mysql": "pip install 'rowstead[mysql]'",
    "mariadb": "pip install 'rowstead[mysql]'",
}


def _level(name: str) -> str:
    return _AUTOCOMMIT if name.strip().upper() == _AUTOCOMMIT else standard_level(name)


def _merged(*some: Mapping[str, Any]) -> dict[str, Any]:
    """Later ones win; of `connect_args` each argument by itself."""
    merged: dict[str, Any] = {}
    for arguments in some:
        connect = {**merged.get("connect_args", {}), **arguments.get("connect_args", {})}
        merged |= arguments
        if connect:
            merged["connect_args"] = connect
    return merged


# Time limits


def _whole_seconds(name: str) -> Callable[[float], dict[str, Any]]:
    return lambda seconds: {name: max(1, math.ceil(seconds))}


_TIMEOUTS: Mapping[str, Callable[[float], dict[str, Any]]] = {
    "asyncpg": lambda seconds: {"timeout": seconds},
    "psycopg": _whole_seconds("connect_timeout"),
    "psycopg_async": _whole_seconds("connect_timeout"),
    "asyncmy": _whole_seconds("connect_timeout"),
    "aiomysql": _whole_seconds("connect_timeout"),
}
"""By driver: the argument that bounds connecting."""


def _timeouts(url: URL, seconds: float | None) -> dict[str, Any]:
    spell = _TIMEOUTS.get(url.get_driver_name())
    if seconds is None or spell is None:
        return {}
    # What the URL says stands.
    return {"connect_args": {name: value for name, value in spell(seconds).items() if name not in url.query}}


# What each database needs beside


class _Preparation:
    """Arguments for `create_async_engine`, and what listens to the engine that comes of them."""

    def arguments(self, url: URL, level: str | None) -> dict[str, Any]:
        return {} if level is None else {"isolation_level": level.upper()}

    def listen(self, engine: AsyncEngine, url: URL, schema: str | None, level: str | None) -> None:
        """Other databases have no search path."""


class _PostgreSQL(_Preparation):
    def listen(self, engine: AsyncEngine, url: URL, schema: str | None, level: str | None) -> None:
        if schema is None:
            return
        path = engine.dialect.identifier_preparer.quote(schema)
        mark = _MARKS.get(url.get_driver_name(), "%s")

        def set_path(connection: Any, _record: Any) -> None:
            cursor = connection.cursor()
            cursor.execute(f"SELECT set_config('search_path', {mark}, false)", (path,))
            cursor.close()
            # A rollback of the transaction that this began would undo it.
            connection.commit()

        event.listen(engine.sync_engine, "connect", set_path)


_MARKS: Mapping[str, str] = {"asyncpg": "$1"}


class _MySQL(_Preparation):
    def arguments(self, url: URL, level: str | None) -> dict[str, Any]:
        creator = partial(sqlalchemy_mysql.connect, url.get_driver_name())
        return super().arguments(url, level) | {"connect_args": {"async_creator_fn": creator}}

    def listen(self, engine: AsyncEngine, url: URL, schema: str | None, level: str | None) -> None:
        event.listen(engine.sync_engine, "connect", sqlalchemy_mysql.begin_session)


class _SQLite(_Preparation):
    def arguments(self, url: URL, level: str | None) -> dict[str, Any]:
        made: dict[str, Any] = {"connect_args": {} if "timeout" in url.query else {"timeout": LOCK_TIMEOUT}}
        if level == _AUTOCOMMIT:
            made["isolation_level"] = level
        if _is_in_memory(url):
            # One connection is the database, and a transaction of one session is not another's.
            made |= {
                "poolclass": AsyncAdaptedQueuePool,
                "pool_size": 1,
                "max_overflow": 0,
                "pool_recycle": -1,
            }
        return made

    def listen(self, engine: AsyncEngine, url: URL, schema: str | None, level: str | None) -> None:
        in_memory = _is_in_memory(url)
        settings = Settings(MEMORY if in_memory else str(url.database), str(url.query.get("mode", "rwc")))

        def prepare(connection: Any, _record: Any) -> None:
            connection.run_async(partial(_prepare_file, settings))

        event.listen(engine.sync_engine, "connect", prepare)
        event.listen(engine.sync_engine, "before_cursor_execute", _beginning(level == _STRICTEST))
        event.listen(engine.sync_engine, "handle_error", _stop_statement)
        event.listen(engine.sync_engine, "handle_error", _tell_conflict)


_no_preparation = _Preparation()
_PREPARATIONS: Mapping[str, _Preparation] = {
    "postgresql": _PostgreSQL(),
    "sqlite": _SQLite(),
    "mysql": _MySQL(),
    "mariadb": _MySQL(),
}


def _is_in_memory(url: URL) -> bool:
    path = url.database
    return not path or path in (MEMORY, f"file:{MEMORY}") or url.query.get("mode") == "memory"


async def _prepare_file(settings: Settings, raw: Any) -> None:
    """What each connection to a SQLite file of ours has; see `Settings`."""
    await AiosqliteConnection(raw).prepare()
    for pragma in settings.pragmas:
        await raw.execute(pragma)
    if settings.path == MEMORY or settings.mode == "ro" or await _has_wal(raw):
        return
    give_up = asyncio.get_running_loop().time() + LOCK_TIMEOUT
    while True:
        try:
            # The switch needs the file for itself, and SQLite does not wait for that.
            await raw.execute("PRAGMA journal_mode = WAL")
            return
        except Exception as error:
            if "locked" not in str(error) or asyncio.get_running_loop().time() > give_up:
                raise
        await asyncio.sleep(LONGEST_NAP)


async def _has_wal(raw: Any) -> bool:
    """Whether the file is in WAL mode already, which stays with it."""
    (mode,) = await raw.execute_fetchall("PRAGMA journal_mode")
    return mode[0] == "wal"


_FIRST_WORD = re.compile(r"(?:\s|--[^\n]*\n|/\*.*?\*/|\()*(\w*)", re.DOTALL)
_READING = frozenset({"SELECT", "VALUES", "EXPLAIN", "WITH", "SAVEPOINT"})
_OUTSIDE = frozenset({"BEGIN", "COMMIT", "END", "ROLLBACK", "PRAGMA", "VACUUM", "ATTACH", "DETACH"})
"""Statements that begin or end a transaction themselves, or can only run outside one."""


def _beginning(at_once: bool) -> Callable[..., None]:
    """A listener that opens the transaction in the file before its first statement.

    Python's driver would open it only before a write, so that what was read before is of another moment,
    and savepoints would be transactions of their own. Who writes first waits for the turn to write.
    """

    def begin(connection: Connection, _cursor: Any, statement: str, *_rest: Any) -> None:
        pooled: Any = connection.connection
        if pooled.driver_connection.in_transaction or pooled.dbapi_connection.isolation_level is None:
            return
        found = _FIRST_WORD.match(statement)
        word = found[1].upper() if found else ""
        if word in _OUTSIDE:
            return
        reads = word in _READING and not at_once
        for text in SQLITE.begin(None, readonly=reads):
            connection.exec_driver_sql(text)

    return begin


async def begin_writing(session: AsyncSession) -> None:
    """Take the turn to write before a session reads what it will then write, where only one has the turn.

    Without it what was read may be old by the time of the write, which is a ConflictError. Does nothing where
    a transaction is open already.
    """
    connection = await session.connection()
    known = DIALECTS.get(connection.dialect.name)
    if known is None or not known.one_writer:
        return
    pooled = await connection.get_raw_connection()
    below: Any = pooled.driver_connection
    if not below.in_transaction:
        for text in known.begin(None, readonly=False):
            await connection.exec_driver_sql(text)


def _stop_statement(context: ExceptionContext) -> None:
    """Ends the running statement of a cancelled call, and keeps its connection.

    SQLAlchemy would close the connection while the statement still runs in its thread, and SQLite then holds
    the locks, and a database in memory is gone. What comes next, a rollback, waits for the statement's end.
    """
    connection = context.connection
    if isinstance(context.original_exception, asyncio.CancelledError) and connection is not None:
        context.is_disconnect = False
        pooled: Any = connection.connection
        pooled.driver_connection._conn.interrupt()


def _tell_conflict(context: ExceptionContext) -> None:
    """Tells a transaction that read before somebody else began to write from one that waited in vain.

    SQLite refuses the first at once, with the code of the second: waiting would not help it, since what it
    has read would be old by then.
    """
    error = context.original_exception
    if getattr(error, "sqlite_errorcode", None) != sqlite3.SQLITE_BUSY or context.connection is None:
        return
    pooled: Any = context.connection.connection
    if pooled.driver_connection.in_transaction:
        error.sqlite_errorcode = sqlite3.SQLITE_BUSY_SNAPSHOT  # pyright: ignore[reportAttributeAccessIssue]
