"""What is too deep, too wide, too long or of the wrong kind is refused before it costs anything."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from conftest import Backend, backend_of
from faults.figures import record_figure
from rowstead import Conflict, NotFound, ValidationError
from rowstead.errors import LONGEST_MESSAGE
from rowstead.service import session
from service.injection_loads import BOUNDED, LARGE, MEGABYTE, ODD, REFUSED, WRONG_VALUES, Call
from service.injection_wire import BACKENDS, Wire, wired

PERMITTED = (ValidationError, NotFound, Conflict)


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    return backend_of(request, tmp_path)


@pytest.fixture
async def wire(backend: Backend) -> AsyncIterator[Wire]:
    async with wired(backend) as wire:
        await wire.services.people.create({"id": 1, "title": "one", "age": 7})
        await wire.services.people.create({"id": 2, "title": "two"})
        wire.sent.clear()
        yield wire


async def everything(wire: Wire) -> Any:
    tables = ("people", "tags", "pairs", "notes")
    return [await wire.db.fetch(f"SELECT * FROM {table} ORDER BY 1") for table in tables]


async def test_what_is_no_input_is_refused_before_anything_is_sent(wire: Wire) -> None:
    before = await everything(wire)
    accepted: list[str] = []
    reached: list[tuple[str, list[str]]] = []
    other: list[tuple[str, str]] = []
    for name, call in REFUSED.items():
        wire.sent.clear()
        try:
            await call(wire.services)
        except ValidationError:
            pass
        except Exception as error:
            other.append((name, f"{type(error).__name__}: {error}"[:200]))
        else:
            accepted.append(name)
        if wire.sent:
            reached.append((name, list(wire.sent)))
    record_figure(
        f"service, wrong input, {wire.backend.name}: accepted, other errors, sent to the database",
        f"{len(accepted)}, {len(other)}, {len(reached)} of {len(REFUSED)}",
        "0, 0, 0",
        "test_a_right_input_is_neither_refused_nor_kept_from_the_database",
    )
    assert other == []
    assert accepted == []
    assert reached == []
    assert await everything(wire) == before


async def test_a_value_that_a_column_cannot_hold_is_refused(wire: Wire) -> None:
    before = await everything(wire)
    accepted: list[str] = []
    for name, call in WRONG_VALUES.items():
        try:
            await call(wire.services)
        except ValidationError:
            continue
        accepted.append(name)
    assert accepted == []
    assert await everything(wire) == before


ODD_USERS: Sequence[Any] = (
    *(0, 1, 0.0, 1e300, -1, 10**30, True, False, float("nan"), b"us", "", "ME", "me ", "me\x00", "m%", "%"),
    *([], ["me"], ("me",), {}, {"ne": None}, {"not": "x"}, [["me"]], {"user_id": "me"}, object()),
)


@pytest.mark.parametrize("user", ODD_USERS, ids=repr)
async def test_somebody_odd_sees_and_changes_nothing_of_another(wire: Wire, user: Any) -> None:
    """MariaDB finds a text that begins with no number equal to 0, where it is given a number."""
    notes = wire.services.notes
    with session(user_id="me"):
        await notes.m_create([{"id": 1, "note": "abc"}, {"id": 2, "note": "abc"}], columns=None)
    with session(user_id=user):
        for call in (
            lambda: notes.m_get(conditions="*"),
            lambda: notes.m_exists([1, 2]),
            lambda: notes.m_update([1, 2], {"note": "changed"}),
            lambda: notes.m_delete([1, 2], columns="*"),
        ):
            try:
                assert not await call()
            except ValidationError:
                pass
    with session(user_id="me"):
        assert [row["note"] for row in await notes.m_get([1, 2])] == ["abc", "abc"]


async def test_a_number_is_no_text(wire: Wire) -> None:
    people, tags = wire.services.people, wire.services.tags
    await tags.create({"label": "abc", "n": 1})
    before = await everything(wire)
    for number in (0, False, 0.0, -0.0):
        for call in (
            lambda number=number: people.m_get(conditions={"title": number}),
            lambda number=number: people.m_get(conditions={"title": [number]}),
            lambda number=number: people.m_get(conditions={"title": {"le": number}}),
            lambda number=number: tags.m_get([number]),
            lambda number=number: tags.m_exists([number]),
            lambda number=number: tags.m_update([number], {"n": 2}),
            lambda number=number: tags.m_delete([number], columns="*"),
            lambda number=number: tags.m_delete([], conditions={"label": number}, columns="*"),
        ):
            try:
                assert not await call()
            except ValidationError:
                pass
    assert await everything(wire) == before


async def test_no_error_and_no_row_shows_a_hidden_column(wire: Wire) -> None:
    """PostgreSQL's detail of a refused row shows all of it."""
    people, secret = wire.services.people, "a secret hash"
    await wire.db.execute(f"UPDATE people SET hidden = '{secret}'")
    clash = {"on_conflict": "do_update", "on_conflict_keys": ["id"], "on_conflict_values": {"id": None}}
    said: list[str] = []
    for call in (
        people.update(1, {"id": None}),
        people.update(1, {"id": 2}),
        people.create({"id": 1}),
        people.create({"id": 1}, **clash),
        people.update(1, {"title": "x"}, columns=["hidden", "title"]),
        people.m_get(conditions="*"),
        people.list(columns=["hidden"]),
        people.delete(2, columns="*"),
    ):
        try:
            said.append(repr(await call))
        except PERMITTED as error:
            said.append(f"{error} {error!r} {error.args}")
    assert len(said) == 8
    assert [text for text in said if secret in text or "hidden" in text] == []
    assert (await wire.db.fetch("SELECT hidden FROM people WHERE id = 1")) == [{"hidden": secret}]


async def test_odd_input_gives_no_error_but_those_that_a_caller_may_get(wire: Wire) -> None:
    other: list[tuple[str, str]] = []
    for name, call in ODD.items():
        try:
            await call(wire.services)
        except PERMITTED:
            pass
        except Exception as error:
            other.append((name, f"{type(error).__name__}: {error}"[:200]))
    assert other == []


async def test_no_message_is_as_long_as_what_is_sent(wire: Wire) -> None:
    lengths: dict[str, int] = {}
    for name, call in {**REFUSED, **WRONG_VALUES, **ODD}.items():
        try:
            await call(wire.services)
        except PERMITTED as error:
            lengths[name] = len(str(error))
    assert max(lengths.values()) < 2 * LONGEST_MESSAGE < len(MEGABYTE)
    assert lengths["a column of a megabyte"] > LONGEST_MESSAGE


async def test_a_right_input_is_neither_refused_nor_kept_from_the_database(wire: Wire) -> None:
    """The control of the two before: the same calls with what they are meant for."""
    people = wire.services.people
    found = await people.list(conditions=[{"age": [7]}, {"title": {"like": "t%"}}], sort=[{"desc": "id"}])
    assert [row["id"] for row in found["data"]] == [2, 1]
    assert await people.m_update([], {"age": 9}, conditions={"id": {"gt": 1}}, columns=["id", "age"]) == [
        {"id": 2, "age": 9}
    ]
    assert await people.m_delete([], conditions={"age": 9}, columns=["id"]) == [{"id": 2}]
    assert wire.sent


@pytest.mark.sqlite
@pytest.mark.parametrize("name", BOUNDED)
async def test_what_is_too_much_is_refused_with_the_same_work_however_much_it_is(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    request.param = "sqlite"
    async with wired(backend_of(request, tmp_path)) as wire:
        load = BOUNDED[name]
        # Once before anything is counted: what is made once is then made.
        await refused(load(LARGE), wire)
        wire.sent.clear()
        small = await work_of(load(LARGE), wire)
        large = await work_of(load(8 * LARGE), wire)
        assert wire.sent == []
        assert large <= 1.1 * small + 50


async def test_work_that_grows_is_counted(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """The control: what looks at each of the values does more work for more of them."""
    request.param = "sqlite"
    async with wired(backend_of(request, tmp_path)) as wire:

        def load(n: int) -> Call:
            async def call(_: Any) -> None:
                sum(map(one, range(n)))
                raise ValidationError("too many")

            return call

        assert await work_of(load(8 * LARGE), wire) > 4 * await work_of(load(LARGE), wire)


def one(number: int) -> int:
    return number


async def refused(call: Call, wire: Wire) -> None:
    with pytest.raises(ValidationError):
        await call(wire.services)


async def work_of(call: Call, wire: Wire) -> int:
    """How many Python functions are called until it is refused."""
    calls = 0

    def count(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event == "call"

    # What another task left to do is not counted.
    await asyncio.sleep(0)
    sys.setprofile(count)
    try:
        await refused(call, wire)
    finally:
        sys.setprofile(None)
    return calls
