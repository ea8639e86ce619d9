"""Turns the figures of a comparison (`peers.json`) into Markdown: tables, and where we are not first.

A side is compared with ours of the same form: asynchronous with asynchronous, synchronous with
synchronous. The bare driver is the measure of all and no competitor.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness import BARE, OURS, duration
from benchmarks.peers.sides import OURS_SYNC, REASONS

Data = Mapping[str, Any]
"""What `peers.json` holds: by database a group of figures, see `benchmarks.peers.__main__.figures`."""

TITLES = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}
MISSING = "–"
BUSY = 3.0
"""A run alone keeps one or two processes busy at a time: a worker and the server."""
MACHINE = ("date", "processors", "system", "Python")
BEGIN, END = "<!-- made by python -m benchmarks.peers -->", "<!-- end of peers -->"
HEADING = "## Beside the libraries that users would pick"


def machine(group: Data) -> str:
    """When and on what the figures were taken, and whether they can be trusted."""
    facts = ", ".join(f"{name} {group['machine'][name]}" for name in MACHINE)
    facts += f", load average {group['load']:.1f}"
    if group["load"] > BUSY:
        facts += (
            ". **Other programs kept the machine busy: these figures are rough, single ones may be wrong**"
        )
    return (
        f"{facts}. **A quick run: it shows that everything runs, not how fast**" if group["quick"] else facts
    )


def table(group: Data) -> Iterator[str]:
    """One database's ratios to the bare driver, as Markdown; ours are bold where we are first."""
    sides = [name for name in group["sides"] if name != BARE]
    head = ["row", f"{BARE}, one call", *sides]
    rows = [_cells(group, row, sides) for row in group["rows"]]
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    yield _line(head, widths)
    yield f"| {' | '.join(['-' * widths[0], *('-' * (w - 1) + ':' for w in widths[1:])])} |"
    for row in rows:
        yield _line(row, widths)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = zip(cells, widths, strict=True)
    return f"| {' | '.join([first[0].ljust(first[1]), *(cell.rjust(w) for cell, w in rest)])} |"


def _cells(group: Data, row: Data, sides: Sequence[str]) -> list[str]:
    behind = {ours for _, ours, _ in ahead(group, row)}
    cells = [row["name"], duration(row["microseconds"][BARE] / 1e6)]
    for side in sides:
        ratio = row["ratio"].get(side)
        shown = MISSING if ratio is None else f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"
        first = side in (OURS, OURS_SYNC) and ratio is not None and side not in behind
        cells.append(f"**{shown}**" if first else shown)
    return cells


def ours(group: Data, side: str) -> str:
    """Our side of the same form."""
    return OURS if group["sides"][side]["form"] == "asynchronous" else OURS_SYNC


def ahead(group: Data, row: Data) -> list[tuple[str, str, float]]:
    """Peers that are faster than we are in this row: their name, our side, their time by ours."""
    found: list[tuple[str, str, float]] = []
    for side, ratio in row["ratio"].items():
        if side in (BARE, OURS, OURS_SYNC):
            continue
        mine = row["ratio"].get(ours(group, side))
        if mine is not None and ratio < mine:
            found.append((side, ours(group, side), ratio / mine))
    return sorted(found, key=lambda entry: entry[2])


def not_first(database: str, group: Data) -> list[str]:
    """A line for each row and peer that is ahead of us; one line that says so where none is."""
    lines = [
        f"- {row['name']}: not first: {side} takes {by:.2f} of {mine}'s time"
        f" ({row['ratio'][side]:.2f} to {row['ratio'][mine]:.2f} of the bare driver's)."
        f" {REASONS.get((database, row['verb'], side), 'Why is not known yet.')}"
        for row in group["rows"]
        for side, mine, by in ahead(group, row)
    ]
    return lines or ["- First in every row."]


def remarks(group: Data) -> list[str]:
    """What sides leave out, and what they do in another way."""
    names = {row["verb"]: row["name"] for row in group["rows"]}
    lines: list[str] = []
    for side, said in group["sides"].items():
        lines += [
            f"- {side}, {names[verb]}: {MISSING}, {reason}."
            for verb, reason in said["left_out"].items()
            if verb in names and reason != "synchronous"
        ]
        lines += [
            f"- {side}, {names[verb]}: {note}." for verb, note in said["notes"].items() if verb in names
        ]
    return lines


def versions(name: str, group: Data) -> str:
    found = {TITLES[name]: group["version"]}
    for said in group["sides"].values():
        found |= said["versions"]
    return ", ".join(f"{package} {version}" for package, version in found.items())


def page(data: Data, settings: str) -> str:
    """`peers.md`: everything."""
    lines = [
        "# Peers",
        "",
        "Made by `make bench-peers`; not to be edited. Ratios to the bare driver's time for the",
    ]
    lines += ["same work, medians of interleaved rounds: below 1 is faster. Bold: first of its form.", ""]
    lines += [settings.strip(), ""]
    for name, group in data.items():
        lines += [
            f"## {TITLES[name]}",
            "",
            f"![ratios on a log axis](peers-{name}.svg)",
            "",
            *table(group),
            "",
        ]
        lines += [f"Taken: {machine(group)}.", "", f"Versions: {versions(name, group)}.", ""]
        lines += [
            "Where we are not first:",
            "",
            *not_first(name, group),
            "",
            "Left out, or done otherwise:",
            "",
        ]
        lines += [*remarks(group), ""]
    return "\n".join(lines).rstrip() + "\n"


def section(data: Data) -> str:
    """The part of `docs/performance.md` that is ours, between its marks."""
    lines = [
        BEGIN,
        "",
        "Ratios to the bare driver's time for the same work (asyncpg through its pool, Python's",
    ]
    lines += [
        "`sqlite3` in the same thread); below 1 is faster; bold where we are first of our form: peers with"
    ]
    lines += ["`sync`, Peewee and Django are compared with `rowstead sync`. Taken by `make bench-peers`;"]
    lines += ["[versions, settings and what is done otherwise](../benchmarks/results/peers.md).", ""]
    for name, group in data.items():
        picture = f"../benchmarks/results/peers-{name}.svg"
        lines += [f"### {TITLES[name]}", "", f"![{TITLES[name]}: ratios on a log axis]({picture})", ""]
        lines += [*table(group), "", f"Taken: {machine(group)}.", "", *not_first(name, group), ""]
    return "\n".join([*lines, END])


def put_into(document: Path, data: Data) -> None:
    """Write the section anew where its marks are, or at the end where there are none."""
    text = document.read_text(encoding="utf-8")
    if BEGIN not in text:
        text = f"{text.rstrip()}\n\n{HEADING}\n\n{BEGIN}\n{END}\n"
    pattern = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    document.write_text(pattern.sub(lambda _: section(data), text), encoding="utf-8")
