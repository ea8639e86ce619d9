"""The oldest Python that the project names can run the service."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
import tomllib
from pathlib import Path

import rowstead.service

ROOT = Path(__file__).parents[2]


def test_service_k15_every_module_of_the_service_is_imported_by_this_python() -> None:
    modules = [each.name for each in pkgutil.walk_packages(rowstead.service.__path__, "rowstead.service.")]
    assert "rowstead.service.app" in modules
    program = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)\nprint('all')"
    words = [sys.executable, "-W", "error", "-c", program, *modules]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("all\n", "")


def test_service_k15_the_project_promises_311_and_is_checked_for_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["requires-python"] == ">=3.11"
    # What is checked by pyright and ruff for 3.11 holds no syntax that only later ones know.
    assert project["tool"]["pyright"]["pythonVersion"] == "3.11"
    assert project["tool"]["ruff"]["target-version"] == "py311"
