"""Running the command as a user does: a process of its own, in the test's folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

Run: TypeAlias = Callable[..., tuple[int, str, str]]


def environment(**more: str) -> dict[str, str]:
    """The process's environment without what would name a database, and with `more`."""
    kept = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    return {name: value for name, value in kept.items() if not name.startswith("ROWSTEAD_")} | more


@pytest.fixture
def rowstead(tmp_path: Path) -> Run:
    """Runs a command line in the test's folder: its code, stdout and stderr."""

    def run(*arguments: str, **more: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, "-m", "rowstead", *arguments],
            cwd=tmp_path,
            env=environment(**more),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout, done.stderr

    return run
