"""The `rowstead` command: reads the command line and hands over to the command's own file.

Standard library only, and nothing of Rowstead until a command runs: `rowstead --help` must answer at
once. What a command does is in its file, what is printed in `output.py`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

__all__ = ["main"]

EXIT_CODES = """\
exit codes:
  0  done
  1  the migrations are inconsistent, or one failed
  2  wrong usage: no URL, no such directory, a file that cannot be accepted
  3  the database cannot be reached
  130  interrupted with Ctrl-C; the same command goes on from there
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line (None: the process's own) and give its exit code."""
    arguments = parser().parse_args(argv)
    from rowstead.cli import migrate, output

    commands = {"migrate": migrate.migrate, "status": migrate.status}
    try:
        return commands[arguments.command](arguments)
    except KeyboardInterrupt:
        output.say("interrupted; what was under way is undone or will be taken up by the same command")
        return 130
    except BrokenPipeError:
        # Whoever read our output has enough; Python would complain again when it flushes.
        sys.stdout = None
        return 0


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

    migrate = _command(commands, "migrate", "apply the pending .sql files of a directory, in order of name")
    migrate.add_argument(
        "--dry-run", action="store_true", help="print what would be applied, after every check; write nothing"
    )
    _command(commands, "status", "print which files are applied, pending, changed or gone; write nothing")
    return top


def _command(
    commands: argparse._SubParsersAction[_Parser],  # pyright: ignore[reportPrivateUsage]
    name: str,
    summary: str,
) -> argparse.ArgumentParser:
    command = commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.add_argument("directory", metavar="DIRECTORY", help="the folder that holds the .sql files")
    command.add_argument("--url", help="the database; without it, the environment's DATABASE_URL")
    command.add_argument("--json", action="store_true", help="print the result as one JSON object")
    return command


class _Version(argparse.Action):
    """Looks the version up only when asked."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from rowstead import __version__

        print(f"rowstead {__version__}")
        parser.exit()
