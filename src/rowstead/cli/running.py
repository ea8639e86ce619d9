"""Plans on a database of their own for one command: one connection, opened and closed around them."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeAlias, TypeVar

from rowstead.database import Database
from rowstead.dialects import Dialect
from rowstead.drivers.base import Driver
from rowstead.drivers.sqlite import SQLiteDriver
from rowstead.drivers.sqlite_connection import MEMORY
from rowstead.drivers.urls import Options, make_driver
from rowstead.plan import Plan

T = TypeVar("T")
MakePlan: TypeAlias = Callable[[Dialect, str], Plan[T]]

ONE_CONNECTION = Options(min_size=1, max_size=1)


async def run_plan(driver: Driver, make: MakePlan[T]) -> T:
    """Run the plan that `make` gives for the driver's dialect and parameter style."""
    await driver.open()
    database = Database(driver)
    try:
        return await database.plan(make(driver.dialect, driver.paramstyle))
    finally:
        await database.close()


def reader(url: str, options: Options = ONE_CONNECTION) -> Driver:
    """The URL's driver, unable to write; a SQLite file that is not there is not made, but empty."""
    driver = make_driver(url, options)
    if not isinstance(driver, SQLiteDriver) or driver.path == MEMORY:
        return driver
    if not os.path.exists(driver.path):
        return SQLiteDriver(MEMORY, options)
    return SQLiteDriver(driver.path, options, mode="ro")
