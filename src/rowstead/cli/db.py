"""The commands of `rowstead db` that carry migrations: from options to a plan, and its result printed.

They hold no rule of migrations: those are the runner's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from rowstead.cli import output
from rowstead.cli.db_place import answer
from rowstead.cli.running import ONE_CONNECTION, reader, run_plan
from rowstead.config import DatabaseConfigSchema
from rowstead.dialects import Dialect
from rowstead.drivers.urls import Options, make_driver
from rowstead.migrations import (
    down_plan,
    preview_down_plan,
    preview_up_plan,
    redo_plan,
    up_plan,
    versions_status_plan,
)
from rowstead.migrations.drafting import Numbering, write_new
from rowstead.migrations.formats import goose
from rowstead.migrations.migration import OnEvent
from rowstead.plan import Plan

Names: TypeAlias = Plan[list[str]]
Apply: TypeAlias = Callable[[Dialect, str, OnEvent], Names]
Preview: TypeAlias = Callable[[Dialect, str], Names]


def up(arguments: argparse.Namespace) -> int:
    """Apply what is pending."""
    return _up(arguments, "up", None)


def up_to(arguments: argparse.Namespace) -> int:
    """Apply what is pending, up to and with a version."""
    return _up(arguments, "up-to", arguments.version)


def down(arguments: argparse.Namespace) -> int:
    """Undo the migration that was applied last."""
    return _down(arguments, "down", None)


def down_to(arguments: argparse.Namespace) -> int:
    """Undo all migrations above a version."""
    return _down(arguments, "down-to", arguments.version)


def redo(arguments: argparse.Namespace) -> int:
    """Undo the migration that was applied last, and apply it again."""
    folder: str = arguments.dir
    return _move(
        arguments,
        "redo",
        lambda dialect, style, progress: redo_plan(
            folder, dialect, style, lock_timeout=arguments.lock_timeout, on_event=progress
        ),
        lambda dialect, style: preview_down_plan(folder, dialect, style),
    )


def status(arguments: argparse.Namespace) -> int:
    """Print where the files stand; 1 when they are inconsistent."""
    folder: str = arguments.dir

    def command(database: DatabaseConfigSchema) -> int:
        goose.files(folder)
        driver = reader(database.core_url(), _options(database))
        found = asyncio.run(
            run_plan(driver, lambda dialect, style: versions_status_plan(folder, dialect, style))
        )
        output.result(output.status_value(folder, found), output.status_lines(folder, found), arguments.json)
        return output.OK if found.is_consistent else output.FAILED

    return answer(arguments, command)


def create(arguments: argparse.Namespace) -> int:
    """Write the file of a new migration."""
    chosen = {"time": arguments.timestamp, "number": arguments.numbered}
    numbering = next((Numbering(name) for name, asked in chosen.items() if asked), None)
    try:
        file = write_new(arguments.dir, arguments.name, numbering=numbering)
    except Exception as error:
        # The process ends here: whatever it was is told in one line, with its exit code.
        return output.failure(error, "", arguments.json)
    output.result({"file": str(file)}, [f"created {file}"], arguments.json)
    return output.OK


def version(arguments: argparse.Namespace) -> int:
    """Print the version."""
    from rowstead import __version__

    print(json.dumps({"version": __version__}) if arguments.output == "json" else f"rowstead {__version__}")
    return output.OK


def _up(arguments: argparse.Namespace, command: str, to: int | None) -> int:
    folder: str = arguments.dir
    options: Mapping[str, Any] = {"to": to, "allow_missing": arguments.allow_missing}
    return _move(
        arguments,
        command,
        lambda dialect, style, progress: up_plan(
            folder, dialect, style, lock_timeout=arguments.lock_timeout, on_event=progress, **options
        ),
        lambda dialect, style: preview_up_plan(folder, dialect, style, **options),
    )


def _down(arguments: argparse.Namespace, command: str, to: int | None) -> int:
    folder: str = arguments.dir
    return _move(
        arguments,
        command,
        lambda dialect, style, progress: down_plan(
            folder, dialect, style, to=to, lock_timeout=arguments.lock_timeout, on_event=progress
        ),
        lambda dialect, style: preview_down_plan(folder, dialect, style, to=to),
    )


WORDS: Mapping[str, tuple[str, str]] = {
    "up": ("applied", "would apply"),
    "up-to": ("applied", "would apply"),
    "down": ("undid", "would undo"),
    "down-to": ("undid", "would undo"),
    "redo": ("applied again", "would apply again"),
}


def _move(arguments: argparse.Namespace, command: str, apply: Apply, preview: Preview) -> int:
    """Carry migrations forth or back, or with --dry-run say which those would be."""
    folder: str = arguments.dir

    def carry_out(database: DatabaseConfigSchema) -> int:
        # A wrong folder is told before the database is asked.
        goose.files(folder)
        names = (_previewed if arguments.dry_run else _applied)(database, apply, preview)
        words = f"{WORDS[command][arguments.dry_run]} {output.counted(len(names))}"
        value = {"command": command, "directory": folder, "dry_run": arguments.dry_run, "migrations": names}
        output.result(value, [words, *(f"  {name}" for name in names)], arguments.json)
        return output.OK

    return answer(arguments, carry_out)


def _applied(database: DatabaseConfigSchema, apply: Apply, _preview: Preview) -> Sequence[str]:
    progress = output.Progress()
    driver = make_driver(database.core_url(), _options(database))
    try:
        return asyncio.run(run_plan(driver, lambda dialect, style: apply(dialect, style, progress)))
    finally:
        progress.clear()


def _previewed(database: DatabaseConfigSchema, _apply: Apply, preview: Preview) -> Sequence[str]:
    return asyncio.run(run_plan(reader(database.core_url(), _options(database)), preview))


def _options(database: DatabaseConfigSchema) -> Options:
    return replace(ONE_CONNECTION, connect_timeout=database.connect_timeout)
