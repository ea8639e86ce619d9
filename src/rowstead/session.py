"""What all handles share: one way to run a statement, a plan and a user's own SQL, traced and mapped.

A session is a `Database` (each statement is its own transaction), a `Transaction` (all of them are
one) or a `PinnedSession` (one connection, no transaction). They differ in where the connection
comes from; this file does not know.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from time import perf_counter
from typing import Any, NamedTuple, NoReturn, TypeVar

from rowstead import raw
from rowstead.dialects import Dialect
from rowstead.drivers.base import Connection, Driver, RawResult
from rowstead.errors import (
    DisconnectedError,
    DuplicateError,
    ForeignKeyError,
    NotNullError,
    OutcomeUnknown,
    ReadOnlyError,
    RestrictError,
    RowsteadError,
    StatementError,
    StatementTimeout,
    ValidationError,
)
from rowstead.plan import (
    Atomic,
    BehindPooler,
    Call,
    Copy,
    Finally,
    Many,
    ManyReturning,
    Pinned,
    Plan,
    Sleep,
    Step,
    Trying,
    Within,
    arun,
)
from rowstead.statements.compiled import Compiler
from rowstead.values.encoders import raw_encoder
from rowstead.waiting import finish, sleep

R = TypeVar("R")


class Trace(NamedTuple):
    """One statement that ran, as a trace function sees it. Values are hidden unless asked for."""

    sql: str
    params: Sequence[Any]
    seconds: float
    rows: int
    """Rows read, or rows affected; -1 where the database does not say."""
    error: RowsteadError | None
    answers: int = 1
    """How many calls this one statement answered: gets that waited for a connection share one."""


class Tracer(NamedTuple):
    """Who is told of every statement, and whether with its values."""

    function: Callable[[Trace], None]
    values: bool

    def tell(
        self,
        sql: str,
        params: Sequence[Any],
        started: float,
        rows: int,
        error: RowsteadError | None,
        answers: int = 1,
    ) -> None:
        shown = params if self.values else ["…"] * len(params)
        self.function(Trace(sql, shown, perf_counter() - started, rows, error, answers))


class Session:
    """Runs calls, plans and raw SQL on connections that a subclass provides."""

    driver: Driver
    compiler: Compiler
    tracer: Tracer | None

    @property
    def dialect(self) -> Dialect:
        return self.driver.dialect

    async def run(self, call: Call[R]) -> R:
        """Run one statement and give what its `read` makes of it (or the affected count)."""
        raise NotImplementedError

    async def raw(self, call: Call[RawResult]) -> RawResult:
        """Run a user's statement."""
        raise NotImplementedError

    async def tried(self, call: Call[R]) -> R:
        """Run a statement that may be refused for a row that is there; a transaction goes on then."""
        return await self.run(call)

    async def pinned(self, plan: Plan[R]) -> R:
        """Run a plan on one connection, outside any transaction where there is none."""
        raise NotImplementedError

    async def bulk(self, step: Many | ManyReturning | Copy) -> Any:
        """Run a bulk step, all or nothing."""
        raise NotImplementedError

    def block(
        self, isolation: str | None = None, readonly: bool = False
    ) -> AbstractAsyncContextManager[Session]:
        """A transaction, or a savepoint inside one."""
        raise NotImplementedError

    async def behind_pooler(self) -> bool:
        """Whether a pooler may give each transaction another server session."""
        return False

    async def plan(self, plan: Plan[R]) -> R:
        """Drive a plan to its end."""
        return await arun(plan, self)

    async def done(self, work: Call[R] | Plan[R]) -> R:
        """Run what takes one statement on some databases and several on others."""
        return await (self.run(work) if isinstance(work, Call) else self.plan(work))

    async def perform(self, step: Step) -> Any:
        """One step of a plan."""
        if isinstance(step, Call):
            return await (self.raw(step) if step.raw else self.run(step))
        if isinstance(step, Atomic):
            async with self.block() as inner:
                return await inner.plan(step.plan)
        if isinstance(step, Trying):
            return await self.tried(step.call)
        if isinstance(step, Pinned):
            return await self.pinned(step.plan)
        if isinstance(step, Within):
            with step.context:
                return await self.plan(step.plan)
        if isinstance(step, Finally):
            try:
                return await self.plan(step.plan)
            finally:
                await finish(self.plan(step.after))
        if isinstance(step, BehindPooler):
            return await self.behind_pooler()
        if isinstance(step, Sleep):
            return await sleep(step.seconds)
        return await self.bulk(step)

    # Raw SQL

    def raw_call(self, sql: str, params: Sequence[Any]) -> Call[RawResult]:
        """A user's statement with its values, as the driver takes them."""
        text = raw.prepare(sql, self.driver.paramstyle)
        encode = raw_encoder(self.driver.codec)
        values = [encode(p) for p in params] if encode is not None else list(params)
        if text.order is not None:
            expected = max(text.order, default=-1) + 1
            if len(values) != expected:
                raise ValidationError(
                    f"the statement has {expected} parameter(s), but {len(values)} value(s) were given"
                )
            values = [values[i] for i in text.order]
        return Call(text.text, values, writes=not text.reads, raw=True)

    async def fetch(self, sql: str, *params: Any) -> list[dict[str, Any]]:
        """Every row of a user's statement as a dict; of two columns with one name the last wins."""
        result = await self.raw(self.raw_call(sql, params))
        return [dict(zip(result.columns, record, strict=True)) for record in result.records]

    async def fetchrow(self, sql: str, *params: Any) -> dict[str, Any] | None:
        """The first row as a dict, or None."""
        result = await self.raw(self.raw_call(sql, params))
        return dict(zip(result.columns, result.records[0], strict=True)) if result.records else None

    async def fetchval(self, sql: str, *params: Any) -> Any:
        """The first column of the first row, or None where there is no row."""
        result = await self.raw(self.raw_call(sql, params))
        return result.records[0][0] if result.records and result.columns else None

    async def ping(self) -> None:
        """Ask the database for an answer; what keeps it from one is raised."""
        await self.fetchval("SELECT 1")

    async def execute(self, sql: str, *params: Any) -> int:
        """Run a user's statement; the number of affected rows, or -1 where it has none."""
        return (await self.raw(self.raw_call(sql, params))).count

    # One connection

    def _mark(self, connection: Connection, call: Call[Any]) -> None:
        """A user's SQL may have changed the connection's state: it is reset before its next turn."""
        if raw.first_word(call.text) not in self.dialect.stateless_words:
            connection.dirty = True

    async def _send(self, connection: Connection, call: Call[Any]) -> Any:
        """Run one statement on this connection: its records, affected count or raw result."""
        if self.tracer is not None:
            return await self._send_traced(connection, call, self.tracer)
        try:
            if call.raw:
                self._mark(connection, call)
                return await connection.fetch_raw(call.text, call.params)
            if call.read is None:
                return await connection.execute(call.text, call.params)
            return await connection.fetch(call.text, call.params)
        except Exception as error:
            self._fail(connection, error, call.text, call.table)

    async def _send_several(self, connection: Connection, texts: Sequence[str]) -> int:
        """Run statements of ours without values; in one round trip where the connection can.

        What comes back is how many rows the last one had.
        """
        simple: Callable[[str], Awaitable[int]] | None = getattr(connection, "simple", None)
        if simple is None:
            result: Any = 0
            for text in texts:
                read = list if raw.first_word(text) == "select" else None
                result = await self._send(connection, Call(text, read=read))
            return result if isinstance(result, int) else len(result)
        text = "; ".join(texts)
        started = perf_counter()
        error: RowsteadError | None = None
        try:
            return await simple(text)
        except Exception as cause:
            error = self._translated(cause, text, None)
            self._fail(connection, cause, text, None, error)
        finally:
            if self.tracer is not None:
                self.tracer.tell(text, (), started, -1, error)

    async def _send_traced(self, connection: Connection, call: Call[Any], tracer: Tracer) -> Any:
        started = perf_counter()
        answers: int = getattr(call, "answers", 1)
        try:
            if call.raw:
                self._mark(connection, call)
                result = await connection.fetch_raw(call.text, call.params)
                rows = len(result.records) if result.columns else result.count
            elif call.read is None:
                result = rows = await connection.execute(call.text, call.params)
            else:
                result = await connection.fetch(call.text, call.params)
                rows = len(result)
        except Exception as error:
            translated = self._translated(error, call.text, call.table)
            tracer.tell(call.text, call.params, started, -1, translated, answers)
            self._fail(connection, error, call.text, call.table, translated)
        tracer.tell(call.text, call.params, started, rows, None, answers)
        return result

    async def _send_bulk(self, connection: Connection, step: Many | ManyReturning | Copy) -> Any:
        """Run a bulk step on a connection that holds a transaction open."""
        started = perf_counter()
        error: RowsteadError | None = None
        text = f"COPY {step.table}" if isinstance(step, Copy) else step.text
        count = -1
        try:
            if isinstance(step, Many):
                result = count = await connection.execute_many(step.text, step.rows)
            elif isinstance(step, ManyReturning):
                result = await connection.fetch_many(step.text, step.rows)
                count = len(result)
            else:
                result = count = await connection.copy_in(step.schema, step.table, step.columns, step.rows)
        except Exception as cause:
            error = self._translated(cause, text, step.table)
            self._fail(connection, cause, text, step.table, error)
        finally:
            if self.tracer is not None:
                self.tracer.tell(text, (), started, count, error)
        return result

    def _translated(self, error: Exception, text: str, table: str | None) -> RowsteadError | None:
        """What a driver raised, as ours; None where it is none of the driver's errors."""
        translated = error if isinstance(error, RowsteadError) else self.driver.translate(error)
        if type(translated) in (ForeignKeyError, NotNullError) and raw.first_word(text) == "delete":
            # SQLite does not say which side of the key refused; of a DELETE it can only be the other rows.
            # So it is where they should refer to nothing from now on and may not.
            translated = RestrictError(f"other rows still refer to this one ({error})")
        guard = self.dialect.upsert_guard
        if guard is not None and isinstance(translated, StatementError) and guard in text:
            translated = DuplicateError("the row is there already by another unique key than the upsert's")
        if translated is not None and translated.table is None:
            translated.table = table
        return translated

    def _fail(
        self,
        connection: Connection,
        error: Exception,
        text: str,
        table: str | None,
        translated: RowsteadError | None = None,
    ) -> NoReturn:
        """Raise what a driver raised as ours, with the driver's own as its cause."""
        translated = translated or self._translated(error, text, table)
        if isinstance(translated, StatementTimeout) and not translated.answered:
            # Whatever is sent next would wait for the same answer.
            connection.terminate()
        elif isinstance(translated, ReadOnlyError):
            # The server may have ceased to be the one that takes writes: looked at before the next turn.
            connection.dirty = True
        if translated is None or translated is error:
            raise error
        raise translated from error


def is_lost(error: BaseException) -> bool:
    """Whether the answer to a statement was lost: a broken connection, or a server that is silent."""
    return isinstance(error, DisconnectedError) or (
        isinstance(error, StatementTimeout) and not error.answered
    )


def outcome(error: BaseException, call: Call[Any]) -> BaseException:
    """What a lost answer means for a statement that was its own transaction."""
    if not isinstance(error, RowsteadError) or not is_lost(error):
        return error
    if call.writes or (call.raw and raw.may_write(call.text)):
        return OutcomeUnknown(
            f"no answer came: if the statement writes, it may have been applied. "
            f"Look before writing again. ({error})",
            table=error.table,
        )
    return error
