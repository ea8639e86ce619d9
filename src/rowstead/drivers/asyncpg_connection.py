"""One connection of asyncpg's, as a driver's connection: texts and values in, records out.

A statement of ours is one call of asyncpg's `fetch`. Knows asyncpg's exceptions, and nothing of
transactions or pools.
"""

from __future__ import annotations

import decimal
import enum
import re
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any, cast

import asyncpg  # pyright: ignore[reportMissingTypeStubs]

from rowstead.drivers.asyncpg_errors import BIND_ERROR
from rowstead.drivers.base import RawResult
from rowstead.drivers.postgresql import (
    DIRECT,
    affected,
    may_be_several,
    pooler_question,
    redefines,
    reset_text,
    rows_in,
)
from rowstead.errors import DataError, RowsteadError
from rowstead.plan import Record

PREPARED_RAW = 64
"""How many of a user's own texts it keeps prepared."""
CLOSE_TIMEOUT = 5.0

STALE = (
    asyncpg.InvalidCachedStatementError,
    asyncpg.InvalidSQLStatementNameError,
    asyncpg.DataError,
)
_INTEGERS = frozenset({"int2", "int4", "int8"})
# Such a statement writes one row for each run; of any other only the server knows how many.
_PLAIN_INSERT = re.compile(r"\s*INSERT\b(?!.*\b(?:CONFLICT|SELECT)\b)", re.IGNORECASE | re.DOTALL)


def plain(value: Any) -> Any:
    """An Enum member's value, also within a list; any other value itself."""
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, (list, tuple)):
        items = cast("Sequence[Any]", value)
        # An array may be long: its few types are looked at, not its values.
        if any(issubclass(t, enum.Enum) for t in set(map(type, items))):
            return [plain(v) for v in items]
        return items
    return value


class AsyncpgConnection:
    """One connection. `raw` is asyncpg's own, or its pool's proxy of one."""

    def __init__(self, raw: Any, check: str = "") -> None:
        self.raw = raw
        self._check = check
        self.dirty = False
        self._prepares = False
        self._statements: OrderedDict[str, Any] = OrderedDict()

    @property
    def in_transaction(self) -> bool:
        # A connection that was dropped cannot be asked any more.
        return not self.raw.is_closed() and self.raw.is_in_transaction()

    @property
    def is_closed(self) -> bool:
        return self.raw.is_closed()

    async def fetch(self, text: str, params: Sequence[Any]) -> Sequence[Record]:
        try:
            return await self.raw.fetch(text, *params)
        except STALE as error:
            return (await self._again(error, text, params)).records

    async def execute(self, text: str, params: Sequence[Any]) -> int:
        self._note(text)
        if any(map(_is_fractional, params)) if params else may_be_several(text):
            return (await self.fetch_raw(text, params)).count
        params = [plain(value) for value in params]
        try:
            tag = await self.raw.execute(text, *params)
        except STALE as error:
            return (await self._again(error, text, params)).count
        if redefines(tag):
            self._forget()
        return affected(tag)

    async def fetch_raw(self, text: str, params: Sequence[Any]) -> RawResult:
        self._note(text)
        params = [plain(value) for value in params]
        statement = self._statements.get(text)
        if statement is None:
            return await self._prepare_and_run(text, params)
        self._statements.move_to_end(text)
        try:
            return await self._run_statement(statement, params)
        except STALE as error:
            return await self._again(error, text, params)

    async def execute_many(self, text: str, rows: Sequence[Sequence[Any]]) -> int:
        if _PLAIN_INSERT.match(text):
            await self.raw.executemany(text, rows)
            return len(rows)
        # executemany does not tell how many rows were affected.
        statement = await self.raw.prepare(text)
        total = 0
        for row in rows:
            total += (await self._run_statement(statement, row)).count
        return total

    async def fetch_many(self, text: str, rows: Sequence[Sequence[Any]]) -> list[Record | None]:
        # asyncpg's fetchmany gives one flat list, which does not tell whose record is whose.
        statement = await self.raw.prepare(text)
        return [await statement.fetchrow(*row) for row in rows]

    async def copy_in(
        self, schema: str | None, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]
    ) -> int:
        try:
            tag = await self.raw.copy_records_to_table(
                table, schema_name=schema, columns=list(columns), records=rows
            )
        except (TypeError, ValueError, OverflowError) as error:
            if isinstance(error, RowsteadError):
                raise
            raise DataError(f"a value does not fit its column in {table!r}: {error}", table=table) from error
        return affected(tag)

    async def ping(self) -> None:
        await self.raw.execute(self._check or "SELECT 1")

    async def reset(self) -> None:
        await self.raw.execute(reset_text(self.in_transaction, self._prepares, self._check))
        self._prepares = False
        self.dirty = False

    async def close(self) -> None:
        try:
            await self.raw.close(timeout=CLOSE_TIMEOUT)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError):
            self.terminate()

    def terminate(self) -> None:
        self.raw.terminate()

    async def simple(self, text: str) -> int:
        """Send a text of one statement or several, in one round trip; how many rows the last one had."""
        return rows_in(await self.raw.execute(text))

    async def behind_pooler(self) -> bool:
        """Whether a pooler stands between this connection and the server."""
        return await self.raw.execute(pooler_question(self.raw.get_server_pid())) != DIRECT

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    def _note(self, text: str) -> None:
        """Names given by SQL's own PREPARE outlive a reset, unless it takes care of them."""
        if not self._prepares and "prepare" in text.lower():
            self._prepares = True

    def _forget(self) -> None:
        """Let go of what was learnt of texts: a table may be another one now."""
        self._statements.clear()

    async def _prepare_and_run(self, text: str, params: Sequence[Any]) -> RawResult:
        statement = await self.raw.prepare(text)
        result = await self._run_statement(statement, params)
        if redefines(statement.get_statusmsg()):
            self._forget()
        elif statement.get_name():
            # One without a name is described anew each time: its table may have been altered.
            self._statements[text] = statement
            if len(self._statements) > PREPARED_RAW:
                self._statements.popitem(last=False)
        return result

    async def _again(self, error: Exception, text: str, params: Sequence[Any]) -> RawResult:
        """Run a statement whose table was altered since it was prepared; nothing of it was executed.

        A value that does not fit what was prepared may fit what the table is now: that is found out
        without the server having seen the value, so also inside a transaction.
        """
        self._statements.pop(text, None)
        if isinstance(error, asyncpg.DataError):
            if not str(error).startswith(BIND_ERROR):
                raise error
            result = await self._prepare_and_run(text, params)
            await self.raw.reload_schema_state()
            return result
        self._forget()
        await self.raw.reload_schema_state()
        if self.in_transaction:
            raise error
        return await self._prepare_and_run(text, params)

    async def _run_statement(self, statement: Any, params: Sequence[Any]) -> RawResult:
        for number, value in enumerate(params[: len(statement.get_parameters())]):
            # asyncpg would cut off what stands behind the point.
            if _is_fractional(value) and statement.get_parameters()[number].name.rstrip("[]") in _INTEGERS:
                raise DataError(f"parameter ${number + 1} takes whole numbers, not {type(value).__name__}")
        records = await statement.fetch(*params)
        columns = [attribute.name for attribute in statement.get_attributes()]
        return RawResult(columns, records, affected(statement.get_statusmsg()))


def _is_fractional(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        items = cast("Sequence[Any]", value)
        types = set(map(type, items))
        if any(issubclass(t, (list, tuple)) for t in types):
            return any(map(_is_fractional, items))
        return any(issubclass(t, (float, decimal.Decimal)) for t in types)
    return isinstance(value, (float, decimal.Decimal))
