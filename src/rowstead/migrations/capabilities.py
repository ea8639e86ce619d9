"""What the runner must know of a database: its syntax, its lock, and which statements stand alone.

The record and its questions; the entries are in `facts.py`. Statements are recognised by their first
tokens in capitals, joined by spaces.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rowstead.migrations.doubt import Doubt, Repeatable
from rowstead.migrations.lock import Lock
from rowstead.migrations.split import Statement, Syntax
from rowstead.plan import Atomic, Plan


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

    unsuitable: Sequence[tuple[re.Pattern[str], str]] = ()
    """Statements that no migration can hold, each with the reason and what to do."""

    def asks_to_rebuild(self, statement: Statement) -> bool:
        """Whether the transaction in which it stands makes tables anew."""
        asking = self.before_rebuilding
        return asking is not None and asking.match(" ".join(statement.words)) is not None

    def ends_transaction(self, statement: Statement) -> bool:
        """Whether a transaction in which it runs would be committed by it."""
        return self.commits is not None and self.commits.match(" ".join(statement.words)) is not None

    def refuses(self, statement: Statement) -> str | None:
        """Why no migration can hold the statement; None if one can."""
        words = " ".join(statement.words)
        return next((why for pattern, why in self.unsuitable if pattern.match(words)), None)

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


def plainly(transaction: Atomic[Any]) -> Plan[Any]:
    """Runs a transaction as it is, where tables are altered in place."""
    return (yield transaction)


def _first(kinds: Sequence[tuple[re.Pattern[str], Doubt]], statement: Statement) -> Doubt | None:
    words = " ".join(statement.words)
    return next((doubt for pattern, doubt in kinds if pattern.match(words)), None)
