"""What a class needs to read the results of raw SQL, and what a DELETE raises that other rows forbid."""

from __future__ import annotations

import decimal

import pytest

from rowstead import DB, RestrictError, Row, RowError


class Total(Row):
    """No table, no key."""

    month: int
    total: decimal.Decimal


class Person(Row):
    __table__ = "people"
    __fields_not_in_db__ = ("friends",)
    id: int
    friends: int = 0


async def test_a_class_that_only_reads_results_needs_no_table_and_no_key(db: DB) -> None:
    sql = "SELECT 1 AS month, CAST('2.50' AS CHAR(4)) AS total, 3 AS more"
    assert await db.fetch_models(Total, sql) == [Total(month=1, total=decimal.Decimal("2.5"))]
    assert await db.fetch_model(Total, f"{sql} WHERE 1 = 0") is None


async def test_a_statement_may_compute_a_field_that_is_not_in_the_database(db: DB) -> None:
    person = await db.fetch_model(Person, "SELECT 7 AS id, 2 AS friends")
    assert person == Person(id=7, friends=2)


async def test_a_result_that_does_not_fit_names_the_class(db: DB) -> None:
    with pytest.raises(RowError, match="cannot be read as Total: total: Field required"):
        await db.fetch_models(Total, "SELECT 1 AS month")


async def test_a_delete_that_other_rows_forbid_is_a_restrict_error(db: DB, ddl) -> None:
    await db.execute(ddl("CREATE TABLE people (id {int} PRIMARY KEY)"))
    await db.execute(ddl("CREATE TABLE pets (id {int} PRIMARY KEY, owner {int} REFERENCES people (id))"))
    await db.insert(Person(id=1))
    await db.execute("INSERT INTO pets VALUES (1, 1)")
    with pytest.raises(RestrictError) as caught:
        await db.delete(Person(id=1))
    assert caught.value.__cause__ is not None
    with pytest.raises(RestrictError):
        await db.execute("DELETE FROM people WHERE id = $1", 1)
    assert await db.count(Person) == 1
