"""The blocks of docs/repository on PostgreSQL and MariaDB."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs_on_servers import DRIVERS, collected, name_of, place_of, run_there
from test_docs import ROOT, Snippet

PAGES = ROOT / "docs" / "repository"


@pytest.fixture(params=DRIVERS)
def place(request: pytest.FixtureRequest) -> str:
    """The address of an empty database on a server."""
    return place_of(request)


@pytest.mark.parametrize("chain", list(collected(PAGES)), ids=name_of)
def test_the_snippet_runs_on_a_server(chain: list[Snippet], place: str, tmp_path: Path) -> None:
    run_there(chain, place, tmp_path)


def test_pages_are_run() -> None:
    files = {Path(chain[0].file).name for chain in collected(PAGES)}
    assert files >= {"index.md", "models.md", "repositories.md", "transactions.md", "bulk.md", "testing.md"}
