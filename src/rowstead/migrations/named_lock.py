"""MariaDB's migration lock: a named lock of the session, which the server frees when the session ends.

It answers for taking it, waiting for it, naming who has it, and for session settings, which must not
outlive their migration though the session does. It must not know what is done under it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from rowstead.errors import RowsteadError
from rowstead.migrations.lock import pauses, timed_out
from rowstead.plan import Call, Finally, Pinned, Plan, Record, Sleep, first_value

R = TypeVar("R")

# What a session may set and is set back; of the rest a value cannot be written as it is read.
_SETTINGS = (
    "SELECT VARIABLE_NAME, VARIABLE_TYPE, SESSION_VALUE FROM information_schema.SYSTEM_VARIABLES "
    "WHERE SESSION_VALUE IS NOT NULL AND READ_ONLY = 'NO' AND VARIABLE_SCOPE = 'SESSION'"
)
_QUOTED = frozenset({"VARCHAR", "ENUM", "SET", "FLAGSET", "BOOLEAN"})


class NamedLock:
    """A lock of the server's, on the connection that does the work, one for each database."""

    def __init__(self, prefix: str) -> None:
        # Names are the server's, so that of the database is in them, and not longer than 64 characters.
        self._name = f"CONCAT('{prefix}.', MD5(COALESCE(DATABASE(), '')))"

    def hold(self, work: Callable[[], Plan[R]], timeout: float) -> Plan[R]:
        return (yield Pinned(self._under(work, timeout)))

    def join(self, work: Callable[[], Plan[R]], timeout: float) -> Plan[R]:
        return (yield from self._under(work, timeout))

    def alone(self, plan: Plan[R], sets_session: bool) -> Plan[R]:
        if not sets_session:
            return (yield from plan)
        # A reset of the session would give the lock away.
        database = yield Call("SELECT DATABASE()", (), first_value)
        before = yield Call(_SETTINGS, (), _by_name)
        result = yield from plan
        after = yield Call(_SETTINGS, (), _by_name)
        for name, setting in before.items():
            if after.get(name) != setting:
                yield _set(name, *setting)
        yield Call(f"USE {_quoted(database)}", raw=True)
        return result

    def _under(self, work: Callable[[], Plan[R]], timeout: float) -> Plan[R]:
        for pause in pauses(timeout):
            # The name as a text: a migration may change the database in use.
            name, got = yield Call(f"SELECT {self._name}, GET_LOCK({self._name}, 0)", (), _only, writes=True)
            if got:
                return (yield Finally(work(), _release(name)))
            yield Sleep(pause)
        holder = yield Call(f"SELECT IS_USED_LOCK({self._name})", (), first_value)
        raise timed_out(timeout, f"connection {holder}" if holder else "")


def _release(name: str) -> Plan[None]:
    try:
        yield Call(f"SELECT RELEASE_LOCK('{name}')", (), list, writes=True)
    except RowsteadError:
        # The connection broke, and the lock went with it.
        return


def _set(name: str, kind: str, value: str) -> Call[Any]:
    if kind in _QUOTED:
        return Call(f"SET SESSION {name.lower()} = %s", (value,), raw=True)
    return Call(f"SET SESSION {name.lower()} = {float(value) if kind == 'DOUBLE' else int(value)}", raw=True)


def _by_name(records: Sequence[Record]) -> Mapping[str, tuple[str, str]]:
    return {name: (kind, value) for name, kind, value in records}


def _only(records: Sequence[Record]) -> Record:
    return records[0]


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``").replace("%", "%%") + "`"
