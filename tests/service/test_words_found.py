"""Texts that a column's type would not give back again are refused, however many rows there are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import sqlalchemy as sa

from rowstead import DB
from rowstead.errors import ValidationError
from rowstead.service import SQLService
from service.tables import create

METADATA = sa.MetaData()
orders = sa.Table(
    "orders",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("state", sa.Enum("new", "done", name="order_state")),
    sa.Column("kind", sa.Enum("a", "b", native_enum=False, length=10)),
    sa.Column("uid", sa.Uuid(as_uuid=False)),
    sa.Column("code", sa.Uuid(as_uuid=False, native_uuid=False)),
    sa.Column("amount", sa.Numeric(30, 2)),
)
UID = "6f9619ff-8b86-d011-b42d-00c04fc964ff"


class Orders(SQLService[int, dict[str, Any]]):
    table = orders


@pytest.fixture
async def service(place: Any) -> AsyncIterator[Orders]:
    async with await DB.from_url(place.url) as db:
        await create(db, METADATA)
        yield Orders(db)


@pytest.mark.parametrize("number", [1, 3, 100])
@pytest.mark.parametrize(
    "values",
    [
        {"state": "zzz"},
        {"state": "New"},
        {"kind": "zzz"},
        {"uid": "zzz"},
        {"code": "zzz"},
        {"amount": "1E+5000"},
        {"amount": "NaN"},
    ],
    ids=repr,
)
async def test_what_could_not_be_read_is_not_stored(
    service: Orders, values: dict[str, Any], number: int
) -> None:
    with pytest.raises(ValidationError):
        await service.m_create([{"id": n, **values} for n in range(1, number + 1)])
    assert await service.count() == 0
    await service.create({"id": 1}, columns=[])
    with pytest.raises(ValidationError):
        await service.update(1, values)
    assert (await service.list())["count"] == 1


async def test_the_words_that_there_are_come_back_and_are_found(service: Orders) -> None:
    row = {"id": 1, "state": "new", "kind": "a", "uid": UID, "code": UID, "amount": 2}
    assert await service.create(row) == row
    for conditions in ({"state": "new"}, {"kind": ["a", "b"]}, {"uid": UID}, {"kind": {"like": "a%"}}):
        assert await service.count(conditions=conditions) == 1
    with pytest.raises(ValidationError, match="does not take this word; did you mean 'done'"):
        await service.count(conditions={"state": "dne"})
