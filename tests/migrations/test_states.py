"""Migrations by states on every backend: what is applied, in what order, and what is refused."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from rowstead.errors import MigrationError, UndefinedTableError, ValidationError
from rowstead.migrations import MigrationEvent, MigrationStatus

from .conftest import Migrator, opened
from .stated import States, making, state


@pytest.fixture
def states(db: Migrator, tmp_path: Path) -> States:
    return States(db, tmp_path)


async def test_states_are_applied_in_order_once_and_noted_in_both_ledgers(states: States) -> None:
    states.write(making(0, 1, 5))
    assert await states.state() == -1
    assert await states.preview() == ["state 0", "state 1", "state 5"]
    assert await states.db.tables() == []
    assert await states.migrate() == 5
    assert await states.made() == ["t0", "t1", "t5"]
    assert await states.info() == [("state", 5)]
    assert await states.ours() == {"0": (True, None), "1": (True, None), "5": (True, None)}
    assert await states.migrate() == 5
    assert await states.state() == 5
    assert await states.db.fetchval("SELECT count(*) FROM t0") == 1
    assert await states.status() == MigrationStatus([], ["state 0", "state 1", "state 5"], [], [])


async def test_an_empty_file_leads_to_no_state(states: States) -> None:
    states.write("[]")
    assert await states.migrate() == -1
    assert await states.state() == -1


async def test_only_what_is_at_most_the_wanted_state_is_applied(states: States) -> None:
    states.write(making(0, 2, 4))
    assert await states.migrate(to=3) == 2
    assert await states.made() == ["t0", "t2"]
    assert await states.migrate(to=99) == 4


@pytest.mark.parametrize("to", [-1, 0, 1])
async def test_to_a_lower_state_nothing_is_done(states: States, to: int) -> None:
    states.write(making(0, 1))
    await states.migrate()
    assert await states.migrate(to=to) == 1
    assert await states.made() == ["t0", "t1"]


async def test_from_a_state_above_the_databases_it_is_taken_to_be_at_that(states: States) -> None:
    states.write(making(0, 1, 2))
    assert await states.migrate(since=1) == 2
    assert await states.made() == ["t2"]
    assert await states.ours() == {"0": (False, None), "1": (False, None), "2": (True, None)}
    assert await states.migrate() == 2
    assert await states.made() == ["t2"]


async def test_from_a_state_below_the_databases_nothing_is_applied_twice(states: States) -> None:
    states.write(making(0, 1))
    await states.migrate(to=0)
    assert await states.migrate(since=-1) == 1
    assert await states.migrate(since=-1) == 1
    assert await states.db.fetchval("SELECT count(*) FROM t1") == 1


async def test_a_state_without_commands_counts(states: States) -> None:
    states.write([state(0), *making(1)])
    assert await states.migrate(to=0) == 0
    assert await states.migrate() == 1


async def test_colons_percents_and_question_marks_in_text_are_text(states: States) -> None:
    text = "12:30:x :word %s 100% ? $1"
    states.write([state(0, "CREATE TABLE t0 (a VARCHAR(50))", f"INSERT INTO t0 VALUES ('{text}'); SELECT 1")])
    assert await states.migrate() == 0
    assert await states.db.fetchval("SELECT a FROM t0") == text


async def test_a_command_may_hold_several_statements(states: States) -> None:
    states.write(
        [state(0, "CREATE TABLE t0 (a INTEGER); INSERT INTO t0 VALUES (1);\nINSERT INTO t0 VALUES (2)")]
    )
    await states.migrate()
    assert await states.db.fetchval("SELECT sum(a) FROM t0") == 3


@pytest.mark.parametrize("backend", ["asyncpg", "psycopg"], indirect=True)
@pytest.mark.parametrize("alone", [False, True])
async def test_a_state_that_moves_the_search_path_does_not_take_the_ledgers_along(
    states: States, alone: bool
) -> None:
    moving = ["CREATE SCHEMA other", "SET search_path TO other", "CREATE TABLE inside (id INTEGER)"]
    states.write([state(0, *moving, transaction=not alone), *making(1)])
    assert await states.migrate() == 1
    assert await states.state() == 1
    assert await states.made() == ["t1"]
    assert await states.db.fetchval("SELECT count(*) FROM other.inside") == 0
    assert await states.info() == [("state", 1)]


async def test_a_failure_names_its_place_and_leaves_the_states_before_it(states: States) -> None:
    states.write(
        [*making(0, 1), state(2, "INSERT INTO t1 VALUES (2)", "SELECT 1; INSERT INTO gone VALUES (1)")]
    )
    with pytest.raises(
        MigrationError, match=r"state 2 failed at command 2, line \d+ \(INSERT INTO gone"
    ) as caught:
        await states.migrate()
    error = caught.value
    assert error.applied == ("state 0", "state 1")
    assert isinstance(error.__cause__, UndefinedTableError)
    assert error.table == "gone"
    assert "nothing of this state was kept" in str(error)
    assert await states.state() == 1
    assert await states.info() == [("state", 1)]
    assert await states.db.fetchval("SELECT count(*) FROM t1") == 1
    states.write([*making(0, 1), state(2, "INSERT INTO t1 VALUES (2)")])
    assert await states.migrate() == 2
    assert await states.db.fetchval("SELECT count(*) FROM t1") == 2


async def test_a_state_is_applied_whole_or_not_at_all(states: States) -> None:
    states.write(
        [state(0, "CREATE TABLE t0 (a INTEGER)", "INSERT INTO t0 VALUES (1)", "INSERT INTO gone VALUES (1)")]
    )
    with pytest.raises(MigrationError):
        await states.migrate()
    assert await states.state() == -1
    if states.db.undoes_ddl:
        assert await states.made() == []
        return
    # There DDL commits by itself; what is done is noted and not done again.
    assert await states.ours() == {"0": (True, 2)}
    states.write(
        [state(0, "CREATE TABLE t0 (a INTEGER)", "INSERT INTO t0 VALUES (1)", "INSERT INTO t0 VALUES (2)")]
    )
    assert await states.migrate() == 0
    assert await states.db.fetchval("SELECT sum(a) FROM t0") == 3
    assert await states.info() == [("state", 0)]


@pytest.mark.parametrize("command", ["COMMIT", "begin", "SELECT 1; ROLLBACK", "SAVEPOINT a"])
async def test_transaction_control_is_refused_before_anything_runs(states: States, command: str) -> None:
    states.write([*making(0), state(1, "SELECT 1", command)])
    with pytest.raises(
        ValidationError, match=r"state 1 command 2, line \d+: \w+ is explicit transaction control"
    ):
        await states.migrate()
    assert await states.made() == []
    assert await states.state() == -1


ALONE = {"sqlite": "VACUUM", "postgresql": "CREATE INDEX CONCURRENTLY i ON t0 (id)"}


async def test_what_cannot_be_in_a_transaction_asks_for_a_state_without(states: States) -> None:
    command = ALONE.get(states.db.database.dialect.name, "CREATE INDEX i ON t0 (id)")
    alone = state(1, "INSERT INTO t0 VALUES (2)", command, "INSERT INTO t0 VALUES (3)")
    states.write([*making(0), alone])
    if states.db.undoes_ddl:
        with pytest.raises(ValidationError, match=r'state 1 command 2, line .*"transaction": false'):
            await states.migrate()
        assert await states.made() == []
    states.write([*making(0), {**alone, "transaction": False}])
    assert await states.migrate() == 1
    assert await states.info() == [("state", 1)]
    assert await states.db.fetchval("SELECT sum(id) FROM t0") == 6


async def test_a_state_without_transaction_goes_on_where_it_stopped(states: States) -> None:
    states.write(
        [*making(0), state(1, "INSERT INTO t0 VALUES (2)", "INSERT INTO gone VALUES (1)", transaction=False)]
    )
    with pytest.raises(MigrationError, match="1 of its 2 statements are done and stay"):
        await states.migrate()
    assert (await states.state(), await states.ours()) == (0, {"0": (True, None), "1": (True, 1)})
    assert (await states.status()).pending == ["state 1"]
    states.write(
        [*making(0), state(1, "INSERT INTO t0 VALUES (2)", "INSERT INTO t0 VALUES (4)", transaction=False)]
    )
    assert await states.migrate() == 1
    assert await states.db.fetchval("SELECT sum(id) FROM t0") == 7


async def test_service_k11_an_edited_state_is_noticed(states: States) -> None:
    states.write(making(0, 1))
    await states.migrate()
    edited = [*making(0), state(1, "CREATE TABLE t1 (id INTEGER, more INTEGER)"), *making(2)]
    states.write(edited)
    assert (await states.status()).drifted == ["state 1"]
    with pytest.raises(MigrationError, match=r"changed since they were applied: 1\.") as caught:
        await states.migrate()
    assert await states.made() == ["t0", "t1"]
    # The way out that the message shows.
    (settle,) = [line.strip() for line in str(caught.value).splitlines() if "UPDATE" in line]
    await states.db.execute(settle.removesuffix(";"))
    assert await states.migrate() == 2
    assert await states.made() == ["t0", "t1", "t2"]


@pytest.mark.parametrize("gone", [0, 1, 2])
async def test_service_k11_a_removed_state_is_noticed(states: States, gone: int) -> None:
    states.write(making(0, 1, 2))
    await states.migrate()
    left = [one for one in making(0, 1, 2) if one["id"] != gone]
    states.write(left)
    assert (await states.status()).missing == [f"state {gone}"]
    with pytest.raises(MigrationError, match=rf"applied, but no longer in the file: {gone}\.") as caught:
        await states.migrate()
    (settle,) = [line.strip() for line in str(caught.value).splitlines() if "DELETE" in line]
    await states.db.execute(settle.removesuffix(";"))
    if gone == 2:
        assert str(caught.value).endswith("give db_info the number of the last one that is left: 1")
        await states.say_in_info("1")
    assert await states.migrate() == max(one["id"] for one in left)


async def test_a_state_that_comes_late_is_refused_since_its_number_was_passed(states: States) -> None:
    states.write(making(0, 4))
    await states.migrate()
    states.write(making(0, 2, 4, 5))
    with pytest.raises(MigrationError, match=r"at state 4 already: 2\.") as caught:
        await states.migrate()
    assert await states.made() == ["t0", "t4"]
    (settle,) = [line.strip() for line in str(caught.value).splitlines() if "INSERT" in line]
    await states.db.execute(settle.removesuffix(";"))
    assert await states.migrate() == 5
    assert await states.made() == ["t0", "t4", "t5"]


async def test_a_run_tells_what_it_does(states: States) -> None:
    states.write(making(0, 3))
    heard: list[MigrationEvent] = []
    await states.migrate(on_event=heard.append)
    assert [(event.kind, event.id, event.index, event.total) for event in heard] == [
        ("started", "state 0", 1, 2),
        ("applied", "state 0", 1, 2),
        ("started", "state 3", 2, 2),
        ("applied", "state 3", 2, 2),
    ]


async def test_service_k11_ten_runners_at_once_apply_each_state_once(states: States) -> None:
    states.write(making(0, 1, 2))

    async def run() -> int:
        async with opened(states.db.url) as own:
            return await States(own, states.file.parent).migrate()

    assert await asyncio.gather(*(run() for _ in range(10))) == [2] * 10
    assert await states.made() == ["t0", "t1", "t2"]
    assert [await states.db.fetchval(f"SELECT count(*) FROM t{id}") for id in (0, 1, 2)] == [1, 1, 1]
    assert await states.info() == [("state", 2)]


# A database whose tables were made as they are today


async def test_service_k11_a_fresh_database_of_todays_tables_is_baselined(states: States) -> None:
    await states.db.execute("CREATE TABLE t0 (id INTEGER, more INTEGER)")
    states.write([*making(0), state(1, "ALTER TABLE t0 ADD COLUMN more INTEGER")])
    with pytest.raises(
        MigrationError, match=r"(?s)state 0 failed .*No state was recorded .* by a baseline"
    ) as caught:
        await states.migrate()
    assert caught.value.applied == ()
    if not states.db.undoes_ddl:
        # What was begun there is known, so the database is none of which nothing is known.
        assert await states.baseline() == 1
    assert await states.migrate(baseline=True) == 1
    assert await states.info() == [("state", 1)]
    states.write([*making(0), state(1, "ALTER TABLE t0 ADD COLUMN more INTEGER"), *making(2)])
    assert await states.migrate(baseline=True) == 2
    assert await states.made() == ["t0", "t2"]


async def test_a_database_of_which_something_is_known_is_not_baselined_by_the_option(states: States) -> None:
    states.write(making(0, 1))
    await states.migrate(to=0)
    assert await states.migrate(baseline=True) == 1
    assert await states.made() == ["t0", "t1"]


async def test_whoever_says_where_a_database_is_has_it_replayed_in_spite_of_the_option(
    states: States,
) -> None:
    states.write(making(0, 1))
    assert await states.migrate(since=-1, baseline=True) == 1
    assert await states.made() == ["t0", "t1"]


async def test_a_baseline_notes_states_without_running_them(states: States) -> None:
    states.write(making(0, 1, 2))
    assert await states.baseline(to=1) == 1
    assert (await states.made(), await states.info()) == ([], [("state", 1)])
    assert await states.baseline(to=0) == 1
    assert await states.migrate() == 2
    assert await states.made() == ["t2"]
    states.write(making(0, 1, 2, 3))
    assert await states.baseline() == 3
    assert await states.made() == ["t2"]
