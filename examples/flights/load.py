"""Fills the tables: every file in one transaction, so that an interrupted load leaves nothing half done."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

from rowstead import DB, Row

from . import dataset
from .models import Airport, Flight, Plane
from .terminal import Terminal

T = TypeVar("T")
R = TypeVar("R", bound=Row)

BATCH = 10_000


async def load(db: DB, terminal: Terminal) -> bool:
    """Load everything; False when it is there already."""
    if await db.exists(Flight):
        return False
    airports, planes = dataset.airports(), dataset.planes()
    async with db.transaction() as tx:
        await _insert(tx, terminal, "airlines", dataset.airlines())
        await _insert(tx, terminal, "airports", airports)
        await _insert(tx, terminal, "planes", planes)
        await _insert(tx, terminal, "weather", dataset.weather())

        known_airports = {airport.faa for airport in airports}
        known_planes = {plane.tailnum for plane in planes}
        with terminal.progress("flights", dataset.number_of_flights()) as advance:
            for batch in _batches(dataset.flights(), BATCH):
                # The files name four airports and some 700 planes that they do not describe. The
                # foreign keys want them to exist: they get a row with what is known.
                airport_codes = {flight.dest for flight in batch} - known_airports
                tail_numbers = {flight.tailnum for flight in batch if flight.tailnum} - known_planes
                await tx.insert_many([Airport(faa=code, name=code) for code in sorted(airport_codes)])
                await tx.insert_many([Plane(tailnum=number) for number in sorted(tail_numbers)])
                known_airports |= airport_codes
                known_planes |= tail_numbers
                advance(await tx.insert_many(batch))
    return True


async def _insert(tx: DB, terminal: Terminal, table: str, rows: Sequence[R]) -> None:
    with terminal.progress(table, len(rows)) as advance:
        for batch in _batches(rows, BATCH):
            advance(await tx.insert_many(batch))


def _batches(rows: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(rows)
    while batch := list(islice(iterator, size)):
        yield batch
