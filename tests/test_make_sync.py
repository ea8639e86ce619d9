"""The generator of the synchronous twins."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import make_sync

SOURCE = '''"""An asynchronous thing; see `rowstead.waiting`. Used by one task: `await thing.run()`."""

from __future__ import annotations

import asyncio  # async only
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from rowstead.drivers.base import Connection
from rowstead.errors import UsageError
from rowstead.plan import AsyncSession, arun
from rowstead.waiting import Lock, sleep


class Shared:
    awaited = "a value that both worlds exchange"


class AsyncThing:
    """Use it as `async with thing:`."""

    def __init__(self, connect: Callable[[], Awaitable[Connection]]) -> None:
        self.connect = connect
        self.work: Callable[..., Coroutine[Any, Any, dict[str, int]]] | None = None

    async def __aenter__(self) -> AsyncThing:
        await sleep(0)  # the task waits here
        return self

    async def __aexit__(self, *error: object) -> None:
        raise UsageError("use `async with thing:` and await async_name")

    async def __aiter__(self) -> AsyncIterator[Shared]:
        async for asynchronous in self.all():
            yield asynchronous

    async def all(self) -> AsyncGenerator[Shared, None]:
        if self.work is None:  # async only
            asyncio.current_task()
            raise UsageError
        async with Lock():
            yield [await self.one() async for _ in self.all()][0]

    @asynccontextmanager
    async def one(self, session: AsyncSession) -> Any:
        return f"{await arun(self.plan, session)}"
'''

TWIN = make_sync.Twin("thing.py", "sync/thing.py", names={"AsyncThing": "Thing"}, shared=("Shared",))
TWINNED = {"rowstead.waiting": "rowstead.sync.waiting", "rowstead.drivers.base": "rowstead.sync.drivers.base"}


@pytest.fixture(scope="module")
def twin() -> str:
    return make_sync.formatted(
        make_sync.convert(SOURCE, TWIN, TWINNED), make_sync.ROOT / "src/rowstead/sync/thing.py"
    )


def test_a_twin_is_synchronous_python(twin: str) -> None:
    kinds = {type(node) for node in ast.walk(ast.parse(twin))}
    assert kinds.isdisjoint({ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith})


def test_a_twin_says_where_it_comes_from(twin: str) -> None:
    assert twin.splitlines()[0] == "# Generated from rowstead/thing.py by scripts/make_sync.py; do not edit."


@pytest.mark.parametrize(
    "line",
    [
        '"""A synchronous thing; see `rowstead.sync.waiting`. Used by one thread: `thing.run()`."""',
        "from collections.abc import Callable, Generator, Iterator",
        "from contextlib import contextmanager",
        "from rowstead.errors import UsageError",
        "from rowstead.plan import SyncSession, run",
        "from rowstead.sync.drivers.base import Connection",
        "from rowstead.sync.waiting import Lock, sleep",
        "from rowstead.thing import Shared as Shared",
        "class Thing:",
        '    """Use it as `with thing:`."""',
        "    def __init__(self, connect: Callable[[], Connection]) -> None:",
        "        self.work: Callable[..., dict[str, int]] | None = None",
        "    def __enter__(self) -> Thing:",
        "        sleep(0)  # the thread waits here",
        "    def __exit__(self, *error: object) -> None:",
        '        raise UsageError("use `with thing:` and async_name")',
        "    def __iter__(self) -> Iterator[Shared]:",
        "        for asynchronous in self.all():",
        "    def all(self) -> Generator[Shared, None, None]:",
        "        with Lock():",
        "            yield [self.one() for _ in self.all()][0]",
        "    @contextmanager",
        '        return f"{run(self.plan, session)}"',
    ],
)
def test_each_word_of_waiting_has_its_counterpart(twin: str, line: str) -> None:
    assert line in twin.splitlines()


def test_what_only_the_source_needs_is_left_out(twin: str) -> None:
    assert "asyncio" not in twin
    assert "self.work is None" not in twin
    assert "class Shared" not in twin


def test_making_a_twin_again_changes_nothing(twin: str) -> None:
    assert make_sync.formatted(twin, make_sync.ROOT / "src/rowstead/sync/thing.py") == twin


def test_sharing_what_is_not_there_is_an_error() -> None:
    with pytest.raises(SystemExit, match="does not define Nothing"):
        make_sync.convert(SOURCE, make_sync.Twin("thing.py", "x.py", shared=("Nothing",)), {})


def test_the_twins_in_the_tree_are_up_to_date() -> None:
    script = Path(make_sync.__file__)
    done = subprocess.run(
        [sys.executable, str(script), "--check"], check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_check_shows_the_difference_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(make_sync, "ROOT", tmp_path)
    monkeypatch.setattr(make_sync, "TWINS", (make_sync.Twin("a.py", "sync/a.py"),))
    package = tmp_path / make_sync.PACKAGE
    package.mkdir(parents=True)
    assert make_sync.main([]) == 2
    (package / "a.py").write_text('"""A."""\n\n\nasync def f() -> None: ...\n')
    assert make_sync.main(["--check"]) == 1
    assert not (package / "sync/a.py").exists()
    assert "+def f() -> None: ..." in capsys.readouterr().out
    assert make_sync.main([]) == 0
    assert make_sync.main(["--check"]) == 0
