"""Database URLs: what they mean, what is wrong with one, and how it is shown without its password.

Knows the names of drivers, not the drivers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, SupportsIndex
from urllib.parse import parse_qs, parse_qsl, unquote

from rowstead.errors import ValidationError, did_you_mean

SCHEMES: dict[str, tuple[str, str | None]] = {
    "postgresql": ("postgresql", None),
    "postgres": ("postgresql", None),
    "postgresql+asyncpg": ("postgresql", "asyncpg"),
    "postgres+asyncpg": ("postgresql", "asyncpg"),
    "postgresql+psycopg": ("postgresql", "psycopg"),
    "postgres+psycopg": ("postgresql", "psycopg"),
    "mysql": ("mariadb", None),
    "mariadb": ("mariadb", None),
    "mysql+asyncmy": ("mariadb", "asyncmy"),
    "mariadb+asyncmy": ("mariadb", "asyncmy"),
    "mysql+aiomysql": ("mariadb", "aiomysql"),
    "mariadb+aiomysql": ("mariadb", "aiomysql"),
    "mysql+pymysql": ("mariadb", "pymysql"),
    "mariadb+pymysql": ("mariadb", "pymysql"),
    "sqlite": ("sqlite", None),
    "sqlite+aiosqlite": ("sqlite", None),
}
"""Scheme -> database, and the driver where the scheme names one. SQLite has only ours."""

ASYNC_DRIVERS: Mapping[str, Sequence[str]] = {
    "postgresql": ("asyncpg", "psycopg"),
    "mariadb": ("asyncmy", "aiomysql"),
}
SYNC_DRIVERS: Mapping[str, Sequence[str]] = {"postgresql": ("psycopg",), "mariadb": ("pymysql",)}
"""The drivers for each database on a server that a world has, the preferred one first."""
_TITLES = {"postgresql": "PostgreSQL", "mariadb": "MariaDB"}
_EXTRAS = {"asyncmy": "mysql", "aiomysql": "mysql", "pymysql": "mysql"}

MODES = ("ro", "rw", "rwc")
MEMORY = ":memory:"
LOCK_TIMEOUT = 30.0
"""Seconds that a writer waits for another unless told."""


_PARTS = re.compile(r"[^:/?#]+://([^/?#]*)[^?#]*(?:\?([^#]*))?")


def authority_and_query(url: str) -> tuple[str, dict[str, list[str]]]:
    """`user@host:port,…` and the parameters of a URL that was accepted.

    `urlsplit` of newer Pythons refuses an IPv6 host that stands beside others.
    """
    parts = _PARTS.match(url)
    return (parts[1], parse_qs(parts[2] or "")) if parts is not None else ("", {})


@dataclass(frozen=True, slots=True)
class Options:
    """How a handle keeps its connections. Times are seconds; None is no limit.

    min_size, max_size: bounds of the pool; None takes the driver's own (1 and 10; SQLite 1 and 4
    readers), and one of them given alone moves the other's default along.
    replicas, replica_wait: URLs of servers that may answer reads, and the seconds that one of them
    may take to catch up with this handle's own writes.
    lock_timeout: how long a statement waits on a file that another process or handle is writing.
    lazy: of several kinds of connections (SQLite's writer and readers) only the first is made at once.
    """

    min_size: int | None = None
    max_size: int | None = None
    connect_timeout: float | None = 10.0
    acquire_timeout: float | None = 30.0
    statement_timeout: float | None = None
    max_lifetime: float | None = 3600.0
    max_idle: float | None = 600.0
    replicas: tuple[str, ...] = field(default=(), repr=False)
    replica_wait: float = 0.1
    lock_timeout: float = LOCK_TIMEOUT
    lazy: bool = False

    def bounds(self, default_max: int = 10) -> tuple[int, int]:
        """The pool's bounds, checked."""
        low, high = self.min_size, self.max_size
        if high is None:
            high = default_max if low is None else max(default_max, low)
        if low is None:
            low = min(1, high)
        for name, size in (("min_size", low), ("max_size", high)):
            if type(size) is not int or size < 1:
                raise ValidationError(f"{name} must be a whole number of at least 1, not {size!r}")
        if low > high:
            raise ValidationError(
                f"min_size={low} is more than max_size={high}; raise max_size or lower min_size"
            )
        return low, high


@dataclass(frozen=True, slots=True)
class Address:
    """A database URL, read. `dsn` is that of a server, `path` and `mode` are SQLite's."""

    database: str
    driver: str | None = None
    dsn: str = field(default="", repr=False)
    path: str = ""
    mode: str = "rwc"


def parse(url: str) -> Address:
    """Read a URL. ValidationError says what is wrong with it, and never shows a password."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        raise ValidationError(
            "this is no database URL: it must begin like sqlite:///file.db or postgresql://user@host/name; "
            f"known schemes: {', '.join(SCHEMES)}"
        )
    known = SCHEMES.get(scheme.lower())
    if known is None:
        hint = did_you_mean(scheme.lower(), SCHEMES)
        more = "" if hint.startswith("known") else f" Known: {', '.join(SCHEMES)}"
        raise ValidationError(f"no driver for the URL scheme {scheme!r}; {hint}{more}")
    database, driver = known
    if database == "sqlite":
        return _sqlite(scheme, rest)
    # What follows may name several hosts; reading it is the driver's own business.
    return Address(database, driver, dsn=f"{database}://{rest}")


def _sqlite(scheme: str, rest: str) -> Address:
    if "@" in rest and not rest.startswith("/"):
        raise ValidationError(
            f"a SQLite URL names a file, and no user, password or host: write {scheme}:///file.db"
        )
    location, _, query = rest.partition("?")
    mode = _mode(query)
    if not location:
        path = MEMORY
    elif not location.startswith("/"):
        raise ValidationError(
            f"a SQLite URL has three slashes before a relative path, four before an absolute one: "
            f"write {scheme}:///{location}"
        )
    else:
        path = unquote(location[1:])
        if not path or "\0" in path:
            raise ValidationError(
                f"a SQLite URL needs a file: {scheme}:///file.db, or {scheme}:///:memory: for one in memory"
            )
    if path == MEMORY and mode != "rwc":
        raise ValidationError(f"mode={mode} needs a file; a database in memory begins empty")
    return Address("sqlite", path=path, mode=mode)


def _mode(query: str) -> str:
    mode = "rwc"
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name != "mode":
            raise ValidationError(f"a SQLite URL knows no parameter {name!r}; {did_you_mean(name, ['mode'])}")
        if value not in MODES:
            raise ValidationError(f"mode={value} is not known; {did_you_mean(value, MODES)}")
        mode = value
    return mode


def choose(address: Address, available: Mapping[str, Sequence[str]]) -> str:
    """Which of a world's drivers serves this address; ImportError when it is not installed."""
    drivers = available[address.database]
    if address.driver is not None and address.driver not in drivers:
        is_async = address.driver in ASYNC_DRIVERS[address.database]
        own, other = ("asynchronous", "synchronous") if is_async else ("synchronous", "asynchronous")
        raise ValidationError(
            f"{address.driver} is {own} only; use {address.database}+{drivers[0]}:// for {other} code"
        )
    wanted = (address.driver,) if address.driver is not None else tuple(drivers)
    for name in wanted:
        if find_spec(name) is not None:
            return name
    extra = _EXTRAS.get(wanted[0], wanted[0])
    raise ImportError(
        f"{_TITLES[address.database]} needs {wanted[0]}, which is not installed: "
        f"pip install 'rowstead[{extra}]'"
    )


class Secret(str):
    """A text with a password in it, for keeping: the text itself, but no repr or pickle gives it away."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(safe_url(str(self)))

    def __reduce_ex__(self, _protocol: SupportsIndex) -> str | tuple[Any, ...]:
        raise TypeError("a database's address holds its password, and is not pickled")


def safe_url(url: str) -> str:
    """The URL as it may be shown: its passwords, wherever they stand, are ***."""
    scheme, separator, rest = url.rpartition("://") if "://" not in url else url.partition("://")
    # A password may hold anything, also unescaped @ / and ?: it ends at the last @ of all.
    login, at, host = rest.rpartition("@")
    user, colon, _ = login.partition(":")
    shown = f"{scheme}{separator}{user}{colon and ':***'}{at}{host}"
    return _SECRET.sub(r"\1***", shown)


def without_passwords(message: str) -> str:
    """The same message, with every URL in it as it may be shown."""
    return _URL.sub(lambda found: safe_url(found[0]), message)


_URL = re.compile(r"[A-Za-z][\w+]*:/\S*@\S*")
_SECRET = re.compile(r"((?:pass(?:word|wd)?|sslpassword)\s*=\s*)('(?:[^'\\]|\\.)*'|[^&\s]*)", re.IGNORECASE)
