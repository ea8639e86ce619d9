"""Work in processes of their own, many let go at once, each of which may be killed.

A job is a script (`job_*.py`) that calls `serve(job)`: each line on its stdin is one round, a list of
orders; for each a process is forked from here, where everything is imported, and all start together.
The answer is a line with each one's exit code (minus the signal that ended it) and what it told.
A process tells by writing to a pipe, so what a killed one told before its end is known too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

Tell: TypeAlias = Callable[[bytes], None]
Job: TypeAlias = Callable[[dict[str, Any], Tell], int]


class Ended(NamedTuple):
    """How a process ended, and what it told until then."""

    code: int
    told: str


class Processes:
    """The script, seen from a test."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def round(self, orders: Sequence[dict[str, Any]]) -> list[Ended]:
        """Run one process for each order, all at once, to their end."""
        self.start(orders)
        return self.ended()

    def start(self, orders: Sequence[dict[str, Any]]) -> None:
        """Let a round go without waiting for its end."""
        assert self._process.stdin is not None
        print(json.dumps(orders), file=self._process.stdin, flush=True)

    def ended(self) -> list[Ended]:
        """Wait for the end of the round that was started."""
        assert self._process.stdout is not None
        return [Ended(*each) for each in json.loads(self._process.stdout.readline())]


@contextmanager
def processes(script: str) -> Iterator[Processes]:
    """A job's script beside this file, ended with the block."""
    with subprocess.Popen(
        [sys.executable, Path(__file__).with_name(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Processes(process)


def serve(job: Job) -> None:
    """Answer rounds until stdin ends."""
    for line in sys.stdin:
        start, go = os.pipe()
        children = [_fork(job, order, start, go) for order in json.loads(line)]
        os.close(start)
        os.close(go)
        print(json.dumps([_ended(pid, told) for pid, told in children]), flush=True)


def _fork(job: Job, order: dict[str, Any], start: int, go: int) -> tuple[int, int]:
    told, tell = os.pipe()
    pid = os.fork()
    if pid:
        os.close(tell)
        return pid, told
    os.close(go)
    os.close(told)
    os.read(start, 1)  # returns when the parent closes its end
    code = 1
    try:
        code = job(order, lambda said: _say(tell, said))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _say(tell: int, said: bytes) -> None:
    os.write(tell, said)


def _ended(pid: int, told: int) -> tuple[int, str]:
    with open(told, "rb") as answers:
        said = answers.read().decode()
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), said
