"""Follows a page of docs/ as its reader does: writes the files that it shows, and runs its commands.

    ```yaml file: app.yaml       the block is the file of this name, from here on
    ```console                   each line `$ …` is run by a shell; what follows it is what it prints

`…` stands for anything within a line. A line `^C` interrupts the command when it has printed what stands
above it. A command ends with exit code 0, one that is interrupted with 130. Other blocks are left aside.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Timer

FENCE = re.compile(r"^```(?P<info>[^\n`]+)\n(?P<text>.*?)^```[ ]*$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"\w+ file: (?P<name>\S+)")
LONGEST = 120.0
"""Seconds after which a command that says no more is given up."""
ANYTHING = "…"
INTERRUPT = "^C"


@dataclass(frozen=True, slots=True)
class File:
    """A block that is a file."""

    name: str
    text: str


@dataclass(slots=True)
class Command:
    """A line for a shell, and what it prints: before it is interrupted, if it is, and after."""

    words: str
    printed: list[str] = field(default_factory=list)
    after: list[str] | None = None


def steps(page: str) -> Iterator[File | Command]:
    """What the page has its reader do, in order."""
    for fence in FENCE.finditer(page):
        if file := FILE.fullmatch(fence["info"].strip()):
            yield File(file["name"], fence["text"])
        elif fence["info"].strip() == "console":
            yield from commands(fence["text"])


def commands(text: str) -> Iterator[Command]:
    """The commands of a block. Raises ValueError for one that begins with no command."""
    command: Command | None = None
    for line in filter(None, text.splitlines()):
        if line.startswith("$ "):
            if command is not None:
                yield command
            command = Command(line.removeprefix("$ "))
        elif command is None:
            raise ValueError(f"a block of the console begins with a command, `$ …`, not {line!r}")
        elif line == INTERRUPT:
            command.after = []
        else:
            (command.printed if command.after is None else command.after).append(line)
    if command is not None:
        yield command


def follow(page: str, folder: Path, environment: Mapping[str, str]) -> None:
    """Do what the page says, in the folder. Raises AssertionError where something else is printed."""
    for step in steps(page):
        if isinstance(step, File):
            path = folder / step.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(step.text)
        else:
            run(step, folder, environment)


def run(command: Command, folder: Path, environment: Mapping[str, str]) -> None:
    """Run one command. Its output is read as it comes, so that nothing is waited for but its lines."""
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    # What is printed has to come at once; a warning is an error, as in the other tests.
    behaviour = {"PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": "error", "COLUMNS": "200"}
    with subprocess.Popen(
        ["bash", "-c", command.words],
        cwd=folder,
        env={**os.environ, "PATH": programs, **behaviour, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # As at a terminal, where Ctrl-C is for all that a command has started.
        start_new_session=True,
    ) as child:
        assert child.stdout is not None
        watch = Timer(LONGEST, child.kill)
        watch.start()
        try:
            if command.after is not None:
                # The lines last: of what is printed not one more is waited for.
                seen = [line for _, line in zip(command.printed, child.stdout, strict=False)]
                compare(command.words, "".join(seen), command.printed)
                os.killpg(child.pid, signal.SIGINT)
            rest = child.stdout.read()
            wanted, code = (command.printed, 0) if command.after is None else (command.after, 130)
            compare(command.words, rest, wanted)
            assert child.wait() == code, f"$ {command.words} ended with {child.wait()}, not {code}:\n{rest}"
        finally:
            watch.cancel()
            child.kill()


def compare(words: str, printed: str, wanted: list[str]) -> None:
    lines = printed.splitlines()
    alike = len(lines) == len(wanted) and all(map(is_like, lines, wanted))
    assert alike, "\n".join([f"$ {words}", *lines, "--- and the page says:", *wanted])


def is_like(line: str, wanted: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, wanted.split(ANYTHING))), line) is not None
