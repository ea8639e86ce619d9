"""Random JSON as conditions, sorts, columns, ids and data: no error but a caller's, no row but those meant.

A random filter is judged by three things that it cannot know: whether it says anything at all (read here
in a few lines of its own), how many rows `list` finds by it, and a row that the caller may not see.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from conftest import Backend, backend_of
from faults.figures import size
from rowstead import Conflict, NotFound, ValidationError
from rowstead.language.operators import SPELLINGS
from rowstead.service import session
from service.injection_wire import BACKENDS, Wire, wired

PERMITTED = (ValidationError, NotFound, Conflict)
EXAMPLES = size(short=150, long=1_000)
MINE, ANOTHERS = "me", "somebody else"
COLUMNS = ("id", "user_id", "note")
ROWS = [{"id": n, "user_id": MINE, "note": note} for n, note in enumerate(("", "a", "b%", None), 1)]
HIDDEN = {"id": 99, "user_id": ANOTHERS, "note": "a"}


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    return backend_of(request, tmp_path)


@pytest.fixture
async def wire(backend: Backend) -> AsyncIterator[Wire]:
    async with wired(backend) as wire:
        await fill(wire)
        yield wire


async def fill(wire: Wire) -> None:
    with session(system=True):
        await wire.services.notes.m_delete(conditions="*", columns=None)
        await wire.services.notes.m_create([*ROWS, HIDDEN], columns=None)


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-5, 120)
    | st.integers()
    | st.floats(allow_nan=True)
    | st.sampled_from(["", "a", "b%", MINE, ANOTHERS, "'; DELETE FROM canary; --", "%", "*"])
    | st.text(max_size=8)
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from([*COLUMNS, "hidden", "notes.id", "and", "or", "not", "col", "exists", "*", ""])
OPERATORS = st.sampled_from([*map(str, SPELLINGS), "GT", "nothing", "in_subquery"]) | st.text(max_size=4)
TESTS = SCALARS | st.lists(SCALARS, max_size=4) | st.dictionaries(OPERATORS, JSON, max_size=3)
ORDERINGS = st.sampled_from(["eq", "not", "gt", "ge", "lt", "le", "GT"])
NUMBERS = st.integers(-1, 6)
TEXTS = st.sampled_from(["", "a", "b%", "%", MINE, ANOTHERS])
RIGHT = st.fixed_dictionaries(
    {},
    optional={
        "id": NUMBERS | st.lists(NUMBERS, max_size=3) | st.dictionaries(ORDERINGS, NUMBERS, max_size=2),
        "note": st.none() | TEXTS | st.lists(TEXTS) | st.dictionaries(ORDERINGS | st.just("like"), TEXTS),
        "user_id": TEXTS | st.dictionaries(ORDERINGS, TEXTS, max_size=2),
    },
)
"""What is a filter of these rows. Without these the others would seldom be one."""
ODD = st.recursive(
    st.one_of(RIGHT, st.dictionaries(NAMES, TESTS, max_size=3), st.none(), JSON),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["and", "or", "not"]), inner | st.lists(inner, max_size=3), max_size=2
        )
    ),
    max_leaves=6,
)
CONDITIONS = st.one_of(RIGHT, st.lists(RIGHT, max_size=3), ODD)
ROW = st.fixed_dictionaries(
    {},
    optional={
        "id": NUMBERS | st.just(HIDDEN["id"]),
        "user_id": st.none() | TEXTS,
        "note": st.none() | TEXTS,
    },
)
TERMS = (
    NAMES | st.dictionaries(st.sampled_from(["asc", "desc", "DESC", "nulls", "up"]), NAMES, max_size=2) | JSON
)
SORTS = st.none() | TERMS | st.lists(TERMS, max_size=4)
SELECTED = st.just("*") | NAMES | st.lists(NAMES, max_size=4) | JSON
COUNTS = st.integers(-2, 12) | SCALARS


def says_nothing(conditions: Any) -> bool:
    """Whether a filter lets every row pass only since it asks for nothing."""
    return conditions is None or conditions == [] or asks_nothing(conditions)


def asks_nothing(part: Any) -> bool:
    """The same of a part of a filter. One of no alternatives is another matter: no row fits that."""
    if isinstance(part, list):
        return any(map(asks_nothing, part))
    return isinstance(part, dict) and all(test == {} and name in COLUMNS for name, test in part.items())


def test_the_judge_knows_what_says_nothing() -> None:
    """The control of `says_nothing`, which the tests below lean on."""
    nothing = (None, {}, [], [{}], [[{}], {"id": 1}], {"id": {}}, {"id": {}, "note": {}})
    something = ({"id": 1}, [[]], [{"id": 1}], {"id": {}, "note": "a"}, {"nothing": {}}, 5, "*", [5])
    assert [says_nothing(one) for one in nothing] == [True] * len(nothing)
    assert [says_nothing(one) for one in something] == [False] * len(something)


class Refused(NamedTuple):
    """A call that ended with an error that a caller may get."""

    error: Exception


async def outcome(call: Awaitable[Any]) -> Any:
    """What a call gives, or how it was refused; any other error goes on."""
    try:
        return await call
    except PERMITTED as error:
        return Refused(error)


async def ids_that_changed(wire: Wire) -> set[int]:
    """Which rows are not as `fill` made them; makes them so again."""
    stored = {row["id"]: row for row in await wire.db.fetch("SELECT id, user_id, note FROM notes")}
    made = {row["id"]: row for row in [*ROWS, HIDDEN]}
    changed = {id for id in made.keys() | stored.keys() if made.get(id) != stored.get(id)}
    if changed:
        await fill(wire)
    return changed


random_examples = settings(
    max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


@random_examples
@given(conditions=CONDITIONS, sort=SORTS, columns=SELECTED, limit=COUNTS, offset=COUNTS)
@example(conditions=[{}], sort=None, columns="*", limit=24, offset=0)
async def test_a_random_page_shows_nothing_that_is_hidden(
    wire: Wire, conditions: Any, sort: Any, columns: Any, limit: Any, offset: Any
) -> None:
    notes = wire.services.notes
    with session(user_id=MINE):
        page = await outcome(
            notes.list(conditions=conditions, sort=sort, columns=columns, limit=limit, offset=offset)
        )
        whole = await outcome(notes.list(conditions=conditions, limit=100))
        some = await outcome(notes.m_get(conditions=conditions, columns=columns))
    for found in (page, whole):
        if not isinstance(found, Refused):
            assert found["count"] <= len(ROWS)
            assert all(row.get("user_id", MINE) == MINE for row in found["data"] or ())
    assert isinstance(some, Refused) or len(some or ()) <= len(ROWS)
    assert await ids_that_changed(wire) == set()


@random_examples
@given(conditions=CONDITIONS)
@example(conditions=[{}])
@example(conditions={"id": {}})
@example(conditions=[[], {"id": 1}])
@example(conditions=[[{}], {"id": 1}])
@example(conditions={"id": {"gt": 1}})
async def test_random_conditions_change_and_remove_the_rows_that_they_find(
    wire: Wire, conditions: Any
) -> None:
    notes = wire.services.notes
    every = conditions == "*"
    with session(user_id=MINE):
        found = await outcome(notes.list(conditions=None if every else conditions, columns=["id"], limit=100))
        meant = set() if isinstance(found, Refused) else {row["id"] for row in found["data"]}
        for call in (
            lambda: notes.m_update([], {"note": "changed"}, conditions=conditions, columns=["id"]),
            lambda: notes.m_delete([], conditions=conditions, columns=["id"]),
        ):
            given_back = await outcome(call())
            changed = await ids_that_changed(wire)
            if isinstance(given_back, Refused):
                assert changed == set()
                continue
            assert not says_nothing(conditions)
            assert changed == meant == {row["id"] for row in given_back}


@random_examples
@given(ids=JSON | st.lists(st.integers(-1, 100) | JSON, max_size=4), conditions=st.none() | CONDITIONS)
@example(ids=[], conditions=None)
@example(ids=None, conditions=None)
@example(ids={}, conditions=None)
@example(ids=[99, 1], conditions=None)
async def test_random_ids_are_no_more_rows_than_ids(wire: Wire, ids: Any, conditions: Any) -> None:
    notes = wire.services.notes
    most = len(ids) if isinstance(ids, list) else 1
    with session(user_id=MINE):
        for verb in (
            lambda: notes.m_get(ids),
            lambda: notes.m_exists(ids),
            lambda: notes.m_update(ids, {"note": "changed"}),
            lambda: notes.m_delete(ids),
        ):
            found = await outcome(verb())
            changed = await ids_that_changed(wire)
            assert HIDDEN["id"] not in changed
            assert len(changed) <= most
            assert isinstance(found, Refused) or len(found or ()) <= most
        if ids:
            await outcome(notes.m_update(ids, {"note": "changed"}, conditions=conditions))
            assert len(await ids_that_changed(wire)) <= most
        for one in (notes.get(ids), notes.update(ids, {"note": "changed"}), notes.delete(ids)):
            await outcome(one)
            changed = await ids_that_changed(wire)
            assert HIDDEN["id"] not in changed
            assert len(changed) <= 1


@random_examples
@given(
    data=ROW | ROW | JSON | st.dictionaries(NAMES, JSON, max_size=4),
    action=st.sampled_from([None, "do_nothing", "do_update", "do_update", "", "update"]) | JSON,
    keys=st.just(["id"]) | SELECTED,
    values=ROW | JSON | st.dictionaries(NAMES, JSON, max_size=3),
)
@example(data=HIDDEN, action="do_update", keys=["id"], values={"note": "changed"})
@example(data={"id": 99}, action="do_update", keys=["id"], values={"user_id": MINE})
async def test_random_data_changes_no_row_of_another(
    wire: Wire, data: Any, action: Any, keys: Any, values: Any
) -> None:
    notes = wire.services.notes
    with session(user_id=MINE):
        for call in (
            notes.create(data),
            notes.m_create([data, {"id": 50, "note": "x"}]),
            notes.m_create(data),
            notes.create(data, on_conflict=action, on_conflict_keys=keys, on_conflict_values=values),
            notes.update(1, data),
            notes.m_update([1, 2, 99], data),
            notes.m_update([], data, conditions="*"),
        ):
            await outcome(call)
            assert HIDDEN["id"] not in await ids_that_changed(wire)
