"""On whose behalf services are called: a session that tasks inherit and that ends with its block."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rowstead.service import Session, UsageError, get_session, session
from rowstead.service.service import Service


def test_without_a_session_nobody_calls() -> None:
    assert get_session() is None
    assert Service().get_session() is None


def test_a_session_is_made_of_its_arguments_and_ends_with_its_block() -> None:
    with session(user_id=7, permissions=["tasks.view_others"], data={"tenant": 1}) as current:
        assert get_session() is current
        assert Service().get_session() is current
        assert current == Session(7, frozenset({"tasks.view_others"}), False, {"tenant": 1})
    assert get_session() is None


def test_one_that_is_given_is_taken_as_it_is() -> None:
    given = Session(user_id=1)
    with session(given) as current:
        assert current is given


def test_an_inner_session_takes_the_outer_ones_place_until_it_ends() -> None:
    with session(user_id=1) as outer:
        with session(system=True) as inner:
            assert get_session() is inner
            assert inner.user_id is None
        assert get_session() is outer


def test_a_session_ends_also_when_its_block_fails() -> None:
    with pytest.raises(LookupError), session(user_id=1):
        raise LookupError
    assert get_session() is None


@pytest.mark.parametrize(
    ("given", "allowed"),
    [
        (Session(1, frozenset({"a.view"})), True),
        (Session(1, frozenset({"a.vie", "a", "b.view"})), False),
        (Session(), False),
        (Session(system=True), True),
    ],
)
def test_a_permission_is_its_holders_and_the_systems(given: Session, allowed: bool) -> None:
    assert given.allows("a.view") is allowed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"permissions": "tasks.view_others"}, "a set of texts"),
        ({"permissions": {"tasks.view_others": False}}, "a set of texts"),
        ({"permissions": None}, "a set of texts"),
        ({"system": "false"}, "True or False"),
    ],
)
def test_what_a_session_may_do_is_said_clearly(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        session(**arguments)
    with pytest.raises(UsageError, match=message):
        Session(7, **arguments)


@pytest.mark.parametrize(
    "arguments", [{"user_id": 3}, {"permissions": {"a"}}, {"system": True}, {"data": {"a": 1}}]
)
def test_a_session_is_given_or_described_and_not_both(arguments: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="says everything"):
        session(Session(user_id=1), **arguments)


def test_what_is_no_session_is_not_taken_for_one() -> None:
    wrong: Any = 7
    with pytest.raises(UsageError, match="user_id="):
        session(wrong)


async def test_a_session_is_no_decorator() -> None:
    async def handler() -> object:
        return get_session()

    with pytest.raises(UsageError, match="inside the function"):
        session(user_id=1)(handler)
    with pytest.raises(UsageError, match="user_id="):
        session(handler)  # pyright: ignore[reportArgumentType]


def test_one_block_is_entered_once_at_a_time() -> None:
    block = session(user_id=1)
    with block:
        with pytest.raises(UsageError, match="entered already"):
            block.__enter__()
        assert get_session() == Session(1)
    assert get_session() is None
    with block:
        assert get_session() == Session(1)
    assert get_session() is None


async def test_tasks_inherit_the_session_and_cannot_change_their_parents() -> None:
    inherited: list[object] = []

    async def child() -> None:
        inherited.append(get_session())
        with session(user_id="child"):
            await asyncio.sleep(0)
            inherited.append(get_session())

    with session(user_id="parent") as parent:
        await asyncio.gather(child(), child())
        assert get_session() is parent
    assert inherited[:2] == [parent, parent]
    assert [each.user_id for each in inherited[2:] if isinstance(each, Session)] == ["child", "child"]


async def test_two_tasks_at_once_have_sessions_of_their_own() -> None:
    both = asyncio.Barrier(2)

    async def call(user: int) -> object:
        with session(user_id=user):
            await both.wait()
            current = get_session()
            await both.wait()
            return None if current is None else current.user_id

    assert await asyncio.gather(call(1), call(2)) == [1, 2]
