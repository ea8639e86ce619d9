"""Migrations of what foreign keys stand on: unique constraints that come, go and stand beside each other."""

from __future__ import annotations

from typing import Any

import pytest

from rowstead.errors import ForeignKeyError, MigrationError
from rowstead.kit import Database
from rowstead.kit.builders import column, fk, table, unique

from .conftest import Make
from .migrations import fill, op, schema, users, version

ID = column("id", 1, "int64", primary_key=True)
MAIL = column("mail", 2, "text", nullable=True)
KEY = fk("fk_mail", "mail", "users", "email")
LETTERS = table("letters", 2, [ID, MAIL], "id", foreign_keys=[KEY])


def with_uniques(*names: str) -> Any:
    return users(unique_constraints=[unique(name, "email") for name in names])


def migrated(db: Database, new: Any, *ops: Any) -> None:
    db.set_schema(new)
    db.migrate([version(1, *ops)])


def assert_the_key_holds(db: Database) -> None:
    with db.begin() as txn:
        txn.insert("users", {"id": 7, "email": "g@x"})
        txn.insert("letters", {"id": 7, "mail": "g@x"})
        with pytest.raises(ForeignKeyError):
            txn.insert("letters", {"id": 8, "mail": "nobody@x"})


def test_one_of_two_unique_constraints_stays_while_a_foreign_key_may_stand_on_it(make: Make) -> None:
    """A server binds the key to one of them, a file to none: both refuse, and say what to do."""
    db = make(schema(with_uniques("one", "two"), LETTERS))
    fill(db, users=[{"id": 1, "email": "a@x"}], letters=[{"id": 1, "mail": "a@x"}])
    new = schema(with_uniques("two"), LETTERS)
    drop = op("drop_unique", "users", "one")
    with pytest.raises(MigrationError, match="foreign key fk_mail of letters needs it"):
        migrated(db, new, drop)
    migrated(
        db,
        new,
        op("drop_foreign_key", "letters", "fk_mail"),
        drop,
        op("add_foreign_key", "letters", "fk_mail"),
    )
    assert_the_key_holds(db)


def test_a_second_unique_constraint_is_dropped_by_its_own_name(make: Make) -> None:
    db = make(schema(with_uniques("one", "two")))
    migrated(db, schema(with_uniques("one")), op("drop_unique", "users", "two"))
    assert [u.name for u in db.table("users").uniques] == ["one"]


def test_a_new_table_waits_with_its_foreign_key_for_what_it_refers_to(make: Make) -> None:
    """The table's definition is the newest: it has a key to what becomes unique by a later operation."""
    db = make(schema(users()))
    migrated(
        db,
        schema(with_uniques("one"), LETTERS),
        op("create_table", "letters"),
        op("add_unique", "users", "one"),
        op("add_foreign_key", "letters", "fk_mail"),
    )
    assert_the_key_holds(db)


@pytest.mark.parametrize("first", ["create_table", "add_foreign_key"])
def test_a_foreign_key_to_what_is_not_unique_yet_says_so(make: Make, first: str) -> None:
    letters = table("letters", 2, [ID, MAIL], "id")
    db = make(schema(users(), letters) if first == "add_foreign_key" else schema(users()))
    part = "fk_mail" if first == "add_foreign_key" else None
    with pytest.raises(MigrationError, match="email of table 'users' is not unique yet; add that first"):
        migrated(
            db,
            schema(with_uniques("one"), LETTERS),
            op(first, "letters", part),
            op("add_unique", "users", "one"),
        )
