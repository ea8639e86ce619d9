"""`access` bounds what a stranger's filter and order may name and ask for, at every verb that takes one."""

from __future__ import annotations

from typing import Any

import pytest

from rowstead import DB, STRANGER, Access, Row, UndefinedColumnError, ValidationError


class Person(Row):
    __table__ = "people"
    id: int
    name: str
    owner: int
    secret: str


VISIBLE = Access(columns=frozenset({"id", "name"}), max_terms=2)


@pytest.fixture
async def people(db: DB, ddl: Any) -> DB:
    await db.execute(
        ddl("CREATE TABLE people (id {int} PRIMARY KEY, name {text}, owner {int}, secret {text})")
    )
    await db.insert_many([Person(id=i, name=f"n{i}", owner=i % 2, secret="s") for i in range(6)])
    return db


async def everything(db: DB, **options: Any) -> list[Row]:
    return [row async for row in db.iter_rows(Person, **options)]


VERBS = ("query", "count", "exists", "page")


@pytest.mark.parametrize("verb", VERBS)
async def test_a_hidden_column_cannot_be_filtered_by_a_stranger(people: DB, verb: str) -> None:
    with pytest.raises(UndefinedColumnError, match="people has no column 'secret'; known: id, name"):
        await getattr(people, verb)(Person, where={"secret": "s"}, access=VISIBLE)
    with pytest.raises(UndefinedColumnError):
        await everything(people, where={"secret": "s"}, access=VISIBLE)


async def test_a_hidden_column_cannot_be_sorted_by_a_stranger(people: DB) -> None:
    for sorted_by in (people.query, people.page, lambda *a, **k: everything(people, **k)):
        with pytest.raises(UndefinedColumnError):
            await sorted_by(Person, order="secret", access=VISIBLE)


async def test_our_own_keyword_filters_are_not_bounded(people: DB) -> None:
    rows = await people.query(Person, where={"id": {"gt": 1}}, order="-id", access=VISIBLE, owner=1)
    assert [row.id for row in rows] == [5, 3]
    assert await people.count(Person, where={"id": {"gt": 1}}, access=VISIBLE, owner=1) == 2


async def test_a_strangers_filter_has_bounds(people: DB) -> None:
    with pytest.raises(ValidationError, match="at most 1000 are allowed"):
        await people.query(Person, where={"id": list(range(1001))}, access=STRANGER)
    with pytest.raises(ValidationError, match="regular expressions are not allowed"):
        await people.exists(Person, where={"name": {"~": "^n"}}, access=STRANGER)


async def test_compose_takes_access_too(people: DB) -> None:
    with pytest.raises(UndefinedColumnError):
        people.compose("query", Person, where={"secret": "s"}, access=VISIBLE)
