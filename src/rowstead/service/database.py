"""`DatabaseService`: the database of an application. Sets it up, holds its tables, runs statements.

It must not know SQL, drivers or what a database needs before it is used: those are the core's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar, cast

import sqlalchemy as sa

from rowstead.database import Database
from rowstead.errors import UsageError, ValidationError
from rowstead.service.connections import Connection, Statements, session_of
from rowstead.service.database_settings import (
    Address,
    Place,
    check_settings,
    names,
    options_of,
    read,
)
from rowstead.service.service import Service
from rowstead.session import Session, Trace
from rowstead.setup.facts import facts_of
from rowstead.setup.functions import SQL_FUNCTIONS, UserFunction
from rowstead.setup.running import prepare_server, prepare_tables

if TYPE_CHECKING:
    from rowstead.service.app import App

K = TypeVar("K")

LOG = logging.getLogger("rowstead.service")

Functions = Mapping[str, type[UserFunction]] | Iterable[type[UserFunction]]


class DatabaseService(Statements, Service):
    """A database, made ready by `init()` as far as it is not, and closed by `close()`.

    It is named by settings (`host`, `port`, `database`, `user`, `password`; `driver` where it is no
    PostgreSQL), by `url=`, or given as an open handle by `db=`, which stays its owner's to close. Without
    any of them it is the SQLite file `database`. What stands beside a URL wins over that part of it.

    `init_db` makes the database, the role, what that may do, schemas and extensions, as `root_user` where
    one is given; `init_tables` (or `init_table`) the functions and tables. Nothing that is there is altered
    or dropped, and several processes may start at once. `fallback_hosts` are further servers, of which the
    one that takes writes is used. `idle_connection_lifetime` is seconds. `echo` logs each statement;
    `trace` is called after each, without its values.
    """

    service_name: ClassVar[str | None] = "db"

    if not TYPE_CHECKING:
        # What `__init__` takes is said there; a name that it does not take is told with a better one.
        def __new__(cls, **settings: Any) -> Self:
            check_settings(cls, settings)
            return super().__new__(cls)

    def __init__(
        self,
        *,
        app: App | None = None,
        name: str | None = None,
        host: str | None = None,
        port: int | str | None = None,
        database: str | None = None,
        user: str | None = None,
        password: str | None = None,
        url: str | None = None,
        db: Any = None,
        driver: str | None = None,
        fallback_hosts: Iterable[str] | str | None = None,
        root_user: str | None = None,
        root_password: str | None = None,
        root_database: str | None = None,
        metadata: sa.MetaData | None = None,
        init_db: bool = True,
        init_tables: bool = True,
        init_table: bool | None = None,
        pool_size: int = 10,
        idle_connection_lifetime: float = 3600.0,
        extensions: Iterable[str] | str | None = None,
        functions: Functions | None = None,
        schemas: Iterable[str] | str | None = None,
        echo: bool = False,
        trace: Callable[[Trace], None] | None = None,
    ) -> None:
        super().__init__(app=app, name=name)
        self.metadata = sa.MetaData() if metadata is None else _of_kind("metadata", metadata, sa.MetaData)
        """The tables of an application that shares one; `tables` has these and all others."""
        self._added: dict[str, sa.Table] = {}
        self._session: Session | None = None
        self._own: Database | None = None
        self._is_started = False
        self._starting = asyncio.Lock()
        self._init_db = read("init_db", bool, init_db)
        self._init_tables = read("init_tables", bool, init_tables if init_table is None else init_table)
        self._schemas = names("schemas", schemas)
        self._extensions = names("extensions", extensions)
        self._trace = _tracing(echo, trace)
        self._options = options_of(pool_size, idle_connection_lifetime)
        address = Address(
            url=url,
            driver=driver,
            host=host,
            port=port,
            database=database,
            user=user,
            password=password,
            fallback_hosts=fallback_hosts,
            root_user=root_user,
            root_password=root_password,
            root_database=root_database,
        )
        self._place = Place.of(address) if db is None else None
        if db is not None:
            self._session = _given(db, address)
        self._functions = self._usable(functions)

    @property
    def session(self) -> Session:
        """The core's session. Raises UsageError before `init()` and after `close()`."""
        if self._session is None:
            raise UsageError(
                f"the database service {self.name!r} is not started: `await {self.name}.init()` first, or "
                "`async with` it; an application does that, and then starts what stands behind it in the file"
            )
        return self._session

    # Tables

    @property
    def tables(self) -> Mapping[str, sa.Table]:
        """All tables that are made, by `name` or `schema.name`."""
        return {**self.metadata.tables, **self._added}

    def add_table(self, table: sa.Table) -> sa.Table:
        """Have the table made by `init()`, whatever `MetaData` it is of; gives it back.

        UsageError where another table of this schema and name is here already.
        """
        known = self.tables.get(_of_kind("a table", table, sa.Table).key)
        if known is not None and known is not table:
            raise UsageError(
                f"{self.name} has another table {table.fullname!r} already: two services share one sa.Table, "
                "or their tables differ in name or schema",
                table=table.name,
            )
        if known is None:
            self._added[table.key] = table
        return table

    async def create_tables(self) -> tuple[str, ...]:
        """Make the functions anew and the tables that are not there: their names. `init()` does it."""
        made = await prepare_tables(self.session, self.tables.values(), self._functions)
        if made.tables:
            LOG.info("%s: made the tables %s", self.name, ", ".join(made.tables))
        return made.tables

    # Its life

    async def init(self) -> None:
        """Make the database ready, as far as `init_db` and `init_tables` say, and connect.

        Twice is fine, and at once too.

        Raises UnreachableError, PrivilegeError where a role may not do it, and what the database refuses.
        """
        async with self._starting:
            await self._start()

    async def _start(self) -> None:
        if self._session is None and self._place is not None:
            await self._connect(self._place)
        elif self._is_started:
            return
        try:
            if self._init_tables:
                await self.create_tables()
        except BaseException:
            await self.close()
            raise
        self._is_started = True

    async def _connect(self, place: Place) -> None:
        server = place.facts.server
        places = place.steps() if server is not None else None
        if self._init_db and server is not None and places is not None:
            schemas = place.facts.schemas_of(self._schemas, self.tables.values())
            await prepare_server(places, place.needs(schemas, self._extensions), server, self._trace)
        self._session = self._own = await Database.from_url(place.url, self._options, trace=self._trace)

    async def close(self) -> None:
        """Close the connections, unless they were given by `db=`; twice is fine."""
        self._is_started = False
        own, self._own = self._own, None
        if own is not None:
            self._session = None
            await own.close()

    async def __aenter__(self) -> Self:
        await self.init()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()

    # Statements: see `Statements`

    @asynccontextmanager
    async def connect(self) -> AsyncGenerator[Connection]:
        """One connection for several statements, each a transaction of its own unless one is begun."""
        session = self.session
        if not isinstance(session, Database):
            raise UsageError("this is a transaction's handle, which has one connection: use `begin()`")
        async with session.connection() as pinned:
            connection = Connection(pinned)
            try:
                yield connection
            finally:
                connection.end()

    def _usable(self, functions: Functions | None) -> tuple[type[UserFunction], ...]:
        """The functions to make. Of the whole program's, none where a database cannot have any."""
        facts = self._place.facts if self._place is not None else facts_of(self.session.dialect)
        for setting, given, known in (
            ("functions", functions, facts.has_functions),
            ("extensions", self._extensions, facts.has_extensions),
            # The one that is there anyway may be named everywhere.
            ("schemas", set(self._schemas) - {"public"}, facts.usual_schema is not None),
        ):
            if given and not known:
                raise ValidationError(f"{setting}: this database has none; leave the setting out there")
        if functions is None:
            return tuple(SQL_FUNCTIONS.values()) if facts.has_functions else ()
        given: Any = functions
        if isinstance(given, Mapping):
            given = cast("Mapping[str, Any]", given).values()
        if not isinstance(given, Iterable):
            raise ValidationError(f"functions is a list or a mapping of them, not {type(given).__name__}")
        some: list[Any] = list(cast("Iterable[Any]", given))
        for each in some:
            if not (isinstance(each, type) and issubclass(each, UserFunction)):
                raise ValidationError(f"functions: each is a subclass of UserFunction, and {each!r} is none")
        return tuple(some)


def _of_kind(setting: str, value: Any, kind: type[K]) -> K:
    if isinstance(value, kind):
        return value
    raise ValidationError(f"{setting} is a {kind.__name__}, not {type(value).__name__}")


def _given(db: Any, address: Address) -> Session:
    stray = address.given()
    if stray:
        raise ValidationError(f"{', '.join(stray)} is set beside db, which is open already; leave one out")
    return session_of(db)


def _tracing(echo: bool, trace: Callable[[Trace], None] | None) -> Callable[[Trace], None] | None:
    if trace is not None and not callable(cast("Any", trace)):
        raise ValidationError(f"trace is a function that is called with each statement, not {trace!r}")
    if not echo:
        return trace

    def tell(statement: Trace) -> None:
        LOG.info("%s", statement.sql)
        if trace is not None:
            trace(statement)

    return tell
