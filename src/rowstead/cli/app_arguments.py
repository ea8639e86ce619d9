"""The command line of `rowstead app`. Standard library only, see `cli`."""

from __future__ import annotations

import argparse

from rowstead.cli.command import Command


def file_options(command: argparse.ArgumentParser) -> None:
    """What every command takes that is about an application's file."""
    command.add_argument("file", metavar="FILE", help="the application's file: YAML, TOML or JSON")
    command.add_argument(
        "--import",
        dest="imports",
        metavar="MODULE",
        action="append",
        default=[],
        help="a module that registers classes of services, beside the file's own; may be given again",
    )


def _check(command: argparse.ArgumentParser) -> None:
    file_options(command)
    command.add_argument("--json", action="store_true", help="print the result as one JSON object")


def _serve(command: argparse.ArgumentParser) -> None:
    file_options(command)
    command.add_argument("--host", help="the address to listen on, in place of the file's")
    command.add_argument(
        "--port", type=int, help="the port to listen on, in place of the file's; 0: any that is free"
    )


COMMANDS = (
    Command(
        "app check",
        "print which services of a file would start, in order, and everything that is wrong with it",
        "rowstead.cli.app:check",
        _check,
    ),
    Command(
        "app run",
        "start the services of a file, and stop them in reverse at SIGTERM or Ctrl-C",
        "rowstead.cli.app:run",
        file_options,
    ),
    Command(
        "app serve",
        "start the services of a file and have the public ones called over HTTP, until SIGTERM or Ctrl-C",
        "rowstead.cli.app_serve:serve",
        _serve,
    ),
)
