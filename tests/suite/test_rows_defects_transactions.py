"""Defects of an earlier package that ours must not have: what is kept, and who sees it (D1-D4, D13-D15, D22).

The numbers are those of the catalogue of behaviours. Each test runs on every backend it concerns;
`test_rows_sync.py` has the synchronous half.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from conftest import Backend
from rowstead import (
    DB,
    ConflictError,
    HandleClosed,
    IntegrityError,
    Row,
    TransactionFailed,
    UsageError,
)

ON_SQLITE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


class Item(Row):
    __table__ = "items"
    id: int | None = None
    name: str
    n: int = 0


@pytest.fixture
async def items(db: DB, backend: Backend) -> DB:
    await db.execute(
        backend.ddl("CREATE TABLE items (id {serial_pk}, name TEXT NOT NULL UNIQUE, n INTEGER DEFAULT 0)")
    )
    return db


@pytest.fixture
async def other(items: DB, backend: Backend) -> AsyncIterator[DB]:
    """A second handle on the same database."""
    async with await DB.from_url(backend.url) as handle:
        yield handle


async def names(db: DB) -> list[str]:
    return [row.name for row in await db.query(Item, order="name")]


WRITES: dict[str, Callable[[DB], Awaitable[object]]] = {
    "insert": lambda db: db.insert(Item(name="b")),
    "upsert": lambda db: db.insert(Item(id=1, name="b"), on_conflict="upsert"),
    "update": lambda db: db.update(Item(id=1, name="b")),
    "delete": lambda db: db.delete(Item(id=1, name="a")),
    "insert_many": lambda db: db.insert_many([Item(name="b")], returning=True),
    "execute": lambda db: db.execute("UPDATE items SET name = 'b'"),
    "fetch": lambda db: db.fetch("INSERT INTO items (name) VALUES ('b') RETURNING id"),
}


@pytest.mark.parametrize("verb", WRITES)
async def test_rows_d01_a_write_is_committed_when_its_call_returns(items: DB, other: DB, verb: str) -> None:
    await items.insert(Item(name="a"))
    await WRITES[verb](items)
    here = await names(items)
    assert here == (
        [] if verb == "delete" else ["a", "b"] if verb in ("insert", "insert_many", "fetch") else ["b"]
    )
    assert await names(other) == here


@ON_SQLITE
async def test_rows_d01_a_write_leaves_no_lock_and_survives_close(items: DB, tmp_path: Path) -> None:
    await items.insert(Item(name="a"))
    await items.update(Item(id=1, name="b"))
    with closing(sqlite3.connect(tmp_path / "test.sqlite", timeout=0)) as stranger, stranger:
        stranger.execute("INSERT INTO items (name) VALUES ('c')")
    await items.close()
    with closing(sqlite3.connect(tmp_path / "test.sqlite")) as stranger, stranger:
        assert stranger.execute("SELECT name FROM items ORDER BY name").fetchall() == [("b",), ("c",)]


async def test_rows_d02_another_tasks_statement_does_not_commit_an_open_transaction(
    items: DB, backend: Backend
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def rolled_back() -> None:
        async with items.transaction() as tx:
            await tx.insert(Item(name="a"))
            begun.set()
            await go_on.wait()
            raise KeyError

    block = asyncio.create_task(rolled_back())
    await begun.wait()
    neighbour = asyncio.create_task(items.execute("INSERT INTO items (name) VALUES ('b')"))
    if backend.is_postgres:
        assert await neighbour == 1
    else:
        # One may write at a time: it queues behind the block.
        for _ in range(10):
            await asyncio.sleep(0)
        assert not neighbour.done()
    go_on.set()
    with pytest.raises(KeyError):
        await block
    assert await neighbour == 1
    assert await names(items) == ["b"]


async def test_rows_d02_two_blocks_at_once_are_two_transactions(items: DB, backend: Backend) -> None:
    async def write(tx: Any, name: str) -> None:
        await tx.insert(Item(name=f"{name}1"))
        await asyncio.sleep(0)
        await tx.insert(Item(name=f"{name}2"))

    async def rolled_back() -> None:
        async with items.transaction() as tx:
            await write(tx, "a")
            raise KeyError

    async def kept() -> None:
        # InnoDB may undo one of two that insert neighbouring keys, and which one is chance: it is run again.
        await items.transaction(lambda tx: write(tx, "b"))

    undone, done = await asyncio.gather(rolled_back(), kept(), return_exceptions=True)
    assert type(undone) in ((KeyError, ConflictError) if backend.is_maria else (KeyError,))
    assert done is None
    assert await names(items) == ["b1", "b2"]


async def test_rows_d03_the_outer_rollback_undoes_inner_blocks_that_ended_well(items: DB) -> None:
    async def outer() -> None:
        async with items.transaction() as tx:
            async with tx.transaction() as inner:
                await inner.insert(Item(name="a"))
            async with tx.transaction() as inner:
                await inner.insert(Item(name="b"))
            raise KeyError

    with pytest.raises(KeyError):
        await outer()
    assert await names(items) == []


async def test_rows_d03_ddl_in_a_transaction_is_rolled_back_with_it(items: DB, backend: Backend) -> None:
    if items.database.dialect.commits_by_itself is not None:
        with pytest.raises(UsageError, match="would commit this transaction block"):
            async with items.transaction() as tx:
                await tx.insert(Item(name="a"))
                await tx.execute("CREATE TABLE more (id INTEGER)")
        assert await names(items) == []
        return

    async def block() -> None:
        async with items.transaction() as tx:
            await tx.execute("CREATE TABLE more (id INTEGER)")
            await tx.execute("ALTER TABLE items ADD COLUMN extra TEXT")
            raise KeyError

    with pytest.raises(KeyError):
        await block()
    catalogue = "pg_tables WHERE tablename" if backend.is_postgres else "sqlite_master WHERE name"
    assert await items.fetchval(f"SELECT count(*) FROM {catalogue} = 'more'") == 0
    assert list(await items.fetch("SELECT * FROM items")) == []
    await items.execute("ALTER TABLE items ADD COLUMN extra TEXT")


async def test_rows_d04_a_failed_statement_locks_nobody_out(items: DB, other: DB) -> None:
    await items.insert(Item(name="a"))
    with pytest.raises(IntegrityError):
        await items.execute("INSERT INTO items (name) VALUES ('a')")
    with pytest.raises(IntegrityError):
        await items.insert(Item(name="a"))
    await other.insert(Item(name="b"))
    assert await names(items) == ["a", "b"]


@ON_SQLITE
async def test_rows_d04_a_failed_statement_leaves_the_file_free_at_once(items: DB, tmp_path: Path) -> None:
    await items.insert(Item(name="a"))
    with pytest.raises(IntegrityError):
        await items.insert(Item(name="a"))
    with closing(sqlite3.connect(tmp_path / "test.sqlite", timeout=0)) as stranger, stranger:
        assert stranger.execute("UPDATE items SET n = 7").rowcount == 1


async def test_rows_d13_a_transactions_handle_ends_with_its_block(items: DB) -> None:
    async with items.transaction() as tx:
        await tx.insert(Item(name="a"))
    for write in WRITES.values():
        with pytest.raises(HandleClosed, match="ended"):
            await write(tx)
    with pytest.raises(HandleClosed):
        await tx.get(Item, id=1)
    assert await names(items) == ["a"]


async def test_rows_d14_a_swallowed_error_is_raised_again_when_the_block_ends(items: DB) -> None:
    async def swallows() -> None:
        async with items.transaction() as tx:
            await tx.insert(Item(name="a"))
            try:
                await tx.insert(Item(name="a"))
            except IntegrityError:
                pass

    with pytest.raises(TransactionFailed) as told:
        await swallows()
    assert isinstance(told.value.__cause__, IntegrityError)
    assert await names(items) == []


async def test_rows_d14_a_savepoint_catches_an_error_and_the_rest_is_kept(items: DB) -> None:
    async with items.transaction() as tx:
        await tx.insert(Item(name="a"))
        try:
            async with tx.transaction() as inner:
                await inner.insert(Item(name="a"))
        except IntegrityError:
            await tx.insert(Item(name="b"))
    assert await names(items) == ["a", "b"]


@pytest.mark.parametrize("returning", [False, True])
async def test_rows_d15_seventy_thousand_rows_are_inserted_wholly_or_not_at_all(
    items: DB, returning: bool
) -> None:
    await items.insert(Item(name="last"))
    rows = [Item(name=f"r{i}") for i in range(70_000)]
    with pytest.raises(IntegrityError):
        await items.insert_many([*rows, Item(name="last")], returning=returning)
    assert await items.count(Item) == 1
    await items.insert_many(rows, returning=returning)
    assert await items.count(Item) == 70_001


async def test_rows_d15_many_deletes_are_done_wholly_or_not_at_all(items: DB) -> None:
    await items.insert_many([Item(id=i, name=f"r{i}") for i in range(1, 40_001)])
    await items.execute("CREATE TABLE uses (item INTEGER REFERENCES items (id))")
    await items.execute("INSERT INTO uses VALUES (40000)")
    with pytest.raises(IntegrityError):
        await items.delete_many(Item, range(1, 40_001))
    assert await items.count(Item) == 40_000
    assert await items.delete_many(Item, range(1, 40_000)) == 39_999
    assert [i.id for i in await items.query(Item)] == [40_000]


async def test_rows_d22_the_outer_handle_inside_a_block_raises_where_it_would_wait_for_ever(
    backend: Backend,
) -> None:
    async with await DB.from_url(backend.url, max_size=1) as db:
        await db.execute("CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT, n INTEGER DEFAULT 0)")
        async with db.transaction() as tx:
            await tx.insert(Item(id=1, name="a"))
            with pytest.raises(UsageError, match="tx"):
                await db.insert(Item(id=2, name="b"))
            await tx.insert(Item(id=3, name="c"))
        assert await names(db) == ["a", "c"]
