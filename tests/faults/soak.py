"""An hour of load with something killed every half minute: nothing acknowledged may be lost.

    python -m tests.faults.soak --minutes 60 [--every 30] [--only sqlite] [--seed N]

Beside SQLite and a durable PostgreSQL of its own, at 70 % of what was measured as the ceiling. Kills a
client, a backend, the postmaster (and starts it anew), or cuts a client's sockets. One client of each
is never killed: its memory is what must stay flat. Exit code 1 when anything was lost.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from .disk import ROOT, environment, python
from .figures import record_figure
from .soak_client import ACCOUNTS, BALANCE, LIVES_APART, TOTAL
from .soak_engines import Engine, engines

SHARE = 0.7
"""Of the ceiling, at which the load runs."""
CLIENTS = 2
PATIENCE = 30.0
"""Seconds after a kill in which the client that stays must get something done."""
GROWTH = 16 * 2**20
"""Bytes by which the memory may differ between the second and the last quarter of the run."""


@dataclass
class Result:
    """What a run found."""

    seconds: float = 0.0
    ceiling: float = 0.0
    operations: int = 0
    kills: dict[str, int] = field(default_factory=dict)
    acknowledged: int = 0
    unknown: int = 0
    failed: int = 0
    lost: int = 0
    applied: int = 0
    """Said not to be applied, and there."""
    untyped: list[str] = field(default_factory=list)
    wrong_reads: int = 0
    """Reads that saw another total than there is."""
    wrong_accounts: int = 0
    """Accounts whose balance is not what their entries make."""
    silent: int = 0
    """Kills after which the client that stays did nothing for a long time."""
    slowest_return: float = 0.0
    """Seconds from a kill to the next thing that this client got done."""
    damage: str = ""
    grown: int = 0
    slope: float = 0.0
    """Bytes per second, over the client that was never killed."""

    @property
    def faults(self) -> dict[str, object]:
        names = ("lost", "applied", "untyped", "wrong_reads", "wrong_accounts", "silent", "damage")
        return {name: value for name in names if (value := getattr(self, name))}

    def __str__(self) -> str:
        kills = ", ".join(f"{number} x {name}" for name, number in sorted(self.kills.items()))
        return (
            f"{self.lost} lost of {self.acknowledged} acknowledged, {self.wrong_accounts} accounts and "
            f"{self.wrong_reads} reads of the total wrong, {self.applied} of {self.failed} failures applied, "
            f"{self.unknown} unknown; {self.seconds:.0f} s at "
            f"{self.operations / max(self.seconds, 1):.0f} of {self.ceiling:.0f}/s; {kills}; "
            f"back within {self.slowest_return:.1f} s; memory {self.grown / 2**20:+.1f} MiB "
            f"({self.slope * 3600 / 2**20:+.1f} MiB/h)"
        )


# The run


class Clients:
    """The processes that work; each life has a number and a file of outcomes."""

    def __init__(self, engine: Engine, folder: Path, rate: float = 0.0, broken: bool = False) -> None:
        self.engine, self.folder = engine, folder
        self.options = ["--rate", rate / CLIENTS, *(["--broken"] if broken else [])]
        self.lives = 0
        self.running: list[tuple[int, subprocess.Popen[bytes]]] = []

    def file(self, life: int) -> Path:
        return self.folder / f"outcomes-{life}"

    def start(self) -> None:
        self.lives += 1
        words = python(
            "soak_client", self.engine.url, self.file(self.lives), "--life", self.lives, *self.options
        )
        self.running.append((self.lives, subprocess.Popen(words, cwd=ROOT, env=environment())))

    def kill(self) -> None:
        """The younger one; the first stays to the end."""
        _, process = self.running.pop()
        process.kill()
        process.wait()
        self.start()

    def cut(self) -> None:
        for _, process in self.running:
            process.send_signal(signal.SIGUSR1)

    def stop(self) -> None:
        """Let all end what they do. Raises when one had ended by itself, or does not end."""
        self.wait_until_begun()
        for _, process in self.running:
            process.send_signal(signal.SIGTERM)
        codes = [process.wait(60) for _, process in self.running]
        self.running.clear()
        if any(codes):
            raise RuntimeError(f"a client ended by itself: exit codes {codes}")

    def close(self) -> None:
        for _, process in self.running:
            process.kill()
            process.wait()

    def wait_until_begun(self) -> None:
        """Until all that run have done something: whoever is still starting up cannot end politely."""
        deadline = time.monotonic() + 30
        while not all(self.operations(life) for life, _ in self.running):
            if time.monotonic() > deadline or any(p.poll() is not None for _, p in self.running):
                raise RuntimeError("the clients do not begin")
            time.sleep(0.05)

    def operations(self, life: int) -> int:
        """As the client last said; it does so all the time."""
        if not self.file(life).exists():
            return 0
        with self.file(life).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 100_000))
            said = [line for line in file.read().split(b"\n")[1:-1] if line.startswith(b"o ")]
        return int(said[-1][2:]) if said else 0


def outcomes(file: Path) -> Iterator[tuple[str, str]]:
    if file.exists():
        with file.open() as lines:
            for line in lines:
                if line.endswith("\n"):
                    kind, _, what = line[:-1].partition(" ")
                    yield kind, what


@contextmanager
def working(engine: Engine, folder: Path, rate: float = 0.0, broken: bool = False) -> Iterator[Clients]:
    """Clients that have begun to work, and are gone afterwards."""
    folder.mkdir()
    clients = Clients(engine, folder, rate, broken)
    try:
        for _ in range(CLIENTS):
            clients.start()
        clients.wait_until_begun()
        yield clients
    finally:
        clients.close()


def measure_ceiling(engine: Engine, folder: Path, seconds: float) -> float:
    """Operations in a second of all clients when nothing holds them back."""
    with working(engine, folder) as clients:
        lives = range(1, CLIENTS + 1)
        before, started = sum(map(clients.operations, lives)), time.monotonic()
        time.sleep(seconds)
        done = sum(map(clients.operations, lives)) - before
        ceiling = done / (time.monotonic() - started)
        clients.stop()
    return max(1.0, ceiling)


def soak(
    engine: Engine,
    folder: Path,
    *,
    seconds: float,
    every: float,
    seed: int,
    broken: bool = False,
    measuring: float = 5.0,
) -> Result:
    """Load with kills, and what is left of it."""
    chance = random.Random(seed)
    engine.prepare()
    ceiling = measure_ceiling(engine, folder / "ceiling", measuring)
    engine.execute("DELETE FROM entries", f"UPDATE accounts SET balance = {BALANCE}")
    result = Result(seconds=seconds, ceiling=ceiling)
    with working(engine, folder / "load", ceiling * SHARE, broken) as clients:
        kills = {"client": clients.kill, **engine.kills()}
        if "postmaster" in kills:
            kills["sockets"] = clients.cut
        bag: list[str] = []
        ending = time.monotonic() + seconds
        while (left := ending - time.monotonic()) > 0:
            time.sleep(min(left, every * chance.uniform(0.7, 1.3)))
            if time.monotonic() >= ending - every / 2:
                continue
            # Each kind before any kind again.
            bag = bag or chance.sample(sorted(kills), len(kills))
            name = bag.pop()
            before, started = clients.operations(1), time.monotonic()
            kills[name]()
            result.kills[name] = result.kills.get(name, 0) + 1
            while clients.operations(1) == before and time.monotonic() < started + PATIENCE:
                time.sleep(0.02)
            back = time.monotonic() - started
            result.slowest_return = max(result.slowest_return, back)
            result.silent += back >= PATIENCE
        clients.stop()
        for life in range(1, clients.lives + 1):
            judge_life(engine, life, clients.file(life), result)
        judge_memory([int(what) for kind, what in outcomes(clients.file(1)) if kind == "m"], result)
    judge_accounts(engine, result)
    return result


# The judge


def judge_life(engine: Engine, life: int, file: Path, result: Result) -> None:
    """What one client was told, against what is there."""
    low, high = life * LIVES_APART, (life + 1) * LIVES_APART
    text = f"SELECT id FROM entries WHERE id > {low} AND id < {high}"
    stored = {number - low for (number,) in engine.rows(text)}
    operations = 0
    for kind, what in outcomes(file):
        match kind:
            case "a":
                result.acknowledged += 1
                result.lost += int(what) - low not in stored
            case "f":
                result.failed += 1
                result.applied += int(what) - low in stored
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


def judge_memory(samples: list[int], result: Result) -> None:
    """How the memory of the client that stays went, once it was warm."""
    quarter = len(samples) // 4
    if quarter < 2:
        return
    warm = samples[quarter:]
    result.slope = statistics.linear_regression(range(len(warm)), warm).slope
    result.grown = int(statistics.median(warm[-quarter:]) - statistics.median(warm[:quarter]))


def main() -> int:
    sys.path.insert(0, str(ROOT / "scripts"))
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0, help="in all, shared by the databases")
    parser.add_argument("--every", type=float, default=30.0, help="seconds from kill to kill")
    parser.add_argument("--only", choices=("sqlite", "postgres"))
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(2**32) if options.seed is None else options.seed
    names = [options.only] if options.only else ["sqlite", "postgres"]
    print(f"seed {seed}", flush=True)
    bad = False
    with (
        tempfile.TemporaryDirectory(prefix="rowstead-soak-") as folder,
        engines(names, Path(folder), seed) as chosen,
    ):
        for name, engine in chosen.items():
            place = Path(folder) / name
            place.mkdir()
            seconds = options.minutes * 60 / len(chosen)
            result = soak(engine, place, seconds=seconds, every=options.every, seed=seed)
            goal = "nothing lost, the total exact, memory flat"
            record_figure(f"soak, {name}", result, goal, "see test_soak.py")
            flat = result.grown <= GROWTH
            bad = bad or bool(result.faults) or not flat
            if result.faults or not flat:
                print(f"{name}: {result.faults or 'memory grows'}", file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
