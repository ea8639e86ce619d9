"""What is stored and has no like in Python: told as an error of ours, and the connection goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import sqlalchemy as sa

from rowstead import DB
from rowstead.errors import DataError
from rowstead.service import DatabaseService, SQLService

days = sa.Table(
    "days",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("day", sa.Date),
    sa.Column("at", sa.DateTime),
    sa.Column("moment", sa.DateTime(timezone=True)),
)

pytestmark = pytest.mark.parametrize("place", ["asyncpg", "psycopg"], indirect=True)


class Days(SQLService[int, dict[str, Any]]):
    table = days


@pytest.fixture
async def database(db: DB) -> AsyncIterator[DatabaseService]:
    async with DatabaseService(db=db, metadata=days.metadata) as service:
        yield service


@pytest.mark.parametrize("column", ["day", "at", "moment"])
@pytest.mark.parametrize("stored", ["0044-03-15 BC", "12000-01-01", "0001-01-01 00:00+14"])
async def test_a_day_that_python_lacks_is_told(database: DatabaseService, column: str, stored: str) -> None:
    if "+" in stored and column != "moment":
        stored = "10000-01-01"
    await database.execute(f"INSERT INTO days (id, {column}) VALUES (1, '{stored}')")
    service = Days(database)
    async with database.begin() as transaction:
        with pytest.raises(DataError) as caught:
            await service.get(1, _connection=transaction)
        assert stored not in str(caught.value)
    for read in (service.list(), database.fetch(sa.select(days)), database.fetch("SELECT * FROM days")):
        with pytest.raises(DataError):
            await read
    assert await service.get(1, ["id"]) == {"id": 1}


async def test_half_a_character_cannot_be_sent(database: DatabaseService) -> None:
    with pytest.raises(DataError, match="half a character"):
        await database.fetch("SELECT '\ud800'")
    assert await database.fetchval("SELECT 1") == 1
