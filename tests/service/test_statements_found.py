"""Texts with `:name` parameters: what stands in literals, quoted names and comments is text."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import sqlalchemy as sa

from rowstead import DB
from rowstead.raw import numbered
from rowstead.service import DatabaseService, UsageError, ValidationError
from service.conftest import Place


@pytest.fixture
async def service(db: DB) -> AsyncIterator[DatabaseService]:
    async with DatabaseService(db=db) as service:
        yield service


LEAK = ", (SELECT 7) AS leaked, "


@pytest.mark.parametrize(
    "text", ["see :who", ":who", "%(who)s :who %s", "a :who::text", "\\:who", '{"a":1, "who":who}']
)
async def test_a_name_in_a_literal_is_text(service: DatabaseService, place: Place, text: str) -> None:
    literal = text.replace("\\", "\\\\") if place.is_maria else text
    rows = await service.fetch(f"SELECT '{literal}' AS one, CAST(:who AS CHAR(80)) AS other", {"who": LEAK})
    assert [[value.rstrip() for value in row.values()] for row in rows] == [[text, LEAK.rstrip()]]
    assert [*rows[0]] == ["one", "other"]


async def test_a_name_in_a_comment_is_text(service: DatabaseService) -> None:
    text = "SELECT :a + 1 /* :b */ AS n -- :c\n"
    assert await service.fetchval(text, {"a": 1}) == 2
    with pytest.raises(ValidationError, match="no parameter 'b'"):
        await service.fetchval(text, {"a": 1, "b": 2})


async def test_a_stored_literal_is_stored_as_it_is_written(service: DatabaseService) -> None:
    await service.execute("INSERT INTO my_table (id, value) VALUES ('see ticket :id', :id)", {"id": 7})
    assert await service.fetchrow("SELECT * FROM my_table") == {"id": "see ticket :id", "value": 7}


@pytest.mark.parametrize("place", ["asyncpg", "psycopg"], indirect=True)
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("SELECT :v::int + 1", 8),
        ("SELECT (ARRAY[5, 6, 7, 8])[2 : :v::int]", [6, 7, 8]),
        ("""SELECT ('{"a":1, "b": 2}'::jsonb ->> 'a')::int + :v::int""", 8),
        ("SELECT $$:v$$ || CAST(:v AS text)", ":v7"),
        (r"SELECT E'it\'s :v' || CAST(:v AS text)", "it's :v7"),
    ],
)
async def test_a_parameter_may_be_cast(service: DatabaseService, text: str, value: Any) -> None:
    given = "7" if "AS text" in text else 7
    assert await service.fetchval(text, {"v": given}) == value


async def test_numbered_parameters_and_missing_values_are_told(service: DatabaseService) -> None:
    with pytest.raises(ValidationError, match="write `:name`"):
        await service.fetch("SELECT $1", {"a": 1})
    with pytest.raises(ValidationError, match="'b' has no value"):
        await service.fetch("SELECT :a, :b", {"a": 1})


@pytest.mark.parametrize(
    ("text", "as_numbered", "names"),
    [
        (":a, :b, :a", "$1, $2, $1", ("a", "b")),
        ("x[1:n], 12:30", "x[1:n], 12:30", ()),
        ('":a" = :a', '":a" = $1', ("a",)),
        ("`:a` = :a", "`:a` = $1", ("a",)),
        ("a::b = :c::d", "a::b = $1::d", ("c",)),
        ("'it''s :a', :a", "'it''s :a', $1", ("a",)),
    ],
)
def test_names_become_numbers(text: str, as_numbered: str, names: tuple[str, ...]) -> None:
    assert numbered(text, "numeric_dollar") == (as_numbered, names)


def test_a_backslash_escapes_in_the_literals_of_mariadb_alone() -> None:
    text = r"'a\' :b', :c, '"
    assert numbered(text, "format") == (r"'a\' :b', $1, '", ("c",))
    assert numbered(text, "numeric_dollar") == (r"'a\' $1', :c, '", ("b",))


async def test_a_name_may_have_any_letters(service: DatabaseService) -> None:
    assert await service.fetchval("SELECT 1 + :größe", {"größe": 2}) == 3


@pytest.mark.parametrize("place", ["asyncpg", "psycopg"], indirect=True)
async def test_a_comment_ends_where_postgresql_ends_it(service: DatabaseService) -> None:
    text = "SELECT :a + 1 /* one /* :b */ two /* /* */ */ :c */ + 0 -- /*\n + 1"
    assert await service.fetchval(text, {"a": 1}) == 3


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
async def test_a_name_in_brackets_is_text(service: DatabaseService) -> None:
    rows = await service.fetch("SELECT 1 AS [it's :b], :a AS [c]", {"a": 2})
    assert rows == [{"it's :b": 1, "c": 2}]


def test_brackets_are_not_text_where_they_are_subscripts() -> None:
    assert numbered("SELECT x[:n]", "numeric_dollar") == ("SELECT x[$1]", ("n",))


@pytest.mark.parametrize("text", ["SELECT ':who', :who", "SELECT :who /* as :who */", 'SELECT 1 AS ":who"'])
async def test_a_value_never_stands_in_a_literal_of_sqlalchemys_text(
    service: DatabaseService, text: str
) -> None:
    with pytest.raises(UsageError, match=r"write \\:who"):
        await service.fetch(sa.text(text), {"who": LEAK})


async def test_an_escaped_name_in_sqlalchemys_text_is_text(service: DatabaseService) -> None:
    text = sa.text("SELECT '\\:who 12:30' AS one, CAST(:who AS CHAR(80)) AS other")
    row = await service.fetchrow(text, {"who": LEAK})
    assert row is not None
    assert [value.rstrip() for value in row.values()] == [":who 12:30", LEAK.rstrip()]


notes = sa.Table(
    "notes",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("db_name", sa.String(20), key="attr"),
)


@pytest.mark.parametrize(
    ("statement", "column"),
    [
        (sa.update(notes).values(attr=1), "attr"),
        (sa.update(notes).values(id="x").where(notes.c.attr == "a"), "id"),
        (sa.insert(notes).values(attr=1), "attr"),
        (sa.insert(notes).values([{"id": 1, "attr": "a"}, {"id": 2, "attr": 2}]), "attr"),
    ],
    ids=range(4),
)
async def test_a_value_that_does_not_fit_is_told_by_its_column(
    service: DatabaseService, statement: Any, column: str
) -> None:
    with pytest.raises(ValidationError, match=f"column '{column}' takes (str|int), not (str|int)"):
        await service.execute(statement)
