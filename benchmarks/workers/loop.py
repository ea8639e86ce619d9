"""The loop of a worker: does what each line of JSON on stdin says and answers with one on stdout.

Standard library only, so that every environment can import it. The conversation:

    {"database": "sqlite", "place": FILE or URL, "pool": 10, "size": {...}}  -> who is there: `introduction`
    {"verb": "get", "start": 0, "calls": 200}   -> {"seconds": of one call, "digest": ..., "shown": ...}

and the end of stdin closes the worker. What a verb gives is digested after the time was taken, as
plain values, so that the harness can compare the sides. A verb is one call of the peer's users.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from time import perf_counter
from typing import Any, ClassVar

from benchmarks.people import COLUMNS, named
from benchmarks.workers.work import GETS_PER_TASK, TASKS, Size, Work, works


@dataclass(frozen=True, slots=True)
class Target:
    """Where the tables are."""

    database: str
    place: str
    """A file of SQLite, or a URL that begins with postgresql://."""
    pool: int
    size: Size

    @property
    def is_sqlite(self) -> bool:
        return self.database == "sqlite"

    def url(self, scheme: str) -> str:
        """The place for peers that want a driver's name in it: `postgresql+asyncpg`."""
        if self.is_sqlite:
            return f"{scheme}:///{self.place}"
        return f"{scheme}{self.place[self.place.index('://') :]}"


class Worker:
    """One side. A subclass has a method for every verb of `work.works`, as the peer's users write it.

    Rows are objects of the peer's own model class; `people` is the table that is read, `people_new`
    the one that is written in bulk. `open` and `close` stand around it all.
    """

    packages: ClassVar[Sequence[str]] = ()
    """Whose versions are reported."""

    def __init__(self, target: Target) -> None:
        self.target = target

    def left_out(self) -> Mapping[str, str]:
        """Verbs that this peer does not have natively here, each with the reason."""
        return {}

    def notes(self) -> Mapping[str, str]:
        """Verbs that it does in another way than most, and how."""
        return {}

    def bulk(self, rows: list[tuple[Any, ...]]) -> Any:
        """What the peer's users have in hand when they write many rows; made before the time is taken."""
        return [named(row) for row in rows]

    def plain(self, row: Any) -> tuple[Any, ...]:
        """A row as plain values in the order of COLUMNS."""
        return tuple(getattr(row, name) for name in COLUMNS)


class AsyncWorker(Worker):
    """A side whose verbs are coroutines."""

    async def tasks(self) -> list[Any]:
        """Fifty tasks at once, each with ten gets in turn."""

        async def one(task: int) -> list[Any]:
            get: Any = self.get  # pyright: ignore[reportAttributeAccessIssue]
            start = task * GETS_PER_TASK
            return [await get((start + n) % self.target.size.people + 1) for n in range(GETS_PER_TASK)]

        found = await asyncio.gather(*map(one, range(TASKS)))
        return [row for rows in found for row in rows]


class SyncWorker(Worker):
    """A side whose verbs are plain functions."""


def serve(make: Callable[[Target], Worker]) -> None:
    """Run a worker until stdin ends. What a library prints goes to stderr."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    first = json.loads(sys.stdin.readline())
    target = Target(**(first | {"size": Size(**first["size"])}))
    worker = make(target)
    try:
        if isinstance(worker, AsyncWorker):
            asyncio.run(_serve_async(worker, answers))
        else:
            _serve_sync(worker, answers)
    except Exception:
        # A library's threads would keep the failed process alive, and the harness waiting.
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)


async def _serve_async(worker: Any, answers: Any) -> None:
    await worker.open()
    _send(answers, introduction(worker))
    # Read in a thread, so that the peer's own tasks go on between rounds.
    while line := await asyncio.to_thread(sys.stdin.readline):
        work, calls = asked(worker, json.loads(line))
        run, given = getattr(worker, work.verb), arguments(worker, work, calls)
        gc.collect()
        began = perf_counter()
        results = [await run(*values) for values in given]
        seconds = perf_counter() - began
        _send(answers, outcome(worker, work, results, seconds))
        del results, given
    await worker.close()


def _serve_sync(worker: Any, answers: Any) -> None:
    worker.open()
    _send(answers, introduction(worker))
    while line := sys.stdin.readline():
        work, calls = asked(worker, json.loads(line))
        run, given = getattr(worker, work.verb), arguments(worker, work, calls)
        gc.collect()
        began = perf_counter()
        results = [run(*values) for values in given]
        seconds = perf_counter() - began
        _send(answers, outcome(worker, work, results, seconds))
        del results, given
    worker.close()


def _send(answers: Any, message: Mapping[str, Any]) -> None:
    answers.write(json.dumps(message) + "\n")
    answers.flush()


def introduction(worker: Worker) -> dict[str, Any]:
    """Who is there: its form, versions, what it leaves out and what it does otherwise."""
    left_out = dict(worker.left_out())
    if isinstance(worker, SyncWorker):
        left_out.setdefault("tasks", "synchronous")
    return {
        "form": "asynchronous" if isinstance(worker, AsyncWorker) else "synchronous",
        "versions": {name: version(name) for name in worker.packages},
        "left_out": left_out,
        "notes": dict(worker.notes()),
    }


def asked(worker: Worker, message: Mapping[str, Any]) -> tuple[Work, range]:
    """The work that a line asks for, and the numbers of its calls."""
    (work,) = (w for w in works(worker.target.size) if w.verb == message["verb"])
    return work, range(message["start"], message["start"] + message["calls"])


def arguments(worker: Worker, work: Work, calls: range) -> list[tuple[Any, ...]]:
    """What each call gets, made before the time is taken."""
    given = [work.arguments(worker.target.size, number) for number in calls]
    return [(worker.bulk(*values),) for values in given] if work.bulk else given


def outcome(worker: Worker, work: Work, results: list[Any], seconds: float) -> dict[str, Any]:
    """The time of one call, and what all calls gave as a digest with its beginning shown."""
    seen = [] if work.bulk else list(_plain(worker, work, results))
    return {"seconds": seconds / len(results), "digest": digest(seen), "shown": repr(seen)[:300]}


def _plain(worker: Worker, work: Work, results: list[Any]) -> Iterator[Any]:
    for result in results:
        if isinstance(result, int):
            yield result
        elif isinstance(result, list):
            rows = [_row(worker, row) for row in result]
            yield rows if work.ordered else sorted(rows)
        elif isinstance(result, tuple) and isinstance(result[0], int) and isinstance(result[1], list):
            yield result[0], [_row(worker, row) for row in result[1]]
        else:
            yield _row(worker, result)


def _row(worker: Worker, row: Any) -> tuple[Any, ...]:
    """SQLite's RETURNING gives 0 for 0.0, and some sides pass that on; only that is forgiven."""
    return tuple(
        float(value) if name == "score" else value
        for name, value in zip(COLUMNS, worker.plain(row), strict=True)
    )


def digest(values: Any) -> str:
    """The same for the same values and types, in every process."""
    return hashlib.sha256(json.dumps(values, default=str).encode()).hexdigest()[:16]
