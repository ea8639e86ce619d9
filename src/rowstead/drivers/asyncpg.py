"""PostgreSQL by asyncpg: bare connections with JSON codecs, in our own pool.

A statement of ours is one call of asyncpg's `fetch`. Pools and connections that a user brought are
in `asyncpg_borrowed`. Knows asyncpg's exceptions, and nothing of transactions.
"""

from __future__ import annotations

import decimal
import enum
import json
import math
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from types import CoroutineType
from typing import Any, cast

import asyncpg  # pyright: ignore[reportMissingTypeStubs]
from pydantic_core import to_json

from rowstead.dialects import POSTGRESQL, Dialect
from rowstead.drivers.base import RawResult
from rowstead.drivers.pool import Pool
from rowstead.drivers.postgresql import (
    CLIENT_GRACE,
    affected,
    may_be_several,
    plain_dsn,
    redefines,
    reset_text,
    server_error,
    unreachable,
    unreadable,
)
from rowstead.drivers.urls import Options
from rowstead.errors import (
    DataError,
    DisconnectedError,
    OperationalError,
    RowsteadError,
    StatementError,
    StatementTimeout,
    UsageError,
    ValidationError,
)
from rowstead.plan import Record
from rowstead.waiting import within

PREPARED = 256
"""How many statements a connection keeps prepared."""
PREPARED_RAW = 64
"""How many of a user's own texts it keeps prepared beside them."""
CLOSE_TIMEOUT = 5.0

_STALE = (
    asyncpg.InvalidCachedStatementError,
    asyncpg.InvalidSQLStatementNameError,
    asyncpg.DataError,
)
_INTEGERS = frozenset({"int2", "int4", "int8"})
_BIND_ERROR = "invalid input for query argument"
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

    def __init__(self, raw: Any) -> None:
        self.raw = raw
        self.dirty = False
        self._prepares = False
        self._statements: OrderedDict[str, Any] = OrderedDict()

    @property
    def in_transaction(self) -> bool:
        return self.raw.is_in_transaction()

    @property
    def is_closed(self) -> bool:
        return self.raw.is_closed()

    async def fetch(self, text: str, params: Sequence[Any]) -> Sequence[Record]:
        try:
            return await self.raw.fetch(text, *params)
        except _STALE as error:
            return (await self._again(error, text, params)).records

    async def execute(self, text: str, params: Sequence[Any]) -> int:
        self._note(text)
        if any(map(_is_fractional, params)) if params else may_be_several(text):
            return (await self.fetch_raw(text, params)).count
        params = [plain(value) for value in params]
        try:
            tag = await self.raw.execute(text, *params)
        except _STALE as error:
            return (await self._again(error, text, params)).count
        if redefines(tag):
            self._statements.clear()
        return affected(tag)

    async def fetch_raw(self, text: str, params: Sequence[Any]) -> RawResult:
        self._note(text)
        params = [plain(value) for value in params]
        statement = self._statements.get(text)
        if statement is None:
            return await self._prepare_and_run(text, params)
        self._statements.move_to_end(text)
        try:
            return await _run(statement, params)
        except _STALE as error:
            return await self._again(error, text, params)

    async def execute_many(self, text: str, rows: Sequence[Sequence[Any]]) -> int:
        if _PLAIN_INSERT.match(text):
            await self.raw.executemany(text, rows)
            return len(rows)
        # executemany does not tell how many rows were affected.
        statement = await self.raw.prepare(text)
        total = 0
        for row in rows:
            total += (await _run(statement, row)).count
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
        await self.raw.execute("SELECT 1")

    async def reset(self) -> None:
        await self.raw.execute(reset_text(self.in_transaction, self._prepares))
        self._prepares = False
        self.dirty = False

    async def close(self) -> None:
        try:
            await self.raw.close(timeout=CLOSE_TIMEOUT)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError):
            self.terminate()

    def terminate(self) -> None:
        self.raw.terminate()

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    def _note(self, text: str) -> None:
        """Names given by SQL's own PREPARE outlive a reset, unless it takes care of them."""
        if not self._prepares and "prepare" in text.lower():
            self._prepares = True

    async def _prepare_and_run(self, text: str, params: Sequence[Any]) -> RawResult:
        statement = await self.raw.prepare(text)
        result = await _run(statement, params)
        if redefines(statement.get_statusmsg()):
            self._statements.clear()
        else:
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
            if not str(error).startswith(_BIND_ERROR):
                raise error
            result = await self._prepare_and_run(text, params)
            await self.raw.reload_schema_state()
            return result
        self._statements.clear()
        await self.raw.reload_schema_state()
        if self.in_transaction:
            raise error
        return await self._prepare_and_run(text, params)


def _is_fractional(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        items = cast("Sequence[Any]", value)
        types = set(map(type, items))
        if any(issubclass(t, (list, tuple)) for t in types):
            return any(map(_is_fractional, items))
        return any(issubclass(t, (float, decimal.Decimal)) for t in types)
    return isinstance(value, (float, decimal.Decimal))


async def _run(statement: Any, params: Sequence[Any]) -> RawResult:
    for number, value in enumerate(params[: len(statement.get_parameters())]):
        # asyncpg would cut off what stands behind the point.
        if _is_fractional(value) and statement.get_parameters()[number].name.rstrip("[]") in _INTEGERS:
            raise DataError(f"parameter ${number + 1} takes whole numbers, not {type(value).__name__}")
    records = await statement.fetch(*params)
    columns = [attribute.name for attribute in statement.get_attributes()]
    return RawResult(columns, records, affected(statement.get_statusmsg()))


# ── JSON ─────────────────────────────────────────────────────────────────────────────────────


def encode_json(value: Any) -> bytes:
    """The JSON of any value that Pydantic knows."""
    return to_json(value, by_alias=False)


def _encode_jsonb(value: Any) -> bytes:
    return b"\x01" + to_json(value, by_alias=False)


def _decode_json(data: bytes) -> Any:
    return json.loads(data.decode())


def _decode_jsonb(data: bytes) -> Any:
    return json.loads(data[1:].decode())


async def install_json(raw: Any) -> None:
    """JSON travels as Python objects, in the binary format, so that COPY takes it too."""
    codecs: tuple[tuple[str, Callable[[Any], bytes], Callable[[bytes], Any]], ...] = (
        ("json", encode_json, _decode_json),
        ("jsonb", _encode_jsonb, _decode_jsonb),
    )
    for name, encoder, decoder in codecs:
        await raw.set_type_codec(name, schema="pg_catalog", encoder=encoder, decoder=decoder, format="binary")


# ── the driver ───────────────────────────────────────────────────────────────────────────────


class AsyncpgDriver:
    """PostgreSQL by asyncpg with a pool of our own."""

    dialect: Dialect = POSTGRESQL
    codec = "asyncpg"
    paramstyle = "numeric_dollar"
    own_pool = True
    joined = False
    json_as_text = False

    def __init__(self, dsn: str, options: Options | None = None) -> None:
        self._dsn = plain_dsn(dsn)
        self._options = options = options or Options()
        low, high = options.bounds()
        self.pool: Pool[AsyncpgConnection] = Pool(
            self._connect,
            min_size=low,
            max_size=high,
            acquire_timeout=options.acquire_timeout,
            max_lifetime=options.max_lifetime,
            max_idle=options.max_idle,
        )

    async def open(self) -> None:
        await self.pool.open()

    def lend(self, write: bool) -> CoroutineType[Any, Any, AsyncpgConnection]:
        return self.pool.acquire()

    def take_back(self, connection: Any, suspect: bool = False) -> None:
        self.pool.release(connection, suspect)

    async def close(self) -> None:
        await self.pool.close()

    def translate(self, error: Exception) -> RowsteadError | None:
        return translate(error)

    async def _connect(self) -> AsyncpgConnection:
        timeout = self._options.connect_timeout
        try:
            return await within(timeout, self._connected())
        except (asyncpg.ClientConfigurationError, ValueError):
            raise unreadable() from None
        except (
            asyncpg.PostgresError,
            asyncpg.InterfaceError,
            asyncpg.InternalClientError,
            OSError,
        ) as error:
            raise unreachable(self._dsn, error, timeout) from error

    async def _connected(self) -> AsyncpgConnection:
        limit = self._options.statement_timeout
        connect: Any = asyncpg.connect  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        raw = await connect(
            self._dsn,
            timeout=self._options.connect_timeout,
            command_timeout=None if limit is None else limit + CLIENT_GRACE,
            statement_cache_size=PREPARED,
            max_cached_statement_lifetime=0,
            server_settings=None if limit is None else {"statement_timeout": str(math.ceil(limit * 1000))},
        )
        try:
            await install_json(raw)
        except BaseException:
            raw.terminate()
            raise
        return AsyncpgConnection(raw)


# ── errors ───────────────────────────────────────────────────────────────────────────────────

# The value stands between the two; it is left out of our message.
_BIND_MESSAGE = re.compile(r"query argument (\$\d+)( in element #\d+)?.*?: .*\((.*)\)$", re.DOTALL)
_COUNT_MESSAGE = re.compile(r"the server expects (\d+) arguments? for this query, (\d+)")


def translate(error: Exception) -> RowsteadError | None:
    """asyncpg's exception as ours; None when it is not one of its own."""
    message = str(error)
    if isinstance(error, (asyncpg.PostgresError, asyncpg.InterfaceError)) and message.startswith(_BIND_ERROR):
        found = _BIND_MESSAGE.search(message)
        where, row, reason = found.groups() if found else ("", None, "it does not fit")
        place = f"parameter {where}" + (f"{row}" if row else "")
        return DataError(f"{place} does not fit what the statement takes there: {reason.strip('()')}")
    if isinstance(error, asyncpg.PostgresError):
        return _from_server(error)
    if isinstance(error, asyncpg.InterfaceError):
        return _from_interface(message.splitlines()[0] if message else type(error).__name__)
    if isinstance(error, asyncpg.OutdatedSchemaCacheError):
        return StatementError("a type was altered while the statement ran; its answer could not be read")
    if isinstance(error, TimeoutError):
        return StatementTimeout("the server did not answer within statement_timeout")
    if isinstance(error, (asyncpg.InternalClientError, OSError)):
        return DisconnectedError(f"the connection broke: {error}")
    return None


def _from_server(error: asyncpg.PostgresError) -> RowsteadError:
    fields: dict[str, Any] = error.as_dict()  # pyright: ignore[reportUnknownVariableType]
    state = fields.get("sqlstate") or "58000"
    message = str(fields.get("message") or error)
    if fields.get("detail") is None and fields.get("severity") is None and state.startswith("08"):
        return DisconnectedError(f"the connection broke: {message}")
    return server_error(
        state,
        message,
        detail=fields.get("detail"),
        # asyncpg adds hints of its own about poolers; the server's are short.
        hint=None if state == "26000" else fields.get("hint"),
        table=fields.get("table_name"),
        column=fields.get("column_name"),
        constraint=fields.get("constraint_name"),
    )


def _from_interface(message: str) -> RowsteadError:
    count = _COUNT_MESSAGE.search(message)
    if count is not None:
        return ValidationError(
            f"the statement has {count.group(1)} parameter(s), but {count.group(2)} value(s) were given"
        )
    if "cannot exceed" in message:
        return ValidationError(message)
    if "another operation" in message:
        return UsageError(
            "this connection is busy with another task's statement; use one task per transaction"
        )
    if "clos" in message or "released" in message:
        return DisconnectedError(f"the connection broke: {message}")
    return OperationalError(message)
