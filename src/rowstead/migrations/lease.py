"""The migration lock behind a pooler, where a session's lock would be left with somebody else's session.

It answers for a row in `_rowstead_lease` that says who applies migrations and until when, for renewing
it between steps, and for settings that end with their transaction. It must not know what is done under
the lease.

Who holds it proves that it lives in two ways. Between steps it puts the end off. While a step takes
longer than that, the server shows it: every statement carries the holder's token in a comment, and
who waits looks for that among the statements that run. So the statement of a runner that was killed is
waited for too, as long as the server works on it.
"""

from __future__ import annotations

import os
import re
import secrets
import socket
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any, TypeVar

from rowstead.errors import ConflictError, DuplicateError, MigrationError, RowsteadError, UsageError
from rowstead.plan import Atomic, Call, Finally, Plan, Record, Step

R = TypeVar("R")

TABLE = "_rowstead_lease"
SECONDS = 10
"""How long the lease lasts from when it was taken or renewed."""
GRACE = 2.0
"""Seconds for which a lease must have looked abandoned before it is taken over."""

_UNTIL = f"clock_timestamp() + interval '{SECONDS} seconds'"
# Rows of one holder that has gone: its time is over, and the server works on none of its statements.
_ABANDONED = (
    "l.until < clock_timestamp() AND NOT EXISTS (SELECT FROM pg_stat_activity a "
    "WHERE a.pid <> pg_backend_pid() AND a.state <> 'idle' AND strpos(a.query, l.token) > 0)"
)


def held() -> Plan[str | None]:
    """Who holds a lease at this moment, for runners that speak to the server itself."""
    there = yield Call(f"SELECT to_regclass('{TABLE}') IS NOT NULL", (), _first)
    if not there[0]:
        return None
    row = yield Call(f"SELECT holder FROM {TABLE} l WHERE NOT ({_ABANDONED})", (), _first)
    return None if row is None else row[0]


class Lease:
    """A lease on the right to apply migrations. `key` is that of the advisory lock which runners that
    speak to the server itself hold: while one does, no lease is given."""

    def __init__(self, key: int) -> None:
        self._key = key
        self._token = secrets.token_hex(8)
        self._renewed = 0.0
        self._suspect: tuple[Any, ...] = ()
        self._suspected = 0.0
        self.holder = ""
        """Who had it when it could not be taken."""

    def take(self) -> Plan[bool]:
        """Take the lease if it is free, without waiting."""
        self._renewed = monotonic()
        try:
            return (yield Atomic(self._take()))
        except (ConflictError, DuplicateError):
            # Where transactions are serializable by default, another's lease is seen too late.
            return False

    def work(self, plan: Plan[R]) -> Plan[R]:
        """Run a plan under the lease that was taken, and give it back however that ends."""
        return (yield Finally(through(plan, self._outside), self._give()))

    def _take(self) -> Plan[bool]:
        # For the moment of taking, against runners that have just come as well.
        got = yield Call(f"SELECT pg_try_advisory_xact_lock({self._key})", (), _first, writes=True)
        if not got[0]:
            return False
        # Asked by itself: together with the lock it would be answered for the moment before.
        there = yield Call(f"SELECT to_regclass('{TABLE}') IS NOT NULL", (), _first)
        if not there[0]:
            yield Call(
                f"CREATE TABLE IF NOT EXISTS {TABLE} (id integer PRIMARY KEY, token text NOT NULL, "
                "holder text NOT NULL, until timestamp with time zone NOT NULL)",
                writes=True,
            )
        last = yield Call(f"SELECT token, until, holder, {_ABANDONED} FROM {TABLE} l", (), _first)
        if last is not None:
            self.holder = last[2]
            if not last[3] or not self._is_abandoned(tuple(last[:2])):
                return False
            yield Call(f"DELETE FROM {TABLE}", writes=True)
        values = f"1, '{self._token}', {_literal(_myself())}, {_UNTIL}"
        yield Call(f"INSERT INTO {TABLE} (id, token, holder, until) VALUES ({values})", writes=True)
        return True

    def _is_abandoned(self, row: tuple[Any, ...]) -> bool:
        """Whether it has looked so for long enough: between two statements everybody looks dead."""
        if row != self._suspect:
            self._suspect, self._suspected = row, monotonic()
        return monotonic() - self._suspected >= GRACE

    def _outside(self, step: Step) -> Plan[Any]:
        """A step of the work, with the lease renewed before it where that is due."""
        if monotonic() - self._renewed > SECONDS / 4:
            renewed = yield Call(
                f"UPDATE {TABLE} SET until = {_UNTIL} WHERE token = '{self._token}'", writes=True
            )
            if renewed != 1:
                lost = MigrationError(
                    "another runner took over, since this one was not seen for a while; run again when "
                    "it has ended"
                )
                lost.retryable = True
                raise lost
            self._renewed = monotonic()
        return (yield from self._marked(step))

    def _marked(self, step: Step) -> Plan[Any]:
        """A step whose statements show whose they are."""
        if isinstance(step, Atomic):
            return (yield Atomic(through(step.plan, self._marked)))
        if isinstance(step, Call):
            return (yield _spelled(step, f"/* rowstead {self._token} */ {step.text}"))
        return (yield step)

    def _give(self) -> Plan[None]:
        try:
            yield Call(f"DELETE FROM {TABLE} WHERE token = '{self._token}'", writes=True)
        except RowsteadError:
            # It ends by itself.
            return


def through(plan: Plan[R], meet: Callable[[Step], Plan[Any]]) -> Plan[R]:
    """Run a plan with each of its steps done as `meet` does it."""
    try:
        step = next(plan)
        while True:
            try:
                result = yield from meet(step)
            except Exception as error:
                step = plan.throw(error)
            else:
                step = plan.send(result)
    except StopIteration as stop:
        return stop.value
    finally:
        plan.close()


# ── settings ─────────────────────────────────────────────────────────────────────────────────

_START = r"^(?P<start>(?:\s|--[^\n]*\n|/\*.*?\*/)*)"
_FLAGS = re.IGNORECASE | re.DOTALL
_SETTING = re.compile(
    _START + r"(SET\s+(?!LOCAL\b)|RESET\b|LOAD\b|SELECT\s+(pg_catalog\s*\.\s*)?set_config\s*\()", _FLAGS
)
_LOCAL = (
    (
        re.compile(
            _START + r"SET\s+(SESSION\s+(?!AUTHORIZATION\b|CHARACTERISTICS\b))?(?!SESSION\s+CHAR)", _FLAGS
        ),
        r"\g<start>SET LOCAL ",
    ),
    (re.compile(_START + r"RESET\s+ROLE\b", _FLAGS), r"\g<start>SET LOCAL ROLE NONE"),
    (
        re.compile(_START + r"RESET\s+(?!ALL\b|SESSION\b)(?P<name>\S+?)\s*;?\s*$", _FLAGS),
        r"\g<start>SET LOCAL \g<name> TO DEFAULT",
    ),
    (re.compile(_START + r"(?P<call>SELECT\s.*,\s*)false\s*\)\s*;?\s*$", _FLAGS), r"\g<start>\g<call>true)"),
)


def with_local_settings(plan: Plan[R]) -> Plan[R]:
    """Run a migration's plan with its session settings made for its transaction only.

    Raises UsageError for one outside a transaction, and for one that no transaction can have.
    """
    return (yield from through(plan, _outside_transaction))


def _outside_transaction(step: Step) -> Plan[Any]:
    if isinstance(step, Atomic):
        return (yield Atomic(through(step.plan, _in_transaction)))
    if isinstance(step, Call) and step.raw and _SETTING.match(step.text):
        raise _cannot_set("outside a transaction")
    return (yield step)


def _in_transaction(step: Step) -> Plan[Any]:
    if isinstance(step, Call) and step.raw and _SETTING.match(step.text):
        step = _spelled(step, _local(step.text))
    return (yield step)


def _local(text: str) -> str:
    for pattern, replacement in _LOCAL:
        changed, count = pattern.subn(replacement, text, count=1)
        if count:
            return changed
    raise _cannot_set("in this way")


def _cannot_set(how: str) -> UsageError:
    return UsageError(
        f"the connection goes through a pooler, where the session cannot be set {how}: the setting would "
        "be another client's. Run these migrations by the server's own address"
    )


def _spelled(call: Call[Any], text: str) -> Call[Any]:
    return Call(text, call.params, call.read, writes=call.writes, raw=call.raw, table=call.table)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _myself() -> str:
    return f"process {os.getpid()} on {socket.gethostname()}"


def _first(records: Sequence[Record]) -> Record | None:
    return records[0] if records else None
