"""The command `db health`: connects, and tells what is at the other end.

What is shown is what is in use, and never a password.
"""

from __future__ import annotations

import argparse
import asyncio

from rowstead.cli import output
from rowstead.cli.db_place import answer
from rowstead.cli.running import ONE_CONNECTION, run_plan
from rowstead.config import DatabaseConfigSchema
from rowstead.dialects import Dialect
from rowstead.drivers.base import Driver
from rowstead.drivers.sqlite import SQLiteDriver
from rowstead.drivers.sqlite_connection import MEMORY
from rowstead.drivers.urls import Options, make_driver
from rowstead.plan import Call, Plan, first_value


def health(arguments: argparse.Namespace) -> int:
    """Connect and print what was found; 3 where there is no answer."""

    def command(database: DatabaseConfigSchema) -> int:
        told = database.describe()
        # Told before the attempt: who cannot connect wants to know where that was.
        places = ["Checking database health...", *(f"  {name:<9}{text}" for name, text in told.items())]
        if not arguments.json:
            print("\n".join(places), flush=True)
        server = asyncio.run(run_plan(_driver(database), _server))
        value = {"healthy": True, **told, "server": server}
        output.result(value, [f"The database answers: {server}"], arguments.json)
        return output.OK

    return answer(arguments, command)


def _driver(database: DatabaseConfigSchema) -> Driver:
    """A driver that makes no file which is not there."""
    options = Options(min_size=1, max_size=1, connect_timeout=database.connect_timeout)
    driver = make_driver(database.core_url(), options)
    if isinstance(driver, SQLiteDriver) and driver.path != MEMORY:
        return SQLiteDriver(driver.path, ONE_CONNECTION, mode="ro")
    return driver


def _server(dialect: Dialect, _paramstyle: str) -> Plan[str]:
    version = yield Call(dialect.server_version, (), first_value)
    return str(version)
