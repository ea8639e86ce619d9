"""The positions of a service that a stranger's string can stand in as a value, or where a number is meant.

A position of a value answers whether the database gave what that string should give; the others only call.
Conditions and data go through JSON text where a string can, as they come from outside. The positions of
names are in `injection_names`.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from rowstead import DB
from rowstead.service import PermHook, SQLService, session

METADATA = sa.MetaData()
TEXT = sa.Text()
KEY = sa.Text().with_variant(sa.String(600), "mysql", "mariadb")
"""As long as a key may be on MariaDB; TEXT cannot be a key at all."""

PEOPLE = sa.Table(
    "people",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("title", TEXT),
    sa.Column("data", sa.JSON),
    sa.Column("age", sa.Integer),
    sa.Column("born", sa.DateTime),
    sa.Column("weight", sa.Float),
    sa.Column("hidden", TEXT),
)
TAGS = sa.Table(
    "tags",
    METADATA,
    sa.Column("label", KEY, primary_key=True),
    sa.Column("n", sa.Integer, nullable=False),
    sa.Column("note", TEXT),
)
PAIRS = sa.Table(
    "pairs",
    METADATA,
    sa.Column("label", KEY, primary_key=True),
    sa.Column("n", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("note", TEXT),
)
NOTES = sa.Table(
    "notes",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("user_id", TEXT),
    sa.Column("note", TEXT),
)
CANARY = sa.Table(
    "canary",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("alive", sa.Integer),
)


class People(SQLService[int, dict[str, Any]]):
    table = PEOPLE
    select_columns_blacklist = frozenset({"hidden"})
    insert_columns_blacklist = frozenset({"hidden"})
    update_columns_blacklist = frozenset({"hidden"})


class Tags(SQLService[str, dict[str, Any]]):
    table = TAGS


class Pairs(SQLService[tuple[str, int], dict[str, Any]]):
    table = PAIRS


class Notes(PermHook, SQLService[int, dict[str, Any]]):
    table = NOTES


class Services(NamedTuple):
    """What is tested, over one database."""

    people: Any
    tags: Any
    pairs: Any
    notes: Any

    @classmethod
    def over(cls, db: DB) -> Services:
        return cls(People(db), Tags(db), Pairs(db), Notes(db))


def from_json(value: Any) -> Any:
    """The value as a stranger's JSON text gives it."""
    return json.loads(json.dumps(value))


async def number_of(service: Any, conditions: Any) -> int:
    return (await service.list(conditions=from_json(conditions), limit=0))["count"]


# ── positions of values: the statements are the same, and the answer is right ────────────────


async def create(s: Services, text: str) -> bool:
    await s.people.m_delete(conditions="*")
    row = {"id": 1, "title": text, "data": {"text": text}, "age": 7}
    return await s.people.create(row, columns=["id", "title", "data", "age"]) == row


async def read_by_id(s: Services, text: str) -> bool:
    row = await s.people.get(1, columns=["title", "data"])
    return row == {"title": text, "data": {"text": text}}


async def by_comparisons(s: Services, text: str) -> bool:
    tests = ("eq", "not", "gt", "ge", "lt", "le")
    found = [await number_of(s.people, {"title": {test: text}}) for test in tests]
    return found == [1, 0, 0, 1, 0, 1] and await number_of(s.people, {"title": text}) == 1


async def by_lists(s: Services, text: str) -> bool:
    short = await number_of(s.people, {"title": [text, "other"]})
    long = await number_of(s.people, {"title": ["x"] * 20 + [text]})
    return [short, long] == [1, 1]


async def by_patterns(s: Services, text: str) -> bool:
    wild = await number_of(s.people, {"title": {"like": text}})
    return wild == 1 or "\\" in text


async def in_one_of_several(s: Services, text: str) -> bool:
    either = [{"title": text, "age": {"gt": 1}}, [{"title": {"like": "nobody"}}, {"id": 999}]]
    return await number_of(s.people, either) == 1


async def json_condition(s: Services, text: str) -> bool:
    return await number_of(s.people, {"data": {"eq": {"text": text}}}) == 1


async def json_keys(s: Services, text: str) -> bool:
    value = {text: [text, {"deep": text}]}
    row = await s.people.update(1, {"data": value}, columns=["data"])
    return row == {"data": value} and await s.people.get(1, columns="data") == {"data": value}


async def listed(s: Services, text: str) -> bool:
    """By a page and by a walk, sorted by the column that holds the string."""
    page = await s.people.list(conditions={"title": text}, sort=[{"desc": "title"}], columns=["title"])
    walked = [
        row
        async for batch in s.people.iter(conditions={"title": text}, sort=["title"], limit=1)
        for row in batch
    ]
    return page["data"] == [{"title": text}] and [row["title"] for row in walked] == [text]


async def key(s: Services, text: str) -> bool:
    row = {"label": text, "n": 1, "note": None}
    there = [await s.tags.create(row) == row, await s.tags.get(text) == row, await s.tags.exists(text)]
    there.append(await s.tags.m_exists([text, "other"]) == {text})
    there.append(await s.tags.m_get([text, "other"], columns=["label"]) == [{"label": text}])
    changed = await s.tags.update(text, {"n": 2}, columns=["label", "n"])
    gone = await s.tags.delete(text, columns=["label"])
    return all(there) and changed == {"label": text, "n": 2} and gone == {"label": text}


async def composite_key(s: Services, text: str) -> bool:
    row = {"label": text, "n": 1, "note": text}
    made = await s.pairs.m_create([row, {**row, "n": 2}], columns=["n"])
    by_tuple, by_dict = await s.pairs.get((text, 1)), await s.pairs.get({"label": text, "n": 1})
    several = await s.pairs.m_get([(text, 1), {"label": text, "n": 2}], columns=["n"])
    changed = await s.pairs.update([text, 2], {"note": "x"}, columns=["note"])
    gone = await s.pairs.m_delete([(text, 1), (text, 2)], columns=["label"])
    numbers = [sorted(one["n"] for one in rows) for rows in (made, several)]
    return (
        [by_tuple, by_dict, numbers] == [row, row, [[1, 2], [1, 2]]]
        and changed == {"note": "x"}
        and gone == [{"label": text}] * 2
    )


async def conflicts(s: Services, text: str) -> bool:
    rows = [{"label": text, "n": 1, "note": "first"}, {"label": "another", "n": 2, "note": "first"}]
    await s.tags.m_create(rows, columns=None)
    again = await s.tags.create(rows[0], on_conflict="do_nothing")
    merged = await s.tags.create(
        rows[0],
        on_conflict="do_update",
        on_conflict_keys=["label"],
        on_conflict_values={"note": text},
    )
    gone = await s.tags.m_delete([text, "another"], columns=["n"])
    return again is None and merged == {"label": text, "n": 1, "note": text} and len(gone) == 2


async def on_behalf_of(s: Services, text: str) -> bool:
    """The string as the one who calls and as what it may do."""
    with session(system=True):
        await s.notes.m_delete(conditions="*", columns=None)
    with session(user_id="nobody's name"):
        await s.notes.create({"id": 2, "note": "another's"}, columns=None)
    with session(user_id=text, permissions={text}):
        await s.notes.create({"id": 1, "note": text}, columns=None)
        page = await s.notes.list(columns=["user_id", "note"])
        changed = await s.notes.m_update([], {"note": "mine"}, conditions="*", columns=["id"])
    return page["data"] == [{"user_id": text, "note": text}] and changed == [{"id": 1}]


async def change_and_remove(s: Services, text: str) -> bool:
    conditions = from_json({"title": text})
    changed = await s.people.m_update([1], {"title": text}, conditions=conditions, columns=["title"])
    gone = await s.people.m_delete(conditions=conditions, columns=["title"])
    return changed == gone == [{"title": text}]


ValueOf = Callable[[Services, str], Awaitable[bool]]
# In this order: the first puts the row there that the others look for, the last removes it.
VALUES: Sequence[ValueOf] = (
    create,
    read_by_id,
    by_comparisons,
    by_lists,
    by_patterns,
    in_one_of_several,
    json_condition,
    json_keys,
    listed,
    key,
    composite_key,
    conflicts,
    on_behalf_of,
    change_and_remove,
)


WHAT_CREATE_MADE = frozenset(
    one.__name__
    for one in (
        read_by_id,
        by_comparisons,
        by_lists,
        by_patterns,
        in_one_of_several,
        json_condition,
        json_keys,
        listed,
        change_and_remove,
    )
)
"""These look for the row of `create`, which is not there where the string cannot be stored."""


# ── positions of another kind: the string is no number, no date, and is refused as one ───────


async def id_of_a_number(s: Services, text: str) -> None:
    await s.people.m_get([text])


async def id_within_a_key(s: Services, text: str) -> None:
    await s.pairs.m_get([("x", text)])


async def number_in_conditions(s: Services, text: str) -> None:
    await s.people.list(conditions={"age": {"gt": text}}, limit=0)


async def date_in_conditions(s: Services, text: str) -> None:
    await s.people.list(conditions={"born": {"lt": text}}, limit=0)


async def numbers_in_conditions(s: Services, text: str) -> None:
    await s.people.list(conditions={"age": [1, text]}, limit=0)


async def number_in_data(s: Services, text: str) -> None:
    await s.people.m_update([0], {"age": text}, columns=None)


KINDS: Sequence[Callable[[Services, str], Awaitable[None]]] = (
    id_of_a_number,
    id_within_a_key,
    number_in_conditions,
    date_in_conditions,
    numbers_in_conditions,
    number_in_data,
)
