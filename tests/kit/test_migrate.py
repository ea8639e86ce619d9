"""What each operation does to tables and rows, and what it refuses; on every backend."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

from conftest import Backend
from rowstead.errors import (
    CheckError,
    DuplicateError,
    ForeignKeyError,
    MigrationError,
    NotNullError,
    RestrictError,
    StatementError,
    ValidationError,
)
from rowstead.kit import Database
from rowstead.kit.builders import check, column, fk, index, table, unique

from .conftest import Make
from .migrations import fill, op, posts, raw, read, schema, users, version

NAME = column("name", 3, "text", nullable=True)
ALICE, BOB = {"id": 1, "email": "a@x"}, {"id": 2, "email": "b@x"}


def migrated(db: Database, new: Any, *ops: Any, number: int = 1) -> None:
    db.set_schema(new)
    db.migrate([version(n) for n in range(1, number)] + [version(number, *ops)])


# Columns


def test_kit_d01_a_database_opens_after_add_column(make: Make, sync_backend: Backend) -> None:
    db = make(schema(users()))
    fill(db, users=[ALICE])
    migrated(db, schema(users(NAME)), op("add_column", "users", "name"))
    db.close()
    with Database.open(sync_backend.url) as again:
        assert read(again, "users") == [{**ALICE, "name": None}]
        with again.begin() as txn:
            txn.update("users", 1, {"name": "Alice"})
        assert read(again, "users") == [{**ALICE, "name": "Alice"}]


def test_a_new_column_gives_every_row_its_default(make: Make) -> None:
    db = make(schema(users()))
    fill(db, users=[BOB, ALICE, {"id": 3, "email": "c@x"}])
    more = [
        column("kind", 3, "text", default={"static": "user"}),
        column("at", 4, "date_time", default="now"),
        column("token", 5, "uuid", default="uuid"),
        column("place", 6, "int64", default={"sequence": "places"}),
        column("mark", 7, "text", default={"custom_name": "mark"}),
    ]
    marks = iter("xyz")
    db.register_default("mark", lambda: next(marks))
    migrated(db, schema(users(*more)), *(op("add_column", "users", c["name"]) for c in more))
    rows = read(db, "users")
    assert [row["kind"] for row in rows] == ["user"] * 3
    assert len({row["at"] for row in rows}) == 1
    assert len({row["token"] for row in rows}) == 3
    assert [(row["place"], row["mark"]) for row in rows] == [(1, "x"), (2, "y"), (3, "z")]
    with db.begin() as txn:
        assert txn.insert("users", {"id": 4, "email": "d@x", "mark": "m"})["place"] == 4
        with pytest.raises(NotNullError):
            txn.update("users", 4, {"token": None})


def test_a_new_column_without_value_or_default_is_refused_where_there_are_rows(
    make: Make, sync_backend: Backend
) -> None:
    db = make(schema(users(), posts()))
    fill(db, users=[ALICE])
    age = column("age", 3, "int64")
    with pytest.raises(NotNullError, match="give it a default") as caught:
        migrated(db, schema(users(age), posts()), op("add_column", "users", "age"))
    assert (caught.value.table, caught.value.column) == ("users", "age")
    assert raw(sync_backend, "SELECT * FROM users") == [(1, "a@x")]
    with db.begin() as txn:
        txn.delete("users", 1)
    migrated(db, schema(users(age), posts()), op("add_column", "users", "age"))
    fill(db, users=[{**ALICE, "age": 7}])


def test_a_dropped_column_takes_what_stands_on_it_and_leaves_the_rest(
    make: Make, sync_backend: Backend
) -> None:
    parts: dict[str, Any] = {
        "indexes": [index("ix", ["name", "email"])],
        "unique_constraints": [unique("uq", "email"), unique("uq_name", "name")],
    }
    db = make(schema(users(NAME, **parts), posts()))
    fill(db, users=[{**ALICE, "name": "A"}, BOB], posts=[{"id": 1, "user_id": 1}])
    migrated(
        db,
        schema(users(unique_constraints=[unique("uq", "email")]), posts()),
        op("drop_column", "users", "name"),
    )
    assert read(db, "users") == [ALICE, BOB]
    assert read(db, "posts") == [{"id": 1, "user_id": 1}]
    with pytest.raises(DuplicateError), db.begin() as txn:
        txn.insert("users", {"id": 3, "email": "a@x"})


def test_a_column_that_the_schema_still_has_is_not_dropped(make: Make) -> None:
    db = make(schema(users(NAME)))
    with pytest.raises(MigrationError, match="the schema still has it"):
        db.migrate([version(1, op("drop_column", "users", "name"))])
    db.migrate([version(1, op("drop_column", "users", "never"))])


def test_a_column_is_renamed_by_its_number_and_children_follow(make: Make, sync_backend: Backend) -> None:
    db = make(schema(users(), posts()))
    fill(db, users=[ALICE, BOB], posts=[{"id": 1, "user_id": 2}])
    new_users = table(
        "users", 1, [column("uid", 1, "int64", primary_key=True), column("mail", 2, "text")], "uid"
    )
    new_posts = posts()
    new_posts["foreign_keys"][0]["references_columns"] = ["uid"]
    ops = [op("alter_column", "users", "id"), op("alter_column", "users", "email")]
    migrated(db, schema(new_users, new_posts), *ops)
    assert read(db, "users") == [{"uid": 1, "mail": "a@x"}, {"uid": 2, "mail": "b@x"}]
    with db.begin() as txn:
        txn.delete("users", 2)
    assert read(db, "posts") == []


def test_children_stay_while_their_parent_is_made_anew(make: Make) -> None:
    db = make(schema(users(), posts()))
    children = [{"id": n, "user_id": n % 2 + 1} for n in range(1, 51)]
    fill(db, users=[ALICE, BOB], posts=children)
    longer = users()
    longer["columns"][1]["max_length"] = 5
    migrated(db, schema(longer, posts()), op("alter_column", "users", "email"))
    assert read(db, "posts") == children
    with pytest.raises(CheckError), db.begin() as txn:
        txn.insert("users", {"id": 3, "email": "longer than five"})
    with db.begin() as txn:
        txn.delete("users", 1)
    assert read(db, "posts") == [child for child in children if child["user_id"] == 2]


def test_a_parent_made_anew_with_foreign_keys_on_empties_its_children() -> None:
    """The control: what the test above would see if the runner did not switch them off."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(
        "PRAGMA foreign_keys = ON; CREATE TABLE p (id INTEGER PRIMARY KEY); INSERT INTO p VALUES (1);"
        "CREATE TABLE c (p INTEGER REFERENCES p ON DELETE CASCADE); INSERT INTO c VALUES (1); BEGIN;"
        "PRAGMA foreign_keys = OFF; CREATE TABLE q (id INTEGER PRIMARY KEY); INSERT INTO q SELECT id FROM p;"
        "DROP TABLE p; ALTER TABLE q RENAME TO p; COMMIT"
    )
    assert connection.execute("SELECT count(*) FROM c").fetchone() == (0,)
    connection.close()


def test_null_stands_against_not_null_and_nothing_is_kept(make: Make, sync_backend: Backend) -> None:
    db = make(schema(users(NAME)))
    fill(db, users=[ALICE])
    strict = schema(users({**NAME, "nullable": False}))
    with pytest.raises(NotNullError, match="has rows with NULL") as caught:
        migrated(db, strict, {"raw_sql": "CREATE TABLE x (n INTEGER)"}, op("alter_column", "users", "name"))
    assert isinstance(caught.value, ValidationError)
    assert "migration 1 (m1), operation 2 (alter_column users.name)" in str(caught.value)
    fill_in = {"raw_sql": "UPDATE users SET name = 'none' WHERE name IS NULL"}
    migrated(
        db, strict, {"raw_sql": "CREATE TABLE x (n INTEGER)"}, fill_in, op("alter_column", "users", "name")
    )
    assert read(db, "users") == [{**ALICE, "name": "none"}]
    with pytest.raises(NotNullError), db.begin() as txn:
        txn.insert("users", BOB)


# Constraints and indexes


def test_kit_d26_rows_are_found_after_add_unique(make: Make) -> None:
    db = make(schema(users()))
    fill(db, users=[ALICE, BOB])
    migrated(db, schema(users(unique_constraints=[unique("uq", "email")])), op("add_unique", "users", "uq"))
    with db.begin() as txn:
        assert txn.select("users", filter={"email": "a@x"}) == [ALICE]
    with pytest.raises(DuplicateError) as caught, db.begin() as txn:
        txn.insert("users", {"id": 3, "email": "a@x"})
    assert caught.value.constraint == "uq"


@pytest.mark.parametrize("kind", ["add_unique", "add_index"])
def test_duplicates_stand_against_a_unique_constraint(make: Make, kind: str) -> None:
    db = make(schema(users(NAME)))
    twins = [{"id": 1, "email": "a", "name": None}, {"id": 2, "email": "a", "name": None}]
    fill(db, users=twins)

    def wanted(on: str) -> Any:
        if kind == "add_unique":
            return schema(users(NAME, unique_constraints=[unique("u", on)]))
        return schema(users(NAME, indexes=[index("u", on, unique=True)]))

    with pytest.raises(MigrationError) as caught:
        migrated(db, wanted("email"), op(kind, "users", "u"))
    assert isinstance(caught.value.__cause__, DuplicateError)
    assert read(db, "users") == twins
    # NULLs are no duplicates.
    migrated(db, wanted("name"), op(kind, "users", "u"))


def test_kit_d27_an_added_check_holds_and_a_dropped_one_does_not(make: Make) -> None:
    bare, checked = schema(users()), schema(users(check_constraints=[check("id_small", "id < 10")]))
    db = make(bare)
    fill(db, users=[ALICE])
    db.set_schema(checked)
    db.migrate([version(1, op("add_check", "users", "id_small"))])
    with pytest.raises(CheckError) as caught, db.begin() as txn:
        txn.insert("users", {"id": 11, "email": "x"})
    assert caught.value.constraint == "id_small"
    both = [
        version(1, op("add_check", "users", "id_small")),
        version(2, op("drop_check", "users", "id_small")),
    ]
    db.set_schema(bare)
    db.migrate(both)
    fill(db, users=[{"id": 11, "email": "x"}])
    db.set_schema(checked)
    with pytest.raises(CheckError, match="operation 1"):
        db.migrate([*both, version(3, op("add_check", "users", "id_small"))])


def test_the_database_itself_holds_an_added_check(make: Make, sync_backend: Backend) -> None:
    db = make(schema(users()))
    wanted = schema(users(check_constraints=[check("id_small", "id < 10")]))
    migrated(db, wanted, op("add_check", "users", "id_small"))
    with pytest.raises(Exception, match="id_small"):
        raw(sync_backend, "INSERT INTO users (id, email) VALUES (11, 'x')")


def test_orphans_stand_against_a_foreign_key(make: Make) -> None:
    bare = table("posts", 2, posts()["columns"], "id")
    db = make(schema(users(), bare))
    fill(db, users=[ALICE], posts=[{"id": 1, "user_id": 9}, {"id": 2, "user_id": None}])
    with pytest.raises(ForeignKeyError) as caught:
        migrated(db, schema(users(), posts()), op("add_foreign_key", "posts", "fk_user"))
    assert (caught.value.table, caught.value.constraint) == ("posts", "fk_user")
    with db.begin() as txn:
        txn.delete("posts", 1)
    migrated(db, schema(users(), posts()), op("add_foreign_key", "posts", "fk_user"))
    with pytest.raises(ForeignKeyError), db.begin() as txn:
        txn.insert("posts", {"id": 3, "user_id": 9})


def test_a_dropped_foreign_key_is_not_enforced_any_more(make: Make) -> None:
    strict = posts()
    strict["foreign_keys"][0]["on_delete"] = "restrict"
    db = make(schema(users(), strict))
    fill(db, users=[ALICE], posts=[{"id": 1, "user_id": 1}])
    with pytest.raises(RestrictError), db.begin() as txn:
        txn.delete("users", 1)
    bare = table("posts", 2, posts()["columns"], "id")
    migrated(db, schema(users(), bare), op("drop_foreign_key", "posts", "fk_user"))
    with db.begin() as txn:
        txn.delete("users", 1)
    assert read(db, "posts") == [{"id": 1, "user_id": 1}]


def test_a_unique_key_that_a_foreign_key_needs_is_not_dropped(make: Make) -> None:
    children = table(
        "c", 2, [column("id", 1, "int64"), column("mail", 2, "text")], "id",
        foreign_keys=[fk("fk_mail", "mail", "users", "email")],
    )  # fmt: skip
    db = make(schema(users(unique_constraints=[unique("uq", "email")]), children))
    bare = table("c", 2, children["columns"], "id")
    with pytest.raises(MigrationError, match="foreign key fk_mail of c needs it"):
        migrated(
            db,
            schema(users(), bare),
            op("drop_unique", "users", "uq"),
            op("drop_foreign_key", "c", "fk_mail"),
        )
    migrated(
        db, schema(users(), bare), op("drop_foreign_key", "c", "fk_mail"), op("drop_unique", "users", "uq")
    )


# Tables


def test_tables_are_made_in_any_order_with_the_keys_between_them(make: Make) -> None:
    db = make(schema(users()))
    other = table(
        "a", 3, [column("id", 1, "int64"), column("b", 2, "int64", nullable=True)], "id",
        foreign_keys=[fk("ab", "b", "b", "id")],
    )  # fmt: skip
    back = table(
        "b", 4, [column("id", 1, "int64"), column("a", 2, "int64", nullable=True)], "id",
        foreign_keys=[fk("ba", "a", "a", "id"), fk("bb", "id", "b", "id")],
    )  # fmt: skip
    migrated(db, schema(users(), other, back), op("create_table", "a"), op("create_table", "b"))
    fill(db, a=[{"id": 1, "b": None}], b=[{"id": 1, "a": 1}])
    with pytest.raises(ForeignKeyError), db.begin() as txn:
        txn.update("a", 1, {"b": 5})


def test_a_table_that_the_schema_has_may_come_in_a_later_version(make: Make) -> None:
    db = make(schema())
    both = [
        version(1, op("create_table", "posts"), op("create_table", "comments")),
        version(2, op("create_table", "users")),
    ]
    comments = table(
        "comments", 3, [column("id", 1, "int64"), column("post", 2, "int64")], "id",
        foreign_keys=[fk("fk_post", "post", "posts", "id", on_delete="cascade")],
    )  # fmt: skip
    db.set_schema(schema(users(), posts(), comments))
    db.migrate(both[:1])
    fill(db, posts=[{"id": 1, "user_id": None}], comments=[{"id": 1, "post": 1}])
    db.migrate(both)
    assert read(db, "comments") == [{"id": 1, "post": 1}]
    with pytest.raises(ForeignKeyError), db.begin() as txn:
        txn.insert("posts", {"id": 2, "user_id": 1})


def test_a_dropped_table_is_gone_and_one_that_is_referred_to_stays(make: Make, sync_backend: Backend) -> None:
    db = make(schema(users(), posts()))
    fill(db, users=[ALICE], posts=[{"id": 1, "user_id": 1}])
    with pytest.raises(MigrationError, match="foreign key fk_user of posts refers to it"):
        db.migrate([version(1, op("drop_table", "users"))])
    migrated(db, schema(), op("drop_table", "posts"), op("drop_table", "users"), op("drop_table", "never"))
    assert db.table_names() == []
    with pytest.raises(Exception, match="users"):
        raw(sync_backend, "SELECT * FROM users")


def test_kit_d29_a_migration_that_fails_leaves_nothing(make: Make, sync_backend: Backend) -> None:
    db = make(schema(users(), posts()))
    fill(db, users=[ALICE], posts=[{"id": 1, "user_id": 1}])
    ops = [
        op("drop_table", "posts"),
        op("add_column", "users", "name"),
        {"raw_sql": "SELECT nonsense FROM users"},
    ]
    with pytest.raises(MigrationError) as caught:
        migrated(db, schema(users(NAME)), *ops)
    assert "operation 3" in str(caught.value)
    assert isinstance(caught.value.__cause__, (StatementError, ValidationError))
    db.close()
    with Database.open(sync_backend.url) as again:
        assert again.table_names() == ["users", "posts"]
        assert (read(again, "users"), read(again, "posts")) == ([ALICE], [{"id": 1, "user_id": 1}])
        with again.begin() as txn:
            txn.delete("users", 1)
        assert read(again, "posts") == []
        migrated(again, schema(users(NAME)), *ops[:2])
        assert again.table_names() == ["users"]


def test_versions_before_one_that_fails_stay(make: Make) -> None:
    db = make(schema(users()))
    with pytest.raises(MigrationError, match="applied before it: 1") as caught:
        db.migrate([version(1), version(2, {"raw_sql": "SELECT nonsense"})])
    assert caught.value.__cause__ is not None
    db.migrate([version(1), version(2, {"raw_sql": "SELECT 1"})])
