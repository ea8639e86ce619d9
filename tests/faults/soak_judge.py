"""What a soak found: the clients' outcomes against the rows that are there, and their memory.

Reads rows through an engine of `soak_engines.py`, never through Rowstead.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from .soak_client import ACCOUNTS, BALANCE, LIVES_APART, TOTAL
from .soak_engines import Engine

SHARE = 0.7
"""Of the ceiling, at which the load runs."""
NEARLY = 0.9
"""Of the wanted load: what is below was not reached, which is said but is no fault of ours."""
GROWTH = 4 * 2**20
"""Bytes by which the memory may grow from the second quarter of the run to the last."""
FEWEST = 12
"""Samples of the memory without which nothing can be said of it."""


@dataclass
class Memory:
    """How the memory of a client went; bytes, medians over a part of the run."""

    start: int = 0
    middle: int = 0
    end: int = 0
    grown: int = 0
    """From the second quarter, when it was warm, to the last; medians."""
    slope: float = 0.0
    """Bytes per second, from the second quarter on."""
    samples: int = 0

    @property
    def fault(self) -> str:
        if self.samples < FEWEST:
            return f"only {self.samples} samples"
        return f"grew by {mebibytes(self.grown)}" if self.grown > GROWTH else ""

    def __str__(self) -> str:
        return (
            f"memory after malloc_trim {mebibytes(self.start)} at the start, "
            f"{mebibytes(self.middle)} in the middle, {mebibytes(self.end)} at the end "
            f"(once warm {self.grown / 2**20:+.1f} MiB from the second to the last quarter, "
            f"{self.slope * 3600 / 2**20:+.1f} MiB/h)"
        )


@dataclass
class Result:
    """What a run found."""

    seconds: float = 0.0
    ceiling: float = 0.0
    """Operations in a second when nothing held the clients back."""
    operations: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    acknowledged: int = 0
    unknown: int = 0
    failed: int = 0
    lost: int = 0
    duplicated: int = 0
    """Writes that are there more than once."""
    applied: int = 0
    """Said not to be applied, and there."""
    untyped: list[str] = field(default_factory=list)
    """Errors that are none of ours, and clients that ended by themselves."""
    wrong_reads: int = 0
    """Reads that saw another total than there is."""
    wrong_accounts: int = 0
    """Accounts whose balance is not what their entries make."""
    silent: int = 0
    """Kills after which the client that stays did nothing for a long time."""
    slowest_return: float = 0.0
    """Seconds from a kill to the next thing that this client got done."""
    damage: str = ""
    memory: Memory = field(default_factory=Memory)

    @property
    def load(self) -> float:
        """The share of the ceiling that was reached."""
        return self.operations / max(self.seconds, 0.001) / max(self.ceiling, 0.001)

    @property
    def faults(self) -> dict[str, object]:
        names = (
            "lost",
            "duplicated",
            "applied",
            "untyped",
            "wrong_reads",
            "wrong_accounts",
            "silent",
            "damage",
        )
        found: dict[str, object] = {name: value for name in names if (value := getattr(self, name))}
        if self.memory.fault:
            found["memory"] = self.memory.fault
        if not self.acknowledged:
            found["acknowledged"] = "nothing: the run proves nothing"
        return found

    def __str__(self) -> str:
        kills = ", ".join(f"{number} x {name}" for name, number in sorted(self.kills.items()))
        missed = "" if self.load >= SHARE * NEARLY else f", {SHARE:.0%} wanted and NOT REACHED"
        return (
            f"{self.lost} lost and {self.duplicated} duplicated of {self.acknowledged} acknowledged, "
            f"{self.wrong_accounts} accounts and {self.wrong_reads} reads of the total wrong, "
            f"{self.applied} of {self.failed} failures applied, {self.unknown} unknown, "
            f"{len(self.untyped)} untyped, {self.damage or 'no damage'}; "
            f"{self.seconds:.0f} s at {self.operations / max(self.seconds, 0.001):.0f} operations/s "
            f"({self.load:.0%} of the ceiling of {self.ceiling:.0f}/s{missed}); "
            f"{self.kills.total()} kills ({kills}), back within {self.slowest_return:.1f} s, "
            f"{self.silent} times not; {self.memory}"
        )


def mebibytes(number: int) -> str:
    return f"{number / 2**20:.1f} MiB"


def outcomes(file: Path) -> Iterator[tuple[str, str]]:
    """A client's whole lines: the kind, and of what."""
    if file.exists():
        with file.open() as lines:
            for line in lines:
                if line.endswith("\n"):
                    kind, _, what = line[:-1].partition(" ")
                    yield kind, what


def judge_life(engine: Engine, life: int, file: Path, result: Result) -> None:
    """What one client was told, against what is there."""
    low, high = life * LIVES_APART, (life + 1) * LIVES_APART
    # In order, so that what is there twice stands side by side.
    text = f"SELECT id FROM entries WHERE id > {low} AND id < {high} ORDER BY id"
    found = [number for (number,) in engine.rows(text)]
    result.duplicated += sum(one == next_one for one, next_one in pairwise(found))
    stored = set(found)
    operations = 0
    for kind, what in outcomes(file):
        match kind:
            case "a":
                result.acknowledged += 1
                result.lost += int(what) not in stored
            case "f":
                result.failed += 1
                result.applied += int(what) in stored
            case "u":
                result.unknown += 1
            case "t":
                result.wrong_reads += 1
            case "x":
                result.untyped.append(what)
            case "o":
                operations = int(what)
    result.operations += operations


def judge_accounts(engine: Engine, result: Result) -> None:
    """Every balance is what the entries make of it, and the sum is what it was."""
    balances = dict(engine.rows("SELECT id, balance FROM accounts"))
    wanted = dict.fromkeys(range(1, ACCOUNTS + 1), BALANCE)
    for source, target, amount in engine.rows("SELECT source, target, amount FROM entries"):
        wanted[source] -= amount
        wanted[target] += amount
    result.wrong_accounts = sum(balances.get(number) != balance for number, balance in wanted.items())
    result.wrong_reads += sum(balances.values()) != TOTAL
    result.damage = engine.damage()


def judge_memory(file: Path) -> Memory:
    """How the memory of one client went."""
    samples = [tuple(map(float, what.split())) for kind, what in outcomes(file) if kind == "m"]
    if len(samples) < FEWEST:
        return Memory(samples=len(samples))
    held = [size for _, size in samples]
    quarter, tenth, half = len(held) // 4, len(held) // 10, len(held) // 2
    warm = samples[quarter:]
    return Memory(
        start=_median(held[:tenth]),
        middle=_median(held[half - tenth // 2 : half + tenth // 2 + 1]),
        end=_median(held[-tenth:]),
        grown=_median(held[-quarter:]) - _median(held[quarter : 2 * quarter]),
        slope=statistics.linear_regression(*zip(*warm, strict=True)).slope,
        samples=len(samples),
    )


def _median(held: list[float]) -> int:
    return int(statistics.median(held))
