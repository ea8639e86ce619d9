"""Puts rows of files into the tables of services: all of them in one transaction, or none.

It answers for the order, for what is done with rows that are there, and for saying which row of which file
could not be stored. Rows go through the services; what is in the files is read by then.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import groupby, islice
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, TypeVar

from rowstead.database import Database
from rowstead.errors import DuplicateError, IntegrityError, StatementError, ValidationError
from rowstead.files.formats import rows_of_file
from rowstead.files.progress import Progress
from rowstead.files.reading import Row, placed
from rowstead.plans.key_counters import pass_by_stored
from rowstead.plans.loading import behind_their_parents, refers_to_itself
from rowstead.plans.table_reads import EVERY_ROW, exists
from rowstead.service.table_service import SQLService
from rowstead.session import Session
from rowstead.tables.from_sqlalchemy import table_of

R = TypeVar("R")
Tables: TypeAlias = SQLService[Any, Any]

CHUNK = 1000
"""Rows that are inserted at a time."""
RETRIES = 10
"""How often a transaction is run again because another was first."""


class Given(NamedTuple):
    """A row of a file, with its place."""

    file: Path
    line: int
    row: Row


class Filling(NamedTuple):
    """A service's table, and the rows for it in the order in which they can be stored."""

    service: Tables
    rows: Sequence[Given]


class WhatIsThere(enum.Enum):
    """What becomes of tables and rows that are there."""

    SKIPS_TABLE = "a table with rows is left alone"
    STAYS = "a row whose key is there stays as it is"
    CHANGES = "a row whose key is there gets the file's values"


def filling(service: Tables, files: Sequence[Path]) -> Filling:
    """The rows of all files of a service. ValidationError names the file and the line."""
    table = table_of(service.table)
    # A NULL where none can be stands for the column's default, as a column does that a file does not name.
    never_null = {column.name for column in service.table.columns if not column.nullable}

    def meant(row: Row) -> Row:
        return {name: value for name, value in row.items() if value is not None or name not in never_null}

    rows = [Given(file, line, meant(row)) for file in files for line, row in rows_of_file(table, file)]
    return Filling(service, behind_their_parents(table, rows, lambda given: given.row))


async def is_empty(session: Session, service: Tables) -> bool:
    """Whether the table has no row at all, whatever a caller of the service may see of it."""
    return not await session.run(exists(session.compiler, table_of(service.table), EVERY_ROW))


class Load:
    """One load into one database."""

    def __init__(
        self, database: Session, fillings: Sequence[Filling], there: WhatIsThere, progress: Progress | None
    ) -> None:
        self._database = database
        self._fillings = fillings
        self._there = there
        self._progress = progress
        self._total = sum(len(each.rows) for each in fillings)
        self._done = 0

    async def run(self) -> list[Filling]:
        """Fill the tables, each behind those that it refers to; which were filled.

        Of several processes that find the same tables empty one fills them: the others' transactions fail
        for it, or their rows are there already, and they look again.
        """
        while True:
            try:
                return await self._in_transaction(self._fill)
            except DuplicateError:
                if self._there is not WhatIsThere.SKIPS_TABLE:
                    raise
                still = [each for each in self._fillings if await is_empty(self._database, each.service)]
                if len(still) == len(self._fillings):
                    raise
                self._fillings = still

    async def _in_transaction(self, function: Callable[[Session], Awaitable[R]]) -> R:
        if isinstance(self._database, Database):
            # Serializable: of two that saw a table empty and filled it, one is run again. Where rows go by
            # their keys nothing was looked at before, and nobody has to be run again for others' rows.
            looks = self._there is WhatIsThere.SKIPS_TABLE
            return await self._database.attempt(
                function, max_retries=RETRIES, isolation=None if looks else "read committed"
            )
        async with self._database.block() as inner:
            return await function(inner)

    async def _fill(self, transaction: Session) -> list[Filling]:
        self._done = 0
        due = self._fillings
        if self._there is WhatIsThere.SKIPS_TABLE:
            due = [each for each in due if await is_empty(transaction, each.service)]
        for service, rows in due:
            for chunk in _chunks(service, rows):
                await self._store(service, chunk, transaction)
                self._done += len(chunk)
                if self._progress is not None:
                    self._progress(self._done, self._done / self._total)
            given = {name for each in rows for name in each.row}
            await transaction.plan(pass_by_stored(transaction.compiler, service.table, given))
        return list(due)

    async def _store(self, service: Tables, rows: Sequence[Given], transaction: Session) -> None:
        """Store some rows. What cannot be is told with the file and the line of the row that it is about."""
        try:
            await self._write(service, rows, transaction)
        except (IntegrityError, ValidationError, StatementError) as error:
            if len(rows) == 1:
                raise placed(error, str(rows[0].file), rows[0].line) from error.__cause__
            # The database does not know which row it was: half of them are tried, and so on.
            middle = len(rows) // 2
            await self._store(service, rows[:middle], transaction)
            await self._store(service, rows[middle:], transaction)

    async def _write(self, service: Tables, rows: Sequence[Given], transaction: Session) -> None:
        if self._there is WhatIsThere.SKIPS_TABLE:
            await service.m_create([each.row for each in rows], columns=[], _connection=transaction)
            return
        key = [column.name for column in service.table.primary_key.columns]
        for each in rows:
            _require_key(key, each.row, service)
        if self._there is WhatIsThere.STAYS:
            await _add(service, [each.row for each in rows], key, transaction)
            return
        await service._put([each.row for each in rows], transaction)  # pyright: ignore[reportPrivateUsage]


def _chunks(service: Tables, rows: Sequence[Given]) -> Iterator[list[Given]]:
    """The rows, so many at a time."""
    if not refers_to_itself(table_of(service.table)):
        yield from _slices(iter(rows))
        return
    # Rows that name different columns go in statements of their own, which must not change the order.
    for _, alike in groupby(rows, lambda given: tuple(given.row)):
        yield from _slices(alike)


def _slices(rows: Iterator[Given]) -> Iterator[list[Given]]:
    while chunk := list(islice(rows, CHUNK)):
        yield chunk


def _require_key(key: Sequence[str], row: Row, service: Tables) -> None:
    if not key or any(row.get(name) is None for name in key):
        raise ValidationError(
            f"{service.name}: a row for a table that may have rows brings its key "
            f"({', '.join(key) or 'this table has none'}); without it nobody could tell whether it is there",
            table=service.table.name,
        )


async def _add(service: Tables, rows: Sequence[Row], key: Sequence[str], transaction: Session) -> None:
    """Insert those rows whose keys are not there."""
    await service.m_create(
        rows, columns=[], on_conflict="do_nothing", on_conflict_keys=key, _connection=transaction
    )
