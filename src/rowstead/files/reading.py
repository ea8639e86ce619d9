"""The rows of files, each with the line where it begins: CSV, and JSON with an object in each line.

A value becomes one that its column takes, as far as the file's form hides it; the rest is the encoders'
business. What is wrong is a ValidationError that names file, line and column. Knows no database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar, cast

from rowstead.errors import RowsteadError, ValidationError
from rowstead.files.cells import Convert, from_cell, from_json_value, parse_json
from rowstead.files.csv_lines import Cells, records
from rowstead.tables.schema import Column, Table

E = TypeVar("E", bound=RowsteadError)

Row = dict[str, Any]


class Numbered(NamedTuple):
    """A row of a file, with the line where it begins."""

    line: int
    row: Row


def placed(error: E, name: str, line: int) -> E:
    """The error, saying where in the file the row is that it is about."""
    error.args = (f"{name}, line {line}: {error}",)
    return error


def csv_rows(table: Table, lines: Iterable[str], name: str) -> Iterator[Numbered]:
    """The rows of a CSV file whose first line names the columns. ValidationError names file and line."""
    given = _naming_the_file(records(lines), name)
    header = next(given, None)
    if header is None:
        raise ValidationError(f"{name} is empty: its first line is to name the columns of {table.name}")
    try:
        names = table.names([cell or "" for cell in header[1]], "the first line")
    except ValidationError as error:
        raise placed(error, name, 1) from None
    readers = [(column, from_cell(table.columns[column])) for column in names]
    for number, cells in given:
        if len(cells) != len(names):
            if cells == [None]:
                continue  # a blank line
            raise ValidationError(
                f"{name}, line {number}: {len(cells)} cells, where the first line names {len(names)} columns"
            )
        yield Numbered(number, read_row(table, readers, cells, name, number))


def _naming_the_file(given: Iterator[tuple[int, Cells]], name: str) -> Iterator[tuple[int, Cells]]:
    try:
        yield from given
    except ValidationError as error:
        text = str(error)
        raise ValidationError(text if text.startswith(name) else f"{name}, {text}") from None


def read_row(
    table: Table, readers: Sequence[tuple[str, Convert]], values: Iterable[Any], name: str, number: int
) -> Row:
    """A row, of a reader with each value. ValidationError names file, line and column."""
    row: Row = {}
    for (column, read_value), value in zip(readers, values, strict=True):
        try:
            row[column] = None if value is None else read_value(value)
        except ValidationError as error:
            error.table, error.column = table.name, column
            error.args = (f"{table.name}.{column}: {error}",)
            raise placed(error, name, number) from None
    return row


def json_rows(table: Table, lines: Iterable[str], name: str) -> Iterator[Numbered]:
    """The rows of a file with a JSON object in each line. ValidationError names file and line."""
    read = object_reader(table, name, from_json_value)
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            given = parse_json(line)
            if not isinstance(given, dict):
                raise ValidationError("a line holds one JSON object, the row")
        except ValidationError as error:
            raise placed(error, name, number) from None
        yield Numbered(number, read(cast("Mapping[str, Any]", given), number))


def object_reader(
    table: Table, name: str, reader: Callable[[Column], Convert]
) -> Callable[[Mapping[str, Any], int], Row]:
    """Makes rows of the fields of objects, each with its line. ValidationError for one that is no column."""
    readers = {column: reader(table.columns[column]) for column in table.all}

    def read(fields: Mapping[str, Any], number: int) -> Row:
        try:
            used = [(column, readers[table.column(column).name]) for column in fields]
        except ValidationError as error:
            raise placed(error, name, number) from None
        return read_row(table, used, fields.values(), name, number)

    return read
