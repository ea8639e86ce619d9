"""Counters outlive what goes wrong around them: refused rows, rollbacks, callers at once, migrations."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from threading import Barrier
from typing import Any

import pytest

from conftest import Backend
from rowstead.kit import Database, KitError, ValidationError, table, unique
from rowstead.kit import int as int_
from rowstead.plans.sequences import LARGEST, last_given

from .conftest import Make
from .migrations import op, version


def numbered(default: str | None = "ids", **more: Any) -> dict[str, Any]:
    given = {} if default is None else {"default": {"sequence": default}}
    columns = [int_("id", 1, primary_key=True, **given), int_("n", 2, nullable=True, max=5)]
    return {"tables": [table("t", 1, columns, "id", unique_constraints=[unique("uq_n", "n")], **more)]}


def last(db: Database, name: str = "ids") -> int:
    return db.database.plan(last_given(db.database.compiler, name))


# A1: a row that is refused

REFUSED: dict[str, Any] = {
    "insert, by a rule": lambda txn: txn.insert("t", {"id": LARGEST, "n": 99}),
    "insert, by the database": lambda txn: txn.insert("t", {"id": LARGEST, "n": 1}),
    "insert_many, by a rule": lambda txn: txn.insert_many("t", [{"id": LARGEST}, {"id": 9, "n": 99}]),
    "insert_many, by a rule, with one to number": lambda txn: txn.insert_many(
        "t", [{"id": LARGEST - 9}, {"n": 99}]
    ),
    "insert_many, by the database": lambda txn: txn.insert_many("t", [{"id": LARGEST, "n": 1}]),
    "insert_many, none left": lambda txn: txn.insert_many("t", [{"id": LARGEST}, {}]),
    "update, by a rule": lambda txn: txn.update("t", 1, {"id": LARGEST, "n": 99}),
    "update, by the database": lambda txn: txn.update("t", 2, {"id": LARGEST, "n": 1}),
    "update_where, by the database": lambda txn: txn.update_where(
        "t", set={"id": LARGEST, "n": 1}, filter={"id": 2}
    ),
    "upsert, by the database": lambda txn: txn.upsert("t", {"id": LARGEST, "n": 1}),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_row_leaves_the_counter_where_it_was(make: Make, name: str) -> None:
    db = make(numbered())
    with db.begin() as txn:
        txn.insert_many("t", [{"n": 1}, {"n": 2}])
        with pytest.raises(KitError):
            REFUSED[name](txn)
        # Numbers may be left out, as those of refused rows are, but not many.
        assert txn.insert("t", {})["id"] < 10
    assert db.allocate_sequence("ids") < 10


def test_control_a_stored_row_moves_the_counter_to_its_end(make: Make) -> None:
    db = make(numbered())
    with db.begin() as txn:
        txn.insert("t", {"id": LARGEST})
        with pytest.raises(ValidationError, match="no 1 numbers left") as caught:
            txn.insert("t", {})
        assert (type(caught.value), caught.value.table, caught.value.column) == (ValidationError, "t", "id")


# A2, B11: a column that begins to take numbers


@pytest.mark.parametrize("far", [5, 1_000_000])
def test_a_default_that_a_migration_gives_goes_on_behind_the_rows(make: Make, far: int) -> None:
    db = make(numbered(None))
    with db.begin() as txn:
        txn.insert_many("t", [{"id": n} for n in (1, 2, 3, far)])
    db.set_schema(numbered("later"))
    db.migrate([version(1, op("alter_column", "t", "id"))])
    with db.begin() as txn:
        assert txn.insert("t", {})["id"] == far + 1


@pytest.mark.parametrize("far", [5, 1_000_000])
def test_a_default_that_set_schema_gives_goes_on_behind_the_rows(make: Make, far: int) -> None:
    db = make(numbered(None))
    with db.begin() as txn:
        txn.insert_many("t", [{"id": n} for n in (1, 2, far)])
    db.set_schema(numbered("later"))
    txn = db.begin()
    assert txn.allocate_sequence("later") == far + 1
    assert txn.insert("t", {})["id"] == far + 2
    txn.rollback()
    with db.begin() as txn:
        assert txn.insert("t", {})["id"] > far


def test_a_set_schema_with_a_table_that_is_not_made_yet_hinders_no_write(make: Make) -> None:
    db = make(numbered())
    more = numbered()
    more["tables"].append(table("u", 2, [int_("id", 1, primary_key=True, default={"sequence": "u"})], "id"))
    db.set_schema(more)
    with db.begin() as txn:
        assert txn.insert("t", {})["id"] == 1


# A3, A4, A5: a counter's first use


def test_a_counter_is_there_after_the_transaction_that_used_it_first_was_rolled_back(make: Make) -> None:
    db = make(numbered())
    txn = db.begin()
    assert [txn.allocate_sequence("new"), txn.allocate_sequence("new")] == [1, 2]
    txn.rollback()
    with db.begin() as txn:
        assert txn.allocate_sequence("new") > 0
    assert db.allocate_sequence("new") > 1


def test_callers_use_a_counter_first_at_the_same_moment(make: Make) -> None:
    db = make(numbered())
    callers = 6
    ready = Barrier(callers)

    def first(_: int) -> list[int]:
        taken: list[int] = []
        for turn in range(10):
            ready.wait(60)
            taken.append(db.allocate_sequence(f"new{turn}"))
        return taken

    with ThreadPoolExecutor(callers) as pool:
        taken = list(pool.map(first, range(callers)))
    for turn in range(10):
        assert sorted(numbers[turn] for numbers in taken) == list(range(1, callers + 1))


@pytest.mark.parametrize("count", [1, 5, 20_000])
def test_nobody_waits_for_a_counter_that_his_own_transaction_uses(sync_backend: Backend, count: int) -> None:
    with Database.create(sync_backend.url, numbered(), timeout=20) as db, db.begin() as txn:
        assert txn.allocate_sequence("new") == 1
        assert db.allocate_sequence("new", count) == 2
        assert txn.allocate_sequence("new") == 2 + count


def test_one_who_would_wait_for_himself_is_not_told_to_do_it_again(make: Make) -> None:
    db = make(numbered())
    with db.begin() as txn:
        txn.insert_many("t", [{"id": 1}])
        other = db.begin()
        with pytest.raises(KitError) as caught:
            other.insert("t", {"id": 1})
        other.rollback()
        assert (caught.value.code, caught.value.retryable) == ("CONFLICT", False)


# A6, A7: many numbers at once, and none left


@pytest.mark.parametrize("where", ["handle", "transaction"])
def test_as_many_numbers_as_there_are_cost_one_statement(make: Make, where: str) -> None:
    db = make(numbered())
    huge = 2**62
    with db.begin() as txn:
        taker = txn if where == "transaction" else db
        first = [taker.allocate_sequence("many", count) for count in (1, 10_000, huge, 10_001, 2)]
    assert first == [1, 2, 10_002, 10_002 + huge, 20_003 + huge]


@pytest.mark.parametrize("where", ["handle", "transaction"])
def test_numbers_that_are_not_left_are_refused_and_the_counter_goes_on(make: Make, where: str) -> None:
    db = make(numbered())
    with db.begin() as txn:
        taker = txn if where == "transaction" else db
        assert taker.allocate_sequence("s", 5) == 1
        for count in (LARGEST, LARGEST - 4):
            with pytest.raises(ValidationError, match="numbers left") as caught:
                taker.allocate_sequence("s", count)
            assert type(caught.value) is ValidationError
        assert taker.allocate_sequence("s") == 6
    assert db.allocate_sequence("s", LARGEST - 10) == 7
    assert last(db, "s") == LARGEST - 4
    for count in (5, 10):
        with pytest.raises(ValidationError, match=f"no {count} numbers left"):
            db.allocate_sequence("s", count)
    assert db.allocate_sequence("s", 4) == LARGEST - 3
    for count in (1, 2, 20_000):
        with pytest.raises(ValidationError, match=f"no {count} numbers left") as caught:
            db.allocate_sequence("s", count)
        assert type(caught.value) is ValidationError


def test_blocks_that_callers_take_at_once_have_no_number_in_common(make: Make) -> None:
    db = make(numbered())
    counts = [1, 7, 500, 10_001, 25_000] * 8

    with ThreadPoolExecutor(4) as pool:
        firsts = list(pool.map(lambda count: db.allocate_sequence("s", count), counts))
    blocks = sorted((first, first + count) for first, count in zip(firsts, counts, strict=True))
    assert all(before[1] <= after[0] for before, after in pairwise(blocks))


# B15: another handle is writing


def test_who_waited_for_another_handle_is_told_his_own_table(sync_backend: Backend) -> None:
    with (
        Database.create(sync_backend.url, numbered()) as holding,
        Database.open(sync_backend.url, timeout=0.2) as waiting,
        holding.begin() as txn,
        waiting.begin() as other,
    ):
        txn.insert("t", {"n": 1})
        with pytest.raises(KitError, match="raise the time-out") as caught:
            other.insert("t", {"n": 1})
        error = caught.value
        # It has waited as long as it was told: `transaction` does not wait as long five times more.
        assert (error.code, error.table, error.retryable) == ("STATEMENT_TIMEOUT", "t", False)


# C1: what is no name, and no count


@pytest.mark.parametrize("name", [None, 5, b"x", ["x"], "\ud800", "a\0b"])
def test_what_is_no_counters_name_is_refused(make: Make, name: Any) -> None:
    db = make(numbered())
    with db.begin() as txn:
        for taker in (db, txn):
            with pytest.raises(ValidationError, match="a sequence's name"):
                taker.allocate_sequence(name)
        assert txn.insert("t", {})["id"] == 1
