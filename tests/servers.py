"""The real servers that tests talk to: databases on the session's PostgreSQL and MariaDB, and more servers.

Knows nothing of Rowstead: it is what Rowstead is measured against. It talks to the servers through
psycopg's and PyMySQL's synchronous connections, which cost no event loop.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pymysql
from psycopg import sql

import with_mariadb
from with_mariadb import MariaServer
from with_postgres import VARIABLE, PostgresServer

__all__ = [
    "MariaDatabase",
    "MariaServer",
    "MissingServer",
    "PostgresDatabase",
    "PostgresServer",
    "Server",
    "with_driver",
]

USER_SCHEMAS = r"SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'"
OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()
"""
LARGE_OBJECTS = "SELECT lo_unlink(oid) FROM pg_largeobject_metadata"


class MissingServer(Exception):
    """Tests that need a server fail without it; none is ever skipped in silence."""


def with_driver(url: str, driver: str) -> str:
    """The same address, for one driver: `postgresql+asyncpg://...`."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(scheme=f"{parts.scheme.partition('+')[0]}+{driver}"))


class Server:
    """The session's PostgreSQL, as a superuser sees it."""

    def __init__(self, url: str) -> None:
        self.url = url

    @classmethod
    def from_environment(cls) -> Server:
        """The server that `make test` started. Raises MissingServer without one."""
        url = os.environ.get(VARIABLE)
        if not url:
            raise MissingServer(
                f"{VARIABLE} is not set. Run `make test`, which starts a private PostgreSQL, or "
                "`.venv/bin/python scripts/with_postgres.py --fast -- .venv/bin/python -m pytest ...`"
            )
        return cls(url)

    def url_of(self, database: str, *, user: str | None = None, password: str | None = None) -> str:
        """Where `database` of this server is, for the superuser or another role."""
        parts = urlsplit(self.url)
        place = parts.netloc if user is None else f"{user}:{password}@{parts.netloc.rpartition('@')[2]}"
        return urlunsplit(parts._replace(path=f"/{database}", netloc=place))

    def connect(self) -> psycopg.Connection:
        """A connection of the superuser's, committing by itself."""
        return psycopg.connect(self.url, autocommit=True)

    def create_database(self, name: str | None = None) -> PostgresDatabase:
        """A new, empty database; `drop` it, or use `database()`."""
        name = name or f"t_{secrets.token_hex(6)}"
        with self.connect() as admin:
            admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
        return PostgresDatabase(self, name)

    @contextmanager
    def database(self) -> Iterator[PostgresDatabase]:
        """A new, empty database that is dropped afterwards, whoever is still connected."""
        made = self.create_database()
        try:
            yield made
        finally:
            made.drop()

    @contextmanager
    def role(self, *, options: str = "LOGIN") -> Iterator[tuple[str, str]]:
        """A new role and its password, dropped afterwards with all that it owns or may do."""
        name, password = f"r_{secrets.token_hex(6)}", secrets.token_urlsafe(12)
        with self.connect() as admin:
            admin.execute(
                sql.SQL("CREATE ROLE {} WITH " + options + " PASSWORD {}").format(
                    sql.Identifier(name), sql.Literal(password)
                )
            )
            try:
                yield name, password
            finally:
                names = admin.execute("SELECT datname FROM pg_database WHERE datallowconn").fetchall()
                for (database,) in names:
                    with psycopg.connect(self.url_of(database), autocommit=True) as inside:
                        inside.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(name)))
                admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


class PostgresDatabase:
    """One database that a test has for itself.

    Emptying one takes a few milliseconds where making a new one takes tens, so the tests of a
    session share one and each finds it as it was made.
    """

    def __init__(self, server: Server, name: str) -> None:
        self.server = server
        self.name = name
        self.url = server.url_of(name)

    def connect(self) -> psycopg.Connection:
        """A connection of the superuser's, committing by itself."""
        return psycopg.connect(self.url, autocommit=True)

    def empty(self, connection: psycopg.Connection) -> None:
        """Break off who is still connected, and bring the database back to how it was made."""
        # The server's own wait for an ending connection looks only every 100 ms.
        while connection.execute(OTHERS, [self.name]).fetchall():
            time.sleep(0.001)
        schemas = [name for (name,) in connection.execute(USER_SCHEMAS)]
        names = sql.SQL(", ").join(map(sql.Identifier, schemas))
        if schemas:
            connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(names))
        connection.execute("CREATE SCHEMA public")
        connection.execute("GRANT USAGE ON SCHEMA public TO PUBLIC")
        connection.execute(sql.SQL("ALTER DATABASE {} RESET ALL").format(sql.Identifier(self.name)))
        connection.execute(LARGE_OBJECTS)

    def drop(self) -> None:
        """Drop it, whoever is still connected."""
        with self.server.connect() as admin:
            admin.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(self.name))
            )


class MariaDatabase:
    """One database of the session's MariaDB that a test has for itself, emptied before each test."""

    def __init__(self, server_url: str, name: str) -> None:
        self.name = name
        self.url = urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))

    @classmethod
    @contextmanager
    def made(cls) -> Iterator[MariaDatabase]:
        """A new database on the server that `make test` started, dropped afterwards. Raises MissingServer."""
        url = os.environ.get(with_mariadb.VARIABLE)
        if not url:
            raise MissingServer(
                f"{with_mariadb.VARIABLE} is not set. Run `make test`, which starts a private MariaDB, or "
                "`.venv/bin/python scripts/with_mariadb.py --fast -- .venv/bin/python -m pytest ...`"
            )
        database = cls(url, f"t_{secrets.token_hex(6)}")
        with database.admin() as admin:
            database.empty(admin)
            try:
                yield database
            finally:
                database.drop(admin)

    @contextmanager
    def admin(self) -> Iterator[pymysql.Connection]:
        """A connection that may do everything, in no database, committing by itself."""
        parts = urlsplit(self.url)
        connection = pymysql.connect(
            host=parts.hostname,
            port=parts.port,
            user=parts.username,
            password=parts.password,
            autocommit=True,
        )
        try:
            yield connection
        finally:
            connection.close()

    def empty(self, admin: pymysql.Connection) -> None:
        """Break off who is still connected, and bring the database back to how it was made."""
        self.drop(admin)
        with admin.cursor() as cursor:
            # A text compares as on the other databases, where `a` is neither `A` nor `a `.
            cursor.execute(f"CREATE DATABASE `{self.name}` CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin")

    def drop(self, admin: pymysql.Connection) -> None:
        """Drop it, whoever is still connected: an open transaction would make the DROP wait."""
        others = "SELECT id FROM information_schema.processlist WHERE db = %s AND id <> connection_id()"
        with admin.cursor() as cursor:
            while cursor.execute(others, [self.name]):
                for (number,) in cursor.fetchall():
                    with suppress(pymysql.OperationalError):  # it ended meanwhile
                        cursor.execute(f"KILL {number}")
            cursor.execute(f"DROP DATABASE IF EXISTS `{self.name}`")
