"""The application: its services are made, started and stopped in order, whatever happens on the way."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from rowstead.errors import NotFound, UsageError, ValidationError
from rowstead.service import App
from rowstead.service.service import Service

Log = list[str]


class Told(Service):
    """Writes down what is done with it, and fails where it is told to."""

    log: Log
    reached: asyncio.Event
    """Set when one of them waits, for ever."""

    def __init__(
        self, *, fails: str = "", waits: str = "", app: App | None = None, name: str | None = None
    ) -> None:
        super().__init__(app=app, name=name)
        self.fails = fails.split()
        self.waits = waits.split()
        self._do("make")

    def _do(self, step: str) -> None:
        self.log.append(f"{step} {self.name}")
        if step in self.fails:
            raise LookupError(f"{step} failed")

    async def _wait(self, step: str) -> None:
        self._do(step)
        await asyncio.sleep(0)
        if step in self.waits:
            self.reached.set()
            await asyncio.Event().wait()

    def prepare(self) -> None:
        self._do("prepare")

    async def init(self) -> None:
        await self._wait("init")

    async def post_init(self) -> None:
        await self._wait("post_init")

    async def close(self) -> None:
        await self._wait("close")


class Other(Service):
    """Another kind."""


@pytest.fixture
def log() -> Iterator[Log]:
    Told.log, Told.reached = [], asyncio.Event()
    yield Told.log
    del Told.log, Told.reached


def app_of(**services: dict[str, Any]) -> App:
    """An application of `Told` services with these settings."""
    entries = {name: {"cls": Told, **({"settings": given} | more)} for name, (given, more) in split(services)}
    return App.from_dict({"services": entries})


def split(services: dict[str, dict[str, Any]]) -> Iterator[tuple[str, tuple[dict[str, Any], dict[str, Any]]]]:
    """What is a setting, and what stands beside the settings."""
    for name, given in services.items():
        beside = {key: value for key, value in given.items() if key in ("required", "enabled")}
        yield name, ({key: value for key, value in given.items() if key not in beside}, beside)


STARTED = [
    *("make a", "make b", "make c"),
    *("prepare a", "prepare b", "prepare c"),
    *("init a", "init b", "init c"),
    *("post_init a", "post_init b", "post_init c"),
]
CLOSED = ["close c", "close b", "close a"]


async def test_services_are_started_in_the_files_order_and_stopped_in_reverse(log: Log) -> None:
    app = app_of(a={}, b={}, c={})
    assert (list(app.services), log) == ([], [])
    async with app as entered:
        assert entered is app
        assert list(app.services) == ["a", "b", "c"]
        assert log == STARTED
    assert log == STARTED + CLOSED
    assert list(app.services) == []


async def test_each_service_knows_its_name_and_its_application(log: Log) -> None:
    async with app_of(a={}) as app:
        assert app.services["a"].name == "a"
        assert app.services["a"].app is app
    assert "stopped" in repr(app)


@pytest.mark.parametrize(
    ("step", "closed"),
    [
        ("make", []),
        ("prepare", []),
        ("init", ["close b", "close a"]),
        ("post_init", CLOSED),
    ],
)
async def test_a_failed_start_closes_what_was_begun_and_raises_the_cause_with_a_note(
    log: Log, step: str, closed: Log
) -> None:
    app = app_of(a={}, b={"fails": step}, c={})
    with pytest.raises(LookupError) as caught:
        await app.start()
    assert caught.value.args == (f"{step} failed",)
    assert [line for line in log if line.startswith("close")] == closed
    assert any("the service b" in note for note in caught.value.__notes__)
    assert list(app.services) == []


async def test_the_control_of_the_above_a_sound_start_closes_nothing(log: Log) -> None:
    app = app_of(a={}, b={}, c={})
    await app.start()
    assert not any(line.startswith("close") for line in log)
    await app.stop()


async def test_a_failure_in_the_block_stops_all_and_is_what_is_raised(log: Log) -> None:
    with pytest.raises(NotFound) as caught:
        async with app_of(a={}, b={"fails": "close"}, c={}):
            raise NotFound("no such row")
    assert log[-3:] == CLOSED
    (note,) = caught.value.__notes__
    assert "close failed" in note
    assert "the service b" in note


async def test_all_are_closed_and_the_first_error_is_raised_with_the_others(log: Log) -> None:
    app = app_of(a={"fails": "close"}, b={}, c={"fails": "close"})
    await app.start()
    with pytest.raises(LookupError) as caught:
        await app.stop()
    assert log[-3:] == CLOSED
    own, other = caught.value.__notes__
    assert own == "while the service c was closed"
    assert "the service a" in other
    await app.stop()


async def test_errors_while_stopping_for_a_failed_start_are_notes_on_its_cause(log: Log) -> None:
    app = app_of(a={"fails": "close"}, b={"fails": "init close"})
    with pytest.raises(LookupError, match="init failed") as caught:
        await app.start()
    assert log[-2:] == ["close b", "close a"]
    assert sum("close failed" in note for note in caught.value.__notes__) == 2


@pytest.mark.parametrize("step", ["init", "post_init"])
async def test_a_start_that_is_cancelled_closes_what_was_begun(log: Log, step: str) -> None:
    app = app_of(a={}, b={"waits": step}, c={})
    starting = asyncio.create_task(app.start())
    await Told.reached.wait()
    with pytest.raises(UsageError, match="cancel the task"):
        await app.stop()
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert log[-2:] == ["close b", "close a"]
    assert list(app.services) == []
    # And it may be tried again, from the beginning.
    log.clear()
    Told.reached.clear()
    again = asyncio.create_task(app.start())
    await Told.reached.wait()
    again.cancel()
    with pytest.raises(asyncio.CancelledError):
        await again


async def test_a_keyboard_interrupt_while_starting_closes_what_was_begun(log: Log) -> None:
    class Interrupted(Told):
        async def init(self) -> None:
            raise KeyboardInterrupt

    app = App.from_dict({"services": [{"cls": Told, "name": "a"}, {"cls": Interrupted, "name": "b"}]})
    # Not in a task of its own: asyncio hands this one on to whoever runs the loop.
    with pytest.raises(KeyboardInterrupt):
        await app.start()
    assert log[-2:] == ["close b", "close a"]


async def test_a_stop_that_is_cancelled_closes_the_others_and_is_still_cancelled(log: Log) -> None:
    app = app_of(a={"fails": "close"}, b={"waits": "close"}, c={})
    await app.start()
    stopping = asyncio.create_task(app.stop())
    await Told.reached.wait()
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await stopping
    assert log[-3:] == CLOSED
    assert any("close failed" in note for note in caught.value.__notes__)


async def test_a_second_start_is_refused_and_a_second_stop_does_nothing(log: Log) -> None:
    app = app_of(a={})
    await app.stop()
    await app.start()
    with pytest.raises(UsageError, match="started already"):
        await app.start()
    assert log.count("init a") == 1
    await asyncio.gather(app.stop(), app.stop())
    await app.stop()
    assert log.count("close a") == 1


async def test_an_application_may_be_started_again_with_new_services(log: Log) -> None:
    app = app_of(a={})
    async with app:
        first = app.services["a"]
    async with app:
        assert app.services["a"] is not first
    assert log == [f"{step} a" for step in ("make", "prepare", "init", "post_init", "close")] * 2


@pytest.mark.parametrize("step", ["make", "prepare", "init", "post_init"])
async def test_a_service_that_is_not_required_is_left_out_and_the_log_says_so(
    log: Log, step: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with app_of(a={}, b={"fails": step, "required": False}, c={}) as app:
        assert list(app.services) == ["a", "c"]
        assert log.count("close b") == (step in ("init", "post_init"))
        with pytest.raises(UsageError, match="left out"):
            app.discover("b", Told, asked_by="x")
    (told,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "service b" in told.getMessage()
    assert f"{step} failed" in told.getMessage()
    assert [line for line in log if line.startswith("close")][-2:] == ["close c", "close a"]


async def test_a_cancellation_leaves_no_service_out(log: Log) -> None:
    app = app_of(a={"waits": "init", "required": False})
    starting = asyncio.create_task(app.start())
    await Told.reached.wait()
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting


async def test_a_service_that_is_not_enabled_is_not_made(log: Log) -> None:
    async with app_of(a={}, b={"enabled": False, "fails": "make"}) as app:
        assert list(app.services) == ["a"]
        with pytest.raises(UsageError, match="not enabled"):
            app.discover("b", Told, asked_by="x")


async def test_the_steps_of_a_service_may_be_plain_methods() -> None:
    done: Log = []

    class Plain(Service):
        def init(self) -> Any:
            done.append("init")

        def close(self) -> Any:
            done.append("close")

    async with App.from_dict({"services": {"cls": Plain}}):
        pass
    assert done == ["init", "close"]


async def test_services_find_each_other_by_name_and_by_kind(log: Log) -> None:
    async with App.from_dict(
        {"services": {"a": {"cls": Told}, "b": {"cls": Told}, "other": {"cls": Other}}}
    ) as app:
        other, a, b = app.services["other"], app.services["a"], app.services["b"]
        assert other.discover(None, Told) is a
        assert other.discover("b", Told) is b
        assert other.discover(b, Told) is b  # type: ignore[type-var]
        assert a.discover("other", Other) is other
        for wanted, told in (
            ("bb", "no service of this name; did you mean 'b'"),
            ("other", "which is a Other; known: a, b"),
            (7, "not a int"),
        ):
            with pytest.raises(UsageError, match=told):
                other.discover(wanted, Told)  # type: ignore[type-var]
    async with app_of(a={}) as app:
        with pytest.raises(UsageError, match="a needs a Other, and the application has none"):
            app.services["a"].discover(None, Other)


def test_a_service_alone_has_nobody_to_find() -> None:
    with pytest.raises(UsageError, match="put both into an application"):
        Other().discover(None, Told)


async def test_a_service_prepares_while_all_are_there_and_none_is_started(log: Log) -> None:
    seen: list[Any] = []

    class Needs(Service):
        def prepare(self) -> None:
            seen.extend([self.discover(None, Told).name, list(log)])

    services = [{"cls": Needs}, {"cls": Told, "name": "later"}]
    async with App.from_dict({"services": services}):
        pass
    assert seen == ["later", ["make later"]]


async def test_check_makes_and_prepares_and_starts_nothing(log: Log) -> None:
    app = app_of(a={"fails": "prepare"}, b={"fails": "prepare", "required": False}, c={"fails": "init"})
    found = await app.check()
    assert [(each.service, each.left_out) for each in found] == [("a", False), ("b", True)]
    assert {line.split()[0] for line in log} == {"make", "prepare"}
    log.clear()
    found = await app_of(a={"fails": "make"}, b={"fails": "make", "required": False}, c={}).check()
    assert [(each.service, each.left_out) for each in found] == [("a", False), ("b", True)]
    assert {line.split()[0] for line in log} == {"make"}
    assert await app_of(a={}, b={"fails": "make", "required": False}).check() != []
    assert await app_of(a={"fails": "init"}).check() == []


def test_an_application_that_is_wrong_is_not_made() -> None:
    with pytest.raises(ValidationError, match="there are no services"):
        App.from_dict({})


def test_the_level_of_a_services_log_is_set(log: Log) -> None:
    async def levels() -> int:
        services = {"loud": {"cls": Told, "loglevel": "debug"}}
        async with App.from_dict({"services": services}) as app:
            return app.services["loud"].logger.level

    try:
        assert asyncio.run(levels()) == logging.DEBUG
    finally:
        logging.getLogger("rowstead.services.loud").setLevel(logging.NOTSET)
