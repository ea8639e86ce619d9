"""Rows as lines of CSV or JSON, which `reading` reads back as the same rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence

from rowstead.files.cells import to_cell, to_json_value
from rowstead.files.csv_lines import line_of
from rowstead.files.reading import Row
from rowstead.tables.schema import Table


def csv_writer(table: Table, names: Sequence[str]) -> Callable[[Iterable[Row]], Iterator[str]]:
    """What makes lines of CSV of rows."""
    writers = [(name, to_cell(table.columns[name])) for name in names]

    def lines(rows: Iterable[Row]) -> Iterator[str]:
        for row in rows:
            yield line_of([None if row[name] is None else write(row[name]) for name, write in writers])

    return lines


def json_writer(table: Table, names: Sequence[str]) -> Callable[[Iterable[Row]], Iterator[str]]:
    """What makes lines of JSON of rows."""
    writers = [(name, to_json_value(table.columns[name])) for name in names]
    encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode

    def lines(rows: Iterable[Row]) -> Iterator[str]:
        for row in rows:
            values = {name: None if row[name] is None else write(row[name]) for name, write in writers}
            yield encode(values) + "\n"

    return lines
