"""The `rowstead` command: reads the command line and hands over to the command's own file.

Standard library only, and nothing of Rowstead until a command runs: `rowstead --help` must answer at
once. What a command does is in its file, what is printed in `output.py`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import NoReturn, TypeAlias

from rowstead.cli import (
    app_arguments,
    codegen_arguments,
    db_arguments,
    db_changes_arguments,
    migrate_arguments,
    settings_arguments,
)
from rowstead.cli.command import Command

__all__ = ["main"]

COMMANDS: tuple[Command, ...] = (
    *migrate_arguments.COMMANDS,
    *db_arguments.COMMANDS,
    *db_changes_arguments.COMMANDS,
    *codegen_arguments.COMMANDS,
    *app_arguments.COMMANDS,
    *settings_arguments.COMMANDS,
)
"""Every command but those of the kit, as --help lists them; the files add their own here."""

GROUPS: Mapping[str, str] = {
    "db": "create a database's tables, and carry migrations in goose's format forth and back",
    "codegen": "write code from models",
    "app": "an application of services, from its file",
}
"""What stands before several commands, and what they have in common."""

EXIT_CODES = """\
exit codes:
  0  done
  1  the migrations are inconsistent, or one failed; kit: a row was refused, or `check` found a fault;
     app: something is wrong in the file, or the start failed
  2  wrong usage: no URL, no such directory, a file that cannot be accepted, a database that is not known
  3  the database cannot be reached
  130  interrupted with Ctrl-C; the same command goes on from there
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line (None: the process's own) and give its exit code."""
    arguments = parser().parse_args(argv)
    from rowstead.cli import output

    try:
        return _command_of(arguments)(arguments)
    except ImportError as error:
        # What a command needs is not installed; the message names the extra that brings it.
        return output.failure(error, "", getattr(arguments, "json", False))
    except KeyboardInterrupt:
        output.say("interrupted; what was under way is undone or will be taken up by the same command")
        return 130
    except BrokenPipeError:
        # Whoever read our output has enough; Python would complain again when it flushes.
        sys.stdout = None
        return 0


def _command_of(arguments: argparse.Namespace) -> Callable[[argparse.Namespace], int]:
    module, _, function = arguments.run.partition(":")
    return getattr(import_module(module), function)


class _Parser(argparse.ArgumentParser):
    """Does not repeat a password that stands in a wrong command line."""

    def error(self, message: str) -> NoReturn:
        from rowstead.drivers.addresses import without_passwords

        super().error(without_passwords(message))


_Commands: TypeAlias = "argparse._SubParsersAction[_Parser]"  # pyright: ignore[reportPrivateUsage]


def parser() -> argparse.ArgumentParser:
    """The whole command line: every command and option, as docs/cli.md describes them."""
    top = _Parser(
        prog="rowstead",
        description="Data on SQLite, PostgreSQL and MariaDB: migrations, schemas, rows in and out.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    top.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = _group(top, "command")

    groups: dict[str, _Commands] = {"": commands}
    for words, summary, run, options in COMMANDS:
        group, _, name = words.rpartition(" ")
        if group not in groups:
            groups[group] = _group(_command(commands, group, GROUPS[group]), f"{group}_command")
        command = _command(groups[group], name, summary)
        command.set_defaults(run=run)
        options(command)
    _kit(_command(commands, "kit", "look into a database of the kit, and carry rows in and out"))
    return top


def _group(parser: _Parser, chosen: str) -> _Commands:
    return parser.add_subparsers(dest=chosen, metavar="COMMAND", required=True)


def _kit(kit: _Parser) -> None:
    from rowstead.cli.kit_arguments import add_commands

    kit.set_defaults(run="rowstead.cli.kit:run")
    commands = _group(kit, "kit_command")

    def make(name: str, summary: str) -> argparse.ArgumentParser:
        command = _command(commands, name, summary)
        command.add_argument(
            "--db", metavar="PATH", help="the file, or a URL; without it, the environment's DATABASE_URL"
        )
        command.add_argument(
            "--json", action="store_true", help="print JSON lines on a terminal too, as in a pipe"
        )
        return command

    add_commands(make)


def _command(
    commands: _Commands,
    name: str,
    summary: str,
) -> _Parser:
    return commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


class _Version(argparse.Action):
    """Looks the version up only when asked."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from rowstead import __version__

        print(f"rowstead {__version__}")
        parser.exit()
