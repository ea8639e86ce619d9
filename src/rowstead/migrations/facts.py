"""What the runner must know of each database: its syntax, its lock, and which statements stand alone.

Data, one entry per database. Statements are recognised by their first tokens in capitals, joined by
spaces.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rowstead.dialects import Dialect
from rowstead.errors import UsageError
from rowstead.migrations.doubt import (
    Catalogue,
    Doubt,
    IndexBuild,
    IndexDrop,
    Reindex,
    Repeatable,
    Unknowable,
)
from rowstead.migrations.ledger import LEDGER
from rowstead.migrations.lock import AdvisoryLock, Lock, LockFile
from rowstead.migrations.split import POSTGRESQL_SYNTAX, SQLITE_SYNTAX, Statement, Syntax
from rowstead.plan import Atomic, Call, Finally, Pinned, Plan


@dataclass(frozen=True, slots=True)
class Rebuild:
    """What goes with making a table anew under its old name."""

    own_objects: str
    """Name and SQL of a table's (`?`) triggers and indexes, which go when it is dropped."""
    before: str
    after: str
    """Around a rebuild, inside the transaction."""
    broken_keys: str
    """(table, row, referred table, number of the foreign key) of each row that refers to none."""
    key_columns: str
    """The columns of a table's (`?`) foreign key of a number (`?`)."""


@dataclass(frozen=True, slots=True)
class Facts:
    """One database's entry."""

    syntax: Syntax
    lock: Lock
    find_table: str
    """SQL that gives the schema of the table `{name}`, or no record when there is none."""
    new_schema: str | None
    """SQL that gives the schema in which a new table is made; None where there are no schemas."""
    session: re.Pattern[str]
    """Statements that set the session: run again when a migration is taken up again, undone behind it."""
    standing_alone: Sequence[tuple[re.Pattern[str], Doubt]]
    """Statements that cannot run in a transaction."""
    refused_in_transaction: frozenset[str]
    """SQLSTATEs by which the server refuses such a statement, before anything was kept of it."""
    otherwise: Sequence[tuple[re.Pattern[str], Doubt]]
    """How a statement that was refused in a transaction and is not listed above is settled."""
    rebuilding: Callable[[Atomic[Any]], Plan[Any]]
    """Runs a transaction in which tables may be rebuilt."""
    rebuild: Rebuild | None
    """How a table is made anew; None where tables are altered in place."""
    drop_trigger: str | None
    """Drops the trigger of a name; None where a trigger's name is not enough to find it."""
    goose_table: str
    """How goose makes its ledger `{table}`."""
    commits: re.Pattern[str] | None = None
    """Statements that end the transaction in which they run; None where there are none."""
    before_rebuilding: re.Pattern[str] | None = None
    """Statements that ask for `rebuilding`, since in a transaction they would do nothing."""

    def asks_to_rebuild(self, statement: Statement) -> bool:
        """Whether the transaction in which it stands makes tables anew."""
        asking = self.before_rebuilding
        return asking is not None and asking.match(" ".join(statement.words)) is not None

    def ends_transaction(self, statement: Statement) -> bool:
        """Whether a transaction in which it runs would be committed by it."""
        return self.commits is not None and self.commits.match(" ".join(statement.words)) is not None

    def sets_session(self, statement: Statement) -> bool:
        return self.session.match(" ".join(statement.words)) is not None

    def stands_alone(self, statement: Statement) -> Doubt | None:
        """How the statement is settled if it cannot run in a transaction; None if it can."""
        return _first(self.standing_alone, statement)

    def refused(self, statement: Statement, error: Exception) -> Doubt | None:
        """How the statement is settled if `error` says that it cannot run in a transaction."""
        if getattr(error.__cause__, "sqlstate", None) not in self.refused_in_transaction:
            return None
        return _first(self.otherwise, statement)

    def settles(self, statement: Statement) -> Doubt:
        """How a statement that was begun alone is settled."""
        return _first((*self.standing_alone, *self.otherwise), statement) or Repeatable()


def facts_of(dialect: Dialect) -> Facts:
    """The entry of a database. Raises UsageError where migrations cannot run."""
    try:
        return FACTS[dialect.name]
    except KeyError:
        known = ", ".join(FACTS)
        raise UsageError(f"migrations do not run on {dialect.name}; they do on: {known}") from None


def _first(kinds: Sequence[tuple[re.Pattern[str], Doubt]], statement: Statement) -> Doubt | None:
    words = " ".join(statement.words)
    return next((doubt for pattern, doubt in kinds if pattern.match(words)), None)


def _plainly(transaction: Atomic[Any]) -> Plan[Any]:
    return (yield transaction)


def _without_foreign_keys(transaction: Atomic[Any]) -> Plan[Any]:
    """A rebuild drops the old table, and with foreign keys on that deletes its rows: all children of a
    parent would be deleted with them. Inside a transaction the setting cannot be changed.

    https://www.sqlite.org/lang_altertable.html#otheralter
    """
    return (yield Pinned(_switched(transaction)))


def _switched(transaction: Atomic[Any]) -> Plan[Any]:
    yield Call("PRAGMA foreign_keys = OFF", raw=True)
    return (yield Finally(_plainly(transaction), _restored()))


def _restored() -> Plan[None]:
    yield Call("PRAGMA legacy_alter_table = OFF", raw=True)
    yield Call("PRAGMA foreign_keys = ON", raw=True)


# Names rather than row versions: a vacuum in between must not look like a change.
_POSTGRESQL_CATALOGUE = """
SELECT md5(string_agg(line, '|' ORDER BY line)) FROM (
  SELECT 'd' || datname AS line FROM pg_database
  UNION ALL SELECT 't' || spcname FROM pg_tablespace
  UNION ALL SELECT 's' || subname FROM pg_subscription
  UNION ALL SELECT 'n' || nspname FROM pg_namespace WHERE nspname !~ '^pg_(temp|toast)'
  UNION ALL SELECT 'c' || CAST(oid AS text) || relname || CAST(relkind AS text) || reltablespace FROM pg_class
    WHERE relnamespace NOT IN (SELECT oid FROM pg_namespace WHERE nspname ~ '^pg_')
  UNION ALL SELECT 'i' || CAST(indexrelid AS text) || indisvalid || indisready FROM pg_index
  UNION ALL SELECT 'h' || CAST(inhrelid AS text) || ' ' || CAST(inhparent AS text) FROM pg_inherits
  UNION ALL SELECT 'e' || CAST(enumtypid AS text) || enumlabel FROM pg_enum
  UNION ALL SELECT 'p' || CAST(oid AS text) || proname FROM pg_proc
) AS catalogue
"""

FACTS: Mapping[str, Facts] = {
    "postgresql": Facts(
        syntax=POSTGRESQL_SYNTAX,
        lock=AdvisoryLock(LEDGER),
        find_table=(
            "SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE c.oid = to_regclass('{name}')"
        ),
        new_schema="SELECT current_schema()",
        session=re.compile(r"(SET|RESET|LOAD)\b(?! LOCAL)|SELECT (PG_CATALOG \. )?SET_CONFIG \("),
        standing_alone=(
            (re.compile(r"CREATE (UNIQUE )?INDEX CONCURRENTLY\b"), IndexBuild()),
            (re.compile(r"DROP INDEX CONCURRENTLY\b"), IndexDrop()),
            (re.compile(r"REINDEX\b"), Reindex()),
            (re.compile(r"(VACUUM|ALTER SYSTEM)\b"), Repeatable()),
            (re.compile(r"(CREATE|DROP) (DATABASE|TABLESPACE)\b"), Catalogue(_POSTGRESQL_CATALOGUE)),
        ),
        refused_in_transaction=frozenset({"25001", "2D000"}),
        otherwise=(
            (re.compile(r"(CALL|DO)\b"), Unknowable()),
            (re.compile(""), Catalogue(_POSTGRESQL_CATALOGUE)),
        ),
        rebuilding=_plainly,
        rebuild=None,
        drop_trigger=None,
        goose_table=(
            "CREATE TABLE {table} (id integer PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY, "
            "version_id bigint NOT NULL, is_applied boolean NOT NULL, "
            "tstamp timestamp NOT NULL DEFAULT now())"
        ),
    ),
    "sqlite": Facts(
        syntax=SQLITE_SYNTAX,
        lock=LockFile("-rowstead-lock"),
        find_table="SELECT NULL FROM sqlite_master WHERE type = 'table' AND name = '{name}'",
        new_schema=None,
        session=re.compile(r"(PRAGMA|ATTACH|DETACH)\b"),
        standing_alone=((re.compile(r"VACUUM\b"), Repeatable()),),
        refused_in_transaction=frozenset(),
        otherwise=(),
        rebuilding=_without_foreign_keys,
        before_rebuilding=re.compile(r"PRAGMA (\w+ \. )?FOREIGN_KEYS (= |\( )(OFF|NO|FALSE|0)\b"),
        rebuild=Rebuild(
            own_objects=(
                "SELECT name, sql FROM sqlite_master "
                "WHERE tbl_name = ? AND type IN ('index', 'trigger') AND sql IS NOT NULL"
            ),
            # Else RENAME TO fails where a view or a trigger names the table, which is gone in that moment.
            before="PRAGMA legacy_alter_table = ON",
            after="PRAGMA legacy_alter_table = OFF",
            broken_keys='SELECT "table", rowid, parent, fkid FROM pragma_foreign_key_check',
            key_columns='SELECT "from" FROM pragma_foreign_key_list(?) WHERE id = ? ORDER BY seq',
        ),
        drop_trigger="DROP TRIGGER IF EXISTS {name}",
        goose_table=(
            "CREATE TABLE {table} (id INTEGER PRIMARY KEY AUTOINCREMENT, version_id INTEGER NOT NULL, "
            "is_applied INTEGER NOT NULL, tstamp TIMESTAMP DEFAULT (datetime('now')))"
        ),
    ),
}
