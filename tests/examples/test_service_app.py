"""The tutorial of services, followed word for word, and the example that it leads to, on every database."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import Backend, backend_of
from followed_page import Command, File, commands, follow, steps
from rowstead import DB

ROOT = Path(__file__).parent.parent.parent
EXAMPLE = ROOT / "examples" / "service_app"
TUTORIAL = ROOT / "docs" / "service" / "tutorial.md"


@pytest.fixture(params=["sqlite", "asyncpg", "psycopg", "mariadb"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    """Each database of services, empty."""
    return backend_of(request, tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder, as the reader of the tutorial begins with."""
    folder = tmp_path / "reader"
    folder.mkdir()
    return folder


async def test_the_tutorial_says_what_happens(backend: Backend, folder: Path) -> None:
    follow(TUTORIAL.read_text(), folder, {"DATABASE_URL": backend.url})
    async with await DB.from_url(backend.url) as db:
        assert await db.fetchval("SELECT count(*) FROM tasks") == 2
        assert await db.fetchval("SELECT value FROM db_info") in (1, "1")


def test_without_a_word_of_the_database_the_tutorial_is_on_a_file(folder: Path) -> None:
    follow(TUTORIAL.read_text(), folder, {"DATABASE_URL": ""})
    assert (folder / "tasks.db").exists()


def test_the_tutorial_leads_to_the_example() -> None:
    last = {step.name: step.text for step in steps(TUTORIAL.read_text()) if isinstance(step, File)}
    files = {path.relative_to(EXAMPLE): path for path in EXAMPLE.rglob("*") if path.is_file()}
    example = {
        name.as_posix(): path.read_text()
        for name, path in files.items()
        if "__pycache__" not in name.parts and name.suffix != ".db"
    }
    assert last == example


def test_the_example_starts_on_a_new_database(backend: Backend, folder: Path) -> None:
    """Its tables are made as they are today, so that no state is run."""
    environment = {**os.environ, "DATABASE_URL": backend.url, "PYTHONDONTWRITEBYTECODE": "1"}
    for path in EXAMPLE.rglob("*.*"):
        if path.suffix in (".py", ".yaml", ".json"):
            copy = folder / path.relative_to(EXAMPLE)
            copy.parent.mkdir(exist_ok=True)
            copy.write_text(path.read_text())
    for program in ("users.py", "ask.py", "users.py"):
        words = [sys.executable, "-W", "error", program]
        done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "3 deletes: {'id': 'report', 'user_id': 1}"


# Controls: what the reader makes of small pages.

PAGE = """
```yaml file: etc/app.yaml
a: 1
```

```sh
false
```

```console
$ cat etc/app.yaml
a: 1
$ echo one two three
one … three
```
"""


def test_a_page_is_files_and_commands(folder: Path) -> None:
    assert list(steps(PAGE)) == [
        File("etc/app.yaml", "a: 1\n"),
        Command("cat etc/app.yaml", ["a: 1"]),
        Command("echo one two three", ["one … three"]),
    ]
    follow(PAGE, folder, {})
    assert (folder / "etc" / "app.yaml").read_text() == "a: 1\n"


@pytest.mark.parametrize(
    "block",
    [
        "$ echo two\none",
        "$ echo one\none\ntwo",
        "$ echo one; echo two\none",
        "$ echo one three\none … two",
        "$ false",
        "$ sh -c 'echo one; exit 3'\none",
        "$ cat\n^C\nstopped",
    ],
)
def test_a_command_that_does_something_else_is_noticed(block: str, folder: Path) -> None:
    with pytest.raises(AssertionError, match=r"\$ |ended with"):
        follow(f"```console\n{block}\n```\n", folder, {})


def test_a_command_is_interrupted_when_it_has_said_its_words(folder: Path) -> None:
    program = "trap 'echo stopped; exit 130' INT; echo started; while :; do read -t 1 line || :; done"
    (folder / "wait.sh").write_text(program)
    follow("```console\n$ bash wait.sh\nstarted\n^C\nstopped\n```\n", folder, {})


def test_a_console_begins_with_a_command() -> None:
    with pytest.raises(ValueError, match="begins with a command"):
        list(commands("one\n$ echo one\n"))
