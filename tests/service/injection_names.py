"""The positions of a service that a stranger's string can stand in as a name, an operator, a limit.

Each only calls: what is no name of the service's is refused before anything is sent.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from service.injection_positions import Services

EVERY = "*"
"""A word of ours: every column, or every row."""

ROW: dict[str, Any] = {"label": "x", "n": 1}


async def conditions_themselves(s: Services, text: str) -> None:
    await s.people.list(conditions=text)


async def column_of_a_condition(s: Services, text: str) -> None:
    await s.people.list(conditions={text: 1})


async def column_beside_a_right_one(s: Services, text: str) -> None:
    await s.people.m_get(conditions=[{"id": 1}, {"id": 1, text: 1}])


async def escaped_column(s: Services, text: str) -> None:
    await s.people.list(conditions={"col": {"name": text, "eq": 1}})


async def column_of_an_update(s: Services, text: str) -> None:
    await s.people.m_update([], {"age": 1}, conditions={text: 1})


async def column_of_a_removal(s: Services, text: str) -> None:
    await s.people.m_delete([], conditions={text: 1})


async def removal_of_what_is_said(s: Services, text: str) -> None:
    await s.people.m_delete(conditions=[text])


async def operator(s: Services, text: str) -> None:
    await s.people.list(conditions={"title": {text: "x"}})


async def operator_of_an_update(s: Services, text: str) -> None:
    await s.people.m_update([1], {"age": 1}, conditions={"title": {"eq": "x", text: "x"}})


async def sort(s: Services, text: str) -> None:
    await s.people.list(sort=[{"asc": text}])


async def sort_in_words(s: Services, text: str) -> None:
    await s.people.list(sort=text)


async def sort_in_a_list(s: Services, text: str) -> None:
    await s.people.list(sort=["id", text])


async def direction(s: Services, text: str) -> None:
    await s.people.list(sort=[{text: "id"}])


async def nulls(s: Services, text: str) -> None:
    await s.people.list(sort=[{"asc": "title", "nulls": text}])


async def sort_of_a_walk(s: Services, text: str) -> None:
    async for _ in s.people.iter(sort=[{"desc": text}]):
        pass


async def columns_of_get(s: Services, text: str) -> None:
    await s.people.get(1, columns=text)


async def columns_of_m_get(s: Services, text: str) -> None:
    await s.people.m_get([1], columns=["id", text])


async def columns_of_list(s: Services, text: str) -> None:
    await s.people.list(columns=[text])


async def columns_of_a_walk(s: Services, text: str) -> None:
    async for _ in s.people.iter(columns=(text,)):
        pass


async def columns_of_create(s: Services, text: str) -> None:
    await s.tags.create(ROW, columns=[text])


async def columns_of_update(s: Services, text: str) -> None:
    await s.people.update(1, {"age": 1}, columns=[text])


async def columns_of_delete(s: Services, text: str) -> None:
    await s.people.delete(1, columns=["id", text])


async def columns_of_m_delete(s: Services, text: str) -> None:
    await s.people.m_delete([1], columns=[text])


async def key_of_data(s: Services, text: str) -> None:
    await s.tags.create({**ROW, text: 1})


async def key_of_a_later_row(s: Services, text: str) -> None:
    await s.tags.m_create([ROW, {"label": "y", text: 1}])


async def key_of_a_change(s: Services, text: str) -> None:
    await s.people.update(1, {text: "x"})


async def key_of_a_change_of_many(s: Services, text: str) -> None:
    await s.people.m_update([1, 2], {"age": 1, text: "x"})


async def key_of_an_id(s: Services, text: str) -> None:
    await s.pairs.get({"label": "x", text: 1})


async def key_of_several_ids(s: Services, text: str) -> None:
    await s.pairs.m_delete([{"label": "x", "n": 1, text: 1}])


async def conflict_action(s: Services, text: str) -> None:
    await s.tags.create(ROW, on_conflict=text)


async def conflict_key(s: Services, text: str) -> None:
    await s.tags.create(
        ROW, on_conflict="do_update", on_conflict_keys=[text], on_conflict_values={"note": "x"}
    )


async def conflict_key_to_ignore(s: Services, text: str) -> None:
    await s.tags.m_create([ROW], on_conflict="do_nothing", on_conflict_keys=["label", text])


async def conflict_value(s: Services, text: str) -> None:
    await s.tags.create(
        ROW, on_conflict="do_update", on_conflict_keys=["label"], on_conflict_values={text: "x"}
    )


async def limit(s: Services, text: str) -> None:
    await s.people.list(limit=text)


async def offset(s: Services, text: str) -> None:
    await s.people.list(offset=text)


async def limit_of_a_walk(s: Services, text: str) -> None:
    async for _ in s.people.iter(limit=text):
        pass


async def offset_of_a_walk(s: Services, text: str) -> None:
    async for _ in s.people.iter(offset=text):
        pass


async def connection(s: Services, text: str) -> None:
    await s.people.list(_connection=text)


async def connection_of_a_change(s: Services, text: str) -> None:
    await s.people.m_update([1], {"age": 1}, _connection=text)


async def subquery_table(s: Services, text: str) -> None:
    await s.people.list(conditions={"exists": {"table": text, "filter": {"alive": 1}}})


async def subquery_column(s: Services, text: str) -> None:
    await s.people.list(conditions={"id": {"in_subquery": {"table": "canary", "columns": [text]}}})


async def pattern_of_a_regex(s: Services, text: str) -> None:
    await s.people.list(conditions={"title": {"~": text}})


NAMES: Sequence[Callable[[Services, str], Awaitable[None]]] = (
    conditions_themselves,
    column_of_a_condition,
    column_beside_a_right_one,
    escaped_column,
    column_of_an_update,
    column_of_a_removal,
    removal_of_what_is_said,
    operator,
    operator_of_an_update,
    sort,
    sort_in_words,
    sort_in_a_list,
    direction,
    nulls,
    sort_of_a_walk,
    columns_of_get,
    columns_of_m_get,
    columns_of_list,
    columns_of_a_walk,
    columns_of_create,
    columns_of_update,
    columns_of_delete,
    columns_of_m_delete,
    key_of_data,
    key_of_a_later_row,
    key_of_a_change,
    key_of_a_change_of_many,
    key_of_an_id,
    key_of_several_ids,
    conflict_action,
    conflict_key,
    conflict_key_to_ignore,
    conflict_value,
    limit,
    offset,
    limit_of_a_walk,
    offset_of_a_walk,
    connection,
    connection_of_a_change,
    subquery_table,
    subquery_column,
    pattern_of_a_regex,
)
