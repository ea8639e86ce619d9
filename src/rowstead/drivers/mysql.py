"""MariaDB by asyncmy or aiomysql, in our own pool. The synchronous twin, over PyMySQL, is generated.

Values are written into the text by the library's own escaping; the session's character set, mode and zone
are ours, and are set again whenever it was reset.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

from rowstead.dialects import MARIADB, Dialect
from rowstead.drivers.addresses import Options
from rowstead.drivers.base import RawResult
from rowstead.drivers.mysql_asynchronous import Library
from rowstead.drivers.mysql_errors import ENDS_TRANSACTION, code_of, translate
from rowstead.drivers.mysql_rows import Batch, batches
from rowstead.drivers.mysql_settings import (
    HAS_SNAPSHOT_ISOLATION,
    Settings,
    read_url,
    session_text,
    unreachable,
    written,
)
from rowstead.drivers.pool import Pool
from rowstead.drivers.postgresql import client_limit
from rowstead.errors import (
    DisconnectedError,
    RowsteadError,
    StatementError,
    UnreachableError,
    ValidationError,
)
from rowstead.plan import Record
from rowstead.waiting import in_background, within

IN_TRANSACTION = 1
"""The bit of the server's status that tells of an open transaction."""
NOTHING_IN_IT = 1065
"""The server's code for a text without a statement."""
CLOSE_TIMEOUT = 5.0
KILL_TIMEOUT = 5.0

# Behind comments; of any other statement the server's count says nothing that others would say too.
_COUNTED = re.compile(
    r"(?:\s+|--[^\n]*(?:\n|$)|#[^\n]*(?:\n|$)|/\*.*?\*/)*(?:INSERT|UPDATE|DELETE|REPLACE)\b",
    re.IGNORECASE | re.DOTALL,
)


class MySQLConnection:
    """One connection. `raw` is the library's own."""

    def __init__(
        self,
        raw: Any,
        library: Library,
        session: str,
        limit: float | None,
        abandon: Callable[[int], None],
    ) -> None:
        self.raw = raw
        self.dirty = False
        self._library = library
        self._session = session
        self._limit = limit
        self._abandon = abandon
        self._thread: int = raw.thread_id()
        self._busy = False
        """Whether a statement was sent whose answer has not been read to its end."""

    @property
    def in_transaction(self) -> bool:
        return bool(self.raw.server_status & IN_TRANSACTION) and not self.is_closed

    @property
    def is_closed(self) -> bool:
        return self._library.is_closed(self.raw)

    async def fetch(self, text: str, params: Sequence[Any]) -> Sequence[Record]:
        return (await self._run(text, params)).records

    async def execute(self, text: str, params: Sequence[Any]) -> int:
        return (await self._run(text, params)).count

    async def fetch_raw(self, text: str, params: Sequence[Any]) -> RawResult:
        try:
            return await self._run(text, params)
        except self._library.errors as error:
            if code_of(error) == NOTHING_IN_IT:
                return RawResult((), (), -1)
            raise

    async def execute_many(self, text: str, rows: Sequence[Sequence[Any]]) -> int:
        total = 0
        for batch in batches(text, rows, self.raw.escape):
            result = await self._send(batch.query)
            # The server counts a row twice that it found and changed; of an INSERT each was written.
            total += batch.rows if batch.inserts else result.count
        return total

    async def fetch_many(self, text: str, rows: Sequence[Sequence[Any]]) -> list[Record | None]:
        found: list[Record | None] = []
        for batch in batches(text, rows, self.raw.escape):
            found.extend(_in_order(batch, (await self._send(batch.query)).records))
        return found

    async def copy_in(
        self, schema: str | None, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]
    ) -> int:
        raise NotImplementedError("MariaDB has no bulk path beside INSERT here")

    async def ping(self) -> None:
        await self._send("SELECT 1")

    async def reset(self) -> None:
        if self._busy:
            raise DisconnectedError("the connection is in the middle of a statement")
        self._busy = True
        await self._library.reset(self.raw)
        self._busy = False
        await self._send(self._session)
        self.dirty = False

    async def close(self) -> None:
        try:
            await within(CLOSE_TIMEOUT, self._library.goodbye(self.raw))
        except (*self._library.errors, OSError):
            self.terminate()

    def terminate(self) -> None:
        self._library.drop(self.raw)
        if self._busy:
            # The server would go on with it, and keep its locks, until it has something to say.
            self._busy = False
            self._abandon(self._thread)

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    async def _run(self, text: str, params: Sequence[Any]) -> RawResult:
        try:
            query = written(text, params, self.raw.escape)
        except TypeError as error:
            if "format string" in str(error) or "arguments" in str(error):
                raise _wrong_count(text, len(params)) from None
            raise
        return await self._send(query)

    async def _send(self, query: str) -> RawResult:
        """Send a whole statement; its last set of rows, as a procedure may give several."""
        raw = self.raw
        self._busy = True
        try:
            await within(self._limit, raw.query(query))
            result = raw._result
            while raw._result.has_next:
                await within(self._limit, raw.next_result())
                result = raw._result if raw._result.description is not None else result
        except self._library.errors as error:
            code = code_of(error) or 0
            # The server's own word ends the answer; a library's, of a broken connection, does not.
            self._busy = not (1000 <= code < 2000 or code >= 3000)
            if code in ENDS_TRANSACTION and self.in_transaction:
                await self._undo()
            raise
        self._busy = False
        counted = _COUNTED.match(query) is not None
        if result.description is None:
            return RawResult((), (), result.affected_rows if counted else -1)
        columns = [column[0] for column in result.description]
        return RawResult(columns, result.rows, len(result.rows) if counted else -1)

    async def _undo(self) -> None:
        """Roll the whole transaction back; where that fails, the end of the connection does it."""
        self._busy = True
        try:
            await within(self._limit, self.raw.rollback())
            self._busy = False
        except (*self._library.errors, OSError):
            self.terminate()


def _in_order(batch: Batch, records: Sequence[Record]) -> Sequence[Record | None]:
    """The first record of each of the batch's rows."""
    if batch.rows == 1:
        return [records[0] if records else None]
    if len(records) != batch.rows:
        raise StatementError(f"{batch.rows} rows were written and {len(records)} came back")
    return records


def _wrong_count(text: str, given: int) -> ValidationError:
    expected = text.replace("%%", "").count("%s")
    return ValidationError(f"the statement has {expected} parameter(s), but {given} value(s) were given")


class MySQLDriver:
    """MariaDB with a pool of our own. `library` is the name of an installed one."""

    dialect: Dialect = MARIADB
    codec = "mysql"
    paramstyle = "format"
    own_pool = True
    joined = False
    json_as_text = False

    def __init__(self, url: str, library: str, options: Options | None = None) -> None:
        self._options = options = options or Options()
        self._settings: Settings = read_url(url)
        self._library = Library(library)
        self._session: str | None = None
        self._killing: set[Any] = set()
        low, high = options.bounds()
        self.pool: Pool[MySQLConnection] = Pool(
            self._connect,
            min_size=low,
            max_size=high,
            acquire_timeout=options.acquire_timeout,
            max_lifetime=options.max_lifetime,
            max_idle=options.max_idle,
        )

    async def open(self) -> None:
        await self.pool.open()

    async def lend(self, write: bool) -> MySQLConnection:
        return await self.pool.acquire()

    def pool_for(self, write: bool) -> Pool[MySQLConnection]:
        return self.pool

    def take_back(self, connection: Any, suspect: bool = False) -> None:
        self.pool.release(connection, suspect)

    async def close(self) -> None:
        await self.pool.close()
        for killing in list(self._killing):  # async only
            await killing

    def translate(self, error: Exception) -> RowsteadError | None:
        return translate(error, self._library.errors)

    async def _connect(self) -> MySQLConnection:
        raw = await self._raw()
        try:
            return await self._begun(raw)
        except BaseException as error:
            self._library.drop(raw)
            if isinstance(error, (*self._library.errors, OSError)):
                raise unreachable(self._settings, error, self._options.connect_timeout) from error
            raise

    async def _raw(self) -> Any:
        timeout = self._options.connect_timeout
        limit = client_limit(self._options.statement_timeout)
        try:
            return await within(timeout, self._library.connect(self._settings, timeout, limit))
        except (*self._library.errors, OSError) as error:
            raise unreachable(self._settings, error, timeout) from error

    async def _begun(self, raw: Any) -> MySQLConnection:
        limit = self._options.statement_timeout
        if self._session is None:
            self._session = await self._session_of(raw)
        await raw.query(self._session)
        return MySQLConnection(raw, self._library, self._session, client_limit(limit), self._abandon)

    async def _session_of(self, raw: Any) -> str:
        await raw.query("SELECT version()")
        ((version,),) = raw._result.rows
        if "mariadb" not in version.lower():
            raise UnreachableError(
                f"{self._settings.place} is MySQL {version}, which lacks what Rowstead needs (INSERT … "
                "RETURNING); use MariaDB 10.11 or later"
            )
        await raw.query(HAS_SNAPSHOT_ISOLATION)
        return session_text(bool(raw._result.rows), self._options.statement_timeout)

    def _abandon(self, thread: int) -> None:
        """Have the server stop what a dropped connection was doing, behind the caller's back."""
        in_background(self._kill(thread), self._killing, _nothing)

    async def _kill(self, thread: int) -> None:
        with suppress(RowsteadError, *self._library.errors, OSError, EOFError):
            await within(KILL_TIMEOUT, self._killed(thread))

    async def _killed(self, thread: int) -> None:
        raw = await self._raw()
        try:
            await raw.query(f"KILL {thread}")
        finally:
            self._library.drop(raw)


def _nothing() -> None:
    """The loop ended before the server could be told; it finds out by itself."""
