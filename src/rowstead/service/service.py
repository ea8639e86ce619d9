"""What every service is: a name, a place in an application, a beginning and an end."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, ClassVar, TypeVar

from rowstead.errors import UsageError
from rowstead.service.sessions import Session, get_session

if TYPE_CHECKING:
    from rowstead.service.app import App

S = TypeVar("S", bound="Service")


class Service:
    """A part of an application that is started and stopped with it. Works without one, too.

    The application makes all its services, then calls `prepare` of each, then awaits `init` of each and
    `post_init` of each, in the file's order; `close` is awaited in the reverse order.
    """

    service_name: ClassVar[str | None] = None
    """Its name where the application's file gives none; None: the class's."""

    def __init__(self, *, app: App | None = None, name: str | None = None) -> None:
        self.app = app
        self.name = name or self.service_name or type(self).__name__

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"

    @property
    def logger(self) -> logging.Logger:
        """Its own, `rowstead.services.<name>`, whose level `loglevel` in the application's file sets."""
        return logging.getLogger(f"rowstead.services.{self.name}")

    def prepare(self) -> None:
        """Find the services it needs. All are there; none is started."""

    async def init(self) -> None:
        """Start. The services before it in the file are started."""

    async def post_init(self) -> None:
        """What can only be done when every service is started."""

    async def close(self) -> None:
        """Give back what it holds; also called when a start failed half way."""

    def get_session(self) -> Session | None:
        """On whose behalf it is called; None where nobody said."""
        return get_session()

    def discover(self, wanted: str | S | None, kind: type[S]) -> S:
        """Another service: itself, the one of this name, or (None) the first of its kind.

        Raises UsageError where there is none.
        """
        if isinstance(wanted, kind):
            return wanted
        if self.app is None:
            raise UsageError(
                f"{self.name} needs a {kind.__name__}: give it one, or put both into an application"
            )
        return self.app.discover(wanted, kind, asked_by=self.name)
