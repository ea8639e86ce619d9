"""Pyright in strict mode reads the files beside this one, and the mistakes made on purpose."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent


@pytest.fixture(scope="module")
def complaints() -> dict[str, dict[int, str]]:
    """What pyright says: file name -> line (from 1) -> message."""
    done = subprocess.run(
        [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, "-p", str(FOLDER)],
        capture_output=True,
        text=True,
        check=False,
    )
    # 0 and 1: it ran, without or with complaints.
    assert done.returncode in (0, 1), done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["summary"]["filesAnalyzed"] >= len(list(FOLDER.glob("*.py"))) - 1
    said: dict[str, dict[int, str]] = {}
    for one in report["generalDiagnostics"]:
        line: int = one["range"]["start"]["line"] + 1
        said.setdefault(Path(one["file"]).name, {})[line] = one["message"]
    return said


@pytest.mark.parametrize(
    "file", ["rows.py", "rows_sync.py", "repository_models.py", "repository.py", "service.py"]
)
def test_a_type_checker_knows_what_each_verb_returns(
    complaints: dict[str, dict[int, str]], file: str
) -> None:
    assert complaints.get(file, {}) == {}


def test_a_type_checker_sees_every_mistake(complaints: dict[str, dict[int, str]]) -> None:
    lines = (FOLDER / "mistakes.py").read_text().splitlines()
    wrong = [number for number, line in enumerate(lines, 1) if line.endswith("# wrong")]
    assert sorted(complaints.get("mistakes.py", {})) == wrong


def test_both_worlds_are_shown_the_same_verbs() -> None:
    words = {"async with await ": "with ", "async ": "", "await ": "", "AsyncIterator": "Iterator"}
    words |= {"rowstead import": "rowstead.sync import", "rows face": "synchronous rows face"}
    text = (FOLDER / "rows.py").read_text()
    for asynchronous, synchronous in words.items():
        text = text.replace(asynchronous, synchronous)
    assert "".join(text.split()) == "".join((FOLDER / "rows_sync.py").read_text().split())
