"""Runs the blocks of a folder of docs/ on PostgreSQL and MariaDB, as `test_docs.py` runs them on SQLite.

The address of an empty database stands in the place of the page's file; nothing else differs. A page is run
in a process of its own, since a process has one registry of models and one of services.
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

PLACE = re.compile(r'"sqlite(\+aiosqlite)?:///[^"]*"')
VARIABLE = "ROWSTEAD_DOCS_URL"
"""Where the process finds the address: a command line would show it."""
DRIVERS = ("asyncpg", "psycopg", "mariadb")


def collected(folder: Path) -> Iterator[list[Snippet]]:
    """The chains of the folder's pages that name a file of SQLite's."""
    for page in sorted(folder.glob("*.md")):
        for chain in chains(snippets(page.read_text(), str(page.relative_to(ROOT)))):
            if any(PLACE.search(snippet.text) for snippet in chain if snippet.norun is None):
                yield chain


def name_of(chain: list[Snippet]) -> str:
    """Where it begins."""
    return f"{chain[0].file}:{chain[0].line}"


def place_of(request: pytest.FixtureRequest) -> str:
    """The address of an empty database on the server that the fixture's parameter, one of DRIVERS, names."""
    if request.param == "mariadb":
        return request.getfixturevalue("mariadb_url")
    return with_driver(request.getfixturevalue("postgres_url"), request.param)


def run_there(chain: list[Snippet], place: str, folder: Path) -> None:
    """Run the chain in a process of its own; no file of SQLite's comes to be."""
    paths = os.pathsep.join([str(ROOT / "tests"), str(ROOT / "scripts")])
    done = subprocess.run(
        [sys.executable, "-W", "error", __file__, chain[0].file, str(chain[0].line), str(folder)],
        env={**os.environ, VARIABLE: place, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert [*folder.glob("*.db"), *folder.glob("*.sqlite")] == []


def main(file: str, line: str, folder: str) -> None:
    """Run one chain with its places on the server."""
    page = (ROOT / file).parent
    (chain,) = [each for each in collected(page) if (each[0].file, each[0].line) == (file, int(line))]
    url = repr(os.environ[VARIABLE])
    run_here([replace(snippet, text=PLACE.sub(url, snippet.text)) for snippet in chain], Path(folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
