"""`PersistEngine`: the engines and sessions of one configured database.

Each distinct set of arguments has one engine with a pool of its own, made when it is first asked for and
closed by `dispose_engines`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from threading import Lock
from typing import Any, Self, TypeVar, cast

from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from rowstead.config import DatabaseConfigSchema
from rowstead.drivers.sqlalchemy_engines import make_engine
from rowstead.repository.repository import BaseRepository
from rowstead.repository.transactions import transactional

M = TypeVar("M")
Keywords = Mapping[str, Any]


class PersistEngine:
    """Engines and sessions of the database that a configuration names.

    `config` is a `DatabaseConfigSchema` (`config("config.yaml").schema.database`) or a database URL;
    TypeError for anything else. `engine_kwargs` are arguments of `create_async_engine`; they win over the
    configuration's, and those of a call win over both. `async with` closes its engines at the end.
    """

    def __init__(self, config: DatabaseConfigSchema | str, **engine_kwargs: Any) -> None:
        if isinstance(config, str):
            config = DatabaseConfigSchema(dsn=config)
        if not isinstance(config, DatabaseConfigSchema):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(
                "PersistEngine takes a DatabaseConfigSchema, such as config().schema.database, or a database "
                f"URL, not {type(config).__name__}"
            )
        self.config = config
        self._arguments = engine_kwargs
        self._engines: dict[Any, AsyncEngine] = {}
        self._given: list[Any] = []
        """Arguments whose identity stands in a key: while they live nothing else has it."""
        self._lock = Lock()

    def engine(
        self,
        schema: str | None = None,
        database: str | None = None,
        isolation_level: str | None = None,
        **engine_kwargs: Any,
    ) -> AsyncEngine:
        """The engine for these arguments, one and the same each time.

        `schema` is what names without one mean (PostgreSQL's search path), `database` another database of the
        same server, `isolation_level` that of its transactions; see `make_engine`.
        """
        arguments = self._merged(engine_kwargs)
        schema = schema if schema is not None else self.config.default_schema
        if isolation_level is None:
            isolation_level = arguments.pop("isolation_level", None)
        key = (schema, database, isolation_level, _frozen(arguments))
        with self._lock:
            known = self._engines.get(key)
            if known is None:
                known = self._engines[key] = self._made(schema, database, isolation_level, arguments)
                self._given.append(arguments)
            return known

    def session(
        self,
        schema: str | None = None,
        database: str | None = None,
        isolation_level: str | None = None,
        session_kwargs: Keywords | None = None,
        engine_kwargs: Keywords | None = None,
    ) -> tuple[AsyncEngine, async_sessionmaker[AsyncSession]]:
        """The engine, and what makes sessions on it; their objects stay readable after a commit.

        `session_kwargs` are arguments of `async_sessionmaker`, `engine_kwargs` of `create_async_engine`.
        """
        engine = self.engine(schema, database, isolation_level, **(engine_kwargs or {}))
        arguments: dict[str, Any] = {"expire_on_commit": False, **(session_kwargs or {})}
        return engine, async_sessionmaker(engine, **arguments)

    @asynccontextmanager
    async def repository(
        self,
        model: type[M],
        schema: str | None = None,
        database: str | None = None,
        isolation_level: str | None = None,
    ) -> AsyncGenerator[BaseRepository[M]]:
        """A repository on a session of its own, committed at the end, rolled back on any error.

        Cancellation counts as an error; so does every other exception. A `transactional` block inside is a
        savepoint.
        """
        _, factory = self.session(schema, database, isolation_level)
        async with factory() as session, transactional(session):
            yield BaseRepository(session, model)

    async def dispose_engines(self) -> None:
        """Close all connections; engines that are asked for later are new ones."""
        with self._lock:
            engines = list(self._engines.values())
            self._engines.clear()
            self._given.clear()
        for engine in engines:
            await engine.dispose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.dispose_engines()

    def __repr__(self) -> str:
        return f"PersistEngine({self.config.url.render_as_string(hide_password=True)})"

    def _merged(self, engine_kwargs: Keywords) -> dict[str, Any]:
        """All arguments for the engine; what is nearer to the call wins."""
        config = self.config
        merged: dict[str, Any] = {"echo": config.debug, **config.pool_options()}
        for some in (config.create_engine_kwargs, config.kwargs, self._arguments, engine_kwargs):
            connect = {**merged.get("connect_args", {}), **some.get("connect_args", {})}
            merged |= some
            if connect:
                merged["connect_args"] = connect
        return merged

    def _made(
        self, schema: str | None, database: str | None, isolation_level: str | None, arguments: Keywords
    ) -> AsyncEngine:
        url: URL = self.config.url if database is None else self.config.url.set(database=database)
        return make_engine(
            url,
            schema=schema,
            isolation_level=isolation_level,
            connect_timeout=self.config.connect_timeout,
            **arguments,
        )


def _frozen(value: Any) -> Any:
    """A key that equals another only where the arguments are the same, whether they hash or not."""
    if isinstance(value, Mapping):
        pairs = cast("Mapping[Any, Any]", value).items()
        return (dict, frozenset((name, _frozen(item)) for name, item in pairs))
    if isinstance(value, (list, tuple)):
        return (list, tuple(_frozen(item) for item in cast("list[Any]", value)))
    if value is None or isinstance(value, (str, bytes, int, float, type)):
        return (type(cast("Any", value)), value)
    return (object, id(value))
