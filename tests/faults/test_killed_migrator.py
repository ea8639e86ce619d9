"""A migrator killed by SIGKILL at any statement: the next run heals, and nothing is applied twice.

Killed before each statement is sent, while it is under way and after it was answered; and in the
middle of an index build, which leaves an invalid index.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest

from conftest import Backend

from .figures import LONG, record_figure, size
from .migrated import Place, codes, place_of
from .processes import Processes, processes


@pytest.fixture(scope="module")
def migrators() -> Iterator[Processes]:
    with processes("job_migrate.py") as found:
        yield found


@pytest.fixture
def place(backend: Backend, request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return place_of(backend, request, tmp_path)


class Kill(NamedTuple):
    """Where a runner dies."""

    moment: str
    number: int
    world: str


def statements(migrators: Processes, place: Place, world: str, runner: str) -> int:
    """How many statements a run that nobody kills sends."""
    if (world, runner) not in place.lengths:
        place.empty()
        (whole,) = migrators.round([place.order(world=world, runner=runner)])
        assert (whole.code, place.faults()) == (0, [])
        place.lengths[world, runner] = len(whole.told)
    return place.lengths[world, runner]


def kills(migrators: Processes, place: Place) -> list[Kill]:
    """Before and after every statement, and under way, in each world.

    The short run takes one of these in turn for each fourth statement (PostgreSQL: each eighth).
    """
    found: list[list[Kill]] = []
    for world in place.worlds:
        # A synchronous statement cannot be left under way.
        moments = ("before", "after", "under way") if world == "async" else ("before", "after")
        for number in range(1, statements(migrators, place, world, "real") + 1):
            found.append([Kill(moment, number, world) for moment in moments])
    if LONG:
        return [kill for each in found for kill in each]
    stride = 8 if place.is_postgres else 4
    return [each[turn % len(each)] for turn, each in enumerate(found[::stride])]


def killed_and_healed(migrators: Processes, place: Place, kill: Kill, runner: str) -> list[str]:
    """What is wrong after a killed run and another one; empty: nothing."""
    place.empty()
    (killed,) = migrators.round([place.order((kill.moment, kill.number), kill.world, runner)])
    assert (killed.code, len(killed.told)) == (-signal.SIGKILL, kill.number)
    (healed,) = migrators.round([place.order(world=kill.world, runner=runner)])
    return (["the next run failed"] if healed.code else []) + place.faults()


def first_caught(migrators: Processes, place: Place, runner: str, begin: float) -> str:
    """Which kill shows that a broken runner is broken; tried from this part of its statements on."""
    longest = statements(migrators, place, "async", runner)
    for number in range(int(longest * begin), longest + 1):
        if killed_and_healed(migrators, place, Kill("after", number, "async"), runner):
            return f"{runner}: caught when killed after statement {number}"
    return f"{runner}: not caught"


async def test_a_migrator_killed_before_and_after_any_statement_is_healed_by_the_next(
    place: Place, migrators: Processes
) -> None:
    control = [
        first_caught(migrators, place, "without progress", 0.5),
        first_caught(migrators, place, "noted afterwards", 0.15),
    ]
    planned = kills(migrators, place)
    wrong = {
        kill: faults for kill in planned if (faults := killed_and_healed(migrators, place, kill, "real"))
    }
    record_figure(
        f"migrator killed before, during or after a statement on {place.name}: not healed by the next",
        f"{len(wrong)} of {len(planned)}",
        0,
        "; ".join(control),
    )
    assert wrong == {}
    assert "not caught" not in str(control)


def killed_often(migrators: Processes, place: Place, seed: int, runner: str) -> tuple[int, list[str]]:
    """How many of six runs died, and what is wrong after a last one; empty: nothing."""
    longest = statements(migrators, place, "async", runner)
    place.empty()
    dice = random.Random(seed)
    ended = [
        migrators.round([place.order((moment, dice.randint(6, longest)), runner=runner)])[0].code
        for moment in dice.choices(("before", "under way", "after"), k=6)
    ]
    (last,) = codes(migrators.round([place.order(runner=runner)]))
    refused = [] if not last and set(ended) <= {0, -signal.SIGKILL} else [f"{ended}, then {last}"]
    return ended.count(-signal.SIGKILL), refused + place.faults()


async def test_a_migrator_that_is_killed_again_and_again_gets_to_the_end(
    place: Place, migrators: Processes
) -> None:
    seeds = range(size(short=2, long=30))
    tried = (seed for seed in range(20) if killed_often(migrators, place, seed, "without progress")[1])
    control = next(tried, None)
    real = [killed_often(migrators, place, seed, "real") for seed in seeds]
    record_figure(
        f"migrator killed up to six times in a row on {place.name}: not healed by the next",
        f"{sum(bool(wrong) for _, wrong in real)} of {len(seeds)} ({sum(died for died, _ in real)} kills)",
        0,
        "without progress: " + ("not caught" if control is None else f"caught with seed {control}"),
    )
    assert [wrong for _, wrong in real] == [[]] * len(seeds)
    assert control is not None


# An index build that was interrupted

BEFORE = "CREATE TABLE seen (step INTEGER);"
INDEX = "CREATE INDEX there ON seen (step);"


class Build(NamedTuple):
    """A statement that leaves something half done when it is interrupted."""

    statement: str
    left: list[str]
    """The indexes that are there in the end."""
    first: str = ""
    """What stands before it, in a file of its own."""
    repeatable: bool = False
    """Whether simply running it again heals too, so that the control is not caught."""


BUILDS = [
    Build("CREATE INDEX CONCURRENTLY seen_step ON seen (step);", ["seen_step"]),
    Build("CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS Seen_Step ON public.seen (step);", ["seen_step"]),
    Build('CREATE INDEX CONCURRENTLY "Seen; Step" ON ONLY "public"."seen" (step);', ["Seen; Step"]),
    Build("CREATE INDEX CONCURRENTLY ON seen (step);", ["seen_step_idx"]),
    Build("DROP INDEX CONCURRENTLY there;", [], INDEX, repeatable=True),
    Build("REINDEX INDEX CONCURRENTLY there;", ["there"], INDEX),
]


class Postgres:
    """A database of PostgreSQL, and the folder for it."""

    def __init__(self, url: str, admin: psycopg.Connection, folder: Path) -> None:
        self.url = url
        self.admin = admin
        self.folder = folder
        folder.mkdir()

    def empty(self) -> None:
        self.admin.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")

    def order(self, runner: str) -> dict[str, object]:
        folder = str(self.folder)
        return {"url": self.url, "folder": folder, "world": "async", "runner": runner, "kill": None}

    def indexes(self) -> list[tuple[str, bool]]:
        return self.admin.execute(
            "SELECT c.relname, i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
            "WHERE i.indrelid = to_regclass('seen') ORDER BY 1"
        ).fetchall()


@pytest.fixture
def postgres(postgres_url: str, _shared_database, tmp_path: Path) -> Postgres:
    return Postgres(postgres_url, _shared_database[1], tmp_path / "migrations")


def interrupted_and_healed(
    migrators: Processes, postgres: Postgres, build: Build, runner: str
) -> tuple[list[int], list[tuple[str, bool]]]:
    """The exit codes of two more runs, and the indexes that are there then."""
    postgres.empty()
    (postgres.folder / "0001.sql").write_text(BEFORE + build.first)
    (postgres.folder / "0002.sql").unlink(missing_ok=True)
    assert codes(migrators.round([postgres.order("real")])) == [0]
    (postgres.folder / "0002.sql").write_text(f"-- rowstead:no-transaction\n{build.statement}")
    interrupt(postgres, build.statement.partition(" CONCURRENTLY")[0])
    assert not all(valid for _, valid in postgres.indexes())
    ended = [migrators.round([postgres.order(runner)])[0].code for _ in range(2)]
    return ended, postgres.indexes()


def interrupt(postgres: Postgres, words: str) -> None:
    """Kill a runner, and then its server process, while an index is half built or half dropped."""
    command = [sys.executable, "-m", "rowstead", "migrate", str(postgres.folder), "--url", postgres.url]
    with psycopg.connect(postgres.url) as writer:
        # The build waits for this transaction, in its second phase: the index is there, invalid.
        writer.execute("INSERT INTO seen VALUES (1)")
        with subprocess.Popen(command) as runner:
            waiting = wait_for_build(postgres.admin, words)
            runner.kill()
        postgres.admin.execute("SELECT pg_terminate_backend(%s, 5000)", [waiting])


def wait_for_build(admin: psycopg.Connection, words: str) -> int:
    """The server process that waits in the statement that begins so."""
    for _ in range(4_000):
        found = admin.execute(
            "SELECT a.pid FROM pg_stat_activity a JOIN pg_locks l ON l.pid = a.pid AND NOT l.granted "
            "WHERE a.query LIKE %s",
            [f"{words} CONCURRENTLY%"],
        ).fetchone()
        if found:
            return found[0]
        threading.Event().wait(0.005)
    raise AssertionError("no index build began")


@pytest.mark.parametrize("build", BUILDS, ids=lambda build: build.statement.partition(" CONC")[0])
async def test_an_index_build_that_was_interrupted_is_found_and_done_again(
    postgres: Postgres, migrators: Processes, build: Build
) -> None:
    wanted = ([0, 0], [(name, True) for name in build.left])
    control = interrupted_and_healed(migrators, postgres, build, "never asks")
    seen = interrupted_and_healed(migrators, postgres, build, "real")
    record_figure(
        f"{build.statement.rstrip(';')}, interrupted half done: after the next run",
        "healed" if seen == wanted else seen,
        "healed",
        "a runner that only runs it again: " + ("healed" if control == wanted else str(control)),
    )
    assert seen == wanted
    assert (control == wanted) is build.repeatable
