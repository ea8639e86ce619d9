"""Runs the same work by several sides in turn and compares their times.

Sides take turns round by round (A B C, then B C A, …), so that whatever else the machine does falls
on all alike; what is reported are medians and ratios, never a verdict in seconds. Before any time is
taken every side runs once and all must have done the same. Must not know any database.
"""

from __future__ import annotations

import gc
import inspect
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter
from typing import Any

BARE = "bare"
OURS = "rowstead"


class SidesDiffer(AssertionError):
    """Two sides of a benchmark did not do the same work: their times cannot be compared."""


def _as_it_is(result: Any) -> Any:
    return result


async def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Side:
    """One way to do the work. `run(i)` does it once, for the i-th time; it may be a coroutine function.

    `prepare` stands before each round, untimed. `seen` turns a result into what is compared between
    the sides; it may be a coroutine function that looks into the database.
    """

    name: str
    run: Callable[[int], Any]
    prepare: Callable[[], Awaitable[None]] = _nothing
    seen: Callable[[Any], Any] = _as_it_is


@dataclass(frozen=True, slots=True)
class Benchmark:
    """The same work by several sides; ratios are to the side called `bare` (the first where none is).

    `calls` is how often one round does it. `wanted` is the ratio (or, where there is only one side,
    the microseconds) that this project wants to reach.
    """

    name: str
    sides: Sequence[Side]
    calls: int = 1
    rounds: int = 15
    wanted: float | None = None


@dataclass(slots=True)
class Result:
    """Seconds of one call, by side and round."""

    benchmark: Benchmark
    seconds: dict[str, list[float]] = field(default_factory=dict[str, list[float]])

    @property
    def base(self) -> str | None:
        """The side that ratios are to."""
        return next(iter(self.seconds)) if len(self.seconds) > 1 else None

    def median(self, side: str) -> float:
        return median(self.seconds[side])

    def ratio(self, side: str) -> float | None:
        """The median of the rounds' ratios to the base: each round is compared with its own neighbour."""
        if self.base is None or side not in self.seconds:
            return None
        return median(a / b for a, b in zip(self.seconds[side], self.seconds[self.base], strict=True))

    def figure(self) -> float | None:
        """What `wanted` speaks of."""
        return self.ratio(OURS) if self.base is not None else self.median(OURS) * 1e6

    def as_json(self) -> Mapping[str, Any]:
        return {
            "name": self.benchmark.name,
            "calls": self.benchmark.calls,
            "rounds": len(next(iter(self.seconds.values()))),
            "wanted": self.benchmark.wanted,
            "figure": self.figure(),
            "microseconds": {side: self.median(side) * 1e6 for side in self.seconds},
            "ratio": {side: self.ratio(side) for side in self.seconds},
        }


async def measure(benchmark: Benchmark, quick: bool, progress: Progress) -> Result:
    """Check that the sides agree, then time them in turn."""
    await _check(benchmark)
    result = Result(benchmark, {side.name: [] for side in benchmark.sides})
    rounds = 3 if quick else benchmark.rounds
    calls = max(1, benchmark.calls // 5) if quick else benchmark.calls
    for number in range(rounds):
        progress.show(f"{benchmark.name} {number + 1}/{rounds}")
        first = number % len(benchmark.sides)
        for side in (*benchmark.sides[first:], *benchmark.sides[:first]):
            await side.prepare()
            result.seconds[side.name].append(await _round(side, number * calls, calls))
    return result


async def _round(side: Side, start: int, calls: int) -> float:
    run = side.run
    numbers = range(start, start + calls)
    gc.collect()
    if inspect.iscoroutinefunction(run):
        began = perf_counter()
        for number in numbers:
            await run(number)
    else:
        began = perf_counter()
        for number in numbers:
            run(number)
    return (perf_counter() - began) / calls


async def _check(benchmark: Benchmark) -> None:
    expected: Any = None
    for place, side in enumerate(benchmark.sides):
        await side.prepare()
        # Twice: what is compared is the warm path.
        await _once(side)
        await side.prepare()
        found = side.seen(await _once(side))
        if inspect.isawaitable(found):
            found = await found
        if place == 0:
            expected = found
        elif found != expected:
            raise SidesDiffer(
                f"{benchmark.name}: {side.name} gave {shortened(found)}, "
                f"{benchmark.sides[0].name} gave {shortened(expected)}"
            )


async def _once(side: Side) -> Any:
    result = side.run(0)
    return await result if inspect.isawaitable(result) else result


def shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:300]}…"


class Progress:
    """What is being measured, on one line of a terminal; silent where stderr is none."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()

    def show(self, text: str) -> None:
        if self._shown:
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        self.show("")


def table(title: str, results: Sequence[Result]) -> Iterator[str]:
    """A table of results as Markdown: times of one call, and ratios."""
    names = list(dict.fromkeys(side for r in results for side in r.seconds))
    others = [name for name in names if name != BARE]
    head = [title, *names, *(f"{name} / {BARE}" for name in others), "wanted"]
    rows = [_cells(result, names, others) for result in results]
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    for row in (head, ["-" * width for width in widths], *rows):
        first, *rest = (
            cell.ljust(w) if i == 0 else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        yield f"| {' | '.join((first, *rest))} |"


def _cells(result: Result, names: Sequence[str], others: Sequence[str]) -> list[str]:
    cells = [result.benchmark.name]
    cells += [duration(result.median(name)) if name in result.seconds else "" for name in names]
    for name in others:
        ratio = result.ratio(name)
        cells.append("" if ratio is None else f"{ratio:.2f}")
    wanted = result.benchmark.wanted
    unit = " µs" if result.base is None else ""
    cells.append("" if wanted is None else f"{wanted:.2f}{unit}")
    return cells


def duration(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.2f} {unit}"
    return f"{seconds * 1e6:.1f} µs"
