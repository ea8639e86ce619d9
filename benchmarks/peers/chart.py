"""Draws one database's ratios as an SVG: a row for each piece of work, a mark for each side, a log axis.

No library; light and dark by the reader's own setting. Ours are large, in the one strong colour.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10
from typing import Any

from benchmarks.harness import BARE, OURS
from benchmarks.peers.sides import OURS_SYNC

WIDTH, LEFT, RIGHT = 900, 215, 30
ROW, LANE, NEAR = 46, 13, 15
"""Height of a row; how far marks are moved apart that would stand nearer than NEAR."""
LEGEND_COLUMN, LEGEND_LINE = 215, 22
STEPS = (1, 2, 5)

STYLE = """
  svg { --ground: #ffffff; --text: #1f2328; --quiet: #59636e; --line: #d9dee3; --ours: #d1242f; }
  svg { --a: #0969da; --b: #1a7f37; --c: #8250df; --d: #b35900; --e: #0e7c86; --f: #6e7781; }
  @media (prefers-color-scheme: dark) {
    svg { --ground: #0d1117; --text: #e6edf3; --quiet: #9198a1; --line: #30363d; --ours: #ff6b6b; }
    svg { --a: #58a6ff; --b: #4ac26b; --c: #c297ff; --d: #f0a04b; --e: #56d4dd; --f: #a8b1bb; }
  }
  text { font: 13px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: var(--text); }
  .quiet { fill: var(--quiet); font-size: 11px; }
  .strong { font-weight: 600; }
"""

# Shapes around (0, 0), so that no reader has to rely on colours alone.
SQUARE = "M-5-5h10v10h-10z"
TRIANGLE = "M0-6L6 5H-6z"
DOWN = "M0 6L6-5H-6z"
DIAMOND = "M0-7L6.5 0L0 7L-6.5 0z"
DISC = "M-5.5 0a5.5 5.5 0 1 0 11 0a5.5 5.5 0 1 0-11 0z"
BIG = "M-8 0a8 8 0 1 0 16 0a8 8 0 1 0-16 0z"
CROSS = "M-2-6h4v4h4v4h-4v4h-4v-4h-4v-4h4z"


@dataclass(frozen=True, slots=True)
class Look:
    """How a side is drawn: synchronous sides are hollow."""

    shape: str
    colour: str
    hollow: bool = False

    def draw(self, x: float, y: float, title: str) -> str:
        fill = "var(--ground)" if self.hollow else f"var(--{self.colour})"
        width = (3 if self.colour == "ours" else 2) if self.hollow else 0
        return (
            f'<path d="{self.shape}" transform="translate({x:.1f} {y:.1f})"'
            f' style="fill: {fill}; stroke: var(--{self.colour}); stroke-width: {width}">'
            f"<title>{escape(title)}</title></path>"
        )


LOOKS: Mapping[str, Look] = {
    OURS: Look(BIG, "ours"),
    OURS_SYNC: Look(BIG, "ours", hollow=True),
    "SQLAlchemy Core": Look(SQUARE, "a"),
    "SQLAlchemy ORM": Look(TRIANGLE, "b"),
    "SQLModel": Look(DOWN, "c"),
    "Tortoise": Look(DIAMOND, "d"),
    "Piccolo": Look(CROSS, "e"),
    "SQLAlchemy ORM sync": Look(TRIANGLE, "b", hollow=True),
    "Peewee": Look(SQUARE, "f", hollow=True),
    "Django": Look(DIAMOND, "e", hollow=True),
}
OTHER = Look(DISC, "f")


@dataclass(frozen=True, slots=True)
class Axis:
    """Ratios from `low` to `high`, powers of ten or their halves, on a log scale."""

    low: float
    high: float

    def x(self, ratio: float) -> float:
        part = (log10(ratio) - log10(self.low)) / (log10(self.high) - log10(self.low))
        return LEFT + part * (WIDTH - LEFT - RIGHT)

    def ticks(self) -> list[float]:
        powers = range(floor(log10(self.low)), ceil(log10(self.high)) + 1)
        every = [step * 10.0**power for power in powers for step in STEPS]
        return [tick for tick in every if self.low * 0.999 <= tick <= self.high * 1.001]


def axis(ratios: Sequence[float]) -> Axis:
    """From the step below the least to the step above the greatest, 1 within."""
    steps = [step * 10.0**power for power in range(-4, 7) for step in STEPS]
    least, greatest = min(*ratios, 1.0) * 0.9, max(*ratios, 1.0) * 1.1
    return Axis(max(s for s in steps if s <= least), min(s for s in steps if s >= greatest))


def chart(title: str, group: Mapping[str, Any]) -> str:
    """The SVG of one database's rows (as in `peers.json`)."""
    rows: Sequence[Any] = group["rows"]
    sides = [name for name in group["sides"] if name != BARE]
    scale = axis([ratio for row in rows for ratio in row["ratio"].values()])
    columns = (WIDTH - 40) // LEGEND_COLUMN
    top = 62 + LEGEND_LINE * ceil(len(sides) / columns) + 14
    bottom = top + ROW * len(rows)
    height = bottom + 46
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}"'
        f' height="{height}" role="img" aria-label="{escape(title)}">',
        f"<style>{STYLE}</style>",
        f'<rect width="{WIDTH}" height="{height}" style="fill: var(--ground)"/>',
        f'<text x="20" y="28" class="strong" style="font-size: 16px">{escape(title)}</text>',
        '<text x="20" y="46" class="quiet">time as a ratio to the bare driver, log axis; left is faster;'
        " hollow marks are synchronous</text>",
        *_legend(sides, columns),
        *_grid(scale, top, bottom),
    ]
    for number, row in enumerate(rows):
        parts += _row(row, sides, scale, top + ROW * number)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _legend(sides: Sequence[str], columns: int) -> Iterator[str]:
    for number, side in enumerate(sides):
        x = 28 + LEGEND_COLUMN * (number % columns)
        y = 70 + LEGEND_LINE * (number // columns)
        yield LOOKS.get(side, OTHER).draw(x, y, side)
        weight = ' class="strong"' if side in (OURS, OURS_SYNC) else ""
        yield f'<text x="{x + 14}" y="{y + 4.5}"{weight}>{escape(side)}</text>'


def _grid(scale: Axis, top: float, bottom: float) -> Iterator[str]:
    for tick in scale.ticks():
        x = scale.x(tick)
        bare = abs(tick - 1) < 1e-9
        look = "stroke: var(--quiet); stroke-width: 1.5" if bare else "stroke: var(--line); stroke-width: 1"
        yield f'<path d="M{x:.1f} {top}V{bottom}" style="{look}"/>'
        yield f'<text x="{x:.1f}" y="{bottom + 18}" class="quiet" text-anchor="middle">{tick:g}</text>'
        if bare:
            yield f'<text x="{x:.1f}" y="{bottom + 34}" class="quiet" text-anchor="middle">bare driver</text>'


def _row(row: Mapping[str, Any], sides: Sequence[str], scale: Axis, top: float) -> Iterator[str]:
    middle = top + ROW / 2
    yield f'<path d="M20 {top}H{WIDTH - RIGHT}" style="stroke: var(--line); stroke-width: 1"/>'
    yield f'<text x="20" y="{middle + 4.5}">{escape(row["name"])}</text>'
    ratios = {side: row["ratio"][side] for side in sides if side in row["ratio"]}
    places = apart({side: scale.x(ratio) for side, ratio in ratios.items()})
    # Ours last, so that nothing covers them.
    for side in sorted(ratios, key=lambda name: name in (OURS, OURS_SYNC)):
        x, lane = places[side]
        title = f"{side}: {ratios[side]:.2f}"
        yield LOOKS.get(side, OTHER).draw(x, middle + lane * LANE, title)


def apart(places: Mapping[str, float]) -> dict[str, tuple[float, float]]:
    """Each side's x with a lane: 0 is the row's middle, and marks that would overlap get others."""
    taken: list[tuple[float, float]] = []
    found: dict[str, tuple[float, float]] = {}
    # Ours keep the middle.
    for side, x in sorted(places.items(), key=lambda item: (item[0] not in (OURS, OURS_SYNC), item[1])):
        lanes = (0.0, -1.0, 1.0, -0.5, 0.5)
        free = [
            lane
            for lane in lanes
            if all(abs(x - other) >= NEAR or abs(lane - their) >= 0.99 for other, their in taken)
        ]
        lane = free[0] if free else 0.0
        taken.append((x, lane))
        found[side] = x, lane
    return found
