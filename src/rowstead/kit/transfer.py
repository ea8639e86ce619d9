"""Rows from a table to a file, and from a file to a table, as plans. Memory stays flat either way.

An import is whole or not at all: one transaction, which Ctrl-C, a kill or an error undoes, so that the
same command begins anew. With `batch` each batch of rows is a transaction of its own; then the same
command goes on where the last one stopped, since rows that are there already, just as the file has
them, are passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from rowstead.errors import DuplicateError, IntegrityError, ValidationError
from rowstead.files.csv_lines import line_of
from rowstead.files.opening import Lines
from rowstead.files.progress import Progress
from rowstead.files.reading import Numbered, Row, csv_rows, json_rows, placed
from rowstead.files.writing import csv_writer, json_writer
from rowstead.kit import writing
from rowstead.kit.blame import without_place
from rowstead.kit.context import Context, checked, columns_of, key_values
from rowstead.kit.defaults import NULL
from rowstead.kit.pages import PAGE, pages
from rowstead.kit.parents import parents_first
from rowstead.kit.reading import count, get_by_pk, select
from rowstead.language.conditions import Where
from rowstead.plan import Atomic, Plan
from rowstead.plans.loading import refers_to_itself
from rowstead.tables.schema import Table

KEYS = 10_000
"""Keys that are asked for at a time."""


class Imported(NamedTuple):
    """What an import did: rows inserted, and rows passed over because they were there."""

    rows: int
    skipped: int


# To a file


def export(
    context: Context,
    name: str,
    write: Callable[[str], Any],
    file_format: str,
    where: Where,
    columns: str | Iterable[str] | None,
    progress: Progress | None,
) -> Plan[int]:
    """Write the rows that fulfil the filter, in the order of their keys; how many."""
    table = context.table(name)
    wanted = columns_of(table, columns)
    total: int | None = None
    if progress is not None:
        total = yield count(context, name, where, None)
    if file_format == "csv":
        write(line_of(wanted))
    lines = (csv_writer if file_format == "csv" else json_writer)(table, wanted)
    done = 0
    for page in pages(context, table, wanted, where):
        rows = yield from page
        write("".join(lines(rows)))
        done += len(rows)
        if progress is not None:
            progress(done, done / total if total else None)
    return done


# From a file


def rows_of(context: Context, table: str, lines: Lines, file_format: str, name: str) -> Iterator[Numbered]:
    """The rows of a file in either format."""
    return (csv_rows if file_format == "csv" else json_rows)(context.table(table), lines, name)


def _placed(error: Any, name: str, line: int) -> Any:
    """The error, saying where in the file the row is that it is about."""
    error.args = (without_place(error),)
    return placed(error, name, line)


class Import:
    """One import: where its rows come from, where they go, and how far it is."""

    def __init__(
        self,
        context: Context,
        table: str,
        rows: Iterator[Numbered],
        name: str,
        part: Callable[[], float | None],
        progress: Progress | None,
    ) -> None:
        self._context = context
        self._table = table
        self._rows = rows
        self._name = name
        self._part = part
        self._progress = progress
        self._done = Imported(0, 0)
        self._refers_to_itself = refers_to_itself(context.table(table))
        columns = context.table(table).columns.values()
        self._keep_null = [c.name for c in columns if c.nullable and c.default is not None]
        self._waiting: list[Numbered] = []
        """Rows of a table that refers to itself whose parents have not come yet."""

    def whole(self) -> Plan[Imported]:
        """Every row, or none."""
        return (yield Atomic(self._all_pages()))

    def _all_pages(self) -> Plan[Imported]:
        for rows in self._pages(PAGE):
            self._tell((yield from self._insert_ready(rows)), 0)
        yield from self._insert_waiting()
        return self._done

    def in_batches(self, size: int) -> Plan[Imported]:
        """Batch by batch, each kept when it is complete; rows that are there already are passed over."""
        if type(size) is not int or size < 1:
            raise ValidationError(f"batch is a number of rows, at least 1, not {size!r}")
        for rows in self._pages(size):
            missing, inserted = yield Atomic(self._insert_missing(rows))
            self._tell(inserted, len(rows) - missing)
        yield Atomic(self._insert_waiting())
        return self._done

    def _pages(self, size: int) -> Iterator[list[Numbered]]:
        while rows := list(islice(self._rows, size)):
            yield rows

    def _tell(self, inserted: int, skipped: int) -> None:
        self._done = Imported(self._done.rows + inserted, self._done.skipped + skipped)
        if self._progress is not None:
            self._progress(sum(self._done), self._part())

    def _insert_ready(self, rows: Sequence[Numbered]) -> Plan[int]:
        """Insert those rows that need not wait for their parents; how many."""
        if self._refers_to_itself:
            table = self._context.table(self._table)
            rows, waiting = yield from parents_first(self._context, table, rows)
            self._waiting += waiting
        if rows:
            yield from self._insert(rows)
        return len(rows)

    def _insert_waiting(self) -> Plan[None]:
        """Insert the rows that waited, now that all of them are known."""
        if not self._waiting:
            return
        table = self._context.table(self._table)
        ready, orphans = yield from parents_first(self._context, table, self._waiting)
        # Who is left misses a parent, or refers in a circle: the database says which.
        for rows in (*(ready[at : at + PAGE] for at in range(0, len(ready), PAGE)), orphans):
            if rows:
                yield from self._insert(rows)
                self._tell(len(rows), 0)

    def _insert_all(self, rows: Sequence[Numbered]) -> Plan[None]:
        """Insert some rows, all or none. A column that the file does not name takes its default, and so
        does a NULL where none can be; elsewhere a NULL of the file stays one."""
        given: list[Row] = [numbered.row for numbered in rows]
        if self._keep_null:
            given = [self._meant(row) for row in given]
        yield from writing.insert_many(self._context, self._table, given, False)

    def _meant(self, row: Row) -> Row:
        nulls = {name: NULL for name in self._keep_null if name in row and row[name] is None}
        return row | nulls if nulls else row

    def _insert(self, rows: Sequence[Numbered]) -> Plan[None]:
        """Insert some rows, all or none. What cannot be is told with the line of the row that it is about."""
        try:
            yield from self._insert_all(rows)
        except (IntegrityError, ValidationError) as error:
            if len(rows) == 1:
                raise _placed(error, self._name, rows[0].line) from error.__cause__
            # Neither a batch nor the database knows which row it was: half of them are tried, and so on.
            middle = len(rows) // 2
            yield from self._insert(rows[:middle])
            yield from self._insert(rows[middle:])

    def _insert_missing(self, rows: Sequence[Numbered]) -> Plan[tuple[int, int]]:
        """Insert the rows that are not there: how many those are, and how many were inserted."""
        table = self._context.table(self._table)
        for numbered in rows:
            if any(numbered.row.get(part) is None for part in table.key):
                raise _placed(
                    ValidationError(
                        f"with batch every row brings its key ({', '.join(table.key)}): without it nobody "
                        "could tell which rows an interrupted import has brought already",
                        table=table.name,
                    ),
                    self._name,
                    numbered.line,
                )
        try:
            yield from self._insert_all(rows)
            return len(rows), len(rows)
        except DuplicateError:
            missing = yield from self._missing(table, rows)
        except (IntegrityError, ValidationError):
            missing = rows
        return len(missing), (yield from self._insert_ready(missing))

    def _missing(self, table: Table, rows: Sequence[Numbered]) -> Plan[list[Numbered]]:
        """Those rows that are not there just as the file has them."""
        keys = [tuple(key_values(table, numbered.row)) for numbered in rows]
        there = yield from self._there(table, keys)
        return [
            numbered
            for key, numbered in zip(keys, rows, strict=True)
            if not _is_as(table, there.get(key), numbered.row)
        ]

    def _there(self, table: Table, keys: Sequence[tuple[Any, ...]]) -> Plan[dict[tuple[Any, ...], Row]]:
        """The stored rows of these keys."""
        found: list[Row] = []
        if len(table.key) == 1:
            for at in range(0, len(keys), KEYS):
                some = [key[0] for key in keys[at : at + KEYS]]
                where = {table.key[0]: {"in": some}}
                rows: list[Row] = yield select(
                    self._context, table.name, where, None, None, None, None, False, None
                )
                found += rows
        else:
            for key in keys:
                row: Row | None = yield get_by_pk(self._context, table.name, key)
                found += [] if row is None else [row]
        return {tuple(row[part] for part in table.key): row for row in found}


def _is_as(table: Table, stored: Row | None, given: Row) -> bool:
    """Whether a stored row is the given one; a NULL where none can be is a default by now."""

    def is_stored(name: str, value: Any) -> bool:
        assert stored is not None
        if value is None:
            return stored[name] is None or not table.columns[name].nullable
        return stored[name] == checked(table, name, value)

    return stored is not None and all(is_stored(name, value) for name, value in given.items())
