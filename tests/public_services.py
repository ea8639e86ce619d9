"""Small services that the tests of the server call: without a database, so that the server is tested."""

from __future__ import annotations

import asyncio
import datetime
import enum
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal

from rowstead.errors import RowsteadError
from rowstead.service.public import PublicInterface
from rowstead.service.service import Service


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Greeter(Service, PublicInterface):
    """A public service with something hidden in every place that a stranger might look into."""

    service_name = "greeter"
    secret = "hidden"

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.heard: list[Any] = []
        self.waiting = threading.Event()
        self.released = asyncio.Event()
        self.cancelled = 0

    @property
    def routes(self) -> Mapping[str, Callable[..., Any]]:
        return {
            **super().routes,
            **{
                name: getattr(self, name)
                for name in (
                    "hello add typed echo values who wait fail note chosen plain large strange".split()
                )
            },
        }

    async def hello(self, name: str, greeting: str = "Hello") -> str:
        """Greet somebody.

        The greeting comes first.
        """
        return f"{greeting}, {name}"

    async def add(self, a: int, b: int, _connection: Any = None, **more: Any) -> int:
        """The sum."""
        assert _connection is None
        assert not more
        return a + b

    async def typed(
        self,
        on: bool = False,
        size: float | None = None,
        names: list[str] | None = None,
        by_name: dict[str, int] | None = None,
        day: datetime.date | None = None,
        key: uuid.UUID | None = None,
        price: Decimal | None = None,
        raw: bytes | None = None,
        kind: Literal["a", "b"] = "a",
        colour: Colour = Colour.RED,
        numbers: set[int] | None = None,
    ) -> list[str]:
        """What was understood."""
        given = (on, size, names, by_name, day, key, price, raw, kind, colour, numbers)
        self.heard.append(given)
        return [repr(each) for each in given]

    async def echo(self, value: Any) -> Any:
        """The same again."""
        return value

    async def values(self) -> dict[str, Any]:
        """A value of every kind."""
        return {
            "moment": datetime.datetime(2026, 2, 3, 4, 5, 6, tzinfo=datetime.UTC),
            "day": datetime.date(2026, 2, 3),
            "length": datetime.timedelta(hours=1, seconds=1),
            "price": Decimal("12.50"),
            "key": uuid.UUID(int=7),
            "raw": b"\xfb\xff",
            "names": frozenset({"a"}),
            "colour": Colour.BLUE,
            "huge": 10**30,
            "nan": float("nan"),
        }

    async def who(self) -> list[Any]:
        """Whose session it is."""
        session = self.get_session()
        assert session is not None
        return [session.user_id, sorted(session.permissions), session.system]

    async def wait(self) -> str:
        """Wait until the test says so."""
        self.waiting.set()
        try:
            await self.released.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return "done"

    async def fail(self, how: str) -> None:
        """Raise what the test has prepared."""
        raise ERRORS[how]

    async def note(self, what: Any) -> None:
        """Keep a value."""
        self.heard.append(what)

    def plain(self) -> str:
        """A function that is awaited by nobody."""
        return "plain"

    async def chosen(self, columns: str | Sequence[str] = "*") -> str:
        """Which columns were asked for."""
        return repr(columns)

    async def large(self, size: int) -> str:
        """A text of this many characters."""
        return "x" * size

    async def strange(self) -> object:
        """What JSON has no form for."""
        return object()

    async def unlisted(self) -> str:
        """Not among the routes."""
        raise AssertionError("called from outside")

    async def _private(self) -> str:
        raise AssertionError("called from outside")


class Inner(Service):
    """Not public, with routes all the same."""

    service_name = "inner"

    @property
    def routes(self) -> Mapping[str, Callable[..., Any]]:
        return {"secret": self.secret}

    async def secret(self) -> str:
        raise AssertionError("called from outside")


ERRORS: dict[str, BaseException] = {
    "unknown": KeyError("a secret value"),
    "own": RowsteadError("SELECT secret FROM t"),
}
"""What `fail` raises, by the word that asks for it."""
