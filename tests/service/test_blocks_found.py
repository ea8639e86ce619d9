"""Calls in somebody's block: one that is refused, a read too, leaves the others and the block as they are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import pytest

from rowstead import DB
from rowstead.service import ValidationError
from service.services import Tasks, ids

HUGE = 2**70
"""A number that no column takes."""


async def _walked(service: Tasks, block: Any) -> object:
    return [batch async for batch in service.iter({"value": {"gt": HUGE}}, _connection=block)]


Read: TypeAlias = Callable[[Tasks, Any], Awaitable[object]]

READS: dict[str, Read] = {
    "get": lambda tasks, tx: tasks.get(HUGE, _connection=tx),
    "get []": lambda tasks, tx: tasks.get(HUGE, [], _connection=tx),
    "m_get": lambda tasks, tx: tasks.m_get([1, HUGE], _connection=tx),
    "m_get []": lambda tasks, tx: tasks.m_get([HUGE], columns=[], _connection=tx),
    "exists": lambda tasks, tx: tasks.exists(HUGE, _connection=tx),
    "m_exists": lambda tasks, tx: tasks.m_exists([HUGE], _connection=tx),
    "count": lambda tasks, tx: tasks.count({"value": HUGE}, _connection=tx),
    "list": lambda tasks, tx: tasks.list({"value": HUGE}, _connection=tx),
    "list, count only": lambda tasks, tx: tasks.list({"value": HUGE}, limit=0, _connection=tx),
    "iter": _walked,
}


async def refused(read: Awaitable[object]) -> bool:
    """Whether a read is refused: a database that has such numbers answers it."""
    try:
        await read
    except ValidationError:
        return True
    return False


@pytest.mark.parametrize("verb", READS)
async def test_a_read_that_is_refused_leaves_the_block_as_it_is(db: DB, verb: str) -> None:
    service, read = Tasks(db), READS[verb]
    async with db.transaction() as tx:
        await service.create({"id": 1, "name": "a"}, _connection=tx)
        await refused(read(service, tx))
        await service.create({"id": 2, "name": "b"}, _connection=tx)
        assert await service.count(_connection=tx) == 2
    assert ids((await service.list(sort="id"))["data"]) == [1, 2]
