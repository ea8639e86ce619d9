"""What a database shall be for a program: its name, its role, its schemas and extensions, and the tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from rowstead.errors import IntegrityError, PrivilegeError, StatementError, ValidationError
from rowstead.plan import Call, Plan, Step, first_value

R = TypeVar("R")

LOCK_SECONDS = 120.0
"""How long one process waits for another that sets the same database up."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What shall be there on a server. `password` is the role's where it has to be made."""

    database: str
    role: str
    password: str | None = field(default=None, repr=False)
    schemas: Sequence[str] = ()
    usual_schema: str | None = None
    """Where what has no schema goes; may be used where that can be granted, and is not made."""
    extensions: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ServerSteps:
    """What is done as a server's administrator, in two places one behind the other."""

    outside: Callable[[Needs], Plan[None]]
    """On a connection to a database that is there in any case."""
    inside: Callable[[Needs], Plan[None]]
    """On a connection to the program's own."""
    longest_name: int
    """In bytes; the server would cut a longer one off."""

    def check(self, needs: Needs) -> None:
        """Raise ValidationError for names that the server cannot keep."""
        named = {"database": (needs.database,), "user": (needs.role,)}
        named |= {"schemas": tuple(needs.schemas), "extensions": tuple(needs.extensions)}
        for setting, names in named.items():
            for name in names:
                self._check_name(setting, name)

    def _check_name(self, setting: str, name: str) -> None:
        if not name or "\0" in name or len(name.encode()) > self.longest_name:
            raise ValidationError(
                f"{setting}: {name!r} is no name that the server can keep; it takes 1 to "
                f"{self.longest_name} bytes without NUL"
            )


def asked(sql: str, *values: Any) -> Call[Any]:
    """A question with one value as its answer."""
    return Call(sql, values, first_value)


def done(sql: str) -> Call[Any]:
    """A statement of ours without values."""
    return Call(sql, writes=True)


def ensured(there: Call[Any], make: Step) -> Plan[bool]:
    """Make what is not there, and tell whether it was made.

    Whoever makes the same in the same moment may be first: what the server refuses then is there.
    """
    if (yield there):
        return False
    try:
        yield make
    except (StatementError, IntegrityError):
        if (yield there):
            return False
        raise
    return True


def allowed(what: str, name: str, plan: Plan[R]) -> Plan[R]:
    """Run the plan; where the user may not do it, the error says who may."""
    try:
        return (yield from plan)
    except PrivilegeError as error:
        raise PrivilegeError(
            f"this user may not {what} {name!r} ({error}); give an administrator's root_user and "
            "root_password, or have it done by hand and set init_db to false"
        ) from error
