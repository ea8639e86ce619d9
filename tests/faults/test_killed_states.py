"""A migrator of states killed by SIGKILL, and ten at once: in the end each state is applied once.

Afterwards `db_info` and our ledger say the same. What is left is read without Rowstead.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest

from conftest import POSTGRES_WORDS, Backend, backend_of
from servers import PostgresDatabase, with_driver

from .behind_pooler import DRIVERS
from .figures import record_figure, size
from .migrated import codes
from .processes import Processes, processes
from .test_killed_goose import MAKERS, Query, killed_and_healed, kills, statements
from .test_killed_migrator import Kill
from .test_migrators import MIGRATORS, caught, refused

VERB = "states"
ROUNDS = size(short=2, long=20)
STATES = [
    {"id": 0, "commands": ["CREATE TABLE counted (n INTEGER); INSERT INTO counted VALUES (0)"]},
    {"id": 1, "commands": ["UPDATE counted SET n = n + 1", "UPDATE counted SET n = n + 10"]},
    {
        "id": 4,
        "transaction": False,
        "commands": ["ALTER TABLE counted ADD COLUMN more INTEGER", "UPDATE counted SET n = n + 100"],
    },
    {"id": 5, "commands": ["UPDATE counted SET n = n + 1000"]},
]
WANTED: Any = ((1111, None), [5], [("0", None), ("1", None), ("4", None), ("5", None)])
"""The row, what `db_info` says, and our ledger."""


class Place:
    """The database of a test, emptied at will and read without Rowstead."""

    def __init__(self, backend: Backend, empty: Callable[[], None], query: Query, file: Path) -> None:
        self.name = backend.name
        self.url = backend.url
        self.empty = empty
        self.lengths: dict[tuple[str, str], int] = {}
        self._query = query
        self._file = file
        file.write_text(json.dumps(STATES))

    def order(
        self, verb: str = VERB, runner: str = "real", kill: tuple[str, int] | None = None
    ) -> dict[str, Any]:
        """An order for `job_migrate.py`."""
        order = {"url": self.url, "folder": str(self._file), "world": "async"}
        return order | {"verb": verb, "runner": runner, "kill": kill}

    def faults(self, _verb: str = VERB) -> list[str]:
        """What is wrong, were the states applied once and whole; empty: nothing."""
        try:
            (counted,) = self._query("SELECT * FROM counted")
            info = self._query("SELECT value FROM db_info")
            ours = self._query("SELECT filename, progress FROM _rowstead_migrations ORDER BY 1")
        except (sqlite3.Error, psycopg.Error, pymysql.MySQLError) as error:
            return [f"{type(error).__name__}: {error}"]
        seen = (tuple(counted), [int(state) for (state,) in info], [tuple(row) for row in ours])
        return [] if seen == WANTED else [str(seen)]


@pytest.fixture(scope="module")
def migrators() -> Iterator[Processes]:
    with processes("job_migrate.py") as found:
        yield found


@pytest.fixture(params=["sqlite", "asyncpg", "psycopg", "mariadb"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    return backend_of(request, tmp_path)


@pytest.fixture
def place(backend: Backend, request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    maker = MAKERS["psycopg" if backend.is_postgres else backend.name]
    empty, query = maker(request, tmp_path)
    return Place(backend, empty, query, tmp_path / "migrations.json")


def first_caught(migrators: Processes, place: Place) -> str:
    """Which kill shows that a `db_info` written apart is found out."""
    for number in range(statements(migrators, place, VERB, "info later"), 0, -1):
        if killed_and_healed(migrators, place, VERB, Kill("after", number, "async"), "info later"):
            return f"db_info written apart: caught when killed after statement {number}"
    return "not caught"


async def test_service_k11_a_killed_migrator_of_states_is_healed_and_both_ledgers_agree(
    place: Place, migrators: Processes
) -> None:
    control = first_caught(migrators, place)
    planned = kills(migrators, place, VERB)
    wrong = {
        kill: faults
        for kill in planned
        if (faults := killed_and_healed(migrators, place, VERB, kill, "real"))
    }
    record_figure(
        f"a migrator of states killed before, during or after a statement on {place.name}: not healed",
        f"{len(wrong)} of {len(planned)}",
        0,
        control,
    )
    assert wrong == {}
    assert control != "not caught"


def race(migrators: Processes, place: Place, runner: str = "real") -> list[str]:
    """What is wrong after a round of ten; empty: nothing."""
    place.empty()
    ended = migrators.round([place.order(runner=runner) for _ in range(MIGRATORS)])
    return refused(codes(ended)) + place.faults()


async def test_service_k11_ten_migrators_of_states_at_once_all_succeed_and_apply_each_state_once(
    place: Place, migrators: Processes
) -> None:
    control = caught(lambda: race(migrators, place, "without lock"))
    wrong = [race(migrators, place) for _ in range(ROUNDS)]
    record_figure(
        f"ten migrators of states at once on {place.name}: rounds with a failure or a state not applied once",
        f"{sum(map(bool, wrong))} of {ROUNDS}",
        0,
        f"without the lock: {control}",
    )
    assert wrong == [[]] * ROUNDS
    assert control != "not caught"


@pytest.mark.parametrize("driver", DRIVERS)
async def test_ten_migrators_of_states_behind_a_pooler_apply_each_state_once(
    migrators: Processes,
    url: str,
    database: PostgresDatabase,
    admin: psycopg.Connection,
    tmp_path: Path,
    driver: str,
) -> None:
    pooled = Backend(driver, with_driver(url, driver), POSTGRES_WORDS)
    place = Place(
        pooled,
        lambda: database.empty(admin),
        lambda sql: admin.execute(sql, prepare=False).fetchall(),
        tmp_path / "migrations.json",
    )
    control = caught(lambda: race(migrators, place, "without lock"))
    wrong = [race(migrators, place) for _ in range(ROUNDS)]
    record_figure(
        f"ten migrators of states through pgbouncer by {driver}: rounds that went wrong",
        f"{sum(map(bool, wrong))} of {ROUNDS}",
        0,
        f"without the lock: {control}",
    )
    assert wrong == [[]] * ROUNDS
    assert control != "not caught"
