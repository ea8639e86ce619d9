"""What the commands print: results on stdout, everything else on stderr, and the exit codes.

It answers for words and codes. It must not know how a result came about.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

from rowstead.drivers.addresses import without_passwords
from rowstead.errors import (
    DisconnectedError,
    IntegrityError,
    MigrationError,
    RowsteadError,
    StorageError,
    UnreachableError,
    UsageError,
    ValidationError,
)
from rowstead.migrations import MigrationEvent, MigrationStatus

OK = 0
FAILED = 1
USAGE = 2
UNREACHABLE = 3


def result(value: Mapping[str, Any], lines: Sequence[str], as_json: bool) -> None:
    """Print a command's result, for people or for programs."""
    try:
        print(json.dumps(value, ensure_ascii=False) if as_json else "\n".join(lines), flush=True)
    except BrokenPipeError:
        # Whoever read it has enough; what was done is done, and its exit code stands.
        sys.stdout = None


def say(message: str) -> None:
    """Tell the person at the terminal something that is not the result."""
    try:
        print(message, file=sys.stderr, flush=True)
    except BrokenPipeError:
        # As above. What is left in the stream goes nowhere, else Python would fail when it ends.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stderr.fileno())
        os.close(nowhere)


def counted(number: int) -> str:
    """`1 migration`, `2 migrations`."""
    return f"{number} migration" if number == 1 else f"{number} migrations"


def status_value(directory: str, status: MigrationStatus) -> dict[str, Any]:
    """A status for programs."""
    return {
        "directory": directory,
        "consistent": status.is_consistent,
        "drifted": status.drifted,
        "missing": status.missing,
        "applied": status.applied,
        "pending": status.pending,
    }


def status_lines(directory: str, status: MigrationStatus) -> list[str]:
    """A status for people."""
    lines = [f"Migration status ({directory}):"]
    if not status.is_consistent:
        lines.append("  ! INCONSISTENT -- fix before applying")
    for label in ("drifted", "missing", "applied", "pending"):
        names: list[str] = getattr(status, label)
        if names:
            lines.append(f"  {label} ({len(names)}):")
            lines += [f"    {name}" for name in names]
    return lines if len(lines) > 1 else [*lines, "  (no migrations found)"]


def failure(error: Exception, url: str, as_json: bool) -> int:
    """Tell of an error, without traceback and without the URL's password; the exit code it means."""
    message = str(error)
    if not isinstance(error, RowsteadError):
        message = f"{type(error).__name__}: {message}"
    message = without_passwords(_without_password(message, url))
    if as_json:
        code = error.code if isinstance(error, RowsteadError) else type(error).__name__
        told: dict[str, Any] = {"error": {"code": code, "message": message}}
        if isinstance(error, MigrationError):
            told["applied"] = list(error.applied)
        try:
            print(json.dumps(told, ensure_ascii=False), flush=True)
        except BrokenPipeError:
            # Whoever read it has enough; the exit code tells that it failed.
            sys.stdout = None
    say(f"error: {message}")
    return exit_code(error)


def exit_code(error: Exception) -> int:
    """What an error means to the shell."""
    if isinstance(error, UnreachableError | DisconnectedError | StorageError):
        return UNREACHABLE
    if isinstance(error, IntegrityError):
        return FAILED
    if isinstance(error, ValidationError | UsageError | ImportError):
        return USAGE
    return FAILED


def _without_password(message: str, url: str) -> str:
    try:
        password = urlsplit(url).password
    except ValueError:
        return message
    for spelled in (password, unquote(password or "")):
        message = message.replace(spelled, "***") if spelled else message
    return message


class Progress:
    """A line on the terminal that says how far a run is; silent where stderr is no terminal."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()
        self._began = time.monotonic()

    def __call__(self, event: MigrationEvent) -> None:
        if not self._shown:
            return
        done = event.index - (event.kind == "started")
        line = f"{done}/{event.total} {event.id}"
        if done:
            pace = (time.monotonic() - self._began) / done
            left = pace * (event.total - done)
            line += f"  {1 / pace:.1f}/s, about {left:.0f} s left" if pace else ""
        print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Leave no trace of the line."""
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
