"""The `rowstead` command: reads the command line and hands over to the command's own file.

Standard library only, and nothing of Rowstead until a command runs: `rowstead --help` must answer at
once. What a command does is in its file, what is printed in `output.py`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

__all__ = ["main"]

EXIT_CODES = """\
exit codes:
  0  done
  1  the migrations are inconsistent, or one failed; kit: a row was refused, or `check` found a fault
  2  wrong usage: no URL, no such directory, a file that cannot be accepted
  3  the database cannot be reached
  130  interrupted with Ctrl-C; the same command goes on from there
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line (None: the process's own) and give its exit code."""
    arguments = parser().parse_args(argv)
    from rowstead.cli import output

    try:
        return _command_of(arguments)(arguments)
    except KeyboardInterrupt:
        output.say("interrupted; what was under way is undone or will be taken up by the same command")
        return 130
    except BrokenPipeError:
        # Whoever read our output has enough; Python would complain again when it flushes.
        sys.stdout = None
        return 0


def _command_of(arguments: argparse.Namespace) -> Callable[[argparse.Namespace], int]:
    if arguments.command == "kit":
        from rowstead.cli import kit

        return kit.run
    from rowstead.cli import migrate

    return {"migrate": migrate.migrate, "status": migrate.status}[arguments.command]


class _Parser(argparse.ArgumentParser):
    """Does not repeat a password that stands in a wrong command line."""

    def error(self, message: str) -> NoReturn:
        from rowstead.drivers.addresses import without_passwords

        super().error(without_passwords(message))


def parser() -> argparse.ArgumentParser:
    """The whole command line: every command and option, as docs/cli.md describes them."""
    top = _Parser(
        prog="rowstead",
        description="Typed rows on SQLite and PostgreSQL: apply migrations and see where they stand.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    top.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)

    migrate = _migrations(
        commands, "migrate", "apply the pending .sql files of a directory, in order of name"
    )
    migrate.add_argument(
        "--dry-run", action="store_true", help="print what would be applied, after every check; write nothing"
    )
    _migrations(commands, "status", "print which files are applied, pending, changed or gone; write nothing")
    _kit(_command(commands, "kit", "look into a database of the kit, and carry rows in and out"))
    return top


def _migrations(
    commands: argparse._SubParsersAction[_Parser],  # pyright: ignore[reportPrivateUsage]
    name: str,
    summary: str,
) -> argparse.ArgumentParser:
    command = _command(commands, name, summary)
    command.add_argument("directory", metavar="DIRECTORY", help="the folder that holds the .sql files")
    command.add_argument("--url", help="the database; without it, the environment's DATABASE_URL")
    command.add_argument("--json", action="store_true", help="print the result as one JSON object")
    return command


def _kit(kit: _Parser) -> None:
    from rowstead.cli.kit_arguments import add_commands

    commands = kit.add_subparsers(dest="kit_command", metavar="COMMAND", required=True)

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
    commands: argparse._SubParsersAction[_Parser],  # pyright: ignore[reportPrivateUsage]
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
