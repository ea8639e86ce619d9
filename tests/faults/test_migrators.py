"""Ten migrators at once on a fresh database: all succeed, and each step is applied once.

Processes of their own, let go together, on SQLite and PostgreSQL, in both worlds.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conftest import Backend

from .figures import record_figure, size
from .migrated import Place, codes, place_of
from .processes import Processes, processes

MIGRATORS = 10
ROUNDS = size(short=2, long=20)


@pytest.fixture(scope="module")
def migrators() -> Iterator[Processes]:
    with processes("job_migrate.py") as found:
        yield found


@pytest.fixture
def place(backend: Backend, request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return place_of(backend, request, tmp_path)


def race(migrators: Processes, place: Place, runner: str) -> list[str]:
    """What is wrong after a round of ten; empty: nothing."""
    place.empty()
    worlds = [place.worlds[number % len(place.worlds)] for number in range(MIGRATORS)]
    ended = migrators.round([place.order(world=world, runner=runner) for world in worlds])
    return refused(codes(ended)) + place.faults()


def caught(attempt: Callable[[], list[str]]) -> str:
    """Whether a broken runner is found out, and in which round."""
    for number in range(1, 11):
        if attempt():
            return f"caught in round {number}"
    return "not caught"


def refused(ended: list[int]) -> list[str]:
    failed = sum(map(bool, ended))
    return [f"{failed} of {len(ended)} failed"] if failed else []


async def test_rows_d07_ten_migrators_at_once_all_succeed_and_apply_each_step_once(
    place: Place, migrators: Processes
) -> None:
    control = caught(lambda: race(migrators, place, "without lock"))
    wrong = [race(migrators, place, "real") for _ in range(ROUNDS)]
    record_figure(
        f"ten migrators at once on {place.name}: rounds with a failure or a step not applied once",
        f"{sum(map(bool, wrong))} of {ROUNDS}",
        0,
        f"without the lock: {control}",
    )
    assert wrong == [[]] * ROUNDS
    assert control != "not caught"


def race_with_a_kill(migrators: Processes, place: Place, number: int, runner: str) -> list[str]:
    """What is wrong after five of which one died after its statement `number`; empty: nothing."""
    place.empty()
    killed = place.order(("after", number), runner=runner)
    ended = migrators.round([killed, *[place.order(runner=runner) for _ in range(4)]])
    # Whoever finds nothing left to apply sends too few statements to die.
    assert ended[0].code in (0, 1, -signal.SIGKILL)
    return refused(codes(ended[1:])) + place.faults()


async def test_five_migrators_of_which_one_is_killed_finish_its_work(
    place: Place, migrators: Processes
) -> None:
    kills = (5, 12, 18, 23) * size(short=1, long=5)
    control = caught(lambda: race_with_a_kill(migrators, place, 12, "without lock"))
    wrong = [race_with_a_kill(migrators, place, number, "real") for number in kills]
    record_figure(
        f"five migrators at once on {place.name}, one of them killed: rounds not finished by the others",
        f"{sum(map(bool, wrong))} of {len(kills)}",
        0,
        f"without the lock: {control}",
    )
    assert wrong == [[]] * len(kills)
    assert control != "not caught"
