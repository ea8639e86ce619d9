"""A migrator of goose's format killed by SIGKILL on its way forth or back: the next run of the same heals.

Afterwards both ledgers say the same, and what a file does was done once. What is left is read without
Rowstead.
"""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest

from conftest import Backend, backend_of

from .figures import LONG, record_figure
from .processes import Processes, processes
from .test_killed_migrator import Kill

Query = Callable[[str], Sequence[Any]]

FILES = {
    "00001_count.sql": (
        "-- +goose Up\nCREATE TABLE counted (n INTEGER);\nINSERT INTO counted VALUES (0);\n"
        "-- +goose Down\nDROP TABLE counted;\n"
    ),
    "00002_rows.sql": (
        "-- +goose Up\nUPDATE counted SET n = n + 1;\nUPDATE counted SET n = n + 10;\n"
        "-- +goose Down\nUPDATE counted SET n = n - 10;\nUPDATE counted SET n = n + 5;\n"
    ),
    "00003_steps.sql": (
        "-- +goose NO TRANSACTION\n"
        "-- +goose Up\nALTER TABLE counted ADD COLUMN more INTEGER;\nUPDATE counted SET n = n + 100;\n"
        "-- +goose Down\nUPDATE counted SET n = n + 1000;\nALTER TABLE counted DROP COLUMN more;\n"
    ),
}
WANTED: dict[str, Any] = {
    "up": ((111, None), [0, 1, 2, 3], [("1", None), ("2", None), ("3", None)]),
    # Back to version 1.
    "down": ((1106,), [0, 1], [("1", None)]),
}
"""The row, goose's versions and our ledger, after each verb."""


class Place:
    """The database of a test, emptied at will and read without Rowstead."""

    def __init__(self, backend: Backend, empty: Callable[[], None], query: Query, folder: Path) -> None:
        self.name = backend.name
        self.url = backend.url
        self.empty = empty
        self.lengths: dict[tuple[str, str], int] = {}
        self._query = query
        self._folder = folder
        folder.mkdir()
        for name, text in FILES.items():
            (folder / name).write_text(text)

    def order(self, verb: str, runner: str = "real", kill: tuple[str, int] | None = None) -> dict[str, Any]:
        """An order for `job_migrate.py`."""
        order = {"url": self.url, "folder": str(self._folder), "world": "async"}
        return order | {"verb": verb, "runner": runner, "kill": kill}

    def faults(self, verb: str) -> list[str]:
        """What is wrong, were the verb carried out once and whole; empty: nothing."""
        try:
            (counted,) = self._query("SELECT * FROM counted")
            goose = self._query("SELECT version_id FROM goose_db_version ORDER BY id")
            ours = self._query("SELECT filename, progress FROM _rowstead_migrations ORDER BY 1")
        except (sqlite3.Error, psycopg.Error, pymysql.MySQLError) as error:
            return [f"{type(error).__name__}: {error}"]
        seen = (tuple(counted), [version for (version,) in goose], [tuple(row) for row in ours])
        return [] if seen == WANTED[verb] else [str(seen)]


@pytest.fixture(scope="module")
def migrators() -> Iterator[Processes]:
    with processes("job_migrate.py") as found:
        yield found


@pytest.fixture(params=["sqlite", "psycopg", "mariadb"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    return backend_of(request, tmp_path)


@pytest.fixture
def place(backend: Backend, request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    empty, query = MAKERS[backend.name](request, tmp_path)
    return Place(backend, empty, query, tmp_path / "migrations")


def _on_sqlite(_request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Callable[[], None], Query]:
    def empty() -> None:
        for left in tmp_path.glob("test.sqlite*"):
            left.unlink()

    def query(sql: str) -> Sequence[Any]:
        with closing(sqlite3.connect(tmp_path / "test.sqlite")) as connection:
            return connection.execute(sql).fetchall()

    return empty, query


def _on_postgres(request: pytest.FixtureRequest, _tmp_path: Path) -> tuple[Callable[[], None], Query]:
    database, admin = request.getfixturevalue("_shared_database")
    return lambda: database.empty(admin), lambda sql: admin.execute(sql, prepare=False).fetchall()


def _on_mariadb(request: pytest.FixtureRequest, _tmp_path: Path) -> tuple[Callable[[], None], Query]:
    database, admin = request.getfixturevalue("_shared_maria")

    def query(sql: str) -> Sequence[Any]:
        with admin.cursor() as cursor:
            cursor.execute(f"USE `{database.name}`")
            cursor.execute(sql)
            return cursor.fetchall()

    return lambda: database.empty(admin), query


MAKERS = {"sqlite": _on_sqlite, "psycopg": _on_postgres, "mariadb": _on_mariadb}


def prepared(migrators: Processes, place: Place, verb: str) -> None:
    """An empty database, or for the way back one where everything is applied."""
    place.empty()
    if verb == "down":
        (ended,) = migrators.round([place.order("up")])
        assert (ended.code, place.faults("up")) == (0, [])


def statements(migrators: Processes, place: Place, verb: str, runner: str) -> int:
    """How many statements a run that nobody kills sends."""
    if (verb, runner) not in place.lengths:
        prepared(migrators, place, verb)
        (whole,) = migrators.round([place.order(verb, runner)])
        assert (whole.code, place.faults(verb)) == (0, [])
        place.lengths[verb, runner] = len(whole.told)
    return place.lengths[verb, runner]


def killed_and_healed(migrators: Processes, place: Place, verb: str, kill: Kill, runner: str) -> list[str]:
    """What is wrong after a killed run and another one; empty: nothing."""
    prepared(migrators, place, verb)
    (killed,) = migrators.round([place.order(verb, runner, (kill.moment, kill.number))])
    assert (killed.code, len(killed.told)) == (-signal.SIGKILL, kill.number)
    (healed,) = migrators.round([place.order(verb, runner)])
    return (["the next run failed"] if healed.code else []) + place.faults(verb)


def kills(migrators: Processes, place: Place, verb: str) -> list[Kill]:
    """Before, during and after every statement; the short run takes one of these in turn for each third."""
    moments = ("after", "under way", "before")
    numbers = range(1, statements(migrators, place, verb, "real") + 1)
    found = [[Kill(moment, number, "async") for moment in moments] for number in numbers]
    if LONG:
        return [kill for each in found for kill in each]
    return [each[turn % len(each)] for turn, each in enumerate(found[::3])]


def first_caught(migrators: Processes, place: Place, verb: str) -> str:
    """Which kill shows that a ledger of goose's written apart is found out."""
    for number in range(statements(migrators, place, verb, "goose later"), 0, -1):
        if killed_and_healed(migrators, place, verb, Kill("after", number, "async"), "goose later"):
            return f"goose's ledger written apart: caught when killed after statement {number}"
    return "not caught"


@pytest.mark.parametrize("verb", ["up", "down"])
async def test_a_killed_migrator_of_gooses_format_is_healed_and_both_ledgers_agree(
    place: Place, migrators: Processes, verb: str
) -> None:
    control = first_caught(migrators, place, verb)
    planned = kills(migrators, place, verb)
    wrong = {
        kill: faults
        for kill in planned
        if (faults := killed_and_healed(migrators, place, verb, kill, "real"))
    }
    record_figure(
        f"`db {verb}` killed before, during or after a statement on {place.name}: not healed by the next",
        f"{len(wrong)} of {len(planned)}",
        0,
        control,
    )
    assert wrong == {}
    assert control != "not caught"
