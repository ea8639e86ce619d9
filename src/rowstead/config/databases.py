"""What is known of each database's address: its drivers, its port, how its driver takes parameters.

Facts only, so that no other file of the package asks for a database by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec

from rowstead.errors import ValidationError, did_you_mean

DEFAULT_DIALECT = "sqlite"
DEFAULT_FILE = "rowstead.db"
"""The database without any configuration: a SQLite file in the working folder."""


@dataclass(frozen=True, slots=True)
class Known:
    """One dialect of SQLAlchemy's."""

    family: str
    """Dialects of one family are the same database to whoever names it."""
    drivers: tuple[str, ...]
    """Its asynchronous drivers, the preferred one first."""
    others: tuple[str, ...] = ()
    """Drivers that are recognised by their name, and never chosen."""
    port: int | None = None
    is_file: bool = False
    """Whether it is a file: there is no user, host or port."""
    hosts_in_query: bool = False
    """Whether several hosts, and a socket's folder, are named by the parameters `host` and `port`."""
    socket_parameter: str | None = None
    """The parameter that names a socket's path."""
    tuning: frozenset[str] = frozenset()
    """Parameters that are only about how SQLAlchemy uses its driver, which ours does not know."""


_ASYNCPG_TUNING = frozenset(
    "database timeout statement_cache_size max_cached_statement_lifetime max_cacheable_statement_size "
    "command_timeout direct_tls gsslib prepared_statement_cache_size prepared_statement_name_func "
    "async_fallback".split()
)
ASYNCPG_ARGUMENTS = _ASYNCPG_TUNING | frozenset(
    "passfile service servicefile target_session_attrs krbsrvname".split()
)
"""What asyncpg's `connect`, and SQLAlchemy for it, take by name; the rest only stands in a URL of its own."""

_MYSQL_DRIVERS = ("asyncmy", "aiomysql")
_MYSQL_TUNING = frozenset(
    "connect_timeout read_timeout write_timeout compress client_flag local_infile use_unicode autocommit "
    "init_command sql_mode cursorclass echo program_name max_allowed_packet".split()
)

KNOWN: Mapping[str, Known] = {
    "postgresql": Known(
        "postgresql",
        ("asyncpg", "psycopg"),
        ("psycopg_async", "psycopg2", "pg8000"),
        port=5432,
        hosts_in_query=True,
        tuning=_ASYNCPG_TUNING,
    ),
    "sqlite": Known("sqlite", ("aiosqlite",), ("pysqlite", "pysqlcipher"), is_file=True),
    "mysql": Known(
        "mysql",
        _MYSQL_DRIVERS,
        ("pymysql", "mysqldb"),
        port=3306,
        socket_parameter="unix_socket",
        tuning=_MYSQL_TUNING,
    ),
    "mariadb": Known(
        "mysql",
        _MYSQL_DRIVERS,
        ("mariadbconnector",),
        port=3306,
        socket_parameter="unix_socket",
        tuning=_MYSQL_TUNING,
    ),
    "mssql": Known("mssql", ("aioodbc",), ("pyodbc", "pymssql", "mssqlpython"), port=1433),
    "oracle": Known("oracle", ("oracledb",), ("oracledb_async", "cx_oracle"), port=1521),
}

SPELLINGS: Mapping[str, str] = {"postgres": "postgresql", "pg": "postgresql", "sqlite3": "sqlite"}
"""Other names that people give a dialect."""

DRIVERS: Mapping[str, str] = {
    driver: dialect
    for dialect, known in reversed(KNOWN.items())
    for driver in (*known.drivers, *known.others)
}
"""Driver -> its dialect; where two share it, the first of KNOWN."""


def dialect_named(name: str) -> str:
    """A dialect's own name. An unknown one is SQLAlchemy's to know."""
    lowered = name.strip().lower()
    return SPELLINGS.get(lowered, lowered)


def family(dialect: str) -> str:
    """What `dialect` is compared by."""
    known = KNOWN.get(dialect)
    return dialect if known is None else known.family


def dialect_of_driver(driver: str) -> str:
    """The dialect that a driver's name means; an unknown driver is taken for a dialect of its own.

    Raises ValidationError where it looks like a driver's mistyped name.
    """
    found = DRIVERS.get(driver)
    if found is not None:
        return found
    hint = did_you_mean(driver, DRIVERS)
    if not hint.startswith("known"):
        raise ValidationError(f"there is no driver {driver!r}; {hint} Else name its `dialect` too")
    return driver


def check_driver(dialect: str, driver: str) -> None:
    """ValidationError where a driver is known to be another database's."""
    found = DRIVERS.get(driver)
    if found is None or family(found) == family(dialect):
        return
    known = KNOWN.get(dialect)
    rest = f"; for {dialect} there are: {', '.join(known.drivers)}" if known is not None else ""
    raise ValidationError(f"the driver {driver} is for {found}, and the dialect is {dialect}{rest}")


def driver_for(dialect: str) -> str | None:
    """The asynchronous driver where none is named: the first that is installed, else the preferred one."""
    known = KNOWN.get(dialect)
    if known is None:
        return None
    return next((name for name in known.drivers if find_spec(name) is not None), known.drivers[0])
