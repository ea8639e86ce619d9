"""A PostgreSQL as a new program finds it: a server with an administrator, and neither database nor role."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, LiteralString
from urllib.parse import urlsplit

import psycopg
import sqlalchemy as sa
from psycopg import sql

from rowstead.service import UserFunction
from servers import Server

USERS = sa.MetaData()
users = sa.Table(
    "users",
    USERS,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(50), index=True),
)


class Doubled(UserFunction):
    name = "doubled"
    type = sa.Integer
    body = "doubled(n int) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT n * 2 $$"


@dataclass(frozen=True, slots=True)
class Site:
    """What a program is told of the server, and how the test looks at what came of it."""

    server: Server
    driver: str
    database: str = field(default_factory=lambda: f"d_{secrets.token_hex(6)}")
    user: str = field(default_factory=lambda: f"u_{secrets.token_hex(6)}")
    password: str = field(default_factory=lambda: secrets.token_urlsafe(9))

    def own(self, **more: Any) -> dict[str, Any]:
        """The program's settings, without an administrator's."""
        place = urlsplit(self.server.url)
        named = {"database": self.database, "user": self.user, "password": self.password}
        return {"host": place.hostname, "port": place.port, "driver": self.driver, **named} | more

    def settings(self, **more: Any) -> dict[str, Any]:
        """All settings for a first start."""
        root = urlsplit(self.server.url)
        return self.own(root_user=root.username, root_password=root.password) | more

    @contextmanager
    def root(self, database: str | None = None) -> Iterator[psycopg.Connection]:
        """The administrator in the program's database, or in another one."""
        root = urlsplit(self.server.url)
        with psycopg.connect(
            host=root.hostname,
            port=root.port,
            user=root.username,
            password=root.password,
            dbname=self.database if database is None else database,
            autocommit=True,
        ) as connection:
            yield connection

    def ask(self, question: LiteralString, *values: Any, database: str | None = None) -> Any:
        """The one value that a question of the administrator gives."""
        with self.root(database) as connection:
            row = connection.execute(question, values).fetchone()
        assert row is not None
        return row[0]

    def do(self, statement: LiteralString, database: str | None = None) -> None:
        """Run a statement as the administrator; `{role}` and `{database}` are the quoted names."""
        names = {"role": sql.Identifier(self.user), "database": sql.Identifier(self.database)}
        with self.root(database) as connection:
            connection.execute(sql.SQL(statement).format(**names))

    def clear(self) -> None:
        """Remove the database and the role."""
        self.do("DROP DATABASE IF EXISTS {database} WITH (FORCE)", database="postgres")
        if self.ask("SELECT count(*) FROM pg_roles WHERE rolname = %s", self.user, database="postgres"):
            self.do("DROP OWNED BY {role}", database="postgres")
            self.do("DROP ROLE {role}", database="postgres")
