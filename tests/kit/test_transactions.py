"""Transactions of the kit: how they begin and end, what a failed statement costs, who wins, and by whom."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from conftest import Backend
from kit.conftest import Make
from kit.shop import shop
from rowstead.kit import (
    AsyncDatabase,
    AsyncTransaction,
    ConflictError,
    Database,
    DuplicateError,
    ForeignKeyError,
    HandleClosed,
    KitError,
    Transaction,
    ValidationError,
)


@pytest.fixture
def db(make: Make) -> Database:
    return make(shop())


def ids(db: Database, name: str = "notes") -> list[int]:
    with db.begin() as txn:
        return [row["id"] for row in txn.select(name, order="id")]


def test_a_block_commits_at_its_end_and_rolls_back_on_an_error(db: Database) -> None:
    with db.begin() as txn:
        txn.insert("notes", {"id": 1})
    with pytest.raises(ZeroDivisionError), db.begin() as txn:
        txn.insert("notes", {"id": 2})
        raise ZeroDivisionError
    assert ids(db) == [1]


def test_by_hand_a_transaction_ends_when_it_is_told(db: Database) -> None:
    kept, dropped = db.begin(), db.begin()
    kept.insert("notes", {"id": 1})
    kept.commit()
    dropped.rollback()
    third = db.begin()
    third.insert("notes", {"id": 3})
    third.rollback()
    assert ids(db) == [1]


def test_commit_and_rollback_may_come_twice(db: Database) -> None:
    with db.begin() as txn:
        txn.insert("notes", {"id": 1})
        txn.commit()
        txn.commit()
        txn.rollback()
    with db.begin() as txn:
        txn.insert("notes", {"id": 2})
        txn.rollback()
        txn.rollback()
        with pytest.raises(HandleClosed):
            txn.commit()
    assert ids(db) == [1]


VERBS: dict[str, Callable[[Transaction], Any]] = {
    "insert": lambda txn: txn.insert("notes", {"id": 9}),
    "insert_many": lambda txn: txn.insert_many("notes", [{"id": 9}]),
    "update": lambda txn: txn.update("notes", 1, {"body": "x"}),
    "delete": lambda txn: txn.delete("notes", 1),
    "select": lambda txn: txn.select("notes"),
    "get_by_pk": lambda txn: txn.get_by_pk("notes", 1),
    "count": lambda txn: txn.count("notes"),
    "truncate": lambda txn: txn.truncate("notes"),
}


@pytest.mark.parametrize("end", ["commit", "rollback"])
@pytest.mark.parametrize("verb", VERBS)
def test_after_its_end_every_use_raises(db: Database, verb: str, end: str) -> None:
    txn = db.begin()
    txn.insert("notes", {"id": 1})
    getattr(txn, end)()
    with pytest.raises(RuntimeError) as caught:
        VERBS[verb](txn)
    assert isinstance(caught.value, HandleClosed)


def test_after_close_the_handle_raises_and_close_may_come_twice(db: Database) -> None:
    db.close()
    db.close()
    with pytest.raises(HandleClosed):
        db.begin()
    with pytest.raises(RuntimeError):
        db.allocate_sequence("x")


def test_close_ends_the_transactions_that_are_open(make: Make, sync_backend: Backend) -> None:
    db = make(shop())
    txn = db.begin()
    txn.insert("notes", {"id": 1})
    db.close()
    with pytest.raises(KitError):
        txn.insert("notes", {"id": 2})
    with pytest.raises(KitError):
        txn.commit()
    txn.rollback()
    with Database.open(sync_backend.url) as again:
        assert ids(again) == []


def test_two_transactions_of_one_thread_may_write_different_rows(make: Make, sync_backend: Backend) -> None:
    db = make(shop())
    first, second = db.begin(), db.begin()
    first.insert("notes", {"id": 1})
    if sync_backend.is_postgres:
        # The row is locked there, and not the file.
        second.insert("notes", {"id": 2})
        second.commit()
    first.commit()
    assert ids(db) == ([1, 2] if sync_backend.is_postgres else [1])


def test_a_transaction_may_be_forgotten_after_close(make: Make, sync_backend: Backend) -> None:
    db = make(shop())
    txn = db.begin()
    txn.insert("notes", {"id": 1})
    db.close()
    del txn
    with Database.open(sync_backend.url) as again:
        assert ids(again) == []


def test_a_forgotten_transaction_is_rolled_back_and_blocks_nobody(db: Database) -> None:
    def forget() -> None:
        db.begin().insert("notes", {"id": 1})

    forget()
    with db.begin() as txn:
        txn.insert("notes", {"id": 2})
    assert ids(db) == [2]


def failing(txn: Transaction) -> None:
    """One statement of each kind of failure that the database finds."""
    with pytest.raises(DuplicateError):
        txn.insert("notes", {"id": 1})
    with pytest.raises(DuplicateError):
        txn.insert_many("notes", [{"id": 8}, {"id": 1}, {"id": 9}])
    with pytest.raises(ForeignKeyError):
        txn.insert("orders", {"customer_id": 77, "amount": 1.0})
    with pytest.raises(ValidationError):
        txn.insert("notes", {"id": 5, "body": "x" * 11})


def test_a_failed_statement_is_undone_by_itself_and_the_transaction_goes_on(db: Database) -> None:
    with db.begin() as txn:
        txn.insert("notes", {"id": 1})
        failing(txn)
        assert [row["id"] for row in txn.select("notes")] == [1]
        txn.insert("notes", {"id": 2})
        failing(txn)
        txn.insert_many("notes", [{"id": 3}])
        failing(txn)
    assert ids(db) == [1, 2, 3]
    db.transaction(lambda txn: (failing(txn), txn.insert("notes", {"id": 4})))
    assert ids(db) == [1, 2, 3, 4]


def test_a_transaction_may_be_used_from_another_thread(db: Database) -> None:
    txn = db.begin()
    caught: list[BaseException] = []

    def work() -> None:
        try:
            txn.insert("notes", {"id": 1})
            txn.commit()
        except BaseException as error:
            caught.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert caught == []
    assert ids(db) == [1]


def test_the_first_to_commit_wins_and_the_other_is_told(db: Database) -> None:
    with db.begin() as txn:
        txn.insert("notes", {"id": 1, "body": "0"})
    first, second = db.begin(), db.begin()
    assert first.get_by_pk("notes", 1) == second.get_by_pk("notes", 1)
    first.update("notes", 1, {"body": "first"})
    first.commit()
    with pytest.raises(ConflictError):
        second.update("notes", 1, {"body": "second"})
    second.rollback()
    with db.begin() as txn:
        assert txn.get_by_pk("notes", 1) == {"id": 1, "body": "first"}


def test_a_writer_that_would_wait_for_its_own_thread_is_told(db: Database) -> None:
    first, second = db.begin(), db.begin()
    first.insert("notes", {"id": 1})
    with pytest.raises(ConflictError, match="would"):
        second.insert("notes", {"id": 1})
    second.rollback()
    with pytest.raises(RuntimeError, match="would"):
        db.transaction(lambda txn: txn.insert("notes", {"id": 3}))
    first.commit()
    assert ids(db) == [1]


def test_transaction_gives_the_functions_result_and_keeps_nothing_of_an_error(db: Database) -> None:
    assert db.transaction(lambda txn: txn.insert("notes", {"id": 1})) == {"id": 1, "body": None}

    def broken(txn: Transaction) -> None:
        txn.insert("notes", {"id": 2})
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        db.transaction(broken)
    assert ids(db) == [1]


def test_the_function_may_end_its_transaction_itself(db: Database) -> None:
    def commits(txn: Transaction) -> None:
        txn.insert("notes", {"id": 1})
        txn.commit()

    def rolls_back(txn: Transaction) -> None:
        txn.insert("notes", {"id": 2})
        txn.rollback()

    db.transaction(commits)
    db.transaction(rolls_back)
    assert ids(db) == [1]


@pytest.mark.parametrize("max_retries", [0, 2])
def test_the_function_is_run_again_on_conflicts_so_often(db: Database, max_retries: int) -> None:
    runs: list[int] = []

    def conflicts(_: Transaction) -> None:
        runs.append(1)
        raise ConflictError("made up")

    with pytest.raises(ConflictError):
        db.transaction(conflicts, max_retries=max_retries)
    assert len(runs) == max_retries + 1


@pytest.mark.parametrize("max_retries", ["3", 1.5, None, True, -1, [2]], ids=str)
async def test_a_number_of_retries_that_is_none_is_refused_before_anything_is_run(
    backend: Backend, max_retries: Any
) -> None:
    runs: list[int] = []

    async def work(_: AsyncTransaction) -> None:
        runs.append(1)

    said = f"max_retries is a whole number from 0 on, not {max_retries!r}"
    async with await AsyncDatabase.create(backend.url, shop()) as db:
        with pytest.raises(ValidationError, match=re.escape(said)):
            await db.transaction(work, max_retries=max_retries)
        assert runs == []
        await db.transaction(work, max_retries=0)
        assert runs == [1]


@pytest.mark.parametrize("max_retries", ["3", 1.5, None, True, -1], ids=str)
def test_the_synchronous_world_refuses_it_too(db: Database, max_retries: Any) -> None:
    with pytest.raises(ValidationError, match="max_retries is a whole number from 0 on"):
        db.transaction(lambda _: pytest.fail("it was run"), max_retries=max_retries)


def counting(db: Database, start: Callable[[Callable[[Transaction], Any]], Any]) -> int:
    """Four threads add one, 25 times each, by `start`; what the counter says then."""
    with db.begin() as txn:
        txn.insert("notes", {"id": 1, "body": "0"})

    def add(txn: Transaction) -> None:
        row = txn.get_by_pk("notes", 1)
        assert row is not None
        txn.update("notes", 1, {"body": str(int(row["body"]) + 1)})

    def work() -> None:
        for _ in range(25):
            start(add)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with db.begin() as txn:
        row = txn.get_by_pk("notes", 1)
    assert row is not None
    return int(row["body"])


def test_four_threads_that_read_add_and_write_lose_nothing(db: Database) -> None:
    assert counting(db, lambda add: db.transaction(add, max_retries=50)) == 100


def test_four_threads_by_begin_lose_nothing_when_they_retry(db: Database) -> None:
    def start(add: Callable[[Transaction], Any]) -> None:
        while True:
            try:
                with db.begin() as txn:
                    add(txn)
                return
            except ConflictError:
                continue

    assert counting(db, start) == 100


def test_control_two_transactions_for_the_read_and_the_write_do_lose(db: Database) -> None:
    gate = threading.Barrier(4)

    def start(add: Callable[[Transaction], Any]) -> None:
        # The broken variant: what was read is stale when it is written.
        with db.begin() as txn:
            row = txn.get_by_pk("notes", 1)
        gate.wait()
        assert row is not None
        while True:
            try:
                with db.begin() as txn:
                    txn.update("notes", 1, {"body": str(int(row["body"]) + 1)})
                return
            except ConflictError:
                continue

    assert counting(db, start) < 100


WORK = """
import sys
from rowstead.kit import Database

def add(txn):
    row = txn.get_by_pk("notes", 1)
    txn.update("notes", 1, {"body": str(int(row["body"]) + 1)})

with Database.open(sys.argv[1]) as db:
    for _ in range(25):
        db.transaction(add, max_retries=100)
"""


def test_four_processes_lose_nothing(make: Make, sync_backend: Backend, tmp_path: Path) -> None:
    db = make(shop())
    with db.begin() as txn:
        txn.insert("notes", {"id": 1, "body": "0"})
    script = tmp_path / "work.py"
    script.write_text(WORK)
    command = [sys.executable, str(script), sync_backend.url]
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(4)
    ]
    said = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, said
    with db.begin() as txn:
        row = txn.get_by_pk("notes", 1)
    assert row == {"id": 1, "body": "100"}


def test_threads_never_share_a_sequences_number(db: Database) -> None:
    def work(number: int) -> None:
        for turn in range(10):
            row = {"email": f"{number}-{turn}@x"}
            db.transaction(partial(Transaction.insert, table="customers", row=row), max_retries=50)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(ids(db, "customers"))) == 40
