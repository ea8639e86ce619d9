"""The positions of the rows API that a string can stand in: as a value, or as a name.

A position of a value answers whether the database gave what that string should give; a position of a
name only calls.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any

from rowstead import DB, Kind, Row


class Person(Row):
    __table__ = "people"
    id: int
    name: str | None = None
    data: Annotated[Any, Kind.JSON] = None


class Tag(Row):
    __table__ = "tags"
    __pk__ = ("label",)
    label: str
    n: int = 0


# ── positions of values: the statement is the same, and the answer is right ──────────────────


async def insert(db: DB, text: str) -> bool:
    await db.execute("DELETE FROM people")
    return (await db.insert(Person(id=1, name=text))).name == text


async def upsert(db: DB, text: str) -> bool:
    row = await db.insert(Person(id=1, name=text, data=0), on_conflict="upsert", conflict_target="name")
    return row.name == text and row.data == 0


async def get(db: DB, text: str) -> bool:
    return (await db.get(Person, name=text)) == await db.get(Person, id=1)


async def by_lists(db: DB, text: str) -> bool:
    found = [await db.count(Person, name=[text, "other"]), await db.count(Person, name=["x"] * 20 + [text])]
    return [*found, await db.count(Person, where={"name": {"not_in": [text]}})] == [1, 1, 0]


async def by_comparisons(db: DB, text: str) -> bool:
    tests = ("eq", "ne", "not", "gt", "gte", "lt", "lte")
    found = [await db.count(Person, where={"name": {test: text}}) for test in tests]
    between = await db.count(Person, where={"name": {"between": [text, text]}})
    return [*found, between] == [1, 0, 0, 0, 1, 0, 1, 1]


async def by_patterns(db: DB, text: str) -> bool:
    literal = [await db.count(Person, where={"name": {test: text}}) for test in ("contains", "starts_with")]
    wild = await db.count(Person, where={"name": {"like": text}})
    await db.count(Person, where={"name": {"ilike": text}})
    return literal == [1, 1] and (wild == 1 or "\\" in text)


async def in_subquery(db: DB, text: str) -> bool:
    inner = {"table": Person, "columns": ["id"], "filter": {"name": {"eq": text}}}
    there = {"exists": {"table": Person, "filter": {"name": {"eq": text}}}}
    return await db.count(Person, where={"id": {"in_subquery": inner}, **there}) == 1


async def json_value(db: DB, text: str) -> bool:
    value = {"text": text, text: [text, {"deep": text}]}
    row = await db.update(Person(id=1, data=value))
    found = await db.get(Person, data={"eq": value})
    return row is not None and row.data == value and found is not None and found.data == value


async def page_token(db: DB, text: str) -> bool:
    """A walk by name, whose token holds the string."""
    page = await db.page(Person, order="name", limit=1)
    token = base64.urlsafe_b64encode(json.dumps(["people:+name,+id", "some", [text, 0]]).encode()).decode()
    behind = await db.page(Person, order="name", limit=1, after=token.rstrip("="))
    return [r.name for r in page.rows] == [text] and [r.name for r in behind.rows] == [text]


async def raw_parameter(db: DB, text: str) -> bool:
    row = await db.fetchrow("SELECT name FROM people WHERE name = $1", text)
    model = await db.fetch_model(Person, "SELECT id, name FROM people WHERE name = $1", text)
    return row == {"name": text} and model is not None and model.name == text


async def nested_block(db: DB, text: str) -> bool:
    async with db.transaction() as outer, outer.transaction() as inner:
        return await inner.update(Person(id=1, name=text)) is not None


async def key(db: DB, text: str) -> bool:
    await db.insert(Tag(label=text, n=1))
    changed = await db.update(Tag(label=text, n=2), where={"label": {"eq": text}})
    gone = [await db.delete_many(Tag, [text]), await db.delete(Tag(label=text))]
    return changed == Tag(label=text, n=2) and gone == [1, 0]


async def bulk(db: DB, text: str) -> bool:
    rows = [Tag(label=text, n=1), *(Tag(label=f"other {i}", n=i) for i in range(3))]
    await db.insert_many(rows)
    again = await db.insert_many(rows, on_conflict="upsert", returning=True)
    changed = await db.update_where(Tag.patch(n=5), where={"label": text})
    gone = await db.delete_many(Tag, [row.label for row in rows])
    return again[0].label == text and changed == 1 and gone == 4


async def change_and_remove(db: DB, text: str) -> bool:
    changed = await db.update_where(Person.patch(name=text), where={"name": text})
    return changed == 1 and await db.delete(Person(id=1), where={"name": text}) == 1


Position = Callable[[DB, str], Awaitable[bool]]
# In this order: the first puts the row there that the others look for, the last removes it.
VALUES: Sequence[Position] = (
    insert,
    upsert,
    get,
    by_lists,
    by_comparisons,
    by_patterns,
    in_subquery,
    json_value,
    page_token,
    raw_parameter,
    nested_block,
    key,
    bulk,
    change_and_remove,
)


# ── positions of names: refused before anything is sent ──────────────────────────────────────


async def column_of_a_filter(db: DB, text: str) -> None:
    await db.query(Person, where={text: 1})


async def column_by_keyword(db: DB, text: str) -> None:
    await db.query(Person, **{text: 1})


async def escaped_column(db: DB, text: str) -> None:
    await db.query(Person, where={"col": {"name": text, "eq": 1}})


async def operator(db: DB, text: str) -> None:
    await db.query(Person, where={"name": {text: "x"}})


async def order(db: DB, text: str) -> None:
    await db.query(Person, order=[{"asc": text}])


async def order_in_words(db: DB, text: str) -> None:
    await db.query(Person, order=[text])


async def direction(db: DB, text: str) -> None:
    await db.query(Person, order=[{text: "id"}])


async def nulls(db: DB, text: str) -> None:
    await db.query(Person, order=[{"asc": "name", "nulls": text}])


async def conflict_target(db: DB, text: str) -> None:
    await db.insert(Person(id=1, name="x"), on_conflict="upsert", conflict_target=text)


async def conflict_action(db: DB, text: str) -> None:
    await db.insert(Person(id=1, name="x"), on_conflict=text)  # type: ignore[arg-type]


async def field_of_a_patch(db: DB, text: str) -> None:
    await db.update_where(Person.patch(**{text: 1}), where={"id": 1})


async def key_column(db: DB, text: str) -> None:
    await db.delete_many(Person, [{text: 1}])


async def subquery_table(db: DB, text: str) -> None:
    await db.query(Person, where={"exists": {"table": text, "filter": {}}})


async def subquery_column(db: DB, text: str) -> None:
    await db.query(Person, where={"id": {"in_subquery": {"table": Person, "columns": [text]}}})


async def outer_column(db: DB, text: str) -> None:
    inner = {"table": Person, "filter": {"name": {"eq": {"$outer": text}}}}
    await db.query(Person, where={"exists": inner})


async def walked_column(db: DB, text: str) -> None:
    async for _ in db.iter_rows_keyset(Person, by=text):
        pass


async def limit(db: DB, text: str) -> None:
    await db.query(Person, limit=text)  # type: ignore[arg-type]


async def offset(db: DB, text: str) -> None:
    await db.query(Person, offset=text)  # type: ignore[arg-type]


async def token(db: DB, text: str) -> None:
    await db.page(Person, order="name", after=text)


async def isolation(db: DB, text: str) -> None:
    async with db.transaction(isolation=text):
        pass


async def isolation_of_a_function(db: DB, text: str) -> None:
    async def work(inner: DB) -> None:
        pass

    await db.transaction(work, isolation=text)


async def verb(db: DB, text: str) -> None:
    await db.explain(text, Person, id=1)


NAMES: Sequence[Callable[[DB, str], Awaitable[None]]] = (
    column_of_a_filter,
    column_by_keyword,
    escaped_column,
    operator,
    order,
    order_in_words,
    direction,
    nulls,
    conflict_target,
    conflict_action,
    field_of_a_patch,
    key_column,
    subquery_table,
    subquery_column,
    outer_column,
    walked_column,
    limit,
    offset,
    token,
    isolation,
    isolation_of_a_function,
    verb,
)
