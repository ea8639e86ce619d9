# Generated from rowstead/drivers/psycopg_borrowed.py by scripts/make_sync.py; do not edit.
"""psycopg pools and connections that a user brought: used plainly, their state is their owner's.

A connection that does not autocommit is made to while it is ours, and put back as it was. The
synchronous twin is generated from this file.
"""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from rowstead.dialects import POSTGRESQL, Dialect
from rowstead.drivers.addresses import Options
from rowstead.drivers.psycopg_errors import translate
from rowstead.errors import HandleClosed, RowsteadError
from rowstead.sync.drivers.psycopg import PsycopgConnection, PsycopgDriver, Shapes
from rowstead.sync.drivers.turns import Turns
from rowstead.sync.waiting import in_background, within


class _Borrowed:
    """What the two drivers share: facts, and autocommit for the time that a connection is ours."""

    dialect: Dialect = POSTGRESQL
    codec = "psycopg"
    paramstyle = "numeric_dollar"
    own_pool = False
    joined = False
    json_as_text = False

    def __init__(self) -> None:
        self._shapes = Shapes()
        self._tasks: set[Any] = set()
        self._restore: set[PsycopgConnection] = set()

    def translate(self, error: Exception) -> RowsteadError | None:
        return translate(error)

    def _begin(self, connection: PsycopgConnection) -> None:
        raw = connection.raw
        if not raw.autocommit and raw.pgconn.transaction_status == TransactionStatus.IDLE:
            raw.set_autocommit(True)
            self._restore.add(connection)

    def _end(self, connection: PsycopgConnection) -> None:
        """Roll back what was left open, and leave the connection as it came. Never raises."""
        raw = connection.raw
        restore = connection in self._restore
        self._restore.discard(connection)
        try:
            if connection.in_transaction:
                raw.rollback()
            if restore:
                raw.set_autocommit(False)
        except (psycopg.Error, OSError):
            connection.terminate()

    def _settle(self) -> None:
        """Wait until what was given back has reached its owner."""
        for task in list(self._tasks):
            within(None, task)


class PsycopgPoolDriver(_Borrowed):
    """PostgreSQL by a user's pool: anything with `getconn` and `putconn`, as psycopg_pool has them."""

    def __init__(self, pool: Any) -> None:
        super().__init__()
        self._pool = pool

    def open(self) -> None:
        connection = self.lend(write=False)
        self.take_back(connection)

    def lend(self, write: bool) -> PsycopgConnection:
        try:
            raw = self._pool.getconn()
        except psycopg.Error as error:
            if type(error).__name__ == "PoolClosed":
                raise HandleClosed("the pool that this handle was given is closed") from error
            raise translate(error) or error from error
        connection = PsycopgConnection(raw, self._shapes)
        try:
            self._begin(connection)
        except BaseException:
            self.take_back(connection)
            raise
        return connection

    def take_back(self, connection: Any, suspect: bool = False) -> None:
        if not in_background(self._give_back(connection), self._tasks, connection.terminate):
            connection.terminate()

    def close(self) -> None:
        """The pool stays open: it is its owner's."""
        self._settle()

    def _give_back(self, connection: PsycopgConnection) -> None:
        self._end(connection)
        try:
            self._pool.putconn(connection.raw)
        except (psycopg.Error, ValueError):
            # The pool is closed, or does not know its connection any more.
            connection.terminate()


class PsycopgConnectionDriver(_Borrowed):
    """PostgreSQL by one connection that a user brought, for one thread at a time.

    Where it is in a transaction already, that one is joined: blocks are savepoints, and its owner
    commits.
    """

    def __init__(self, raw: Any) -> None:
        super().__init__()
        self._connection = PsycopgConnection(raw, self._shapes)
        self.joined = self._connection.in_transaction
        self._turns = Turns()

    def open(self) -> None:
        connection = self.lend(write=False)
        self.take_back(connection)

    def lend(self, write: bool) -> PsycopgConnection:
        self._turns.take()
        connection = self._connection
        try:
            if connection.is_closed:
                raise HandleClosed("the connection that this handle was given is closed")
            self._begin(connection)
        except BaseException:
            self._turns.give()
            raise
        return connection

    def take_back(self, connection: Any, suspect: bool = False) -> None:
        connection.dirty = False
        if self.joined or connection.is_closed:
            self._turns.give()
            return
        if connection not in self._restore and not connection.in_transaction:
            self._turns.give()
            return
        self._turns.keep()
        if not in_background(self._put_right(connection), self._tasks, self._turns.give):
            self._turns.give()

    def close(self) -> None:
        """The connection stays open: it is its owner's."""
        self._settle()

    def _put_right(self, connection: PsycopgConnection) -> None:
        self._end(connection)
        self._turns.give()


class PsycopgAdapter:
    """Where a `DB` over psycopg comes from. Each way gives a driver: `DB(PsycopgAdapter.from_pool(pool))`."""

    @staticmethod
    def from_pool(pool: Any) -> PsycopgPoolDriver:
        """Over a pool of psycopg's that stays its owner's."""
        return PsycopgPoolDriver(pool)

    @staticmethod
    def from_connection(connection: Any) -> PsycopgConnectionDriver:
        """Over one connection of psycopg's that stays its owner's."""
        return PsycopgConnectionDriver(connection)

    @staticmethod
    def from_url(url: str, *, min_size: int | None = None, max_size: int | None = None) -> PsycopgDriver:
        """With a pool of our own, open. Raises UnreachableError where nobody answers."""
        driver = PsycopgDriver(url, Options(min_size=min_size, max_size=max_size))
        driver.open()
        return driver
