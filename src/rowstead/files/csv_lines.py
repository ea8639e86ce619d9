"""CSV that tells NULL from the empty text: nothing between two commas is NULL, `""` is the empty text.

As PostgreSQL's COPY has it. Python's own `csv` reads both as the empty text. Otherwise RFC 4180: comma,
double quotes, doubled inside; line breaks inside quotes are kept as they are. Knows no columns.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from rowstead.errors import ValidationError

Cells = list[str | None]

_CELL = re.compile(r'(?:"([^"]*(?:""[^"]*)*)"|([^",]*))(,|\Z)')
_TO_QUOTE = re.compile(r'[",\r\n]')


def line_of(cells: Sequence[str | None]) -> str:
    """One record, with its line break."""
    return ",".join([_quoted(cell) for cell in cells]) + "\n"


def _quoted(cell: str | None) -> str:
    if cell is None:
        return ""
    if cell and _TO_QUOTE.search(cell) is None:
        return cell
    return '"' + cell.replace('"', '""') + '"'


def records(lines: Iterable[str]) -> Iterator[tuple[int, Cells]]:
    """The records with the number of the line where each begins. ValidationError names the line."""
    numbered = enumerate(lines, 1)
    for number, line in numbered:
        if '"' in line:
            yield number, _cells(_whole_record(line, number, numbered), number)
        else:
            yield number, [cell or None for cell in _without_break(line).split(",")]


def _whole_record(line: str, number: int, more: Iterator[tuple[int, str]]) -> str:
    """The line with those behind it that stand inside its quotes."""
    parts = [line]
    odd = line.count('"') % 2
    while odd:
        following = next(more, None)
        if following is None:
            raise ValidationError(f'line {number}: a quote (") is opened and not closed')
        parts.append(following[1])
        odd ^= following[1].count('"') % 2
    return _without_break("".join(parts))


def _without_break(line: str) -> str:
    return line.removesuffix("\n").removesuffix("\r")


def _cells(record: str, number: int) -> Cells:
    cells: Cells = []
    position = 0
    while True:
        found = _CELL.match(record, position)
        if found is None:
            raise ValidationError(
                f'line {number}: a cell with a quote (") stands in quotes, and a quote inside it is doubled'
            )
        quoted, plain, end = found.groups()
        cells.append(quoted.replace('""', '"') if quoted is not None else plain or None)
        if not end:
            return cells
        position = found.end()
