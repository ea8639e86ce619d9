"""A writer waits for another as long as the handle was told, and then says what to do."""

from __future__ import annotations

import inspect
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from conftest import Backend
from rowstead.kit import AsyncDatabase, Database, KitError
from rowstead.kit.builders import column, table

SCHEMA = {
    "tables": [
        table(
            "t", 1, [column("id", 1, "int64", primary_key=True), column("v", 2, "int64", nullable=True)], "id"
        )
    ]
}


def test_a_writer_waits_for_one_of_another_handle_and_is_told_when_it_gives_up(sync_backend: Backend) -> None:
    """The other one commits after the first has given up, so that nothing but the time-out ends the wait."""
    with Database.create(sync_backend.url, SCHEMA) as db, db.begin() as txn:
        txn.insert("t", {"id": 1})
    said: list[str] = []
    with (
        Database.open(sync_backend.url) as holding,
        Database.open(sync_backend.url, timeout=0.2, trace=lambda event: said.append(event.sql)) as waiting,
        holding.begin() as txn,
    ):
        txn.update("t", 1, {"v": 1})
        with waiting.begin() as other:
            with pytest.raises(TimeoutError) as caught:
                other.update("t", 1, {"v": 2})
            assert isinstance(caught.value, KitError)
            assert caught.value.code == "STATEMENT_TIMEOUT"
            assert "raise the time-out" in str(caught.value)
            # As long as it was told: a file says so, a server is told so.
            told = said if sync_backend.is_postgres else [str(caught.value)]
            assert any(("'200ms'" if sync_backend.is_postgres else " 0.2 s;") in text for text in told)
            # The transaction goes on.
            assert other.get_by_pk("t", 1) == {"id": 1, "v": None}
    with Database.open(sync_backend.url) as db, db.begin() as txn:
        assert txn.get_by_pk("t", 1) == {"id": 1, "v": 1}


def test_control_a_longer_time_out_waits_until_the_other_has_ended(sync_backend: Backend) -> None:
    with Database.create(sync_backend.url, SCHEMA) as db, db.begin() as txn:
        txn.insert("t", {"id": 1})
    begun = threading.Event()

    def wait(waiting: Database) -> dict[str, Any]:
        def write(txn: Any) -> dict[str, Any]:
            begun.set()
            return txn.update("t", 1, {"v": 2})

        return waiting.transaction(write)

    with (
        Database.open(sync_backend.url) as holding,
        Database.open(sync_backend.url, timeout=60) as waiting,
        ThreadPoolExecutor(1) as pool,
    ):
        with holding.begin() as txn:
            txn.update("t", 1, {"v": 1})
            result = pool.submit(wait, waiting)
            if sync_backend.is_postgres:
                assert begun.wait(60)
            assert not result.done()
        assert result.result(timeout=60) == {"id": 1, "v": 2}


def test_one_handle_whose_writer_is_taken_says_who_holds_it(tmp_path: Any) -> None:
    """On a file `transaction` takes the only right to write when it begins."""
    with Database.create(tmp_path / "x.db", SCHEMA, timeout=0.2) as db, ThreadPoolExecutor(1) as pool:
        held, done = threading.Event(), threading.Event()

        def hold(txn: Any) -> None:
            txn.insert("t", {"id": 1})
            held.set()
            assert done.wait(60)

        holding = pool.submit(db.transaction, hold)
        try:
            assert held.wait(60)
            with pytest.raises(TimeoutError, match="held by") as caught:
                db.transaction(lambda txn: txn.insert("t", {"id": 2}))
            assert isinstance(caught.value, KitError)
        finally:
            done.set()
        holding.result(timeout=60)


@pytest.mark.parametrize("timeout", [0, -1, True, float("nan"), float("inf")])
def test_a_time_out_is_a_number_of_seconds(tmp_path: Any, timeout: Any) -> None:
    with pytest.raises(ValueError, match="timeout is a number of seconds above 0"):
        Database.create(tmp_path / "x.db", SCHEMA, timeout=timeout)
    assert not (tmp_path / "x.db").exists()


@pytest.mark.parametrize("verb", ["create", "open"])
@pytest.mark.parametrize("handle", [Database, AsyncDatabase])
def test_unless_told_it_is_half_a_minute(handle: Any, verb: str) -> None:
    assert inspect.signature(getattr(handle, verb)).parameters["timeout"].default == 30.0


async def test_an_asynchronous_writer_gives_up_too(backend: Backend) -> None:
    async with await AsyncDatabase.create(backend.url, SCHEMA) as db, db.begin() as txn:
        await txn.insert("t", {"id": 1})
    holding = await AsyncDatabase.open(backend.url)
    waiting = await AsyncDatabase.open(backend.url, timeout=0.2)
    async with holding, waiting, holding.begin() as txn:
        await txn.update("t", 1, {"v": 1})
        async with waiting.begin() as other:
            with pytest.raises(TimeoutError, match="raise the time-out"):
                await other.update("t", 1, {"v": 2})
