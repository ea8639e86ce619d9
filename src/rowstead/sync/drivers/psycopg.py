# Generated from rowstead/drivers/psycopg.py by scripts/make_sync.py; do not edit.
"""PostgreSQL by psycopg 3: connections that autocommit, take `$1`, and ask the server for types.

Every text with values is described once per driver (one round trip); the `Shape` that comes of it
says how values travel. The synchronous twin is generated from this file, so it waits only through
`rowstead.sync.waiting`. Pools and connections that a user brought are in `psycopg_borrowed`.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Sequence
from typing import Any

import psycopg
from psycopg import Connection, RawCursor, generators
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult
from psycopg.rows import tuple_row
from psycopg.sql import SQL, Identifier
from psycopg.types import TypeInfo

from rowstead.dialects import POSTGRESQL, Dialect
from rowstead.drivers.postgresql import (
    CLIENT_GRACE,
    STALE,
    affected,
    may_be_several,
    plain_dsn,
    redefines,
    reset_text,
    unreachable,
    unreadable,
)
from rowstead.drivers.psycopg_errors import translate
from rowstead.drivers.psycopg_values import USER_OIDS, Shape
from rowstead.errors import DataError, RowsteadError
from rowstead.plan import Record
from rowstead.sync.drivers.base import RawResult
from rowstead.sync.drivers.pool import Pool
from rowstead.sync.drivers.urls import Options
from rowstead.sync.waiting import within

SHAPES = 1024
"""How many texts a driver remembers the server's description of; when full it starts afresh."""
PREPARE_AFTER = 2
PREPARED = 256
LARGE_RESULT = 1000
CLOSE_TIMEOUT = 5.0

_IDLE, _ACTIVE, _INTRANS, _INERROR = (
    TransactionStatus.IDLE,
    TransactionStatus.ACTIVE,
    TransactionStatus.INTRANS,
    TransactionStatus.INERROR,
)
# Codes by which a table that was altered since its text was described makes itself known.
_SHAPE_STATES = frozenset({"42804", "42883"})


class Shapes(dict[str, Shape]):
    """What the server said of texts, for all connections of a driver. Bounded by `SHAPES`."""

    def remember(self, text: str, shape: Shape) -> None:
        if len(self) >= SHAPES:
            self.clear()
        self[text] = shape


class PsycopgConnection:
    """One connection. `raw` is psycopg's own; whoever makes this one sees to it that it autocommits."""

    def __init__(self, raw: Connection[Any], shapes: Shapes, limit: float | None = None) -> None:
        self.raw = raw
        self.dirty = False
        self._shapes = shapes
        self._limit = limit
        self._prepares = False
        # Its type allows only literal texts, which ours are not.
        self._cursor: Any = RawCursor(raw, row_factory=tuple_row)
        self._registered: set[int] = set()

    @property
    def in_transaction(self) -> bool:
        return self.raw.pgconn.transaction_status in (_ACTIVE, _INTRANS, _INERROR)

    @property
    def is_closed(self) -> bool:
        return self.raw.closed

    def fetch(self, text: str, params: Sequence[Any]) -> Sequence[Record]:
        cursor = self._run(text, params)
        return self._records(cursor)

    def execute(self, text: str, params: Sequence[Any]) -> int:
        self._note(text)
        if params or may_be_several(text):
            cursor = self._run(text, params)
        else:
            cursor = self._cursor
            within(self._limit, cursor.execute(text))
        tag = cursor.statusmessage
        if redefines(tag):
            self._shapes.clear()
        return affected(tag)

    def fetch_raw(self, text: str, params: Sequence[Any]) -> RawResult:
        self._note(text)
        cursor = self._run(text, params)
        tag = cursor.statusmessage
        if redefines(tag):
            self._shapes.clear()
        if cursor.description is None:
            return RawResult((), [], affected(tag))
        columns = [column.name for column in cursor.description]
        return RawResult(columns, self._records(cursor), affected(tag))

    def execute_many(self, text: str, rows: Sequence[Sequence[Any]]) -> int:
        if not rows:
            return 0
        shape = self._shape(text)
        cursor = self._register(shape)
        cursor.executemany(text, [shape.bind(row) for row in rows])
        return cursor.rowcount

    def fetch_many(self, text: str, rows: Sequence[Sequence[Any]]) -> list[Record | None]:
        if not rows:
            return []
        shape = self._shape(text)
        cursor = self._register(shape)
        cursor.executemany(text, [shape.bind(row) for row in rows], returning=True)
        records: list[Record | None] = [cursor.fetchone()]
        while cursor.nextset():
            records.append(cursor.fetchone())
        return records

    def copy_in(
        self, schema: str | None, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]
    ) -> int:
        # The types that an INSERT of these columns would take are the columns' own.
        marks = ", ".join(f"${n}" for n in range(1, len(columns) + 1))
        names = {
            "table": Identifier(schema, table) if schema else Identifier(table),
            "columns": SQL(", ").join(map(Identifier, columns)),
        }
        insert = SQL("INSERT INTO {table} ({columns})").format(**names).as_string(self.raw)
        shape = self._shape(f"{insert} VALUES ({marks})")
        form = " (FORMAT BINARY)" if shape.copies_binary else ""
        text = SQL("COPY {table} ({columns}) FROM STDIN").format(**names).as_string(self.raw)
        cursor = self._register(shape)
        try:
            with cursor.copy((text + form).encode()) as copy:
                if form:
                    copy.set_types(shape.oids)
                for row in rows:
                    copy.write_row(shape.bind(row))
        except (TypeError, ValueError, OverflowError) as error:
            if isinstance(error, RowsteadError):
                raise
            raise DataError(f"a value does not fit its column in {table!r}: {error}", table=table) from error
        return cursor.rowcount

    def ping(self) -> None:
        self._cursor.execute("SELECT 1")

    def reset(self) -> None:
        self._cursor.execute(reset_text(self.in_transaction, self._prepares).encode())
        self._prepares = False
        self.dirty = False

    def close(self) -> None:
        try:
            within(CLOSE_TIMEOUT, self.raw.close())
        except (psycopg.Error, OSError):
            self.terminate()

    def terminate(self) -> None:
        self.raw.pgconn.finish()

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    def _note(self, text: str) -> None:
        """Names given by SQL's own PREPARE outlive a reset, unless it takes care of them."""
        if not self._prepares and "prepare" in text.lower():
            self._prepares = True

    def _run(self, text: str, params: Sequence[Any]) -> Any:
        """Run one statement; where its table was altered since it was described, describe it anew."""
        cursor = self._cursor
        shape = known = self._shapes.get(text)
        if shape is None:
            shape = self._describe(text)
        if shape.arrays:
            self._register(shape)
        try:
            within(self._limit, cursor.execute(text, shape.bind(params), binary=shape.binary))
        except (psycopg.Error, DataError) as error:
            fresh = self._reshape(error, text, known)
            if fresh is None:
                raise
            shape = fresh
            within(self._limit, cursor.execute(text, shape.bind(params), binary=shape.binary))
        if shape.binary:
            self._verify(text, shape, cursor)
        return cursor

    def _records(self, cursor: Any) -> Sequence[Record]:
        if cursor.description is None:
            return []
        records = cursor.fetchall()
        if len(records) > LARGE_RESULT:
            # A cursor keeps its last result: let go of a large one.
            self._cursor = RawCursor(self.raw, row_factory=tuple_row)
            self._registered.clear()
        return records

    def _verify(self, text: str, shape: Shape, cursor: Any) -> None:
        """Forget a description whose columns have changed: binary is right only for known types."""
        result: PGresult | None = cursor.pgresult
        if result is not None and tuple(map(result.ftype, range(result.nfields))) != shape.results:
            self._shapes.pop(text, None)

    def _shape(self, text: str) -> Shape:
        return self._shapes.get(text) or self._describe(text)

    def _describe(self, text: str) -> Shape:
        raw = self.raw
        with raw.lock:
            oids, columns, results = within(
                self._limit, raw.wait(_description(raw.pgconn, text.encode(raw.info.encoding)))
            )
        own = sorted({oid for oid in (*oids, *results) if oid >= USER_OIDS})
        shape = Shape(oids, columns, results, self._arrays(own) if own else ())
        self._shapes.remember(text, shape)
        return shape

    def _arrays(self, oids: Sequence[int]) -> list[TypeInfo]:
        """Those of the database's own types that are arrays, as psycopg wants to be told of them."""
        cursor = self._cursor
        cursor.execute("SELECT typname, oid, typarray FROM pg_type WHERE typarray = ANY($1)", [oids])
        return [TypeInfo(name, oid, array_oid) for name, oid, array_oid in cursor.fetchall()]

    def _register(self, shape: Shape) -> Any:
        """Make the cursor read and write arrays of the database's own types; only the cursor."""
        for info in shape.arrays:
            if info.oid not in self._registered:
                info.register(self._cursor)
                self._registered.add(info.oid)
        return self._cursor

    def _reshape(self, error: Exception, text: str, known: Shape | None) -> Shape | None:
        """The description as it is now, where that may help; nothing of the statement was applied."""
        status = self.raw.pgconn.transaction_status
        state = getattr(error, "sqlstate", None)
        self._shapes.pop(text, None)
        if status not in (_IDLE, _INTRANS):
            return None
        if state in ("0A000", "26000") and (STALE in str(error) or state == "26000"):
            # psycopg sees this command's tag and forgets what it had prepared.
            self._cursor.execute("DEALLOCATE ALL")
            return self._describe(text)
        if known is None:
            return None
        if state is None or state in _SHAPE_STATES or state.startswith("22"):
            fresh = self._describe(text)
            return None if fresh.same_as(known) else fresh
        return None


def _description(pgconn: Any, text: bytes) -> Generator[Any, Any, tuple[list[int], list[str], list[int]]]:
    """Parameter types, column names and column types of one statement, in one round trip."""
    results: list[Any] = []
    ends = 0
    pgconn.enter_pipeline_mode()
    try:
        pgconn.send_prepare(b"", text)
        pgconn.send_describe_prepared(b"")
        pgconn.pipeline_sync()
        yield from generators.send(pgconn)
        # Each command's results end with a None, the synchronisation has none.
        while ends <= 2:
            result = yield from generators.fetch(pgconn)
            if result is None:
                ends += 1
            elif result.status == ExecStatus.PIPELINE_SYNC:
                break
            else:
                results.append(result)
    finally:
        pgconn.exit_pipeline_mode()
    for result in results:
        if result.status == ExecStatus.FATAL_ERROR:
            raise psycopg.errors.error_from_result(result)
    if len(results) != 2:
        raise psycopg.OperationalError("the connection was lost while a statement was described")
    said = results[1]
    return (
        [said.param_type(i) for i in range(said.nparams)],
        [said.fname(i).decode() for i in range(said.nfields)],
        [said.ftype(i) for i in range(said.nfields)],
    )


class PsycopgDriver:
    """PostgreSQL by psycopg with a pool of our own."""

    dialect: Dialect = POSTGRESQL
    codec = "psycopg"
    paramstyle = "numeric_dollar"
    own_pool = True
    joined = False
    json_as_text = False

    def __init__(self, dsn: str, options: Options | None = None) -> None:
        self._dsn = plain_dsn(dsn)
        self._options = options = options or Options()
        self._shapes = Shapes()
        low, high = options.bounds()
        self.pool: Pool[PsycopgConnection] = Pool(
            self._connect,
            min_size=low,
            max_size=high,
            acquire_timeout=options.acquire_timeout,
            max_lifetime=options.max_lifetime,
            max_idle=options.max_idle,
        )

    def open(self) -> None:
        self.pool.open()

    def lend(self, write: bool) -> PsycopgConnection:
        return self.pool.acquire()

    def take_back(self, connection: Any, suspect: bool = False) -> None:
        self.pool.release(connection, suspect)

    def close(self) -> None:
        self.pool.close()

    def translate(self, error: Exception) -> RowsteadError | None:
        return translate(error)

    def _connect(self) -> PsycopgConnection:
        options = self._options
        settings = self._settings()
        try:
            raw = within(
                options.connect_timeout,
                Connection.connect(
                    self._dsn,
                    autocommit=True,
                    prepare_threshold=PREPARE_AFTER,
                    cursor_factory=RawCursor,
                    **settings,
                ),
            )
        except (psycopg.Error, OSError) as error:
            raise unreachable(self._dsn, error, options.connect_timeout) from error
        raw.prepared_max = PREPARED
        limit = options.statement_timeout
        return PsycopgConnection(raw, self._shapes, None if limit is None else limit + CLIENT_GRACE)

    def _settings(self) -> dict[str, Any]:
        """Time limits as libpq takes them. What stands in the URL goes before, what is in Options adds."""
        options = self._options
        try:
            given = conninfo_to_dict(self._dsn)
        except psycopg.Error:
            raise unreadable() from None
        settings: dict[str, Any] = {}
        if options.connect_timeout is not None and "connect_timeout" not in given:
            settings["connect_timeout"] = max(1, math.ceil(options.connect_timeout))
        if options.statement_timeout is not None:
            setting = f"-c statement_timeout={math.ceil(options.statement_timeout * 1000)}"
            settings["options"] = f"{given.get('options') or ''} {setting}".strip()
        return settings
