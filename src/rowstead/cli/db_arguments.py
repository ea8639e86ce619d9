"""The command line of `rowstead db` and `rowstead version`. Standard library only, see `cli`."""

from __future__ import annotations

import argparse

from rowstead.cli.command import Command
from rowstead.cli.migrate_arguments import lock_option

FOLDER = "migrations"


def database_options(command: argparse.ArgumentParser) -> None:
    """Which database, and how the result is printed: of every command of `rowstead db`."""
    command.add_argument("-c", "--config", metavar="FILE", help="the configuration that names the database")
    command.add_argument("--url", help="the database, whatever the configuration says")
    command.add_argument("--json", action="store_true", help="print the result as one JSON object")


def folder_option(command: argparse.ArgumentParser) -> None:
    """Where the migrations are."""
    command.add_argument(
        "--dir", metavar="DIRECTORY", default=FOLDER, help=f"the folder of the migrations; else {FOLDER}"
    )


def _migrations(command: argparse.ArgumentParser) -> None:
    folder_option(command)
    database_options(command)


def _moving(command: argparse.ArgumentParser) -> None:
    _migrations(command)
    lock_option(command)
    command.add_argument(
        "--dry-run", action="store_true", help="print what would be done, after every check; write nothing"
    )


def _up(command: argparse.ArgumentParser) -> None:
    _moving(command)
    command.add_argument(
        "--allow-missing",
        action="store_true",
        help="apply also what is pending below the highest version that is applied",
    )


def _up_to(command: argparse.ArgumentParser) -> None:
    command.add_argument("version", metavar="VERSION", type=int, help="the last version to apply")
    _up(command)


def _down_to(command: argparse.ArgumentParser) -> None:
    command.add_argument("version", metavar="VERSION", type=int, help="the version that stays; 0: none does")
    _moving(command)


def _create(command: argparse.ArgumentParser) -> None:
    command.add_argument("name", metavar="NAME", help="what it does, such as add_users_table")
    folder_option(command)
    numbers = command.add_mutually_exclusive_group()
    numbers.add_argument(
        "--timestamp", action="store_true", help="number it by the time, 20060102150405_name.sql"
    )
    numbers.add_argument("--numbered", action="store_true", help="number it by the next number, 00001_name")
    command.add_argument("--json", action="store_true", help="print the result as one JSON object")


def models_option(command: argparse.ArgumentParser) -> None:
    """Where the models are."""
    command.add_argument(
        "--models", metavar="MODULE", help="the module of the models; else the configuration's key models"
    )


def _init(command: argparse.ArgumentParser) -> None:
    models_option(command)
    database_options(command)


def _version(command: argparse.ArgumentParser) -> None:
    command.add_argument("-o", "--output", choices=("text", "json"), default="text", help="how to print it")


COMMANDS = (
    Command(
        "db init",
        "create the tables of the models that are not there; drop none",
        "rowstead.cli.db_init:init",
        _init,
    ),
    Command(
        "db create", "write the file of a new migration, to be filled in", "rowstead.cli.db:create", _create
    ),
    Command("db up", "apply the pending migrations", "rowstead.cli.db:up", _up),
    Command(
        "db up-to", "apply the pending migrations up to a version, with it", "rowstead.cli.db:up_to", _up_to
    ),
    Command("db down", "undo the migration that was applied last", "rowstead.cli.db:down", _moving),
    Command(
        "db down-to",
        "undo the migrations above a version, the last one first",
        "rowstead.cli.db:down_to",
        _down_to,
    ),
    Command(
        "db redo",
        "undo the migration that was applied last, and apply it again",
        "rowstead.cli.db:redo",
        _moving,
    ),
    Command(
        "db status",
        "print which migrations are applied, pending, changed or gone; write nothing",
        "rowstead.cli.db:status",
        _migrations,
    ),
    Command(
        "db health",
        "connect, and print what is at the other end; never a password",
        "rowstead.cli.db_health:health",
        database_options,
    ),
    Command("version", "print the version", "rowstead.cli.db:version", _version),
)
