"""Ids given by hand far ahead of a PostgreSQL sequence: no number comes twice, whoever takes some."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import replace
from time import monotonic, sleep
from typing import Any

import psycopg
import pytest

from conftest import POSTGRES_WORDS, Backend
from rowstead.dialects import POSTGRESQL
from rowstead.kit import Database, table, text
from rowstead.kit import int as int_
from rowstead.plans.sequences import last_given, pass_by, take
from rowstead.statements.compiled import Compiler
from servers import with_driver

NAMES = ("ids", 'a "quoted" {name} 100%s', "n" * 80)
FAR = 1_000_000


def schema(name: str = "ids") -> dict[str, Any]:
    columns = [int_("id", 1, primary_key=True, default={"sequence": name}), text("v", 2, nullable=True)]
    return {"tables": [table("t", 1, columns, "id")]}


@pytest.fixture
def backend(postgres_url: str) -> Backend:
    return Backend("psycopg", with_driver(postgres_url, "psycopg"), POSTGRES_WORDS)


@pytest.fixture
def db(backend: Backend) -> Iterator[Database]:
    with Database.create(backend.url, schema()) as database:
        yield database


@pytest.mark.parametrize("name", NAMES)
def test_a_counter_goes_on_behind_an_id_that_is_far_ahead(backend: Backend, name: str) -> None:
    with Database.create(backend.url, schema(name)) as db:
        with db.begin() as txn:
            assert [txn.insert("t", {"id": n})["id"] for n in (None, FAR, None, 5)] == [1, FAR, FAR + 1, 5]
            assert txn.insert_many("t", [{"id": 3 * FAR}, {"id": 2 * FAR}, {}])[2]["id"] == 3 * FAR + 1
        assert db.allocate_sequence(name) == 3 * FAR + 2


def test_a_rollback_leaves_the_counter_where_it_went(db: Database) -> None:
    txn = db.begin()
    txn.insert("t", {"id": FAR})
    txn.rollback()
    with db.begin() as txn:
        assert txn.insert("t", {})["id"] > FAR


def test_after_a_jump_others_take_numbers_while_its_transaction_is_open(db: Database) -> None:
    with db.begin() as txn:
        txn.insert("t", {"id": FAR})
        with ThreadPoolExecutor(1) as other:
            assert other.submit(db.allocate_sequence, "ids").result(timeout=60) == FAR + 1


def test_two_that_jump_at_once_do_not_wait_for_each_other_for_ever(db: Database) -> None:
    both_began = threading.Barrier(2)

    def jump(number: int) -> int:
        with db.begin() as txn:
            both_began.wait(60)
            return txn.insert("t", {"id": number})["id"]

    with ThreadPoolExecutor(2) as pool:
        jumps = [pool.submit(jump, number) for number in (2 * FAR, 3 * FAR)]
        assert [done.result(timeout=60) for done in jumps] == [2 * FAR, 3 * FAR]
    assert db.allocate_sequence("ids") == 3 * FAR + 1


# One that jumps is held between its look at the counter and its setting of it

GATE = 77
assert POSTGRESQL.sequences is not None
OWN = POSTGRESQL.sequences
HELD_JUMP = OWN.jump.replace("AS last", f"AS last, pg_advisory_xact_lock_shared({GATE})")
assert OWN.jump != HELD_JUMP
NO_LOCK = "SELECT '{}'"
WAITING = "SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = %s"


def compiler_with(db: Database, **changes: str) -> Compiler:
    """A compiler by which counters are spelled another way."""
    changed = copy(db.database.compiler)
    assert changed.dialect.sequences is not None
    changed.dialect = replace(changed.dialect, sequences=replace(changed.dialect.sequences, **changes))
    return changed


def numbers_given(db: Database, url: str, lock: str) -> list[int]:
    """The numbers that were taken, by one that overtakes a held jump to FAR, and after both."""
    held = compiler_with(db, lock=lock, jump=HELD_JUMP)

    def overtake() -> list[int]:
        db.database.plan(pass_by(compiler_with(db, lock=lock), "ids", FAR + 50))
        return list(db.database.plan(take(db.database.compiler, "ids", 100)))

    def until(condition: Callable[[], object]) -> None:
        end = monotonic() + 60
        while not condition():
            assert monotonic() < end
            sleep(0.01)

    with psycopg.connect(url, autocommit=True) as gate, ThreadPoolExecutor(2) as pool:
        gate.execute("SELECT pg_advisory_lock(%s)", [GATE])
        try:
            jump = pool.submit(db.database.plan, pass_by(held, "ids", FAR))
            until(lambda: jump.done() or gate.execute(WAITING, ["advisory"]).fetchall())
            overtaking = pool.submit(overtake)
            until(lambda: overtaking.done() or gate.execute(WAITING, ["relation"]).fetchall())
        finally:
            gate.execute("SELECT pg_advisory_unlock(%s)", [GATE])
        jump.result(timeout=60)
        given = overtaking.result(timeout=60)
    return given + list(db.database.plan(take(db.database.compiler, "ids", 100)))


def test_no_number_comes_twice_where_one_overtakes_a_jump(db: Database, postgres_url: str) -> None:
    given = numbers_given(db, postgres_url, OWN.lock)
    assert len(given) == len(set(given)) == 200
    assert min(given) > FAR


def test_control_without_the_lock_numbers_come_twice(db: Database, postgres_url: str) -> None:
    given = numbers_given(db, postgres_url, NO_LOCK)
    assert len(given) == 200 > len(set(given))


def test_threads_that_jump_and_take_never_share_a_number(db: Database) -> None:
    """Under load: what is taken is taken once, and nothing that was given by hand is taken."""
    compiler = db.database.compiler

    def work(number: int) -> list[int]:
        taken: list[int] = []
        for turn in range(1, 11):
            taken += db.database.plan(take(compiler, "ids", 50))
            db.database.plan(pass_by(compiler, "ids", FAR * (turn * 4 + number)))
        return taken

    with ThreadPoolExecutor(4) as pool:
        taken = [number for numbers in pool.map(work, range(4)) for number in numbers]
    assert len(set(taken)) == len(taken) == 4 * 10 * 50
    # Others may have taken some behind the furthest jump.
    assert FAR * 43 <= db.database.plan(last_given(compiler, "ids")) < FAR * 44
