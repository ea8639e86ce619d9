"""Many rows in few statements: an INSERT of one row, run for many, becomes INSERTs of many rows each.

Reads only the text that our own builders write. Knows no connection.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from rowstead.drivers.mysql_settings import written

LONGEST = 1_000_000
"""Characters of one statement, roughly: far below what a server takes unless told (16 MB)."""
MOST_ROWS = 1_000

_INSERT = re.compile(
    r"(?P<head>INSERT INTO (?:`(?:[^`]|``)*`|[^`(])*\((?:`(?:[^`]|``)*`|[^`()])*\) VALUES )"
    r"(?P<row>\((?:[^()]|\(\d*\))*\))(?P<tail>.*)",
    re.DOTALL,
)
"""`INSERT INTO table (columns) VALUES (one row) …`; a row holds parameters and the current time."""


class Batch(NamedTuple):
    """One statement, written out, and how many of the rows it is for."""

    query: str
    rows: int
    inserts: bool


def batches(text: str, rows: Sequence[Sequence[Any]], escape: Callable[[Any], str]) -> Iterator[Batch]:
    """The statements that do what `text` run for each of `rows` does, in order."""
    found = _INSERT.fullmatch(text)
    if found is None or "%s" in found["tail"]:
        inserts = text.startswith("INSERT")
        for row in rows:
            yield Batch(written(text, row, escape), 1, inserts)
        return
    head, one, tail = written(found["head"], (), escape), found["row"], written(found["tail"], (), escape)
    together: list[str] = []
    size = 0
    for row in rows:
        values = written(one, row, escape)
        if together and (size + len(values) > LONGEST or len(together) >= MOST_ROWS):
            yield Batch(head + ", ".join(together) + tail, len(together), True)
            together, size = [], 0
        together.append(values)
        size += len(values)
    if together:
        yield Batch(head + ", ".join(together) + tail, len(together), True)
