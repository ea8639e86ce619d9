"""The soak, short: load with kills on both databases, and clients wrong in every way that are caught."""

from __future__ import annotations

from pathlib import Path

import pytest

from .figures import record_figure, size
from .soak import GOAL, control, soak
from .soak_engines import engines
from .soak_judge import FEWEST, Memory, Result

SECONDS = {"sqlite": size(short=3.0, long=90.0), "postgres": size(short=5.0, long=180.0)}
EVERY = size(short=1.0, long=10.0)
MEASURING = size(short=0.5, long=5.0)
SEED = 13


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, frozenset[str]]:
    """The control: what clients that are wrong in every way were caught at, and at what not."""
    return control(tmp_path_factory.mktemp("wrong"), SEED)


@pytest.mark.parametrize("name", ["sqlite", "postgres"])
def test_under_load_with_kills_nothing_acknowledged_is_lost_and_every_total_is_exact(
    tmp_path: Path, name: str, wrong: tuple[str, frozenset[str]]
) -> None:
    caught, uncaught = wrong
    with engines([name], tmp_path, SEED) as chosen:
        ((title, engine),) = chosen.items()
        ours = soak(engine, tmp_path, seconds=SECONDS[name], every=EVERY, seed=SEED, measuring=MEASURING)
        engine.spoil()
        spoiled = engine.damage()
    record_figure(f"soak, short, {title}", ours, GOAL, caught)
    assert ours.faults == {}
    assert ours.kills.total() >= 2
    assert ours.acknowledged > 100
    assert spoiled
    assert uncaught == frozenset()


def test_a_load_that_was_not_reached_is_told_and_is_no_fault() -> None:
    flat = Memory(samples=FEWEST)
    reached = Result(seconds=10, ceiling=100, operations=690, acknowledged=1, memory=flat)
    missed = Result(seconds=10, ceiling=100, operations=400, acknowledged=1, memory=flat)
    assert (reached.faults, missed.faults) == ({}, {})
    assert "69% of the ceiling of 100/s)" in str(reached)
    assert "40% of the ceiling of 100/s, 70% wanted and NOT REACHED)" in str(missed)
