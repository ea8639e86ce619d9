"""A process that writes to a SQLite file is killed: what was acknowledged is there, nothing is half."""

from __future__ import annotations

import random
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from rowstead.sync import DB

from .disk import ROOT, Disk, environment, python
from .figures import record_figure, size
from .sqlite_work import BROKEN_PRAGMAS, Item, Verdict, judge

ROUNDS = size(short=8, long=50)
PLACES = size(short=8, long=120)
"""How many of the calls that change files are tried as the place of the kill."""
BATCHES = 6


def begin(file: Path, *options: object, disk: Disk | None = None) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        python("sqlite_work", file, "-", *options),
        cwd=ROOT,
        env=environment(disk),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def acknowledged_by(process: subprocess.Popen[bytes]) -> list[int]:
    """What it said until its end."""
    said, complaint = process.communicate(timeout=60)
    assert b"Traceback" not in complaint, complaint.decode()
    return [int(line) for line in said.split(b"\n")[:-1]]


@dataclass
class Tally:
    kills: int = 0
    acknowledged: int = 0
    lost: int = 0
    half: int = 0
    damaged: int = 0

    def add(self, verdict: Verdict) -> None:
        self.kills += 1
        self.lost += len(verdict.lost)
        self.half += len(verdict.half) + len(verdict.strange)
        self.damaged += bool(verdict.damage)

    @property
    def bad(self) -> int:
        return self.lost + self.half + self.damaged

    def __str__(self) -> str:
        return (
            f"{self.lost} lost, {self.half} half, {self.damaged} damaged of {self.acknowledged} acknowledged "
            f"in {self.kills} kills"
        )


def kill_at_random(folder: Path, rounds: int, seed: int, *options: object) -> Tally:
    """Kill after a random number of acknowledgements and a moment; each round goes on with the same file."""
    chance = random.Random(seed)
    file = folder / "work.sqlite"
    tally = Tally()
    known: set[int] = set()
    for round_number in range(rounds):
        world = ("async", "sync")[round_number % 2]
        start = 1 + round_number * 100_000
        process = begin(file, "--start", start, "--world", world, "--reopen", 9, *options)
        assert process.stdout is not None
        wanted = chance.randrange(0, 40)
        seen = [process.stdout.readline() for _ in range(wanted)]
        time.sleep(chance.random() * 0.01)
        process.kill()
        known |= {int(line) for line in seen} | set(acknowledged_by(process))
        verdict = judge(file, known, lambda batch: batch > 0)
        tally.add(verdict)
        # Lost once is enough.
        known -= set(verdict.lost)
        # The next to open it is ours.
        with DB.from_url(f"sqlite:///{file}") as db:
            db.execute("CREATE TABLE IF NOT EXISTS opened (round INTEGER PRIMARY KEY)")
            db.execute("INSERT INTO opened VALUES ($1)", round_number)
            assert db.fetchval("SELECT count(*) FROM opened") == round_number + 1
            if not options:
                assert [batch for batch in known if not db.exists(Item, batch=batch)] == []
    tally.acknowledged = len(known) + tally.lost
    return tally


def kill_at_calls(folder: Path, places: int, *options: object) -> Tally:
    """Kill in place of one call that changes a file, for many such calls from opening to closing."""
    whole = folder / "whole"
    whole.mkdir()
    disk = Disk(whole, folder / "counts")
    acknowledged_by(begin(whole / "work.sqlite", "--batches", BATCHES, "--pages", 4, *options, disk=disk))
    calls = disk.calls("change")
    tally = Tally()
    for place in sorted({1 + number * calls // places for number in range(places)}):
        inside = folder / f"at{place}"
        inside.mkdir()
        disk = Disk(inside, folder / f"control{place}")
        disk.kill("change", after=place - 1)
        process = begin(inside / "work.sqlite", "--batches", BATCHES, "--pages", 4, *options, disk=disk)
        known = acknowledged_by(process)
        assert process.returncode == -9, place
        tally.acknowledged += len(known)
        tally.add(judge(inside / "work.sqlite", known, lambda batch: 1 <= batch <= BATCHES))
    return tally


def test_a_process_killed_at_random_moments_loses_nothing_and_leaves_nothing_half(tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    ours = kill_at_random(tmp_path, ROUNDS, 9)
    naive = kill_at_random(tmp_path / "broken", 5, 9, "--broken", "groups")
    record_figure("SQLite, SIGKILL at random moments", ours, "nothing lost, half or damaged", naive)
    assert ours.bad == 0
    assert naive.lost > 0


def test_a_process_killed_at_each_call_leaves_nothing_half(tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    assert "journal in memory" in BROKEN_PRAGMAS
    ours = kill_at_calls(tmp_path, PLACES)
    naive = kill_at_calls(tmp_path / "broken", 6, "--broken", "journal in memory")
    record_figure("SQLite, SIGKILL in place of a write", ours, "nothing lost, half or damaged", naive)
    assert ours.bad == 0
    assert naive.half + naive.damaged > 0
