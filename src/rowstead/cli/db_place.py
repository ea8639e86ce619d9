"""Which database a command of `rowstead db` is about: from its options, the environment and the settings.

It answers for what is asked first. What settings mean is `rowstead.config`'s.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import Any

from rowstead.cli import output
from rowstead.config import DatabaseConfigSchema, config
from rowstead.drivers.addresses import Secret
from rowstead.errors import ValidationError

VARIABLE = "DATABASE_URL"
OURS = "ROWSTEAD_"


def database_of(arguments: argparse.Namespace) -> DatabaseConfigSchema:
    """The database that these options mean.

    `--url` wins over all; then the file of `--config`, with the environment's ROWSTEAD_… over it; without
    that option DATABASE_URL, unless ROWSTEAD_… names a database or a file; then the settings that are
    found. An address that is given whole takes nothing from the settings. Raises ValidationError and
    ImportError as `config` does.
    """
    given = arguments.url or ("" if arguments.config or _is_named() else os.environ.get(VARIABLE, ""))
    if not given:
        return config(arguments.config or None).schema.database
    settings: dict[str, Any] = {"dsn": given}
    return DatabaseConfigSchema(**settings)


def models_of(arguments: argparse.Namespace) -> list[str]:
    """The modules of the models: those of `--models`, else those of the settings.

    Raises ValidationError where neither names one.
    """
    if arguments.models:
        return [arguments.models]
    named = config(arguments.config or None).schema.database.models
    if not named:
        raise ValidationError(
            "no models: name the module that holds them, as --models app.models, or by the key models of "
            "the configuration's section database"
        )
    return named


def answer(arguments: argparse.Namespace, command: Callable[[DatabaseConfigSchema], int]) -> int:
    """Carry a command out on the database of its options; whatever goes wrong is told with its exit code."""
    address = Secret("")
    try:
        database = database_of(arguments)
        address = Secret(database.build_dsn())
        return command(database)
    except Exception as error:
        # The process ends here: whatever it was is told in one line, with its exit code.
        return output.failure(error, address, arguments.json)


def _is_named() -> bool:
    return any(name.upper().startswith((f"{OURS}DATABASE", f"{OURS}CONFIG")) for name in os.environ)
