"""The table of figures itself: what is said is kept, the last word counts, a failure shows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .figures import FILE_VARIABLE, Figure, document, judged, record_figure, recorded


def said(path: Path, monkeypatch: pytest.MonkeyPatch, *figures: tuple[str, object]) -> list[Figure]:
    """What a session that said these figures remembers."""
    monkeypatch.setenv(FILE_VARIABLE, str(path))
    for name, figure in figures:
        record_figure(name, figure, 0, "9 of 10")
    return recorded(path)


def test_of_a_figure_said_twice_the_last_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = said(tmp_path / "f", monkeypatch, ("lost", 3), ("twice", 1), ("lost", 0))
    assert [(f.name, f.result, f.goal, f.control) for f in figures] == [
        ("lost", "0", "0", "9 of 10"),
        ("twice", "1", "0", "9 of 10"),
    ]


def test_a_figure_of_a_failed_test_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = said(tmp_path / "f", monkeypatch, ("lost", 3))
    this = os.environ["PYTEST_CURRENT_TEST"].rpartition(" ")[0]
    assert judged(figures, {this}, "2026-01-02")[0].result == "FAILED: 3"
    assert judged(figures, {"another"}, "2026-01-02")[0].result == "3"


def test_a_run_of_one_file_keeps_the_other_lines_of_the_document() -> None:
    first = document(
        [Figure("a", "0", "c", "1", "2026-01-01"), Figure("b|x", "0", "c", "2", "2026-01-01")], ""
    )
    second = document([Figure("a", "0", "c", "7", "2026-01-02")], first)
    assert second.splitlines()[-2:] == ["| a | 0 | c | 7 | 2026-01-02 |", "| b/x | 0 | c | 2 | 2026-01-01 |"]
    assert second.count("| figure |") == 1
