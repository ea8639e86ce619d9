"""The kit: an embedded database with its schema, constraints and migrations as data.

    from rowstead.kit import Database, int, table, text

    with Database.create("app.db", {"tables": [...]}) as db, db.begin() as txn:
        txn.insert("users", {"id": 1, "email": "alice@example.com"})

`Database` is synchronous; `AsyncDatabase` has the same verbs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rowstead.errors import (
    CheckError,
    ConflictError,
    DuplicateError,
    ForeignKeyError,
    HandleClosed,
    IntegrityError,
    MigrationError,
    NotFound,
    NotNullError,
    RestrictError,
    RowNotFound,
    RowsteadError,
    StorageError,
    UndefinedColumnError,
    UndefinedTableError,
    ValidationError,
)
from rowstead.kit.builders import (
    Column,
    ForeignKey,
    Index,
    Table,
    UniqueConstraint,
    agg,
    array_col,
    bool_,
    boolean,
    bytes_col,
    check,
    col,
    column,
    count_distinct,
    date,
    date64,
    datetime,
    decimal128,
    embedding,
    fk,
    float64,
    float_,
    index,
    int,
    integer,
    interval_col,
    json_col,
    json_native,
    on_eq,
    table,
    text,
    time64,
    timestamp,
    unique,
    uuid,
)
from rowstead.kit.keys import encode_pk, encode_row_guard_key, encode_unique_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rowstead.kit.database import AsyncDatabase
    from rowstead.kit.transaction import AsyncTransaction
    from rowstead.sync.kit.database import Database
    from rowstead.sync.kit.transaction import Transaction

KitError = RowsteadError
"""What the kit raises is of the one tree of errors."""

_LATER = {
    "AsyncDatabase": "rowstead.kit.database",
    "AsyncTransaction": "rowstead.kit.transaction",
    "Database": "rowstead.sync.kit.database",
    "Transaction": "rowstead.sync.kit.transaction",
}
"""Names that are loaded when they are first used: a schema can be written without SQLAlchemy."""


def migrate(db: Database, migrations: Sequence[Mapping[str, Any]] | str) -> None:
    """The same as `db.migrate(migrations)`."""
    db.migrate(migrations)


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(_LATER[name]), name)
    return value


__all__ = [
    "AsyncDatabase",
    "AsyncTransaction",
    "CheckError",
    "Column",
    "ConflictError",
    "Database",
    "DuplicateError",
    "ForeignKey",
    "ForeignKeyError",
    "HandleClosed",
    "Index",
    "IntegrityError",
    "KitError",
    "MigrationError",
    "NotFound",
    "NotNullError",
    "RestrictError",
    "RowNotFound",
    "RowsteadError",
    "StorageError",
    "Table",
    "Transaction",
    "UndefinedColumnError",
    "UndefinedTableError",
    "UniqueConstraint",
    "ValidationError",
    "agg",
    "array_col",
    "bool_",
    "boolean",
    "bytes_col",
    "check",
    "col",
    "column",
    "count_distinct",
    "date",
    "date64",
    "datetime",
    "decimal128",
    "embedding",
    "encode_pk",
    "encode_row_guard_key",
    "encode_unique_key",
    "fk",
    "float64",
    "float_",
    "index",
    "int",
    "integer",
    "interval_col",
    "json_col",
    "json_native",
    "migrate",
    "on_eq",
    "table",
    "text",
    "time64",
    "timestamp",
    "unique",
    "uuid",
]
