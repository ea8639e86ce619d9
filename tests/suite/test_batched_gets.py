"""Gets by key that wait for a connection are answered together; each as if it had been sent alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from rowstead import DB, Row
from rowstead.batching import LARGEST
from rowstead.errors import DataError, PoolTimeout, RowError, UsageError
from rowstead.session import Trace
from servers import with_driver


class Item(Row):
    __table__ = "items"
    id: int
    name: str


class Price(Row):
    __table__ = "prices"
    __pk__ = ("amount",)
    amount: Decimal
    name: str


class Code(Row):
    __table__ = "codes"
    __pk__ = ("code",)
    code: str
    name: str


class Pair(Row):
    __table__ = "pairs"
    __pk__ = ("a", "b")
    a: int
    b: str
    name: str


class Picky(Row):
    """A stored name of `bad` is no row of this class."""

    __table__ = "items"
    id: int
    name: int


SCHEMA = (
    "CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT NOT NULL)",
    "INSERT INTO items SELECT n, 'item ' || n FROM generate_series(1, 60) n",
)


@pytest.fixture(params=["asyncpg", "psycopg"])
def url(request: pytest.FixtureRequest, postgres_url: str) -> str:
    return with_driver(postgres_url, request.param)


@asynccontextmanager
async def opened(url: str, *schema: str, **options: Any) -> AsyncIterator[tuple[DB, list[Trace]]]:
    traces: list[Trace] = []
    async with await DB.from_url(url, max_size=1, trace=traces.append, **options) as db:
        for text in schema:
            await db.execute(text)
        traces.clear()
        yield db, traces


async def while_busy(db: DB, *gets: Callable[[], Awaitable[Any]]) -> list[asyncio.Task[Any]]:
    """Start the gets while the only connection is lent, and end when all of them wait."""
    connection = await db.database.driver.lend(True)
    tasks = [asyncio.ensure_future(get()) for get in gets]  # type: ignore[arg-type]
    for _ in range(10):
        await asyncio.sleep(0)
    assert not any(task.done() for task in tasks)
    db.database.driver.take_back(connection)
    return tasks


def get(db: DB, model: type[Row], **key: Any) -> Callable[[], Awaitable[Any]]:
    return lambda: db.get(model, **key)


async def results(tasks: list[asyncio.Task[Any]]) -> list[Any]:
    return await asyncio.gather(*tasks, return_exceptions=True)


async def test_waiting_gets_share_one_statement_and_each_has_its_own_row(url: str) -> None:
    async with opened(url, *SCHEMA) as (db, traces):
        keys = [5, 3, 999, 3, 60]
        found = await results(await while_busy(db, *(get(db, Item, id=k) for k in keys)))
        assert [row and row.name for row in found] == ["item 5", "item 3", None, "item 3", "item 60"]
        assert found[1] is not found[3]
        assert [t.answers for t in traces if "items" in t.sql and "unnest" in t.sql] == [5]
        assert "WITH ORDINALITY" in traces[-1].sql
        assert traces[-1].rows == 4


async def test_a_get_that_finds_a_connection_is_sent_by_itself(url: str) -> None:
    async with opened(url, *SCHEMA) as (db, traces):
        assert (await db.get(Item, id=1)) == Item(id=1, name="item 1")
        assert [(t.sql, t.answers) for t in traces] == [("SELECT id, name FROM items WHERE id = $1", 1)]


async def test_one_that_waits_alone_is_sent_as_it_is(url: str) -> None:
    async with opened(url, *SCHEMA) as (db, traces):
        (found,) = await results(await while_busy(db, get(db, Item, id=7)))
        assert found == Item(id=7, name="item 7")
        assert [("unnest" in t.sql, t.answers) for t in traces] == [(False, 1)]


async def test_the_switch_turns_it_off(url: str) -> None:
    async with opened(url, *SCHEMA, batch_gets=False) as (db, traces):
        found = await results(await while_busy(db, get(db, Item, id=1), get(db, Item, id=2)))
        assert [row.id for row in found] == [1, 2]
        assert [t.answers for t in traces] == [1, 1]


async def test_different_shapes_do_not_mix(url: str) -> None:
    pairs = "CREATE TABLE pairs (a INT, b TEXT, name TEXT, PRIMARY KEY (a, b))"
    async with opened(url, *SCHEMA, pairs) as (db, traces):
        await db.insert_many([Pair(a=1, b="x", name="one"), Pair(a=2, b="x", name="two")])
        tasks = await while_busy(
            db,
            get(db, Item, id=1),
            get(db, Pair, a=1, b="x"),
            get(db, Item, id=2),
            get(db, Pair, a=2, b="x"),
            get(db, Pair, b="x", a=2),
        )
        found = await results(tasks)
        assert [row.name for row in found] == ["item 1", "one", "item 2", "two", "two"]
        assert sorted(t.answers for t in traces if "FROM items" in t.sql or "FROM pairs" in t.sql) == [
            1,
            2,
            2,
        ]


async def test_other_filters_are_never_gathered(url: str) -> None:
    async with opened(url, *SCHEMA) as (db, traces):
        tasks = await while_busy(
            db,
            get(db, Item, name="item 4"),
            get(db, Item, name="item 5"),
            get(db, Item, id=1, name="item 1"),
            get(db, Item, id=None),
            get(db, Item, id={"gt": 59}),
        )
        found = await results(tasks)
        assert [row and row.id for row in found] == [4, 5, 1, None, 60]
        assert {t.answers for t in traces} == {1}


async def test_a_cancelled_get_leaves_the_others_theirs(url: str) -> None:
    async with opened(url, *SCHEMA) as (db, traces):
        connection = await db.database.driver.lend(True)
        tasks = [asyncio.create_task(db.get(Item, id=k)) for k in (1, 2, 3)]  # type: ignore[arg-type]
        for _ in range(10):
            await asyncio.sleep(0)
        tasks[0].cancel()
        await asyncio.sleep(0)
        db.database.driver.take_back(connection)
        first, second, third = await results(tasks)
        assert isinstance(first, asyncio.CancelledError)
        assert (second.id, third.id) == (2, 3)
        assert [t.answers for t in traces if "unnest" in t.sql] == [2]
        assert (await db.get(Item, id=4)) is not None


async def test_when_all_are_cancelled_the_connection_is_free_again(url: str) -> None:
    async with opened(url, *SCHEMA) as (db, traces):
        connection = await db.database.driver.lend(True)
        tasks = [asyncio.create_task(db.get(Item, id=k)) for k in (1, 2)]  # type: ignore[arg-type]
        for _ in range(10):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await results(tasks)
        db.database.driver.take_back(connection)
        assert (await db.get(Item, id=4)) == Item(id=4, name="item 4")
        assert [t.answers for t in traces] == [1]


async def test_gets_after_a_shutdown_that_came_before_the_statement_began_are_answered(url: str) -> None:
    async with opened(url, *SCHEMA) as (db, _):
        connection = await db.database.driver.lend(True)
        tasks = [asyncio.ensure_future(db.get(Item, id=k)) for k in (1, 2)]  # type: ignore[arg-type]
        await asyncio.sleep(0)
        # As a loop does that ends: the two, and what would serve them, which has not begun.
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        assert [type(error) for error in await results(tasks)] == [asyncio.CancelledError] * 2
        db.database.driver.take_back(connection)
        taken = await db.database.driver.lend(True)
        late = asyncio.ensure_future(db.get(Item, id=3))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        db.database.driver.take_back(taken)
        assert await asyncio.wait_for(late, 10) == Item(id=3, name="item 3")


async def test_a_key_that_does_not_fit_fails_alone(url: str) -> None:
    async with opened(url, *SCHEMA) as (db, _):
        found = await results(
            await while_busy(db, get(db, Item, id=1), get(db, Item, id=2**40), get(db, Item, id=2))
        )
        alone = (await asyncio.gather(db.get(Item, id=2**40), return_exceptions=True))[0]
        assert (found[0].id, found[2].id) == (1, 2)
        assert type(found[1]) is type(alone)
        assert found[1] is None or isinstance(found[1], DataError)


async def test_a_row_that_cannot_be_read_fails_alone(url: str) -> None:
    async with opened(url, *SCHEMA, "UPDATE items SET name = '7' WHERE id = 1") as (db, _):
        found = await results(await while_busy(db, get(db, Picky, id=1), get(db, Picky, id=2)))
        assert found[0] == Picky(id=1, name=7)
        assert isinstance(found[1], RowError)


async def test_the_databases_own_equality_decides_for_numbers(url: str) -> None:
    prices = "CREATE TABLE prices (amount NUMERIC PRIMARY KEY, name TEXT)"
    two = "INSERT INTO prices VALUES (1.0, 'one'), (2.50, 'two and a half')"
    async with opened(url, prices, two) as (db, traces):
        keys = [Decimal("1"), Decimal("2.5"), Decimal("1.000"), Decimal("3")]
        found = await results(await while_busy(db, *(get(db, Price, amount=k) for k in keys)))
        assert [row and row.name for row in found] == ["one", "two and a half", "one", None]
        assert traces[-1].answers == 4


@pytest.mark.parametrize(
    ("type_", "keys", "names"),
    [
        ("CITEXT", ["ABC", "abc", "aBc", "x"], ["one", "one", "one", None]),
        ("CHAR(5)", ["abc", "abc  ", "ABC", "x"], ["one", "one", None, None]),
        ("TEXT", ["abc", "abc ", "ABC", "x"], ["one", None, None, None]),
        ("VARCHAR(9)", ["abc", "abc ", "ABC", "x"], ["one", None, None, None]),
    ],
)
async def test_the_databases_own_equality_decides_for_texts(
    url: str, type_: str, keys: list[str], names: list[str | None]
) -> None:
    async with opened(
        url,
        "CREATE EXTENSION IF NOT EXISTS citext",
        f"CREATE TABLE codes (code {type_} PRIMARY KEY, name TEXT)",
        "INSERT INTO codes VALUES ('abc', 'one')",
    ) as (db, traces):
        alone = [await db.get(Code, code=key) for key in keys]
        traces.clear()
        found = await results(await while_busy(db, *(get(db, Code, code=key) for key in keys)))
        assert [row and row.name for row in found] == names
        assert found == alone
        assert traces[-1].answers == len(keys)


async def test_inside_a_transaction_gets_are_sent_one_by_one(url: str) -> None:
    async with opened(url, *SCHEMA) as (db, traces):
        async with db.transaction() as tx:
            found = await asyncio.gather(*(tx.get(Item, id=k) for k in (1, 2, 3)))
        assert [row and row.id for row in found] == [1, 2, 3]
        assert {t.answers for t in traces} == {1}
        assert not any("unnest" in t.sql for t in traces)


async def test_who_holds_the_only_connection_is_still_told_so(url: str) -> None:
    async with opened(url, *SCHEMA) as (db, _), db.transaction():
        with pytest.raises(UsageError, match="would wait for itself"):
            await db.get(Item, id=1)


async def test_the_wait_ends_with_acquire_timeout_for_each(url: str) -> None:
    async with opened(url, *SCHEMA, acquire_timeout=0.2) as (db, _):
        connection = await db.database.driver.lend(True)
        started = asyncio.get_running_loop().time()
        found = await asyncio.gather(db.get(Item, id=1), db.get(Item, id=2), return_exceptions=True)
        seconds = asyncio.get_running_loop().time() - started
        db.database.driver.take_back(connection)
        assert [type(error) for error in found] == [PoolTimeout, PoolTimeout]
        assert 0.19 <= seconds < 2
        assert (await db.get(Item, id=1)) is not None


async def test_who_comes_later_waits_until_its_own_time_is_over(url: str) -> None:
    async with opened(url, *SCHEMA, acquire_timeout=0.4) as (db, _):
        loop = asyncio.get_running_loop()
        connection = await db.database.driver.lend(True)

        async def waited(key: int) -> float:
            started = loop.time()
            with pytest.raises(PoolTimeout):
                await db.get(Item, id=key)
            return loop.time() - started

        first = asyncio.create_task(waited(1))
        await asyncio.sleep(0.2)
        second = asyncio.create_task(waited(2))
        seconds = await asyncio.gather(first, second)
        db.database.driver.take_back(connection)
        # One timer serves both: it must neither end the second early nor let it wait on.
        assert all(0.39 <= each < 0.55 for each in seconds)


async def test_who_asks_while_a_statement_of_several_is_on_its_way_shares_the_next(url: str) -> None:
    """Else those who find a free connection would go one by one beside the crowd for ever."""
    traces: list[Trace] = []
    async with await DB.from_url(url, min_size=10, max_size=10, trace=traces.append) as db:
        for text in SCHEMA:
            await db.execute(text)

        async def ask(start: int) -> None:
            for n in range(10):
                await db.get(Item, id=start + n)

        await asyncio.gather(*map(ask, range(50)))
        traces.clear()
        await asyncio.gather(*map(ask, range(50)))
        gets = [t for t in traces if "FROM items" in t.sql]
        assert sum(t.answers for t in gets) == 500
        # Ten turns of one statement would be the least; without the rule they were a hundred.
        assert len(gets) <= 40


async def test_many_tasks_over_few_connections_get_their_own_rows_in_few_statements(url: str) -> None:
    traces: list[Trace] = []
    async with await DB.from_url(url, min_size=3, max_size=3, trace=traces.append) as db:
        for text in SCHEMA:
            await db.execute(text)
        traces.clear()

        async def ask(start: int) -> list[Item | None]:
            return [await db.get(Item, id=start + n) for n in range(5)]

        found = await asyncio.gather(*map(ask, range(1, 51)))
        assert [[row and row.id for row in rows] for rows in found] == [
            [start + n for n in range(5)] for start in range(1, 51)
        ]
        gets = [t for t in traces if "FROM items" in t.sql]
        assert sum(t.answers for t in gets) == 250
        assert len(gets) <= 60


async def test_gets_asked_in_one_turn_go_together_though_connections_are_free(url: str) -> None:
    """The first two find nobody whose company would cost no wait; without the rule all ten went alone."""
    traces: list[Trace] = []
    async with await DB.from_url(url, min_size=10, max_size=10, trace=traces.append) as db:
        for text in SCHEMA:
            await db.execute(text)
        traces.clear()
        found = await asyncio.gather(*(db.get(Item, id=k) for k in range(1, 11)))
        assert [row and row.id for row in found] == list(range(1, 11))
        assert sorted(t.answers for t in traces if "FROM items" in t.sql) == [1, 1, 8]


async def test_gets_in_turns_of_their_own_are_sent_by_themselves_while_others_work(url: str) -> None:
    traces: list[Trace] = []
    async with await DB.from_url(url, min_size=10, max_size=10, trace=traces.append) as db:
        for text in SCHEMA:
            await db.execute(text)
        traces.clear()
        connection = await db.database.driver.lend(True)
        tasks: list[asyncio.Task[Item | None]] = []
        for key in range(1, 6):
            tasks.append(asyncio.ensure_future(db.get(Item, id=key)))  # type: ignore[arg-type]
            await asyncio.sleep(0)
        found = await asyncio.gather(*tasks)
        db.database.driver.take_back(connection)
        assert [row and row.id for row in found] == [1, 2, 3, 4, 5]
        assert [t.answers for t in traces] == [1] * 5


async def test_while_the_pool_grows_nobody_waits_for_a_new_connection_in_company(url: str) -> None:
    """A connection is made for each of the first; the others share the first one that is given back."""
    traces: list[Trace] = []
    async with await DB.from_url(url, min_size=1, max_size=3, trace=traces.append) as db:
        for text in SCHEMA:
            await db.execute(text)
        traces.clear()
        found = await asyncio.gather(*(db.get(Item, id=k) for k in range(1, 31)))
        assert [row and row.id for row in found] == list(range(1, 31))
        assert sorted(t.answers for t in traces if "FROM items" in t.sql) == [1, 1, 1, 27]


async def test_those_who_are_answered_together_get_objects_of_their_own(url: str) -> None:
    async with opened(url, *SCHEMA) as (db, traces):
        keys = [*range(1, 41), *range(1, 41), 999]
        found = await results(await while_busy(db, *(get(db, Item, id=k) for k in keys)))
        assert [row and row.id for row in found] == [*range(1, 41), *range(1, 41), None]
        assert len({id(row) for row in found if row is not None}) == 80
        assert traces[-1].answers == 81


async def test_one_of_many_that_cannot_be_read_fails_alone(url: str) -> None:
    async with opened(url, *SCHEMA, "UPDATE items SET name = id WHERE id <> 20") as (db, traces):
        found = await results(await while_busy(db, *(get(db, Picky, id=k) for k in range(1, 41))))
        assert [type(row) for row in found] == [Picky] * 19 + [RowError] + [Picky] * 20
        assert [t.answers for t in traces if "unnest" in t.sql] == [40]


async def test_a_table_whose_key_is_not_unique_gives_one_row_to_each(url: str) -> None:
    twice = "CREATE TABLE items (id INTEGER, name TEXT NOT NULL)"
    async with opened(url, twice, "INSERT INTO items VALUES (1, 'one'), (1, 'one'), (2, 'two')") as (db, _):
        found = await results(await while_busy(db, *(get(db, Item, id=k) for k in (1, 2, 1, 3))))
        assert [row and row.name for row in found] == ["one", "two", "one", None]


async def test_more_than_one_statement_takes_are_answered_by_several(url: str) -> None:
    async with opened(url, *SCHEMA) as (db, traces):
        keys = [n % 60 + 1 for n in range(LARGEST + 5)]
        found = await results(await while_busy(db, *(get(db, Item, id=k) for k in keys)))
        assert [row.id for row in found] == keys
        assert sorted(t.answers for t in traces if "unnest" in t.sql) == [5, LARGEST]


async def test_a_table_that_is_no_longer_there_fails_each_by_itself(url: str) -> None:
    async with opened(url, *SCHEMA) as (db, _):
        await db.get(Item, id=1)
        await db.execute("DROP TABLE items")
        found = await results(await while_busy(db, get(db, Item, id=1), get(db, Item, id=2)))
        assert [getattr(error, "code", None) for error in found] == ["UNDEFINED_TABLE", "UNDEFINED_TABLE"]


async def test_on_sqlite_and_on_a_pool_of_the_users_own_nothing_is_gathered(
    tmp_path: Any, postgres_url: str
) -> None:
    import asyncpg

    from rowstead.asyncpg import AsyncpgAdapter

    async with await DB.from_url(f"sqlite:///{tmp_path / 'a.db'}") as db:
        assert db.database.gathers_gets() is False
    async with asyncpg.create_pool(postgres_url, min_size=1, max_size=1) as pool:
        assert DB(AsyncpgAdapter.from_pool(pool)).database.gathers_gets() is False
    async with await DB.from_url(with_driver(postgres_url, "asyncpg")) as db:
        assert db.database.gathers_gets() is True


def test_the_synchronous_twin_has_no_switch_for_it() -> None:
    import inspect

    from rowstead.sync import DB as SyncDB

    assert "batch_gets" in inspect.signature(DB.from_url).parameters
    assert "batch_gets" not in inspect.signature(SyncDB.from_url).parameters
