"""The isolation anomalies of the Hermitage list, through our API, for each engine, level and world.

https://github.com/ept/hermitage. Each cell has to be what the engine documents; the table stands in
docs/isolation.md, which this file checks.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from rowstead import DB
from rowstead.dialects import POSTGRESQL, Dialect
from servers import with_driver

from .anomalies import ANOMALIES, DOCUMENTED, LEVELS, SCRIPTS
from .figures import record_figure
from .stepping import (
    PATIENCE,
    ManyHandlesStage,
    OneHandleStage,
    PostgresStage,
    Stage,
    conflicts_only,
    play,
    watch_waits,
)
from .threads import in_threads

DOCUMENT = Path(__file__).parents[2] / "docs" / "isolation.md"


# Stages

Stages = Callable[..., Any]


@asynccontextmanager
async def _opened(url: str, world: str, uses: int = 1, **options: Any) -> AsyncIterator[list[Any]]:
    """A handle for so many transactions of one world; of the synchronous one, in a thread for each."""
    if world == "sync":
        # A thread cannot be cancelled: what a failing script leaves waiting must end by itself.
        async with in_threads(url, uses, statement_timeout=2 * PATIENCE, **options) as handles:
            yield handles
    else:
        async with await DB.from_url(url, **options) as handle:
            yield [handle] * uses


@pytest.fixture(params=["asyncpg", "psycopg", "psycopg, sync"])
def postgres_stage(request: pytest.FixtureRequest, postgres_url: str) -> Stages:
    driver, _, world = request.param.partition(", ")
    return lambda broken=None: _postgres(with_driver(postgres_url, driver), world, broken)


@asynccontextmanager
async def _postgres(url: str, world: str, broken: Callable[[DB], None] | None = None) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as open_handles:
        *actors, watcher = [
            (await open_handles.enter_async_context(_opened(url, world, min_size=1, max_size=1)))[0]
            for _ in range(4)
        ]
        await _fill(watcher)
        backends = [await handle.fetchval("SELECT pg_backend_pid()") for handle in actors]
        if broken is not None:
            for handle in actors:
                broken(handle)
        yield PostgresStage(actors, backends, watcher)


@pytest.fixture(params=["one handle", "many handles", "one handle, sync", "many handles, sync"])
def sqlite_stage(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stages:
    url = f"sqlite:///{tmp_path / 'test.sqlite'}"
    handles, _, world = request.param.partition(", ")
    if handles == "one handle":
        return lambda: _one_handle(url, world)
    return lambda: _many_handles(url, world, monkeypatch)


@asynccontextmanager
async def _one_handle(url: str, world: str) -> AsyncIterator[Stage]:
    async with _opened(url, world, 3) as handles:
        await _fill(handles[0])
        yield OneHandleStage(handles)


@asynccontextmanager
async def _many_handles(url: str, world: str, patch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    waiting = watch_waits(patch)
    async with AsyncExitStack() as open_handles:
        handles = [(await open_handles.enter_async_context(_opened(url, world)))[0] for _ in range(3)]
        await _fill(handles[0])
        yield ManyHandlesStage(handles, waiting)


async def _fill(db: DB) -> None:
    await db.execute("DROP TABLE IF EXISTS cells")
    await db.execute("CREATE TABLE cells (id INTEGER PRIMARY KEY, value INTEGER NOT NULL)")


# The matrix

Row = dict[str, str]
"""One level: an anomaly to `occurs`, `conflict` (prevented by a ConflictError) or `-` (cannot occur)."""


async def observed(stage: Stage, level: str | None, readonly: bool) -> Row:
    """What every script gives at this level, of several with one anomaly the worst."""
    row = dict.fromkeys(ANOMALIES, "-")
    for script in SCRIPTS:
        story = await play(stage, script.steps, level, script.readers if readonly else "")
        assert conflicts_only(story), (script, story.errors)
        if script.occurred(story):
            row[script.anomaly] = "occurs"
        elif story.errors and row[script.anomaly] == "-":
            row[script.anomaly] = "conflict"
    return row


def occurring(row: Row) -> frozenset[str]:
    return frozenset(anomaly for anomaly, seen in row.items() if seen == "occurs")


async def differing(stage: Stage, engine: str, readonly: bool = False) -> tuple[list[str], list[str]]:
    """The cells that are not what the engine documents, and the lines of the table."""
    wrong: list[str] = []
    lines: list[str] = []
    for level in LEVELS:
        row = await observed(stage, level, readonly)
        lines.append(line(engine, level or "(none given)", row))
        for anomaly in sorted(occurring(row) ^ DOCUMENTED[engine][level]):
            wrong.append(f"{engine}, {level}: {anomaly} {row[anomaly]}")
    return wrong, lines


def line(engine: str, level: str, row: Row) -> str:
    return f"| {engine} | {level} | " + " | ".join(row[anomaly] for anomaly in ANOMALIES) + " |"


HEAD = ["| engine | level | " + " | ".join(ANOMALIES) + " |", "| --- " * (2 + len(ANOMALIES)) + "|"]


def require_documented(lines: list[str]) -> None:
    """docs/isolation.md holds these lines of the table."""
    missing = [each for each in HEAD + lines if each not in DOCUMENT.read_text().splitlines()]
    assert missing == [], "docs/isolation.md lacks these lines of the table:\n" + "\n".join(missing)


# Controls


class Deaf(Dialect):
    """Whatever level is asked for, the transaction has the server's usual one."""

    def begin(self, isolation: str | None, readonly: bool) -> tuple[str, ...]:
        return ("BEGIN",)


class Bare:
    """A handle whose blocks are none: each statement is on its own."""

    def __init__(self, db: DB) -> None:
        self._db = db

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)

    def transaction(self, **_: Any) -> Any:
        return nullcontext(self._db)


async def without_transactions(db: DB) -> int:
    """How many of the anomalies a layer without transactions has."""
    bare: Any = Bare(db)
    return len(occurring(await observed(OneHandleStage([bare] * 3), None, False)))


async def without_levels(stages: Stages) -> int:
    """How many cells a driver has wrong that ignores the level."""
    deaf = Deaf(**{field.name: getattr(POSTGRESQL, field.name) for field in fields(Dialect)})

    def break_it(handle: DB) -> None:
        handle.session.driver.dialect = deaf

    async with stages(break_it) as stage:
        wrong, _ = await differing(stage, "PostgreSQL")
    return len(wrong)


# The tests


async def test_every_cell_of_postgresql_is_what_it_documents(
    postgres_stage: Stages, request: pytest.FixtureRequest
) -> None:
    async with postgres_stage() as stage:
        wrong, lines = await differing(stage, "PostgreSQL")
        by_readers, _ = await differing(stage, "PostgreSQL", readonly=True)
        bare = await without_transactions(stage.handles[0])
    deaf = await without_levels(postgres_stage)
    record(
        f"PostgreSQL by {request.node.callspec.id}",
        wrong + by_readers,
        bare,
        f"; levels ignored: {deaf} of 50",
    )
    print("\n".join(HEAD + lines))
    assert wrong + by_readers == []
    assert (bare, deaf > 0) == (len(ANOMALIES), True)
    require_documented(lines)


async def test_every_cell_of_sqlite_is_what_it_documents(
    sqlite_stage: Stages, request: pytest.FixtureRequest
) -> None:
    async with sqlite_stage() as stage:
        wrong, lines = await differing(stage, "SQLite")
        by_readers, _ = await differing(stage, "SQLite", readonly=True)
        bare = await without_transactions(stage.handles[0])
    record(f"SQLite, {request.node.callspec.id}", wrong + by_readers, bare, "")
    print("\n".join(HEAD + lines))
    assert wrong + by_readers == []
    assert bare == len(ANOMALIES)
    require_documented(lines)


def record(where: str, wrong: list[str], bare: int, more: str) -> None:
    record_figure(
        f"isolation anomalies on {where}: cells not as documented",
        f"{len(wrong)} of {2 * len(LEVELS) * len(ANOMALIES)}",
        0,
        f"no transactions: {bare} of {len(ANOMALIES)} anomalies found{more}",
    )
