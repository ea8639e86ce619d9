"""Any join and any grouping: what the databases give is what nested loops in Python give."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rowstead import DB, Row, ValidationError
from rowstead.language.aggregates import aggregated
from rowstead.language.conditions import read
from rowstead.statements.joins import joined
from rowstead.tables.schema import Table

if TYPE_CHECKING:
    from properties.conftest import Handles


class Left(Row):
    __table__ = "lefts"
    id: int
    n: int | None = None


class Right(Row):
    """A table without a key, of which no column tells whether a row is there."""

    __table__ = "rights"
    __pk__ = ()
    n: int | None = None
    m: int | None = None


SCOPE: Mapping[str, Table] = {m.__rowstead__().name: m.__rowstead__() for m in (Left, Right)}
TABLES = ("CREATE TABLE lefts (id {int} PRIMARY KEY, n {int})", "CREATE TABLE rights (n {int}, m {int})")

small = st.none() | st.integers(0, 3)
lefts = st.lists(small, max_size=4).map(lambda ns: [Left(id=i, n=n) for i, n in enumerate(ns)])
rights = st.lists(st.tuples(small, small), max_size=4).map(lambda rs: [Right(n=n, m=m) for n, m in rs])
KINDS = ("inner", "left", "right", "full", "cross")
Side = tuple[str, str]


@st.composite
def specifications(draw: st.DrawFn) -> list[dict[str, Any]]:
    """One to three joins, each on up to two equalities with columns of the sides before it."""
    sides: list[Side] = [("a", "lefts")]
    joins: list[dict[str, Any]] = []
    for alias in "bcd"[: draw(st.integers(1, 3))]:
        table = draw(st.sampled_from(sorted(SCOPE)))
        kind = draw(st.sampled_from(KINDS))
        before = [f"{a}.{column}" for a, t in sides for column in SCOPE[t].all]
        own = [f"{alias}.{column}" for column in SCOPE[table].all]
        pairs = st.dictionaries(st.sampled_from(own), st.sampled_from(before), max_size=2)
        on = {} if kind == "cross" else {o: {"$column": b} for o, b in draw(pairs).items()}
        joins.append({"kind": kind, "table": table, "alias": alias, "on": on})
        sides.append((alias, table))
    return joins


Joined = dict[str, Any]


def loops(tables: Mapping[str, Sequence[Row]], joins: Sequence[Mapping[str, Any]]) -> list[Joined]:
    """The same join by nested loops; a missing side is None and all its columns are NULL."""
    found: list[Joined] = [{"a": row.model_dump()} for row in tables["lefts"]]
    missing: Joined = {"a": None}
    for spec in joins:
        alias, others = spec["alias"], [row.model_dump() for row in tables[spec["table"]]]
        matched = [
            (i, k)
            for i, before in enumerate(found)
            for k, other in enumerate(others)
            if all(equal({**before, alias: other}, o, b["$column"]) for o, b in spec["on"].items())
        ]
        rows = [{**found[i], alias: others[k]} for i, k in matched]
        if spec["kind"] in ("left", "full"):
            lone = set(range(len(found))) - {i for i, _ in matched}
            rows += [{**found[i], alias: None} for i in lone]
        if spec["kind"] in ("right", "full"):
            lone = set(range(len(others))) - {k for _, k in matched}
            rows += [{**missing, alias: others[k]} for k in lone]
        found, missing = rows, {**missing, alias: None}
    return found


def value(row: Joined, name: str) -> Any:
    alias, _, column = name.partition(".")
    return None if row[alias] is None else row[alias][column]


def equal(row: Joined, left: str, right: str) -> bool:
    return value(row, left) is not None and value(row, left) == value(row, right)


def counted(rows: Sequence[Joined]) -> Counter[str]:
    return Counter(repr({side: values and dict(values) for side, values in row.items()}) for row in rows)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lefts=lefts, rights=rights, joins=specifications())
def test_any_join_gives_the_rows_of_nested_loops(
    handles: Handles, lefts: list[Left], rights: list[Right], joins: list[dict[str, Any]]
) -> None:
    for statement in TABLES:
        handles.empty(statement.split()[2], lambda _, statement=statement: statement)
    table, values = joined(SCOPE["lefts"], "a", joins, SCOPE)
    wanted = loops({"lefts": lefts, "rights": rights}, joins)
    groups = aggregated(
        table, [{"func": "sum", "alias": "s", "column": "a.n"}, {"func": "count", "alias": "k"}], ["b.n"]
    )
    sums: dict[Any, list[Any]] = defaultdict(list)
    for row in wanted:
        sums[value(row, "b.n")].append(value(row, "a.n"))

    async def same(db: DB) -> None:
        await db.insert_many([*lefts])
        await db.insert_many([*rights])
        compiler, run = db.database.compiler, db.database.run
        if not compiler.dialect.full_join and any(one.get("kind") == "full" for one in joins):
            with pytest.raises(ValidationError, match="no full join"):
                compiler.get(("select", table, table.all, ("and",)))
            return
        compiled = compiler.get(("select", table, table.all, ("and",)))
        assert counted(await run(compiled.call(values, compiled.read_all))) == counted(wanted)
        shape, given_values = read({"a.n": {"gt": 1}}, table)
        compiled = compiler.get(("select", table, table.all, shape))
        some = [row for row in wanted if (value(row, "a.n") or 0) > 1]
        assert counted(await run(compiled.call([*values, *given_values], compiled.read_all))) == counted(some)
        compiled = compiler.get(("aggregate", groups, ("and",), ("and",)))
        grouped = {
            row["b.n"]: (row["s"], row["k"]) for row in await run(compiled.call(values, compiled.read_all))
        }
        assert grouped == {
            key: (sum(n for n in ns if n is not None) if any(n is not None for n in ns) else None, len(ns))
            for key, ns in sums.items()
        }

    handles.each(same)


def test_the_loops_would_show_a_null_that_joins_a_null() -> None:
    tables = {"lefts": [Left(id=0)], "rights": [Right()]}
    spec = {"kind": "left", "table": "rights", "alias": "b", "on": {"b.n": {"$column": "a.n"}}}
    assert loops(tables, [spec]) == [{"a": {"id": 0, "n": None}, "b": None}]
    wrong = [{"a": {"id": 0, "n": None}, "b": {"n": None, "m": None}}]
    assert counted(wrong) != counted(loops(tables, [spec]))
