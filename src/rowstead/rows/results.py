"""What becomes of results: raw SQL's records as rows, stored rows with what they carried.

Sends nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from rowstead.plan import Plan, Record
from rowstead.rows.row import Row
from rowstead.statements.compiled import Compiler
from rowstead.statements.explaining import explain as explain
from rowstead.values.decoders import decoder

R = TypeVar("R", bound=Row)


def read_raw(
    compiler: Compiler, model: type[R], columns: Sequence[str], records: Sequence[Record]
) -> list[R]:
    """Records of a user's SQL as rows of `model`; columns that it does not know are left out."""
    table = model.__rowstead_result__()
    places = {name: i for i, name in enumerate(columns) if name in table.columns}
    decoders = [decoder(table.columns[name], compiler.codec) for name in places]
    read_all = table.hydrate(tuple(places), decoders)
    wanted = list(places.values())
    if wanted != list(range(len(columns))):
        records = [[record[i] for i in wanted] for record in records]
    return read_all(records)


def carry(given: Row, stored: R) -> R:
    """The stored row with what the given one carries beside the database."""
    for name in given.__fields_not_in_db__:
        if name in given.model_fields_set:
            vars(stored)[name] = vars(given)[name]
            stored.model_fields_set.add(name)
    return stored


def carry_all(given: Sequence[Row], plan: Plan[list[Row]]) -> Plan[list[Row]]:
    """The rows that `plan` stores, each with what its given one carries."""
    stored = yield from plan
    # Where rows were ignored, nobody says which of the given ones the stored ones are.
    if len(stored) == len(given):
        for row, kept in zip(given, stored, strict=True):
            carry(row, kept)
    return stored
