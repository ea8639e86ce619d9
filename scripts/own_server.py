"""What the private servers of tests share: a port, a death with their parent, and the command beside them.

`with_postgres.py` and `with_mariadb.py` start a server and run a command beside it; whatever happens, the
server is stopped first. Standard library only, and nothing of Rowstead.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import Protocol, Self


class ServerUnavailable(RuntimeError):
    """No server can be had here; the message says what to do."""


class Reachable(Protocol):
    """A server that runs: where it is, with the password."""

    @property
    def url(self) -> str: ...


class OwnServer(ABC):
    """A database server of our own in a temporary folder: what does not depend on which one it is.

    It never outlives whoever started it: on Linux even a kill -9 of this process stops the server.
    (The kernel counts by thread: start it from a thread that stays.)
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: Path | None = None
        self.password = secrets.token_urlsafe(24)
        self.port = 0

    def __enter__(self) -> Self:
        try:
            self._make_data()
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def folder(self) -> Path:
        """Holds the data (`data`), the log (`log`) and the unix socket."""
        if self._folder is None:
            raise RuntimeError("the server has no folder before it is entered or after it is closed")
        return self._folder

    @property
    def pid(self) -> int:
        """The process id of the server; of PostgreSQL, its postmaster's."""
        if self._process is None:
            raise RuntimeError("the server is not running")
        return self._process.pid

    def log(self) -> str:
        """What the server has written to its log so far."""
        with suppress(FileNotFoundError):
            return (self.folder / "log").read_text(errors="replace")
        return ""

    def _remove(self) -> None:
        """Remove all that it wrote; it is stopped."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    @abstractmethod
    def _make_data(self) -> None:
        """Make the folder, and in it the data of a new server."""

    @abstractmethod
    def start(self) -> None:
        """Start on the data that is there."""

    @abstractmethod
    def close(self) -> None:
        """Stop the server and remove all that it wrote."""


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def die_with_parent(sign: signal.Signals = signal.SIGINT) -> Callable[[], None] | None:
    """On Linux: have the kernel stop the server when this process is killed without warning."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()

    def ask_kernel() -> None:
        pr_set_pdeathsig = 1
        libc.prctl(pr_set_pdeathsig, sign)
        if os.getppid() != parent:
            os._exit(1)

    return ask_kernel


class Command:
    """The command beside the server, and the signals that are meant for it."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._starting = False
        self._early: list[int] = []
        self._over = False

    def run(self, words: Sequence[str], environment: Mapping[str, str]) -> int:
        """Run to the end; the exit code as a shell would give it."""
        self._starting = True
        try:
            child = subprocess.Popen(words, env=environment)
        except OSError as error:
            self._over = True
            print(f"cannot run {words[0]}: {error.strerror}", file=sys.stderr)
            return 127
        self._child = child
        for number in self._early:
            child.send_signal(number)
        code = child.wait()
        self._over = True
        return code if code >= 0 else 128 - code

    def on_signal(self, number: int, _frame: FrameType | None) -> None:
        """Pass it on and wait for the command; before there is one, stop."""
        if self._over:
            return
        if self._child is None:
            if self._starting:
                self._early.append(number)
                return
            self._over = True
            raise SystemExit(128 + number)
        # A Ctrl-C in the terminal has reached the command already; twice would cut pytest's own
        # cleaning up short.
        if number != signal.SIGINT or not terminal_signals_us():
            self._child.send_signal(number)


def terminal_signals_us() -> bool:
    """Whether we stand in the foreground of a terminal, which sends its Ctrl-C to the whole group."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


def beside(
    arguments: Sequence[str],
    usage: str | None,
    variable: str,
    server: Callable[[bool], AbstractContextManager[Reachable]],
) -> int:
    """`[--fast] -- command ...`: run the command beside a server; the exit code is the command's own.

    `server` makes one (True: without durability); its URL is in the command's environment as `variable`.
    """
    options, separator, words = split_arguments(arguments)
    if not separator or not words or set(options) - {"--fast"}:
        print(usage, file=sys.stderr)
        return 2
    command = Command()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, command.on_signal)
    try:
        with server("--fast" in options) as running:
            return command.run(words, {**os.environ, variable: running.url})
    except ServerUnavailable as error:
        print(error, file=sys.stderr)
        return 1


def split_arguments(arguments: Sequence[str]) -> tuple[list[str], bool, list[str]]:
    """Ours, whether there was a `--`, and the command."""
    if "--" not in arguments:
        return list(arguments), False, []
    at = list(arguments).index("--")
    return list(arguments[:at]), True, list(arguments[at + 1 :])


def account(*names: str) -> pwd.struct_passwd | None:
    """Whom a server runs as, which refuses root: the first of these there is. None: as whoever runs this."""
    if os.geteuid() != 0:
        return None
    for name in names:
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise ServerUnavailable(f"root may not run a database, and there is no account {' or '.join(names)}")


def as_account(account: pwd.struct_passwd | None, folder: Path) -> dict[str, object]:
    """How `subprocess` starts a server: as its account, in a folder that this account can enter.

    A session of its own keeps a Ctrl-C in the terminal away from the server: the command is to end first.
    """
    how: dict[str, object] = {"cwd": folder, "start_new_session": True}
    if account is not None:
        how |= {
            "user": account.pw_uid,
            "group": account.pw_gid,
            "extra_groups": [],
            "env": {**os.environ, "HOME": str(folder)},
        }
    return how


def install(name: str, packages: Sequence[str]) -> None:
    """Install Debian's packages of a server. Raises ServerUnavailable where that fails."""
    print(f"installing {name} ...", file=sys.stderr, flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
        done = subprocess.run(
            ["apt-get", "-qq", *words], env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ServerUnavailable(f"apt-get {words[0]} failed:\n{done.stdout}{done.stderr}")
