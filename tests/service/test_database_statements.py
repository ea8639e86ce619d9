"""A database service runs statements: SQLAlchemy's and text, in transactions of their own and in blocks."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.schema import CreateTable

from rowstead import DB
from rowstead.errors import (
    DuplicateError,
    HandleClosed,
    NotNullError,
    TransactionFailed,
    UndefinedColumnError,
    UndefinedTableError,
    UsageError,
    ValidationError,
)
from rowstead.service import DatabaseService
from service.conftest import Place
from service.tables import DOCUMENT, METADATA, Colour, documents, my_table, tasks

COUNT = sa.select(sa.func.count()).select_from(tasks)


@pytest.fixture
async def service(place: Place) -> AsyncIterator[DatabaseService]:
    """A started service with the shared tables, empty."""
    async with DatabaseService(url=place.url, metadata=METADATA, pool_size=4) as service:
        yield service


def task(id: int, **more: Any) -> dict[str, Any]:
    return {"id": id, "name": f"t{id}", **more}


async def test_an_insert_fills_in_the_columns_defaults(service: DatabaseService) -> None:
    written = await service.execute(sa.insert(tasks).values(**task(1)))
    assert (written.rows, written.count) == ([], 1)
    assert await service.fetchval(sa.select(tasks.c.active)) is True


async def test_rows_given_as_parameters_are_written_all_or_nothing(service: DatabaseService) -> None:
    assert (await service.execute(sa.insert(tasks), [task(1), task(2), task(3)])).count == 3
    with pytest.raises(DuplicateError):
        await service.execute(sa.insert(tasks), [task(4), task(2)])
    assert await service.fetchval(COUNT) == 3
    assert await service.fetchval(sa.select(sa.func.count()).where(tasks.c.active)) == 3
    assert (await service.execute(sa.insert(tasks), [])).count == 0


async def test_each_of_several_rows_has_its_own_columns(service: DatabaseService) -> None:
    rows = [task(1), task(2, value=7), {"name": "t3", "id": 3, "active": False}]
    assert (await service.execute(sa.insert(tasks), rows)).count == 3
    found = sa.select(tasks.c.value, tasks.c.active).order_by(tasks.c.id)
    assert [tuple(row.values()) for row in await service.fetch(found)] == [
        (None, True),
        (7, True),
        (None, False),
    ]
    with pytest.raises(UndefinedColumnError, match="nam"):
        await service.execute(sa.insert(tasks), [task(4), {"id": 5, "nam": "x"}])
    assert await service.fetchval(COUNT) == 3


async def test_several_rows_of_values_get_a_default_each(service: DatabaseService) -> None:
    statement = sa.insert(documents).values([{"state": "a"}, {"state": "b"}, {"state": "c"}])
    assert (await service.execute(statement)).count == 3
    ids = {row["id"] for row in await service.fetch(sa.select(documents.c.id))}
    assert len(ids) == 3
    assert {type(id) for id in ids} == {uuid.UUID}


async def test_a_default_sees_the_row_that_it_is_for(service: DatabaseService) -> None:
    def doubled(context: Any) -> int:
        return 2 * context.get_current_parameters()["n"]

    made = sa.Table(
        "doubles",
        sa.MetaData(),
        sa.Column("n", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("two", sa.Integer, default=doubled),
    )
    service.add_table(made)
    await service.create_tables()
    await service.execute(sa.insert(made).values([{"n": 1}, {"n": 2}, {"n": 3}]))
    await service.execute(sa.insert(made).values(n=4))
    await service.execute(sa.insert(made), [{"n": 5}, {"n": 6}])
    rows = await service.fetch(sa.select(made).order_by(made.c.n))
    assert [(row["n"], row["two"]) for row in rows] == [(n, 2 * n) for n in range(1, 7)]


async def test_a_statement_that_was_kept_takes_each_calls_values(service: DatabaseService) -> None:
    await service.execute(sa.insert(tasks), [task(n, value=n % 2) for n in range(1, 6)])
    for wanted in ([1], [2, 3], [], [4, 9, 5]):
        for least in (0, 1):
            found = sa.select(tasks.c.id).where(tasks.c.id.in_(wanted), tasks.c.value >= least)
            rows = await service.fetch(found.order_by(tasks.c.id).limit(2))
            assert [row["id"] for row in rows] == [n for n in sorted(wanted) if n < 6 and n % 2 >= least][:2]
    for n in (1, 2):
        changed = sa.update(tasks).where(tasks.c.id == n).values(name=f"new {n}")
        assert (await service.execute(changed)).count == 1
    names = await service.fetch(sa.select(tasks.c.name).where(tasks.c.id < 3).order_by(tasks.c.id))
    assert [row["name"] for row in names] == ["new 1", "new 2"]


async def test_an_update_fills_in_what_the_column_says(service: DatabaseService) -> None:
    await service.execute(sa.insert(documents).values(state="old"))
    assert await service.fetchval(sa.select(documents.c.version)) == 1
    changed = await service.execute(
        sa.update(documents).values(state="new").where(documents.c.state == "old")
    )
    assert changed.count == 1
    assert await service.fetchrow(sa.select(documents.c.state, documents.c.version)) == {
        "state": "new",
        "version": 2,
    }


async def test_every_kind_of_value_comes_back_as_it_was(service: DatabaseService) -> None:
    await service.execute(sa.insert(documents).values(**DOCUMENT))
    row = await service.fetchrow(sa.select(documents))
    assert row is not None
    assert {name: row[name] for name in DOCUMENT} == DOCUMENT
    assert type(row["price"]) is Decimal
    found = sa.select(documents.c.colour).where(
        documents.c.colour == Colour.BLUE,
        documents.c.day == datetime.date(2026, 2, 3),
        documents.c.made < datetime.datetime(2027, 1, 1),
        documents.c.price > Decimal("12.4"),
        documents.c.raw == b"\x00\xff",
    )
    assert await service.fetchval(found) is Colour.BLUE


async def test_values_come_as_callers_from_outside_write_them(service: DatabaseService) -> None:
    await service.execute(sa.insert(documents), {"day": "2026-02-03", "price": "12.50", "state": "x"})
    assert await service.fetchrow(sa.select(documents.c.day, documents.c.price)) == {
        "day": datetime.date(2026, 2, 3),
        "price": Decimal("12.50"),
    }
    with pytest.raises(ValidationError, match="day"):
        await service.execute(sa.insert(documents), {"day": "tomorrow"})


async def test_a_value_alone_has_the_type_that_it_had(service: DatabaseService) -> None:
    await service.execute(sa.insert(tasks), [task(n, value=n) for n in range(1, 6)])
    assert await service.fetchval(sa.select(sa.literal(5))) == 5
    assert await service.fetchval(sa.select(sa.literal("five"))) == "five"
    many = sa.select(sa.func.sum(sa.case((tasks.c.value > 2, 10), else_=1)))
    assert await service.fetchval(many) == 32


async def test_lists_are_written_out(service: DatabaseService) -> None:
    await service.execute(sa.insert(tasks), [task(n) for n in range(1, 6)])
    some = sa.select(tasks.c.id).order_by(tasks.c.id)
    assert await service.fetch(some.where(tasks.c.id.in_([1, 3, 9]))) == [{"id": 1}, {"id": 3}]
    assert await service.fetch(some.where(tasks.c.id.in_([]))) == []
    pairs = sa.tuple_(tasks.c.id, tasks.c.name).in_([(2, "t2"), (4, "t9")])
    assert await service.fetch(some.where(pairs)) == [{"id": 2}]
    wanted = some.where(tasks.c.id.in_(sa.bindparam("ids", expanding=True)))
    assert await service.fetch(wanted, {"ids": [5, 4]}) == [{"id": 4}, {"id": 5}]
    text = sa.text("SELECT id FROM tasks WHERE id IN :ids").bindparams(sa.bindparam("ids", expanding=True))
    assert await service.fetch(text, {"ids": [2]}) == [{"id": 2}]


async def test_text_takes_named_parameters_and_no_colon_within_a_word(service: DatabaseService) -> None:
    await service.execute(
        "INSERT INTO tasks (id, name, active) VALUES (:id, :name, :active)",
        {"id": 1, "name": "12:30:x 100% ? $1 %s", "active": True},
    )
    name = await service.fetchval("SELECT name FROM tasks WHERE id = :id AND name LIKE '12:30:x%'", {"id": 1})
    assert name == "12:30:x 100% ? $1 %s"
    assert await service.fetchrow("SELECT name FROM tasks WHERE id = :id", {"id": 2}) is None
    assert await service.fetchval("SELECT name FROM tasks WHERE id = :id", {"id": 2}) is None


async def test_a_cast_in_text_is_no_parameter(service: DatabaseService, place: Place) -> None:
    text = "SELECT '7'::integer + CAST(:n AS integer)" if place.is_postgres else "SELECT '7' + :n"
    assert await service.fetchval(text, {"n": 1}) == 8


async def test_text_runs_once_for_each_of_several_parameters(service: DatabaseService) -> None:
    insert = "INSERT INTO tasks (id, name, active) VALUES (:id, :name, :active)"
    given = [task(n, active=True) for n in range(1, 4)]
    assert (await service.execute(insert, given)).count == 3
    returned = await service.execute(f"{insert} RETURNING id", [task(n, active=True) for n in range(4, 6)])
    assert (returned.rows, returned.count) == ([{"id": 4}, {"id": 5}], 2)
    assert returned.scalar() == 4


async def test_text_with_named_columns_is_read_by_their_types(service: DatabaseService) -> None:
    await service.execute(sa.insert(documents).values(**DOCUMENT))
    both = {"made": DOCUMENT["made"], "cost": DOCUMENT["price"]}
    text = sa.text("SELECT price AS cost, made FROM documents")
    assert await service.fetchrow(text.columns(made=sa.DateTime, cost=sa.Numeric(12, 2))) == both
    assert (
        await service.fetchrow(
            text.columns(sa.Column("cost", sa.Numeric(12, 2)), sa.Column("made", sa.DateTime))
        )
        == both
    )
    assert (
        await service.fetchval(sa.text("SELECT made FROM documents").columns(made=sa.DateTime))
        == both["made"]
    )


async def test_a_function_alone_is_a_query_and_ddl_a_statement(service: DatabaseService) -> None:
    assert await service.fetchval(sa.func.lower("ABC", type_=sa.String)) == "abc"
    made = sa.Table("later", sa.MetaData(), sa.Column("n%", sa.Integer, key="n"))
    assert (await service.execute(CreateTable(made))).rows == []
    await service.execute(sa.insert(made).values(n=1))
    assert await service.fetch(sa.select(made)) == [{"n%": 1}]


async def test_what_a_write_returns_is_read(service: DatabaseService) -> None:
    statement = sa.insert(documents).values(**DOCUMENT).returning(documents.c.colour, documents.c.price)
    given = await service.execute(statement)
    assert given.first() == {"colour": Colour.BLUE, "price": Decimal("12.50")}
    assert given.count == 1


@pytest.mark.parametrize(
    ("statement", "params", "error", "says"),
    [
        ("SELECT :a", {}, ValidationError, "'a'"),
        ("SELECT 1", {"nam": 1}, ValidationError, "no parameter 'nam'"),
        ("SELECT :name", {"name": 1, "nam": 1}, ValidationError, "did you mean 'name'"),
        ("SELECT 1", [1], ValidationError, ":name"),
        ("SELECT :a", [{"a": "x"}, {"b": "x"}], ValidationError, "no parameter 'b'"),
        ("SELECT 1", 7, ValidationError, "mapping"),
        ("BEGIN", None, UsageError, r"db\.begin\(\)"),
        (" commit", None, UsageError, r"db\.begin\(\)"),
        (7, None, UsageError, "int"),
        (sa.insert(tasks), {"nam": 1}, UndefinedColumnError, "did you mean 'name'"),
        (sa.select(tasks).where(tasks.c.id == sa.bindparam("x")), {"x": "y"}, ValidationError, "'x'"),
        (sa.insert(tasks).values(nam=1), None, ValidationError, "nam"),
        ("SELECT * FROM nothing_there", None, UndefinedTableError, "nothing_there"),
    ],
)
async def test_what_does_not_fit_is_told(
    service: DatabaseService, statement: Any, params: Any, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        await service.fetch(statement, params)


async def test_a_block_is_kept_whole_or_not_at_all(service: DatabaseService) -> None:
    async with service.begin() as connection:
        await connection.execute(sa.insert(tasks).values(**task(1)))
        assert await connection.fetchval(COUNT) == 1
        assert await service.fetchval(COUNT, _conn=connection) == 1
    with pytest.raises(RuntimeError, match="mine"):
        async with service.begin() as connection:
            await service.execute(sa.insert(tasks).values(**task(2)), _conn=connection)
            raise RuntimeError("mine")
    assert await service.fetchval(COUNT) == 1
    with pytest.raises(HandleClosed):
        await connection.fetchval(COUNT)


async def test_a_block_in_a_block_is_a_savepoint(service: DatabaseService) -> None:
    async with service.begin() as outer:
        await outer.execute(sa.insert(tasks).values(**task(1)))
        with pytest.raises(DuplicateError):
            async with outer.begin() as inner:
                await inner.execute(sa.insert(tasks).values(**task(1)))
        await outer.execute(sa.insert(tasks).values(**task(2)))
    assert await service.fetchval(COUNT) == 2


async def test_a_block_after_a_failure_keeps_nothing(service: DatabaseService) -> None:
    with pytest.raises(TransactionFailed):
        async with service.begin() as connection:
            await connection.execute(sa.insert(tasks).values(**task(1)))
            with pytest.raises(NotNullError):
                await connection.execute(sa.insert(tasks).values(id=2))
    assert await service.fetchval(COUNT) == 0


async def test_without_commit_nothing_is_kept(service: DatabaseService) -> None:
    written = await service.execute(sa.insert(tasks).values(**task(1)), _commit=False)
    assert written.count == 1
    assert await service.fetchval(COUNT) == 0
    async with service.begin() as connection:
        await service.execute(sa.insert(tasks).values(**task(1)), _commit=False, _conn=connection)
    assert await service.fetchval(COUNT) == 1


async def test_a_connection_keeps_its_session(service: DatabaseService, place: Place) -> None:
    async with service.connect() as connection:
        create = "CREATE TEMPORARY TABLE mine (id INTEGER)"
        await connection.execute(create)
        await connection.execute("INSERT INTO mine VALUES (:id)", {"id": 7})
        assert await connection.fetchval("SELECT id FROM mine") == 7
        with pytest.raises(RuntimeError):
            async with connection.begin() as block:
                await block.execute("DELETE FROM mine")
                raise RuntimeError
        assert await service.fetchval("SELECT id FROM mine", _conn=connection) == 7
    with pytest.raises(HandleClosed):
        await connection.fetchval("SELECT 1")


async def test_the_transaction_of_a_db_is_a_connection_too(service: DatabaseService) -> None:
    db = DB(service.session)
    with pytest.raises(RuntimeError):
        async with db.transaction() as transaction:
            await service.execute(sa.insert(tasks).values(**task(1)), _conn=transaction)
            assert await service.fetchval(COUNT, _conn=transaction.session) == 1
            raise RuntimeError
    assert await service.fetchval(COUNT) == 0
    with pytest.raises(UsageError, match=r"db\.begin\(\)"):
        await service.fetchval(COUNT, _conn=object())


async def test_a_column_of_any_name_is_written_and_read(service: DatabaseService) -> None:
    odd = sa.Table(
        "odd names",
        sa.MetaData(),
        sa.Column("a b%", sa.Integer, key="first"),
        sa.Column("c:d(e)", sa.Integer),
        sa.Column("select", sa.String(20), default=lambda context: str(context.current_parameters["first"])),
    )
    service.add_table(odd)
    assert await service.create_tables() == ("odd names",)
    await service.execute(sa.insert(odd), {"first": 1, "c:d(e)": 2})
    rows = await service.fetch(sa.select(odd).where(odd.c.first == 1, odd.c["c:d(e)"].in_([2, 3])))
    assert [list(row.values()) for row in rows] == [[1, 2, "1"]]


async def test_the_guides_table_is_used_as_written(service: DatabaseService) -> None:
    await service.execute(my_table.insert().values(id="a", value=1))
    await service.execute(my_table.update().where(my_table.c.id == "a").values(value=my_table.c.value + 1))
    assert await service.fetchrow(my_table.select()) == {"id": "a", "value": 2}
    assert (await service.execute(my_table.delete().where(my_table.c.value > 1))).count == 1
