"""A migration that rows stand against names the declared table and constraint on every database."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from rowstead.errors import MigrationError, RowsteadError
from rowstead.kit import Database
from rowstead.kit.builders import check, fk, index, int, table, text, unique
from rowstead.migrations import carrying

from .conftest import Make
from .migrations import fill, op, schema, version

LONG = "l" * 60
ROWS = [{"id": 1, "uid": 7, "name": "a"}, {"id": 2, "uid": 7, "name": "a"}]
INTERNAL = ("_alembic", "_rowstead")


def children(name: str = "c", **more: Any) -> dict[str, Any]:
    columns = [int("id", 1), int("uid", 2, nullable=True), text("name", 3, nullable=True)]
    return table(name, 1, columns, "id", **more)


def refused(db: Database, new: Any, *ops: Any) -> RowsteadError:
    db.set_schema(new)
    with pytest.raises(RowsteadError) as caught:
        db.migrate([version(1, *ops)])
    said = str(caught.value)
    assert not any(internal in said for internal in INTERNAL), said
    return caught.value


# The kind of the operation, what is declared, the column that the error names.
PARTS: list[tuple[str, dict[str, Any], str | None]] = [
    ("add_unique", {"unique_constraints": [unique("w", "uid")]}, "uid"),
    ("add_unique", {"unique_constraints": [unique("w", ["uid", "name"])]}, None),
    ("add_index", {"indexes": [index("w", "uid", unique=True)]}, "uid"),
    ("add_check", {"check_constraints": [check("w", "uid < 5")]}, None),
    ("add_foreign_key", {"foreign_keys": [fk("w", "uid", "c", "id")]}, "uid"),
]


@pytest.mark.parametrize("name", ["c", LONG])
@pytest.mark.parametrize(("kind", "declared", "column"), PARTS)
def test_a_constraint_that_rows_break_is_named_as_it_is_declared(
    make: Make, kind: str, declared: dict[str, Any], column: str | None, name: str
) -> None:
    if "foreign_keys" in declared:
        declared = {"foreign_keys": [fk("w", "uid", name, "id")]}
    db = make(schema(children(name)))
    fill(db, **{name: ROWS})
    error = refused(db, schema(children(name, **declared)), op(kind, name, "w"))
    assert (error.table, error.column, error.constraint) == (name, column, "w")
    assert "w" in str(error).split("\n")[0]
    assert f"{name}_w" not in str(error)


def test_a_rule_that_rows_break_is_named(make: Make) -> None:
    db = make(schema(children()))
    fill(db, c=ROWS)
    limited = [int("id", 1), int("uid", 2, nullable=True, max=5), text("name", 3, nullable=True)]
    wanted = schema(table("c", 1, limited, "id"))
    error = refused(db, wanted, op("alter_column", "c", "uid"))
    assert (error.table, error.constraint) == ("c", "uid_range")


def test_of_two_unique_constraints_the_new_one_is_named(make: Make) -> None:
    db = make(schema(children(unique_constraints=[unique("there", ["id", "uid"])])))
    fill(db, c=ROWS)
    both = [unique("there", ["id", "uid"]), unique("more", "name")]
    error = refused(db, schema(children(unique_constraints=both)), op("add_unique", "c", "more"))
    assert isinstance(error, MigrationError)
    assert error.constraint == "more"


def test_what_refuses_plain_sql_of_a_migration_has_its_declared_name(make: Make) -> None:
    declared = children(unique_constraints=[unique("w", "name")])
    db = make(schema(declared))
    fill(db, c=ROWS[:1])
    sql = {"raw_sql": "INSERT INTO c (id, uid, name) VALUES (9, 1, 'a')"}
    error = refused(db, schema(declared), sql)
    assert (error.table, error.constraint) == ("c", "w")


def test_control_the_databases_call_it_otherwise(make: Make) -> None:
    """Without the declared names the error of the same statement has another constraint, or another table."""

    def as_it_is(work: Any, *_: Any) -> Any:
        return work

    db = make(schema(children()))
    fill(db, c=ROWS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(carrying, "declaring", as_it_is)
        db.set_schema(schema(children(unique_constraints=[unique("w", "uid")])))
        with pytest.raises(MigrationError) as caught:
            db.migrate([version(1, op("add_unique", "c", "w"))])
    assert (caught.value.table, caught.value.constraint) != ("c", "w")


def test_without_alembic_the_extra_is_named_and_the_handle_works_with_what_there_is(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    db = make(schema(children()))
    more = schema(children(), children("d") | {"id": 2})
    db.set_schema(more)
    history = [version(1, op("create_table", "d"))]
    with monkeypatch.context() as patch:
        patch.delitem(sys.modules, "rowstead.migrations.rendering", raising=False)
        for name in [name for name in sys.modules if name.partition(".")[0] == "alembic"]:
            patch.delitem(sys.modules, name)
        patch.setitem(sys.modules, "alembic", None)
        with pytest.raises(ImportError, match=r"pip install 'rowstead\[migrate\]'"):
            db.migrate(history)
    assert db.table_names() == ["c"]
    fill(db, c=ROWS)
    assert db.check() == []
    db.migrate(history)
    assert db.table_names() == ["c", "d"]
