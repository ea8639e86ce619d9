"""Any filter: what the databases find is what a Python reading of the same filter finds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rowstead import DB, Row

if TYPE_CHECKING:
    from conftest import Backend
    from properties.conftest import Handles


class Item(Row):
    __table__ = "items"
    id: int
    n: int | None = None
    s: str | None = None
    price: Decimal | None = None
    ok: bool | None = None


def items_ddl(backend: Backend) -> str:
    # Texts in one order everywhere: by code point.
    return backend.ddl(
        "CREATE TABLE items (id {int} PRIMARY KEY, n {bigint}, s {sorted_text}, price {decimal}, ok {bool})"
    )


# Few values, so that they meet; letters with two cases only from ASCII (a `C` locale knows no others).
ALPHABET = "aAbB%_*?[]\\^-'\"$\n中🎈"
numbers = st.integers(-3, 3) | st.sampled_from([2**62, -(2**62)])
texts = st.text(ALPHABET, max_size=4)
prices = st.sampled_from(
    ["0", "1.5", "-1.5", "9", "10", "1e-20", "12345678901234567890.5", "12345678901234567890.25"]
).map(Decimal)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "id": st.integers(0, 11),
    "n": numbers,
    "s": texts,
    "price": prices,
    "ok": st.booleans(),
}
rows = st.lists(
    st.fixed_dictionaries({name: st.none() | VALUES[name] for name in ("n", "s", "price", "ok")}), max_size=11
).map(lambda found: [Item(id=i, **fields) for i, fields in enumerate(found)])

COMPARISONS = ("gt", "gte", "ge", "lt", "lte", "le")
PATTERNS = ("like", "ilike", "contains", "starts_with")


@st.composite
def operand_of(draw: st.DrawFn, name: str) -> Any:
    """What stands behind a column's name."""
    value = VALUES[name]
    nullable = st.none() | value
    kinds = ["plain", "eq", "lists", "null", "several", "long"]
    if name != "ok":
        kinds += ["order", "between"]
    if name == "s":
        kinds.append("pattern")
    kind = draw(st.sampled_from(kinds))
    if kind == "plain":
        return draw(nullable | st.lists(nullable, max_size=4))
    if kind == "eq":
        return {draw(st.sampled_from(["eq", "ne", "not"])): draw(nullable)}
    if kind == "lists":
        return {draw(st.sampled_from(["in", "not_in"])): draw(st.lists(nullable, max_size=4))}
    if kind == "long":
        # Long enough to travel as one parameter.
        few = draw(st.lists(nullable, min_size=1, max_size=4))
        return {draw(st.sampled_from(["in", "not_in"])): [*few * 20]}
    if kind == "null":
        return {draw(st.sampled_from(["is_null", "is_not_null"])): draw(st.sampled_from([True, False, None]))}
    if kind == "between":
        return {"between": [draw(value), draw(value)]}
    if kind == "pattern":
        return {draw(st.sampled_from(PATTERNS)): draw(texts)}
    if kind == "order":
        return {draw(st.sampled_from(COMPARISONS)): draw(value)}
    operators = ["ne", "not"] if name == "ok" else [*COMPARISONS, "ne", "not"]
    return draw(st.dictionaries(st.sampled_from(operators), value, max_size=3))


terms = st.sampled_from(list(VALUES)).flatmap(lambda name: operand_of(name).map(lambda test: {name: test}))
OUTER = ("eq", "ne", "not", "gt", "lte")


def subqueries(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    outer = st.tuples(st.sampled_from(["id", "n", "s"]), st.sampled_from(OUTER)).map(
        lambda pair: {pair[0]: {pair[1]: {"$outer": pair[0]}}}
    )
    where = st.tuples(outer, inner).map(lambda pair: {"and": list(pair)}) | inner
    return st.tuples(st.sampled_from(["exists", "not_exists"]), where).map(
        lambda pair: {pair[0]: {"table": Item, "filter": pair[1]}}
    )


def nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(inner, max_size=3)
    return st.one_of(
        several.map(lambda found: {"and": found}),
        several.map(lambda found: {"or": found}),
        several.filter(bool),
        inner.map(lambda found: {"not": found}),
        st.tuples(inner, terms).map(lambda pair: {"and": [pair[0]], **pair[1]}),
        subqueries(inner),
    )


filters = st.recursive(terms | st.just({}), nested, max_leaves=6)


# ── the same filter, read by Python ──────────────────────────────────────────────────────────

Truth = bool | None
"""SQL's three values."""


def all_of(truths: Sequence[Truth]) -> Truth:
    if any(t is False for t in truths):
        return False
    return None if any(t is None for t in truths) else True


def any_of(truths: Sequence[Truth]) -> Truth:
    if any(t is True for t in truths):
        return True
    return None if any(t is None for t in truths) else False


def truth(where: Any, row: Item, table: Sequence[Item], outer: Item | None = None) -> Truth:
    if isinstance(where, list):
        return any_of([truth(w, row, table, outer) for w in where])
    found: list[Truth] = []
    for name, value in where.items():
        if name == "and":
            found.append(all_of([truth(w, row, table, outer) for w in value]))
        elif name == "or":
            found.append(any_of([truth(w, row, table, outer) for w in value]))
        elif name == "not":
            found.append(truth(value, row, table, outer) is not True)
        elif name in ("exists", "not_exists"):
            there = any(truth(value["filter"], other, table, row) is True for other in table)
            found.append(there is (name == "exists"))
        else:
            found.append(column_truth(getattr(row, name), value, outer))
    return all_of(found)


def column_truth(held: Any, test: Any, outer: Item | None) -> Truth:
    if isinstance(test, list):
        return compared("in", held, test)
    if not isinstance(test, dict):
        return compared("eq", held, test)
    truths: list[Truth] = []
    for name, operand in test.items():
        if isinstance(operand, dict) and outer is not None:
            # Another row's column: None in it is SQL's NULL, not the language's None.
            truths.append(of_outer(name, held, getattr(outer, operand["$outer"])))
        else:
            truths.append(compared(name, held, operand))
    return all_of(truths)


def of_outer(name: str, held: Any, other: Any) -> Truth:
    if name == "ne":
        return held != other
    return None if other is None else compared(name, held, other)


def compared(name: str, held: Any, operand: Any) -> Truth:
    if name in ("is_null", "is_not_null"):
        return (held is None) is ((name == "is_null") is (operand is not False))
    if name == "in":
        return (
            held in operand
            if held is not None
            else (True if None in operand else (None if operand else False))
        )
    if name == "not_in":
        return held not in operand
    if operand is None:
        return (held is None) is (name == "eq")
    if name == "ne":
        return held != operand
    if held is None:
        return None
    if name == "between":
        return operand[0] <= held <= operand[1]
    if name in ("like", "ilike"):
        pattern = "".join(".*" if c == "%" else "." if c == "_" else re.escape(c) for c in operand)
        flags = re.DOTALL | (re.IGNORECASE if name == "ilike" else 0)
        return re.fullmatch(pattern, held, flags) is not None
    if name in ("contains", "starts_with"):
        return operand in held if name == "contains" else held.startswith(operand)
    return {
        "eq": held == operand,
        "not": held != operand,
        "gt": held > operand,
        "gte": held >= operand,
        "ge": held >= operand,
        "lt": held < operand,
        "lte": held <= operand,
        "le": held <= operand,
    }[name]


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(table=rows, asked=st.lists(filters, min_size=1, max_size=6))
def test_every_backend_finds_what_python_finds(handles: Handles, table: list[Item], asked: list[Any]) -> None:
    handles.empty("items", items_ddl)

    async def ask(db: DB) -> None:
        await db.insert_many(table)
        for where in asked:
            wanted = [row.id for row in table if truth(where, row, table) is True]
            found = [row.id for row in await db.query(Item, where=where, order="id")]
            assert found == wanted, where
            assert await db.count(Item, where=where) == len(wanted), where

    handles.each(ask)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    table=rows,
    where=filters,
    order=st.lists(
        st.tuples(
            st.sampled_from(["n", "s", "price", "ok", "id"]),
            st.booleans(),
            st.sampled_from(["first", "last"]),
        ),
        max_size=3,
        unique_by=lambda term: term[0],
    ),
    size=st.integers(1, 4),
)
def test_every_walk_gives_what_python_sorts(
    handles: Handles, table: list[Item], where: Any, order: list[tuple[str, bool, str]], size: int
) -> None:
    handles.empty("items", items_ddl)
    wanted = [row for row in table if truth(where, row, table) is True]
    for name, down, nulls in reversed(order):
        some = [row for row in wanted if getattr(row, name) is not None]
        none = [row for row in wanted if getattr(row, name) is None]
        some.sort(key=lambda row: getattr(row, name), reverse=down)
        wanted = [*none, *some] if nulls == "first" else [*some, *none]
    ids = [row.id for row in wanted]
    terms_ = [{"desc" if down else "asc": name, "nulls": nulls} for name, down, nulls in order]

    async def walk(db: DB) -> None:
        await db.insert_many(table)
        assert [row.id async for row in db.iter_rows(Item, where=where, order=terms_, batch_size=size)] == ids
        paged: list[int] = []
        after: str | None = None
        while True:
            page = await db.page(Item, where=where, order=terms_, limit=size, after=after)
            assert page.count == len(ids)
            paged.extend(row.id for row in page.rows)
            after = page.next
            if after is None:
                break
        assert paged == ids

    handles.each(walk)
