"""An hour of load with something killed every half minute: nothing acknowledged may be lost.

    python -m tests.faults.soak --minutes 60 [--every 30] [--only sqlite] [--seed N]

The minutes are shared by SQLite and a durable PostgreSQL of its own; each is loaded at 70 % of what was
measured as its ceiling. Kills a client, a backend, the postmaster (and starts it anew), or cuts a
client's sockets. One client of each is never killed: its memory is what must stay flat. Before that,
clients that are wrong on purpose show that each judgement can be passed on them. A run of an hour or
more writes its lines into docs/reliability.md. Exit code 1 when anything was lost.
"""

from __future__ import annotations

import argparse
import datetime
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from .disk import ROOT, environment, python
from .figures import DOCUMENT, Figure, record_figure, write_document
from .soak_client import BALANCE, BROKEN
from .soak_engines import Engine, SQLite, engines
from .soak_judge import SHARE, Result, judge_accounts, judge_life, judge_memory

CLIENTS = 2
PATIENCE = 30.0
"""Seconds after a kill in which the client that stays must get something done."""
WRITTEN_FROM = 60.0
"""Minutes from which on a run is the one that docs/reliability.md tells of."""
GOAL = "nothing lost or duplicated, every total exact, memory flat"
JUDGEMENTS = frozenset(
    "lost duplicated applied untyped wrong_reads wrong_accounts silent damage memory".split()
)
"""What can be found wrong; a control that is wrong in every way must be found so."""


# The run


class Clients:
    """The processes that work; each life has a number and a file of outcomes."""

    def __init__(self, engine: Engine, folder: Path, rate: float = 0.0, broken: Collection[str] = ()) -> None:
        self.engine, self.folder = engine, folder
        self.options = ["--rate", rate / CLIENTS, "--broken", *broken]
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

    def freeze(self) -> None:
        """The one that stays stands still until `thaw`."""
        self.running[0][1].send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.running[0][1].send_signal(signal.SIGCONT)

    def stop(self) -> list[str]:
        """Let all end what they do; which of them had ended by themselves, or do not end."""
        self.wait_until_begun()
        for _, process in self.running:
            process.send_signal(signal.SIGTERM)
        wrong: list[str] = []
        for life, process in self.running:
            try:
                if code := process.wait(60):
                    wrong.append(f"client {life} ended by itself with {code}")
            except subprocess.TimeoutExpired:
                wrong.append(f"client {life} does not end")
        return wrong

    def close(self) -> None:
        for _, process in self.running:
            process.kill()
            process.wait()
        self.running.clear()

    def wait_until_begun(self) -> None:
        """Until all that run have done something: whoever is still starting up cannot end politely.

        Raises where they do not begin; one that has ended is not waited for.
        """
        deadline = time.monotonic() + 60
        while not all(self.operations(life) or p.poll() is not None for life, p in self.running):
            if time.monotonic() > deadline:
                raise RuntimeError("the clients do not begin")
            time.sleep(0.02)

    def operations(self, life: int) -> int:
        """As the client last said; it does so all the time."""
        if not self.file(life).exists():
            return 0
        with self.file(life).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 100_000))
            said = [line for line in file.read().split(b"\n")[1:-1] if line.startswith(b"o ")]
        return int(said[-1][2:]) if said else 0


@contextmanager
def working(
    engine: Engine, folder: Path, rate: float = 0.0, broken: Collection[str] = ()
) -> Iterator[Clients]:
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
    broken: Collection[str] = (),
    measuring: float = 5.0,
    patience: float = PATIENCE,
    tell: Callable[[str], None] = lambda _: None,
) -> Result:
    """Load with kills, and what is left of it.

    `broken` clients, the control, are also made to stand still, and work without a pause: all that they
    do wrong they then do often, however slow the machine is.
    """
    engine.prepare()
    ceiling = 0.0 if broken else measure_ceiling(engine, folder / "ceiling", measuring)
    engine.execute("DELETE FROM entries", f"UPDATE accounts SET balance = {BALANCE}")
    result = Result(ceiling=ceiling)
    rate = 0.0 if broken else ceiling * SHARE
    with working(engine, folder / "load", rate, broken) as clients:
        started = time.monotonic()
        kills = {"client": clients.kill, **engine.kills()}
        if "postmaster" in kills:
            kills["sockets"] = clients.cut
        if broken:
            kills["standstill"] = clients.freeze
        for name in pauses(sorted(kills), seconds, every, seed):
            back = killed(clients, kills[name], patience)
            clients.thaw()
            result.kills[name] += 1
            result.slowest_return = max(result.slowest_return, back)
            result.silent += back >= patience
            tell(f"after {time.monotonic() - started:.0f} s: {name} killed, back within {back:.1f} s")
        result.untyped += clients.stop()
        result.seconds = time.monotonic() - started
        for life in range(1, clients.lives + 1):
            judge_life(engine, life, clients.file(life), result)
        result.memory = judge_memory(clients.file(1))
    judge_accounts(engine, result)
    return result


def pauses(kinds: list[str], seconds: float, every: float, seed: int) -> Iterator[str]:
    """Wait, and name what to kill then; each kind before any kind again.

    For so many seconds, or, where the machine is slow, until each kind has had its turn.
    """
    chance = random.Random(seed)
    unseen = set(kinds)
    bag: list[str] = []
    ending = time.monotonic() + seconds
    while (left := ending - time.monotonic()) > 0 or unseen:
        pause = every * chance.uniform(0.7, 1.3)
        time.sleep(pause if unseen else min(left, pause))
        # The last stretch is for those that must come back.
        if unseen or time.monotonic() < ending - every / 2:
            bag = bag or chance.sample(kinds, len(kinds))
            unseen.discard(bag[-1])
            yield bag.pop()


def killed(clients: Clients, kill: Callable[[], None], patience: float) -> float:
    """Kill; the seconds until the client that stays got something done, or `patience`."""
    started = time.monotonic()
    kill()
    # What it had done before the kill it may tell a moment after it.
    time.sleep(0.1)
    before = clients.operations(1)
    while (took := time.monotonic() - started) < patience:
        if clients.operations(1) > before:
            return took
        time.sleep(0.02)
    return patience


# The controls


def control(folder: Path, seed: int, seconds: float = 3.0) -> tuple[str, frozenset[str]]:
    """Clients that are wrong in every way, on SQLite: what was found, and which judgements found nothing."""
    engine = SQLite(folder)
    found = soak(
        engine,
        folder,
        seconds=seconds,
        every=seconds / 4,
        seed=seed,
        broken=BROKEN,
        patience=0.5,
    )
    engine.spoil()
    found.damage = engine.damage()
    words = (
        f"clients wrong in every way, {found.seconds:.0f} s on SQLite: {found.lost} lost, "
        f"{found.duplicated} duplicated, {found.applied} failures applied, {len(found.untyped)} untyped, "
        f"{found.wrong_accounts} accounts and {found.wrong_reads} reads wrong, {found.silent} times silent, "
        f"damage {'seen' if found.damage else 'not seen'}, memory {found.memory.fault or 'flat'}"
    )
    return words, JUDGEMENTS - set(found.faults)


# The command


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
        (Path(folder) / "control").mkdir()
        caught, uncaught = control(Path(folder) / "control", seed)
        if uncaught:
            print(
                f"the control was not caught as to {', '.join(sorted(uncaught))}: {caught}", file=sys.stderr
            )
            bad = True
        for name, engine in chosen.items():
            place = Path(folder) / name
            place.mkdir()
            minutes = options.minutes / len(chosen)
            result = soak(
                engine,
                place,
                seconds=minutes * 60,
                every=options.every,
                seed=seed,
                tell=lambda words, name=name: print(f"{name} {words}", flush=True),
            )
            say(f"soak, {minutes:g} minutes, {name}", result, caught, options.minutes >= WRITTEN_FROM)
            if result.faults:
                bad = True
                print(f"{name}: {result.faults}", file=sys.stderr)
    return 1 if bad else 0


def say(name: str, result: Result, caught: str, written: bool) -> None:
    """Print the figure, and put it into docs/reliability.md, each database's as soon as it is known."""
    record_figure(name, result, GOAL, caught)
    if written:
        today = datetime.datetime.now(datetime.UTC).date().isoformat()
        failed = "FAILED: " if result.faults else ""
        write_document([Figure(name, GOAL, caught, f"{failed}{result}", today)])
        print(f"written to {DOCUMENT.relative_to(ROOT)}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
