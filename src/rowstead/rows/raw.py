"""The verbs for a user's own SQL: text and values in, dicts or rows out; no filter, no statement of ours."""

from __future__ import annotations

from typing import Any, TypeVar

from rowstead.rows import results
from rowstead.rows.row import Row
from rowstead.session import Session

R = TypeVar("R", bound=Row)


class RawSQL:
    """What a handle does with a user's own SQL, on its session."""

    session: Session

    async def fetch(self, sql: str, /, *params: Any) -> list[dict[str, Any]]:
        """Every row of this SQL as a dict. Parameters are `$1`, `$2`, … on every backend."""
        return await self.session.fetch(sql, *params)

    async def fetchrow(self, sql: str, /, *params: Any) -> dict[str, Any] | None:
        """The first row of this SQL as a dict, or None."""
        return await self.session.fetchrow(sql, *params)

    async def fetchval(self, sql: str, /, *params: Any) -> Any:
        """The first column of the first row, or None where there is no row."""
        return await self.session.fetchval(sql, *params)

    async def execute(self, sql: str, /, *params: Any) -> int:
        """Run this SQL; how many rows it inserted, updated or deleted, -1 for anything else."""
        return await self.session.execute(sql, *params)

    async def fetch_models(self, model: type[R], sql: str, /, *params: Any) -> list[R]:
        """Every row of this SQL as `model`; columns that are no fields of it are left out."""
        result = await self.session.raw(self.session.raw_call(sql, params))
        return results.read_raw(self.session.compiler, model, result.columns, result.records)

    async def fetch_model(self, model: type[R], sql: str, /, *params: Any) -> R | None:
        """The first row of this SQL as `model`, or None."""
        result = await self.session.raw(self.session.raw_call(sql, params))
        rows = results.read_raw(self.session.compiler, model, result.columns, result.records[:1])
        return rows[0] if rows else None
