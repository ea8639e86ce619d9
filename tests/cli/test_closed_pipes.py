"""A command's exit code is its own, whether or not somebody reads what it prints."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import environment

FAILS = "CREATE TABLE twice (id INTEGER);\nCREATE TABLE twice (id INTEGER);\n"


@pytest.fixture(params=["out", "both"])
def closed(request: pytest.FixtureRequest) -> str:
    """Which of the command's streams nobody reads."""
    return request.param


def code(folder: Path, closed: str, *arguments: str) -> int:
    """The exit code of a command that writes into a pipe whose other end is closed."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "rowstead", "db", *arguments, "--url", "sqlite:///app.db"],
            cwd=folder,
            env=environment(),
            stdout=writing,
            stderr=writing if closed == "both" else subprocess.PIPE,
            timeout=60,
            check=False,
        )
    finally:
        os.close(writing)
    assert b"BrokenPipe" not in (done.stderr or b"")
    return done.returncode


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_the_code_is_the_commands_own(tmp_path: Path, closed: str, form: tuple[str, ...]) -> None:
    file = tmp_path / "migrations" / "00001_a.sql"
    file.parent.mkdir()
    file.write_text(f"-- +goose Up\n{FAILS}")
    assert code(tmp_path, closed, "up", *form) == 1
    file.write_text("-- +goose Up\nCREATE TABLE once (id INTEGER);\n")
    assert code(tmp_path, closed, "up", *form) == 0
    assert code(tmp_path, closed, "status", *form) == 0
    file.write_text("-- +goose Up\nCREATE TABLE other (id INTEGER);\n")
    assert code(tmp_path, closed, "status", *form) == 1
    file.write_text("CREATE TABLE other (id INTEGER);\n")
    assert code(tmp_path, closed, "status", *form) == 2
