"""Guide 000: the program and the pieces, as written there, with only the import changed."""

from __future__ import annotations

import os
import runpy
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import Backend
from rowstead.kit import (
    Database,
    DuplicateError,
    agg,
    bool_,
    datetime,
    encode_pk,
    encode_row_guard_key,
    encode_unique_key,
    on_eq,
    table,
    text,
    unique,
)
from rowstead.kit import int as int_

PROGRAM = """
import os
import tempfile
from rowstead.kit import (
    Database,
    DuplicateError,
    ForeignKeyError,
    RestrictError,
    bool_,
    fk,
    int,
    table,
    text,
    unique,
)

def schema():
    return {
        "tables": [
            table(
                name="users",
                id=1,
                columns=[
                    int("id", 1, primary_key=True),
                    text("email", 2),
                    text("name", 3, nullable=True),
                ],
                primary_key="id",
                unique_constraints=[unique("uq_user_email", "email")],
            ),
            table(
                name="posts",
                id=2,
                columns=[
                    int("id", 1, primary_key=True),
                    int("user_id", 2),
                    text("title", 3),
                    text("body", 4, nullable=True),
                    bool_("published", 5, default={"static": False}),
                ],
                primary_key="id",
                foreign_keys=[
                    fk(
                        "fk_posts_user",
                        "user_id",
                        references_table="users",
                        references_columns="id",
                        on_delete="cascade",
                    )
                ],
            ),
        ]
    }

def tmp_db():
    return os.path.join(tempfile.mkdtemp(), "app.kitdb")

def main():
    path = tmp_db()

    # Create or open the database.
    db = Database.create(path, schema())

    # Run migrations.
    db.migrate(
        [
            {
                "version": 1,
                "name": "initial",
                "ops": [
                    {"create_table": {"name": "users"}},
                    {"create_table": {"name": "posts"}},
                ],
            }
        ]
    )

    # Insert users.
    with db.begin() as txn:
        alice = txn.insert("users", {"id": 1, "email": "alice@example.com", "name": "Alice"})
        bob = txn.insert("users", {"id": 2, "email": "bob@example.com"})
        txn.commit()

    # Insert a post.
    with db.begin() as txn:
        post = txn.insert(
            "posts",
            {"id": 1, "user_id": alice["id"], "title": "Hello Kit", "body": "First post."},
        )
        txn.commit()

    # Query posts by user, ordered by id descending.
    with db.begin() as txn:
        rows = txn.select(
            "posts",
            filter={"user_id": {"eq": 1}},
            order="-id",
            limit=10,
        )
        for row in rows:
            print(row)

    # Update the post.
    with db.begin() as txn:
        txn.update("posts", 1, {"published": True})
        txn.commit()

    # Deleting Alice cascades to her posts because of on_delete='cascade'.
    with db.begin() as txn:
        txn.delete("users", 1)
        txn.commit()

if __name__ == "__main__":
    main()
"""


def test_the_guides_program_runs_and_leaves_what_it_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "made"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "mkdtemp", lambda: str(folder))
    program = tmp_path / "kit_demo.py"
    program.write_text(PROGRAM)

    runpy.run_path(str(program), run_name="__main__")

    row = {"id": 1, "user_id": 1, "title": "Hello Kit", "body": "First post.", "published": False}
    assert capsys.readouterr().out == f"{row}\n"

    with Database.open(os.path.join(folder, "app.kitdb")) as db, db.begin() as txn:
        assert txn.select("users") == [{"id": 2, "email": "bob@example.com", "name": None}]
        assert txn.select("posts") == []


# The pieces behind the program


@pytest.fixture
def shop(sync_backend: Backend) -> Iterator[Database]:
    """The tables that the guide's pieces name: users, posts, products, customers and orders."""
    key = int_("id", 1, primary_key=True)
    numbered = int_("id", 1, primary_key=True, default={"sequence": "products_id"})
    schema = {
        "tables": [
            table(
                "users",
                1,
                [key, text("email", 2)],
                "id",
                unique_constraints=[unique("uq_user_email", "email")],
            ),
            table(
                "posts",
                2,
                [
                    key,
                    int_("user_id", 2),
                    text("title", 3),
                    bool_("published", 4, default={"static": False}),
                    datetime("placed_at", 5, default="now"),
                ],
                "id",
            ),
            table("products", 3, [numbered, text("sku", 2), text("name", 3)], "id"),
            table("customers", 4, [key, text("name", 2)], "id"),
            table("orders", 5, [key, int_("customer_id", 2), int_("amount", 3)], "id"),
        ]
    }
    with Database.create(sync_backend.url, schema) as db:
        yield db


def test_the_block_commits_on_exit(shop: Database) -> None:
    db = shop
    with db.begin() as txn:
        txn.insert("users", {"id": 1, "email": "alice@example.com"})
    # committed automatically on exit
    with db.begin() as txn:
        assert txn.count("users") == 1


def test_explicit_control(shop: Database) -> None:
    db = shop
    for email in ("a@example.com", "a@example.com"):
        txn = db.begin()
        try:
            txn.insert("users", {"id": 1, "email": email})
            txn.commit()
        except Exception:
            txn.rollback()
    with db.begin() as txn:
        assert txn.select("users") == [{"id": 1, "email": "a@example.com"}]


def test_insert_many(shop: Database) -> None:
    db = shop
    with db.begin() as txn:
        rows = txn.insert_many(
            "products",
            [
                {"sku": "A-1", "name": "Anvil"},
                {"sku": "B-1", "name": "Bucket"},
            ],
        )
    assert rows[0]["id"] == 1
    assert rows[1]["id"] == 2


def test_select(shop: Database) -> None:
    with shop.begin() as txn:
        txn.insert_many(
            "posts",
            [
                {"id": n, "user_id": 1, "title": f"t{n}", "published": n != 2, "placed_at": f"2024-01-0{n}"}
                for n in (1, 2, 3)
            ],
        )
        rows = txn.select(
            "posts",
            filter={"published": {"eq": True}, "user_id": {"gt": 0}},
            order="-placed_at",
            limit=10,
            offset=0,
            columns=["id", "title"],
            distinct=False,
        )
    assert rows == [{"id": 3, "title": "t3"}, {"id": 1, "title": "t1"}]


@pytest.fixture
def orders(shop: Database) -> Database:
    with shop.begin() as txn:
        txn.insert_many("customers", [{"id": 1, "name": "Ann"}, {"id": 2, "name": "Bob"}])
        pairs = [(1, 1, 10), (2, 1, 5), (3, 2, 7)]
        txn.insert_many("orders", [{"id": i, "customer_id": c, "amount": a} for i, c, a in pairs])
    return shop


def test_aggregate(orders: Database) -> None:
    with orders.begin() as txn:
        rows = txn.aggregate(
            "orders",
            aggregates=[agg("count", "n"), agg("sum", "spent", "amount")],
            group_by=["customer_id"],
            having={"n": {"gt": 1}},
        )
    assert rows == [{"customer_id": 1, "n": 2, "spent": 15}]


def test_join(orders: Database) -> None:
    with orders.begin() as txn:
        rows = txn.join(
            "orders",
            alias="o",
            joins=[
                {
                    "kind": "inner",
                    "table": "customers",
                    "alias": "c",
                    "on": on_eq("o.customer_id", "c.id"),
                }
            ],
        )
    assert sorted((row["o"]["id"], row["c"]["name"]) for row in rows if row["o"] and row["c"]) == [
        (1, "Ann"),
        (2, "Ann"),
        (3, "Bob"),
    ]


def test_ctes(orders: Database) -> None:
    with orders.begin() as txn:
        big = {"name": "big", "table": "orders", "filter": {"amount": {"gte": 7}}}
        rows = txn.select("big", ctes=[big], order="id", columns=["id"])
    assert rows == [{"id": 1}, {"id": 3}]


def test_the_handles_other_verbs(shop: Database) -> None:
    db = shop
    assert db.allocate_sequence("orders_id_seq") == 1
    assert db.allocate_sequence("orders_id_seq", 10) == 2
    assert db.table_names() == ["users", "posts", "products", "customers", "orders"]
    db.transaction(lambda txn: txn.insert("users", {"id": 1, "email": "a@example.com"}))
    with db.begin() as txn:
        assert txn.get_by_pk("users", 1) == {"id": 1, "email": "a@example.com"}


def test_the_encoders() -> None:
    assert encode_pk([{"int": 1}]) == "i:1"
    assert encode_unique_key(1, "uq_user_email", [{"text": "a@example.com"}]) == (
        "uq:1:uq_user_email:s:a@example.com"
    )
    assert encode_row_guard_key("users", [{"int": 1}]) == "rg:users:i:1"


def test_exceptions_carry_a_code(shop: Database) -> None:
    with shop.begin() as txn:
        txn.insert("users", {"id": 1, "email": "alice@example.com"})
        with pytest.raises(DuplicateError) as caught:
            txn.insert("users", {"id": 2, "email": "alice@example.com"})
    exc = caught.value
    assert exc.code == "DUPLICATE"
    assert exc.constraint == "uq_user_email"
