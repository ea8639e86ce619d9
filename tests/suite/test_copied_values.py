"""Values at the edge of their column's type: many rows (which may be copied) end as few do."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import sqlalchemy as sa

from conftest import Backend
from rowstead import DB
from rowstead.errors import DataError, ValidationError
from rowstead.plans import table_inserts as inserts
from rowstead.plans import table_reads as reads
from rowstead.tables.from_sqlalchemy import table_of

EDGES = sa.Table(
    "edges",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("small", sa.SmallInteger),
    sa.Column("whole", sa.Integer),
    sa.Column("big", sa.BigInteger),
    sa.Column("single", sa.REAL),
    sa.Column("uid", sa.Uuid(as_uuid=False)),
    sa.Column("amount", sa.Numeric(20, 2, asdecimal=False)),
    sa.Column("at", sa.DateTime(timezone=True)),
)
POSTGRES = pytest.mark.parametrize("backend", ["asyncpg", "psycopg"], indirect=True)
FEW, MANY = 3, 120


@pytest.fixture
async def db(backend: Backend, ddl: Callable[[str], str]) -> AsyncIterator[DB]:
    async with await DB.from_url(backend.url) as handle:
        await handle.execute(
            "CREATE TABLE edges (id integer PRIMARY KEY, small smallint, whole integer, big bigint, "
            "single real, uid uuid, amount numeric(20, 2), at timestamptz)"
        )
        yield handle


async def inserted(db: DB, number: int, **values: Any) -> list[dict[str, Any]]:
    rows = [{"id": n, **values} for n in range(number)]
    compiler = db.session.compiler
    await db.session.plan(inserts.insert(compiler, EDGES, rows, ()))
    return await db.session.run(reads.rows(compiler, table_of(EDGES), tuple(values), reads.EVERY_ROW))


TOO_MUCH = [
    {"small": 2**15},
    {"small": -(2**15) - 1},
    {"small": 40_000},
    {"whole": 2**31},
    {"whole": 2**32 + 7},
    {"whole": -(2**31) - 1},
    {"big": 2**63},
    {"single": 1e300},
    {"uid": "no uuid"},
    {"at": datetime.datetime(9999, 12, 31, 23, tzinfo=datetime.timezone(datetime.timedelta(hours=-12)))},
    {"at": datetime.datetime(1, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=14)))},
]


@POSTGRES
@pytest.mark.parametrize("number", [1, FEW, MANY])
@pytest.mark.parametrize("values", TOO_MUCH, ids=repr)
async def test_what_does_not_fit_is_an_error_however_many_rows_there_are(
    db: DB, values: dict[str, Any], number: int
) -> None:
    with pytest.raises((DataError, ValidationError)):
        await inserted(db, number, **values)
    assert await db.fetchval("SELECT count(*) FROM edges") == 0


FITS = [
    {"small": 2**15 - 1, "whole": -(2**31), "big": 2**63 - 1},
    {"uid": str(uuid.UUID(int=7))},
    {"amount": 12.5},
    {"single": 0.5},
    {"at": datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)},
]


@POSTGRES
@pytest.mark.parametrize("number", [1, FEW, MANY])
@pytest.mark.parametrize("values", FITS, ids=repr)
async def test_what_fits_comes_back_however_many_rows_there_are(
    db: DB, values: dict[str, Any], number: int
) -> None:
    assert await inserted(db, number, **values) == [values] * number
