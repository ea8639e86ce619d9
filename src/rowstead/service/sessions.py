"""On whose behalf services are called: a session, kept for the task that runs in it.

with session(user_id=7, permissions={"tasks.view_others"}):
    await tasks.list()

Without a session nobody in particular calls, and hooks that ask for one leave everything as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from typing import Any, NoReturn, cast

from rowstead.errors import UsageError


@dataclass(frozen=True, slots=True)
class Session:
    """Who calls, and what they may do. UsageError where that is not said clearly."""

    user_id: Any = None
    """None: somebody who has not said who they are."""
    permissions: frozenset[str] = frozenset()
    system: bool = False
    """Whether it is the program itself that calls: nothing is kept from it."""
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        # What is made of a text, its letters or its parts, is nobody's permission; a dict's keys are those
        # too that it says False of, and the text "false" is true.
        given: Any = self.permissions
        if isinstance(given, (str, bytes, Mapping)) or not isinstance(given, Iterable):
            raise UsageError(
                f'permissions of a session are a set of texts, {{"tasks.view_others"}}, not {given!r}'
            )
        if not isinstance(cast("Any", self.system), bool):
            raise UsageError(f"system of a session is True or False, not {self.system!r}")
        object.__setattr__(self, "permissions", frozenset(cast("Iterable[str]", given)))

    def allows(self, permission: str) -> bool:
        """Whether its holder may do what this permission is for."""
        return self.system or permission in self.permissions


_CURRENT: ContextVar[Session | None] = ContextVar("rowstead_session", default=None)


def get_session() -> Session | None:
    """The session that this task runs in; None outside any."""
    return _CURRENT.get()


class SessionBlock:
    """A block that runs in a session, or in none: `with session(…):`.

    It is no decorator: of an async function it would hold while the coroutine is made, and not while it runs.
    """

    def __init__(self, session: Session | None) -> None:
        self._session = session
        self._token: Token[Session | None] | None = None

    def __enter__(self) -> Session:
        if self._token is not None:
            raise UsageError("this session(…) is entered already; make one for each block")
        self._token = _CURRENT.set(self._session)
        return cast("Session", self._session)

    def __exit__(self, *_failure: object) -> None:
        token, self._token = self._token, None
        if token is not None:
            _CURRENT.reset(token)

    def __call__(self, *_function: object) -> NoReturn:
        raise UsageError("session(…) is no decorator: say `with session(…):` inside the function")


def session(
    given: Session | None = None,
    *,
    user_id: Any = None,
    permissions: Iterable[str] = (),
    system: bool = False,
    data: Mapping[str, Any] | None = None,
) -> SessionBlock:
    """Run the block in this session, or in one made of the other arguments; tasks that it starts inherit it.

    A session inside another takes its place until the block ends. UsageError for both, and for what is none.
    """
    if given is None:
        return SessionBlock(Session(user_id, cast("Any", permissions), system, data or {}))
    if not isinstance(cast("Any", given), Session):
        raise UsageError(f"session({type(given).__name__} …) is given a Session, or user_id=… and the like")
    if user_id is not None or permissions or system or data:
        raise UsageError(
            "session(given, …) is given a Session, which says everything; user_id, permissions, system and "
            "data are for a new one"
        )
    return SessionBlock(given)


def without_session() -> SessionBlock:
    """Run the block in no session, wherever it is begun: hooks that ask for one leave everything as it is."""
    return SessionBlock(None)
