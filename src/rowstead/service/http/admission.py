"""Lets a request in: who calls, and whether they call too often. Knows no method and no body."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from rowstead.service.http import log
from rowstead.service.http.authentication import Authenticate, Incoming, Unauthenticated
from rowstead.service.http.limits import Limits
from rowstead.service.http.rates import TokenBuckets, network_of
from rowstead.service.http.wire_errors import WireError
from rowstead.service.sessions import Session

FAILURES = 10
"""Wrong credentials from one address at once."""
FAILURE_RATE = 0.2
"""Wrong credentials a second from one address, in the long run."""
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

    async def admit(self, request: Incoming) -> Caller:
        """Who calls, one call taken off what they may make. Raises WireError where they are not let in."""
        address = network_of(request.address)
        wait = self._failures.wait(address)
        if wait:
            raise WireError("RATE_LIMIT", retry_after=wait)
        try:
            session = await self._authenticate(request)
        except Unauthenticated:
            session = None
            refused = True
        else:
            refused = session is None and not self._anonymous
        if refused:
            self._failures.take(address)
            raise WireError("UNAUTHENTICATED")
        caller = _caller(session or ANONYMOUS, address)
        self.charge(caller, 1)
        return caller

    def charge(self, caller: Caller, calls: int) -> None:
        """Take so many calls off what the caller may make. Raises WireError where they made too many."""
        if self._rates is not None and calls and (wait := self._rates.take(caller.key, calls)):
            raise WireError("RATE_LIMIT", retry_after=wait)


def _caller(session: Session, address: str) -> Caller:
    # A user's id may be of any type, a list too; what it is written as will do.
    key = ("address", address) if session.user_id is None else ("user", str(session.user_id))
    return Caller(session, key, log.caller(session.user_id))
