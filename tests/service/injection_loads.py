"""What a stranger may send to exhaust or confuse a service: each with the call that takes it.

`REFUSED`: a ValidationError, and nothing reaches the database; `WRONG_VALUES`: the same, but that it may
be the database that says it. `ODD`: whatever is made of it, no other
error than a caller may get. `BOUNDED`: refused with the same work however large it is.
"""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

from service.injection_names import ROW
from service.injection_positions import Services

Call = Callable[[Services], Awaitable[Any]]
LARGE = 20_000
NAN, INFINITE = float("nan"), float("inf")
MEGABYTE = "x" * 2**20


def nested(depth: int, innermost: Any, level: Callable[[Any], Any]) -> Any:
    for _ in range(depth):
        innermost = level(innermost)
    return innermost


def spelled(word: str) -> Iterator[str]:
    """Every mixture of capitals of a word."""
    return map("".join, itertools.product(*({c.lower(), c.upper()} for c in word)))


def in_list(conditions: Any) -> Call:
    return lambda s: s.people.list(conditions=conditions)


def in_update(conditions: Any) -> Call:
    return lambda s: s.people.m_update([], {"age": 1}, conditions=conditions)


def in_removal(conditions: Any) -> Call:
    return lambda s: s.people.m_delete([], conditions=conditions)


def listed(**named: Any) -> Call:
    return lambda s: s.people.list(**named)


def walked(**named: Any) -> Call:
    async def call(s: Services) -> None:
        async for _ in s.people.iter(**named):
            pass

    return call


def got(id: Any) -> Call:
    return lambda s: s.people.get(id)


def removed(id: Any) -> Call:
    return lambda s: s.pairs.delete(id)


def many_removed(ids: Any) -> Call:
    return lambda s: s.pairs.m_delete(ids)


def made(data: Any, **named: Any) -> Call:
    return lambda s: s.tags.create(data, **named)


def many_made(data: Any) -> Call:
    return lambda s: s.tags.m_create(data)


def changed(data: Any) -> Call:
    return lambda s: s.people.update(1, data)


def merged(**named: Any) -> Call:
    right = {"on_conflict": "do_update", "on_conflict_keys": ["label"], "on_conflict_values": {"n": 2}}
    return lambda s: s.tags.create(ROW, **{**right, **named})


BOUNDED: Mapping[str, Callable[[int], Call]] = {
    "lists in lists": lambda n: in_list(nested(n, {"id": 1}, lambda x: [x])),
    "and in and": lambda n: in_list(nested(n, {"id": 1}, lambda x: {"and": [x]})),
    "not in not": lambda n: in_update(nested(n, {"id": 1}, lambda x: {"not": x})),
    "or beside and": lambda n: in_removal(
        nested(n, {"id": 1}, lambda x: [x, {"and": [x]}] if n < 12 else [x])
    ),
    "many alternatives": lambda n: in_list([{"id": 1}] * n),
    "many empty alternatives": lambda n: in_list([{}] * n),
    "many empty tests": lambda n: in_list([{"id": {}}] * n),
    "many tests of a column": lambda n: in_list(
        {"title": dict.fromkeys(itertools.islice(itertools.cycle(spelled("starts_with")), n), "x")}
    ),
    "a long list": lambda n: in_list({"id": [1] * n}),
    "a long list that is denied": lambda n: in_list({"id": {"not_in": [1] * n}}),
    "a long list of texts": lambda n: in_update({"title": ["x"] * n}),
    "many ids": lambda n: lambda s: s.people.m_get([1] * n),
    "many ids to change": lambda n: lambda s: s.people.m_update([1] * n, {"age": 1}),
    "many ids to remove": lambda n: lambda s: s.people.m_delete([1] * n),
    "many ids to look for": lambda n: lambda s: s.people.m_exists([1] * n),
    "many composite ids": lambda n: lambda s: s.pairs.m_get([("x", 1)] * n),
    "many sort terms": lambda n: listed(sort=["id"] * n),
    "many sort terms in words": lambda n: listed(sort="id," * n),
    "many sort terms as dicts": lambda n: walked(sort=[{"asc": "id"}] * n),
}
"""By name: the call that takes a load of size n. All are over their bound at LARGE."""

DEEP = nested(100_000, 1, lambda x: [x])

REFUSED: Mapping[str, Call] = {
    # Conditions.
    **{
        f"conditions {c!r}": in_list(c) for c in (5, True, b"x", 1.5, "x", [5], [None], ["*"], [["*"]], [[5]])
    },
    **{f"update by {c!r}": in_update(c) for c in (5, True, "x", None, [], {}, [{}], {"id": {}}, [None])},
    **{
        f"removal by {c!r}": in_removal(c)
        for c in (0, "", None, [], {}, [{}], [{}, {}], {"and": []}, {"id": {}})
    },
    "removal by what denies nothing": in_removal({"not": {"or": []}}),
    "removal without anything": lambda s: s.people.m_delete(),
    "change without anything": lambda s: s.people.m_update(None, {"age": 1}),
    "name None": in_list({None: 1}),
    "name that is a number": in_list({1: 1}),
    "name that is a tuple": in_list({(): 1}),
    "operator None": in_list({"title": {None: 1}}),
    "operator that is a number": in_list({"title": {1: 2}}),
    "nothing to compare with": in_list({"age": {"gt": None}}),
    "a dict to compare with": in_list({"title": {"eq": {"a": 1}}}),
    "a list to compare with": in_list({"age": {"gt": [1]}}),
    "a deep list to compare with": in_list({"age": {"gt": DEEP}}),
    "a deep list of values": in_list({"age": DEEP}),
    "a pattern that is a list": in_list({"title": {"like": ["a"]}}),
    "a pattern that is nothing": in_list({"title": {"like": None}}),
    "a text for a list": in_list({"title": {"in": "abc"}}),
    "a dict for a list": in_list({"title": {"in": {"a": 1}}}),
    "a list in a list": in_list({"age": [[1]]}),
    "half a range": in_list({"age": {"between": [1]}}),
    "a column of a megabyte": in_list({MEGABYTE: 1}),
    "an operator of a megabyte": in_list({"title": {MEGABYTE: 1}}),
    "another table": in_list({"id": {"in_subquery": {"table": "canary", "columns": ["id"]}}}),
    "another table that is there": in_list({"exists": {"table": "canary"}}),
    "a regular expression": in_list({"title": {"~": "(a+)+$"}}),
    # Sorts and columns.
    **{
        f"sort {s!r}": listed(sort=s)
        for s in (5, True, [5], [[]], [{}], [{"asc": 5}], [{"asc": ["id"]}], {"up": "id"})
    },
    "a sort of two": listed(sort=[{"asc": "id", "desc": "title"}]),
    "a sort by a value that has no order": listed(sort="data"),
    "a sort of a megabyte": listed(sort=[{"asc": MEGABYTE}]),
    "a direction of a megabyte": listed(sort=[{MEGABYTE: "id"}]),
    **{
        f"columns {c!r}": listed(columns=c)
        for c in (5, True, [5], [["id"]], [None], [{}], {"id": {}, "x": 1}, b"id")
    },
    "a column to give of a megabyte": listed(columns=[MEGABYTE]),
    # Limits and offsets.
    **{f"limit {n!r}": listed(limit=n) for n in (-1, "10", "x", 1.5, True, [], {}, NAN, INFINITE, -(10**30))},
    **{
        f"offset {n!r}": listed(offset=n)
        for n in (-1, "10", "x", 1.5, True, [], {}, NAN, -INFINITE, -(10**30))
    },
    **{f"limit of a walk {n!r}": walked(limit=n) for n in (-1, 0, "10", 1.5, True, NAN)},
    **{f"offset of a walk {n!r}": walked(offset=n) for n in (-1, "10", 1.5, True, NAN)},
    **{f"connection {c!r}": listed(_connection=c) for c in (5, True, [], {}, {"session": 1})},
    # Ids.
    **{f"id {i!r}": got(i) for i in ([], {}, [1], (), {"title": 1}, NAN, "x", b"x")},
    **{
        f"id of two {i!r}": removed(i)
        for i in ("ab", (), ("a",), ("a", 1, 2), {"label": "a"}, {}, 5, None, {"label": "a", "n": 1, "x": 1})
    },
    **{f"ids of two {i!r}": many_removed(i) for i in ([()], ["ab"], [5], [{}], [None])},
    "an id of a list": lambda s: s.people.m_delete([[1, 2]]),
    "ids of dicts": lambda s: s.people.m_update([{"title": "x"}], {"age": 1}),
    # Data.
    **{
        f"data {d!r}": made(d) for d in (5, "abc", [], {}, None, {1: 2}, {None: 1}, [ROW], {MEGABYTE[:50]: 1})
    },
    **{
        f"many data {d!r}": many_made(d)
        for d in (5, "abc", [5], [None], [ROW, 5], ROW, [[]], [{}], [ROW, {}])
    },
    **{f"change {d!r}": changed(d) for d in (5, "abc", [], {}, None, {1: 2}, {"hidden": "x"})},
    "nothing where a value is needed by name only": made({"n": 1, "lable": "x"}),
    **{f"on conflict {c!r}": merged(on_conflict=c) for c in (5, True, [], {}, "update", "DO_UPDATE; --")},
    **{
        f"conflict keys {k!r}": merged(on_conflict_keys=k)
        for k in (5, [5], [[]], [None], [], {}, None, ["note", "x"])
    },
    **{
        f"conflict values {v!r}": merged(on_conflict_values=v)
        for v in (5, "x", [], {}, None, [("n", 1)], {1: 2})
    },
}

WRONG_VALUES: Mapping[str, Call] = {
    "a value with a number that is none": changed({"data": {"a": NAN}}),
    "a value with an infinite number": changed({"data": [INFINITE]}),
    "a number beyond every column": in_list({"age": 10**30}),
    "a list with a number beyond every column": in_list({"age": [1, -(10**30)]}),
    "a number of 4,000 digits": in_list({"age": {"lt": 10**4000}}),
    "no number": in_list({"age": NAN}),
    "an infinite number": in_list({"age": {"lt": INFINITE}}),
    "a text for a number": in_list({"age": "7 or more"}),
    "a text for a date": in_list({"born": "yesterday"}),
    "a number in data beyond every column": made({"label": "x", "n": 10**30}),
    "a date in data that is none": changed({"born": "yesterday"}),
    "a list where a number is meant": changed({"age": [1]}),
    "a dict where a text is meant": changed({"title": {"a": 1}}),
}

ODD: Mapping[str, Call] = {
    "an alternative without alternatives": in_update([[]]),
    "no conditions": in_list({}),
    "alternatives of nothing": in_list([{}]),
    "a list of nothing": in_list({"id": []}),
    "a true number": in_list({"age": True}),
    "a true text": in_list({"title": True}),
    "a half number": in_list({"age": 1.5}),
    "a number for a text": in_list({"title": 5}),
    "bytes for a text": in_list({"title": b"\xff"}),
    "a number for a date": in_list({"born": 5}),
    "a large number for a date": in_list({"born": 1e300}),
    "a number as text": in_list({"age": "7"}),
    "a pattern that is a number": in_list({"title": {"like": 5}}),
    "a pattern on a number": in_list({"age": {"like": "%"}}),
    "a pattern that ends in an escape": in_list({"title": {"like": "x\\"}}),
    "a pattern of a megabyte": in_list({"title": {"like": "%_" * 2**19}}),
    "a text of a megabyte": in_list({"title": MEGABYTE}),
    "texts of a megabyte": in_list({"title": [MEGABYTE] * 5}),
    "a date at the end of time": in_list({"born": "9999-12-31T23:59:59.999999"}),
    "a date behind the end of time": in_list({"born": "99999-12-31"}),
    "a deep value": in_list({"data": {"eq": DEEP}}),
    "a deep value in data": changed({"data": DEEP}),
    "a value as deep as JSON text can be": changed({"data": nested(900, 1, lambda x: {"a": x})}),
    "a value with keys that are no texts": changed({"data": {1: 2}}),
    "a value with a NUL": changed({"data": {"a\x00": "\x00"}}),
    "a value with half a character": changed({"data": {"\ud800": "\ud800"}}),
    "a value with a large number": changed({"data": 10**4000}),
    "a value that is nothing": changed({"data": None}),
    "a NUL": changed({"title": "a\x00b"}),
    "half a character": changed({"title": "\ud800"}),
    "a megabyte": changed({"title": MEGABYTE}),
    "a number that is none": changed({"age": NAN}),
    "a weight that is none": changed({"weight": NAN}),
    "an infinite weight": changed({"weight": -INFINITE}),
    "a weight compared with none": in_list({"weight": {"lt": NAN}}),
    "a weight compared with a large number": in_list({"weight": 10**400}),
    "a half number in data": changed({"age": 1.5}),
    "a true number in data": changed({"age": True}),
    "a number as text in data": changed({"age": "7"}),
    "a number for a text in data": changed({"title": 5}),
    "an id that is true": lambda s: s.people.get(True),
    "an id that is nothing": lambda s: s.people.get(None),
    "an id that is half a number": lambda s: s.people.get(1.5),
    "an id beyond every column": lambda s: s.people.get(10**30),
    "ids beyond every column": lambda s: s.people.m_get([2**63, -(2**63) - 1]),
    "an id as text": lambda s: s.people.get("1"),
    "an id of a megabyte": lambda s: s.tags.get(MEGABYTE),
    "an id as half a character": lambda s: s.tags.get("\ud800"),
    "an id as a dict": lambda s: s.people.get({"id": 1}),
    "no list of ids": lambda s: s.people.m_get(5),
    "a text as ids": lambda s: s.tags.m_get("abc"),
    "2,000 composite ids": lambda s: s.pairs.m_get([("x", n) for n in range(2_000)]),
    "5,000 ids": lambda s: s.people.m_get(range(5_000)),
    "1,000 values": in_list({"id": list(range(1_000))}),
    "an endless limit": listed(limit=10**30),
    "an endless offset": listed(offset=10**30),
    "an offset at the end of numbers": listed(offset=2**63 - 1),
    "a walk behind the end of numbers": walked(offset=2**63 - 1),
    "no limit": listed(limit=None),
    "a sort of nothing": listed(sort=[]),
    "a sort by an empty text": listed(sort=""),
    "columns of an empty text": listed(columns=""),
    "a column twice": listed(columns=["id", "id"]),
    "every column among others": listed(columns=["*", "id"]),
    "20,000 columns": listed(columns=["id"] * LARGE),
    "the key changed": changed({"id": 2}),
    "a key changed to nothing": changed({"id": None}),
    "nothing where a value is needed": made({"label": None, "n": 1}),
    "a missing value": made({"label": "x"}),
    "no conflict": merged(on_conflict=None),
    "conflict key as text": merged(on_conflict_keys="label"),
    "a key that is none of the table's": merged(on_conflict_keys=["note"]),
    "the key changed by a conflict": merged(on_conflict_values={"label": "y"}),
}
