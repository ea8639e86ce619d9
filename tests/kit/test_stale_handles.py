"""A handle, or a process, whose schema another one has changed goes on with the new one by itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from conftest import Backend
from rowstead.kit import (
    AsyncDatabase,
    CheckError,
    Database,
    RowsteadError,
    UndefinedColumnError,
    ValidationError,
    column,
)
from rowstead.kit.stored import expected
from rowstead.sync.kit import database

from .migrations import op, schema, users, version

JOB = Path(__file__).with_name("job_insert.py")


def grade(*more: dict[str, Any]) -> dict[str, Any]:
    """Users with a column that has a default and a rule which only Python knows."""
    return schema(users(column("grade", 3, "text", default={"static": "new"}, regex="^[a-z]+$"), *more))


ADD = version(1, op("add_column", "users", "grade"))


def test_a_handle_takes_defaults_and_rules_that_another_handle_made(sync_backend: Backend) -> None:
    with Database.create(sync_backend.url, schema(users())) as one, Database.open(sync_backend.url) as other:
        one.set_schema(grade())
        one.migrate([ADD])
        with other.begin() as txn:
            assert txn.insert("users", {"id": 1, "email": "a@x"})["grade"] == "new"
            with pytest.raises(CheckError):
                txn.insert("users", {"id": 2, "email": "b@x", "grade": "123"})
        assert other.transaction(lambda txn: txn.insert("users", {"id": 3, "email": "c@x"}))["grade"] == "new"
        assert other.check() == []


def test_a_rule_alone_which_the_tables_do_not_show_is_taken_over(sync_backend: Backend) -> None:
    loose = schema(users(column("grade", 3, "text", nullable=True)))
    with Database.create(sync_backend.url, loose) as one, Database.open(sync_backend.url) as other:
        one.set_schema(grade())
        one.migrate([version(1, op("alter_column", "users", "grade"))])
        with other.begin() as txn, pytest.raises(CheckError):
            txn.insert("users", {"id": 2, "email": "b@x", "grade": "123"})


def test_control_a_handle_that_does_not_look_writes_by_the_rules_that_were(
    sync_backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "expected", lambda _edition: expected(None))
    loose = schema(users(column("grade", 3, "text", nullable=True)))
    with Database.create(sync_backend.url, loose) as one, Database.open(sync_backend.url) as other:
        one.set_schema(grade())
        one.migrate([version(1, op("alter_column", "users", "grade"))])
        with other.begin() as txn:
            assert txn.insert("users", {"id": 2, "email": "b@x", "grade": "123"})["grade"] == "123"
        assert one.check() == [
            "users: the row with id 2 breaks a rule: users.grade must match '^[a-z]+$'",
        ]


def test_a_column_that_is_gone_is_an_error_that_names_those_there_are(sync_backend: Backend) -> None:
    with Database.create(sync_backend.url, grade()) as one, Database.open(sync_backend.url) as other:
        one.set_schema(schema(users()))
        one.migrate([version(1, op("drop_column", "users", "grade"))])
        with other.begin() as txn, pytest.raises(UndefinedColumnError, match="grade"):
            txn.select("users", {"grade": "new"})


def test_a_transaction_goes_on_with_the_schema_that_it_sees(sync_backend: Backend) -> None:
    with Database.create(sync_backend.url, schema(users())) as one, Database.open(sync_backend.url) as other:
        with other.begin() as txn:
            txn.insert("users", {"id": 1, "email": "a@x"})
        one.set_schema(grade())
        one.migrate([ADD])
        with other.begin() as new:
            assert new.get_by_pk("users", 1) == {"id": 1, "email": "a@x", "grade": "new"}
        assert list(other.table("users").columns) == ["id", "email", "grade"]


def test_a_schema_that_was_set_is_not_overwritten_by_the_stored_one(sync_backend: Backend) -> None:
    with Database.create(sync_backend.url, schema(users())) as db:
        db.set_schema(grade())
        db.begin().rollback()
        assert "grade" in db.table("users").columns


def test_after_a_migration_that_failed_a_handle_works_with_what_the_database_has(
    sync_backend: Backend,
) -> None:
    with Database.create(sync_backend.url, schema(users())) as db:
        db.set_schema(grade())
        with pytest.raises(RowsteadError):
            db.migrate([version(1, op("drop_column", "users", "no_such"))])
        with db.begin() as txn:
            assert txn.insert("users", {"id": 1, "email": "a@x"}) == {"id": 1, "email": "a@x"}
        db.migrate([ADD])
        with db.begin() as txn:
            assert txn.get_by_pk("users", 1) == {"id": 1, "email": "a@x", "grade": "new"}


def test_another_process_takes_the_new_schema_at_its_next_transaction(sync_backend: Backend) -> None:
    with Database.create(sync_backend.url, schema(users())) as db:
        job = subprocess.Popen(
            [sys.executable, str(JOB), sync_backend.url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=dict(os.environ),
        )
        assert job.stdout is not None
        assert job.stdout.readline() == "['email', 'id']\n"
        db.set_schema(grade())
        db.migrate([ADD])
        said, _ = job.communicate("\n", timeout=60)
        assert (said, job.returncode) == ("new\n", 0)


async def test_a_handle_of_the_other_world_takes_it_too(backend: Backend) -> None:
    async with (
        await AsyncDatabase.create(backend.url, schema(users())) as one,
        await AsyncDatabase.open(backend.url) as other,
    ):
        one.set_schema(grade())
        await one.migrate([ADD])
        async with other.begin() as txn:
            assert (await txn.insert("users", {"id": 1, "email": "a@x"}))["grade"] == "new"


def test_a_file_is_imported_by_the_rules_that_hold_now(sync_backend: Backend, tmp_path: Path) -> None:
    rows = tmp_path / "users.jsonl"
    rows.write_text('{"id": 1, "email": "a@x", "grade": "123"}\n')
    with Database.create(sync_backend.url, schema(users())) as one, Database.open(sync_backend.url) as other:
        one.set_schema(grade())
        one.migrate([ADD])
        with pytest.raises(ValidationError, match="grade"):
            other.import_("users", rows)
