"""PgBouncer in transaction mode, in front of a server of ours: `with Pooler(server_url) as pooler:`.

It runs as an ordinary user on a free port of 127.0.0.1, with an ini file of its own, and is stopped by
its process id. As root on Debian it is installed when it is missing. Knows nothing of Rowstead.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self
from urllib.parse import unquote, urlsplit, urlunsplit

from with_postgres import account_for_server, die_with_parent, free_port

from .programs import find_or_install

START_SECONDS = 20.0
PLACES = ("/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer")


class PoolerUnavailable(RuntimeError):
    """No pooler can be had here; the message says what to do."""


class Pooler:
    """One PgBouncer over the server of `server_url`. `settings` are lines of its ini's [pgbouncer] part."""

    def __init__(self, server_url: str, *, servers: int = 4, settings: tuple[str, ...] = ()) -> None:
        self._server = urlsplit(server_url)
        self._program = find_or_install(("pgbouncer",), ("pgbouncer",), PLACES)
        self._account = account_for_server()
        self._servers = servers
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: Path | None = None
        self.port = 0

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="rowstead-pooler-"))
        try:
            for _ in range(5):
                self.port = free_port()
                self._write()
                self._start()
                if self._answers():
                    return self
                self._stop()
            raise PoolerUnavailable(f"PgBouncer did not start; its log says:\n{self.log()[-4000:]}")
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_error: object) -> None:
        self._stop()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def version(self) -> tuple[int, ...]:
        said = subprocess.run([self._program, "--version"], capture_output=True, text=True, check=True)
        found = re.search(r"(\d+)\.(\d+)\.(\d+)", said.stdout)
        assert found is not None, said.stdout
        return tuple(map(int, found.groups()))

    def url_of(self, server_url: str) -> str:
        """The same database and user, through the pooler."""
        parts = urlsplit(server_url)
        login = parts.netloc.rpartition("@")[0]
        return urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{self.port}"))

    def log(self) -> str:
        assert self._folder is not None
        return (self._folder / "log").read_text(errors="replace")

    def _write(self) -> None:
        assert self._folder is not None
        lines = [
            "[databases]",
            f"* = host=127.0.0.1 port={self._server.port}",
            "[pgbouncer]",
            "listen_addr = 127.0.0.1",
            f"listen_port = {self.port}",
            "unix_socket_dir =",
            "auth_type = scram-sha-256",
            f"auth_file = {self._folder / 'users'}",
            "pool_mode = transaction",
            f"default_pool_size = {self._servers}",
            "max_client_conn = 500",
            # Hand the servers around: with the last used first, a quiet pool hides what is wrong.
            "server_round_robin = 1",
            *self._settings,
        ]
        (self._folder / "ini").write_text("\n".join(lines) + "\n")
        user, password = (unquote(part or "") for part in (self._server.username, self._server.password))
        (self._folder / "users").write_text(f'"{user}" "{password}"\n')
        (self._folder / "users").chmod(0o600)
        if self._account is not None:
            for path in (self._folder, *self._folder.iterdir()):
                os.chown(path, self._account.pw_uid, self._account.pw_gid)

    def _start(self) -> None:
        assert self._folder is not None
        who = {}
        if self._account is not None:
            who = {"user": self._account.pw_uid, "group": self._account.pw_gid, "extra_groups": []}
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, self._folder / "ini"],
                cwd=self._folder,
                start_new_session=True,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent(),  # noqa: PLW1509  (it only makes two system calls)
                **who,
            )

    def _stop(self) -> None:
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _answers(self) -> bool:
        assert self._process is not None
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return True
            except OSError:
                time.sleep(0.02)
        return False
