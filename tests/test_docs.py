"""Every Python snippet of the README and of docs/ is run, as a reader would run it.

A block begins with ```python. It runs in a namespace and an empty working folder of its own; `await`
at the top level is allowed. What stands after the word changes that:

    ```python continued                      goes on in the namespace and folder of the block before
    ```python norun: needs a PostgreSQL      is only compiled; the reason is required
    ```python file: tasks.py                 likewise: a file of a page that is followed, see `followed_page`

A block that does not say `norun` must run on SQLite, with nothing but Rowstead. Blocks with models or
services run in a process of their own: a process has one registry of each, and pages may call theirs alike.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
import subprocess
import sys
import types
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
FOLLOWED = {"docs/service/http.md", "docs/service/tutorial.md"}
"""Pages that a test follows from top to bottom, which may have blocks that are files."""
FILE = re.compile(r"^```\w+ file: ", re.M)
FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```[ ]*$", re.M | re.S)
ALONE = ("rowstead.repository", "rowstead.service")
"""What makes a block run in a process of its own."""
LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?P<target>[^)\s]+)\)")


@dataclass(frozen=True, slots=True)
class Snippet:
    """One block of Python in a document."""

    file: str
    line: int
    text: str
    continued: bool = False
    norun: str | None = None
    """Why it is not run."""


class BadFence(ValueError):
    """A fence that says something unknown; the message names the file and the line."""


def documents() -> list[Path]:
    """The README and everything in docs/, with what each folder in it holds."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def snippets(document: str, file: str) -> Iterator[Snippet]:
    """The Python blocks of a document. Raises BadFence."""
    for fence in FENCE.finditer(document):
        word, _, rest = fence["info"].strip().partition(" ")
        if word not in ("python", "py"):
            continue
        line = document.count("\n", 0, fence.start("text")) + 1
        indent = len(fence["indent"])
        text = "\n".join(part[indent:] for part in fence["text"].splitlines()) + "\n"
        yield Snippet(file, line, text, *fence_says(rest.strip(), f"{file}:{line - 1}"))


def fence_says(words: str, where: str) -> tuple[bool, str | None]:
    """Whether the block goes on from the one before, and why it is not run."""
    if words in ("", "continued"):
        return words == "continued", None
    kind, _, reason = words.partition(":")
    if kind.strip() not in ("norun", "file") or not reason.strip():
        raise BadFence(
            f"{where}: a fence says `python`, `python continued`, `python norun: reason` or "
            f"`python file: name`, not {words!r}"
        )
    return False, reason.strip()


def chains(found: Iterator[Snippet]) -> list[list[Snippet]]:
    """Blocks that share a namespace, together."""
    result: list[list[Snippet]] = []
    for snippet in found:
        if not snippet.continued:
            result.append([snippet])
        elif result and result[-1][-1].norun is None:
            result[-1].append(snippet)
        else:
            raise BadFence(f"{snippet.file}:{snippet.line - 1}: no block before this one was run")
    return result


async def run(chain: list[Snippet], folder: Path) -> dict[str, Any]:
    """Run blocks one after another in `folder`; their namespace. Tracebacks point into the document."""
    # As the program itself, so that `if __name__ == "__main__"` holds and Pydantic finds the names.
    program = types.ModuleType("__main__")
    with chdir(folder), pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "__main__", program)
        for snippet in chain:
            code = compiled(snippet)
            if snippet.norun is None and inspect.isawaitable(waiting := eval(code, vars(program))):
                await waiting
    return vars(program)


def compiled(snippet: Snippet) -> Any:
    text = "\n" * (snippet.line - 1) + snippet.text
    return compile(text, snippet.file, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)


def collected() -> list[list[Snippet]]:
    found: list[list[Snippet]] = []
    for document in documents():
        if document.exists():
            found += chains(snippets(document.read_text(), str(document.relative_to(ROOT))))
    return found


@pytest.mark.parametrize("chain", collected(), ids=lambda chain: f"{chain[0].file}:{chain[0].line}")
def test_the_snippet_runs(chain: list[Snippet], tmp_path: Path) -> None:
    if any(face in snippet.text for snippet in chain for face in ALONE):
        run_alone(chain, tmp_path)
    else:
        run_here(chain, tmp_path)


def run_here(chain: list[Snippet], folder: Path) -> None:
    if any("asyncio.run(" in snippet.text for snippet in chain):
        # Such a block makes its own event loop, so it must find none; it awaits nothing at its top.
        with pytest.raises(StopIteration):
            run(chain, folder).send(None)
    else:
        asyncio.run(run(chain, folder))


def run_alone(chain: list[Snippet], folder: Path) -> None:
    """Run the chain in a process of its own, in which a warning is an error too."""
    words = [sys.executable, "-W", "error", __file__, chain[0].file, str(chain[0].line), str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_only_pages_that_are_followed_have_files() -> None:
    with_files = {
        str(document.relative_to(ROOT)) for document in documents() if FILE.search(document.read_text())
    }
    assert with_files == FOLLOWED


def test_the_readme_shows_python() -> None:
    assert [chain for chain in collected() if chain[0].file == "README.md"] != []


def test_every_link_between_documents_leads_somewhere() -> None:
    broken = [
        f"{document.relative_to(ROOT)}: {target}"
        for document in documents()
        for target in LINK.findall(document.read_text())
        if "://" not in target
        and not target.startswith(("#", "mailto:"))
        and not (document.parent / target.partition("#")[0]).exists()
    ]
    assert broken == []


# Controls: what the reader of snippets makes of small documents.

DOCUMENT = """
Text.

```python
x = 1
```

```python continued
x += 1
```

```console
$ not python
```

- in a list

  ```python
  import asyncio
  y = await asyncio.sleep(0, "slept")
  ```

```python norun: needs a server
connect()
```
"""


def test_blocks_are_found_with_their_lines_and_chained() -> None:
    found = chains(snippets(DOCUMENT, "x.md"))
    assert [[(s.line, s.norun) for s in chain] for chain in found] == [
        [(5, None), (9, None)],
        [(19, None)],
        [(24, "needs a server")],
    ]


async def test_a_chain_shares_its_names_and_may_await(tmp_path: Path) -> None:
    first, second, third = chains(snippets(DOCUMENT, "x.md"))
    assert (await run(first, tmp_path))["x"] == 2
    assert (await run(second, tmp_path))["y"] == "slept"
    assert "connect" not in await run(third, tmp_path)


async def test_a_failing_block_fails_at_its_line_in_the_document(tmp_path: Path) -> None:
    (chain,) = chains(snippets("\n```python\nx = 1\nassert x == 2\n```\n", "x.md"))
    with pytest.raises(AssertionError) as caught:
        await run(chain, tmp_path)
    assert caught.traceback[-1].lineno == 3


async def test_a_block_that_is_not_run_must_still_be_python(tmp_path: Path) -> None:
    (chain,) = chains(snippets("```python norun: shows a mistake\nx = = 1\n```\n", "x.md"))
    with pytest.raises(SyntaxError):
        await run(chain, tmp_path)


@pytest.mark.parametrize("words", ["norun", "norun:", "file:", "skip", "continue", "continued norun: x"])
def test_a_fence_that_says_something_else_is_refused(words: str) -> None:
    with pytest.raises(BadFence, match=r"x\.md:1: a fence says"):
        list(snippets(f"```python {words}\n```\n", "x.md"))


def test_a_block_cannot_go_on_from_one_that_was_not_run() -> None:
    text = "```python norun: reason\n```\n```python continued\n```\n"
    with pytest.raises(BadFence, match=r"x\.md:3: no block before this one was run"):
        chains(snippets(text, "x.md"))


async def test_a_block_runs_as_the_program_in_a_folder_of_its_own(tmp_path: Path) -> None:
    text = "import os, sys\nhere = os.getcwd()\nsame = sys.modules[__name__].here == here"
    (chain,) = chains(snippets(f"```python\n{text}\n```\n", "x.md"))
    names = await run(chain, tmp_path)
    assert (names["__name__"], names["here"], names["same"]) == ("__main__", str(tmp_path), True)


def test_a_block_may_call_asyncio_run(tmp_path: Path) -> None:
    text = "import asyncio\nasync def main():\n    raise KeyError('ran')\nasyncio.run(main())"
    chain = [Snippet("x.md", 1, text)]
    with pytest.raises(KeyError, match="ran"):
        test_the_snippet_runs(chain, tmp_path)


def main(file: str, line: str, folder: str) -> None:
    """Run one chain of a document, as `run_alone` asks."""
    (chain,) = [each for each in collected() if (each[0].file, each[0].line) == (file, int(line))]
    run_here(chain, Path(folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
