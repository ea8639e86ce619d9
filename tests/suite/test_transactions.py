"""A transaction means the same on every backend."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from rowstead import (
    DB,
    DuplicateError,
    HandleClosed,
    Inc,
    Row,
    RowsteadError,
    Trace,
    TransactionFailed,
    UsageError,
    ValidationError,
)


class Account(Row):
    __table__ = "accounts"
    id: int
    balance: int
    owner: str | None = None


@pytest.fixture
async def bank(db: DB) -> DB:
    await db.execute(
        "CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL, owner TEXT UNIQUE)"
    )
    await db.insert_many([Account(id=1, balance=100), Account(id=2, balance=200)])
    return db


async def balances(db: DB) -> list[int]:
    return [a.balance for a in await db.query(Account, order="id")]


async def test_a_block_commits_all_of_it_at_its_end(bank: DB) -> None:
    async with bank.transaction() as tx:
        await tx.update(Account.patch(id=1, balance=Inc(-30)))
        await tx.update(Account.patch(id=2, balance=Inc(30)))
    assert await balances(bank) == [70, 230]


async def test_an_exception_undoes_the_block_and_is_seen_by_the_caller(bank: DB) -> None:
    with pytest.raises(ZeroDivisionError):
        async with bank.transaction() as tx:
            await tx.update(Account.patch(id=1, balance=0))
            await tx.execute("UPDATE accounts SET balance = 0 WHERE id = 2")
            1 / 0  # noqa: B018
    assert await balances(bank) == [100, 200]


async def test_a_statement_outside_a_block_is_seen_by_another_handle_when_it_returns(
    bank: DB, backend
) -> None:
    await bank.insert(Account(id=3, balance=1))
    other = await DB.from_url(backend.url)
    async with other:
        assert await other.count(Account) == 3


async def test_what_a_block_wrote_is_not_seen_outside_before_its_end(bank: DB, backend) -> None:
    async with await DB.from_url(backend.url) as other, bank.transaction() as tx:
        await tx.insert(Account(id=3, balance=1))
        assert await tx.count(Account) == 3
        assert await other.count(Account) == 2


async def test_an_inner_block_that_fails_is_undone_alone(bank: DB) -> None:
    async with bank.transaction() as tx:
        await tx.update(Account.patch(id=1, balance=1))
        with pytest.raises(DuplicateError):
            async with tx.transaction() as inner:
                await inner.update(Account.patch(id=2, balance=2))
                await inner.insert(Account(id=1, balance=9))
        async with tx.transaction() as inner:
            await inner.update(Account.patch(id=2, owner="b"))
    assert await balances(bank) == [1, 200]
    assert (await bank.query(Account, owner="b"))[0].id == 2


async def test_an_inner_block_is_undone_with_the_outer_one(bank: DB) -> None:
    with pytest.raises(KeyError):
        async with bank.transaction() as tx:
            async with tx.transaction() as inner, inner.transaction() as innermost:
                await innermost.update(Account.patch(id=1, balance=0))
            raise KeyError
    assert await balances(bank) == [100, 200]


async def test_after_a_swallowed_error_the_block_is_failed_and_keeps_nothing(bank: DB) -> None:
    with pytest.raises(TransactionFailed) as failure:
        async with bank.transaction() as tx:
            await tx.update(Account.patch(id=1, balance=0))
            with pytest.raises(DuplicateError):
                await tx.insert(Account(id=1, balance=9))
    assert isinstance(failure.value.__cause__, DuplicateError)
    assert await balances(bank) == [100, 200]


async def test_a_failed_block_refuses_every_further_statement(bank: DB) -> None:
    with pytest.raises(TransactionFailed):
        async with bank.transaction() as tx:
            with pytest.raises(RowsteadError):
                await tx.fetch("SELECT * FROM nothing_here")
            with pytest.raises(TransactionFailed):
                await tx.count(Account)
            with pytest.raises(TransactionFailed):
                async with tx.transaction():
                    pass


async def test_an_inner_block_that_swallowed_an_error_fails_at_its_end_and_the_outer_one_lives(
    bank: DB,
) -> None:
    async with bank.transaction() as tx:
        with pytest.raises(TransactionFailed):
            async with tx.transaction() as inner:
                with pytest.raises(DuplicateError):
                    await inner.insert(Account(id=1, balance=9))
        await tx.update(Account.patch(id=1, balance=5))
    assert await balances(bank) == [5, 200]


async def test_input_refused_before_any_sql_does_not_fail_the_block(bank: DB) -> None:
    async with bank.transaction() as tx:
        with pytest.raises(ValidationError):
            await tx.query(Account, blance=1)
        with pytest.raises(ValidationError):
            await tx.get(Account, id="one")
        await tx.update(Account.patch(id=1, balance=7))
    assert await balances(bank) == [7, 200]


async def test_a_handle_used_after_its_block_is_an_error_and_writes_nothing(bank: DB) -> None:
    async with bank.transaction() as tx, tx.transaction() as inner:
        pass
    for ended in (tx, inner):
        with pytest.raises(HandleClosed):
            await ended.insert(Account(id=9, balance=1))
        with pytest.raises(HandleClosed):
            await ended.execute("DELETE FROM accounts")
    assert await balances(bank) == [100, 200]


async def test_the_outer_transaction_handle_inside_a_nested_block_raises_at_once(bank: DB) -> None:
    async with bank.transaction() as tx:
        async with tx.transaction() as inner:
            with pytest.raises(UsageError, match="nested block"):
                await tx.insert(Account(id=3, balance=1))
            await inner.insert(Account(id=3, balance=1))
        await tx.insert(Account(id=4, balance=1))
    assert await bank.count(Account) == 4


async def test_the_database_handle_that_would_wait_for_its_own_transaction_raises_at_once(
    bank: DB, backend
) -> None:
    async with await DB.from_url(backend.url, max_size=1) as db, db.transaction() as tx:
        await tx.update(Account.patch(id=1, balance=1))
        with pytest.raises(UsageError):
            async with asyncio.timeout(5):
                await db.insert(Account(id=3, balance=1))
        await tx.update(Account.patch(id=2, balance=2))
    assert await balances(bank) == [1, 2]


async def test_tasks_that_use_one_transaction_take_turns(bank: DB) -> None:
    async with bank.transaction() as tx:

        async def nested(i: int) -> None:
            async with tx.transaction() as inner:
                await inner.update(Account.patch(id=1, balance=Inc(i)))
                await asyncio.sleep(0)
                await inner.update(Account.patch(id=2, balance=Inc(-i)))

        await asyncio.gather(*(nested(i) for i in range(10)), *(tx.count(Account) for _ in range(5)))
    assert await balances(bank) == [145, 155]


async def test_a_neighbours_commit_does_not_commit_mine(bank: DB) -> None:
    mine, theirs = asyncio.Event(), asyncio.Event()

    async def roll_back() -> None:
        with pytest.raises(KeyError):
            async with bank.transaction() as tx:
                await tx.update(Account.patch(id=1, balance=0))
                mine.set()
                # On one-writer databases the neighbour waits for this block; it must not merge with it.
                await asyncio.wait([asyncio.create_task(theirs.wait())], timeout=0.3)
                raise KeyError

    async def commit() -> None:
        await mine.wait()
        async with bank.transaction() as tx:
            await tx.update(Account.patch(id=2, balance=5))
        theirs.set()

    await asyncio.gather(roll_back(), commit())
    assert await balances(bank) == [100, 5]


@pytest.mark.parametrize("level", ["read committed", "REPEATABLE READ", "serializable", "read_uncommitted"])
async def test_every_standard_level_is_accepted_everywhere(bank: DB, level: str) -> None:
    async with bank.transaction(isolation=level) as tx:
        await tx.update(Account.patch(id=1, balance=3))
    assert await balances(bank) == [3, 200]


async def test_an_unknown_level_is_an_error_with_a_suggestion(bank: DB) -> None:
    with pytest.raises(ValidationError, match="did you mean 'serializable'"):
        bank.transaction(isolation="serialisable")


async def test_a_readonly_block_reads_and_refuses_to_write(bank: DB) -> None:
    async with bank.transaction(readonly=True) as tx:
        assert await tx.count(Account) == 2
    with pytest.raises(RowsteadError):
        async with bank.transaction(readonly=True) as tx:
            await tx.insert(Account(id=3, balance=1))
    assert await bank.count(Account) == 2


async def test_a_function_is_run_again_until_no_update_is_lost(bank: DB) -> None:
    async def add(tx: DB) -> int:
        account = await tx.get(Account, id=1)
        assert account is not None
        await asyncio.sleep(0)
        await tx.update(Account.patch(id=1, balance=account.balance + 1))
        return account.balance

    async def adder() -> list[int]:
        return [await bank.transaction(add, max_retries=50) for _ in range(25)]

    seen = await asyncio.gather(adder(), adder())
    assert sorted(n for numbers in seen for n in numbers) == list(range(100, 150))
    assert await balances(bank) == [150, 200]


async def test_a_function_that_raises_is_not_run_again(bank: DB) -> None:
    runs = 0

    async def broken(tx: DB) -> None:
        nonlocal runs
        runs += 1
        await tx.update(Account.patch(id=1, balance=0))
        raise LookupError

    with pytest.raises(LookupError):
        await bank.transaction(broken)
    assert runs == 1
    assert await balances(bank) == [100, 200]


async def test_a_function_inside_a_transaction_is_a_savepoint(bank: DB) -> None:
    async def fail(tx: DB) -> None:
        await tx.update(Account.patch(id=1, balance=0))
        raise LookupError

    async def set_balance(tx: DB) -> str:
        await tx.update(Account.patch(id=2, balance=0))
        return "done"

    async with bank.transaction() as tx:
        with pytest.raises(LookupError):
            await tx.transaction(fail)
        assert await tx.transaction(set_balance) == "done"
    assert await balances(bank) == [100, 0]


async def test_cancelling_a_task_in_a_block_undoes_it_and_frees_the_connection(bank: DB, backend) -> None:
    async with await DB.from_url(backend.url, max_size=1) as db:
        inside = asyncio.Event()

        async def work() -> None:
            async with db.transaction() as tx:
                await tx.update(Account.patch(id=1, balance=0))
                inside.set()
                await asyncio.Event().wait()

        for _ in range(5):
            inside.clear()
            task = asyncio.create_task(work())
            await inside.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await asyncio.wait_for(db.update(Account.patch(id=2, balance=1)), 10)
    assert await balances(bank) == [100, 1]


async def test_a_trace_sees_every_statement_with_its_values_hidden_unless_asked(
    backend, ddl: Callable[[str], str]
) -> None:
    for shown in (False, True):
        seen: list[Trace] = []
        async with await DB.from_url(backend.url, trace=seen.append, trace_values=shown) as db:
            await db.execute(f"CREATE TABLE accounts{shown} (id INTEGER PRIMARY KEY)")
            async with db.transaction() as tx:
                await tx.execute(f"INSERT INTO accounts{shown} VALUES ($1)", 4711)
            with pytest.raises(RowsteadError):
                await db.execute(f"INSERT INTO accounts{shown} VALUES ($1)", 4711)
        texts = [t.sql for t in seen]
        assert texts[0].startswith("CREATE TABLE")
        assert texts[1].startswith(("BEGIN", "START TRANSACTION"))
        assert "COMMIT" in texts
        assert ("4711" in repr([t.params for t in seen])) is shown
        assert isinstance(seen[-1].error, DuplicateError)
        assert [t.rows for t in seen if t.sql.startswith("INSERT")] == [1, -1]
        assert all(t.seconds >= 0 for t in seen)
