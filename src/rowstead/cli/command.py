"""What a command of the command line is. Standard library only, see `cli`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import NamedTuple


def without_options(_parser: argparse.ArgumentParser) -> None:
    """A command that takes nothing."""


class Command(NamedTuple):
    """One command. A file `*_arguments.py` lists its own as `COMMANDS`; `cli` has the list of files."""

    words: str
    """What is typed: `migrate`, or a group and a name, `db up`."""
    summary: str
    run: str
    """Who carries it out, `module:function`; imported when it runs. It takes the parsed arguments and gives
    the exit code."""
    options: Callable[[argparse.ArgumentParser], None] = without_options
