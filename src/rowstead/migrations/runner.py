"""The runner: applies what is pending, one migration after the other, each exactly once.

Written as plans, for both worlds and every format. It answers for the order of events between the
migrations and the ledger, and for what an error says. It must not know where migrations come from.

- Every migration that can be is one transaction with its ledger row. The row is written first, so a
  second runner that came past the lock waits for it and then finds it there.
- A no-transaction migration goes statement by statement. Each shares a transaction with its progress
  where it can; where it cannot, *started* is noted before and *done* after it, and a run that finds
  *started* asks the database what happened (`doubt.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from rowstead.dialects import Dialect
from rowstead.errors import DuplicateError, MigrationError, RowsteadError, UsageError
from rowstead.migrations import ledger as ledgers
from rowstead.migrations.doubt import CannotTell, Doubt
from rowstead.migrations.facts import Facts, facts_of
from rowstead.migrations.ledger import LEDGER, Calls, Entry, Ledger, Started
from rowstead.migrations.migration import Migration, MigrationEvent, MigrationStatus, OnEvent
from rowstead.migrations.split import Statement, split
from rowstead.migrations.state import compare, require_consistent, require_no_transaction_control
from rowstead.plan import Atomic, Call, Plan, Record

Require: TypeAlias = Callable[[Mapping[str, Entry], Sequence[Migration]], Plan[None]]
"""Refuses by raising MigrationError; given the ledger's entries and the migrations that are pending."""


class Runner:
    """Migrations of one source against one database. `folder` and `source` are for the ledger's rows
    and messages; `on_event` hears what is done while it is done; `require` refuses what may not follow
    on the ledger's entries (for files: what drifted or is missing)."""

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
        self._applied: list[str] = []

    def status(self) -> Plan[MigrationStatus]:
        """Where the migrations stand. Writes nothing."""
        ledger = yield from self._find()
        entries: dict[str, Entry] = (yield from ledger.entries()) if ledger else {}
        return compare(self._migrations, entries)

    def preview(self) -> Plan[list[str]]:
        """What `migrate` would apply; refuses what it would refuse. Writes nothing."""
        ledger = yield from self._find()
        entries: dict[str, Entry] = (yield from ledger.entries()) if ledger else {}
        return [migration.id for migration in (yield from self._pending(entries))]

    def migrate(self, lock_timeout: float) -> Plan[list[str]]:
        """Apply what is pending and give the ids. Raises MigrationError, ValidationError, TimeoutExceeded."""
        return (yield from self._facts.lock.hold(self._apply, lock_timeout))

    def migrate_in_transaction(self, lock_timeout: float) -> Plan[list[str]]:
        """The same inside an open transaction, with which it is committed or rolled back."""
        return (yield from self._facts.lock.join(self._join, lock_timeout))

    def _apply(self) -> Plan[list[str]]:
        ledger, pending = yield from self._prepare()
        for index, migration in enumerate(pending, 1):
            self._tell("started", migration, index, len(pending))
            entry = yield from ledger.entry(migration.id)
            run = self._stepwise if entry or not migration.transactional else self._whole
            sets_session = any(map(self._facts.sets_session, migration.up))
            if (yield from self._facts.lock.alone(run(ledger, migration), sets_session)):
                self._applied.append(migration.id)
                self._tell("applied", migration, index, len(pending))
        return self._applied

    def _join(self) -> Plan[list[str]]:
        ledger, pending = yield from self._prepare()
        for migration in pending:
            if migration.work is not None:
                raise UsageError("migrations of operations cannot be applied inside a transaction")
            if not migration.transactional:
                raise UsageError(
                    f"{migration.id} is marked rowstead:no-transaction and cannot be applied inside a "
                    "transaction; call migrate on the database handle, outside the block"
                )
        for index, migration in enumerate(pending, 1):
            self._tell("started", migration, index, len(pending))
            if (yield from self._whole(ledger, migration)):
                self._applied.append(migration.id)
                self._tell("applied", migration, index, len(pending))
        return self._applied

    def _prepare(self) -> Plan[tuple[Ledger, list[Migration]]]:
        ledger = yield from self._find()
        if ledger is None:
            created: Ledger = yield Atomic(self._create())
            ledger = created
        return ledger, (yield from self._pending((yield from ledger.entries())))

    def _pending(self, entries: Mapping[str, Entry]) -> Plan[list[Migration]]:
        status = compare(self._migrations, entries)
        pending = [m for m in self._migrations if m.id in set(status.pending)]
        yield from self._require(entries, pending)
        require_no_transaction_control(pending)
        return pending

    def _consistent(self, entries: Mapping[str, Entry], _pending: Sequence[Migration]) -> Plan[None]:
        yield from ()
        require_consistent(compare(self._migrations, entries), self._folder, self._source)

    def _find(self) -> Plan[Ledger | None]:
        return (yield from ledgers.find(self._calls, self._source, self._facts.find_ledger))

    def _create(self) -> Plan[Ledger]:
        schema: str | None = None
        if self._facts.new_schema is not None:
            schema = yield Call(self._facts.new_schema, (), _value)
        ledger = Ledger(self._calls, self._source, schema)
        yield ledger.create()
        return ledger

    def _whole(self, ledger: Ledger, migration: Migration) -> Plan[bool]:
        """Apply a migration in one transaction; False when another runner did."""
        try:
            transaction = Atomic(self._together(ledger, migration))
            if migration.work is not None and migration.work.rebuilds:
                yield from self._facts.rebuilding(transaction)
            else:
                yield transaction
        except MigrationError:
            raise
        except RowsteadError as error:
            # The ledger's row is there already, or a constraint was checked at COMMIT.
            entry = (yield from ledger.entry(migration.id)) if isinstance(error, DuplicateError) else None
            if entry is not None and entry.progress is None and entry.checksum == migration.checksum:
                return False
            if entry is not None:
                raise self._overtaken(migration) from error
            if migration.work is not None:
                raise migration.work.failed(error, self._before()) from error
            raise self._failed(migration, None, error, "nothing of this file was kept") from error
        return True

    def _together(self, ledger: Ledger, migration: Migration) -> Plan[None]:
        yield ledger.add(migration)
        if migration.work is not None:
            yield from migration.work.plan()
        for statement in migration.up:
            try:
                yield _run(statement)
            except RowsteadError as error:
                raise self._failed(migration, statement, error, "nothing of this file was kept") from error

    def _stepwise(self, ledger: Ledger, migration: Migration) -> Plan[bool]:
        """Apply a migration statement by statement, from where an earlier run stopped."""
        entry = yield from ledger.entry(migration.id)
        done = 0
        if entry is None:
            try:
                yield ledger.begin(migration)
            except DuplicateError:
                raise self._overtaken(migration) from None
        elif entry.progress is None:
            return False
        else:
            done = entry.progress
            if entry.started is not None:
                done += yield from self._settle(ledger, migration, done, entry.started)
        for number, statement in enumerate(migration.up, 1):
            if number > done:
                yield from self._step(ledger, migration, number, statement)
            elif self._facts.sets_session(statement):
                yield _run(statement)
        yield ledger.finish(migration)
        return True

    def _step(self, ledger: Ledger, migration: Migration, number: int, statement: Statement) -> Plan[None]:
        try:
            if self._facts.sets_session(statement):
                yield _run(statement)
                self._require_mine(migration, (yield ledger.done(migration, number)))
                return
            doubt = self._facts.stands_alone(statement)
            if doubt is None:
                doubt = yield from self._beside_progress(ledger, migration, number, statement)
            if doubt is not None:
                yield from self._alone(ledger, migration, number, statement, doubt)
        except MigrationError:
            raise
        except RowsteadError as error:
            kept = f"{number - 1} of its {len(migration.up)} statements are done and stay"
            raise self._failed(migration, statement, error, kept) from error

    def _beside_progress(
        self, ledger: Ledger, migration: Migration, number: int, statement: Statement
    ) -> Plan[Doubt | None]:
        """Run a statement in one transaction with its progress; if it refuses that, how to settle it."""
        try:
            yield Atomic(self._with_progress(ledger, migration, number, statement))
        except RowsteadError as error:
            doubt = self._facts.refused(statement, error)
            if doubt is None:
                raise
            return doubt
        return None

    def _with_progress(
        self, ledger: Ledger, migration: Migration, number: int, statement: Statement
    ) -> Plan[None]:
        self._require_mine(migration, (yield ledger.done(migration, number)))
        yield _run(statement)

    def _alone(
        self, ledger: Ledger, migration: Migration, number: int, statement: Statement, doubt: Doubt
    ) -> Plan[None]:
        before = yield from doubt.before(self._calls, statement)
        self._require_mine(migration, (yield ledger.start(migration, number, before)))
        yield _run(statement)
        self._require_mine(migration, (yield ledger.done(migration, number)))

    def _settle(self, ledger: Ledger, migration: Migration, done: int, started: Started) -> Plan[int]:
        """Find out whether the statement in doubt was applied: 1 if so, else 0."""
        statement = split(started.text, self._facts.syntax)[0]
        doubt = self._facts.settles(statement)
        same = done < len(migration.up) and migration.up[done].text == started.text
        try:
            applied = yield from doubt.applied(self._calls, statement, started.before)
        except CannotTell:
            raise self._undecided(migration, done, statement, "it cannot be told whether it ran") from None
        if applied and not same:
            raise self._undecided(migration, done, statement, "it ran, but the file has another one there")
        self._require_mine(migration, (yield ledger.settled(migration, done, done + applied)))
        return int(applied)

    def _require_mine(self, migration: Migration, changed: int) -> None:
        if changed != 1:
            raise self._overtaken(migration)

    def _tell(self, kind: str, migration: Migration, index: int, total: int) -> None:
        if self._on_event is not None:
            self._on_event(
                MigrationEvent("applied" if kind == "applied" else "started", migration.id, index, total)
            )

    def _failed(
        self, migration: Migration, statement: Statement | None, error: RowsteadError, kept: str
    ) -> MigrationError:
        where = "when it was committed" if statement is None else f"at line {statement.line}"
        what = "" if statement is None else f" ({statement.summary})"
        failure = self._error(
            f"migration {migration.id} failed {where}{what}: {error}\n"
            f"{kept}, and {self._before()}; mend the file and run again"
        )
        failure.retryable = error.retryable
        return failure

    def _overtaken(self, migration: Migration) -> MigrationError:
        failure = self._error(
            f"another runner is at {migration.id} at this moment, and {self._before()}; "
            "run again when it has ended"
        )
        failure.retryable = True
        return failure

    def _undecided(
        self, migration: Migration, done: int, statement: Statement, reason: str
    ) -> MigrationError:
        row = ledgers.condition(migration.id, self._source)
        return self._error(
            f"migration {migration.id} was interrupted in statement {done + 1} "
            f"({statement.summary}) and {reason}; look in the database, then\n"
            f"  if it is applied: UPDATE {LEDGER} SET progress = {done + 1}, detail = NULL {row};\n"
            f"  if it is not: UPDATE {LEDGER} SET detail = NULL {row};\n"
            "and run again, which goes on from there"
        )

    def _error(self, message: str) -> MigrationError:
        failure = MigrationError(message)
        failure.applied = tuple(self._applied)
        return failure

    def _before(self) -> str:
        return f"applied before it: {', '.join(self._applied) or 'none'}"


def _run(statement: Statement) -> Call[int]:
    return Call(statement.text, writes=True, raw=True)


def _value(records: Sequence[Record]) -> str | None:
    return records[0][0]
