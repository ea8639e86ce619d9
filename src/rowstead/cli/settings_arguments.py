"""The command line of `rowstead default-config`. Standard library only, see `cli`."""

from __future__ import annotations

import argparse

from rowstead.cli.command import Command


def _options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "-c", "--config", metavar="FILE", help="the file; without it, the one that is found by itself"
    )
    command.add_argument(
        "-o", "--output", choices=("yaml", "json"), default="yaml", help="in which form (default: yaml)"
    )


COMMANDS = (
    Command(
        "default-config",
        "print the settings that are in force, from files, the environment and defaults, without passwords",
        "rowstead.cli.settings:default_config",
        _options,
    ),
)
