"""The command line of `rowstead db diff`, `generate` and `lint`. Standard library only, see `cli`."""

from __future__ import annotations

import argparse

from rowstead.cli.command import Command
from rowstead.cli.db_arguments import database_options, folder_option, models_option


def _diff(command: argparse.ArgumentParser) -> None:
    models_option(command)
    database_options(command)


def _generate(command: argparse.ArgumentParser) -> None:
    command.add_argument("name", metavar="NAME", help="what it does, such as add_users_table")
    folder_option(command)
    models_option(command)
    numbers = command.add_mutually_exclusive_group()
    numbers.add_argument(
        "--timestamp", action="store_true", help="number it by the time, 20060102150405_name.sql"
    )
    numbers.add_argument("--numbered", action="store_true", help="number it by the next number, 00001_name")
    command.add_argument(
        "--rename",
        metavar="TABLE.OLD:NEW",
        action="append",
        default=[],
        help="a column has another name now; may be given again",
    )
    command.add_argument(
        "--drop",
        metavar="TABLE.COLUMN",
        action="append",
        default=[],
        help="a column is dropped and has no new name; may be given again",
    )
    database_options(command)


def _lint(command: argparse.ArgumentParser) -> None:
    command.add_argument("files", metavar="FILE", nargs="*", help="only these files of the folder")
    folder_option(command)
    command.add_argument(
        "--dialect",
        metavar="DIALECT",
        help="sqlite, postgresql or mariadb; else the one of the configured database",
    )
    command.add_argument("--down", action="store_true", help="look at the ways back too")
    command.add_argument(
        "--no-squawk", action="store_true", help="without squawk, even where it is installed"
    )
    database_options(command)


COMMANDS = (
    Command(
        "db diff",
        "print in what the models and the database differ; write nothing",
        "rowstead.cli.db_changes:diff",
        _diff,
    ),
    Command(
        "db generate",
        "write a migration that brings the database to what the models are",
        "rowstead.cli.db_changes:generate",
        _generate,
    ),
    Command(
        "db lint",
        "warn of statements in migrations that lock or rewrite big tables, or lose data",
        "rowstead.cli.db_lint:lint",
        _lint,
    ),
)
