"""A stored value that its column's type does not know is told as such: by the column, without the value."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator
from typing import Any

import pytest
import sqlalchemy as sa

from rowstead.errors import RowError
from rowstead.service import DatabaseService, SQLService
from service.conftest import Place


class Colour(enum.Enum):
    RED = "r"


class Looked(sa.types.TypeDecorator[Any]):
    """A user's own type, that knows one value."""

    impl = sa.String(20)
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return None if value is None else {"known": 1}[value]


stored = sa.Table(
    "stored",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("colour", sa.Enum(Colour, native_enum=False, length=20)),
    sa.Column("looked", Looked()),
)


class Stored(SQLService[int, dict[str, Any]]):
    table = stored


@pytest.fixture
async def database(place: Place) -> AsyncIterator[DatabaseService]:
    async with DatabaseService(url=place.url, metadata=stored.metadata) as service:
        yield service


@pytest.mark.parametrize("column", ["colour", "looked"])
async def test_it_is_told_by_its_column(database: DatabaseService, column: str) -> None:
    await database.execute(f"INSERT INTO stored (id, {column}) VALUES (1, NULL), (2, 'sesame')")
    service = Stored(database)
    reads = (service.get(2), service.list(), service.m_get([1, 2]), database.fetch(sa.select(stored)))
    for read in reads:
        with pytest.raises(RowError, match=f"what column '{column}' holds") as caught:
            await read
        assert caught.value.column == column
        assert "sesame" not in str(caught.value)
    assert await service.get(1) == {"id": 1, "colour": None, "looked": None}
    assert await database.fetchval(sa.select(stored.c.id).where(stored.c.id == 2)) == 2


async def test_what_it_knows_comes_back(database: DatabaseService) -> None:
    await database.execute("INSERT INTO stored (id, colour, looked) VALUES (1, 'RED', 'known')")
    read = {"id": 1, "colour": Colour.RED, "looked": 1}
    assert await database.fetchrow(sa.select(stored)) == await Stored(database).get(1) == read
