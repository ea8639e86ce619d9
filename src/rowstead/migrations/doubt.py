"""Statements that cannot share a transaction with the ledger, and how one in doubt is settled.

When a runner dies between starting such a statement and noting its end, only the database can tell
whether it happened. It answers for what is noted before each kind and what is asked after; it must
not know the ledger's rows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Protocol

from rowstead.migrations.ledger import Calls
from rowstead.migrations.split import Statement
from rowstead.plan import Call, Plan


class CannotTell(Exception):
    """Nothing in the database shows whether the statement was applied."""


class Doubt(Protocol):
    """How statements of one kind are settled."""

    def before(self, calls: Calls, statement: Statement, /) -> Plan[Any]:
        """What to note before the statement; JSON-able."""
        ...

    def applied(self, calls: Calls, statement: Statement, before: Any, /) -> Plan[bool]:
        """Whether it was applied; what a half one left behind is taken away. Raises CannotTell."""
        ...


class Repeatable:
    """Running it again gives the same: VACUUM, ALTER SYSTEM."""

    def before(self, _calls: Calls, _statement: Statement) -> Plan[Any]:
        yield from ()

    def applied(self, _calls: Calls, _statement: Statement, _before: Any) -> Plan[bool]:
        yield from ()
        return False


class Unknowable:
    """It may do anything and commit on its way: CALL, DO."""

    def before(self, _calls: Calls, _statement: Statement) -> Plan[Any]:
        yield from ()

    def applied(self, _calls: Calls, _statement: Statement, _before: Any) -> Plan[bool]:
        yield from ()
        raise CannotTell


class Catalogue:
    """It changes the catalogue or nothing; `sql` gives one value that differs when the catalogue does."""

    def __init__(self, sql: str) -> None:
        self._sql = sql

    def before(self, calls: Calls, _statement: Statement) -> Plan[Any]:
        records = yield calls.ask(self._sql)
        return records[0][0]

    def applied(self, calls: Calls, _statement: Statement, before: Any) -> Plan[bool]:
        records = yield calls.ask(self._sql)
        return records[0][0] != before


class SchemaCatalogue:
    """It changes schemas that it names, or the one that is in use, or nothing; `sql` gives one value of a
    `:schema` that differs when something in it does."""

    _SCHEMAS = "SELECT SCHEMA_NAME, SCHEMA_NAME = DATABASE() FROM information_schema.SCHEMATA"

    def __init__(self, sql: str) -> None:
        self._sql = sql

    def before(self, calls: Calls, statement: Statement) -> Plan[Any]:
        words = {word.strip("`").lower() for word in re.findall(r"`[^`]*`|[\w$]+", statement.shown)}
        found: dict[str, Any] = {}
        for schema, in_use in (yield calls.ask(self._SCHEMAS)):
            if in_use or schema.lower() in words:
                records = yield calls.ask(self._sql, schema=schema)
                found[schema] = records[0][0]
        return found

    def applied(self, calls: Calls, statement: Statement, before: Any) -> Plan[bool]:
        return (yield from self.before(calls, statement)) != before


class IndexBuild:
    """CREATE INDEX CONCURRENTLY: an interrupted one leaves an invalid index, which is dropped.

    https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY
    """

    _INDEXES = (
        "SELECT CAST(i.indexrelid AS bigint), i.indisvalid AND i.indisready, c.relname, "
        "quote_ident(n.nspname) || '.' || quote_ident(c.relname) "
        "FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
        "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE i.indrelid = to_regclass(:table)"
    )

    def before(self, calls: Calls, statement: Statement) -> Plan[Any]:
        records = yield calls.ask(self._INDEXES, table=_table(statement))
        return [record[0] for record in records]

    def applied(self, calls: Calls, statement: Statement, before: Any) -> Plan[bool]:
        name = _index(statement)
        records = yield calls.ask(self._INDEXES, table=_table(statement))
        ours = [r for r in records if r[0] not in before and (name is None or r[2] == name)]
        for _, valid, _, qualified in ours:
            if not valid:
                yield Call(f"DROP INDEX CONCURRENTLY IF EXISTS {qualified}", writes=True)
        return any(valid for _, valid, _, _ in ours)


class IndexDrop:
    """DROP INDEX CONCURRENTLY: an interrupted one leaves the index, invalid; it is dropped again."""

    def before(self, _calls: Calls, _statement: Statement) -> Plan[Any]:
        yield from ()

    def applied(self, calls: Calls, statement: Statement, _before: Any) -> Plan[bool]:
        name = _path(_after(statement.head, "CONCURRENTLY", "IF", "EXISTS"))
        records = yield calls.ask("SELECT to_regclass(:name) IS NULL", name=name)
        return bool(records[0][0])


class Reindex:
    """REINDEX: can be run again once the copies that an interrupted CONCURRENTLY left are dropped."""

    _COPIES = (
        "SELECT CAST(i.indexrelid AS bigint), quote_ident(n.nspname) || '.' || quote_ident(c.relname) "
        "FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
        "JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE NOT i.indisvalid AND c.relname ~ '_cc(new|old)[0-9]*$' AND n.nspname <> 'pg_toast'"
    )

    def before(self, calls: Calls, _statement: Statement) -> Plan[Any]:
        records = yield calls.ask(self._COPIES)
        return [record[0] for record in records]

    def applied(self, calls: Calls, _statement: Statement, before: Any) -> Plan[bool]:
        records = yield calls.ask(self._COPIES)
        for oid, qualified in records:
            if oid not in before:
                yield Call(f"DROP INDEX CONCURRENTLY IF EXISTS {qualified}", writes=True)
        return False


def _index(statement: Statement) -> str | None:
    """The name that CREATE INDEX gives, as the catalogue has it; None when the server chooses it."""
    rest = _after(statement.head, "CONCURRENTLY", "IF", "NOT", "EXISTS")
    if not rest or rest[0].upper() == "ON":
        return None
    name = rest[0]
    return name[1:-1].replace('""', '"') if name.startswith('"') else name.lower()


def _table(statement: Statement) -> str:
    return _path(_after(_after(statement.head, "CONCURRENTLY"), "ON", "ONLY"))


def _after(tokens: Sequence[str], word: str, *optional: str) -> Sequence[str]:
    """What stands behind `word`, and behind the words of `optional` where they follow."""
    at = next((i for i, token in enumerate(tokens, 1) if token.upper() == word), len(tokens))
    for extra in optional:
        if at < len(tokens) and tokens[at].upper() == extra:
            at += 1
    return tokens[at:]


def _path(tokens: Sequence[str]) -> str:
    """A name with its schema, as written: the first token and those that dots join to it."""
    size = 1
    while tokens[size : size + 1] == (".",) and len(tokens) > size + 1:
        size += 2
    return re.sub(r";$", "", "".join(tokens[:size]))
