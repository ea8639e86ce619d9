"""The project itself: what an import costs, and how its files are kept."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "rowstead"
HEAVY = ("sqlalchemy.orm", "alembic", "typer", "rich", "yaml", "asyncpg", "psycopg", "aiosqlite", "starlette")
FORBIDDEN_NAMES = {"utils", "util", "helpers", "common", "misc", "manager", "base2"}
MOST_LINES = 400

SAY_LOADED = f"print([m for m in {HEAVY!r} if m in sys.modules])"


def python(program: str) -> str:
    """What a fresh interpreter prints, run where nothing but Rowstead can be imported by accident."""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd="/", timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("module", ["rowstead", "rowstead.sync"])
def test_importing_rowstead_loads_no_driver_and_nothing_heavy(module: str) -> None:
    assert python(f"import sys, {module}; {SAY_LOADED}") == "[]"


def test_the_heavy_modules_would_be_seen() -> None:
    assert python(f"import sys, sqlalchemy.orm, asyncpg; {SAY_LOADED}") == "['sqlalchemy.orm', 'asyncpg']"


def test_rowstead_is_marked_as_typed() -> None:
    assert (SOURCE / "py.typed").exists()


def is_long(file: Path) -> bool:
    return len(file.read_text().splitlines()) > MOST_LINES


def is_vaguely_named(file: Path) -> bool:
    return file.stem in FORBIDDEN_NAMES


def has_no_purpose(file: Path) -> bool:
    """A module with code in it begins with its docstring."""
    text = file.read_text()
    return bool(text.strip()) and ast.get_docstring(ast.parse(text)) is None


def has_a_loose_end(file: Path) -> bool:
    return re.search(r"\b(TODO|FIXME|XXX)\b", file.read_text()) is not None


FLAWS = (is_long, is_vaguely_named, has_no_purpose, has_a_loose_end)


@pytest.mark.parametrize("flaw", FLAWS)
def test_no_source_file_has_this_flaw(flaw: Callable[[Path], bool]) -> None:
    assert [str(file.relative_to(ROOT)) for file in sorted(SOURCE.rglob("*.py")) if flaw(file)] == []


@pytest.mark.parametrize("flaw", FLAWS)
def test_the_flaw_would_be_seen(flaw: Callable[[Path], bool], tmp_path: Path) -> None:
    bad = tmp_path / "utils.py"
    bad.write_text("import os  # TO" + "DO\n" + "x = 1\n" * MOST_LINES)
    assert flaw(bad)


def test_every_extra_but_all_is_a_part_of_all() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]

    def named(extra: str) -> set[str]:
        inner = {n for line in extras[extra] for n in re.findall(r"^rowstead\[(.+)\]$", line)}
        names = {name for group in inner for name in group.split(",")}
        return names.union(*map(named, names))

    assert named("all") == set(extras) - {"all"}


def test_rows_and_kit_need_no_greenlet() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert [re.split(r"[>=]", line)[0] for line in project["dependencies"]] == ["pydantic", "sqlalchemy"]
