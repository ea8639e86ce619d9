"""Who calls: a request, made a session by a function of the application's, or by a table of tokens."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib import import_module
from typing import Any, TypeAlias, cast

from rowstead.errors import UsageError, ValidationError, did_you_mean
from rowstead.service.sessions import Session

SHORTEST_TOKEN = 16
"""Characters; shorter ones can be guessed."""
BEARER = "bearer"
KNOWN = ("token", "user_id", "permissions", "system", "data")
"""What an entry of a table of tokens says."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """What is known of a request before its body is read."""

    method: str
    path: str
    headers: Mapping[str, str]
    """Names in lower case; of a header that came twice, the last."""
    address: str | None
    """Whose connection it is; a proxy's, unless the server was told to trust it."""


Authenticate: TypeAlias = Callable[[Incoming], Awaitable[Session | None]]
"""The session of a request; None where it does not say who calls. Raises Unauthenticated where it says so
wrongly."""


class Unauthenticated(Exception):
    """The request names a caller and does not prove it. Refused also where anonymous callers are let in."""


async def nobody(_request: Incoming) -> Session | None:
    """Where no way to say who one is was set up: all are anonymous."""
    return None


class Tokens:
    """Sessions by the tokens that callers send as `Authorization: Bearer <token>`.

    Tokens are kept as digests under a key of this process, so that they stand in no dump, and the time of a
    look-up tells nothing about them.
    """

    def __init__(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """`entries`: `{token, user_id, permissions, system, data}`, all but the token may be left out.

        Raises ValidationError, which never holds a token.
        """
        self._key = secrets.token_bytes(32)
        self._sessions: dict[bytes, Session] = {}
        for place, entry in enumerate(entries):
            token, session = _read_entry(entry, f"tokens[{place}]")
            digest = self._digest(token)
            if digest in self._sessions:
                raise ValidationError(
                    f"tokens[{place}]: another entry has the same token; give each caller one"
                )
            self._sessions[digest] = session

    def __repr__(self) -> str:
        return f"<Tokens of {len(self._sessions)} callers>"

    async def __call__(self, request: Incoming) -> Session | None:
        given = request.headers.get("authorization")
        if given is None:
            return None
        scheme, _, token = given.partition(" ")
        if scheme.lower() != BEARER:
            raise Unauthenticated
        session = self._sessions.get(self._digest(token.strip()))
        if session is None:
            raise Unauthenticated
        return session

    def _digest(self, token: str) -> bytes:
        return hmac.digest(self._key, token.encode("utf-8", "surrogateescape"), sha256)


def _read_entry(entry: Any, place: str) -> tuple[str, Session]:
    if not isinstance(entry, Mapping):
        raise ValidationError(f"{place} is an object with a token, a user_id and permissions")
    given: dict[str, Any] = dict(entry)  # pyright: ignore[reportUnknownArgumentType]
    for name in given:
        if name not in KNOWN:
            raise ValidationError(f"{place} has no {name!r}; {did_you_mean(name, KNOWN)}")
    token = given.pop("token", None)
    if not isinstance(token, str) or len(token) < SHORTEST_TOKEN:
        raise ValidationError(
            f"{place}: a token is a text of at least {SHORTEST_TOKEN} characters; take a random one, and "
            "give it by the environment as ${NAME}"
        )
    permissions: Any = given.pop("permissions", None) or ()
    if isinstance(permissions, str) or not isinstance(permissions, list | tuple | set | frozenset):
        raise ValidationError(f"{place}: permissions are a list of names")
    return token, Session(permissions=frozenset(map(str, permissions)), **given)  # pyright: ignore[reportUnknownArgumentType]


def named(place: str) -> Authenticate:
    """The function that `module:function` names. Raises UsageError where there is none."""
    module, colon, function = place.partition(":")
    if not colon or not module or not function:
        raise UsageError(f"authenticate is written module:function, not {place!r}")
    try:
        found = getattr(import_module(module), function, None)
    except ModuleNotFoundError as error:
        raise UsageError(f"authenticate: {error}; is its folder where Python looks for modules?") from error
    if found is not None and not callable(found):
        raise UsageError(f"authenticate: {place} is no function, it is {type(found).__name__}")
    if found is None:
        hint = did_you_mean(
            function, (name for name in vars(import_module(module)) if not name.startswith("_"))
        )
        raise UsageError(f"authenticate: {module} has no function {function!r}; {hint}")
    return cast("Authenticate", found)
