"""What `rowstead.service` offers, and that each name is there."""

from __future__ import annotations

import inspect

import rowstead.errors
import rowstead.service

GUIDE = {
    "App",
    "Conflict",
    "DatabaseMigrationService",
    "DatabaseService",
    "FixtureService",
    "NotFound",
    "PermHook",
    "PublicInterface",
    "SERVICE_CLASS_REGISTRY",
    "SQLService",
    "SQLFunctionsRegistry",
    "SQL_FUNCTIONS",
    "UserFunction",
    "ValidationError",
    "session",
}
"""Of the guide, and of what it takes for granted."""


def test_every_name_of_the_guide_is_offered_and_there() -> None:
    offered = set(rowstead.service.__all__)
    assert GUIDE - offered == set()
    assert all(hasattr(rowstead.service, name) for name in offered)


def test_nothing_else_is_public() -> None:
    public = {
        name
        for name, value in vars(rowstead.service).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    helpers = {"TYPE_CHECKING", "Any", "annotations", "import_module"}
    assert public - helpers == set(rowstead.service.__all__) - helpers


def test_the_errors_are_the_cores() -> None:
    for name in rowstead.service.__all__:
        value = getattr(rowstead.service, name)
        if inspect.isclass(value) and issubclass(value, Exception):
            assert value is getattr(rowstead.errors, name)
