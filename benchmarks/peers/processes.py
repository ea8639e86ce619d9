"""A worker's process and the conversation with it (`benchmarks.workers.loop` is the other end)."""

from __future__ import annotations

import json
import select
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.workers.work import Work

ROOT = Path(__file__).parent.parent.parent
ANSWER_SECONDS = 60.0
"""A worker that takes longer for one round hangs."""
CLOSE_SECONDS = 20.0


class WorkerFailed(RuntimeError):
    """A worker ended or said something else than an answer; the message has what it wrote."""


class Process:
    """A side at work: `with Process(...) as side: side.run(work, 0, 100)`."""

    def __init__(self, name: str, python: str, module: str, first: Mapping[str, Any]) -> None:
        """`first` is the first message: see `loop.Target`."""
        self.name = name
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  (closed with the process)
        self._process = subprocess.Popen(
            [python, "-m", module],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        # By stdin, since a URL has a password in it and arguments are for everyone to read.
        self._send(first)
        self._introduction: Mapping[str, Any] | None = None

    @property
    def introduction(self) -> Mapping[str, Any]:
        """What the worker says of itself: form, versions, left_out, notes. Waits until it is ready."""
        if self._introduction is None:
            self._introduction = self._receive()
        return self._introduction

    def does(self, work: Work) -> bool:
        return work.verb not in self.introduction["left_out"]

    def run(self, work: Work, start: int, calls: int) -> Mapping[str, Any]:
        """One round: `seconds` of one call, `digest` of what the calls gave, and its beginning `shown`."""
        assert self.introduction
        self._send({"verb": work.verb, "start": start, "calls": calls})
        return self._receive()

    def _send(self, message: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            self._process.wait(CLOSE_SECONDS)
            raise self._failure("ended") from None

    def _receive(self) -> Mapping[str, Any]:
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], ANSWER_SECONDS)
        if not ready:
            raise self._failure(f"gave no answer in {ANSWER_SECONDS:.0f} seconds")
        line = self._process.stdout.readline()
        if not line:
            raise self._failure("ended")
        return json.loads(line)

    def _failure(self, what: str) -> WorkerFailed:
        self._process.kill()
        self._process.wait()
        self._errors.seek(0)
        return WorkerFailed(f"the worker of {self.name} {what}; it wrote:\n{self._errors.read()[-4000:]}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.close()
            self._process.wait(CLOSE_SECONDS)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        finally:
            self._process.stdout.close()
            self._errors.close()
