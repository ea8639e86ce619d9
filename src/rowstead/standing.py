"""Transactions that stand until they are ended by hand, in which a failed statement costs only itself.

`Block` is for `async with` and fails with its first failed statement; here the caller ends the
transaction by a call, from whichever task, and goes on after an error. Where the database does not
undo a failed statement by itself, a savepoint stands before whatever comes next.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from rowstead.drivers.base import Connection
from rowstead.errors import RowsteadError
from rowstead.plan import Call, Copy, Many, ManyReturning
from rowstead.session import Session
from rowstead.transaction import Block, Transaction
from rowstead.waiting import finish

STANDING = "rowstead_standing"
SET = f"SAVEPOINT {STANDING}"
RENEW = (f"RELEASE SAVEPOINT {STANDING}", SET)


class Expected(NamedTuple):
    """A row that a transaction is to find at its beginning: of a table of ours, by a number in a column."""

    table: str
    column: str
    value: int

    def question(self) -> str:
        """A statement that gives a row where it is there; as text, since it travels with the BEGIN."""
        return f"SELECT 1 FROM {self.table} WHERE {self.column} = {self.value:d}"


class StandingTransaction(Transaction):
    """A transaction that outlives its failed statements.

    Where the database needs one, a savepoint stands behind all that was written whenever a statement is
    sent: it is set anew before the first statement behind a write, so that the last write needs none.
    """

    as_expected = True
    """Whether it found at its beginning what it was to find."""
    _moved = False
    """Whether something was written since the savepoint was set."""

    async def kept(self) -> None:
        self._moved = True

    async def _stand(self) -> None:
        """See to it that a failed statement goes back to here."""
        if self._moved and not self.dialect.failure_is_local:
            await self._send_several(self.connection, RENEW)
        self._moved = False

    async def _step(self, call: Call[Any]) -> Any:
        await self.take_turn()
        try:
            await self._stand()
            if not (call.writes or call.raw):
                return await self._send(self.connection, call)
            self.wrote = True
            if call.brings_id and self.identity is None and self.dialect.returned_id is not None:
                result = await self.identified(call, self.dialect.returned_id)
            else:
                result = await self._send(self.connection, call)
            await self.kept()
            return result
        except BaseException as error:
            await self._undo(error)
            raise
        finally:
            self.give_turn()

    async def bulk(self, step: Many | ManyReturning | Copy) -> Any:
        # Of a statement that runs many times, those runs stay that came before the one that failed.
        async with self.block() as inner:
            return await inner.bulk(step)

    async def _undo(self, error: BaseException) -> None:
        """Take back what the failed statement did; where that cannot be, the transaction has failed."""
        connection = self.connection
        if not isinstance(error, RowsteadError) or connection.is_closed or not connection.in_transaction:
            # Cancelled in the middle, or the database undid everything: a full disk, a lost connection.
            self.fail(error)
        elif not self.dialect.failure_is_local:
            try:
                await finish(self._say(f"ROLLBACK TO SAVEPOINT {STANDING}"))
            except BaseException as broken:
                self.fail(broken)
                raise

    async def _say(self, text: str) -> None:
        await self._send(self.connection, Call(text))


class StandingBlock(Block):
    """Begins by `start`, ends by `commit` or `roll_back`; `async with` does the same.

    `begin` are the statements that open it; `snapshot` asks for a connection on which others may
    write meanwhile. `expected` is looked for on the way, and `as_expected` tells whether it was there.
    """

    def __init__(
        self, session: Session, begin: Sequence[str], snapshot: bool, expected: Expected | None = None
    ) -> None:
        super().__init__(session, begin[:1], True)
        opens = begin if session.dialect.failure_is_local else (*begin, SET)
        # The last, because of several statements only the last one's rows are counted.
        self._statements = opens if expected is None else (*opens, expected.question())
        self._expects = expected is not None
        self._snapshot = snapshot

    async def _lend(self) -> Connection:
        driver = self._session.driver
        lend_snapshot = getattr(driver, "lend_snapshot", None) if self._snapshot else None
        return await (driver.lend(True) if lend_snapshot is None else lend_snapshot())

    async def __aenter__(self) -> StandingTransaction:
        session = self._session
        connection = await self._lend()
        try:
            found = await session._send_several(connection, self._statements)  # pyright: ignore[reportPrivateUsage]
            transaction = StandingTransaction(session.driver, session.compiler, session.tracer, connection)
            transaction.as_expected = found > 0 or not self._expects
        except BaseException:
            self._give_back(connection, suspect=True)
            raise
        self._transaction = transaction
        return transaction

    @property
    def apart(self) -> Session:
        """What it was begun on: what runs there is no part of it, whether it is kept or not."""
        return self._session

    async def start(self) -> StandingTransaction:
        """Begin. What this gives is used until one of the two below."""
        return await self.__aenter__()

    async def commit(self) -> None:
        """Keep everything; what goes wrong is raised, and then nothing is kept."""
        await self.__aexit__(None, None, None)

    async def roll_back(self) -> None:
        """Keep nothing."""
        reason = RowsteadError("rolled back by hand")
        await self.__aexit__(RowsteadError, reason, None)

    def drop(self) -> None:
        """Keep nothing, without waiting: for a handle that was forgotten."""
        transaction = self._transaction
        if transaction is not None:
            transaction.end()
            self._give_back(transaction.connection, suspect=True)
