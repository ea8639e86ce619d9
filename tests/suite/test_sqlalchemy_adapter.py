"""Rows in the transaction of a SQLAlchemy connection or session, on every driver that both know."""

from __future__ import annotations

import decimal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from rowstead.errors import (
    DuplicateError,
    HandleClosed,
    StatementError,
    UndefinedTableError,
    UsageError,
    ValidationError,
)
from rowstead.plan import ServerTyped
from rowstead.sqlalchemy import SQLAlchemyAdapter
from servers import with_driver


@pytest.fixture(params=["sqlite", "asyncpg", "psycopg", "asyncmy", "aiomysql"])
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    if request.param == "sqlite":
        url = f"sqlite+aiosqlite:///{tmp_path / 'a.db'}"
    elif request.param in ("asyncmy", "aiomysql"):
        url = with_driver(request.getfixturevalue("mariadb_url"), request.param)
    else:
        url = request.getfixturevalue("postgres_url").replace("postgresql:", f"postgresql+{request.param}:")
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        json = {"sqlite": "TEXT", "asyncmy": "JSON", "aiomysql": "JSON"}.get(request.param, "JSONB")
        await connection.execute(text(f"CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, data {json})"))
    yield engine
    await engine.dispose()


@asynccontextmanager
async def lent(driver: Any) -> AsyncIterator[Any]:
    connection = await driver.lend(True)
    try:
        yield connection
    finally:
        driver.take_back(connection)


def marks(driver: Any, count: int) -> str:
    mark = {"qmark": "?", "format": "%s"}.get(driver.paramstyle, "${}")
    return ", ".join(mark.format(n) for n in range(1, count + 1))


async def names(engine: AsyncEngine) -> list[str]:
    async with engine.connect() as connection:
        return list(await connection.scalars(text("SELECT name FROM t ORDER BY id")))


async def insert(driver: Any, id: int, name: str) -> int:
    async with lent(driver) as connection:
        return await connection.execute(f"INSERT INTO t (id, name) VALUES ({marks(driver, 2)})", (id, name))


async def test_rows_written_first_in_a_connection_belong_to_its_transaction(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        driver = SQLAlchemyAdapter(connection)
        assert (driver.joined, driver.own_pool) == (True, False)
        assert await insert(driver, 1, "ours") == 1
        await connection.execute(text("INSERT INTO t (id, name) VALUES (2, 'theirs')"))
        await driver.close()
        await connection.rollback()
        assert await names(engine) == []
        await insert(driver, 3, "kept")
        await connection.commit()
    assert await names(engine) == ["kept"]


async def test_both_see_each_others_rows_and_a_session_commits_them_together(engine: AsyncEngine) -> None:
    async with AsyncSession(engine) as session:
        driver = SQLAlchemyAdapter(session)
        await insert(driver, 1, "ours")
        assert await session.scalar(text("SELECT name FROM t")) == "ours"
        await session.execute(text("INSERT INTO t (id, name) VALUES (2, 'theirs')"))
        async with lent(driver) as connection:
            assert connection.in_transaction
            records = await connection.fetch("SELECT name FROM t ORDER BY id", ())
        assert [r[0] for r in records] == ["ours", "theirs"]
        await session.commit()
        await insert(driver, 3, "dropped with the session")
    assert await names(engine) == ["ours", "theirs"]


async def test_a_savepoint_of_ours_can_be_the_first_statement_and_be_rolled_back(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        driver = SQLAlchemyAdapter(connection)
        async with lent(driver) as ours:
            await ours.execute("SAVEPOINT one", ())
            await ours.execute("INSERT INTO t (id, name) VALUES (1, 'gone')", ())
            await ours.execute("ROLLBACK TO SAVEPOINT one", ())
            await ours.execute("RELEASE SAVEPOINT one", ())
            await ours.execute("SAVEPOINT two", ())
            await ours.execute("INSERT INTO t (id, name) VALUES (2, 'kept')", ())
            await ours.execute("RELEASE SAVEPOINT two", ())
            assert ours.in_transaction
    assert await names(engine) == ["kept"]


async def test_a_savepoint_that_is_rolled_back_from_outside_takes_our_rows_along(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        driver = SQLAlchemyAdapter(connection)
        async with lent(driver) as ours:
            await ours.execute("SAVEPOINT ours", ())
            await ours.execute("INSERT INTO t (id, name) VALUES (1, 'x')", ())
            await ours.execute("RELEASE SAVEPOINT ours", ())
        await connection.rollback()
    assert await names(engine) == []


async def test_raw_statements_give_columns_records_and_counts(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        driver = SQLAlchemyAdapter(connection)
        async with lent(driver) as ours:
            raw = await ours.fetch_raw("INSERT INTO t (id, name) VALUES (1, 'a'), (2, 'b') RETURNING id", ())
            assert (list(raw.columns), [tuple(r) for r in raw.records], raw.count) == (
                ["id"],
                [(1,), (2,)],
                2,
            )
            raw = await ours.fetch_raw("SELECT id, name FROM t WHERE id > 5", ())
            assert (list(raw.columns), list(raw.records), raw.count) == (["id", "name"], [], -1)
            update = f"UPDATE t SET name = {marks(driver, 1)}"
            assert await ours.execute(update, ("c",)) == 2
            rows = f"INSERT INTO t (id, name) VALUES ({marks(driver, 2)})"
            assert await ours.execute_many(rows, [(3, "d"), (4, "e")]) == 2
            returned = await ours.fetch_many(f"{rows} RETURNING id", [(5, "f"), (6, "g")])
            assert [r[0] for r in returned] == [5, 6]
            await ours.ping()
    assert await names(engine) == ["c", "c", "d", "e", "f", "g"]


async def test_json_is_stored_as_json_whatever_sqlalchemy_made_of_the_driver(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        driver = SQLAlchemyAdapter(connection)
        document = {"price": decimal.Decimal("1.5"), "list": [1, None]}
        as_text = '{"list":[1,null],"price":"1.5"}'
        values = {"psycopg": ServerTyped(document), "sqlite": as_text, "mysql": as_text}
        value: Any = values.get(driver.codec, document)
        async with lent(driver) as ours:
            await ours.execute(f"INSERT INTO t (id, data) VALUES (1, {marks(driver, 1)})", (value,))
            if driver.dialect.copy:
                assert await ours.copy_in(None, "t", ["id", "data"], [(2, value)]) == 1
        whole = "CHAR" if driver.codec == "mysql" else "TEXT"
        found = await connection.execute(text(f"SELECT CAST(data AS {whole}) FROM t WHERE id = 1"))
        stored = found.scalar_one()
    assert stored.replace(" ", "") in ('{"list":[1,null],"price":"1.5"}', '{"price":"1.5","list":[1,null]}')


async def test_errors_are_ours_whichever_side_they_come_from(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        driver = SQLAlchemyAdapter(connection)
        await insert(driver, 1, "a")
        with pytest.raises(Exception) as ours:
            await insert(driver, 1, "b")
        assert type(driver.translate(ours.value)) is DuplicateError
        await connection.rollback()
        with pytest.raises(Exception) as theirs:
            await connection.execute(text("SELECT * FROM nowhere"))
        found = driver.translate(theirs.value)
        assert type(found) is UndefinedTableError
        assert found.table == "nowhere"
        await connection.rollback()
        with pytest.raises(Exception) as syntax:
            async with lent(driver) as raw:
                await raw.fetch("SELEC 1", ())
        assert type(driver.translate(syntax.value)) is StatementError


async def test_one_task_at_a_time_and_never_itself(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        driver = SQLAlchemyAdapter(connection)
        async with lent(driver):
            with pytest.raises(UsageError, match="wait for itself"):
                await driver.lend(False)
        assert await insert(driver, 1, "a") == 1
    with pytest.raises(HandleClosed):
        await driver.lend(False)


async def test_a_connection_in_autocommit_has_no_transaction_to_join(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        with pytest.raises(UsageError, match="AUTOCOMMIT"):
            await SQLAlchemyAdapter(connection).open()


async def test_our_sql_functions_are_there_on_sqlite(tmp_path: Path) -> None:
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'f.db'}")
    async with engine.connect() as connection, lent(SQLAlchemyAdapter(connection)) as ours:
        records = await ours.fetch("SELECT rowstead_decimal_add('0.1', '0.2')", ())
    await engine.dispose()
    assert [tuple(r) for r in records] == [("0.3",)]


def test_what_is_neither_connection_nor_session_is_refused_with_advice() -> None:
    engine = create_async_engine("sqlite+aiosqlite://")
    with pytest.raises(UsageError, match=r"engine\.begin"):
        SQLAlchemyAdapter(engine)  # type: ignore[arg-type]


async def test_a_driver_that_is_not_known_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = create_async_engine("sqlite+aiosqlite://")
    async with engine.connect() as connection:
        monkeypatch.setattr(connection.dialect, "driver", "other")
        with pytest.raises(ValidationError, match=r"sqlite\+other; known: postgresql\+asyncpg"):
            SQLAlchemyAdapter(connection)
    await engine.dispose()
