# Generated from rowstead/drivers/urls.py by scripts/make_sync.py; do not edit.
"""From a database URL to a driver, which is imported only when a URL asks for it."""

from __future__ import annotations

from dataclasses import replace

from rowstead.drivers.addresses import SYNC_DRIVERS, choose, parse
from rowstead.drivers.addresses import Address as Address
from rowstead.drivers.addresses import Options as Options
from rowstead.drivers.addresses import safe_url as safe_url
from rowstead.errors import ValidationError
from rowstead.sync.drivers.base import Driver

REPLICA_CONNECT_TIMEOUT = 2.0
"""Seconds: whoever reads need not wait longer for a replica, since the primary can answer."""


def make_driver(url: str, options: Options | None = None) -> Driver:
    """The driver for a URL, not yet open; one over several servers where `options` names replicas.

    Raises ValidationError for a URL that cannot be read, and ImportError when the driver's library
    is not installed.
    """
    address = parse(url)
    options = options or Options()
    if options.replicas:
        return _replicated(address, options)
    return _make(address, options)


def _make(address: Address, options: Options) -> Driver:
    if address.database == "sqlite":
        from rowstead.sync.drivers.sqlite import SQLiteDriver

        return SQLiteDriver(address.path, options, mode=address.mode)
    chosen = choose(address, SYNC_DRIVERS)
    if address.database == "mariadb":
        from rowstead.sync.drivers.mysql import MySQLDriver

        return MySQLDriver(address.dsn, chosen, options)
    assert chosen == "psycopg", chosen
    from rowstead.sync.drivers.psycopg import PsycopgDriver

    return PsycopgDriver(address.dsn, options)


def _replicated(address: Address, options: Options) -> Driver:
    from rowstead.drivers import postgresql
    from rowstead.sync.drivers.hosts import with_target
    from rowstead.sync.drivers.replicas import Replica, ReplicatedDriver

    if isinstance(options.replica_wait, bool) or not 0 <= options.replica_wait < float("inf"):
        raise ValidationError(
            f"replica_wait is a number of seconds from 0 (do not wait) on, not {options.replica_wait!r}"
        )
    own = replace(options, replicas=())
    limits = [
        seconds for seconds in (options.connect_timeout, REPLICA_CONNECT_TIMEOUT) if seconds is not None
    ]
    theirs = replace(own, connect_timeout=min(limits))
    addresses = [parse(url) for url in options.replicas]
    if any(each.database != "postgresql" for each in (address, *addresses)):
        raise ValidationError(
            "replicas are PostgreSQL's hot standbys: the handle's URL and theirs begin like postgresql://"
        )
    chosen = choose(address, SYNC_DRIVERS)
    if any(each.driver not in (None, chosen) for each in addresses):
        raise ValidationError(
            f"a replica is reached by its primary's driver: write postgresql+{chosen}:// for all of them"
        )
    replicas: list[Replica] = []
    for each in addresses:
        # Of several hosts one that only reads is wanted here.
        dsn = with_target(each.dsn, "prefer-standby")
        replicas.append(Replica(postgresql.address(dsn), _make(Address("postgresql", chosen, dsn), theirs)))
    return ReplicatedDriver(_make(address, own), replicas, options.replica_wait)
