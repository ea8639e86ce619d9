"""Runs migrations in processes of their own, many at once, and kills them where it is told to.

A script: each line on stdin is one round, `{"url": …, "folder": …, "kill_after": [3, null]}`: a process
per entry, which ends itself with SIGKILL when that many statements have been answered. They are
forked from here, where everything is imported, and let go together. The answer is a line with each
one's exit code (minus the signal) and how many statements it sent.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rowstead.database import Database
from rowstead.drivers.urls import Options, make_driver
from rowstead.errors import MigrationError
from rowstead.migrations import migrate_plan


class Runners:
    """The script, seen from a test."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def round(self, url: str, folder: Path, kill_after: list[int | None]) -> list[tuple[int, int]]:
        """Exit code and number of statements of each process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = {"url": url, "folder": str(folder), "kill_after": kill_after}
        print(json.dumps(order), file=self._process.stdin, flush=True)
        return [(code, sent) for code, sent in json.loads(self._process.stdout.readline())]


@contextmanager
def runners() -> Iterator[Runners]:
    with subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Runners(process)


def main() -> None:
    # Loaded once, before any fork.
    for url in ("sqlite:///x", "postgresql+psycopg://x", "postgresql+asyncpg://x"):
        make_driver(url)
    for line in sys.stdin:
        order: dict[str, Any] = json.loads(line)
        start, go = os.pipe()
        children = [_fork(order["url"], order["folder"], kill, start, go) for kill in order["kill_after"]]
        os.close(start)
        os.close(go)
        print(json.dumps([_ended(pid, told) for pid, told in children]), flush=True)


def _fork(url: str, folder: str, kill_after: int | None, start: int, go: int) -> tuple[int, int]:
    told, tell = os.pipe()
    pid = os.fork()
    if pid:
        os.close(tell)
        return pid, told
    os.close(go)
    os.read(start, 1)  # returns when the parent closes its end
    code = 1
    try:
        code = asyncio.run(_migrate(url, folder, kill_after, tell))
    finally:
        sys.stderr.flush()
        os._exit(code)


async def _migrate(url: str, folder: str, kill_after: int | None, tell: int) -> int:
    sent = 0

    def count(_: object) -> None:
        nonlocal sent
        sent += 1
        os.write(tell, b".")
        if sent == kill_after:
            os.kill(os.getpid(), signal.SIGKILL)

    database = await Database.from_url(url, Options(min_size=1, max_size=1), trace=count)
    try:
        driver = database.driver
        await database.plan(migrate_plan(folder, driver.dialect, driver.paramstyle))
    except MigrationError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        await database.close()
    return 0


def _ended(pid: int, told: int) -> tuple[int, int]:
    with open(told, "rb") as answers:
        sent = len(answers.read())
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), sent


if __name__ == "__main__":
    main()
