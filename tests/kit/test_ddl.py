"""What is declared as DDL: each database's types, named constraints, an order that can be run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from conftest import Backend
from rowstead import DuplicateError, ForeignKeyError, IntegrityError, RestrictError
from rowstead.dialects import DIALECTS, POSTGRESQL, SQLITE
from rowstead.kit import builders as b
from rowstead.kit.catalogue import tables_of
from rowstead.statements.ddl import create_statements, metadata_of, parents_first, sqlalchemy_table
from rowstead.sync import DB
from rowstead.tables.constraints import constraint_of, physical_name, short_name, suspects
from rowstead.tables.schema import Table

from .migrations import raw


def tables(*given: dict[str, Any]) -> dict[str, Table]:
    return tables_of({"tables": list(given)})


def shop() -> dict[str, Table]:
    return tables(
        b.table(
            "items",
            3,
            [
                b.int("id", 1),
                b.text("email", 2),
                b.int("up", 3, nullable=True),
                b.int("box", 4, nullable=True),
            ],
            "id",
            foreign_keys=[
                b.fk("fk_user", "email", "users", "email", "restrict"),
                b.fk("fk_up", "up", "items", "id", "cascade"),
                b.fk("fk_box", "box", "boxes", "code", "set_null"),
            ],
            indexes=[b.index("by_mail", "email")],
        ),
        b.table(
            "users",
            1,
            [b.int("id", 1), b.text("email", 2), b.int("a", 3), b.int("b", 4)],
            "id",
            unique_constraints=[b.unique("uq_email", "email"), b.unique("uq_pair", ["a", "b"])],
        ),
        b.table(
            "boxes",
            2,
            [
                b.int("id", 1),
                b.int("code", 2),
                b.int("inside", 3, nullable=True),
                b.int("item", 4, nullable=True),
            ],
            "id",
            indexes=[b.index("one_code", "code", unique=True)],
            foreign_keys=[
                b.fk("fk_inside", "inside", "boxes", "code"),
                b.fk("fk_item", "item", "items", "id", "cascade"),
            ],
        ),
    )


@pytest.fixture
def db(sync_backend: Backend) -> Iterator[DB]:
    with DB.from_url(sync_backend.url) as handle:
        yield handle


def create(db: DB, backend: Backend, described: dict[str, Table]) -> None:
    for statement in create_statements(
        described, DIALECTS["postgresql" if backend.is_postgres else "sqlite"]
    ):
        db.execute(statement)


TYPES = [
    *("int8", "int16", "int32", "int64", "float32", "float64", "text", "bool", "json", "bytes"),
    *("timestamp_nanos", "date", "date_time", "date64", "time64", "interval", "decimal128", "uuid"),
    *("json_native", "array", "sparse"),
]
ON_SERVER = [
    *("SMALLINT", "SMALLINT", "INTEGER", "BIGINT", "REAL", "DOUBLE PRECISION", 'TEXT COLLATE "C"', "BOOLEAN"),
    *("JSONB", "BYTEA", "BIGINT", "DATE", "TIMESTAMP WITH TIME ZONE", "DATE", "TIME WITHOUT TIME ZONE"),
    *("INTERVAL", "NUMERIC", "UUID", "JSONB", "JSONB", "JSONB"),
]
IN_FILE = [
    *("INTEGER", "INTEGER", "INTEGER", "INTEGER", "REAL", "REAL", "TEXT", "BOOLEAN", "TEXT", "BLOB"),
    *("INTEGER", "TEXT", "TEXT", "TEXT", "TEXT", "INTEGER", "TEXT", "TEXT", "TEXT", "TEXT", "TEXT"),
]


@pytest.mark.parametrize(("dialect", "expected"), [(POSTGRESQL, ON_SERVER), (SQLITE, IN_FILE)])
def test_each_type_is_what_holds_it_in_each_database(dialect: Any, expected: list[str]) -> None:
    columns = [b.column(f"c{n}", n, storage, nullable=True) for n, storage in enumerate(TYPES, start=1)]
    described = tables(b.table("t", 1, [b.int("id", 0), *columns, b.embedding("e", 99, 2)], "id"))
    (statement,) = create_statements(described, dialect)
    for number, type_ in enumerate(expected, start=1):
        assert f" c{number} {type_}, " in statement
    assert f" e {'DOUBLE PRECISION[]' if dialect is POSTGRESQL else 'TEXT'} NOT NULL, " in statement


def test_a_table_reads_as_a_person_writes_it() -> None:
    described = tables(
        b.table(
            "order",
            1,
            [b.int("id", 1), b.text('say "x"', 2, nullable=True, max_length=5)],
            "id",
            indexes=[b.index("by", 'say "x"')],
            check_constraints=[b.check("big", "id > 0 or id = -1")],
        )
    )
    assert create_statements(described, POSTGRESQL) == [
        'CREATE TABLE "order" ( id BIGINT NOT NULL, "say ""x""" TEXT COLLATE "C", '
        'CONSTRAINT order_pkey PRIMARY KEY (id), CONSTRAINT "say ""x""_length" CHECK '
        '(length("say ""x""") <= 5), CONSTRAINT big CHECK (id > 0 OR id = -1) )',
        'CREATE INDEX order_by ON "order" ("say ""x""")',
    ]
    assert create_statements(described, SQLITE)[1] == 'CREATE INDEX order_by ON `order` (`say "x"`)'


def test_a_text_in_a_check_keeps_its_line_breaks_and_signs() -> None:
    text = "c != 'a\n\tb=c: %s ''x'".replace("''x", "\\'x")
    described = tables(b.table("t", 1, [b.int("id", 1), b.text("c", 2, check_expr=text)], "id"))
    for dialect in (SQLITE, POSTGRESQL):
        (statement,) = create_statements(described, dialect)
        assert "CHECK (c != 'a\n\tb=c: %s ''x')" in statement


def test_parents_come_first_and_circles_are_closed_afterwards(sync_backend: Backend, db: DB) -> None:
    described = shop()
    assert [t.name for t in parents_first(described)] == ["users", "boxes", "items"]
    statements = create_statements(described, POSTGRESQL)
    late = [s for s in statements if s.startswith("ALTER TABLE")]
    assert [s.split(" FOREIGN KEY")[0] for s in late] == [
        "ALTER TABLE boxes ADD CONSTRAINT fk_inside",
        "ALTER TABLE boxes ADD CONSTRAINT fk_item",
    ]
    assert not any(s.startswith("ALTER") for s in create_statements(described, SQLITE))
    create(db, sync_backend, described)
    db.execute("INSERT INTO users VALUES (1, 'a', 1, 1)")
    db.execute("INSERT INTO boxes VALUES (1, 5, 5, NULL)")
    db.execute("INSERT INTO items VALUES (1, 'a', 1, 5)")
    db.execute("UPDATE boxes SET item = 1")
    db.execute("DELETE FROM items")
    assert db.fetchval("SELECT count(*) FROM boxes") == 0


@pytest.mark.parametrize(
    ("statement", "table", "error", "constraint"),
    [
        ("INSERT INTO users VALUES (1, 'b', 9, 9)", "users", DuplicateError, "users_pkey"),
        ("INSERT INTO users VALUES (2, 'a', 9, 9)", "users", DuplicateError, "uq_email"),
        ("INSERT INTO users VALUES (2, 'b', 1, 1)", "users", DuplicateError, "uq_pair"),
        ("INSERT INTO boxes VALUES (2, 5, NULL, NULL)", "boxes", DuplicateError, "one_code"),
        ("DELETE FROM users", "users", IntegrityError, "fk_user"),
    ],
)
def test_an_error_is_about_the_declared_constraint(
    sync_backend: Backend, db: DB, statement: str, table: str, error: type[IntegrityError], constraint: str
) -> None:
    described = shop()
    create(db, sync_backend, described)
    db.execute("INSERT INTO users VALUES (1, 'a', 1, 1)")
    db.execute("INSERT INTO boxes VALUES (1, 5, NULL, NULL)")
    db.execute("INSERT INTO items VALUES (1, 'a', 1, 5)")
    with pytest.raises(error) as raised:
        db.execute(statement)
    assert constraint_of(described[table], raised.value, described) == constraint


def test_a_foreign_key_without_a_name_is_found_or_suspected() -> None:
    described = shop()
    error = ForeignKeyError("FOREIGN KEY constraint failed")
    found = suspects(described["items"], error, described)
    assert [(t.name, key.name) for t, key in found] == [
        ("items", "fk_user"),
        ("items", "fk_up"),
        ("items", "fk_box"),
    ]
    assert constraint_of(described["items"], error, described) is None
    alone = tables(
        b.table("p", 1, [b.int("id", 1)], "id"),
        b.table("c", 2, [b.int("id", 1)], "id", foreign_keys=[b.fk("fk", "id", "p", "id")]),
    )
    assert constraint_of(alone["c"], error, alone) == "fk"
    assert constraint_of(alone["p"], RestrictError(""), alone) == "fk"


def test_a_restriction_below_a_cascade_is_suspected_too() -> None:
    described = tables(
        b.table("a", 1, [b.int("id", 1)], "id"),
        b.table("b", 2, [b.int("id", 1)], "id", foreign_keys=[b.fk("b_a", "id", "a", "id", "cascade")]),
        b.table("c", 3, [b.int("id", 1)], "id", foreign_keys=[b.fk("c_b", "id", "b", "id")]),
    )
    error = RestrictError("")
    assert constraint_of(described["a"], error, described, deleting=True) == "c_b"
    assert constraint_of(described["a"], error, described, deleting=False) == "b_a"
    # Not known whether it was a deletion: both could be it.
    assert constraint_of(described["a"], error, described) is None
    assert [key.name for _, key in suspects(described["a"], error, described)] == ["c_b", "b_a"]


def test_long_names_stay_apart_and_within_63_bytes(sync_backend: Backend, db: DB) -> None:
    names = ["é" * 40 + end for end in ("x", "y")]
    described = tables(
        b.table(
            "t",
            1,
            [b.int("id", 1), b.int("v", 2)],
            "id",
            unique_constraints=[b.unique(name, ["id", "v"]) for name in names],
            check_constraints=[b.check(name, "v > 0") for name in names],
        )
    )
    assert len({physical_name("t", name) for name in names}) == 2
    assert all(len(short_name(name).encode()) <= 63 for name in names)
    assert short_name("é" * 31) == "é" * 31
    create(db, sync_backend, described)
    with pytest.raises(IntegrityError) as raised:
        db.execute("INSERT INTO t VALUES (1, 0)")
    assert constraint_of(described["t"], raised.value) in names


def test_one_table_stands_alone_with_what_it_refers_to() -> None:
    described = shop()
    metadata = sa.MetaData()
    items = sqlalchemy_table(described["items"], metadata, POSTGRESQL)
    assert {fk.target_fullname for fk in items.foreign_keys} == {"users.email", "items.id", "boxes.code"}
    users = sqlalchemy_table(described["users"], metadata, POSTGRESQL)
    assert list(users.c.keys()) == ["id", "email", "a", "b"]
    assert metadata.tables["users"] is users
    whole = metadata_of(described, POSTGRESQL)
    names = {c.name for table in whole.tables.values() for c in table.constraints}
    assert {"users_pkey", "users_uq_email", "fk_user", "fk_inside"} <= names
    assert None not in names


def test_text_is_ordered_by_code_point_on_both(sync_backend: Backend, db: DB) -> None:
    create(db, sync_backend, tables(b.table("t", 1, [b.int("id", 1), b.text("c", 2)], "id")))
    for number, text in enumerate(["b", "a", "B", "é", "_", "\U00010000", "\uffff"]):
        db.execute("INSERT INTO t VALUES ($1, $2)", number, text)
    rows = db.fetch("SELECT c FROM t ORDER BY c")
    assert [row["c"] for row in rows] == ["B", "_", "a", "b", "é", "\uffff", "\U00010000"]


def test_unique_constraints_on_the_same_columns_are_all_there(sync_backend: Backend, db: DB) -> None:
    """PostgreSQL's CREATE TABLE would make one of them, by the first name."""
    names = ["on_key", "first", "second", "turned", "third"]
    columns = [["id"], ["a", "b"], ["a", "b"], ["b", "a"], ["a", "b"]]
    uniques = [b.unique(name, some) for name, some in zip(names, columns, strict=True)]
    described = tables(
        b.table("t", 1, [b.int("id", 1), b.int("a", 2), b.int("b", 3)], "id", unique_constraints=uniques)
    )
    create(db, sync_backend, described)
    assert sorted(made_uniques(sync_backend)) == sorted(f"t_{name}" for name in names)


def test_control_create_table_alone_loses_some_of_them(sync_backend: Backend, db: DB) -> None:
    db.execute(
        "CREATE TABLE t (id BIGINT NOT NULL, a BIGINT, CONSTRAINT t_pkey PRIMARY KEY (id),"
        " CONSTRAINT t_on_key UNIQUE (id), CONSTRAINT t_first UNIQUE (a), CONSTRAINT t_second UNIQUE (a))"
    )
    lost = {"t_on_key", "t_second"} if sync_backend.is_postgres else set[str]()
    assert made_uniques(sync_backend) == {"t_on_key", "t_first", "t_second"} - lost


def made_uniques(backend: Backend) -> set[str]:
    """The names of the unique constraints of `t`, as the database has them."""
    if backend.is_postgres:
        sql = "SELECT conname FROM pg_constraint WHERE contype = 'u' AND conrelid = 't'::regclass"
        return {name for (name,) in raw(backend, sql)}
    ((sql,),) = raw(backend, "SELECT sql FROM sqlite_master WHERE name = 't'")
    return set(re.findall(r"CONSTRAINT (\w+) UNIQUE", sql))
