"""A primary and its hot standbys on this machine, by streaming replication, to be broken at will.

    with Cluster(standbys=2) as cluster:
        cluster.primary.kill()
        new = cluster.promote()

Each server is a `PostgresServer` of its own: an ordinary user's, on a free port, in a temporary
folder. A commit on the first primary is acknowledged when every standby has it on disk; who was
promoted has nobody to wait for. Knows nothing of Rowstead.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg

from own_server import as_account
from servers import PostgresServer, with_driver

SECONDS = 30.0
REPLICATION = (
    "wal_level=replica",
    "hot_standby=on",
    "hot_standby_feedback=on",
    "wal_keep_size=64MB",
    "wal_retrieve_retry_interval=100ms",
    # A killed server's shared memory then lies in its own folder, and goes with it.
    "dynamic_shared_memory_type=mmap",
    "shared_buffers=16MB",
    "max_connections=60",
)


class Node(PostgresServer):
    """One server of a cluster."""

    def connect(self) -> psycopg.Connection:
        """A connection of the superuser's, committing by itself."""
        return psycopg.connect(self.url, autocommit=True)

    def ask(self, question: str) -> Any:
        """The one value that `question` gives."""
        with self.connect() as connection:
            row = connection.execute(question.encode()).fetchone()
        assert row is not None
        return row[0]

    def set(self, **settings: str) -> None:
        """Change settings of the running server; they hold from the next time that it looks."""
        with self.connect() as connection:
            for name, value in settings.items():
                connection.execute(f"ALTER SYSTEM SET {name} = '{value}'".encode())
            connection.execute("SELECT pg_reload_conf()")

    def kill(self) -> None:
        """As if the power failed: every process of the server at once, by SIGKILL."""
        memory = _shared_memory(self.folder)
        # Stopped first, it can neither say goodbye nor begin to recover from its children's death.
        self.freeze()
        for pid in self._children():
            os.kill(pid, signal.SIGKILL)
        self.stop(signal.SIGKILL)
        if memory is not None:
            ctypes.CDLL(None).shmctl(memory, 0, None)

    def freeze(self) -> None:
        """Stop every process of the server where it stands: it keeps its connections and says nothing."""
        for pid in (self.pid, *self._children()):
            os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        for pid in (*self._children(), self.pid):
            os.kill(pid, signal.SIGCONT)

    def _children(self) -> list[int]:
        return [int(n) for n in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]


def _shared_memory(folder: Path) -> int | None:
    """The System V segment by which a server knows that it is the only one on its data."""
    words = (folder / "data" / "postmaster.pid").read_text().splitlines()[6].split()
    return int(words[1]) if len(words) == 2 else None


class Standby(Node):
    """A hot standby that follows `primary`; made by a base backup."""

    def __init__(self, primary: Node, name: str, settings: Sequence[str] = ()) -> None:
        super().__init__(settings=settings)
        self._primary = primary
        self._name = name
        self.password = primary.password

    def follow(self, primary: Node) -> None:
        """Replay what another server writes from now on."""
        self.set(primary_conninfo=_conninfo(primary, self._name).replace("'", "''"))

    def _make_data(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="rowstead-pg-"))
        if self._account is not None:
            os.chown(self._folder, self._account.pw_uid, self._account.pw_gid)
        made = subprocess.run(
            [
                self._bin / "pg_basebackup",
                f"--pgdata={self.folder / 'data'}",
                "--wal-method=stream",
                "--checkpoint=fast",
                "--no-sync",
                f"--dbname={_conninfo(self._primary, self._name)}",
            ],
            **as_account(self._account, self.folder),
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise RuntimeError(f"pg_basebackup failed: {made.stderr}")
        data = self.folder / "data"
        with (data / "postgresql.auto.conf").open("a") as file:
            file.write(f"primary_conninfo = '{_conninfo(self._primary, self._name)}'\n")
        (data / "standby.signal").touch()
        if self._account is not None:
            os.chown(data / "standby.signal", self._account.pw_uid, self._account.pw_gid)


def _conninfo(primary: Node, name: str) -> str:
    return (
        f"host=127.0.0.1 port={primary.port} user=rowstead password={primary.password} "
        f"dbname=postgres application_name={name} connect_timeout=2"
    )


class Cluster:
    """A primary and its standbys, entered and closed together."""

    def __init__(self, standbys: int = 2, *, synchronous: bool = True, fsync: bool = True) -> None:
        settings = (*REPLICATION, *(() if fsync else ("fsync=off",)))
        self.primary: Node = Node(settings=settings)
        self.standbys: list[Standby] = []
        self._settings = settings
        self._names = [f"standby{n}" for n in range(1, standbys + 1)]
        self._synchronous = synchronous
        self._all: list[Node] = [self.primary]

    def __enter__(self) -> Cluster:
        try:
            self.primary.__enter__()
            for name in self._names:
                standby = Standby(self.primary, name, self._settings)
                self._all.append(standby)
                self.standbys.append(standby)
                standby.__enter__()
            count = len(self._names)
            wait_until(lambda: self.primary.ask("SELECT count(*) FROM pg_stat_replication") == count)
            if self._synchronous:
                # By ALTER SYSTEM after the backups, so that no standby inherits it for its own time.
                names = f"FIRST {count} ({', '.join(self._names)})"
                self.primary.set(synchronous_standby_names=names)
                state = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"
                wait_until(lambda: self.primary.ask(state) == count)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop every server and remove what it wrote."""
        for node in reversed(self._all):
            node.stop(signal.SIGQUIT)
            node.close()

    def url(self, driver: str, *nodes: Node, query: str = "") -> str:
        """An address of these servers, of all where none is named, the first primary first."""
        chosen = nodes or tuple(self._all)
        login = self.primary.url.partition("://")[2].rpartition("@")[0]
        places = ",".join(f"127.0.0.1:{node.port}" for node in chosen)
        return with_driver(f"postgresql://{login}@{places}/postgres{query}", driver)

    def promote(self) -> Node:
        """Make the standby that has most the primary, let the others follow it; when it writes."""
        new = max(self.standbys, key=lambda node: node.ask(RECEIVED))
        assert new.ask("SELECT pg_promote(true, 30)")
        self.standbys.remove(new)
        for other in self.standbys:
            other.follow(new)
        self.primary = new
        return new

    def wait_for_replay(self) -> None:
        """Until every standby has replayed what the primary has written by now."""
        position = self.primary.ask("SELECT pg_current_wal_lsn()::text")
        for standby in self.standbys:
            wait_until(lambda s=standby: s.ask(f"SELECT pg_last_wal_replay_lsn() >= '{position}'::pg_lsn"))


RECEIVED = "SELECT (greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) - '0/0'::pg_lsn)::bigint"


def wait_until(condition: Callable[[], bool], seconds: float = SECONDS) -> None:
    """Ask until it is so."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError(f"not so after {seconds:g} s")
        time.sleep(0.005)
