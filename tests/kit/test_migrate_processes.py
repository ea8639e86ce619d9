"""Migrations of operations from several processes at once, and from one that is killed on its way."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from conftest import Backend
from rowstead.errors import RowsteadError
from rowstead.kit import Database
from rowstead.kit.builders import column, index, unique

from .conftest import Make
from .fingerprint import fingerprint
from .migrations import fill, op, posts, raw, read, schema, users, version

JOB = Path(__file__).with_name("job_migrate.py")
OLD = schema(users(), posts())
NEW = schema(
    users(
        column("kind", 3, "text", default={"static": "k"}),
        column("place", 4, "int64", default={"sequence": "places"}),
        unique_constraints=[unique("uq", "email")],
        indexes=[index("ix", "kind")],
    ),
    posts(),
)
MIGRATIONS = [
    version(1, op("add_column", "users", "kind"), op("add_unique", "users", "uq")),
    version(2, op("add_column", "users", "place"), op("add_index", "users", "ix")),
    version(3, {"raw_sql": "CREATE TABLE once (n INTEGER)"}, {"raw_sql": "INSERT INTO once (n) VALUES (1)"}),
]
ROWS: list[dict[str, Any]] = [{"id": n, "email": f"{n}@x"} for n in range(1, 21)]
CHILDREN = [{"id": n, "user_id": n % 20 + 1} for n in range(1, 41)]


def start(backend: Backend, *more: str) -> subprocess.Popen[str]:
    words = [sys.executable, str(JOB), backend.url, json.dumps(MIGRATIONS), json.dumps(NEW), *more]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def whole(backend: Backend) -> None:
    """The migrations are all applied, each once, and every row is there."""
    with Database.open(backend.url) as db:
        rows = read(db, "users")
        assert [{"id": row["id"], "email": row["email"]} for row in rows] == ROWS
        assert [row["kind"] for row in rows] == ["k"] * 20
        # On a server numbers that a killed migration took are gone.
        places = [row["place"] for row in rows]
        assert places == list(range(places[0], places[0] + 20))
        assert read(db, "posts") == CHILDREN
        with db.begin() as txn:
            txn.delete("users", 1)
        assert len(read(db, "posts")) == 38
    assert raw(backend, "SELECT n FROM once") == [(1,)]
    assert raw(backend, "SELECT version FROM __kit_schema_migrations ORDER BY version") == [(1,), (2,), (3,)]


def test_ten_processes_at_once_apply_every_migration_once(make: Make, sync_backend: Backend) -> None:
    fill(make(OLD), users=ROWS, posts=CHILDREN)
    running = [start(sync_backend) for _ in range(10)]
    said: Sequence[str] = [process.communicate(timeout=300)[0] for process in running]
    assert [process.returncode for process in running] == [0] * 10, said
    whole(sync_backend)


def test_a_migration_that_is_killed_at_any_statement_is_healed_by_the_next(
    make: Make, sync_backend: Backend
) -> None:
    fill(make(OLD), users=ROWS, posts=CHILDREN)
    before = fingerprint(sync_backend)
    assert killed_often(sync_backend) >= 10
    assert fingerprint(sync_backend) != before
    whole(sync_backend)


def test_one_that_is_not_a_transaction_is_not_healed(make: Make, sync_backend: Backend) -> None:
    """The control."""
    fill(make(OLD), users=ROWS, posts=CHILDREN)
    with pytest.raises((AssertionError, RowsteadError)):
        killed_often(sync_backend, "broken")
        whole(sync_backend)


def killed_often(backend: Backend, *more: str) -> int:
    """Kill migrating processes, each a few statements later than the one before, until one ends."""
    for killed, statement in enumerate(range(2, 1_000, 3)):
        process = start(backend, str(statement), *more)
        said = process.communicate(timeout=300)[0]
        if process.returncode == 0:
            return killed
        assert process.returncode == -signal.SIGKILL, said
    raise AssertionError("no process came to its end")
