# Generated from rowstead/rows/raw.py by scripts/make_sync.py; do not edit.
"""The verbs for a user's own SQL: text and values in, dicts or rows out; no filter, no statement of ours."""

from __future__ import annotations

from typing import Any, TypeVar

from rowstead.rows import results
from rowstead.rows.row import Row
from rowstead.sync.session import Session

R = TypeVar("R", bound=Row)


class RawSQL:
    """What a handle does with a user's own SQL, on its session."""

    session: Session

    def fetch(self, sql: str, /, *params: Any) -> list[dict[str, Any]]:
        """Every row of this SQL as a dict. Parameters are `$1`, `$2`, … on every backend."""
        return self.session.fetch(sql, *params)

    def fetchrow(self, sql: str, /, *params: Any) -> dict[str, Any] | None:
        """The first row of this SQL as a dict, or None."""
        return self.session.fetchrow(sql, *params)

    def fetchval(self, sql: str, /, *params: Any) -> Any:
        """The first column of the first row, or None where there is no row."""
        return self.session.fetchval(sql, *params)

    def execute(self, sql: str, /, *params: Any) -> int:
        """Run this SQL; how many rows it inserted, updated or deleted, -1 for anything else."""
        return self.session.execute(sql, *params)

    def fetch_models(self, model: type[R], sql: str, /, *params: Any) -> list[R]:
        """Every row of this SQL as `model`; columns that are no fields of it are left out."""
        result = self.session.raw(self.session.raw_call(sql, params))
        return results.read_raw(self.session.compiler, model, result.columns, result.records)

    def fetch_model(self, model: type[R], sql: str, /, *params: Any) -> R | None:
        """The first row of this SQL as `model`, or None."""
        result = self.session.raw(self.session.raw_call(sql, params))
        rows = results.read_raw(self.session.compiler, model, result.columns, result.records[:1])
        return rows[0] if rows else None
