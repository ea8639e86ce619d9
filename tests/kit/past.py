"""A connection past the kit, as another program has it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg

from conftest import Backend


@contextmanager
def raw(backend: Backend) -> Iterator[Any]:
    """A connection on which foreign keys are not looked at."""
    if backend.is_postgres:
        with psycopg.connect(backend.url.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute("SET session_replication_role = replica")
            yield connection
        return
    with closing(sqlite3.connect(backend.url.removeprefix("sqlite:///"), isolation_level=None)) as connection:
        yield connection
