"""The runner: brings a database to where its migrations lead, each applied or undone exactly once.

Written as plans, for both worlds and every format. It answers for what is due and in which order, under
the lock; `applying.py` carries one migration out. It must not know where migrations come from.

- Every migration that can be is one transaction with its ledger row. The row is written first, so a
  second runner that came past the lock waits for it and then finds it there.
- Any other goes statement by statement. Each shares a transaction with its progress where it can; where
  it cannot, *started* is noted before and *done* after it, and a run that finds *started* asks the
  database what happened (`doubt.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from rowstead.dialects import Dialect
from rowstead.errors import UsageError
from rowstead.migrations import ledger as ledgers
from rowstead.migrations.applying import Applying
from rowstead.migrations.facts import Facts, facts_of
from rowstead.migrations.ledger import LEDGER, Calls, Entry, Ledger
from rowstead.migrations.migration import Migration, MigrationEvent, MigrationStatus, OnEvent
from rowstead.migrations.state import compare, require_consistent, require_suitable
from rowstead.plan import Atomic, Call, Plan, first_value

Require: TypeAlias = Callable[[Mapping[str, Entry], Sequence[Migration]], Plan[None]]
"""Refuses by raising MigrationError; given the ledger's entries and the migrations that are pending."""


class Runner:
    """Migrations of one source against one database. `folder` and `source` are for the ledger's rows
    and messages; `on_event` hears what is done while it is done; `require` refuses what may not follow
    on the ledger's entries (for files: what drifted or is missing)."""

    applying: type[Applying] = Applying
    marker = "`-- rowstead:no-transaction` stands above the first statement"
    """Where a migration says that it wants no transaction."""

    def __init__(
        self,
        migrations: Sequence[Migration],
        dialect: Dialect,
        paramstyle: str,
        *,
        folder: str,
        source: str,
        on_event: OnEvent | None = None,
        require: Require | None = None,
    ) -> None:
        self._migrations = migrations
        self._facts: Facts = facts_of(dialect)
        self._calls = Calls(dialect, paramstyle)
        self._folder = folder
        self._source = source
        self._on_event = on_event
        self._require = require or self._consistent
        self._work = self.applying(self._calls, self._facts, source)

    def status(self) -> Plan[MigrationStatus]:
        """Where the migrations stand. Writes nothing."""
        return compare(self._migrations, (yield from self._entries()))

    def preview(self) -> Plan[list[str]]:
        """What `migrate` would apply; refuses what it would refuse. Writes nothing."""
        pending = yield from self._pending((yield from self._entries()))
        return [migration.name for migration in pending]

    def migrate(self, lock_timeout: float) -> Plan[list[str]]:
        """Apply what is pending and give the names.

        Raises MigrationError, ValidationError, TimeoutExceeded.
        """
        return (yield from self._facts.lock.hold(self._apply, lock_timeout))

    def migrate_in_transaction(self, lock_timeout: float) -> Plan[list[str]]:
        """The same inside an open transaction, with which it is committed or rolled back."""
        return (yield from self._facts.lock.join(self._join, lock_timeout))

    def _apply(self) -> Plan[list[str]]:
        ledger, pending = yield from self._prepare()
        return (yield from self._each(pending, ledger, self._work.apply))

    def _join(self) -> Plan[list[str]]:
        if self._facts.commits is not None and (yield from self._find()) is None:
            raise UsageError(
                "there is no ledger yet, and to make it would commit the transaction; call migrate on the "
                "database handle, outside the block"
            )
        ledger, pending = yield from self._prepare()
        for migration in pending:
            if migration.work is not None:
                raise UsageError("migrations of operations cannot be applied inside a transaction")
            if not migration.transactional:
                raise UsageError(
                    f"{migration.name} is marked rowstead:no-transaction and cannot be applied inside a "
                    "transaction; call migrate on the database handle, outside the block"
                )
            if not self._work.may_be_whole(migration):
                raise UsageError(
                    f"{migration.name} holds a statement that would commit the transaction; call migrate on "
                    "the database handle, outside the block"
                )
        return (yield from self._each(pending, ledger, self._within))

    def _within(self, ledger: Ledger, migration: Migration) -> Plan[bool]:
        done = yield from self._work.whole(ledger, migration)
        if done:
            self._work.done.append(migration.name)
        return done

    def _each(
        self,
        migrations: Sequence[Migration],
        ledger: Ledger,
        carry_out: Callable[[Ledger, Migration], Plan[bool]],
    ) -> Plan[list[str]]:
        for index, migration in enumerate(migrations, 1):
            self._tell(MigrationEvent("started", migration.name, index, len(migrations)))
            if (yield from carry_out(ledger, migration)):
                kind = "undone" if ledger.undoing else "applied"
                self._tell(MigrationEvent(kind, migration.name, index, len(migrations)))
        return self._work.done

    def _prepare(self) -> Plan[tuple[Ledger, list[Migration]]]:
        ledger = yield from self._ready()
        return ledger, (yield from self._pending((yield from ledger.entries())))

    def _ready(self) -> Plan[Ledger]:
        """The ledger, made if it is not there."""
        ledger = yield from self._find()
        if ledger is not None:
            return ledger
        return (yield from self._defining(self._create()))

    def _defining(self, plan: Plan[Ledger]) -> Plan[Ledger]:
        """Run a plan that makes tables: in a transaction, where that can hold them."""
        if self._facts.commits is None:
            return (yield Atomic(plan))
        return (yield from plan)

    def _pending(self, entries: Mapping[str, Entry]) -> Plan[list[Migration]]:
        status = compare(self._migrations, entries)
        due = set(status.pending)
        pending = [m for m in self._migrations if m.name in due]
        yield from self._require(entries, pending)
        require_suitable(pending, self._facts.refuses, self.marker)
        return pending

    def _consistent(self, entries: Mapping[str, Entry], _pending: Sequence[Migration]) -> Plan[None]:
        yield from ()
        require_consistent(compare(self._migrations, entries), self._folder, self._recovery)

    def _recovery(self, name: str) -> str:
        return ledgers.recovery(name, self._source)

    def _entries(self) -> Plan[Mapping[str, Entry]]:
        """What is known of the migrations. Writes nothing."""
        ledger = yield from self._find()
        return (yield from ledger.entries()) if ledger else {}

    def _find(self) -> Plan[Ledger | None]:
        found = yield from ledgers.find(self._facts.find_table, LEDGER)
        return self._ledger(found[0]) if found else None

    def _create(self) -> Plan[Ledger]:
        schema: str | None = None
        if self._facts.new_schema is not None:
            schema = yield Call(self._facts.new_schema, (), first_value)
        ledger = self._ledger(schema)
        yield ledger.create()
        return ledger

    def _ledger(self, schema: str | None) -> Ledger:
        return Ledger(self._calls, self._source, schema)

    def _tell(self, event: MigrationEvent) -> None:
        if self._on_event is not None:
            self._on_event(event)
