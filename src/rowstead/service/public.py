"""Which services, and which of their methods, may be called from outside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


class PublicInterface:
    """Marks a service that outsiders may call; `routes` says what of it they reach.

    Beside a `SQLService`, before or behind it among the bases, these are its verbs on rows. A service
    with methods of its own adds them:

        @property
        def routes(self):
            return {**super().routes, "archive": self.archive}
    """

    @property
    def routes(self) -> Mapping[str, Callable[..., Any]]:
        """By the name under which it is called: the method."""
        return getattr(super(), "routes", {})
