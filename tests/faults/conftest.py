"""Collects the figures of a session, prints their table, and in the long run writes docs/reliability.md."""

from __future__ import annotations

import datetime
import os
import tempfile
from pathlib import Path

import pytest

from .behind_pooler import admin, database, pooler, url  # noqa: F401
from .figures import DOCUMENT, FILE_VARIABLE, LONG, judged, recorded, write_document


def pytest_configure(config: pytest.Config) -> None:
    descriptor, path = tempfile.mkstemp(prefix="rowstead-figures-", suffix=".jsonl")
    os.close(descriptor)
    os.environ[FILE_VARIABLE] = path


def pytest_unconfigure(config: pytest.Config) -> None:
    if path := os.environ.pop(FILE_VARIABLE, None):
        Path(path).unlink(missing_ok=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    stats = terminalreporter.stats
    failed = {report.nodeid for kind in ("failed", "error") for report in stats.get(kind, [])}
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    figures = judged(recorded(Path(os.environ[FILE_VARIABLE])), failed, today)
    if not figures:
        return
    terminalreporter.section("figures")
    for figure in figures:
        terminalreporter.write_line(f"{figure.name}: {figure.result}")
        terminalreporter.write_line(f"    goal {figure.goal}; control: {figure.control}")
    if LONG:
        write_document(figures)
        terminalreporter.write_line(f"written to {DOCUMENT.relative_to(DOCUMENT.parents[1])}")
