"""`PersistEngine`: which engine is given, what reaches it, and what a transaction is on it."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.pool import AsyncAdaptedQueuePool, NullPool

from faults.planted import listener
from repository.conftest import Place, create
from rowstead.errors import ValidationError
from rowstead.repository import Base, BaseRepository, DatabaseConfigSchema, IntPKMixin, PersistEngine
from servers import Server, with_driver


class Item(Base, IntPKMixin):
    __tablename__ = "engine_items"

    name: Mapped[str] = mapped_column(unique=True)


async def value(engine: AsyncEngine, text: str) -> Any:
    async with engine.connect() as connection:
        return await connection.scalar(sa.text(text))


async def names(engine: PersistEngine) -> list[str]:
    async with engine.engine().connect() as connection:
        return list(await connection.scalars(sa.select(Item.name).order_by(Item.id)))


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


async def test_a_server_that_says_nothing_is_given_up() -> None:
    for driver in ("asyncpg", "psycopg", "asyncmy"):
        dialect = "mysql" if driver == "asyncmy" else "postgresql"
        with listener(None) as port:
            config = DatabaseConfigSchema(dsn=f"{dialect}+{driver}://u@127.0.0.1:{port}/d", connect_timeout=1)
            async with PersistEngine(config) as engine:
                with pytest.raises((OperationalError, TimeoutError)):
                    async with asyncio.timeout(30):
                        await value(engine.engine(), "SELECT 1")


# SQLite


async def test_a_file_keeps_what_it_says(file: Path) -> None:
    async with PersistEngine(f"sqlite+aiosqlite:///{file}") as engine:
        below = engine.engine()
        assert await value(below, "PRAGMA foreign_keys") == 1
        assert await value(below, "PRAGMA journal_mode") == "wal"
        assert await value(below, "PRAGMA synchronous") == 2
        assert await value(below, "PRAGMA busy_timeout") == 30_000
        assert await value(below, "SELECT rowstead_decimal('9') < rowstead_decimal('10')") == 1


async def test_a_file_opened_for_reading_is_only_read(file: Path) -> None:
    async with PersistEngine(f"sqlite+aiosqlite:///{file}") as engine:
        await create(engine, Item)
    async with PersistEngine(f"sqlite+aiosqlite:///file:{quote(str(file))}?mode=ro&uri=true") as engine:
        assert await names(engine) == []
        with pytest.raises(OperationalError, match="readonly"):
            async with engine.engine().begin() as connection:
                await connection.execute(sa.insert(Item).values(name="a"))


async def test_a_savepoint_is_undone_and_what_is_around_it_kept(place: Place) -> None:
    async with PersistEngine(place.url) as engine:
        sessions = await create(engine, Item)
        async with sessions() as session:
            # The savepoint is the first thing that is sent.
            point = await session.begin_nested()
            session.add(Item(name="inside"))
            await session.flush()
            await point.rollback()
            session.add(Item(name="kept"))
            await session.commit()
        assert await names(engine) == ["kept"]
        async with sessions() as session:
            async with session.begin_nested():
                session.add(Item(name="released"))
            await session.rollback()
        assert await names(engine) == ["kept"]


async def test_what_is_read_in_a_transaction_stays_of_one_moment(file: Path) -> None:
    async with PersistEngine(f"sqlite+aiosqlite:///{file}") as engine:
        sessions = await create(engine, Item)
        async with sessions() as reader, sessions() as writer:
            assert await reader.scalar(sa.select(sa.func.count(Item.id))) == 0
            writer.add(Item(name="a"))
            await writer.commit()
            assert await reader.scalar(sa.select(sa.func.count(Item.id))) == 0
            await reader.rollback()
            assert await reader.scalar(sa.select(sa.func.count(Item.id))) == 1


async def test_a_schema_change_is_undone_with_its_transaction(file: Path) -> None:
    async with PersistEngine(f"sqlite+aiosqlite:///{file}") as engine:
        with pytest.raises(KeyError):
            async with engine.engine().begin() as connection:
                await connection.run_sync(Item.metadata.create_all, tables=[Item.__table__])
                raise KeyError
        assert await value(engine.engine(), "SELECT count(*) FROM sqlite_master") == 0


async def add_one(engine: PersistEngine, how: Callable[[AsyncSession], Any]) -> None:
    _, sessions = engine.session()
    async with sessions() as session:
        await how(session)
        await session.commit()


async def test_writers_wait_for_their_turn(file: Path) -> None:
    async with PersistEngine(f"sqlite+aiosqlite:///{file}") as engine:
        await create(engine, Item)

        async def add(number: int) -> None:
            _, sessions = engine.session()
            async with sessions() as session:
                session.add(Item(name=str(number)))
                await session.flush()
                await session.execute(sa.select(Item))
                await session.commit()

        await asyncio.gather(*(add(number) for number in range(40)))
        assert len(await names(engine)) == 40


@pytest.mark.parametrize("level", [None, "SERIALIZABLE"])
async def test_who_reads_first_is_told_of_a_conflict_or_waits_if_told_to(
    file: Path, level: str | None
) -> None:
    """Two tasks read a number, add one and write it: none is lost; SERIALIZABLE makes them wait instead."""
    async with PersistEngine(f"sqlite+aiosqlite:///{file}") as engine:
        await create(engine, Item)
        _, sessions = engine.session(isolation_level=level)
        both_read = asyncio.Barrier(2)

        async def add(number: int) -> bool:
            async with sessions() as session:
                if level is None:
                    count = await session.scalar(sa.select(sa.func.count(Item.id)))
                    await both_read.wait()
                else:
                    count = await session.scalar(sa.select(sa.func.count(Item.id)))
                    await asyncio.sleep(0.01)
                session.add(Item(name=f"number {count}"))
                try:
                    await session.commit()
                except OperationalError:
                    # "database is locked"
                    return False
                return True

        done = await asyncio.gather(add(1), add(2))
        assert sorted(done) == ([False, True] if level is None else [True, True])
        assert await names(engine) == ["number 0", "number 1"][: sum(done)]


async def test_a_database_in_memory_is_one_and_each_transaction_is_its_own() -> None:
    async with PersistEngine("sqlite+aiosqlite:///:memory:") as engine:
        sessions = await create(engine, Item)

        async def add(number: int) -> None:
            async with sessions() as session:
                session.add(Item(name=str(number)))
                await session.flush()
                await asyncio.sleep(0)
                await (session.commit() if number % 2 else session.rollback())

        await asyncio.gather(*(add(number) for number in range(20)))
        assert sorted(map(int, await names(engine))) == list(range(1, 20, 2))


async def test_a_cancelled_statement_does_not_take_the_database_in_memory_with_it() -> None:
    async with PersistEngine("sqlite+aiosqlite:///:memory:") as engine:
        await create(engine, Item)
        await add_one(engine, lambda session: session.execute(sa.insert(Item).values(name="a")))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await value(engine.engine(), ENDLESS)
        assert await names(engine) == ["a"]


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


async def test_a_cancelled_writer_gives_its_turn_back(file: Path) -> None:
    async with PersistEngine(f"sqlite+aiosqlite:///{file}") as engine:
        sessions = await create(engine, Item)
        for number in range(3):
            async with sessions() as session:
                session.add(Item(name="cancelled"))
                await session.flush()
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await session.scalar(sa.text(ENDLESS))
            # It would wait thirty seconds for a lock that nobody gives back.
            async with asyncio.timeout(10):
                await add_one(
                    engine,
                    lambda session, n=number: session.execute(sa.insert(Item).values(name=f"next {n}")),
                )
        assert await names(engine) == ["next 0", "next 1", "next 2"]


async def test_autocommit_is_what_it_says(file: Path) -> None:
    async with PersistEngine(f"sqlite+aiosqlite:///{file}") as engine:
        await create(engine, Item)
        async with engine.engine(isolation_level="autocommit").connect() as connection:
            await connection.execute(sa.insert(Item).values(name="a"))
            await connection.rollback()
        assert await names(engine) == ["a"]


# The repository block


async def test_a_repository_block_commits_or_undoes(engine: PersistEngine) -> None:
    await create(engine, Item)
    async with engine.repository(Item) as repository:
        assert isinstance(repository, BaseRepository)
        await repository.save(Item(name="kept"))
    with pytest.raises(KeyError):
        async with engine.repository(Item) as repository:
            await repository.save(Item(name="undone"))
            raise KeyError
    assert await names(engine) == ["kept"]


async def test_a_cancelled_repository_block_is_undone(engine: PersistEngine) -> None:
    await create(engine, Item)
    reached = asyncio.Event()

    async def work() -> None:
        async with engine.repository(Item) as repository:
            await repository.save(Item(name="undone"))
            reached.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(work())
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await names(engine) == []


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
