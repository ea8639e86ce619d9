# Generated from rowstead/drivers/replicas.py by scripts/make_sync.py; do not edit.
"""Reads on standbys: a driver over a primary and its replicas which chooses who answers.

What is lent for writing is the primary. What is lent for reading is a replica that has replayed
all that this handle has written, else the primary. Knows PostgreSQL's positions in the log; must
not know what is read. Which statements may be lent for at all is the session's business.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from time import monotonic
from typing import Any
from weakref import WeakKeyDictionary

from rowstead.drivers.replicas import ReplicaStatus as ReplicaStatus
from rowstead.errors import OperationalError, PoolTimeout, RowsteadError
from rowstead.sync.drivers.base import Connection, Driver
from rowstead.sync.waiting import Lock, mutex, sleep, within

AWAY = 2.0
"""Seconds in which a replica that could not be reached is not asked again."""
LATE = 0.5
"""Seconds in which nobody waits for a replica that did not catch up in time."""
SILENT = 1.0
"""Seconds beyond the wait after which a replica that says nothing counts as away."""
FIRST_PAUSE = 0.001
LONGEST_PAUSE = 0.02
PAGE_HEADER = 24

# Of what is inserted, not of what is written out: a commit without synchronous_commit was
# acknowledged before it is written.
POSITION = (
    "SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint, current_setting('wal_block_size')::integer"
)
# NULL from a server that is no standby: positions of a history of its own say nothing about ours.
REPLAYED = "SELECT CASE WHEN pg_is_in_recovery() THEN (pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::bigint END"


class Replica:
    """One replica: its driver and why it is passed over, if it is."""

    __slots__ = ("address", "away_until", "driver", "failure", "late_until", "reads")

    def __init__(self, address: str, driver: Driver) -> None:
        self.address = address
        self.driver = driver
        self.reads = 0
        self.away_until = 0.0
        self.late_until = 0.0
        self.failure: str | None = None


class ReplicatedDriver:
    """A primary and its replicas as one driver. `wait`: seconds that a replica may take to catch up."""

    replicated = True
    own_pool = True
    joined = False

    def __init__(self, primary: Driver, replicas: Sequence[Replica], wait: float) -> None:
        self.primary = primary
        self.dialect = primary.dialect
        self.codec = primary.codec
        self.paramstyle = primary.paramstyle
        self._replicas = tuple(replicas)
        self._wait = wait
        self._turns = count()
        self._mutex = mutex()
        self._reading: dict[Any, Replica | None] = {}
        """Connections that are lent for reading, and whose they are (None: the primary's)."""
        self._writes = 0
        """How often the primary was lent for what may have written: a position is of one such number."""
        self._asked = 0
        self._position = 0
        self._asking = Lock()
        # By connection, not by replica: one that was rewound or made anew has lost its connections.
        self._replayed: WeakKeyDictionary[Any, int] = WeakKeyDictionary()

    def status(self) -> list[ReplicaStatus]:
        """How each replica fares."""
        return [ReplicaStatus(r.address, r.reads, r.failure) for r in self._replicas]

    def open(self) -> None:
        """Connect to the primary, and try each replica: one that is away now may come back."""
        self.primary.open()
        for replica in self._replicas:
            connection = self._lent(replica, 0)
            if connection is not None:
                replica.driver.take_back(connection)

    def close(self) -> None:
        for replica in self._replicas:
            replica.driver.close()
        self.primary.close()

    def translate(self, error: Exception) -> RowsteadError | None:
        return self.primary.translate(error)

    def lend(self, write: bool) -> Connection:
        if write:
            return self.primary.lend(True)
        turn = next(self._turns)
        if any(True for _ in self._in_turn(turn, 0)):
            try:
                wanted = self._wanted()
            except RowsteadError:
                # The primary has to answer itself, or to say what is wrong with it.
                pass
            else:
                for replica in self._in_turn(turn, wanted):
                    connection = self._lent(replica, wanted)
                    if connection is not None:
                        replica.reads += 1
                        return self._noted(connection, replica)
        return self._noted(self.primary.lend(False), None)

    def take_back(self, connection: Connection, suspect: bool = False) -> None:
        with self._mutex:
            if connection in self._reading:
                replica = self._reading.pop(connection)
            else:
                replica = None
                self._writes += 1
        driver = self.primary if replica is None else replica.driver
        driver.take_back(connection, suspect)

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    def _noted(self, connection: Connection, replica: Replica | None) -> Connection:
        with self._mutex:
            self._reading[connection] = replica
        return connection

    def _in_turn(self, turn: int, wanted: int) -> Iterator[Replica]:
        """Those that may be asked, another one first at each turn."""
        now = monotonic()
        for at in range(len(self._replicas)):
            replica = self._replicas[(turn + at) % len(self._replicas)]
            if replica.away_until <= now and not (wanted and replica.late_until > now):
                yield replica

    def _wanted(self) -> int:
        """The position in the log that a replica must have reached: 0 where this handle wrote nothing.

        It is asked for when the first read after a write comes, so that writes cost nothing.
        """
        with self._mutex:
            writes = self._writes
        if self._asked >= writes:
            return self._position
        with self._asking:
            if self._asked < writes:
                with self._mutex:
                    writes = self._writes
                self._position = self._ask()
                self._asked = writes
        return self._position

    def _ask(self) -> int:
        connection = self.primary.lend(False)
        suspect = True
        try:
            position, page = (connection.fetch(POSITION, ()))[0]
            suspect = False
        except Exception as error:
            translated = self._translated(error)
            raise translated from error
        finally:
            self.primary.take_back(connection, suspect)
        # At a page's beginning the next record comes behind the header, the last one ended before it.
        return position - PAGE_HEADER if position % page == PAGE_HEADER else position

    def _lent(self, replica: Replica, wanted: int) -> Connection | None:
        """A connection to this replica, which has replayed `wanted`; None where it cannot be had."""
        if replica.failure is not None:
            # One reader finds out whether it is back; the others pass it over meanwhile.
            replica.away_until = monotonic() + AWAY
        try:
            connection = replica.driver.lend(False)
        except PoolTimeout:
            raise
        except OperationalError as error:
            self._is_away(replica, error)
            return None
        fit, suspect = False, True
        try:
            fit = (
                not wanted
                or self._replayed.get(connection, 0) >= wanted
                or within(self._wait + SILENT, self._catches_up(replica, connection, wanted))
            )
            suspect = False
        except Exception as error:
            self._is_away(replica, self._translated(error))
        else:
            replica.away_until = 0.0
            replica.failure = None
        finally:
            if not fit:
                replica.driver.take_back(connection, suspect)
        return connection if fit else None

    def _catches_up(self, replica: Replica, connection: Connection, wanted: int) -> bool:
        until = monotonic() + self._wait
        pause = FIRST_PAUSE
        while True:
            reached = (connection.fetch(REPLAYED, ()))[0][0]
            if reached is not None and reached >= wanted:
                self._replayed[connection] = reached
                return True
            left = until - monotonic()
            if reached is None or left <= 0:
                replica.late_until = monotonic() + LATE
                return False
            sleep(min(pause, left))
            pause = min(pause * 2, LONGEST_PAUSE)

    def _is_away(self, replica: Replica, error: Exception) -> None:
        replica.failure = str(error)
        replica.away_until = monotonic() + AWAY

    def _translated(self, error: Exception) -> RowsteadError:
        """A replica's, or the primary's, failure as ours; anything else is raised as it is."""
        if isinstance(error, RowsteadError):
            return error
        translated = self.translate(error)
        if translated is None:
            raise error
        return translated
