"""A disk that fails when it is told to: the library `disk.c`, compiled here, and its control.

Knows nothing of SQLite nor of Rowstead. Any C compiler will do.
"""

from __future__ import annotations

import atexit
import errno
import mmap
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Self

from .programs import find_or_install

ROOT = Path(__file__).parents[2]
SOURCE = Path(__file__).with_name("disk.c")

KINDS = ("write", "sync", "read", "truncate", "open", "unlink", "change")
"""Kinds of calls, in the order of disk.c; "change" is any of them but reads and opens."""
LAYOUT = struct.Struct("=" + "q" * (3 * len(KINDS) + 3))
EVER = 2**62


class NoCompiler(Exception):
    """Tests of broken disks fail where nothing can be compiled; none is skipped in silence."""


@cache
def library() -> Path:
    """disk.c as a shared library, compiled once per process."""
    if not sys.platform.startswith("linux"):
        raise NoCompiler("the tests of broken disks need Linux")
    compiler = find_or_install(("cc", "gcc", "clang"), ("gcc", "libc6-dev"))
    folder = tempfile.mkdtemp(prefix="rowstead-disk-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    made = Path(folder) / "disk.so"
    words = [compiler, "-O1", "-shared", "-fPIC", "-o", str(made), str(SOURCE), "-ldl", "-pthread"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoCompiler(f"disk.c does not compile:\n{done.stderr}")
    return made


class Disk:
    """The control of a broken disk: counts calls on files below `folder`, and says which fail.

    The test makes one and starts a child with `environment`; the child reaches the same with `here()`.
    """

    def __init__(self, folder: Path, control: Path, log: Path | None = None) -> None:
        self.folder, self.control, self.log = folder.resolve(), control, log
        if not control.exists():
            control.write_bytes(bytes(LAYOUT.size))
        with control.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), LAYOUT.size)

    @classmethod
    def here(cls) -> Self:
        """The one that this process was started with."""
        return cls(Path(os.environ["ROWSTEAD_DISK_FOLDER"]), Path(os.environ["ROWSTEAD_DISK_CONTROL"]))

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "LD_PRELOAD": str(library()),
            "ROWSTEAD_DISK_FOLDER": str(self.folder),
            "ROWSTEAD_DISK_CONTROL": str(self.control),
            "ROWSTEAD_DISK_LOG": str(self.log or ""),
        }

    def __getitem__(self, place: int) -> int:
        return struct.unpack_from("=q", self._shared, 8 * place)[0]

    def __setitem__(self, place: int, value: int) -> None:
        struct.pack_into("=q", self._shared, 8 * place, value)

    def calls(self, kind: str) -> int:
        """How many there were so far."""
        return self[KINDS.index(kind)]

    @property
    def hits(self) -> int:
        """How many calls failed since the last `fail` or `kill`."""
        return self[3 * len(KINDS)]

    def fail(self, kind: str, after: int = 0, times: int = EVER, error: int = errno.EIO) -> None:
        """After so many more calls of a kind, the next `times` fail with this errno."""
        self._arm(kind, after, times, error, 0)

    def kill(self, kind: str, after: int) -> None:
        """After so many more calls of a kind, the process is killed in place of the next."""
        self._arm(kind, after, 1, 0, 1)

    def heal(self) -> None:
        """No call fails any more."""
        for place in range(len(KINDS), 3 * len(KINDS)):
            self[place] = 0

    def _arm(self, kind: str, after: int, times: int, error: int, kill: int) -> None:
        self.heal()
        count, place = len(KINDS), KINDS.index(kind)
        self[3 * count], self[3 * count + 1], self[3 * count + 2] = 0, error, kill
        first = self.calls(kind) + after + 1
        self[2 * count + place] = first + times - 1
        self[count + place] = first


def python(module: str, *arguments: object) -> list[str]:
    """The words that run a module of these tests in a process of its own, beside `environment`."""
    return [sys.executable, "-m", f"tests.faults.{module}", *map(str, arguments)]


def environment(disk: Disk | None = None) -> dict[str, str]:
    """The environment of such a process; its working folder must be ROOT."""
    return {**(os.environ if disk is None else disk.environment), "PYTHONPATH": str(ROOT / "src")}
