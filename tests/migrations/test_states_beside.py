"""`db_info` and another tool that knows only that: each goes on where the other stopped.

The other tool is not run: its table and rows are written by hand, as it writes them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from rowstead.errors import MigrationError
from rowstead.migrations import MigrationStatus

from .conftest import Migrator
from .stated import States, making

THEIRS = {
    "sqlite": "CREATE TABLE db_info (key TEXT, value JSON)",
    "postgresql": "CREATE TABLE db_info (key TEXT, value JSONB)",
    "mariadb": "CREATE TABLE db_info (`key` TEXT, value JSON)",
}


@pytest.fixture
def states(db: Migrator, tmp_path: Path) -> States:
    return States(db, tmp_path)


async def begun_elsewhere(states: States, value: str = "-1") -> None:
    """As the other tool leaves a database."""
    await states.db.execute(THEIRS[states.db.database.dialect.name])
    await states.db.execute(f"INSERT INTO db_info VALUES ('state', '{value}')")


async def test_a_database_that_another_tool_began_is_gone_on_with(states: States) -> None:
    await begun_elsewhere(states, "1")
    states.write(making(0, 1, 2))
    assert await states.state() == 1
    assert await states.status() == MigrationStatus(["state 2"], ["state 0", "state 1"], [], [])
    assert await states.preview() == ["state 2"]
    assert "_rowstead_migrations" not in await states.db.tables()
    assert await states.migrate() == 2
    assert await states.made() == ["t2"]
    assert await states.ours() == {"0": (False, None), "1": (False, None), "2": (True, None)}
    assert await states.info() == [("state", 2)]


async def test_a_table_that_another_tool_only_made_is_filled(states: States) -> None:
    await begun_elsewhere(states)
    states.write(making(0))
    assert await states.migrate() == 0
    assert await states.info() == [("state", 0)]
    await states.say_in_info(None)
    assert await states.state() == 0
    assert await states.migrate() == 0
    assert await states.info() == [("state", 0)]


async def test_what_another_tool_applied_meanwhile_is_adopted(states: States) -> None:
    states.write(making(0, 1, 2, 3))
    await states.migrate(to=0)
    await states.db.execute("CREATE TABLE t1 (id INTEGER)")
    await states.db.execute("CREATE TABLE t2 (id INTEGER)")
    await states.say_in_info("2")
    assert await states.migrate() == 3
    assert await states.made() == ["t0", "t1", "t2", "t3"]
    assert await states.ours() == {
        "0": (True, None),
        "1": (False, None),
        "2": (False, None),
        "3": (True, None),
    }


async def test_what_another_tool_finished_of_ours_is_finished(states: States) -> None:
    half = {
        "id": 1,
        "transaction": False,
        "commands": ["INSERT INTO t0 VALUES (2)", "INSERT INTO gone VALUES (1)"],
    }
    states.write([*making(0), half])
    with pytest.raises(MigrationError):
        await states.migrate()
    await states.say_in_info("1")
    assert await states.migrate() == 1
    assert await states.ours() == {"0": (True, None), "1": (False, None)}


async def test_a_file_older_than_the_database_is_refused_and_leaves_no_trace(states: States) -> None:
    states.write(making(0))
    await states.migrate()
    await states.say_in_info("2")
    with pytest.raises(MigrationError, match=r"applied, but no longer in the file: 2\."):
        await states.migrate()
    assert await states.ours() == {"0": (True, None)}
    # With the newer file nothing is missed: 1 was applied with 2.
    states.write(making(0, 1, 2))
    assert await states.migrate() == 2
    assert await states.made() == ["t0"]


async def test_a_number_that_was_set_back_is_refused_with_both_ways_out(states: States) -> None:
    states.write(making(0, 1, 2))
    await states.migrate()
    await states.say_in_info("0")
    with pytest.raises(
        MigrationError, match=r"at state 0, but by _rowstead_migrations .* too: 1, 2\."
    ) as caught:
        await states.migrate()
    (forget,) = [line.strip() for line in str(caught.value).splitlines() if "DELETE" in line]
    await states.db.execute("DROP TABLE t1")
    await states.db.execute("DROP TABLE t2")
    await states.db.execute(forget.removesuffix(";"))
    assert await states.migrate() == 2
    assert await states.made() == ["t0", "t1", "t2"]
    await states.say_in_info("0")
    await states.say_in_info("2")
    assert await states.migrate() == 2


@pytest.mark.parametrize("value", ['"one"', "1.5", "true", "null", "[1]"])
async def test_a_value_that_is_no_number_is_refused(states: States, value: str) -> None:
    await begun_elsewhere(states, value)
    states.write(making(0))
    with pytest.raises(MigrationError, match=r"the table db_info says that the state is .* no whole number"):
        await states.migrate()
    assert await states.made() == []


async def test_of_several_rows_the_highest_counts_and_all_are_kept_in_step(states: States) -> None:
    await begun_elsewhere(states, "0")
    await states.db.execute("INSERT INTO db_info VALUES ('state', '1')")
    await states.db.execute("INSERT INTO db_info VALUES ('other', '7')")
    states.write(making(0, 1, 2))
    assert await states.migrate() == 2
    assert sorted(await states.info()) == [("other", 7), ("state", 2), ("state", 2)]


COLUMNS = {
    "sqlite": "SELECT name, type FROM pragma_table_info('db_info')",
    "postgresql": (
        "SELECT column_name::text, data_type::text FROM information_schema.columns"
        " WHERE table_name = 'db_info' ORDER BY ordinal_position"
    ),
    "mariadb": (
        "SELECT column_name, data_type FROM information_schema.columns"
        " WHERE table_schema = database() AND table_name = 'db_info' ORDER BY ordinal_position"
    ),
}
GOLDEN = {
    "sqlite": [("key", "TEXT"), ("value", "JSON")],
    "postgresql": [("key", "text"), ("value", "jsonb")],
    "mariadb": [("key", "text"), ("value", "longtext")],
}


async def test_the_table_is_the_one_that_the_other_tool_makes(states: States) -> None:
    states.write(making(0))
    await states.migrate()
    dialect = states.db.database.dialect.name
    rows = await states.db.fetch(COLUMNS[dialect])
    assert [tuple(dict(row).values()) for row in rows] == GOLDEN[dialect]
