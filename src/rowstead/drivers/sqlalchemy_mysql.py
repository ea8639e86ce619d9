"""Connections to MariaDB for SQLAlchemy's engines, with the care that our own have.

The libraries bound only the first part of connecting, write a password as latin-1 and ask the server to take
several statements in one text. Knows no engine.
"""

from __future__ import annotations

import asyncio
import ssl
from functools import lru_cache
from typing import Any

from rowstead.drivers.mysql_asynchronous import Library, connection_of
from rowstead.drivers.mysql_settings import CHARSET, HAS_SNAPSHOT_ISOLATION, SNAPSHOT_ISOLATION, SQL_MODE
from rowstead.drivers.mysql_tls import tls_of

SESSION = f"SET NAMES {CHARSET} COLLATE {CHARSET}_nopad_bin, sql_mode = '{SQL_MODE}', time_zone = '+00:00'"
"""As our own sessions begin, but for who commits: here that is SQLAlchemy's."""


async def connect(driver: str, **arguments: Any) -> Any:
    """A connection of one of the libraries; TimeoutError when it takes `connect_timeout` seconds."""
    is_asyncmy = driver == "asyncmy"
    password = arguments.get("password")
    if isinstance(password, str):
        arguments["password"] = password.encode() if is_asyncmy else password.encode().decode("latin-1")
    if "ssl" in arguments:
        arguments["ssl"] = _context(arguments["ssl"])
    raw: Any = connection_of(driver)(**arguments)
    try:
        async with asyncio.timeout(arguments.get("connect_timeout")):
            await (raw.connect() if is_asyncmy else raw._connect())
            await _library(driver).forbid_several(raw)
    except BaseException:
        raw.close()
        raise
    return raw


def _context(asked: Any) -> ssl.SSLContext | None:
    """TLS as the libraries take it; SQLAlchemy hands on a URL's words: a text, or a dict of files."""
    if isinstance(asked, str):
        return tls_of({"ssl": asked})
    if isinstance(asked, dict):
        files: dict[str, Any] = {f"ssl_{name}": value for name, value in asked.items()}  # pyright: ignore[reportUnknownVariableType]
        return tls_of(files)
    return asked


@lru_cache(maxsize=2)
def _library(driver: str) -> Library:
    return Library(driver)


def begin_session(connection: Any, _record: Any) -> None:
    """A session in UTC, in which what does not fit is an error and texts are compared exactly."""
    cursor = connection.cursor()
    cursor.execute(HAS_SNAPSHOT_ISOLATION)
    cursor.execute(SESSION + (SNAPSHOT_ISOLATION if cursor.fetchall() else ""))
    cursor.close()
