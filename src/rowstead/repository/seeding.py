"""First rows of a database: seeders that run in an order, and rows that are inserted where they are missing.

A run of seeders is one transaction: when one fails, nothing of any of them is kept.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from rowstead.drivers.sqlalchemy_engines import begin_writing
from rowstead.language.bound import model_table
from rowstead.model_session import ModelSession
from rowstead.repository.repository import BaseRepository
from rowstead.repository.transactions import transactional
from rowstead.values.encoders import held

M = TypeVar("M")
Rows = Sequence[Mapping[str, Any]]

_log = logging.getLogger(__name__)

DEFAULT_PRIORITY = 100


class Seeder(ABC):
    """One step of filling a database."""

    @abstractmethod
    async def seed(self, session: AsyncSession) -> None:
        """Write the rows; whoever runs the seeder commits."""

    def priority(self) -> int:
        """Lower numbers run first, equal ones in the order given."""
        return DEFAULT_PRIORITY


async def run_seeders(session: AsyncSession, seeders: Iterable[Seeder], commit: bool = True) -> None:
    """Run seeders by their priority, in one transaction.

    An error of one undoes what all of them wrote, and says which it was. Inside a `transactional` block only
    their work is undone, and the block commits. `commit=False` leaves the transaction open.
    """
    core = ModelSession.of(session)
    async with transactional(session, commit):
        for seeder in sorted(seeders, key=lambda one: one.priority()):
            try:
                with core.errors():
                    await seeder.seed(session)
                    # So that what the database refuses is told of the seeder that wrote it.
                    await session.flush()
            except Exception as error:
                error.add_note(f"in the seeder {type(seeder).__name__}; nothing of any seeder was kept")
                raise


async def seed_if_empty(session: AsyncSession, model: type[M], rows: Rows) -> bool:
    """Insert the rows if the table has none, not even a deleted one; whether that was so.

    Nothing is committed.
    """
    repository = BaseRepository(session, model)
    await _begin_writing(session)
    if await repository.exists(deleted="include"):
        return False
    await repository.bulk_insert(list(rows), returning=False)
    return True


async def seed_if_not_exists(session: AsyncSession, model: type[M], rows: Rows, key: str = "name") -> int:
    """Insert those rows whose `key` no row of the table has yet; how many there were.

    Of rows with one key the first is taken; a row without the key is left out, with a warning in the log.
    Rows that are marked as deleted count. Where the key is unique, what another program inserts at the same
    time is left as it is, and not counted; MariaDB may end one of the two by a ConflictError, and that one is
    to run again. Nothing is committed. UndefinedColumnError for a key that the model lacks.
    """
    repository = BaseRepository(session, model)
    read = held(model_table(model).column(key))
    wanted: dict[Any, Mapping[str, Any]] = {}
    for row in _with_key(rows, key, model):
        wanted.setdefault(read(row[key]), row)
    if not wanted:
        return 0
    await _begin_writing(session)
    there = await repository.find({key: {"in": list(wanted)}}, deleted="include")
    known = {getattr(one, key) for one in there}
    missing = [row for value, row in wanted.items() if value not in known]
    if not missing or not _is_unique(model, key):
        return await repository.bulk_insert(missing, returning=False)
    return await repository.bulk_insert(
        missing, on_conflict="nothing", on_conflict_index_elements=[key], returning=False
    )


async def _begin_writing(session: AsyncSession) -> None:
    with ModelSession.of(session).errors():
        await begin_writing(session)


def _with_key(rows: Rows, key: str, model: type[Any]) -> Iterator[Mapping[str, Any]]:
    for number, row in enumerate(rows):
        if key in row:
            yield row
        else:
            _log.warning("row %d for %s has no %r and was left out", number, model.__name__, key)


def _is_unique(model: type[Any], key: str) -> bool:
    column: str = getattr(model, key).expression.name
    return any(unique.columns == (column,) for unique in model_table(model).stored.unique_keys())
