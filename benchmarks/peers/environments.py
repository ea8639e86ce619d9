"""A virtual environment for each set of packages, made once and kept in `benchmarks/.environments/`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

FOLDER = Path(__file__).parent.parent / ".environments"


class NoEnvironment(RuntimeError):
    """An environment could not be made; the message says what to do."""


def python_for(needs: Sequence[str], name: str) -> str:
    """The Python that has these packages; without needs this one.

    A folder holds what was asked of it, and is made anew when that changed or its making broke off.
    """
    if not needs:
        return sys.executable
    folder = FOLDER / name
    python, stamp, asked = folder / "bin" / "python", folder / "made-for.txt", "\n".join(needs)
    if stamp.exists() and stamp.read_text() == asked and python.exists():
        return str(python)
    print(f"making an environment for {name} ({', '.join(needs)}) ...", file=sys.stderr, flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    FOLDER.mkdir(exist_ok=True)
    # The folder ignores itself, so that no other file needs to know of it.
    (FOLDER / ".gitignore").write_text("*\n")
    _run([sys.executable, "-m", "venv", str(folder)], name)
    _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *needs], name)
    stamp.write_text(asked)
    return str(python)


def _run(command: list[str], name: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoEnvironment(
            f"the environment for {name} could not be made; leave it out with --peers, or see to this:\n"
            f"$ {' '.join(command)}\n{(done.stdout + done.stderr)[-2000:]}"
        )
