# Generated from rowstead/psycopg.py by scripts/make_sync.py; do not edit.
"""Names for `from rowstead.psycopg import PsycopgAdapter`; needs the driver to be installed."""

from __future__ import annotations

try:
    from rowstead.sync.drivers.psycopg_borrowed import PsycopgAdapter
except ModuleNotFoundError as error:
    if error.name != "psycopg":
        raise
    raise ImportError("rowstead.psycopg needs the driver: pip install 'rowstead[psycopg]'") from error

__all__ = ["PsycopgAdapter"]
