"""Runs every row by all sides in turn, each in its own process, and holds them to the same result.

Rounds go A B C, then B C A, …, as in `benchmarks.harness`; before the first a short one is run that
is not counted. What each side gave, or stored, is compared in every round.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict

from benchmarks.harness import Benchmark, Progress, Result, SidesDiffer
from benchmarks.peers.databases import Database
from benchmarks.peers.environments import python_for
from benchmarks.peers.processes import Process
from benchmarks.peers.sides import Side
from benchmarks.workers.work import Size, Work, works

POOL = 10


def open_sides(stack: ExitStack, database: Database, sides: Sequence[Side], size: Size) -> list[Process]:
    """A process for each side, ready to work; they start all at once."""
    first = {"database": database.name, "place": database.place, "pool": POOL, "size": asdict(size)}
    pythons = {side.name: python_for(side.needs, _environment(side)) for side in sides}
    opened = [
        stack.enter_context(
            Process(side.name, pythons[side.name], f"benchmarks.workers.{side.module}", first)
        )
        for side in sides
    ]
    for process in opened:
        assert process.introduction
    return opened


def _environment(side: Side) -> str:
    """SQLAlchemy's sides share one."""
    return side.module.partition("_")[0]


def rows(database: Database, size: Size) -> list[Work]:
    """The rows that this database has: SQLite has no pool whose size could matter."""
    return [work for work in works(size) if database.name != "sqlite" or work.verb != "tasks"]


def compare(
    work: Work, database: Database, processes: Sequence[Process], quick: bool, progress: Progress
) -> Result:
    """Seconds of one call by side and round. Raises SidesDiffer."""
    able = [process for process in processes if process.does(work)]
    result = Result(Benchmark(work.name, ()), {process.name: [] for process in able})
    rounds = 2 if quick else work.rounds
    calls = max(1, work.calls // 5) if quick else work.calls
    _round(work, database, able, 0, max(1, calls // 5))
    for number in range(rounds):
        progress.show(f"{database.name}: {work.name} {number + 1}/{rounds}")
        first = number % len(able)
        turn = [*able[first:], *able[:first]]
        for name, seconds in _round(work, database, turn, number * calls, calls):
            result.seconds[name].append(seconds)
    return result


def _round(
    work: Work, database: Database, turn: Sequence[Process], start: int, calls: int
) -> list[tuple[str, float]]:
    times: list[tuple[str, float]] = []
    expected: tuple[str, str, str] | None = None
    for process in turn:
        if work.table == "empty":
            database.empty()
        elif work.table == "half full":
            database.half_full()
        answer = process.run(work, start, calls)
        digest = database.stored() if work.bulk else answer["digest"]
        shown = "rows in the table" if work.bulk else answer["shown"]
        if expected is None:
            expected = process.name, digest, shown
        elif digest != expected[1]:
            name, _, before = expected
            raise SidesDiffer(f"{work.name}: {process.name} gave {shown}, {name} gave {before}")
        times.append((process.name, answer["seconds"]))
    return times
