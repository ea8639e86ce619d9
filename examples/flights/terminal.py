"""What the demo prints: statements beside their times, progress, bars. It knows nothing of flights.

On a terminal there are colours and a moving progress bar; in a pipe, plain lines.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from rowstead import Trace

BAR = "█"
WIDEST = 120
IN_A_PIPE = 100


class Terminal:
    """Prints; and hears of every statement, as the `trace` of a `DB`."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        self._width = min(self._console.width, WIDEST) if self._console.is_terminal else IN_A_PIPE
        self._heard: list[Trace] = []

    def hear(self, statement: Trace) -> None:
        """Keep a statement until `statements` shows it."""
        self._heard.append(statement)

    def title(self, text: str) -> None:
        self._print()
        self._print(text, "bold")

    def line(self, text: str) -> None:
        for part in textwrap.wrap(text, self._width - 4) or [""]:
            self._print(f"    {part}")

    def statements(self) -> None:
        """Show what was heard, each statement with its time; equal ones in a row together."""
        for statement, times in _together(self._heard):
            took = sum(one.seconds for one in times)
            many = f"  (× {len(times)})" if len(times) > 1 else ""
            failed = "" if statement.error is None else f"  -> {type(statement.error).__name__}"
            lines = textwrap.wrap(f"{_one_line(statement.sql)}{many}{failed}", self._width - 14)
            self._print(f"{_duration(took):>12}  {lines[0]}", "cyan")
            for rest in lines[1:]:
                self._print(f"{'':14}{rest}", "cyan")
        self._heard.clear()

    def statements_in_short(self) -> None:
        """Show what was heard, a line for each text, however often and wherever it ran."""
        several: dict[str, list[float]] = {}
        for statement in self._heard:
            several.setdefault(_one_line(statement.sql), []).append(statement.seconds)
        for text, seconds in several.items():
            many = f"  (× {len(seconds)})" if len(seconds) > 1 else ""
            cut = textwrap.shorten(text, self._width - 14 - len(many), placeholder=" …")
            self._print(f"{_duration(sum(seconds)):>12}  {cut}{many}", "cyan")
        self._heard.clear()

    def bars(self, values: Sequence[tuple[str, float, str]]) -> None:
        """A horizontal bar for each (label, length, text)."""
        if not values:
            return
        widest = max(len(label) for label, _, _ in values)
        room = self._width - widest - 30
        longest = max(value for _, value, _ in values) or 1
        for label, value, text in values:
            self._print(
                f"    {label:>{widest}} {BAR * round(max(value, 0) / longest * room)} {text}", "green"
            )

    @contextmanager
    def progress(self, what: str, total: int) -> Generator[Callable[[int], None], None, None]:
        """A bar with rate and estimate while the block runs, then one line. Yields what moves it."""
        columns = (
            TextColumn("    {task.description:<9}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TextColumn("about"),
            TimeRemainingColumn(),
            TextColumn("left"),
        )
        began = perf_counter()
        done = 0
        with Progress(
            *columns, console=self._console, transient=True, disable=not self._console.is_terminal
        ) as bar:
            task = bar.add_task(what, total=total, rate="")

            def advance(rows: int) -> None:
                nonlocal done
                done += rows
                bar.update(task, advance=rows, rate=_rate(done, perf_counter() - began))

            yield advance
        seconds = perf_counter() - began
        self.line(f"{what:<9} {done:>9,} rows in {_duration(seconds):>8}  {_rate(done, seconds)}")

    def _print(self, text: str = "", style: str = "") -> None:
        self._console.print(Text(text, style), soft_wrap=True)


def _together(heard: Sequence[Trace]) -> Iterator[tuple[Trace, list[Trace]]]:
    run: list[Trace] = []
    for statement in heard:
        if run and statement.sql != run[0].sql:
            yield run[0], run
            run = []
        run.append(statement)
    if run:
        yield run[0], run


def _one_line(sql: str) -> str:
    """For the eye only: a text in which blanks matter would be another one."""
    return " ".join(sql.split())


def _duration(seconds: float) -> str:
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{seconds * 1e3:.2f} ms"


def _rate(rows: int, seconds: float) -> str:
    return f"{rows / seconds:,.0f} rows/s" if seconds > 0 else ""
