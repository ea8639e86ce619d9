"""Under the repository: SQLAlchemy's tables as the core describes them, and its errors as ours."""

from __future__ import annotations

import datetime
import enum
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.orm.exc import StaleDataError

from rowstead.drivers.sqlalchemy_errors import translated
from rowstead.errors import (
    ConflictError,
    DataError,
    DisconnectedError,
    DuplicateError,
    IntegrityError,
    OperationalError,
    PoolTimeout,
    RowsteadError,
    StatementError,
    TransactionFailed,
    UsageError,
    ValidationError,
)
from rowstead.language.bound import model_table
from rowstead.tables.column_types import Stored
from rowstead.tables.from_sqlalchemy import TablesOf, column_of_type, named_table, table_of
from rowstead.tables.schema import ForeignKey, Index, Kind, Unique


class Color(enum.Enum):
    RED = "red"


KINDS: list[tuple[Any, Kind, Any]] = [
    (sa.Integer(), Kind.INT, int),
    (sa.SmallInteger(), Kind.INT, int),
    (mysql.TINYINT(), Kind.INT, int),
    (sa.Float(), Kind.FLOAT, float),
    (sa.Float(asdecimal=True), Kind.DECIMAL, Decimal),
    (sa.Numeric(9, 2), Kind.DECIMAL, Decimal),
    (sa.Numeric(asdecimal=False), Kind.FLOAT, float),
    (sa.Boolean(), Kind.BOOL, bool),
    (sa.String(4), Kind.STR, str),
    (sa.Text(), Kind.STR, str),
    (postgresql.CITEXT(), Kind.STR, str),
    (sa.LargeBinary(), Kind.BYTES, bytes),
    (postgresql.BYTEA(), Kind.BYTES, bytes),
    (sa.Uuid(), Kind.UUID, uuid.UUID),
    (sa.Uuid(as_uuid=False), Kind.STR, str),
    (postgresql.UUID(), Kind.UUID, uuid.UUID),
    (sa.Date(), Kind.DATE, datetime.date),
    (sa.Time(), Kind.TIME, datetime.time),
    (sa.DateTime(timezone=True), Kind.DATETIME, datetime.datetime),
    (postgresql.TIMESTAMP(), Kind.DATETIME, datetime.datetime),
    (sa.Interval(), Kind.TIMEDELTA, datetime.timedelta),
    (postgresql.INTERVAL(), Kind.TIMEDELTA, datetime.timedelta),
    (sa.Enum(Color), Kind.ENUM, Color),
    (sa.Enum("a", "b"), Kind.STR, str),
    (sa.JSON(), Kind.JSON, None),
    (postgresql.JSONB(), Kind.JSON, None),
    (sa.ARRAY(sa.Integer()), Kind.LIST, list),
    (sa.PickleType(), Kind.OTHER, None),
    (Stored(list[int]), Kind.LIST, list[int]),
    (Stored(Decimal), Kind.DECIMAL, Decimal),
]


@pytest.mark.parametrize(("type_", "kind", "python"), KINDS, ids=lambda value: str(value)[:30])
def test_each_type_has_its_kind_and_stays_with_the_column(type_: Any, kind: Kind, python: Any) -> None:
    column = column_of_type("c", type_, nullable=True)
    assert (column.name, column.kind, column.type, column.nullable) == ("c", kind, python, True)
    assert column.via is type_


def test_an_array_knows_its_elements() -> None:
    column = column_of_type("c", sa.ARRAY(sa.Enum(Color), dimensions=2))
    assert column.element is not None
    assert column.element.kind is Kind.LIST
    assert column.element.element is not None
    assert column.element.element.type is Color


def tables() -> sa.MetaData:
    metadata = sa.MetaData()
    sa.Table(
        "parents",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("code", sa.String(9), unique=True, nullable=False),
        schema="app",
    )
    sa.Table(
        "children",
        metadata,
        sa.Column("a", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("b", sa.Integer, primary_key=True),
        sa.Column("parent", sa.ForeignKey("app.parents.id", ondelete="CASCADE", onupdate="SET NULL")),
        sa.Column("name", sa.String(9), nullable=False),
        sa.UniqueConstraint("name", "parent", name="uq_name"),
        sa.Index("by_name", "name"),
        sa.Index("once", "parent", unique=True),
        sa.Index("some", "name", unique=True, postgresql_where=sa.text("a > 1")),
        sa.Index("lowered", sa.func.lower(sa.column("name"))),
    )
    return metadata


def test_a_table_is_described_with_its_constraints_and_their_names() -> None:
    metadata = tables()
    parent, child = (table_of(metadata.tables[name]) for name in ("app.parents", "children"))
    assert (parent.name, parent.schema, parent.key) == ("parents", "app", ("id",))
    assert parent.uniques == (Unique("parents_code_key", ("code",)),)
    assert child.key == ("a", "b")
    assert child.uniques == (Unique("uq_name", ("name", "parent")),)
    # An index on some of the rows, or on an expression, is nobody's key.
    assert child.indexes == (Index("by_name", ("name",)), Index("once", ("parent",), unique=True))
    assert child.foreign_keys == (
        ForeignKey("children_parent_fkey", ("parent",), "parents", ("id",), "cascade", "set_null"),
    )
    nullable = {name: column.nullable for name, column in child.columns.items()}
    assert nullable == {"a": False, "b": False, "parent": True, "name": False}
    # A key that the database counts may be left out.
    assert parent.columns["id"].nullable


def test_a_table_is_described_once_until_it_gets_another_column() -> None:
    table = tables().tables["children"]
    first = table_of(table)
    assert table_of(table) is first
    table.append_column(sa.Column("late", sa.Integer))
    assert "late" in table_of(table).columns
    assert TablesOf(table.metadata)["children"] is table_of(table)
    assert sorted(TablesOf(table.metadata)) == ["app.parents", "children"]
    assert named_table("children") is None
    assert named_table(int) is None


def test_a_class_that_gets_another_attribute_is_described_anew() -> None:
    class Local(DeclarativeBase):
        pass

    class Thing(Local):
        __tablename__ = "things"
        id: Mapped[int] = mapped_column(primary_key=True)

    assert set(model_table(Thing).named.columns) == {"id"}
    Thing.late = mapped_column(sa.Integer)  # pyright: ignore[reportAttributeAccessIssue]
    assert set(model_table(Thing).named.columns) == {"id", "late"}
    with pytest.raises(UsageError, match="not a mapped class"):
        model_table(int)


# Errors


class Drivers(Exception):
    """What a driver raises, nothing that anybody here knows."""


def nobodys(_error: Exception) -> RowsteadError | None:
    return None


def of_driver(error: Exception) -> RowsteadError | None:
    return DuplicateError("known") if isinstance(error, Drivers) else None


def wrapped(make: Callable[..., exc.DBAPIError], cause: BaseException) -> exc.DBAPIError:
    return make("SELECT 1", {}, cause)


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (StaleDataError("1 row expected"), ConflictError),
        (exc.PendingRollbackError("roll back"), TransactionFailed),
        (exc.TimeoutError("QueuePool limit"), PoolTimeout),
        (exc.MissingGreenlet("await_"), UsageError),
        (exc.InvalidRequestError("closed"), UsageError),
        (exc.ArgumentError("what"), UsageError),
        (exc.StatementError("bind", "SELECT 1", {}, TypeError("no date")), ValidationError),
        (exc.StatementError("bind", "SELECT 1", {}, DataError("too long")), DataError),
        (wrapped(exc.IntegrityError, Drivers("x")), IntegrityError),
        (wrapped(exc.DataError, Drivers("x")), DataError),
        (wrapped(exc.ProgrammingError, Drivers("x")), StatementError),
        (wrapped(exc.OperationalError, Drivers("x")), OperationalError),
        (
            exc.OperationalError("SELECT 1", {}, Drivers("gone"), connection_invalidated=True),
            DisconnectedError,
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_errors_of_drivers_that_nobody_knows_are_ours_by_sqlalchemys_classes(
    error: Exception, wanted: type[RowsteadError]
) -> None:
    found = translated(error, nobodys)
    assert type(found) is wanted


def test_the_drivers_own_error_is_found_beneath_and_comes_first() -> None:
    outer = Drivers("adapter's")
    error = wrapped(exc.OperationalError, outer)
    assert type(translated(error, of_driver)) is DuplicateError
    adapter = RuntimeError("adapter's")
    adapter.__cause__ = Drivers("the driver's")
    assert type(translated(wrapped(exc.OperationalError, adapter), of_driver)) is DuplicateError
    assert translated(KeyError("x"), of_driver) is None
    own = DataError("ours")
    assert translated(own, of_driver) is own
