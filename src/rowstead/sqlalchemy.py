"""Names for `from rowstead.sqlalchemy import SQLAlchemyAdapter`; needs SQLAlchemy's asyncio extra."""

from __future__ import annotations

try:
    import greenlet as _greenlet  # noqa: F401  # pyright: ignore[reportUnusedImport]
except ModuleNotFoundError as error:
    raise ImportError("rowstead.sqlalchemy needs greenlet: pip install 'sqlalchemy[asyncio]'") from error

from rowstead.drivers.sqlalchemy import SQLAlchemyAdapter

__all__ = ["SQLAlchemyAdapter"]
