"""Run a command beside a private PostgreSQL, and stop the server whatever happens.

    scripts/with_postgres.py [--fast] -- command ...

The server lives in a temporary folder on a free port of 127.0.0.1 and asks for a password that
exists only in the command's environment: ROWSTEAD_TEST_POSTGRES=postgresql://.... The exit code is
the command's own. `--fast` gives up durability (fsync off): right for most tests, never for those
that cut the power. PostgreSQL's programs are taken from this machine; as root on Debian they are
installed when they are missing.

Standard library only, and nothing of Rowstead: `tests/servers.py` starts more servers with the same
class, and must be able to blame Rowstead for what it sees.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
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

__all__ = [
    "VARIABLE",
    "PostgresServer",
    "PostgresUnavailable",
    "account_for_server",
    "die_with_parent",
    "find_programs",
    "free_port",
]

VARIABLE = "ROWSTEAD_TEST_POSTGRES"
USER = "rowstead"
START_SECONDS = 60.0
NOT_DURABLE = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
CREATECLUSTER = Path("/etc/postgresql-common/createcluster.d/rowstead.conf")


PostgresUnavailable = ServerUnavailable


class PostgresServer(OwnServer):
    """A server of our own: `with PostgresServer() as server: connect(server.url)`."""

    def __init__(self, *, fast: bool = False, settings: Sequence[str] = ()) -> None:
        super().__init__()
        self._bin = find_programs()
        self._settings = (*(NOT_DURABLE if fast else ()), *settings)
        self._account = account_for_server()

    @property
    def url(self) -> str:
        """For a superuser, by TCP."""
        return f"postgresql://{USER}:{self.password}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start on the cluster that is there; on the same port as before, if there was one."""
        for _ in range(5):
            port = self.port or free_port()
            self._process = self._spawn(port)
            if self._becomes_ready():
                self.port = port
                return
            self.stop()
            # Another program took the port between our asking for a free one and our use of it.
            if self.port or "could not bind" not in self.log():
                break
        raise PostgresUnavailable(f"PostgreSQL did not start; its log says:\n{self.log()[-4000:]}")

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop the server, keeping its data.

        SIGINT breaks the connections off and writes everything out; SIGQUIT is a crash, after which
        the next start has to recover. Gets rougher when the server does not end in time.
        """
        process, self._process = self._process, None
        if process is None:
            return
        for sign, seconds in ((how, 20.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)):
            process.send_signal(sign)
            with suppress(subprocess.TimeoutExpired):
                process.wait(seconds)
                return

    def close(self) -> None:
        """Stop the server and remove all that it wrote."""
        self.stop()
        self._remove()

    def _make_data(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="rowstead-pg-"))
        password_file = self.folder / "password"
        password_file.write_text(self.password)
        if self._account is not None:
            for path in (self.folder, password_file):
                os.chown(path, self._account.pw_uid, self._account.pw_gid)
        made = subprocess.run(
            [
                self._bin / "initdb",
                f"--pgdata={self.folder / 'data'}",
                f"--username={USER}",
                f"--pwfile={password_file}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                # Text then sorts as it does in SQLite, and the locale exists on every machine.
                "--locale=C",
                "--no-sync",
            ],
            **as_account(self._account, self.folder),
            capture_output=True,
            text=True,
            check=False,
        )
        password_file.unlink()
        if made.returncode:
            raise PostgresUnavailable(f"initdb failed:\n{made.stdout}{made.stderr}")

    def _spawn(self, port: int) -> subprocess.Popen[bytes]:
        settings = (
            f"port={port}",
            "listen_addresses=127.0.0.1",
            f"unix_socket_directories={self.folder}",
            "max_connections=200",
            "timezone=UTC",
            *self._settings,
        )
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [
                    self._bin / "postgres",
                    "-D",
                    self.folder / "data",
                    *(word for s in settings for word in ("-c", s)),
                ],
                **as_account(self._account, self.folder),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent(),  # noqa: PLW1509  (it only makes two system calls)
            )

    def _becomes_ready(self) -> bool:
        """Wait until the server answers; False when it ended or took too long."""
        assert self._process is not None
        state = self.folder / "data" / "postmaster.pid"
        deadline = time.monotonic() + START_SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            with suppress(FileNotFoundError):
                lines = state.read_text().splitlines()
                # The eighth line is the postmaster's own word on its state. A file that a crash left
                # behind carries another process id.
                if len(lines) >= 8 and lines[0] == str(self._process.pid) and lines[7].strip() == "ready":
                    return True
            time.sleep(0.01)
        return False


def find_programs() -> Path:
    """The folder of PostgreSQL's programs on this machine, installed if that is possible."""
    found = programs_here()
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        install_programs()
        found = programs_here()
    if found is None:
        raise PostgresUnavailable(
            "PostgreSQL's programs (initdb, postgres) are not on this machine. Install the server "
            "(on Debian or Ubuntu: sudo apt-get install postgresql; on Fedora: sudo dnf install "
            "postgresql-server; on macOS: brew install postgresql@17), or put its bin folder on PATH."
        )
    return found


def programs_here() -> Path | None:
    """Looks on PATH, in Debian's folders (the newest version first) and asks pg_config."""
    on_path = shutil.which("postgres")
    candidates = [Path(on_path).resolve().parent] if on_path else []
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=version_of, reverse=True)
    if config := shutil.which("pg_config"):
        asked = subprocess.run([config, "--bindir"], capture_output=True, text=True, check=False)
        candidates.append(Path(asked.stdout.strip()))
    for folder in candidates:
        if all(os.access(folder / program, os.X_OK) for program in ("initdb", "postgres")):
            return folder
    return None


def version_of(bin_folder: Path) -> tuple[int, ...]:
    return tuple(int(n) for n in re.findall(r"\d+", bin_folder.parent.name))


def install_programs() -> None:
    """Install Debian's package, without the cluster that it would make and start by itself."""
    CREATECLUSTER.parent.mkdir(parents=True, exist_ok=True)
    CREATECLUSTER.write_text("create_main_cluster = false\n")
    try:
        install("PostgreSQL", ["postgresql"])
    finally:
        CREATECLUSTER.unlink()


def account_for_server() -> pwd.struct_passwd | None:
    """Whom the server runs as: PostgreSQL refuses root. None: as whoever runs this."""
    return account("postgres", "nobody")


def main(arguments: Sequence[str]) -> int:
    return beside(arguments, __doc__, VARIABLE, lambda fast: PostgresServer(fast=fast))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
