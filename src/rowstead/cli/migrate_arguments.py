"""The command line of `rowstead migrate` and `rowstead status`. Standard library only, see `cli`."""

from __future__ import annotations

import argparse

from rowstead.cli.command import Command


def _folder(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "directory",
        metavar="DIRECTORY",
        help="the folder that holds the .sql files, or a .json file of states",
    )
    command.add_argument("--url", help="the database; without it, the environment's DATABASE_URL")
    command.add_argument("--json", action="store_true", help="print the result as one JSON object")


def lock_option(command: argparse.ArgumentParser) -> None:
    """How long to wait for another runner."""
    command.add_argument(
        "--lock-timeout",
        metavar="SECONDS",
        type=_seconds,
        default=60.0,
        help="how long to wait for another runner to end; else 60",
    )


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds < float("inf"):
        raise ValueError(text)
    return seconds


def _migrate(command: argparse.ArgumentParser) -> None:
    _folder(command)
    lock_option(command)
    command.add_argument(
        "--dry-run", action="store_true", help="print what would be applied, after every check; write nothing"
    )


COMMANDS = (
    Command(
        "migrate",
        "apply the pending .sql files of a directory in order of name, or the states of a .json file",
        "rowstead.cli.migrate:migrate",
        _migrate,
    ),
    Command(
        "status",
        "print which files are applied, pending, changed or gone; write nothing",
        "rowstead.cli.migrate:status",
        _folder,
    ),
)
