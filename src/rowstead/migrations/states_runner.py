"""Migrations by states: which are due between where the database is and where it is to go, never back.

It answers for the order of states, for those that come late, for taking a database to be at a state without
running what leads there, and for keeping `db_info` in step with our ledger. How one state is carried out is
the runner's business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rowstead.errors import MigrationError, ValidationError
from rowstead.migrations import ledger as ledgers
from rowstead.migrations.applying import Applying
from rowstead.migrations.ledger import LEDGER, Entry, Ledger
from rowstead.migrations.migration import Migration, MigrationStatus
from rowstead.migrations.runner import Runner
from rowstead.migrations.state import compare
from rowstead.migrations.states_ledger import NONE, TABLE, Reconciled, StatesLedger, highest, reconcile
from rowstead.plan import Atomic, Plan

_MAYBE_MADE_AS_TODAY = (
    "No state was recorded in this database before. If its tables were made as they are today, the states "
    "that led there are not to be run: have them noted as applied, by a baseline"
)


class StatesRunner(Runner):
    """A runner for migrations whose ids are numbers, each a state that a database is at."""

    class applying(Applying):
        unit = "state"

    marker = '`"transaction": false` stands in the state'

    def migrate_states(
        self, since: int | None, to: int | None, lock_timeout: float, baseline: bool
    ) -> Plan[int]:
        """Apply what is pending above `since` and up to `to`; the state that the database is at then.

        `since` above where the database is: it is taken to be at that. `baseline`: a database of which
        nothing is known is taken to be at the last state. Raises MigrationError (what is inconsistent or
        late, or a state failed), ValidationError (a state holds what it cannot), TimeoutExceeded.
        """

        def work() -> Plan[int]:
            new = since is None and (yield from self._is_new())
            ledger, pending = yield from self._agreed(self._last() if new and baseline else since)
            due = [migration for migration in pending if to is None or int(migration.id) <= to]
            try:
                yield from self._each(due, ledger, self._work.apply)
            except MigrationError as error:
                if new:
                    error.args = (f"{error}\n{_MAYBE_MADE_AS_TODAY}",)
                raise
            return (yield from self.state())

        return (yield from self._facts.lock.hold(work, lock_timeout))

    def baseline(self, to: int | None, lock_timeout: float) -> Plan[int]:
        """Note every state up to `to` (None: the last) as applied without running it; the state afterwards.

        Raises MigrationError, TimeoutExceeded.
        """

        def work() -> Plan[int]:
            yield from self._agreed(self._last() if to is None else to)
            return (yield from self.state())

        return (yield from self._facts.lock.hold(work, lock_timeout))

    def preview_states(self, to: int | None) -> Plan[list[str]]:
        """The states that would be applied; refuses what would be refused. Writes nothing."""
        pending = yield from self._pending((yield from self._entries()))
        return [migration.name for migration in pending if to is None or int(migration.id) <= to]

    def state(self) -> Plan[int]:
        """The state that the database is at, -1 before the first one. Writes nothing."""
        state = yield from self._recorded()
        return highest((yield from super()._entries())) if state is None else state

    def status(self) -> Plan[MigrationStatus]:
        """Where the states stand. Writes nothing."""
        found = yield from super().status()
        missing = [f"state {id}" for id in found.missing]
        return MigrationStatus(found.pending, found.applied, found.drifted, missing)

    # What is due

    def _last(self) -> int:
        return int(self._migrations[-1].id) if self._migrations else NONE

    def _consistent(self, entries: Mapping[str, Entry], pending: Sequence[Migration]) -> Plan[None]:
        yield from ()
        lines = self._inconsistent(entries) + self._late(entries, pending)
        if lines:
            raise MigrationError(
                f"the states in {self._folder} do not go on from what this database has; "
                "nothing was applied.\n" + "\n".join(lines)
            )
        self._require_in_transaction(pending)

    def _inconsistent(self, entries: Mapping[str, Entry]) -> list[str]:
        status = compare(self._migrations, entries)
        drifted = {m.id: m.checksum for m in self._migrations if m.name in status.drifted}
        lines: list[str] = []
        if drifted:
            lines += [
                f"  changed since they were applied: {', '.join(drifted)}. Give each its commands back and "
                "write what is new as a new state; or, to have the commands accepted without running them:",
                *(
                    f"    UPDATE {LEDGER} SET checksum = '{now}' {self._row(id)};"
                    for id, now in drifted.items()
                ),
            ]
        if status.missing:
            lines += [
                f"  applied, but no longer in the file: {', '.join(status.missing)}. Put them back, or take "
                "the newer file; or, to have them forgotten, while what they did stays:",
                *(f"    {ledgers.recovery(id, self._source)};" for id in status.missing),
            ]
            stays = highest({id: entry for id, entry in entries.items() if id not in status.missing})
            if stays < highest(entries):
                lines.append(f"    and give {TABLE} the number of the last one that is left: {stays}")
        return lines

    def _late(self, entries: Mapping[str, Entry], pending: Sequence[Migration]) -> list[str]:
        """What is new below the state that the database is at would never be reached by its number."""
        reached = highest(entries)
        late = [m.id for m in pending if int(m.id) < reached and m.id not in entries]
        if not late:
            return []
        insert = f"INSERT INTO {LEDGER} (source, filename) VALUES ('{self._source}', '{{}}');"
        return [
            f"  new, but the database is at state {reached} already: {', '.join(late)}. Give each an id "
            "above it; or, if what it does is in the database:",
            *("    " + insert.format(id) for id in late),
        ]

    def _require_in_transaction(self, pending: Sequence[Migration]) -> None:
        if self._facts.commits is not None:
            return
        for migration in pending:
            for statement in migration.up if migration.transactional else ():
                if self._facts.stands_alone(statement) is not None:
                    raise ValidationError(
                        f"{migration.name} {statement.place} ({statement.summary}): this cannot run in a "
                        'transaction, as a state does; write "transaction": false into the state, best with '
                        "this command alone: then each statement runs by itself"
                    )

    def _row(self, id: str) -> str:
        return ledgers.condition(id, self._source)

    # The two ledgers

    def _is_new(self) -> Plan[bool]:
        """Whether the database knows of no state, or of none but one of which nothing came to be done."""
        if (yield from self.state()) != NONE:
            return False
        entries = yield from super()._entries()
        return all(entry.progress == 0 for entry in entries.values())

    def _entries(self) -> Plan[Mapping[str, Entry]]:
        """What both ledgers say, as they are. Writes nothing."""
        ours = yield from super()._entries()
        return self._reconciled(ours, (yield from self._recorded())).entries

    def _recorded(self) -> Plan[int | None]:
        found = yield from ledgers.find(self._facts.find_table, TABLE)
        return (yield from StatesLedger(self._calls, found[0]).state()) if found else None

    def _reconciled(self, entries: Mapping[str, Entry], state: int | None) -> Reconciled:
        return reconcile(entries, state, [migration.id for migration in self._migrations])

    def _agreed(self, since: int | None) -> Plan[tuple[Ledger, list[Migration]]]:
        """Both ledgers, made if they are not there, brought to agree; and what is pending after that.

        A database that is below `since` is taken to be at that.
        """
        ours = yield from self._ready()
        found = yield from ledgers.find(self._facts.find_table, TABLE)
        theirs = StatesLedger(self._calls, found[0] if found else ours.schema)
        if found is None:
            yield theirs.create()
        recorded = yield from theirs.state()
        entries = yield from ours.entries()
        seen = self._assumed(self._reconciled(entries, recorded), since)
        # Refused before anything is written: what an older file lacks is not adopted by halves.
        pending = yield from self._pending(seen.entries)
        if recorded is None or seen.adopted:
            yield Atomic(_bring_to_agree(ours, theirs, entries, seen, recorded is None))
        return Ledger(self._calls, self._source, ours.schema, theirs), pending

    def _assumed(self, seen: Reconciled, since: int | None) -> Reconciled:
        """With what is pending up to `since` as though another tool had applied it."""
        pending = compare(self._migrations, seen.entries).pending
        up_to = NONE if since is None else since
        assumed = [m.id for m in self._migrations if m.name in pending and int(m.id) <= up_to]
        if not assumed:
            return seen
        entries = {**seen.entries, **{id: Entry(id, None, None) for id in assumed}}
        return Reconciled(entries, max(seen.state, int(assumed[-1])), [*seen.adopted, *assumed])


def _bring_to_agree(
    ours: Ledger, theirs: StatesLedger, entries: Mapping[str, Entry], seen: Reconciled, empty: bool
) -> Plan[None]:
    for id in seen.adopted:
        if id in entries:
            yield ours.forget(id)
        yield ours.adopt(id)
    if empty:
        yield from theirs.fill(seen.state)
    else:
        yield from theirs.add([str(seen.state)])
