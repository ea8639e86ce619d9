"""What `rowstead.repository` offers, and that each name is there."""

from __future__ import annotations

import importlib
import inspect

import rowstead.repository

GUIDE = {
    "Base",
    "BaseRepository",
    "DatabaseConfigSchema",
    "IntPKMixin",
    "PersistEngine",
    "PersistModel",
    "PGUUIDPKMixin",
    "Seeder",
    "SoftDeleteMixin",
    "TimestampMixin",
    "UpdateMixin",
    "UUIDPKMixin",
    "generate_pydantic_code",
    "generate_schemas_from_module_code",
    "in_transaction",
    "run_seeders",
    "savepoint",
    "seed_if_empty",
    "seed_if_not_exists",
    "transactional",
}


def test_every_name_of_the_guide_is_offered_and_there() -> None:
    offered = set(rowstead.repository.__all__)
    assert sorted(offered - GUIDE) == ["VersionMixin"]
    assert GUIDE - offered == set()
    assert all(callable(getattr(rowstead.repository, name)) for name in offered)


def test_nothing_else_is_public() -> None:
    public = {
        name
        for name, value in vars(rowstead.repository).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    helpers = {"TYPE_CHECKING", "Any", "annotations", "import_module"}
    assert public - helpers <= set(rowstead.repository.__all__)


def test_the_guides_path_of_the_configuration_is_there() -> None:
    assert callable(importlib.import_module("rowstead.config").config)
