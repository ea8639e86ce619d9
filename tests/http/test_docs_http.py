"""docs/service/http.md, followed word for word beside a running server; its tables are the code's."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from conftest import Backend, backend_of
from followed_page import File, follow, steps
from rowstead.service.http import Limits
from with_postgres import free_port

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "service" / "http.md"
EXAMPLE = ROOT / "examples" / "service_app"
SERVE = "rowstead app serve app.yaml\n```\n"
"""The end of the block after which the reader's server runs."""
TOKENS = {"ADA_TOKEN": "ada-has-a-long-token", "EVE_TOKEN": "eve-has-a-long-token"}


@pytest.fixture(params=["sqlite", "asyncpg"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    return backend_of(request, tmp_path)


def test_the_page_says_what_happens(backend: Backend, tmp_path: Path) -> None:
    folder = tmp_path / "reader"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__", "*.db"))
    # The reader has port 8000 to themselves; we may not.
    page = PAGE.read_text().replace("8000", str(free_port()))
    before, serve, after = page.partition(SERVE)
    assert serve
    environment = {**TOKENS, "DATABASE_URL": backend.url, "PYTHONDONTWRITEBYTECODE": "1"}
    follow(before, folder, environment)
    with subprocess.Popen(
        [sys.executable, "-m", "rowstead", "app", "serve", "app.yaml"],
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        try:
            assert server.stdout is not None
            assert server.stdout.readline().startswith("serving on http://127.0.0.1:")
            follow(after, folder, environment)
            server.send_signal(signal.SIGTERM)
            assert server.wait(60) == 0
        finally:
            server.kill()


def test_its_application_is_the_tutorials_and_one_service_more() -> None:
    (file,) = [step for step in steps(PAGE.read_text()) if isinstance(step, File) and step.name == "app.yaml"]
    example = (EXAMPLE / "app.yaml").read_text()
    assert file.text.startswith(example)
    assert "cls: HTTPService" in file.text.removeprefix(example)


def test_the_table_of_limits_is_the_codes() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| ([\d.]+) \|", PAGE.read_text(), re.M))
    assert rows == {each.name: str(each.default) for each in fields(Limits)}
