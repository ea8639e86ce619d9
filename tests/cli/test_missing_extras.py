"""A command that needs what is not installed says what to install, and exits with 2."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import environment

MODELS = """\
from sqlalchemy.orm import Mapped, mapped_column
from rowstead.repository import Base, IntPKMixin

class User(Base, IntPKMixin):
    __tablename__ = "users"
    name: Mapped[str] = mapped_column()
"""

WITHOUT = """\
import sys
sys.modules.update(dict.fromkeys({missing!r}))
from rowstead.cli import main
raise SystemExit(main({words!r}))
"""


def run(folder: Path, missing: list[str], words: list[str]) -> subprocess.CompletedProcess[str]:
    """The command where these modules are not installed."""
    (folder / "models.py").write_text(MODELS)
    (folder / "migrations").mkdir()
    program = WITHOUT.format(missing=missing, words=words)
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("missing", "line", "extra"),
    [
        ("alembic", "db diff --models models", "rowstead[migrate]"),
        ("alembic", "db generate first --models models", "rowstead[migrate]"),
        ("asyncpg", "db health --url postgresql+asyncpg://host/name", "rowstead[asyncpg]"),
        ("psycopg", "db up --url postgresql+psycopg://host/name", "rowstead[psycopg]"),
        ("asyncmy", "db status --url mysql+asyncmy://host/name", "rowstead[mysql]"),
        ("aiosqlite", "db init --models models", "rowstead[sqlite]"),
        # SQLAlchemy's own words, which say it too.
        ("greenlet", "db init --models models", "sqlalchemy[asyncio]"),
        ("greenlet", "db diff --models models", "sqlalchemy[asyncio]"),
        ("yaml", "db status -c config.yaml", "rowstead[config]"),
        ("yaml", "default-config", "rowstead[config]"),
        ("greenlet", "codegen generate-schemas models", "rowstead[sqlite]"),
    ],
)
def test_what_is_missing_is_named_with_what_brings_it(
    tmp_path: Path, missing: str, line: str, extra: str
) -> None:
    (tmp_path / "config.yaml").write_text("name: app\n")
    done = run(tmp_path, [missing], line.split())
    assert "Traceback" not in done.stderr
    assert (done.returncode, extra in done.stderr) == (2, True), done.stderr
    assert not list(tmp_path.glob("*.db"))


@pytest.mark.parametrize("line", ["db create first", "db status", "db lint", "version"])
def test_what_needs_no_extra_runs_without_any(tmp_path: Path, line: str) -> None:
    missing = ["alembic", "asyncpg", "psycopg", "asyncmy", "aiosqlite", "greenlet", "yaml", "typer", "rich"]
    done = run(tmp_path, missing, line.split())
    assert (done.returncode, done.stderr) == (0, "")
