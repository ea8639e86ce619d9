"""One migration after the other: carried out whole, or statement by statement, and noted in the ledger.

It answers for the order of events between a migration's statements and its row in the ledger, and for
what an error says. It must not know which migrations are due, nor in which direction they go: one that
is undone comes reversed, with the ledger for that.
"""

from __future__ import annotations

from rowstead.errors import MigrationError, RowsteadError
from rowstead.migrations import ledger as ledgers
from rowstead.migrations.doubt import CannotTell, Doubt
from rowstead.migrations.facts import Facts
from rowstead.migrations.ledger import LEDGER, Calls, Ledger, Started, Taken
from rowstead.migrations.migration import Migration
from rowstead.migrations.split import Statement, split
from rowstead.plan import Atomic, Plan


class Applying:
    """Carries out migrations of one source; remembers the names of those that are done."""

    unit = "file"
    """What holds one migration, for messages."""

    def __init__(self, calls: Calls, facts: Facts, source: str) -> None:
        self._calls = calls
        self._facts = facts
        self._source = source
        self.done: list[str] = []

    def apply(self, ledger: Ledger, migration: Migration) -> Plan[bool]:
        """Carry a migration out, from where it was interrupted; False when another runner did."""
        entry = yield from ledger.entry(migration.id)
        interrupted = entry is not None and entry.progress is not None
        run = self.stepwise if interrupted or not self.may_be_whole(migration) else self.whole
        sets_session = any(map(self._facts.sets_session, migration.up))
        done = yield from self._facts.lock.alone(run(ledger, migration), sets_session)
        if done:
            self.done.append(migration.name)
        return done

    def may_be_whole(self, migration: Migration) -> bool:
        """Whether it can be one transaction."""
        return migration.transactional and not any(map(self._facts.ends_transaction, migration.up))

    def rebuilds(self, migration: Migration) -> bool:
        """Whether it makes tables anew, which needs more than a transaction around it."""
        asked = any(map(self._facts.asks_to_rebuild, migration.up))
        return asked or (migration.work is not None and migration.work.rebuilds)

    def whole(self, ledger: Ledger, migration: Migration) -> Plan[bool]:
        """Carry a migration out in one transaction; False when another runner did."""
        try:
            transaction = Atomic(self._together(ledger, migration))
            if self.rebuilds(migration):
                yield from self._facts.rebuilding(transaction)
            else:
                yield transaction
        except Taken as taken:
            entry = yield from ledger.entry(migration.id)
            if entry is not None and entry.progress is None and entry.checksum == migration.checksum:
                return False
            raise self._overtaken(migration) from taken
        except MigrationError:
            raise
        except RowsteadError as error:
            # A constraint was checked at COMMIT.
            if migration.work is not None:
                raise migration.work.failed(error, self._before()) from error
            raise self._failed(ledger, migration, None, error, self._nothing_kept()) from error
        return True

    def _together(self, ledger: Ledger, migration: Migration) -> Plan[None]:
        # First the ledger: a runner that came past the lock waits here for the one before it.
        yield from ledger.add(migration)
        if migration.work is not None:
            yield from migration.work.plan()
        for statement in migration.up:
            try:
                yield self._calls.run(statement.text)
            except RowsteadError as error:
                raise self._failed(ledger, migration, statement, error, self._nothing_kept()) from error

    def stepwise(self, ledger: Ledger, migration: Migration) -> Plan[bool]:
        """Carry a migration out statement by statement, from where an earlier run stopped."""
        entry = yield from ledger.entry(migration.id)
        done = 0
        if entry is not None and entry.progress is not None:
            done = entry.progress
            if entry.started is not None:
                done += yield from self._settle(ledger, migration, done, entry.started)
        elif (entry is not None) is ledger.undoing:
            try:
                yield from ledger.begin(migration)
            except Taken as taken:
                raise self._overtaken(migration) from taken
        else:
            return False
        for number, statement in enumerate(migration.up, 1):
            if number > done:
                yield from self._step(ledger, migration, number, statement)
            elif self._facts.sets_session(statement):
                yield self._calls.run(statement.text)
        yield from ledger.finish(migration)
        return True

    def _step(self, ledger: Ledger, migration: Migration, number: int, statement: Statement) -> Plan[None]:
        try:
            if self._facts.sets_session(statement):
                yield self._calls.run(statement.text)
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
            raise self._failed(ledger, migration, statement, error, kept) from error

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
        yield self._calls.run(statement.text)

    def _alone(
        self, ledger: Ledger, migration: Migration, number: int, statement: Statement, doubt: Doubt
    ) -> Plan[None]:
        before = yield from doubt.before(self._calls, statement)
        self._require_mine(migration, (yield ledger.start(migration, number, before)))
        yield self._calls.run(statement.text)
        self._require_mine(migration, (yield ledger.done(migration, number)))

    def _settle(self, ledger: Ledger, migration: Migration, done: int, started: Started) -> Plan[int]:
        """Find out whether the statement in doubt was applied: 1 if so, else 0."""
        same = done < len(migration.up) and migration.up[done].shown == started.text
        statement = migration.up[done] if same else split(started.text, self._facts.syntax)[0]
        doubt = self._facts.settles(statement)
        try:
            applied = yield from doubt.applied(self._calls, statement, started.before)
        except CannotTell:
            raise self._undecided(
                ledger, migration, done, statement, "it cannot be told whether it ran"
            ) from None
        if applied and not same:
            what = "it ran, but the file has another one there"
            raise self._undecided(ledger, migration, done, statement, what)
        self._require_mine(migration, (yield ledger.settled(migration, done, done + applied)))
        return int(applied)

    # Errors

    def _require_mine(self, migration: Migration, changed: int) -> None:
        if changed != 1:
            raise self._overtaken(migration)

    def _failed(
        self,
        ledger: Ledger,
        migration: Migration,
        statement: Statement | None,
        error: RowsteadError,
        kept: str,
    ) -> MigrationError:
        where = "when it was committed" if statement is None else f"at {statement.place}"
        what = "" if statement is None else f" ({statement.summary})"
        way = " on its way back" if ledger.undoing else ""
        before = self._before("undone" if ledger.undoing else "applied")
        reason = str(error)
        for each in migration.up:
            reason = each.showing(reason)
        failure = self.error(
            f"migration {migration.name} failed{way} {where}{what}: {reason}\n"
            f"{kept}, and {before}; mend the file and run again"
        )
        failure.retryable = error.retryable
        failure.table, failure.column, failure.constraint = error.table, error.column, error.constraint
        return failure

    def _nothing_kept(self) -> str:
        return f"nothing of this {self.unit} was kept"

    def _overtaken(self, migration: Migration) -> MigrationError:
        failure = self.error(
            f"another runner is at {migration.name} at this moment, and {self._before()}; "
            "run again when it has ended"
        )
        failure.retryable = True
        return failure

    def _undecided(
        self, ledger: Ledger, migration: Migration, done: int, statement: Statement, reason: str
    ) -> MigrationError:
        row = ledgers.condition(migration.id, self._source)
        detail = ledgers.settled_by_hand(ledger)
        return self.error(
            f"migration {migration.name} was interrupted in statement {done + 1} "
            f"({statement.summary}) and {reason}; look in the database, then\n"
            f"  if it is applied: UPDATE {LEDGER} SET progress = {done + 1}, detail = {detail} {row};\n"
            f"  if it is not: UPDATE {LEDGER} SET detail = {detail} {row};\n"
            "and run again, which goes on from there"
        )

    def error(self, message: str) -> MigrationError:
        """A MigrationError that says what was done before it."""
        failure = MigrationError(message)
        failure.applied = tuple(self.done)
        return failure

    def _before(self, how: str = "applied") -> str:
        return f"{how} before it: {', '.join(self.done) or 'none'}"
