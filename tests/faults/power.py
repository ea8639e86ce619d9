"""What a power cut leaves of some files: a log of every change (`disk.c`), replayed up to a moment.

The model is stricter than most disks: what was not synced when the power went may be there or not,
each 512-byte sector for itself and in any order; names (made, removed) last from when their folder
was synced, in their order. Knows files only, nothing of what is in them.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

RECORD = struct.Struct("=iiqq")
SECTOR = 512


class Event(IntEnum):
    NAMED = 0
    WRITTEN = 1
    TRUNCATED = 2
    SYNCED = 3
    CREATED = 4
    UNLINKED = 5


class Change(NamedTuple):
    """One record of the log."""

    event: Event
    path: str
    offset: int
    data: bytes


def read_log(path: Path) -> Iterator[Change]:
    """The changes in their order."""
    text = path.read_bytes()
    names: dict[int, str] = {}
    place = 0
    while place < len(text):
        number, file, offset, length = RECORD.unpack_from(text, place)
        event = Event(number)
        place += RECORD.size
        data = text[place : place + length]
        place += length
        if event is Event.NAMED:
            names[file] = data.decode()
        else:
            yield Change(event, names[file], offset, data)


@dataclass
class File:
    """An inode: what of it is safe, and what was done since it was last synced."""

    safe: bytearray = field(default_factory=bytearray)
    pending: list[Change] = field(default_factory=list)

    def sync(self) -> None:
        for change in self.pending:
            apply(self.safe, change)
        self.pending.clear()


Keep = Callable[[], bool]
"""Whether the next sector, or the next change of a length or a name, was on the disk in time."""


def apply(content: bytearray, change: Change, keep: Keep = lambda: True) -> None:
    if change.event is Event.TRUNCATED:
        if keep():
            del content[change.offset :]
            content.extend(bytes(change.offset - len(content)))
        return
    at, end = change.offset, change.offset + len(change.data)
    while at < end:
        # A sector of the disk, not of the write.
        stop = min(end, (at // SECTOR + 1) * SECTOR)
        if keep():
            content.extend(bytes(max(0, stop - len(content))))
            content[at:stop] = change.data[at - change.offset : stop - change.offset]
        at = stop


class Machine:
    """The files of one folder while a log is replayed, and what a power cut would leave of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder.resolve())
        self._now: dict[str, File] = {}
        self._safe: dict[str, File] = {}
        self._names: list[tuple[str, File | None]] = []
        """Names that were given (or taken away) since the folder was synced."""

    def do(self, change: Change) -> None:
        """Replay one change."""
        path = change.path
        match change.event:
            case Event.CREATED:
                self._name(path, File())
            case Event.UNLINKED:
                self._name(path, None)
            case Event.SYNCED if path == self._folder:
                for name, file in self._names:
                    _give(self._safe, name, file)
                self._names.clear()
            case Event.SYNCED:
                self._now[path].sync()
            case _:
                self._now[path].pending.append(change)

    def _name(self, path: str, file: File | None) -> None:
        _give(self._now, path, file)
        self._names.append((path, file))

    def cut(self, into: Path, keep: Keep, names: int | None = None) -> None:
        """Write what is left to `into`: all that is safe, and of the rest what `keep` says.

        `names`: how many of the names that are not safe yet; None keeps all.
        """
        left = dict(self._safe)
        for name, file in self._names[:names]:
            _give(left, name, file)
        for name, file in left.items():
            content = bytearray(file.safe)
            for change in file.pending:
                apply(content, change, keep)
            (into / Path(name).name).write_bytes(content)

    def cut_at_random(self, into: Path, chance: random.Random) -> None:
        """A power cut of which nobody knows what it leaves."""
        share = chance.choice((0.0, 0.0, 0.5, 0.9, 1.0, chance.random()))
        self.cut(into, lambda: chance.random() < share, chance.randint(0, len(self._names)))


def _give(names: dict[str, File], path: str, file: File | None) -> None:
    if file is None:
        names.pop(path, None)
    else:
        names[path] = file
