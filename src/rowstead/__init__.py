"""Rowstead: one Python data layer. Here are the rows face and the errors; other faces have modules.

from rowstead import DB, Row

class User(Row):
    __table__ = "users"
    id: int | None = None
    name: str

db = await DB.from_url("sqlite:///app.db")
user = await db.get(User, id=1)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from rowstead.errors import (
    CheckError,
    CommitOutcomeUnknown,
    Conflict,
    ConflictError,
    DataError,
    DisconnectedError,
    DuplicateError,
    ForeignKeyError,
    HandleClosed,
    IntegrityError,
    MigrationError,
    NotFound,
    NotNullError,
    OperationalError,
    OutcomeUnknown,
    PoolTimeout,
    PrivilegeError,
    ReadOnlyError,
    RestrictError,
    RowError,
    RowNotFound,
    RowsteadError,
    StatementError,
    StatementTimeout,
    StorageError,
    TimeoutExceeded,
    TransactionFailed,
    UndefinedColumnError,
    UndefinedTableError,
    UnreachableError,
    UsageError,
    ValidationError,
)

if TYPE_CHECKING:
    from rowstead.migrations import MigrationStatus
    from rowstead.plans.paging import Page
    from rowstead.rows.calls import Query
    from rowstead.rows.db import DB
    from rowstead.rows.row import Row
    from rowstead.sentinels import Inc, Now
    from rowstead.session import Trace
    from rowstead.tables.access import STRANGER, Access
    from rowstead.tables.schema import Kind

__version__ = "0.1.0"

__all__ = [
    "DB",
    "STRANGER",
    "Access",
    "CheckError",
    "CommitOutcomeUnknown",
    "Conflict",
    "ConflictError",
    "DataError",
    "DisconnectedError",
    "DuplicateError",
    "ForeignKeyError",
    "HandleClosed",
    "Inc",
    "IntegrityError",
    "Kind",
    "MigrationError",
    "MigrationStatus",
    "NotFound",
    "NotNullError",
    "Now",
    "OperationalError",
    "OutcomeUnknown",
    "Page",
    "PoolTimeout",
    "PrivilegeError",
    "Query",
    "ReadOnlyError",
    "RestrictError",
    "Row",
    "RowError",
    "RowNotFound",
    "RowsteadError",
    "StatementError",
    "StatementTimeout",
    "StorageError",
    "TimeoutExceeded",
    "Trace",
    "TransactionFailed",
    "UndefinedColumnError",
    "UndefinedTableError",
    "UnreachableError",
    "UsageError",
    "ValidationError",
]

# Loaded when first asked for, so that the command line answers `--help` without Pydantic and SQLAlchemy.
_HOMES = {
    "DB": "rowstead.rows.db",
    "STRANGER": "rowstead.tables.access",
    "Access": "rowstead.tables.access",
    "Inc": "rowstead.sentinels",
    "Kind": "rowstead.tables.schema",
    "MigrationStatus": "rowstead.migrations",
    "Now": "rowstead.sentinels",
    "Page": "rowstead.plans.paging",
    "Query": "rowstead.rows.calls",
    "Row": "rowstead.rows.row",
    "Trace": "rowstead.session",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'rowstead' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(home), name)
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
