"""Whatever fails or is cancelled, what was begun is closed once, in reverse; all that is said is judged."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rowstead.errors import ValidationError
from rowstead.service import App
from rowstead.service.service import Service
from service.app_files import REGISTRY, Store

STEPS = ("make", "prepare", "init", "post_init", "close")


class Failing(Service):
    """Waits once in each step and fails in some of them."""

    log: list[tuple[str, str]]

    def __init__(
        self, *, fails: frozenset[str] = frozenset(), app: App | None = None, name: str | None = None
    ) -> None:
        super().__init__(app=app, name=name)
        self.fails = fails
        self._do("make")

    def _do(self, step: str) -> None:
        self.log.append((step, self.name))
        if step in self.fails:
            raise LookupError(step)

    def prepare(self) -> None:
        self._do("prepare")

    async def init(self) -> None:
        await asyncio.sleep(0)
        self._do("init")

    async def post_init(self) -> None:
        await asyncio.sleep(0)
        self._do("post_init")

    async def close(self) -> None:
        self._do("close")
        await asyncio.sleep(0)


services = st.lists(
    st.tuples(st.frozensets(st.sampled_from(STEPS), max_size=2), st.booleans()), min_size=1, max_size=5
)


@settings(max_examples=300, deadline=None)
@given(services=services, turns=st.integers(0, 30))
@example(services=[(frozenset({"init", "close"}), True), (frozenset(), True)], turns=30)
def test_what_was_begun_is_closed_once_and_in_reverse(
    services: list[tuple[frozenset[str], bool]], turns: int
) -> None:
    log = Failing.log = []
    logging.getLogger("rowstead.service.app").disabled = True
    try:
        begun_of_all = asyncio.run(start_and_stop(services, turns))
    finally:
        logging.getLogger("rowstead.service.app").disabled = False
    closed = [name for step, name in log if step == "close"]
    assert sorted(closed) == sorted(set(closed))
    # One that waits in its `init` is begun before it says so.
    begun = [name for step, name in log if step == "init"]
    assert set(begun) <= set(closed) <= set(begun_of_all)
    required = [f"s{number}" for number, (_, needed) in enumerate(services) if needed]
    in_reverse = [name for name in closed if name in required]
    assert in_reverse == sorted(in_reverse, reverse=True)


async def start_and_stop(services: list[tuple[frozenset[str], bool]], turns: int) -> list[str]:
    """Start, cancel the start after so many turns unless it is done, stop; the names of the services."""
    entries = [
        {"cls": Failing, "name": f"s{number}", "required": required, "settings": {"fails": fails}}
        for number, (fails, required) in enumerate(services)
    ]
    app = App.from_dict({"services": entries})
    starting = asyncio.create_task(app.start())
    for _ in range(turns):
        await asyncio.sleep(0)
    starting.cancel()
    with contextlib.suppress(LookupError, asyncio.CancelledError):
        await starting
    with contextlib.suppress(LookupError):
        await app.stop()
    assert "stopped" in repr(app)
    assert len(app.services) == 0
    return [entry["name"] for entry in entries]


KEYS = ("services", "settings", "imports", "cls", "name", "enabled", "required", "override", "loglevel", "x")
texts = st.sampled_from(["Store", "Stor", "a:b", "..", "", "${X", "${H3_X:-1}", "warning", "yes", "\ud800"])
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts
values: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=500, deadline=None)
@given(said=values)
@example(said=[{"cls": "Store"}])
def test_whatever_stands_in_a_file_it_is_accepted_or_refused_with_reasons(said: Any) -> None:
    for settings_given in (
        {"services": said},
        {"settings": said},
        {"x": said, **dict.fromkeys(KEYS[:3], said)},
    ):
        app = app_or_reasons(settings_given)
        if isinstance(app, App):
            asyncio.run(started(app))
        else:
            assert app != []
            assert all(line.startswith("the settings given: ") for line in app)


def app_or_reasons(said: Any) -> App | list[str]:
    try:
        return App.from_dict(said, registry=REGISTRY)
    except ValidationError as error:
        return str(error).splitlines()


async def started(app: App) -> None:
    async with app:
        assert all(isinstance(service, Store) for service in app.services.values())


def test_the_control_a_class_that_breaks_is_seen() -> None:
    class Broken(Store):
        async def init(self) -> None:
            raise KeyError("not ours")

    with pytest.raises(KeyError, match="not ours"):
        asyncio.run(started(App.from_dict({"services": {"cls": Broken}})))
