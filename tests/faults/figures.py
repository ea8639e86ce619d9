"""The figures that the fault tests measure: said where they are measured, collected, and tabled.

    from .figures import LONG, record_figure, size

    ROUNDS = size(short=3, long=50)
    record_figure("lost updates, 4 processes x 25", f"{lost} of 100", "0", f"read committed: {naive} of 100")

Knows nothing of Rowstead. A figure lives in a file of the session, so that it does not matter under
which name, or how often, this module was imported.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypeVar

VARIABLE = "ROWSTEAD_FAULTS"
"""`long` for the sizes of `make faults`."""
FILE_VARIABLE = "ROWSTEAD_FIGURES"
LONG = os.environ.get(VARIABLE, "") == "long"
DOCUMENT = Path(__file__).parents[2] / "docs" / "reliability.md"

N = TypeVar("N", int, float)

INTRODUCTION = """\
# Reliability

What the fault tests ([tests/faults](../tests/faults)) measured. `make faults` runs them at full size and
writes this table; `make soak` is the hour under load. A control is a broken variant that the same check
has to catch: where it reports nothing, the figure above it would mean nothing.

"""
COLUMNS = ("figure", "goal", "control", "last result", "date")


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table."""

    name: str
    goal: str
    control: str
    result: str
    date: str = ""
    test: str = ""
    """Which test measured it, as pytest names it."""


def size(short: N, long: N) -> N:
    """The number for the run that this is: `make test`, or `make faults`."""
    return long if LONG else short


def record_figure(name: str, figure: object, goal: object, control: object) -> None:
    """Say a figure. Call it before the assertions on it, so that a missed goal is seen too.

    `name`: what was measured, with its size ("wire cut at 597 places: acknowledged writes lost"), the
    same in each run, or the table gets a second line; `control`: what the broken variant gave.
    """
    test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
    made = Figure(name, str(goal), str(control), str(figure), test=test)
    print(f"figure: {name}: {figure} (goal {goal}; control: {control})")
    if path := os.environ.get(FILE_VARIABLE):
        with Path(path).open("a") as file:
            file.write(json.dumps(asdict(made)) + "\n")


def recorded(path: Path) -> list[Figure]:
    """What the session said so far; of one name, the last."""
    lines = path.read_text().splitlines() if path.exists() else []
    made = [Figure(**json.loads(line)) for line in lines]
    return list({figure.name: figure for figure in made}.values())


def judged(figures: list[Figure], failed: set[str], date: str) -> list[Figure]:
    """The same figures with their date; a figure of a test that failed says so."""
    return [
        replace(
            figure, date=date, result=f"FAILED: {figure.result}" if figure.test in failed else figure.result
        )
        for figure in figures
    ]


def document(figures: list[Figure], before: str) -> str:
    """docs/reliability.md with these figures; those of files that did not run stay as they were."""
    kept = {cells[0]: cells for cells in map(_cells, before.splitlines()) if cells}
    kept |= {cells[0]: cells for cells in (_row(figure) for figure in figures)}
    rows = [kept[name] for name in sorted(kept)]
    table = ["| " + " | ".join(row) + " |" for row in (COLUMNS, ("---",) * len(COLUMNS), *rows)]
    return INTRODUCTION + "\n".join(table) + "\n"


def write_document(figures: list[Figure]) -> None:
    """Put these figures into docs/reliability.md."""
    before = DOCUMENT.read_text() if DOCUMENT.exists() else ""
    DOCUMENT.write_text(document(figures, before))


def _row(figure: Figure) -> tuple[str, ...]:
    cells = (figure.name, figure.goal, figure.control, figure.result, figure.date)
    return tuple(" ".join(cell.split()).replace("|", "/") for cell in cells)


def _cells(line: str) -> tuple[str, ...] | None:
    if not line.startswith("| "):
        return None
    cells = tuple(cell.strip() for cell in line.strip().strip("|").split("|"))
    return None if len(cells) != len(COLUMNS) or cells[0] in ("figure", "---") else cells
