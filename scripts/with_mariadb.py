"""Run a command beside a private MariaDB, and stop the server whatever happens.

    scripts/with_mariadb.py [--fast] -- command ...

The server lives in a temporary folder on a free port of 127.0.0.1 and asks for a password that exists
only in the command's environment: ROWSTEAD_TEST_MARIADB=mysql://.... The exit code is the command's own.
`--fast` gives up durability. MariaDB's programs are taken from this machine; as root on Debian they are
installed when they are missing, without the service that Debian's package would start by itself.

Standard library only, and nothing of Rowstead: `tests/servers.py` starts more servers with the same
class, and must be able to blame Rowstead for what it sees.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from own_server import (
    OwnServer,
    ServerUnavailable,
    account,
    as_account,
    beside,
    die_with_parent,
    free_port,
    install,
)

VARIABLE = "ROWSTEAD_TEST_MARIADB"
USER = "rowstead"
START_SECONDS = 60.0
NOT_DURABLE = ("innodb-flush-log-at-trx-commit=0", "sync-binlog=0", "innodb-doublewrite=0")
PACKAGES = ("mariadb-server-core", "mariadb-client-core")
"""The programs alone. `mariadb-server` would add a service, and start it."""
ADMIN_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/usr/local/libexec", "/opt/homebrew/bin", "/usr/libexec")


class MariaServer(OwnServer):
    """A server of our own: `with MariaServer() as server: connect(server.url)`."""

    def __init__(self, *, fast: bool = False, settings: Sequence[str] = ()) -> None:
        super().__init__()
        self._server, self._install_db = find_programs()
        self._settings = (*(NOT_DURABLE if fast else ()), *settings)
        self._account = account("mysql", "nobody")

    @property
    def url(self) -> str:
        """For an account that may do everything, by TCP."""
        return f"mysql://{USER}:{self.password}@127.0.0.1:{self.port}/{USER}"

    def start(self) -> None:
        """Start on the data that is there; on the same port as before, if there was one."""
        for _ in range(5):
            port = self.port or free_port()
            self._process = self._spawn(port)
            if self._becomes_ready(port):
                self.port = port
                return
            self.stop()
            # Another program took the port between our asking for a free one and our use of it.
            if self.port or "Address already in use" not in self.log():
                break
        raise ServerUnavailable(f"MariaDB did not start; its log says:\n{self.log()[-4000:]}")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Stop the server, keeping its data. SIGKILL is a crash; so it ends when it takes too long."""
        process, self._process = self._process, None
        if process is None:
            return
        for sign, seconds in ((how, 20.0), (signal.SIGKILL, 5.0)):
            process.send_signal(sign)
            with suppress(subprocess.TimeoutExpired):
                process.wait(seconds)
                return

    def close(self) -> None:
        """Stop the server and remove all that it wrote. Nobody is to need the data any more."""
        self.stop(signal.SIGKILL)
        self._remove()

    def _make_data(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="rowstead-maria-"))
        first = self.folder / "first.sql"
        # A text compares as it does in SQLite and PostgreSQL, where `a` is neither `A` nor `a `.
        first.write_text(
            f"CREATE DATABASE {USER} CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;\n"
            f"CREATE USER {USER}@'127.0.0.1' IDENTIFIED BY '{self.password}';\n"
            f"GRANT ALL ON *.* TO {USER}@'127.0.0.1' WITH GRANT OPTION;\n"
        )
        first.chmod(0o600)
        if self._account is not None:
            for path in (self.folder, first):
                os.chown(path, self._account.pw_uid, self._account.pw_gid)
        made = subprocess.run(
            [
                self._install_db,
                "--no-defaults",
                f"--datadir={self.folder / 'data'}",
                # Nobody comes in as root: its password is one that no text has.
                "--auth-root-authentication-method=socket",
                "--skip-test-db",
                "--skip-name-resolve",
                *self._files(),
            ],
            **as_account(self._account, self.folder),
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise ServerUnavailable(f"{self._install_db.name} failed:\n{made.stdout}{made.stderr}")

    def _files(self) -> tuple[str, ...]:
        return ("--innodb-log-file-size=48M", "--innodb-data-file-path=ibdata1:12M:autoextend")

    def _spawn(self, port: int) -> subprocess.Popen[bytes]:
        settings = (
            f"datadir={self.folder / 'data'}",
            f"port={port}",
            "bind-address=127.0.0.1",
            f"socket={self.folder / 'socket'}",
            f"pid-file={self.folder / 'pid'}",
            f"init-file={self.folder / 'first.sql'}",
            "max-connections=300",
            "skip-name-resolve",
            "character-set-server=utf8mb4",
            # How a table that a test makes by hand compares where it does not say so.
            "collation-server=utf8mb4_nopad_bin",
            "innodb-buffer-pool-size=64M",
            "performance-schema=OFF",
            *self._settings,
        )
        if (self.folder / "made").exists():
            settings = tuple(s for s in settings if not s.startswith("init-file="))
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [self._server, "--no-defaults", *self._files(), *(f"--{setting}" for setting in settings)],
                **as_account(self._account, self.folder),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent(signal.SIGKILL),  # noqa: PLW1509  (it only makes two system calls)
            )

    def _becomes_ready(self, port: int) -> bool:
        """Wait until the server answers; False when it ended or took too long."""
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            # The pid file is written behind the first statements: who connects then has an account.
            if (self.folder / "pid").exists() and greets(port):
                (self.folder / "first.sql").unlink(missing_ok=True)
                (self.folder / "made").touch()
                return True
            time.sleep(0.01)
        return False


def greets(port: int) -> bool:
    """Whether the server at this port says hello; its greeting's fifth byte is the protocol's version."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5) as probe:
        return probe.recv(5)[4:] == b"\n"
    return False


def find_programs() -> tuple[Path, Path]:
    """(mariadbd, mariadb-install-db) on this machine, installed if that is possible."""
    found = programs_here()
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        install("MariaDB", PACKAGES)
        found = programs_here()
    if found is None:
        raise ServerUnavailable(
            "MariaDB's programs (mariadbd, mariadb-install-db) are not on this machine. Install the server "
            "(on Debian or Ubuntu: sudo apt-get install mariadb-server-core mariadb-client-core; on macOS: "
            "brew install mariadb), or put its folders on PATH."
        )
    return found


def programs_here() -> tuple[Path, Path] | None:
    """Looks on PATH and in the folders of programs that only administrators run."""
    path = os.pathsep.join([os.environ.get("PATH", ""), *ADMIN_FOLDERS])
    found = [shutil.which(program, path=path) for program in ("mariadbd", "mariadb-install-db")]
    # The installer asks it for its settings, and Debian has it in another package.
    if shutil.which("my_print_defaults", path=path) is None or None in found:
        return None
    server, install_db = (Path(program) for program in found if program)
    return server, install_db


def main(arguments: Sequence[str]) -> int:
    return beside(arguments, __doc__, VARIABLE, lambda fast: MariaServer(fast=fast))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
