"""Rowstead: one Python data layer. Here are the rows face and the errors; other faces have modules.

from rowstead import DB, Row

class User(Row):
    __table__ = "users"
    id: int | None = None
    name: str

db = await DB.from_url("sqlite:///app.db")
user = await db.get(User, id=1)
"""

from rowstead.access import STRANGER, Access
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
from rowstead.migrations import MigrationStatus
from rowstead.paging import Page
from rowstead.rows.calls import Query
from rowstead.rows.db import DB
from rowstead.rows.row import Row
from rowstead.schema import Kind
from rowstead.sentinels import Inc, Now
from rowstead.session import Trace

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
