"""The blocks of docs/kit on PostgreSQL: those of pages that say so, and those that need a server.

They are run as `test_docs.py` runs them on SQLite, with the address of an empty database in the place
of the file, or of the server, that the page names. The two pages must differ in nothing else.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from test_docs import ROOT, Snippet, chains, run, snippets

PAGES = ROOT / "docs" / "kit"
MARK = "<!-- every block also runs on PostgreSQL -->"
NEEDED = "needs a PostgreSQL server"
PLACE = re.compile(r'"(?:[\w-]+\.db|postgresql://[^"]*)"')


def on_a_server(page: str, file: str) -> Iterator[list[Snippet]]:
    """The chains of a page that are to run on a server, and name a place."""
    marked = MARK in page
    for chain in chains(snippets(page, file)):
        wanted = chain[0].norun == NEEDED or (marked and chain[0].norun is None)
        if wanted and any(PLACE.search(snippet.text) for snippet in chain):
            yield chain


def moved(chain: list[Snippet], url: str) -> list[Snippet]:
    """The chain with its places in a server; it is run."""
    return [
        replace(snippet, text=PLACE.sub(lambda _: repr(url), snippet.text), norun=None) for snippet in chain
    ]


def collected() -> list[list[Snippet]]:
    return [
        chain
        for page in sorted(PAGES.glob("*.md"))
        for chain in on_a_server(page.read_text(), str(page.relative_to(ROOT)))
    ]


def run_chain(chain: list[Snippet], folder: Path) -> None:
    if any("asyncio.run(" in snippet.text for snippet in chain):
        with pytest.raises(StopIteration):
            run(chain, folder).send(None)
    else:
        asyncio.run(run(chain, folder))


@pytest.mark.parametrize("chain", collected(), ids=lambda chain: f"{chain[0].file}:{chain[0].line}")
def test_the_snippet_runs_on_postgresql(chain: list[Snippet], postgres_url: str, tmp_path: Path) -> None:
    run_chain(moved(chain, postgres_url), tmp_path)
    assert list(tmp_path.glob("*.db")) == []


def test_pages_are_found() -> None:
    pages = {chain[0].file for chain in collected()}
    assert {"docs/kit/tutorial.md", "docs/kit/postgresql.md", "docs/kit/async.md"} <= pages


# Controls: a block that is not run, or runs elsewhere, would pass.

PAGE = f"""{MARK}

```python
place = "a.db"
```

```python norun: shows a mistake
place = "b.db"
```

```python norun: {NEEDED}
place = "postgresql://me@here/c"
```
"""


def test_the_places_of_a_page_are_moved() -> None:
    first, second = (moved(chain, "url") for chain in on_a_server(PAGE, "x.md"))
    assert [snippet.text for snippet in first + second] == ["place = 'url'\n"] * 2


def test_a_page_without_the_mark_runs_only_what_needs_a_server() -> None:
    assert [chain[0].line for chain in on_a_server(PAGE.replace(MARK, ""), "x.md")] == [12]


def test_a_failing_block_fails(tmp_path: Path) -> None:
    (chain,) = on_a_server(f'{MARK}\n```python\nassert "a.db" == "a.db "\n```\n', "x.md")
    with pytest.raises(AssertionError):
        run_chain(moved(chain, "url"), tmp_path)
