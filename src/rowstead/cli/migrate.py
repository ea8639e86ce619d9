"""The commands `migrate` and `status`: from arguments to a plan on a database, and its result printed.

They hold no rule of migrations: those are the runner's. A path that ends in `.json` is a file of states,
any other one a folder.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from rowstead.cli import output
from rowstead.cli.running import ONE_CONNECTION, reader, run_plan
from rowstead.dialects import Dialect
from rowstead.drivers.urls import make_driver
from rowstead.errors import ValidationError
from rowstead.migrations import (
    MigrationEvent,
    MigrationStatus,
    OnEvent,
    files,
    migrate_plan,
    migrate_states_plan,
    preview_plan,
    preview_states_plan,
    states_file,
    states_status_plan,
    status_plan,
)
from rowstead.plan import Plan


class _Migrate(Protocol):
    def __call__(
        self, path: str, dialect: Dialect, paramstyle: str, /, *, lock_timeout: float, on_event: OnEvent
    ) -> Plan[list[str]]: ...


@dataclass(frozen=True, slots=True)
class _Kind:
    """The plans for one kind of path."""

    check: Callable[[str], object]
    """Raises where there is no such path."""
    migrate: _Migrate
    preview: Callable[[str, Dialect, str], Plan[list[str]]]
    status: Callable[[str, Dialect, str], Plan[MigrationStatus]]


def _migrate_states(
    path: str, dialect: Dialect, paramstyle: str, *, lock_timeout: float, on_event: OnEvent
) -> Plan[list[str]]:
    """The names of the states that are applied, as a folder's files have theirs."""
    applied: list[str] = []

    def heard(event: MigrationEvent) -> None:
        if event.kind == "applied":
            applied.append(event.id)
        on_event(event)

    yield from migrate_states_plan(path, dialect, paramstyle, lock_timeout=lock_timeout, on_event=heard)
    return applied


_FOLDER = _Kind(files, migrate_plan, preview_plan, status_plan)
_STATES = _Kind(states_file, _migrate_states, preview_states_plan, states_status_plan)


def _kind_of(path: str) -> _Kind:
    return _STATES if path.endswith(".json") and not os.path.isdir(path) else _FOLDER


def migrate(arguments: argparse.Namespace) -> int:
    """Apply what is pending, or with --dry-run say what that would be."""
    directory: str = arguments.directory
    if arguments.dry_run:
        return _answer(arguments, lambda url: _preview(directory, url, arguments.json))
    return _answer(arguments, lambda url: _apply(directory, url, arguments.lock_timeout, arguments.json))


def status(arguments: argparse.Namespace) -> int:
    """Print where the files stand; 1 when they are inconsistent."""
    directory: str = arguments.directory
    return _answer(arguments, lambda url: _status(directory, url, arguments.json))


def _answer(arguments: argparse.Namespace, command: Callable[[str], int]) -> int:
    url: str = arguments.url or os.environ.get("DATABASE_URL", "")
    try:
        if not url:
            raise ValidationError("no database: give --url URL or set DATABASE_URL")
        # A wrong directory is told before the database is asked.
        _kind_of(arguments.directory).check(arguments.directory)
        return command(url)
    except Exception as error:
        # The process ends here: whatever it was is told in one line, with its exit code.
        return output.failure(error, url, arguments.json)


def _apply(directory: str, url: str, lock_timeout: float, as_json: bool) -> int:
    progress = output.Progress()
    try:
        applied = asyncio.run(
            run_plan(
                make_driver(url, ONE_CONNECTION),
                lambda dialect, style: _kind_of(directory).migrate(
                    directory, dialect, style, lock_timeout=lock_timeout, on_event=progress
                ),
            )
        )
    finally:
        progress.clear()
    value = {"directory": directory, "dry_run": False, "applied": applied}
    output.result(value, [f"applied {output.counted(len(applied))}"], as_json)
    return output.OK


def _preview(directory: str, url: str, as_json: bool) -> int:
    kind = _kind_of(directory)
    pending = asyncio.run(
        run_plan(reader(url), lambda dialect, style: kind.preview(directory, dialect, style))
    )
    lines = [f"would apply {output.counted(len(pending))}", *(f"  {name}" for name in pending)]
    output.result({"directory": directory, "dry_run": True, "pending": pending}, lines, as_json)
    return output.OK


def _status(directory: str, url: str, as_json: bool) -> int:
    kind = _kind_of(directory)
    found = asyncio.run(run_plan(reader(url), lambda dialect, style: kind.status(directory, dialect, style)))
    output.result(output.status_value(directory, found), output.status_lines(directory, found), as_json)
    return output.OK if found.is_consistent else output.FAILED
