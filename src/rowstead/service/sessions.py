"""On whose behalf services are called: a session, kept for the task that runs in it.

with session(user_id=7, permissions={"tasks.view_others"}):
    await tasks.list()

Without a session nobody in particular calls, and hooks that ask for one leave everything as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Session:
    """Who calls, and what they may do."""

    user_id: Any = None
    """None: somebody who has not said who they are."""
    permissions: frozenset[str] = frozenset()
    system: bool = False
    """Whether it is the program itself that calls: nothing is kept from it."""
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def allows(self, permission: str) -> bool:
        """Whether its holder may do what this permission is for."""
        return self.system or permission in self.permissions


_CURRENT: ContextVar[Session | None] = ContextVar("rowstead_session", default=None)


def get_session() -> Session | None:
    """The session that this task runs in; None outside any."""
    return _CURRENT.get()


@contextmanager
def session(
    given: Session | None = None,
    *,
    user_id: Any = None,
    permissions: Iterable[str] = (),
    system: bool = False,
    data: Mapping[str, Any] | None = None,
) -> Iterator[Session]:
    """Run the block in this session, or in one made of the arguments; tasks that it starts inherit it.

    A session inside another takes its place until the block ends.
    """
    current = given or Session(user_id, frozenset(permissions), system, data or {})
    token = _CURRENT.set(current)
    try:
        yield current
    finally:
        _CURRENT.reset(token)
