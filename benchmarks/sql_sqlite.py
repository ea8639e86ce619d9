"""What the bare side sends to SQLite, the tables that all sides work on, and how they are stored.

`BOOLEAN` and `TIMESTAMP` mean nothing to SQLite; some peers choose their converters by them.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

from benchmarks.people import NAMES, WITHOUT_ID

SETTINGS = ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON")
TABLE = (
    "CREATE TABLE {} (id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT, age INTEGER NOT NULL,"
    " score REAL NOT NULL, active BOOLEAN NOT NULL, created_at TIMESTAMP NOT NULL)"
)
INDEX = "CREATE INDEX people_age ON people (age)"
INSERT = f"INSERT INTO people_new ({WITHOUT_ID}) VALUES (?, ?, ?, ?, ?, ?) RETURNING {NAMES}"
BULK_INSERT = "INSERT INTO {} VALUES (?, ?, ?, ?, ?, ?, ?)"
UPSERT = (
    f"{BULK_INSERT.format('people_new')} ON CONFLICT (id) DO UPDATE SET name = excluded.name,"
    " email = excluded.email, age = excluded.age, score = excluded.score, active = excluded.active,"
    " created_at = excluded.created_at"
)
GET = f"SELECT {NAMES} FROM people WHERE id = ?"
UPDATE = f"UPDATE people SET name = ?, score = ? WHERE id = ? RETURNING {NAMES}"
BY_AGE = f"SELECT {NAMES} FROM people WHERE age = ?"
FIRST = f"SELECT {NAMES} FROM people WHERE id <= ?"
PAGE = f"SELECT {NAMES} FROM people WHERE age = ? ORDER BY id LIMIT 50 OFFSET 100"
COUNT = "SELECT count(*) FROM people WHERE age = ?"


def stored(values: Sequence[Any]) -> tuple[Any, ...]:
    """Values as the standard library takes them; the last is the datetime."""
    return (*values[:-1], values[-1].isoformat(" "))


def unstored(row: Sequence[Any]) -> tuple[Any, ...]:
    """A bare record as typed values, to compare it."""
    return (*row[:-2], bool(row[-2]), datetime.datetime.fromisoformat(row[-1]))
