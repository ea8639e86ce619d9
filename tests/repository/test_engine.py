"""`PersistEngine`: which engine is given, what reaches it, and what a transaction is on it."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.pool import AsyncAdaptedQueuePool, NullPool

from faults.planted import listener
from repository.conftest import Place, create
from repository.items import Item, value
from rowstead.errors import ValidationError
from rowstead.repository import (
    DatabaseConfigSchema,
    PersistEngine,
)
from servers import Server, with_driver

# Which engine


def test_only_a_configuration_or_a_url_is_taken() -> None:
    assert PersistEngine("sqlite+aiosqlite:///a.db").engine().url.database == "a.db"
    assert PersistEngine(DatabaseConfigSchema(driver="aiosqlite", db="a.db")).engine().url.database == "a.db"
    for wrong in (None, {"dsn": "sqlite://"}, 7):
        with pytest.raises(TypeError, match=r"takes a DatabaseConfigSchema, such as config\(\)"):
            PersistEngine(wrong)  # type: ignore[arg-type]


def test_the_same_arguments_give_the_same_engine(file: Path) -> None:
    engine = PersistEngine(f"sqlite+aiosqlite:///{file}")
    assert engine.engine() is engine.engine(schema=None)
    assert engine.session()[0] is engine.engine()
    assert engine.engine(pool_size=2) is engine.engine(pool_size=2)
    assert engine.engine(pool_size=2) is not engine.engine()
    assert engine.engine(connect_args={"timeout": 1}) is not engine.engine(connect_args={"timeout": 2})


def test_repository_p06_names_that_run_together_are_different_engines() -> None:
    engine = PersistEngine("postgresql+asyncpg://u@localhost/x")
    places = [("a_b", "c", None), ("a", "b_c", None), ("a", "b", "READ COMMITTED"), ("a", "b", None)]
    places += [("a_b_c", None, None), ("a", "None", None), (None, "a", None)]
    engines = [engine.engine(database=d, schema=s, isolation_level=level) for d, s, level in places]
    assert len(set(map(id, engines))) == len(places)
    assert [e.url.database for e in engines] == ["a_b", "a", "a", "a", "a_b_c", "a", "x"]
    values: list[Any] = [1, True, "1", 1.0, None, "None", [1], {"a": 1}, {"a": "1"}]
    given = [engine.engine(execution_options={"x": value}) for value in values]
    assert len(set(map(id, given))) == len(values)


@pytest.mark.sqlite
async def test_repository_p07_arguments_that_do_not_hash_reach_the_engine(file: Path) -> None:
    class Own(AsyncSession): ...

    def creator() -> Any: ...

    async with PersistEngine(f"sqlite+aiosqlite:///{file}") as engine:
        below, sessions = engine.session(
            session_kwargs={"class_": Own, "info": {"a": [1]}},
            engine_kwargs={"poolclass": NullPool, "execution_options": {"own": creator}},
        )
        assert isinstance(below.pool, NullPool)
        assert below.get_execution_options()["own"] is creator
        async with sessions() as session:
            assert isinstance(session, Own)
            assert session.info["a"] == [1]
            assert await session.scalar(sa.text("SELECT 1")) == 1


async def test_repository_p07_connections_are_kept_in_a_pool(place: Place) -> None:
    async with PersistEngine(place.url, pool_size=3, max_overflow=0) as engine:
        below = engine.engine()
        made: list[object] = []
        sa.event.listen(below.sync_engine, "connect", lambda connection, _record: made.append(connection))
        for _ in range(5):
            assert await value(below, "SELECT 1") == 1
        assert len(made) == 1
        pool = below.pool
        assert isinstance(pool, AsyncAdaptedQueuePool)
        assert pool.size() == 3
    # The control: without a pool each session opens a new one.
    async with PersistEngine(place.url, poolclass=NullPool) as engine:
        below = engine.engine()
        sa.event.listen(below.sync_engine, "connect", lambda connection, _record: made.append(connection))
        for _ in range(5):
            await value(below, "SELECT 1")
        assert len(made) == 6


def test_what_is_nearer_to_the_call_wins() -> None:
    config = DatabaseConfigSchema(
        dsn="sqlite+aiosqlite:///a.db",
        pool_size=2,
        create_engine_kwargs={
            "pool_size": 3,
            "pool_recycle": 30,
            "connect_args": {"timeout": 3, "uri": True},
        },
        kwargs={"pool_size": 4, "pool_timeout": 4, "connect_args": {"timeout": 4}},
    )
    assert PersistEngine(config).engine().pool.size() == 4
    engine = PersistEngine(config, pool_size=5)
    assert engine.engine().pool.size() == 5
    below = engine.engine(pool_size=6, connect_args={"cached_statements": 7})
    pool: Any = below.pool
    assert (pool.size(), pool._timeout, pool._recycle) == (6, 4, 30)


@pytest.mark.sqlite
async def test_connect_arguments_are_merged_one_by_one(file: Path) -> None:
    config = DatabaseConfigSchema(
        dsn=f"sqlite+aiosqlite:///{file}", create_engine_kwargs={"connect_args": {"cached_statements": 7}}
    )
    async with PersistEngine(config, connect_args={"timeout": 3}) as engine:
        assert await value(engine.engine(), "PRAGMA busy_timeout") == 3000


async def test_disposed_engines_are_made_anew(place: Place) -> None:
    engine = PersistEngine(place.url)
    first = engine.engine()
    assert await value(first, "SELECT 1") == 1
    await engine.dispose_engines()
    second = engine.engine()
    assert second is not first
    assert await value(second, "SELECT 1") == 1
    await engine.dispose_engines()


def test_a_driver_that_cannot_wait_is_refused_with_one_that_can() -> None:
    for url, better in (
        ("postgresql+psycopg2://u@h/d", "postgresql+asyncpg"),
        ("mysql+pymysql://u@h/d", "mysql+asyncmy"),
        ("sqlite+pysqlite:///a.db", "sqlite+aiosqlite"),
    ):
        with pytest.raises(
            ValidationError, match=f"is no asynchronous driver; name one, as in {better}".replace("+", r"\+")
        ):
            PersistEngine(url).engine()


def test_a_driver_that_is_not_installed_names_the_extra() -> None:
    program = (
        "import sys; sys.modules['aiosqlite'] = None\n"
        "from rowstead.repository import PersistEngine\n"
        "PersistEngine('sqlite+aiosqlite:///a.db').engine()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "ImportError: the driver of sqlite+aiosqlite needs the module aiosqlite" in done.stderr
    assert "pip install 'rowstead[sqlite]'" in done.stderr


# Where


async def test_a_schema_is_what_names_without_one_mean(
    request: pytest.FixtureRequest, postgres_url: str
) -> None:
    for driver in ("asyncpg", "psycopg"):
        config = DatabaseConfigSchema(dsn=with_driver(postgres_url, driver), default_schema="Own schéma")
        async with PersistEngine(config) as engine:
            below = engine.engine()
            async with below.begin() as connection:
                await connection.execute(sa.text('CREATE SCHEMA IF NOT EXISTS "Own schéma"'))
                await connection.execute(sa.text("CREATE SCHEMA IF NOT EXISTS other"))
            for _ in range(2):
                async with below.connect() as connection:
                    assert await connection.scalar(sa.text("SELECT current_schema()")) == "Own schéma"
                    await connection.rollback()
            assert await value(engine.engine(schema="other"), "SELECT current_schema()") == "other"
        async with PersistEngine(with_driver(postgres_url, driver)) as engine:
            assert await value(engine.engine(), "SELECT current_schema()") == "public"


async def test_another_database_of_the_same_server(postgres_server: Server) -> None:
    with postgres_server.database() as one, postgres_server.database() as other:
        async with PersistEngine(with_driver(one.url, "asyncpg")) as engine:
            assert await value(engine.engine(), "SELECT current_database()") == one.name
            found = await value(engine.engine(database=other.name), "SELECT current_database()")
            assert found == other.name


async def test_an_isolation_level_holds_for_its_engine(postgres_url: str) -> None:
    async with PersistEngine(with_driver(postgres_url, "psycopg")) as engine:
        shown = "SHOW transaction_isolation"
        assert await value(engine.engine(isolation_level="serializable"), shown) == "serializable"
        assert await value(engine.engine(isolation_level="repeatable_read"), shown) == "repeatable read"
        assert await value(engine.engine(), shown) == "read committed"
        with pytest.raises(ValidationError, match="did you mean 'serializable'"):
            engine.engine(isolation_level="serialisable")


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg", "asyncmy", "aiomysql"])
async def test_a_server_that_says_nothing_is_given_up(driver: str) -> None:
    dialect = "postgresql" if driver in ("asyncpg", "psycopg") else "mysql"
    with listener(None) as port:
        config = DatabaseConfigSchema(dsn=f"{dialect}+{driver}://u@127.0.0.1:{port}/d", connect_timeout=1)
        async with PersistEngine(config) as engine:
            async with asyncio.timeout(20) as limit:
                with pytest.raises((OperationalError, TimeoutError)):
                    await value(engine.engine(), "SELECT 1")
            assert not limit.expired()


@pytest.mark.parametrize("driver", ["asyncmy", "aiomysql"])
async def test_any_password_reaches_mariadb(driver: str, mariadb_url: str) -> None:
    url, password = sa.make_url(mariadb_url), "p@ss/w:rd %ä€"
    config = DatabaseConfigSchema(
        dialect="mysql", driver=driver, user="hard", password=password, host=url.host, port=url.port
    )  # type: ignore[arg-type]
    async with PersistEngine(with_driver(mariadb_url, driver)) as owner, PersistEngine(config) as engine:
        async with owner.engine().begin() as connection:
            make = sa.text("CREATE OR REPLACE USER hard@'%' IDENTIFIED BY :password")
            await connection.execute(make, {"password": password})
        assert await value(engine.engine(), "SELECT current_user()") == "hard@%"
        async with owner.engine().begin() as connection:
            await connection.execute(sa.text("DROP USER hard@'%'"))


# What is told


async def test_debug_echoes_statements_and_hides_values(
    place: Place, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    config = DatabaseConfigSchema(dsn=place.url, debug=True)
    with caplog.at_level(logging.INFO, "sqlalchemy.engine"):
        async with PersistEngine(config) as engine:
            await create(engine, Item)
            async with engine.repository(Item) as repository:
                await repository.save(Item(name="a value that nobody should read"))
    told = caplog.text + "".join(capfd.readouterr())
    assert "INSERT INTO engine_items" in told
    assert "nobody should read" not in told


WORD = "Gr4nadilla"


async def test_repository_p01_no_password_in_anything_that_is_told(
    postgres_server: Server, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Right and wrong addresses: each fails or works in its own way, and none says the password."""
    told: list[str] = []
    parts = sa.make_url(postgres_server.url)
    closed = 1
    with caplog.at_level(logging.DEBUG):
        for driver in ("asyncpg", "psycopg"):
            for changed in (
                {},
                {"port": closed},
                {"host": "no-such-host.invalid"},
                {"database": "no_such_database"},
                {"username": "no_such_role"},
                {"query": {"ssl": "nonsense"}},
            ):
                url = parts.set(drivername=f"postgresql+{driver}", password=f"p@ss/{WORD}:%")
                dsn = url.set(**changed).render_as_string(hide_password=False)
                assert WORD in dsn
                engine = PersistEngine(DatabaseConfigSchema(dsn=dsn, debug=True, connect_timeout=5))
                told += [repr(engine), str(engine), repr(engine.config), repr(engine.engine())]
                try:
                    await value(engine.engine(), "SELECT 1")
                except Exception as error:
                    told += [*failures(error)]
                await engine.dispose_engines()
        for driver in ("asyncmy", "aiomysql"):
            engine = PersistEngine(f"mysql+{driver}://u:{WORD}@127.0.0.1:{closed}/d")
            try:
                await value(engine.engine(), "SELECT 1")
            except Exception as error:
                told += [repr(engine), *failures(error)]
            await engine.dispose_engines()
        for wrong in (f"postgresql+nonsense://u:{WORD}@h/d", f"postgresql+psycopg2://u:{WORD}@h/d"):
            try:
                PersistEngine(wrong).engine()
            except Exception as error:
                told += [*failures(error)]
    told += [caplog.text, *capfd.readouterr()]
    assert len(told) > 40
    assert [text for text in told if WORD in text] == []


def failures(error: BaseException | None) -> list[str]:
    """All that an error and those behind it say."""
    said: list[str] = []
    while error is not None:
        said += [str(error), repr(error), *getattr(error, "__notes__", [])]
        error = error.__cause__ or error.__context__
    return said
