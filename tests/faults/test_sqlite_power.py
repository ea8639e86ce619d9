"""The power goes while a SQLite file is written: every acknowledged batch is there, nothing is half.

A process writes on a disk that keeps a log of all changes and syncs; the log is replayed up to many
moments, and what was not synced by then is lost, in part or wholly.
"""

from __future__ import annotations

import random
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from rowstead.sync import DB

from .disk import ROOT, Disk, environment, python
from .figures import record_figure, size
from .power import Change, Event, Machine, read_log
from .sqlite_work import Item, judge

BATCHES = size(short=40, long=150)
CUTS = size(short=300, long=2500)
OPENED_BY_US = 10
"""So many of the cuts are opened through Rowstead, too."""


@dataclass
class Tally:
    cuts: int = 0
    acknowledged: int = 0
    lost: int = 0
    half: int = 0
    damaged: int = 0

    @property
    def bad(self) -> int:
        return self.lost + self.half + self.damaged

    def __str__(self) -> str:
        return (
            f"{self.lost} cuts lost acknowledged batches, {self.half} left half ones, {self.damaged} damage; "
            f"of {self.cuts} cuts in {self.acknowledged} batches"
        )


def worked(folder: Path, *options: object) -> tuple[Path, list[Change]]:
    """Let a process work on a disk that keeps a log; its folder and the log."""
    place = folder / "disk"
    place.mkdir(parents=True)
    disk = Disk(place, folder / "control", folder / "log")
    words = python(
        "sqlite_work", place / "db", place / "acks", "--batches", BATCHES, "--reopen", 15, *options
    )
    subprocess.run(words, cwd=ROOT, env=environment(disk), check=True, timeout=120)
    return place, list(read_log(folder / "log"))


def cut_everywhere(folder: Path, cuts: int, seed: int, *options: object) -> Tally:
    """Cut the power at random moments, and judge what is left each time."""
    place, changes = worked(folder, *options)
    chance = random.Random(seed)
    moments = {chance.randrange(len(changes)) + 1 for _ in range(cuts)}
    ours = set(chance.sample(sorted(moments), OPENED_BY_US))
    machine = Machine(place)
    acknowledged: set[int] = set()
    tally = Tally()
    left = folder / "left"
    for moment, change in enumerate(changes, 1):
        if not change.path.endswith("/acks"):
            # The log of readers and locks is in memory: SQLite makes it anew after a cut.
            if not change.path.endswith("-shm"):
                machine.do(change)
        elif change.event is Event.WRITTEN:
            acknowledged |= {int(line) for line in change.data.split()}
        if moment not in moments:
            continue
        left.mkdir()
        machine.cut_at_random(left, chance)
        verdict = judge(left / "db", acknowledged, lambda batch: 1 <= batch <= BATCHES)
        tally.cuts += 1
        tally.lost += bool(verdict.lost)
        tally.half += bool(verdict.half or verdict.strange)
        tally.damaged += bool(verdict.damage)
        if moment in ours and "--broken" not in options:
            with DB.from_url(f"sqlite:///{left / 'db'}") as db:
                assert [batch for batch in acknowledged if not db.exists(Item, batch=batch)] == []
        shutil.rmtree(left)
    tally.acknowledged = len(acknowledged)
    return tally


def test_a_power_cut_loses_no_acknowledged_batch(tmp_path: Path) -> None:
    ours = cut_everywhere(tmp_path / "ours", CUTS, 9)
    normal = cut_everywhere(tmp_path / "normal", CUTS // 3, 9, "--broken", "synchronous normal")
    off = cut_everywhere(tmp_path / "off", CUTS // 3, 9, "--broken", "synchronous off")
    record_figure(
        "SQLite, power cut at random moments",
        ours,
        "nothing lost, half or damaged",
        f"synchronous=NORMAL: {normal}; OFF: {off}",
    )
    assert ours.bad == 0
    assert ours.acknowledged == BATCHES
    assert normal.lost > 0
    assert off.lost > 0
    assert off.half + off.damaged > 0


def test_a_power_cut_loses_no_batch_of_the_synchronous_world(tmp_path: Path) -> None:
    world = ("--world", "sync")
    ours = cut_everywhere(tmp_path / "ours", CUTS // 3, 10, *world)
    normal = cut_everywhere(tmp_path / "normal", CUTS // 6, 10, *world, "--broken", "synchronous normal")
    record_figure(
        "SQLite, power cut, synchronous world",
        ours,
        "nothing lost, half or damaged",
        f"synchronous=NORMAL: {normal}",
    )
    assert ours.bad == 0
    assert normal.lost > 0


def test_the_machine_keeps_what_was_synced_and_may_lose_the_rest(tmp_path: Path) -> None:
    file, folder = str(tmp_path / "f"), str(tmp_path.resolve())
    machine = Machine(tmp_path)
    for change in (
        Change(Event.CREATED, file, 0, b""),
        Change(Event.SYNCED, folder, 0, b""),
        Change(Event.WRITTEN, file, 0, b"a" * 700),
        Change(Event.SYNCED, file, 0, b""),
        Change(Event.WRITTEN, file, 500, b"b" * 700),
    ):
        machine.do(change)
    answers = iter([False, True, False])
    states: list[bytes] = []
    for keep in (lambda: False, lambda: True, lambda: next(answers)):
        machine.cut(tmp_path, keep)
        states.append((tmp_path / "f").read_bytes())
    assert states == [b"a" * 700, b"a" * 500 + b"b" * 700, b"a" * 512 + b"b" * 512]
