"""From a database URL to a driver, which is imported only when a URL asks for it."""

from __future__ import annotations

from rowstead.drivers.addresses import ASYNC_DRIVERS, choose, parse
from rowstead.drivers.addresses import Address as Address
from rowstead.drivers.addresses import Options as Options
from rowstead.drivers.addresses import safe_url as safe_url
from rowstead.drivers.base import Driver


def make_driver(url: str, options: Options | None = None) -> Driver:
    """The driver for a URL, not yet open.

    Raises ValidationError for a URL that cannot be read, and ImportError when the driver's library
    is not installed.
    """
    address = parse(url)
    options = options or Options()
    if address.database == "sqlite":
        from rowstead.drivers.sqlite import SQLiteDriver

        return SQLiteDriver(address.path, options, mode=address.mode)
    chosen = choose(address, ASYNC_DRIVERS)
    if chosen == "asyncpg":  # async only
        from rowstead.drivers.asyncpg import AsyncpgDriver

        return AsyncpgDriver(address.dsn, options)
    assert chosen == "psycopg", chosen
    from rowstead.drivers.psycopg import PsycopgDriver

    return PsycopgDriver(address.dsn, options)
