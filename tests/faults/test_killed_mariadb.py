"""Migrators of MariaDB, whose DDL commits by itself: killed at any statement, and many at once.

One file of eight statements, of which six commit by themselves and none can simply be run again. A
runner dies by SIGKILL before each statement that it sends, its ledger's with them, while it is under
way and after it was answered; the next run has to heal that, and nothing may be applied twice.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest

from servers import MariaDatabase

from .figures import LONG, record_figure, size
from .migrated import codes
from .processes import Processes, processes
from .test_killed_migrator import Kill
from .test_migrators import MIGRATORS, caught, refused

pytestmark = pytest.mark.mariadb

STATEMENTS = (
    "CREATE TABLE seen (step INT NOT NULL, note VARCHAR(40))",
    "INSERT INTO seen (step) VALUES (1)",
    "ALTER TABLE seen ADD COLUMN added INT",
    "CREATE UNIQUE INDEX seen_step ON seen (step, added, note)",
    "INSERT INTO seen (step) SELECT max(step) + 1 FROM seen",
    "CREATE TABLE other (id INT PRIMARY KEY)",
    "CREATE TRIGGER seen_noted BEFORE INSERT ON other FOR EACH ROW SET NEW.id = NEW.id + 1",
    "RENAME TABLE other TO last",
)
WANTED: dict[str, Any] = {
    "steps": [1, 2],
    "columns": ["seen.step", "seen.note", "seen.added", "last.id"],
    "indexes": ["seen_step"],
    "triggers": ["seen_noted"],
    "ledger": [("0001_eight.sql", None)],
    "locks": [],
}
_COLUMNS = (
    "SELECT concat(table_name, '.', column_name) FROM information_schema.columns WHERE table_schema = %s"
    " AND table_name IN ('seen', 'other', 'last') ORDER BY table_name DESC, ordinal_position"
)
_LOCKS = "SELECT is_used_lock(concat('rowstead_migrations.', md5(%s)))"


class MariaPlace:
    """The database of a test, emptied at will and read without Rowstead."""

    name = "mariadb"
    worlds = ("async", "sync")

    def __init__(self, database: MariaDatabase, admin: pymysql.Connection, folder: Path) -> None:
        self.url = database.url
        self.lengths: dict[tuple[str, str], int] = {}
        self._database = database
        self._admin = admin
        self._folder = folder
        folder.mkdir()
        (folder / "0001_eight.sql").write_text(";\n".join(STATEMENTS) + ";\n")

    def empty(self) -> None:
        self._database.empty(self._admin)

    def order(self, kill: tuple[str, int] | None = None, world: str = "async", runner: str = "real") -> Any:
        """An order for `job_migrate.py`."""
        return {"url": self.url, "folder": str(self._folder), "world": world, "runner": runner, "kill": kill}

    def faults(self) -> list[str]:
        """What is wrong, were the file applied once and whole; empty: nothing."""
        try:
            seen = self._seen()
        except pymysql.MySQLError as error:
            return [f"{type(error).__name__}: {error}"]
        return [] if seen == WANTED else [str(seen)]

    def _seen(self) -> dict[str, Any]:
        name = self._database.name
        where = "FROM information_schema.{} WHERE {} = %s"
        return {
            "steps": self._values(f"SELECT step FROM `{name}`.seen ORDER BY step"),
            "columns": self._values(_COLUMNS, name),
            "indexes": self._values(
                "SELECT DISTINCT index_name "
                + where.format("statistics", "table_schema")
                + " AND table_name = 'seen'",
                name,
            ),
            "triggers": self._values(
                "SELECT trigger_name " + where.format("triggers", "trigger_schema"), name
            ),
            "ledger": self._rows(f"SELECT filename, progress FROM `{name}`._rowstead_migrations"),
            "locks": [holder for holder in self._values(_LOCKS, name) if holder is not None],
        }

    def _values(self, sql: str, *values: Any) -> list[Any]:
        return [row[0] for row in self._rows(sql, *values)]

    def _rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._admin.cursor() as cursor:
            cursor.execute(sql, values or None)
            return list(cursor.fetchall())


@pytest.fixture(scope="module")
def migrators() -> Iterator[Processes]:
    with processes("job_migrate.py") as found:
        yield found


@pytest.fixture
def place(_shared_maria: tuple[MariaDatabase, pymysql.Connection], tmp_path: Path) -> MariaPlace:
    return MariaPlace(*_shared_maria, tmp_path / "migrations")


def statements(migrators: Processes, place: MariaPlace, world: str, runner: str) -> int:
    """How many statements a run that nobody kills sends."""
    if (world, runner) not in place.lengths:
        place.empty()
        (whole,) = migrators.round([place.order(world=world, runner=runner)])
        assert (whole.code, place.faults()) == (0, [])
        place.lengths[world, runner] = len(whole.told)
    return place.lengths[world, runner]


def kills(migrators: Processes, place: MariaPlace) -> list[Kill]:
    """Before, during and after every statement, in each world.

    The short run takes one of these in turn for each second statement.
    """
    found: list[list[Kill]] = []
    for world in place.worlds:
        # A synchronous statement cannot be left under way.
        moments = ("under way", "after", "before") if world == "async" else ("after", "before")
        for number in range(1, statements(migrators, place, world, "real") + 1):
            found.append([Kill(moment, number, world) for moment in moments])
    if LONG:
        return [kill for each in found for kill in each]
    return [each[turn % len(each)] for turn, each in enumerate(found[::2])]


def killed_and_healed(migrators: Processes, place: MariaPlace, kill: Kill, runner: str) -> list[str]:
    """What is wrong after a killed run and another one; empty: nothing."""
    place.empty()
    (killed,) = migrators.round([place.order((kill.moment, kill.number), kill.world, runner)])
    assert (killed.code, len(killed.told)) == (-signal.SIGKILL, kill.number)
    (healed,) = migrators.round([place.order(world=kill.world, runner=runner)])
    return (["the next run failed"] if healed.code else []) + place.faults()


def first_caught(migrators: Processes, place: MariaPlace, runner: str) -> str:
    """Which kill shows that a broken runner is broken."""
    for number in range(8, statements(migrators, place, "async", runner) + 1):
        if killed_and_healed(migrators, place, Kill("after", number, "async"), runner):
            return f"{runner}: caught when killed after statement {number}"
    return f"{runner}: not caught"


async def test_a_migrator_killed_at_any_statement_of_mariadb_is_healed_by_the_next(
    place: MariaPlace, migrators: Processes
) -> None:
    control = [first_caught(migrators, place, runner) for runner in ("without progress", "never asks")]
    planned = kills(migrators, place)
    wrong = {
        kill: faults for kill in planned if (faults := killed_and_healed(migrators, place, kill, "real"))
    }
    record_figure(
        "migrator of 8 statements killed before, during or after one on mariadb: not healed by the next",
        f"{len(wrong)} of {len(planned)}",
        0,
        "; ".join(control),
    )
    assert wrong == {}
    assert len(planned) >= 16
    assert "not caught" not in str(control)


def race(migrators: Processes, place: MariaPlace, runner: str) -> list[str]:
    """What is wrong after a round of ten; empty: nothing."""
    place.empty()
    worlds = [place.worlds[number % 2] for number in range(MIGRATORS)]
    ended = migrators.round([place.order(world=world, runner=runner) for world in worlds])
    return refused(codes(ended)) + place.faults()


async def test_ten_migrators_at_once_on_mariadb_all_succeed_and_apply_each_step_once(
    place: MariaPlace, migrators: Processes
) -> None:
    rounds = size(short=2, long=20)
    control = caught(lambda: race(migrators, place, "without lock"))
    wrong = [race(migrators, place, "real") for _ in range(rounds)]
    record_figure(
        "ten migrators at once on mariadb: rounds with a failure or a step not applied once",
        f"{sum(map(bool, wrong))} of {rounds}",
        0,
        f"without the lock: {control}",
    )
    assert wrong == [[]] * rounds
    assert control != "not caught"


async def test_five_migrators_of_mariadb_of_which_one_is_killed_finish_its_work(
    place: MariaPlace, migrators: Processes
) -> None:
    numbers = (8, 15, 22, 30) * size(short=1, long=5)
    wrong: list[list[str]] = []
    for number in numbers:
        place.empty()
        orders = [place.order(("after", number)), *[place.order() for _ in range(4)]]
        ended = migrators.round(orders)
        # Whoever finds nothing left to apply sends too few statements to die.
        assert ended[0].code in (0, -signal.SIGKILL)
        wrong.append(refused(codes(ended[1:])) + place.faults())
    assert wrong == [[]] * len(numbers)
