"""Tables as services: an application of services, each of which is a table, a database or a task.

    from rowstead.service import App, PublicInterface, SQLService

    class Customers(SQLService[int, Customer], PublicInterface):
        table = customers
        select_columns_blacklist = {"hash"}

Conditions, sorts and columns may come from strangers: see `SQLService`.
"""

from __future__ import annotations

from rowstead.errors import (
    CheckError,
    Conflict,
    DuplicateError,
    ForeignKeyError,
    NotFound,
    NotNullError,
    UndefinedColumnError,
    UsageError,
    ValidationError,
)
from rowstead.service.app import App
from rowstead.service.database import DatabaseService
from rowstead.service.fixtures import FixtureService
from rowstead.service.migrating import DatabaseMigrationService
from rowstead.service.permissions import PermHook
from rowstead.service.public import PublicInterface
from rowstead.service.reading import Listing
from rowstead.service.registry import SERVICE_CLASS_REGISTRY, ServiceRegistry
from rowstead.service.service import Service
from rowstead.service.sessions import Session, get_session, session
from rowstead.service.table_service import SQLService
from rowstead.setup.functions import SQL_FUNCTIONS, SQLFunctionsRegistry, UserFunction
from rowstead.statements.written import Result

__all__ = [
    "SERVICE_CLASS_REGISTRY",
    "SQL_FUNCTIONS",
    "App",
    "CheckError",
    "Conflict",
    "DatabaseMigrationService",
    "DatabaseService",
    "DuplicateError",
    "FixtureService",
    "ForeignKeyError",
    "Listing",
    "NotFound",
    "NotNullError",
    "PermHook",
    "PublicInterface",
    "Result",
    "SQLFunctionsRegistry",
    "SQLService",
    "Service",
    "ServiceRegistry",
    "Session",
    "UndefinedColumnError",
    "UsageError",
    "UserFunction",
    "ValidationError",
    "get_session",
    "session",
]
