"""The soak, short: load with kills on SQLite and PostgreSQL, and a careless client that is caught."""

from __future__ import annotations

from pathlib import Path

import pytest

from .figures import record_figure, size
from .soak import GROWTH, Result, soak
from .soak_engines import engines

SECONDS = {"sqlite": size(short=4.0, long=90.0), "postgres": size(short=8.0, long=180.0)}
EVERY = size(short=1.0, long=10.0)
MEASURING = size(short=1.0, long=5.0)
SEED = 13


@pytest.fixture(scope="module")
def naive(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """The control: transfers without a transaction."""
    folder = tmp_path_factory.mktemp("naive")
    with engines(["sqlite"], folder, SEED) as chosen:
        return soak(chosen["SQLite"], folder, seconds=1.5, every=0.5, seed=SEED, broken=True, measuring=0.3)


@pytest.mark.parametrize("name", ["sqlite", "postgres"])
def test_under_load_with_kills_nothing_acknowledged_is_lost_and_every_total_is_exact(
    tmp_path: Path, name: str, naive: Result
) -> None:
    with engines([name], tmp_path, SEED) as chosen:
        ((title, engine),) = chosen.items()
        ours = soak(engine, tmp_path, seconds=SECONDS[name], every=EVERY, seed=SEED, measuring=MEASURING)
    record_figure(
        f"soak, short, {title}",
        ours,
        "nothing lost, the total exact, memory flat",
        f"transfers without a transaction, on SQLite: {naive.wrong_reads} reads of the total and "
        f"{naive.wrong_accounts} accounts wrong",
    )
    assert ours.faults == {}
    assert ours.grown <= GROWTH
    assert sum(ours.kills.values()) >= 2
    assert ours.acknowledged > 100
    assert naive.wrong_reads > 0
    assert naive.wrong_accounts > 0
