"""Operations beside the schema that they lead to: what no operation says, mistyped names, whole histories."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from conftest import Backend
from rowstead.errors import CheckError, MigrationError
from rowstead.kit import AsyncDatabase, Database
from rowstead.kit.builders import check, column, index, table, unique

from .conftest import Make
from .migrations import fill, op, posts, read, schema, users, version

NAME = column("name", 3, "text", nullable=True)
ALICE, BOB = {"id": 1, "email": "a@x"}, {"id": 2, "email": "b@x"}


def migrated(db: Database, new: Any, *ops: Any) -> None:
    db.set_schema(new)
    db.migrate([version(1, *ops)])


# What the schema has and no operation says


BARE = table("users", 1, [column("id", 1, "int64")], "id")
OTHER_NAME = table("users", 1, [column("id", 1, "int64"), column("mail", 2, "text")], "id")


@pytest.mark.parametrize(
    ("new", "hint"),
    [
        (users(NAME), op("add_column", "users", "name")),
        (BARE, op("drop_column", "users", "email")),
        (users(unique_constraints=[unique("u", "email")]), op("add_unique", "users", "u")),
        (users(indexes=[index("i", "email")]), op("add_index", "users", "i")),
        (users(check_constraints=[check("c", "id > 0")]), op("add_check", "users", "c")),
        (OTHER_NAME, op("alter_column", "users", "email")),
    ],
)
def test_a_change_that_no_operation_brings_about_is_refused_with_the_operation(
    make: Make, new: Any, hint: Any
) -> None:
    db = make(schema(users()))
    with pytest.raises(MigrationError, match="nothing was applied") as caught:
        migrated(db, schema(new), {"raw_sql": "CREATE TABLE x (n INTEGER)"})
    assert json.dumps(hint) in str(caught.value)


def test_a_default_changes_without_an_operation(make: Make) -> None:
    db = make(schema(users(NAME)))
    migrated(db, schema(users({**NAME, "default": {"static": "n"}})))
    with db.begin() as txn:
        assert txn.insert("users", ALICE)["name"] == "n"


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        (op("create_table", "usrs"), "no table 'usrs'; did you mean 'users'"),
        (op("add_column", "users", "nam"), "no column 'nam'; did you mean 'name'"),
        (op("add_column", "user", "name"), "no table 'user'; did you mean 'users'"),
        (op("alter_column", "users", "nope"), "no column 'nope'"),
        (op("add_index", "users", "ix"), "no index 'ix'"),
        (op("add_unique", "users", "ix"), "no unique constraint 'ix'"),
        (op("add_check", "users", "ix"), "no check 'ix'"),
        (op("add_foreign_key", "users", "ix"), "no foreign key 'ix'"),
        (op("add_column", "posts", "user_id"), "create_table comes first"),
    ],
)
def test_a_mistyped_name_is_refused(make: Make, operation: Any, words: str) -> None:
    # A column is still to be altered: else an unknown one could be one that has its last form already.
    db = make(schema(users(NAME) if operation.get("alter_column") else users()))
    with pytest.raises(MigrationError, match=re.escape(words)):
        migrated(db, schema(users({**NAME, "nullable": False}), posts()), operation)


# A whole history on a new database


HISTORY = [
    version(1, op("create_table", "users")),
    version(2, op("add_column", "users", "nick"), op("add_index", "users", "ix_old")),
    version(3, op("drop_index", "users", "ix_old"), op("alter_column", "users", "nick")),
    version(4, op("create_table", "gone"), op("add_column", "gone", "x"), op("drop_table", "gone")),
    version(5, op("add_column", "users", "tmp"), op("drop_column", "users", "tmp")),
    version(6, op("add_unique", "users", "uq"), op("create_table", "posts")),
]
LAST = schema(users(NAME, unique_constraints=[unique("uq", "email")]), posts())


@pytest.mark.parametrize("first", [LAST, schema()], ids=["made of the last schema", "empty"])
def test_a_history_runs_on_a_new_database(make: Make, first: Any) -> None:
    db = make(first)
    db.set_schema(LAST)
    db.migrate(HISTORY)
    fill(db, users=[{**ALICE, "name": "A"}], posts=[{"id": 1, "user_id": 1}])
    assert db.table_names() == ["users", "posts"]


async def test_the_asynchronous_database_migrates_alike(backend: Backend) -> None:
    async with await AsyncDatabase.create(backend.url, schema(users())) as db:
        async with await db.begin() as txn:
            await txn.insert("users", ALICE)
        place = column("place", 3, "int64", default={"sequence": "places"})
        db.set_schema(schema(users(place, check_constraints=[check("c", "place > 0")])))
        await db.migrate([version(1, op("add_column", "users", "place"), op("add_check", "users", "c"))])
        async with await db.begin() as txn:
            assert await txn.select("users") == [{**ALICE, "place": 1}]
            with pytest.raises(CheckError):
                await txn.insert("users", {**BOB, "place": 0})


def test_a_history_goes_on_from_its_middle(make: Make) -> None:
    db = make(schema(users()))
    fill(db, users=[ALICE])
    db.migrate(HISTORY[:1])
    db.set_schema(LAST)
    db.migrate(HISTORY)
    assert read(db, "users") == [{**ALICE, "name": None}]
