"""The lock that lets one runner at a time apply migrations, whatever number was started.

It answers for taking it, waiting for it and naming who has it. It must not know what is done under
it. Both locks here are let go by themselves when their holder dies: the server ends the session of a
dead client, the kernel drops a dead process's file locks. Behind a pooler no session is ours, and a
lease (`lease.py`) takes the lock's place. Waiting is polling, with the pause outside
any statement: a session that waits inside `pg_advisory_lock` holds a snapshot, for which
`CREATE INDEX CONCURRENTLY` of the holder would wait for ever.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Protocol, TypeVar

from rowstead.errors import StorageError, TimeoutExceeded
from rowstead.migrations import lease
from rowstead.plan import BehindPooler, Call, Pinned, Plan, Record, Sleep, Within

R = TypeVar("R")

_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 0.1


class Lock(Protocol):
    """How one database keeps runners apart."""

    def hold(self, work: Callable[[], Plan[R]], timeout: float, /) -> Plan[R]:
        """Run the plan that `work` makes while holding the lock. Raises TimeoutExceeded."""
        ...

    def join(self, work: Callable[[], Plan[R]], timeout: float, /) -> Plan[R]:
        """The same inside a transaction that is open: the lock is held until that ends."""
        ...

    def alone(self, plan: Plan[R], sets_session: bool, /) -> Plan[R]:
        """Run one migration's plan under the lock; the session settings it makes do not outlive it."""
        ...


class AdvisoryLock:
    """PostgreSQL: an advisory lock of the session, on the connection that does the work."""

    def __init__(self, name: str) -> None:
        # Advisory locks are per database, so the name needs nothing of the database's own.
        self._key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)

    def hold(self, work: Callable[[], Plan[R]], timeout: float) -> Plan[R]:
        return (yield Pinned(self._hold(work, timeout)))

    def join(self, work: Callable[[], Plan[R]], timeout: float) -> Plan[R]:
        return (yield from self._under("pg_try_advisory_xact_lock", work, timeout))

    def alone(self, plan: Plan[R], sets_session: bool) -> Plan[R]:
        if sets_session and (yield BehindPooler()):
            return (yield from lease.with_local_settings(plan))
        result = yield from plan
        # Only where it is needed: the owner of a pool may have set something on purpose.
        if sets_session:
            # What a pooled connection's reset does, without the part that gives the lock back.
            yield Call("SET SESSION AUTHORIZATION DEFAULT", raw=True)
            yield Call("RESET ALL", raw=True)
        return result

    def _hold(self, work: Callable[[], Plan[R]], timeout: float) -> Plan[R]:
        if (yield BehindPooler()):
            return (yield from self._leased(work, timeout))
        return (yield from self._under("pg_try_advisory_lock", work, timeout))

    def _leased(self, work: Callable[[], Plan[R]], timeout: float) -> Plan[R]:
        mine = lease.Lease(self._key)
        for pause in pauses(timeout):
            if (yield from mine.take()):
                return (yield from mine.work(work()))
            yield Sleep(pause)
        raise timed_out(timeout, mine.holder or (yield from self._sessions()))

    def _under(self, function: str, work: Callable[[], Plan[R]], timeout: float) -> Plan[R]:
        holder: str | None = None
        for pause in pauses(timeout):
            # A write: it must never go to a replica.
            got = yield Call(f"SELECT {function}({self._key})", (), _value, writes=True)
            holder = (yield from lease.held()) if got else None
            if got and holder is None:
                return (yield from work())
            if got and function == "pg_try_advisory_lock":
                yield Call(f"SELECT pg_advisory_unlock({self._key})", (), list, writes=True)
            yield Sleep(pause)
        raise timed_out(timeout, holder or (yield from self._sessions()))

    def _sessions(self) -> Plan[str]:
        holders = yield Call(self._holders(), (), list)
        return ", ".join(map(_session, holders))

    def _holders(self) -> str:
        high, low = (self._key >> 32) & 0xFFFFFFFF, self._key & 0xFFFFFFFF
        return (
            "SELECT l.pid, a.application_name, a.usename FROM pg_locks l "
            "LEFT JOIN pg_stat_activity a ON a.pid = l.pid "
            "WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 "
            "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
            f"AND l.classid::bigint = {high} AND l.objid::bigint = {low}"
        )


class LockFile:
    """SQLite: a locked file beside the database; a database in memory needs none."""

    def __init__(self, suffix: str) -> None:
        self._suffix = suffix

    def hold(self, work: Callable[[], Plan[R]], timeout: float) -> Plan[R]:
        path = yield Call("PRAGMA database_list", (), _main_file)
        if not path:
            return (yield from work())
        holder = ""
        for pause in pauses(timeout):
            try:
                return (yield Within(FileLock(path + self._suffix), work()))
            except LockTaken as taken:
                holder = taken.holder
            yield Sleep(pause)
        raise timed_out(timeout, f"process {holder}" if holder else "")

    def join(self, work: Callable[[], Plan[R]], _timeout: float) -> Plan[R]:
        # The open transaction is the one writer, and what it sees cannot change under it.
        return (yield from work())

    def alone(self, plan: Plan[R], _sets_session: bool) -> Plan[R]:
        return (yield Pinned(plan))


class LockTaken(Exception):
    """The file is locked; `holder` is the process id written in it, if it could be read."""

    def __init__(self, holder: str) -> None:
        super().__init__(holder)
        self.holder = holder


class FileLock:
    """Holds the operating system's lock on a file; raises LockTaken at once if another has it.

    The file is removed by its holder, so whoever gets the lock looks whether its file is still the
    one of that name.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor = -1

    def __enter__(self) -> None:
        while self._descriptor < 0:
            try:
                descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
            except OSError as error:
                raise StorageError(
                    f"cannot open the migration lock {self._path}: {error.strerror}; "
                    "the database's folder must be writable, and the file removed if another user left it"
                ) from error
            if not _try_lock(descriptor):
                holder = _read_holder(descriptor)
                os.close(descriptor)
                raise LockTaken(holder)
            if self._is_current(descriptor):
                self._descriptor = descriptor
            else:
                os.close(descriptor)
        os.truncate(self._descriptor, 0)
        # The first byte is the one that Windows locks, and there nobody else can read it.
        os.write(self._descriptor, f" {os.getpid()}".encode())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Windows refuses to remove an open file; there it stays, unlocked.
        with contextlib.suppress(OSError):
            os.unlink(self._path)
        os.close(self._descriptor)
        self._descriptor = -1

    def _is_current(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), os.stat(self._path))
        except FileNotFoundError:
            return False


if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _read_holder(descriptor: int) -> str:
    try:
        os.lseek(descriptor, 1, os.SEEK_SET)
        return os.read(descriptor, 20).decode("ascii", "replace").strip()
    except OSError:
        return ""


def pauses(timeout: float) -> Iterator[float]:
    """Ever longer pauses until `timeout` seconds have gone by; at least one try is made."""
    end = time.monotonic() + timeout
    pause = _FIRST_PAUSE
    yield min(pause, timeout)
    while (left := end - time.monotonic()) > 0:
        pause = min(pause * 1.5, _LONGEST_PAUSE)
        yield min(pause, left)


def timed_out(timeout: float, holder: str) -> TimeoutExceeded:
    """The error for a lock that `holder` keeps."""
    who = f"by {holder}" if holder else "by another runner"
    return TimeoutExceeded(
        f"the migration lock is held {who} and was not free after {timeout:g} s; nothing was applied; "
        "wait for it to end, or end it, and run again"
    )


def _session(record: Record) -> str:
    pid, application, user = record
    words = [f"server process {pid}"]
    if application:
        words.append(f"application {application!r}")
    if user:
        words.append(f"user {user!r}")
    return ", ".join(words)


def _value(records: Sequence[Record]) -> object:
    return records[0][0]


def _main_file(records: Sequence[Record]) -> str:
    return next((str(file or "") for _, name, file in records if name == "main"), "")
