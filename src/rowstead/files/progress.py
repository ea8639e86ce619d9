"""A line that tells a person how far a transfer is: rows, rate, and the time that is left.

Nothing where nobody watches: standard error is no terminal.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

Progress = Callable[[int, float | None], None]
"""Called now and then with the rows so far and which part of the whole that is (None: not known)."""

EVERY = 0.1
"""Seconds between two changes of the line."""


class Line:
    """A `Progress` on the terminal, one line that is written over."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._began = time.monotonic()
        self._told = 0.0
        self._shown = False

    def __call__(self, rows: int, part: float | None) -> None:
        now = time.monotonic()
        if now - self._told < EVERY:
            return
        self._told = now
        print(f"\r\x1b[K{self._line(rows, part, now - self._began)}", end="", file=sys.stderr, flush=True)
        self._shown = True

    def _line(self, rows: int, part: float | None, seconds: float) -> str:
        line = f"{self._what}  {rows:,} rows"
        if not rows or seconds <= 0:
            return line
        line += f"  {rows / seconds:,.0f}/s"
        if part:
            line += f"  {part:.0%}, about {seconds * (1 - part) / part:.0f} s left"
        return line

    def clear(self) -> None:
        """Leave no trace of it."""
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


@contextmanager
def watched(given: Progress | None, what: str) -> Generator[Progress | None]:
    """The progress that is told: the given one, else a line where a person watches, else none."""
    if given is not None or not sys.stderr.isatty():
        yield given
        return
    line = Line(what)
    try:
        yield line
    finally:
        line.clear()
