"""The commands `migrate` and `status`: from arguments to a plan on a database, and its result printed.

They hold no rule of migrations: those are the runner's.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Callable

from rowstead.cli import output
from rowstead.cli.running import ONE_CONNECTION, reader, run_plan
from rowstead.drivers.urls import make_driver
from rowstead.errors import ValidationError
from rowstead.migrations import files, migrate_plan, preview_plan, status_plan


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
        files(arguments.directory)
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
                lambda dialect, style: migrate_plan(
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
    driver = reader(url)
    pending = asyncio.run(run_plan(driver, lambda dialect, style: preview_plan(directory, dialect, style)))
    lines = [f"would apply {output.counted(len(pending))}", *(f"  {name}" for name in pending)]
    output.result({"directory": directory, "dry_run": True, "pending": pending}, lines, as_json)
    return output.OK


def _status(directory: str, url: str, as_json: bool) -> int:
    found = asyncio.run(run_plan(reader(url), lambda dialect, style: status_plan(directory, dialect, style)))
    output.result(output.status_value(directory, found), output.status_lines(directory, found), as_json)
    return output.OK if found.is_consistent else output.FAILED
