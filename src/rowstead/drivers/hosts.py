"""Several PostgreSQL servers under one URL: which are tried, in what order, and for how long each.

Knows the URL's `target_session_attrs` and no driver: a driver hands in how it connects to one
server, and which of its exceptions mean that the next one should be asked.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from rowstead.drivers.addresses import Secret, authority_and_query
from rowstead.waiting import within

C = TypeVar("C")

_TARGET = "target_session_attrs"
_NO_MORE = {
    "read-write": "current_setting('transaction_read_only')::boolean",
    "primary": "pg_is_in_recovery()",
}
"""How a server shows that it is not any more what the URL asks for."""


def with_target(dsn: str, wanted: str) -> str:
    """The URL with this `target_session_attrs`, where it names several hosts and none itself."""
    authority, query = _read(dsn)
    several = "," in authority.rpartition("@")[2] or "," in query.get("host", "")
    if not several or _TARGET in query:
        return dsn
    return f"{dsn}{'&' if '?' in dsn else '?'}{_TARGET}={wanted}"


def _read(dsn: str) -> tuple[str, dict[str, str]]:
    """User and hosts, and the parameters. What cannot be read is the driver's to refuse."""
    authority, query = authority_and_query(dsn)
    return authority, {name: values[-1] for name, values in query.items()}


class Hosts:
    """The servers of one URL. Without being told, of several the one that takes writes is wanted."""

    def __init__(self, dsn: str, connect_timeout: float | None) -> None:
        self.dsn = Secret(with_target(dsn, "read-write"))
        authority, query = _read(self.dsn)
        condition = _NO_MORE.get(query.get(_TARGET, ""))
        self.check = "" if condition is None else _refusing(condition)
        """A statement that fails when the server is not what is wanted any more; empty: it stays so."""
        self._each = [self.dsn]
        login, at, names = authority.rpartition("@")
        if condition is not None and "," in names:
            # Other targets compare the servers with each other, which is the driver's own business.
            each = (self.dsn.replace(authority, f"{login}{at}{name}", 1) for name in names.split(","))
            self._each = list(map(Secret, each))
        self.timeout = None if connect_timeout is None else connect_timeout / len(self._each)
        """Seconds that one server has: one that does not answer must not use up the others' time."""

    async def connect(
        self,
        attempt: Callable[[str, float | None], Awaitable[C]],
        passes: Callable[[Exception], bool],
    ) -> C:
        """A connection to the first server that is what is wanted; the last good one is tried first.

        `attempt` is given a URL and its seconds; when it raises what `passes`, or TimeoutError, the
        next is tried. Raises the last one's exception.
        """
        failure: Exception | None = None
        for dsn in tuple(self._each):
            try:
                made = await within(self.timeout, attempt(dsn, self.timeout))
            except Exception as error:
                if not isinstance(error, TimeoutError) and not passes(error):
                    raise
                failure = error
                continue
            self._each = [dsn, *(other for other in self._each if other != dsn)]
            return made
        assert failure is not None
        raise failure


def _refusing(condition: str) -> str:
    return (
        f"DO $do$ BEGIN IF {condition} THEN RAISE read_only_sql_transaction "
        "USING MESSAGE = 'this server can only be read now'; END IF; END $do$"
    )
