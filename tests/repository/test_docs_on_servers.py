"""The blocks of docs/repository on PostgreSQL and MariaDB, as `test_docs.py` runs them on SQLite.

The address of an empty database stands in the place of the page's file; nothing else differs. A page is run
in a process of its own, since a process has one registry of models.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from servers import with_driver
from test_docs import ROOT, Snippet, chains, run_here, snippets

PAGES = ROOT / "docs" / "repository"
PLACE = re.compile(r'"sqlite\+aiosqlite:///[^"]*"')
VARIABLE = "ROWSTEAD_DOCS_URL"
"""Where the process finds the address: a command line would show it."""


def collected() -> Iterator[list[Snippet]]:
    """The chains that name a file of SQLite's."""
    for page in sorted(PAGES.glob("*.md")):
        for chain in chains(snippets(page.read_text(), str(page.relative_to(ROOT)))):
            if any(PLACE.search(snippet.text) for snippet in chain):
                yield chain


@pytest.fixture(params=["asyncpg", "psycopg", "mariadb"])
def place(request: pytest.FixtureRequest) -> str:
    """The address of an empty database on a server."""
    if request.param == "mariadb":
        return request.getfixturevalue("mariadb_url")
    return with_driver(request.getfixturevalue("postgres_url"), request.param)


@pytest.mark.parametrize("chain", list(collected()), ids=lambda chain: f"{chain[0].file}:{chain[0].line}")
def test_the_snippet_runs_on_a_server(chain: list[Snippet], place: str, tmp_path: Path) -> None:
    paths = os.pathsep.join([str(ROOT / "tests"), str(ROOT / "scripts")])
    done = subprocess.run(
        [sys.executable, "-W", "error", __file__, chain[0].file, str(chain[0].line), str(tmp_path)],
        env={**os.environ, VARIABLE: place, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(tmp_path.glob("*.db")) == []


def test_pages_are_run() -> None:
    files = {Path(chain[0].file).name for chain in collected()}
    assert files >= {"index.md", "models.md", "repositories.md", "transactions.md", "bulk.md", "testing.md"}


def main(file: str, line: str, folder: str) -> None:
    """Run one chain with its places on the server."""
    (chain,) = [each for each in collected() if (each[0].file, each[0].line) == (file, int(line))]
    url = repr(os.environ[VARIABLE])
    run_here([replace(snippet, text=PLACE.sub(url, snippet.text)) for snippet in chain], Path(folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
