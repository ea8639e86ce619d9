"""PostgreSQL by psycopg 3: connections that autocommit, take `$1`, and ask the server for types.

Every text with values is described once per driver (one round trip); the `Shape` that comes of it
says how values travel. The synchronous twin is generated from this file, so it waits only through
`rowstead.waiting`. Pools and connections that a user brought are in `psycopg_borrowed`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import psycopg
from psycopg import AsyncConnection, AsyncRawCursor
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus
from psycopg.pq.abc import PGresult
from psycopg.rows import tuple_row
from psycopg.sql import SQL, Identifier
from psycopg.types import TypeInfo

from rowstead.dialects import POSTGRESQL, Dialect
from rowstead.drivers.addresses import Options
from rowstead.drivers.base import RawResult
from rowstead.drivers.hosts import Hosts
from rowstead.drivers.pool import Pool
from rowstead.drivers.pooled import PooledConnection
from rowstead.drivers.postgresql import (
    DIRECT,
    STALE,
    affected,
    client_limit,
    may_be_several,
    milliseconds,
    plain_dsn,
    pooler_question,
    redefines,
    refuses_setting,
    reset_text,
    rows_in,
    unreachable,
)
from rowstead.drivers.psycopg_batches import execute_rows
from rowstead.drivers.psycopg_describe import description
from rowstead.drivers.psycopg_errors import is_for_the_next, read_conninfo, translate, without_connection
from rowstead.drivers.psycopg_values import USER_OIDS, Shape, Shapes
from rowstead.drivers.psycopg_waits import Silence, limited
from rowstead.errors import DataError, RowsteadError
from rowstead.plan import Record
from rowstead.waiting import within

R = TypeVar("R")

PREPARE_AFTER = 2
PREPARED = 256
LARGE_RESULT = 1000
CLOSE_TIMEOUT = 5.0
LOOK_IN = 0.02
"""Seconds after which a wait with a limit looks at the clock."""

_IDLE, _ACTIVE, _INTRANS, _INERROR = (
    TransactionStatus.IDLE,
    TransactionStatus.ACTIVE,
    TransactionStatus.INTRANS,
    TransactionStatus.INERROR,
)
# Codes by which a table that was altered since its text was described makes itself known.
_SHAPE_STATES = frozenset({"42804", "42883"})


class LimitedConnection(AsyncConnection[Any]):
    """psycopg's own connection, which waits `limit` seconds at most for a server that says nothing.

    All of psycopg waits through `wait`, so the limit holds in both worlds.
    """

    limit: float | None = None

    async def wait(self, gen: PQGen[R], *args: Any, **options: Any) -> R:
        if self.limit is None:
            return await super().wait(gen, *args, **options)
        try:
            return await super().wait(limited(gen, self.limit), *args, **{"interval": LOOK_IN} | options)
        except Silence:
            # psycopg would wait for the same server while it tidies up.
            self.pgconn.finish()
            raise TimeoutError from None


class PsycopgConnection:
    """One connection. `raw` is psycopg's own; whoever makes this one sees to it that it autocommits."""

    def __init__(self, raw: AsyncConnection[Any], shapes: Shapes, check: str = "") -> None:
        self.raw = raw
        self._check = check
        self.dirty = False
        self._shapes = shapes
        self._prepares = False
        # Its type allows only literal texts, which ours are not.
        self._cursor: Any = AsyncRawCursor(raw, row_factory=tuple_row)
        self._registered: set[int] = set()

    @property
    def in_transaction(self) -> bool:
        return self.raw.pgconn.transaction_status in (_ACTIVE, _INTRANS, _INERROR)

    @property
    def is_closed(self) -> bool:
        return self.raw.closed

    async def fetch(self, text: str, params: Sequence[Any]) -> Sequence[Record]:
        cursor = await self._run(text, params)
        return await self._records(cursor)

    async def execute(self, text: str, params: Sequence[Any]) -> int:
        self._note(text)
        if params or may_be_several(text):
            cursor = await self._run(text, params)
        else:
            cursor = self._cursor
            await cursor.execute(text)
        tag = cursor.statusmessage
        if redefines(tag):
            self._shapes.clear()
        return affected(tag)

    async def fetch_raw(self, text: str, params: Sequence[Any]) -> RawResult:
        self._note(text)
        cursor = await self._run(text, params)
        tag = cursor.statusmessage
        if redefines(tag):
            self._shapes.clear()
        if cursor.description is None:
            return RawResult((), [], affected(tag))
        columns = [column.name for column in cursor.description]
        return RawResult(columns, await self._records(cursor), affected(tag))

    async def execute_many(self, text: str, rows: Sequence[Sequence[Any]]) -> int:
        if not rows:
            return 0
        shape = await self._shape(text)
        cursor = self._register(shape)
        await execute_rows(self.raw, cursor, text, [shape.bind(row) for row in rows], returning=False)
        return cursor.rowcount

    async def fetch_many(self, text: str, rows: Sequence[Sequence[Any]]) -> list[Record | None]:
        if not rows:
            return []
        shape = await self._shape(text)
        cursor = self._register(shape)
        await execute_rows(self.raw, cursor, text, [shape.bind(row) for row in rows], returning=True)
        records: list[Record | None] = [await cursor.fetchone()]
        while cursor.nextset():
            records.append(await cursor.fetchone())
        return records

    async def copy_in(
        self, schema: str | None, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]
    ) -> int:
        # The types that an INSERT of these columns would take are the columns' own.
        marks = ", ".join(f"${n}" for n in range(1, len(columns) + 1))
        names = {
            "table": Identifier(schema, table) if schema else Identifier(table),
            "columns": SQL(", ").join(map(Identifier, columns)),
        }
        insert = SQL("INSERT INTO {table} ({columns})").format(**names).as_string(self.raw)
        shape = await self._shape(f"{insert} VALUES ({marks})")
        form = " (FORMAT BINARY)" if shape.copies_binary else ""
        text = SQL("COPY {table} ({columns}) FROM STDIN").format(**names).as_string(self.raw)
        cursor = self._register(shape)
        try:
            async with cursor.copy((text + form).encode()) as copy:
                if form:
                    copy.set_types(shape.oids)
                for row in rows:
                    await copy.write_row(shape.bind_copied(row))
        except (TypeError, ValueError, OverflowError) as error:
            if isinstance(error, RowsteadError):
                raise
            raise DataError(f"a value does not fit its column in {table!r}: {error}", table=table) from error
        return cursor.rowcount

    async def ping(self) -> None:
        await self._cursor.execute(self._check or "SELECT 1")

    async def reset(self) -> None:
        text = reset_text(self.in_transaction, self._prepares, self._check)
        await self._cursor.execute(text.encode())
        self._prepares = False
        self.dirty = False

    async def close(self) -> None:
        try:
            await within(CLOSE_TIMEOUT, self.raw.close())
        except (psycopg.Error, OSError):
            self.terminate()

    def terminate(self) -> None:
        self.raw.pgconn.finish()

    async def simple(self, text: str) -> int:
        """Send a text of one statement or several, in one round trip; how many rows the last one had."""
        cursor = self._cursor
        await cursor.execute(text.encode())
        while cursor.nextset():
            pass
        return rows_in(cursor.statusmessage)

    async def behind_pooler(self) -> bool:
        """Whether a pooler stands between this connection and the server."""
        await self.simple(pooler_question(self.raw.info.backend_pid))
        return self._cursor.statusmessage != DIRECT

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    def _note(self, text: str) -> None:
        """Names given by SQL's own PREPARE outlive a reset, unless it takes care of them."""
        if not self._prepares and "prepare" in text.lower():
            self._prepares = True

    async def _run(self, text: str, params: Sequence[Any]) -> Any:
        """Run one statement; where its table was altered since it was described, describe it anew."""
        cursor = self._cursor
        shape = known = self._shapes.get(text)
        if shape is None:
            shape = await self._describe(text)
        if shape.arrays:
            self._register(shape)
        try:
            await cursor.execute(text, shape.bind(params), binary=shape.binary)
        except (psycopg.Error, DataError) as error:
            fresh = await self._reshape(error, text, known)
            if fresh is None:
                raise
            shape = fresh
            await cursor.execute(text, shape.bind(params), binary=shape.binary)
        if shape.binary:
            self._verify(text, shape, cursor)
        return cursor

    async def _records(self, cursor: Any) -> Sequence[Record]:
        if cursor.description is None:
            return []
        records = await cursor.fetchall()
        if len(records) > LARGE_RESULT:
            # A cursor keeps its last result: let go of a large one.
            self._cursor = AsyncRawCursor(self.raw, row_factory=tuple_row)
            self._registered.clear()
        return records

    def _verify(self, text: str, shape: Shape, cursor: Any) -> None:
        """Forget a description whose columns have changed: binary is right only for known types."""
        result: PGresult | None = cursor.pgresult
        if result is not None and tuple(map(result.ftype, range(result.nfields))) != shape.results:
            self._shapes.pop(text, None)

    async def _shape(self, text: str) -> Shape:
        return self._shapes.get(text) or await self._describe(text)

    async def _describe(self, text: str) -> Shape:
        raw = self.raw
        async with raw.lock:
            oids, columns, results = await raw.wait(description(raw.pgconn, text.encode(raw.info.encoding)))
        own = sorted({oid for oid in (*oids, *results) if oid >= USER_OIDS})
        shape = Shape(oids, columns, results, await self._arrays(own) if own else ())
        self._shapes.remember(text, shape)
        return shape

    async def _arrays(self, oids: Sequence[int]) -> list[TypeInfo]:
        """Those of the database's own types that are arrays, as psycopg wants to be told of them."""
        cursor = self._cursor
        await cursor.execute("SELECT typname, oid, typarray FROM pg_type WHERE typarray = ANY($1)", [oids])
        return [TypeInfo(name, oid, array_oid) for name, oid, array_oid in await cursor.fetchall()]

    def _register(self, shape: Shape) -> Any:
        """Make the cursor read and write arrays of the database's own types; only the cursor."""
        for info in shape.arrays:
            if info.oid not in self._registered:
                info.register(self._cursor)
                self._registered.add(info.oid)
        return self._cursor

    async def _reshape(self, error: Exception, text: str, known: Shape | None) -> Shape | None:
        """The description as it is now, where that may help; nothing of the statement was applied."""
        status = self.raw.pgconn.transaction_status
        state = getattr(error, "sqlstate", None)
        self._shapes.pop(text, None)
        if status not in (_IDLE, _INTRANS):
            return None
        prepares = self.raw.prepare_threshold is not None
        if prepares and state in ("0A000", "26000") and (STALE in str(error) or state == "26000"):
            # psycopg sees this command's tag and forgets what it had prepared.
            await self._cursor.execute("DEALLOCATE ALL")
            return await self._describe(text)
        if known is None:
            return None
        if state is None or state in _SHAPE_STATES or state.startswith("22"):
            fresh = await self._describe(text)
            return None if fresh.same_as(known) else fresh
        return None


class PsycopgDriver:
    """PostgreSQL by psycopg with a pool of our own."""

    dialect: Dialect = POSTGRESQL
    codec = "psycopg"
    paramstyle = "numeric_dollar"
    own_pool = True
    joined = False
    json_as_text = False

    def __init__(self, dsn: str, options: Options | None = None) -> None:
        self._options = options = options or Options()
        self._hosts = Hosts(plain_dsn(dsn), options.connect_timeout)
        self._shapes = Shapes()
        low, high = options.bounds()
        self._pooled = False
        self.pool: Pool[PsycopgConnection | PooledConnection] = Pool(
            self._connect,
            min_size=low,
            max_size=high,
            acquire_timeout=options.acquire_timeout,
            max_lifetime=options.max_lifetime,
            max_idle=options.max_idle,
        )

    async def open(self) -> None:
        await self.pool.open()

    async def lend(self, write: bool) -> PsycopgConnection | PooledConnection:
        return await self.pool.acquire()

    def pool_for(self, write: bool) -> Pool[PsycopgConnection | PooledConnection]:
        return self.pool

    def take_back(self, connection: Any, suspect: bool = False) -> None:
        self.pool.release(connection, suspect)

    async def close(self) -> None:
        await self.pool.close()

    def translate(self, error: Exception) -> RowsteadError | None:
        return translate(error)

    async def _connect(self) -> PsycopgConnection | PooledConnection:
        try:
            return await self._hosts.connect(self._connected, is_for_the_next)
        except (psycopg.Error, OSError) as error:
            failure = without_connection(error)
        raise unreachable(self._hosts.dsn, failure, self._options.connect_timeout) from failure

    async def _connected(self, dsn: str, timeout: float | None) -> PsycopgConnection | PooledConnection:
        limit = self._options.statement_timeout
        sets = limit is not None and not self._pooled
        try:
            raw = await self._raw(dsn, timeout, limit if sets else None)
        except psycopg.OperationalError as error:
            if not sets or not refuses_setting(error):
                raise
            sets = False
            raw = await self._raw(dsn, timeout, None)
        raw.limit = client_limit(limit)
        connection = PsycopgConnection(raw, self._shapes, self._hosts.check)
        try:
            self._pooled = await connection.behind_pooler()
        except BaseException:
            connection.terminate()
            raise
        if self._pooled or (limit is not None and not sets):
            # A name that is prepared on one server session means nothing, or another text, on the next.
            raw.prepare_threshold = None
            return PooledConnection(connection, limit)
        return connection

    async def _raw(self, dsn: str, timeout: float | None, limit: float | None) -> LimitedConnection:
        raw = await LimitedConnection.connect(
            dsn,
            autocommit=True,
            prepare_threshold=PREPARE_AFTER,
            cursor_factory=AsyncRawCursor,
            **self._settings(dsn, timeout, limit),
        )
        raw.prepared_max = PREPARED
        return raw

    def _settings(self, dsn: str, timeout: float | None, limit: float | None) -> dict[str, Any]:
        """Time limits as libpq takes them. What stands in the URL goes before, what is in Options adds."""
        given = read_conninfo(dsn)
        settings: dict[str, Any] = {}
        if timeout is not None and "connect_timeout" not in given:
            settings["connect_timeout"] = max(1, math.ceil(timeout))
        if limit is not None:
            setting = f"-c statement_timeout={milliseconds(limit)}"
            settings["options"] = f"{given.get('options') or ''} {setting}".strip()
        return settings
