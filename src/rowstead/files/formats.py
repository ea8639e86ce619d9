"""Which format a file has, by its name, and its rows in that format."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

from rowstead.files.listed import json_list_rows
from rowstead.files.opening import to_read
from rowstead.files.reading import Numbered, csv_rows, json_rows
from rowstead.files.yaml_rows import yaml_rows
from rowstead.tables.schema import Table

RowsOf: TypeAlias = Callable[[Table, Iterable[str], str], Iterator[Numbered]]

FORMATS: Mapping[str, RowsOf] = {
    ".csv": csv_rows,
    ".json": json_list_rows,
    ".jsonl": json_rows,
    ".ndjson": json_rows,
    ".yaml": yaml_rows,
    ".yml": yaml_rows,
}
"""By the ending of the file's name: what reads its rows."""


def rows_of_file(table: Table, path: Path) -> Iterator[Numbered]:
    """The rows of a file, in the file's order. ValidationError names the file, and the line where it can."""
    with to_read(path) as lines:
        yield from FORMATS[path.suffix.lower()](table, lines, str(path))
