"""Tables that several processes find empty are filled by one of them, and by a killed one not at all."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from rowstead.sync import DB
from servers import with_driver

from .figures import record_figure, size
from .processes import Processes, processes

STARTED = 4
ROWS = 1500
"""More than one statement's."""
TABLES = {
    "owners": "id INTEGER PRIMARY KEY",
    "things": "id {counted}, owner INTEGER, word VARCHAR(20)",
}
COUNTED = {
    "sqlite": "INTEGER PRIMARY KEY",
    "asyncpg": "SERIAL PRIMARY KEY",
    "psycopg": "SERIAL PRIMARY KEY",
    "mariadb": "INTEGER AUTO_INCREMENT PRIMARY KEY",
}


class Place:
    """A database with two tables, and the files for them."""

    def __init__(self, name: str, url: str, own_url: str, folder: Path) -> None:
        self.name = name
        self._url = url
        self._own_url = own_url
        self._folder = folder
        (folder / "owners.json").write_text(json.dumps([{"id": n} for n in range(1, 51)]))
        words = "".join(f'{{"owner": {n % 50 + 1}, "word": "word {n}"}}\n' for n in range(ROWS))
        (folder / "things.jsonl").write_text(words)
        with DB.from_url(own_url) as db:
            for table, columns in TABLES.items():
                db.execute(f"CREATE TABLE {table} ({columns.format(counted=COUNTED[name])})")

    def empty(self) -> None:
        with DB.from_url(self._own_url) as db:
            for table in TABLES:
                db.execute(f"DELETE FROM {table}")

    def order(self, runner: str = "real", kill: int | None = None) -> dict[str, object]:
        return {"url": self._url, "folder": str(self._folder), "runner": runner, "kill": kill}

    def rows(self) -> tuple[int, int]:
        """How many owners and things there are."""
        with DB.from_url(self._own_url) as db:
            owners, things = (db.fetchval(f"SELECT count(*) FROM {table}") for table in TABLES)
            return owners, things


WHOLE = (50, ROWS)


@pytest.fixture(params=COUNTED)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    name: str = request.param
    folder = tmp_path / "fixtures"
    folder.mkdir()
    if name == "sqlite":
        url = f"sqlite:///{tmp_path / 'test.sqlite'}"
        return Place(name, url, url, folder)
    if name == "mariadb":
        url = request.getfixturevalue("mariadb_url")
        return Place(name, with_driver(url, "asyncmy"), with_driver(url, "pymysql"), folder)
    url = request.getfixturevalue("postgres_url")
    return Place(name, with_driver(url, name), with_driver(url, "psycopg"), folder)


@pytest.fixture(scope="module")
def loaders() -> Iterator[Processes]:
    with processes("job_fixtures.py") as found:
        yield found


def race(loaders: Processes, place: Place, runner: str) -> str:
    """What is wrong after four that start together; empty: nothing."""
    place.empty()
    ended = loaders.round([place.order(runner)] * STARTED)
    failed = [one for one in ended if one.code]
    rows = place.rows()
    return "" if not failed and rows == WHOLE else f"{len(failed)} failed, {rows} rows"


def test_of_four_that_start_together_one_fills_the_tables(loaders: Processes, place: Place) -> None:
    rounds = size(short=8, long=50)
    wrong = [race(loaders, place, "real") for _ in range(rounds)]
    tries = (number for number in range(1, 101) if race(loaders, place, "apart"))
    control = next(tries, None)
    record_figure(
        f"four that load fixtures at once on {place.name}: rounds with a failure or rows not loaded once",
        f"{sum(map(bool, wrong))} of {rounds}",
        0,
        "each table by itself: " + (f"caught in round {control}" if control else "not caught"),
    )
    assert wrong == [""] * rounds
    assert control is not None


def parts_left(loaders: Processes, place: Place, runner: str) -> Iterator[str]:
    """One is killed after its first statement, one after its second, …: each that left some of the rows."""
    for number in range(1, 100):
        place.empty()
        (ended,) = loaders.round([place.order(runner, kill=number)])
        if not ended.code:
            return
        assert ended.code == -signal.SIGKILL
        if (rows := place.rows()) not in ((0, 0), WHOLE):
            yield f"killed after statement {number}: {rows} rows"
        (again,) = loaders.round([place.order(runner)])
        if again.code or place.rows() != WHOLE:
            yield f"killed after statement {number}, then run again: {place.rows()} rows"
    raise AssertionError("it never came to its end")


def test_one_that_is_killed_leaves_all_or_nothing_and_the_next_fills_the_rest(
    loaders: Processes, place: Place
) -> None:
    wrong = list(parts_left(loaders, place, "real"))
    control = next(parts_left(loaders, place, "apart"), None)
    record_figure(
        f"killed while it loads fixtures on {place.name}: kills that left a part",
        len(wrong),
        0,
        f"each table by itself: {control or 'not caught'}",
    )
    assert wrong == []
    assert control is not None
