"""SQLAlchemy's engines with the settings that all sides have; its documentation's event sets SQLite's."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from benchmarks.sql_sqlite import SETTINGS
from benchmarks.workers.loop import Target


def async_engine(target: Target) -> AsyncEngine:
    """Over aiosqlite with the pool that SQLAlchemy chooses, or over asyncpg with its pool of this size."""
    if not target.is_sqlite:
        url = target.url("postgresql+asyncpg")
        return create_async_engine(url, pool_size=target.pool, max_overflow=0)
    engine = create_async_engine(target.url("sqlite+aiosqlite"))
    sa.event.listen(engine.sync_engine, "connect", set_sqlite)
    return engine


def sync_engine(target: Target) -> sa.Engine:
    """Over the standard library's sqlite3, or over psycopg with SQLAlchemy's pool of this size."""
    if not target.is_sqlite:
        url = target.url("postgresql+psycopg")
        return sa.create_engine(url, pool_size=target.pool, max_overflow=0)
    engine = sa.create_engine(target.url("sqlite"))
    sa.event.listen(engine, "connect", set_sqlite)
    return engine


def set_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    for setting in SETTINGS:
        cursor.execute(f"PRAGMA {setting}")
    cursor.close()
