"""Transaction blocks: one means the same on every backend, whatever breaks.

A block lends one connection to one task. Nested blocks are savepoints. After a failed statement
that no savepoint caught the block can only roll back. A connection lost during COMMIT is asked
after, where the database can tell; else the outcome is said to be unknown. When a task is
cancelled the connection is put right behind its back; the cancellation is never swallowed.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from time import monotonic
from types import TracebackType
from typing import Any, TypeVar

from rowstead import raw
from rowstead.drivers.base import Connection, Driver, RawResult
from rowstead.errors import (
    CommitOutcomeUnknown,
    DisconnectedError,
    DuplicateError,
    HandleClosed,
    RowsteadError,
    TransactionFailed,
    UsageError,
)
from rowstead.plan import Call, Copy, Many, ManyReturning, Plan, Record
from rowstead.session import Session, Tracer, is_lost
from rowstead.statements.compiled import Compiler
from rowstead.waiting import Lock, finish, owner, sleep, within

R = TypeVar("R")

ASK_AFTER_COMMIT = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
"""Seconds before each question whether a lost COMMIT was applied."""
ASK_FOR = 20.0
"""Seconds after which no further question is asked, however long the answers took."""
ROLL_BACK_TIMEOUT = 5.0
"""Seconds in which a server must undo a block; then the connection is dropped, which undoes it too."""


class Transaction(Session):
    """One open block on one connection. Ends with its block; then every use is HandleClosed."""

    def __init__(
        self,
        driver: Driver,
        compiler: Compiler,
        tracer: Tracer | None,
        connection: Connection,
        depth: int = 0,
    ) -> None:
        self.driver = driver
        self.compiler = compiler
        self.tracer = tracer
        self.connection = connection
        self.depth = depth
        self.wrote = False
        self.identity: str | None = None
        """The transaction's id, where a write has brought it along."""
        self.failure: BaseException | None = None
        self._ended = False
        self._turn = Lock()
        self._nested: object = None
        """Who has a nested block open; until it ends, statements belong to that block's handle."""

    def end(self) -> None:
        """From now on every use of the handle is an error."""
        self._ended = True

    def check(self) -> None:
        """Raise unless a statement can run now."""
        if self._ended:
            raise HandleClosed("this transaction block has ended; its handle cannot be used any more")
        if self.failure is not None:
            raise failed(self.failure)
        if self._nested is not None and self._nested == owner():
            raise UsageError(
                "a nested block is open on this transaction: use the nested block's handle inside it "
                "(`async with tx.transaction() as inner:` then `inner`), else this call would wait for itself"
            )

    async def take_turn(self, nested: bool = False) -> None:
        """Wait until no other task uses the connection, then hold it; for a nested block to its end."""
        self.check()
        await self._turn.acquire()
        try:
            self.check()
        except BaseException:
            self._turn.release()
            raise
        if nested:
            self._nested = owner()

    def give_turn(self) -> None:
        self._nested = None
        self._turn.release()

    async def kept(self) -> None:
        """A nested block was kept; who holds the turn says so."""

    def fail(self, error: BaseException) -> None:
        """Nothing more can be kept: the block rolls back whatever happens now."""
        if self.failure is None:
            self.failure = error

    async def _step(self, call: Call[Any]) -> Any:
        if not self._turn.take():
            await self.take_turn()
        elif self._ended or self.failure is not None:
            self._turn.release()
            self.check()
        try:
            if call.writes:
                self.wrote = True
                if call.brings_id and self.identity is None and self.dialect.returned_id is not None:
                    return await self.identified(call, self.dialect.returned_id)
            if call.read is None or call.raw or self.tracer is not None:
                return await self._send(self.connection, call)
            # As `_send` does, with a call less: most statements of a block come through here.
            try:
                return await self.connection.fetch(call.text, call.params)
            except Exception as error:
                self._fail(self.connection, error, call.text, call.table)
        except BaseException as error:
            self.fail(error)
            raise
        finally:
            self.give_turn()

    async def identified(self, call: Call[Any], returned_id: str) -> Sequence[Record]:
        """The first row that is written brings the transaction's id: else a round trip would ask for it."""
        asking = Call(call.text + returned_id, call.params, call.read, writes=True, table=call.table)
        records: Sequence[Record] = await self._send(self.connection, asking)
        if records:
            self.identity = records[0][-1]
        return records

    async def run(self, call: Call[R]) -> R:
        result = await self._step(call)
        return result if call.read is None else call.read(result)

    async def raw(self, call: Call[RawResult]) -> RawResult:
        self.wrote = True
        self.dialect.require_transactional(raw.statement(call.text))
        result = await self._step(call)
        if self.dialect.commits_by_itself is not None and not self.connection.in_transaction:
            ended = UsageError(
                "the statement ended this transaction block (a procedure that commits, or a statement hidden "
                "in a comment): what was done before it is committed already"
            )
            self.fail(ended)
            raise ended
        return result

    async def tried(self, call: Call[R]) -> R:
        if not self.dialect.failure_is_local:
            async with self.block() as inner:
                return await inner.run(call)
        await self.take_turn()
        try:
            self.wrote = True
            result = await self._send(self.connection, call)
        except DuplicateError:
            raise
        except BaseException as error:
            self.fail(error)
            raise
        finally:
            self.give_turn()
        return result if call.read is None else call.read(result)

    async def bulk(self, step: Many | ManyReturning | Copy) -> Any:
        await self.take_turn()
        try:
            self.wrote = True
            return await self._send_bulk(self.connection, step)
        except BaseException as error:
            self.fail(error)
            raise
        finally:
            self.give_turn()

    async def pinned(self, plan: Plan[R]) -> R:
        return await self.plan(plan)

    def block(
        self, isolation: str | None = None, readonly: bool = False
    ) -> AbstractAsyncContextManager[Transaction]:
        return Savepoint(self)


def failed(cause: BaseException) -> TransactionFailed:
    """The error of a block that cannot be kept; retryable when its cause is."""
    error = TransactionFailed(
        f"an earlier statement of this transaction failed ({type(cause).__name__}: {cause}), so nothing "
        "of it is kept. To go on after a failure, put the statement into `async with tx.transaction():`"
    )
    error.retryable = isinstance(cause, RowsteadError) and cause.retryable
    error.__cause__ = cause
    return error


class Savepoint(AbstractAsyncContextManager[Transaction]):
    """A block inside a block: what it did is undone when it fails, and the outer block lives on."""

    def __init__(self, outer: Transaction) -> None:
        self._outer = outer
        self._name = f"rowstead_{outer.depth + 1}"
        self._inner: Transaction | None = None

    async def __aenter__(self) -> Transaction:
        outer = self._outer
        await outer.take_turn(nested=True)
        try:
            await outer._send(outer.connection, Call(f"SAVEPOINT {self._name}"))  # pyright: ignore[reportPrivateUsage]
        except BaseException as error:
            outer.fail(error)
            outer.give_turn()
            raise
        inner = Transaction(outer.driver, outer.compiler, outer.tracer, outer.connection, outer.depth + 1)
        self._inner = inner
        return inner

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        inner, outer = self._inner, self._outer
        assert inner is not None
        inner.end()
        try:
            if error is None and inner.failure is None:
                await finish(self._send(f"RELEASE SAVEPOINT {self._name}"))
                outer.wrote = outer.wrote or inner.wrote
                outer.identity = outer.identity or inner.identity
                await finish(outer.kept())
            elif outer.connection.in_transaction:
                await finish(self._undo())
            else:
                # SQLite undoes the whole transaction after some errors: disk full, an interrupted write.
                outer.fail(error or inner.failure or DisconnectedError("the transaction is gone"))
        except BaseException as broken:
            outer.fail(broken)
            raise
        finally:
            outer.give_turn()
        if error is None and inner.failure is not None:
            raise failed(inner.failure)

    async def _undo(self) -> None:
        await self._send(f"ROLLBACK TO SAVEPOINT {self._name}")
        await self._send(f"RELEASE SAVEPOINT {self._name}")

    async def _send(self, text: str) -> None:
        outer = self._outer
        await outer._send(outer.connection, Call(text))  # pyright: ignore[reportPrivateUsage]


class Block(AbstractAsyncContextManager[Transaction]):
    """A transaction of its own: lends a connection, begins, and commits or rolls back at the end.

    `begin` are the statements that open it. `pinned` is a connection that is lent already and stays so.
    On a connection that somebody else holds a transaction on (`driver.joined`) the block is a savepoint
    of that transaction.
    """

    def __init__(
        self, session: Session, begin: Sequence[str], write: bool, pinned: Connection | None = None
    ) -> None:
        self._session = session
        self._begin = begin
        self._write = write
        self._pinned = pinned
        self._lent = pinned is None
        self._transaction: Transaction | None = None

    async def __aenter__(self) -> Transaction:
        session = self._session
        connection = self._pinned or await session.driver.lend(self._write)
        try:
            for text in self._begin:
                await session._send(connection, Call(text))  # pyright: ignore[reportPrivateUsage]
        except BaseException:
            self._give_back(connection, suspect=True)
            raise
        self._transaction = Transaction(session.driver, session.compiler, session.tracer, connection)
        return self._transaction

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        transaction = self._transaction
        assert transaction is not None
        # A task that still uses the handle (it was not awaited) must not run into COMMIT.
        transaction.end()
        suspect = True
        try:
            if error is None and transaction.failure is None:
                await finish(self._commit(transaction))
            else:
                await finish(self._roll_back(transaction))
            suspect = False
        finally:
            self._give_back(transaction.connection, suspect)
        if error is None and transaction.failure is not None:
            raise failed(transaction.failure)

    def _give_back(self, connection: Connection, suspect: bool) -> None:
        if self._lent:
            self._lent = False
            self._session.driver.take_back(connection, suspect)

    async def _roll_back(self, transaction: Transaction) -> None:
        """Undo. A lost connection has undone it already, and so has SQLite after some errors."""
        if transaction.connection.is_closed or not transaction.connection.in_transaction:
            return
        try:
            await within(ROLL_BACK_TIMEOUT, self._say(transaction, "ROLLBACK"))
        except (RowsteadError, TimeoutError):
            transaction.connection.terminate()

    async def _commit(self, transaction: Transaction) -> None:
        identity = await self._identity(transaction)
        try:
            await self._say(transaction, "COMMIT")
        except RowsteadError as error:
            if is_lost(error):
                await self._settle(transaction, identity, error)
                return
            # A constraint checked at COMMIT: some databases leave the transaction open.
            if transaction.connection.in_transaction:
                await self._roll_back(transaction)
            raise

    async def _say(self, transaction: Transaction, text: str) -> None:
        await self._session._send(transaction.connection, Call(text))  # pyright: ignore[reportPrivateUsage]

    async def _identity(self, transaction: Transaction) -> str | None:
        """The transaction's id, asked before COMMIT, so that a lost COMMIT can be asked after."""
        question = self._session.dialect.transaction_id
        if transaction.identity is not None or question is None or not transaction.wrote:
            return transaction.identity
        call: Call[Any] = Call(question, read=_first_value)
        return _first_value(await self._session._send(transaction.connection, call))  # pyright: ignore[reportPrivateUsage]

    async def _settle(self, transaction: Transaction, identity: str | None, error: RowsteadError) -> None:
        """No answer came to COMMIT: return if it was applied, else say what is known."""
        # Others may be lost in the same moment: who kept the broken one while it waits for another
        # would keep them all from ever asking.
        transaction.connection.terminate()
        self._give_back(transaction.connection, suspect=True)
        nothing = DisconnectedError(
            f"the connection was lost during COMMIT, and nothing was applied ({error})"
        )
        if not transaction.wrote:
            raise nothing from error
        unknown = CommitOutcomeUnknown(
            "the connection was lost during COMMIT, and the database could not be asked whether it was "
            f"applied. Look before running it again. ({error})"
        )
        question = self._session.dialect.transaction_status
        if question is None or identity is None:
            raise unknown from error
        until = monotonic() + ASK_FOR
        for seconds in ASK_AFTER_COMMIT:
            await sleep(seconds)
            status = await self._ask(question, identity)
            if status == "committed":
                return
            if status == "aborted":
                raise nothing from error
            if status == "unsure" or monotonic() > until:
                break
        raise unknown from error

    async def _ask(self, question: str, identity: str) -> str | None:
        driver = self._session.driver
        call: Call[Any] = Call(question, [identity], _first_value)
        try:
            connection = await driver.lend(True)
        except RowsteadError:
            return None
        suspect = True
        try:
            answer = _first_value(await self._session._send(connection, call))  # pyright: ignore[reportPrivateUsage]
            suspect = False
        except RowsteadError:
            return None
        finally:
            driver.take_back(connection, suspect)
        return answer


def _first_value(records: Sequence[Record]) -> Any:
    return records[0][0] if records else None
