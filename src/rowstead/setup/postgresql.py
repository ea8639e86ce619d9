"""A PostgreSQL made ready: the steps of its administrator, and how those who do the same take turns.

Names are quoted, values bound; a password comes as the server keeps it. What is granted is what is
missing: on a server where all is there nothing is written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from rowstead.errors import PrivilegeError, TimeoutExceeded
from rowstead.migrations.lock import pauses
from rowstead.plan import Atomic, Call, Plan, Record, Sleep
from rowstead.setup.needs import LOCK_SECONDS, Needs, ServerSteps, allowed, asked, done, ensured
from rowstead.setup.passwords import scram_verifier

R = TypeVar("R")

_KEY = int.from_bytes(hashlib.sha256(b"rowstead setup").digest()[:8], "big", signed=True)

_DATABASE = "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1::text)"
_ROLE = "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1::text)"
_SCHEMA = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1::text)"
_EXTENSION = "SELECT EXISTS (SELECT FROM pg_extension WHERE extname = $1::text)"
_CONNECTS = "SELECT has_database_privilege($1::name, current_database(), 'CONNECT')"
_USES = (
    "SELECT has_schema_privilege($1::name, $2::text, 'USAGE')"
    " AND has_schema_privilege($1::name, $2::text, 'CREATE')"
)
_DEFAULTS = (
    "SELECT count(DISTINCT a.privilege_type) FROM pg_default_acl d CROSS JOIN aclexplode(d.defaclacl) a"
    " WHERE d.defaclrole = (SELECT oid FROM pg_roles WHERE rolname = current_user)"
    " AND d.defaclnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $2::text)"
    " AND d.defaclobjtype::text = $3::text"
    " AND a.grantee = (SELECT oid FROM pg_roles WHERE rolname = $1::text)"
)
# Of what belongs to an extension everybody may do what the extension says.
_OWN = (
    " AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.objid = o.oid AND e.classid = {} AND e.deptype = 'e')"
)
_OWN_RELATIONS = _OWN.format("'pg_class'::regclass")
_OWN_ROUTINES = _OWN.format("'pg_proc'::regclass")


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of objects in a schema, and what a program does with them."""

    named: str
    """As `GRANT … ON` says it."""
    many: str
    """As `ALTER DEFAULT PRIVILEGES` says it."""
    letter: str
    """As the catalogue of default privileges says it; empty where everybody has them anyway."""
    privileges: tuple[str, ...]
    lacking: str
    """SQL for those of the schema `$2` that role `$1` lacks one of, and that this user may grant."""


def _relations(kinds: str, privileges: Sequence[str], function: str) -> str:
    has = " AND ".join(f"{function}($1::name, o.oid, '{one}')" for one in privileges)
    return (
        "SELECT format('%I.%I', n.nspname, o.relname) FROM pg_class o JOIN pg_namespace n"
        f" ON n.oid = o.relnamespace WHERE n.nspname = $2::text AND o.relkind IN ({kinds})"
        f" AND pg_has_role(o.relowner, 'USAGE') AND NOT ({has})"
        f"{_OWN_RELATIONS} ORDER BY 1"
    )


_ON_TABLES = ("SELECT", "INSERT", "UPDATE", "DELETE", "REFERENCES")
_ON_SEQUENCES = ("USAGE", "SELECT", "UPDATE")
_KINDS = (
    _Kind(
        "TABLE",
        "TABLES",
        "r",
        _ON_TABLES,
        _relations("'r', 'p', 'v', 'm', 'f'", _ON_TABLES, "has_table_privilege"),
    ),
    _Kind(
        "SEQUENCE",
        "SEQUENCES",
        "S",
        _ON_SEQUENCES,
        _relations("'S'", _ON_SEQUENCES, "has_sequence_privilege"),
    ),
    _Kind(
        "ROUTINE",
        "ROUTINES",
        "",
        ("EXECUTE",),
        "SELECT o.oid::regprocedure::text FROM pg_proc o JOIN pg_namespace n ON n.oid = o.pronamespace"
        " WHERE n.nspname = $2::text AND pg_has_role(o.proowner, 'USAGE')"
        " AND NOT has_function_privilege($1::name, o.oid, 'EXECUTE')"
        f"{_OWN_ROUTINES} ORDER BY 1",
    ),
)


def quoted(name: str) -> str:
    """A name as it stands in SQL."""
    return '"' + name.replace('"', '""') + '"'


def in_turn(work: Callable[[], Plan[R]]) -> Plan[R]:
    """Do the work in one transaction, one process at a time."""
    return (yield Atomic(_when_free(work)))


def _when_free(work: Callable[[], Plan[R]]) -> Plan[R]:
    # What another has just made must be seen behind its lock. Waiting is polling: see `migrations.lock`.
    yield done("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
    for pause in pauses(LOCK_SECONDS):
        if (yield asked(f"SELECT pg_try_advisory_xact_lock({_KEY})")):
            # This session may remember that a table is not there: taking an advisory lock does not make it
            # hear of others' changes, locking a relation for the first time in the transaction does.
            yield asked("SELECT EXISTS (SELECT FROM pg_class)")
            return (yield from work())
        yield Sleep(pause)
    raise TimeoutExceeded(
        f"another process sets this database up and was not done after {LOCK_SECONDS:g} s; look for a "
        "session that waits (pg_stat_activity), end it, and start again"
    )


def _outside(needs: Needs) -> Plan[None]:
    make = done(f"CREATE DATABASE {quoted(needs.database)} ENCODING 'UTF8'")
    yield from allowed("make the database", needs.database, ensured(asked(_DATABASE, needs.database), make))


def _inside(needs: Needs) -> Plan[None]:
    yield from in_turn(lambda: _whole(needs))


def _whole(needs: Needs) -> Plan[None]:
    yield from allowed("make the role", needs.role, _role(needs))
    for name in needs.schemas:
        make = Atomic(_one(f"CREATE SCHEMA {quoted(name)}"))
        yield from allowed("make the schema", name, ensured(asked(_SCHEMA, name), make))
    if not (yield asked("SELECT current_user = $1::name", needs.role)):
        yield from allowed("grant what is needed to", needs.role, _granted(needs))
    for name in needs.extensions:
        make = Atomic(_one(f"CREATE EXTENSION IF NOT EXISTS {quoted(name)}"))
        yield from allowed("make the extension", name, ensured(asked(_EXTENSION, name), make))


def _role(needs: Needs) -> Plan[bool]:
    password = "" if needs.password is None else f" PASSWORD '{scram_verifier(needs.password)}'"
    make = Atomic(_one(f"CREATE ROLE {quoted(needs.role)} LOGIN{password}"))
    return (yield from ensured(asked(_ROLE, needs.role), make))


def _one(sql: str) -> Plan[None]:
    yield done(sql)


def _granted(needs: Needs) -> Plan[None]:
    role = quoted(needs.role)
    if not (yield asked(_CONNECTS, needs.role)):
        yield done(f"GRANT CONNECT ON DATABASE {quoted(needs.database)} TO {role}")
    for schema in needs.schemas:
        yield from _granted_in(needs.role, schema)
    usual = needs.usual_schema
    if usual is not None and usual not in needs.schemas and (yield asked(_SCHEMA, usual)):
        # There is nearly always something without a schema: functions, types, the ledger of migrations.
        try:
            yield Atomic(_granted_in(needs.role, usual))
        except PrivilegeError:
            pass


def _granted_in(role: str, schema: str) -> Plan[None]:
    if not (yield asked(_USES, role, schema)):
        # Since version 15 nobody but its owner may create in `public` unless told.
        yield done(f"GRANT USAGE, CREATE ON SCHEMA {quoted(schema)} TO {quoted(role)}")
        # Whoever does not own the schema is only warned.
        if not (yield asked(_USES, role, schema)):
            raise PrivilegeError(f"the schema {schema!r} is another's, who alone may grant what is in it")
    for kind in _KINDS:
        yield from _granted_on(kind, role, schema)


def _granted_on(kind: _Kind, role: str, schema: str) -> Plan[None]:
    """What is there already, and what this administrator makes later."""
    grant = f"GRANT {', '.join(kind.privileges)} ON"
    lacking = yield Call(kind.lacking, (role, schema), _names, writes=True)
    if lacking:
        yield done(f"{grant} {kind.named} {', '.join(lacking)} TO {quoted(role)}")
    if not kind.letter:
        return
    if (yield asked(_DEFAULTS, role, schema, kind.letter)) < len(kind.privileges):
        where = f"ALTER DEFAULT PRIVILEGES IN SCHEMA {quoted(schema)}"
        yield done(f"{where} {grant} {kind.many} TO {quoted(role)}")


def _names(records: Sequence[Record]) -> list[str]:
    return [name for (name,) in records]


STEPS = ServerSteps(_outside, _inside, longest_name=63)
