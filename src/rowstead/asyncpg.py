"""Names for `from rowstead.asyncpg import AsyncpgAdapter`; needs the driver to be installed."""

from __future__ import annotations

try:
    from rowstead.drivers.asyncpg_borrowed import AsyncpgAdapter
except ModuleNotFoundError as error:
    if error.name != "asyncpg":
        raise
    raise ImportError("rowstead.asyncpg needs the driver: pip install 'rowstead[asyncpg]'") from error

__all__ = ["AsyncpgAdapter"]
