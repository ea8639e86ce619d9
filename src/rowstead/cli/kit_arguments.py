"""The command line of `rowstead kit`: its commands and options. Standard library only, see `cli`."""

from __future__ import annotations

import argparse
from collections.abc import Callable

MakeCommand = Callable[[str, str], argparse.ArgumentParser]
"""Makes a command's parser of its name and of what it does."""

FORMATS = ("csv", "jsonl")


def add_commands(make: MakeCommand) -> None:
    """Every command of `rowstead kit`, as docs/cli.md describes them."""
    make("tables", "list the tables and how many rows they have")
    schema = make("schema", "print the schema that lies in the database, or one table's")
    schema.add_argument("table", metavar="TABLE", nargs="?", help="only this table")
    select = _with_table(make("select", "print rows of a table"))
    _add_choice(select)
    select.add_argument("--order", metavar="COLUMNS", help="such as --order=-age,name; NULLs come last")
    select.add_argument("--limit", type=int, metavar="N", help="at most so many rows")
    select.add_argument("--offset", type=int, metavar="N", help="leave out the first rows")
    select.add_argument("--distinct", action="store_true", help="no two rows alike")
    into = _with_table(make("import", "insert the rows of a file: all, or after an error none"))
    into.add_argument("file", metavar="FILE", help="a .csv or .jsonl file, or - for standard input")
    into.add_argument("--format", choices=FORMATS, help="where the file's name does not tell")
    into.add_argument(
        "--batch",
        type=int,
        metavar="N",
        help="keep every N rows at once and pass over rows that are there: the same command goes on",
    )
    out = _with_table(make("export", "write the rows of a table to a file"))
    out.add_argument(
        "file", metavar="FILE", nargs="?", default="-", help="a .csv or .jsonl file; - or none: stdout"
    )
    out.add_argument("--format", choices=FORMATS, help="where the file's name does not tell; else jsonl")
    _add_choice(out)
    make("check", "look for a damaged file, rows without parents, tables and counters that do not fit")
    backup = make("backup", "copy a SQLite database, as it is now, to a new file while it is used")
    backup.add_argument("file", metavar="FILE", help="the copy, which must not be there yet")


def _with_table(command: argparse.ArgumentParser) -> argparse.ArgumentParser:
    command.add_argument("table", metavar="TABLE", help="the table's name")
    return command


def _add_choice(command: argparse.ArgumentParser) -> None:
    command.add_argument("--filter", metavar="JSON", help='which rows, such as \'{"age": {"gte": 18}}\'')
    command.add_argument("--columns", metavar="NAMES", help="which columns, separated by commas")
