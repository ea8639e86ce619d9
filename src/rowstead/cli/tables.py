"""Rows for people: a table of text. Knows no command."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

WIDEST = 60
"""Columns of the terminal that one cell takes at most."""


def lines(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[str]:
    """A heading, a rule, and a line for each row; numbers stand on the right."""
    cells = [[_cell(row[name]) for name in names] for row in rows]
    heads = [_clipped(_printable(name)) for name in names]
    widths = [max(map(_width, column)) for column in zip(heads, *cells, strict=True)]
    right = [bool(rows) and all(_is_number(row[name]) for row in rows) for name in names]
    return [
        _line(heads, widths, right),
        "  ".join("-" * width for width in widths),
        *(_line(row, widths, right) for row in cells),
    ]


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


def _cell(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    return _clipped(_printable(str(value)))


def _printable(text: str) -> str:
    """Without what moves a terminal's cursor or changes its colours: a row may hold anything."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _width(text: str) -> int:
    """How many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )


def _clipped(text: str) -> str:
    if _width(text) <= WIDEST:
        return text
    kept = text[: WIDEST - 1]
    while _width(kept) > WIDEST - 1:
        kept = kept[:-1]
    return kept + "…"


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded: list[str] = []
    for cell, width, to_the_right in zip(cells, widths, right, strict=True):
        space = " " * (width - _width(cell))
        padded.append(space + cell if to_the_right else cell + space)
    return "  ".join(padded).rstrip()
