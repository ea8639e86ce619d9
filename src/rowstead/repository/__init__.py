"""SQLAlchemy models and sessions, with repositories on them: the names of the repository face.

    from rowstead.repository import Base, BaseRepository, PersistEngine, UpdateMixin, UUIDPKMixin

Needs greenlet, as SQLAlchemy's asyncio extension does: `pip install 'rowstead[sqlite]'`, `'rowstead[pg]'`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

try:
    import greenlet as _greenlet  # noqa: F401  # pyright: ignore[reportUnusedImport]
except ModuleNotFoundError as error:
    raise ImportError(
        "rowstead.repository needs greenlet and a database driver: pip install 'rowstead[sqlite]', "
        "'rowstead[pg]' or 'rowstead[mysql]'"
    ) from error

from rowstead.config import DatabaseConfigSchema
from rowstead.repository.base import Base
from rowstead.repository.engine import PersistEngine
from rowstead.repository.mixins import (
    IntPKMixin,
    PGUUIDPKMixin,
    SoftDeleteMixin,
    TimestampMixin,
    UpdateMixin,
    UUIDPKMixin,
    VersionMixin,
)
from rowstead.repository.persist import PersistModel
from rowstead.repository.repository import BaseRepository
from rowstead.repository.seeding import Seeder, run_seeders, seed_if_empty, seed_if_not_exists
from rowstead.repository.transactions import in_transaction, savepoint, transactional

if TYPE_CHECKING:
    from rowstead.codegen import generate_pydantic_code, generate_schemas_from_module_code

_OF_CODEGEN = ("generate_pydantic_code", "generate_schemas_from_module_code")
"""Names that are imported when they are first asked for: few programs write code."""

__all__ = [
    "Base",
    "BaseRepository",
    "DatabaseConfigSchema",
    "IntPKMixin",
    "PGUUIDPKMixin",
    "PersistEngine",
    "PersistModel",
    "Seeder",
    "SoftDeleteMixin",
    "TimestampMixin",
    "UUIDPKMixin",
    "UpdateMixin",
    "VersionMixin",
    "generate_pydantic_code",
    "generate_schemas_from_module_code",
    "in_transaction",
    "run_seeders",
    "savepoint",
    "seed_if_empty",
    "seed_if_not_exists",
    "transactional",
]


def __getattr__(name: str) -> Any:
    if name not in _OF_CODEGEN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("rowstead.codegen"), name)
