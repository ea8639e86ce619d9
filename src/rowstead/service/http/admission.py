"""Lets a request in: who calls, and whether they call too often. Knows no method and no body."""

from __future__ import annotations

import inspect
import secrets
from collections.abc import Hashable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from rowstead.errors import UsageError
from rowstead.service.http import log
from rowstead.service.http.authentication import Authenticate, Incoming, Tokens, Unauthenticated
from rowstead.service.http.limits import Limits
from rowstead.service.http.rates import TokenBuckets, network_of
from rowstead.service.http.wire_errors import WireError
from rowstead.service.sessions import Session

FAILURES = 10
"""Wrong credentials from one address at once."""
FAILURE_RATE = 0.2
"""Wrong credentials a second from one address, in the long run."""
PROOFS = ("authorization", "cookie")
"""Headers that say who calls."""
MOST_PROVEN = 10_000
"""Callers that are remembered; who was not seen for longest is forgotten first."""
ANONYMOUS = Session()
"""Somebody who has not said who they are. Never no session at all: hooks that ask for one would keep nothing
from them."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who was let in."""

    session: Session
    key: Hashable
    """Whom their calls are counted for: a user, or the address of somebody anonymous."""
    label: str
    """Who it is in the log."""


class Admission:
    """Asks every request who makes it, and counts."""

    def __init__(self, authenticate: Authenticate, anonymous: bool, limits: Limits) -> None:
        self._authenticate = authenticate
        self._anonymous = anonymous
        self._rates = None if limits.rate is None else TokenBuckets(limits.rate, limits.burst)
        self._failures = TokenBuckets(FAILURE_RATE, FAILURES)
        self._proven = _Proven()

    async def admit(self, request: Incoming) -> Caller:
        """Who calls, one call taken off what they may make. Raises WireError where they are not let in."""
        address = network_of(request.address)
        proof = self._proven.digest(request, address)
        wait = self._failures.wait(address)
        # Others may have the same address: who has been let in from there does not wait for their guesses.
        if wait and proof not in self._proven and not self._says_nothing(proof):
            raise WireError("RATE_LIMIT", retry_after=wait)
        try:
            session = await self._session(request)
        except Unauthenticated:
            self._proven.forget(proof)
            self._failures.take(address)
            raise WireError("UNAUTHENTICATED") from None
        if session is None and not self._anonymous:
            # Nothing was said, and nothing guessed.
            raise WireError("UNAUTHENTICATED")
        if session is not None and proof is not None:
            self._proven.remember(proof)
        caller = _caller(ANONYMOUS if session is None else session, address)
        self.charge(caller, 1)
        return caller

    def _says_nothing(self, proof: bytes | None) -> bool:
        """Whether a request guesses at nothing; of another function than ours nobody knows what it reads."""
        return proof is None and isinstance(self._authenticate, Tokens)

    async def _session(self, request: Incoming) -> Session | None:
        """What the application's function gives. Raises UsageError for what is no answer to who calls."""
        given: Any = self._authenticate(request)
        session: Any = await given if inspect.isawaitable(given) else given
        if session is None or isinstance(session, Session):
            return session
        raise UsageError(
            f"authenticate gives a Session, or None for somebody anonymous, not {type(session).__name__}; "
            "it raises Unauthenticated for whoever is refused"
        )

    def charge(self, caller: Caller, calls: int) -> None:
        """Take so many calls off what the caller may make. Raises WireError where they made too many."""
        if self._rates is not None and calls and (wait := self._rates.take(caller.key, calls)):
            raise WireError("RATE_LIMIT", retry_after=wait)


class _Proven:
    """Who was let in lately and from where: digests under a key of this process, no secrets."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._digests: dict[bytes, None] = {}
        """Least recently used first."""

    def __contains__(self, proof: bytes | None) -> bool:
        return proof in self._digests

    def digest(self, request: Incoming, address: str) -> bytes | None:
        """Of what a request says of its caller; None where it says nothing."""
        said = [request.headers.get(name, "") for name in PROOFS]
        if not any(said):
            return None
        text = "\n".join([address, *said]).encode("utf-8", "surrogateescape")
        return blake2b(text, key=self._key, digest_size=16).digest()

    def remember(self, proof: bytes) -> None:
        self._digests.pop(proof, None)
        self._digests[proof] = None
        if len(self._digests) > MOST_PROVEN:
            del self._digests[next(iter(self._digests))]

    def forget(self, proof: bytes | None) -> None:
        if proof is not None:
            self._digests.pop(proof, None)


def _caller(session: Session, address: str) -> Caller:
    # A user's id may be of any type, a list too; what it is written as will do.
    key = ("address", address) if session.user_id is None else ("user", str(session.user_id))
    return Caller(session, key, log.caller(session.user_id))
