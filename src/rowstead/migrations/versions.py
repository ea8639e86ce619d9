"""Migrations with versions, forth and back: which are due upwards, which downwards, and what forbids it.

It answers for the order of versions, for goose's policy on those that come late, and for keeping goose's
ledger in step with ours. How one migration is carried out is the runner's business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rowstead.errors import MigrationError, ValidationError
from rowstead.migrations import ledger as ledgers
from rowstead.migrations.goose_ledger import TABLE, GooseLedger, Reconciled, reconcile
from rowstead.migrations.ledger import Entry, Ledger
from rowstead.migrations.migration import Migration
from rowstead.migrations.runner import Runner
from rowstead.migrations.state import require_suitable
from rowstead.plan import Atomic, Plan


class VersionedRunner(Runner):
    """A runner for migrations whose ids are numbers, in the order of these. Results are names."""

    marker = "the line `-- +goose NO TRANSACTION` stands in the file"

    def up(self, to: int | None, allow_missing: bool, lock_timeout: float) -> Plan[list[str]]:
        """Apply what is pending, up to and with a version where one is given.

        Raises ValidationError (there is no such version), MigrationError (what is inconsistent, half
        undone, or pending below the highest version that is applied, unless `allow_missing`; or a
        migration failed), TimeoutExceeded.
        """

        def work() -> Plan[list[str]]:
            ledger, seen = yield from self._agreed()
            due = yield from self._upwards(seen, to, allow_missing)
            return (yield from self._each(due, ledger, self._work.apply))

        return (yield from self._facts.lock.hold(work, lock_timeout))

    def down(self, to: int | None, lock_timeout: float) -> Plan[list[str]]:
        """Undo the migration that was applied last, or all above a version (0: all), the last one first.

        Raises ValidationError, MigrationError (what is inconsistent, half applied or has no way back; or
        a migration failed), TimeoutExceeded.
        """

        def work() -> Plan[list[str]]:
            ledger, seen = yield from self._agreed()
            due = yield from self._downwards(seen, to)
            back = [migration.reversed() for migration in due]
            return (yield from self._each(back, ledger.backwards(), self._work.apply))

        return (yield from self._facts.lock.hold(work, lock_timeout))

    def redo(self, lock_timeout: float) -> Plan[list[str]]:
        """Undo the migration that was applied last, and apply it again: in one transaction if it can be."""

        def work() -> Plan[list[str]]:
            ledger, seen = yield from self._agreed()
            for migration in (yield from self._downwards(seen, None)):
                yield from self._again(ledger, migration, seen.entries[migration.id])
            return list(dict.fromkeys(self._work.done))

        return (yield from self._facts.lock.hold(work, lock_timeout))

    def preview_up(self, to: int | None, allow_missing: bool) -> Plan[list[str]]:
        """What `up` would apply; refuses what it would refuse. Writes nothing."""
        due = yield from self._upwards((yield from self._seen()), to, allow_missing)
        return [migration.name for migration in due]

    def preview_down(self, to: int | None) -> Plan[list[str]]:
        """What `down` would undo; refuses what it would refuse. Writes nothing."""
        due = yield from self._downwards((yield from self._seen()), to)
        return [migration.name for migration in due]

    # What is due

    def _upwards(self, seen: Reconciled, to: int | None, allow_missing: bool) -> Plan[list[Migration]]:
        self._require_version(to)
        pending = yield from self._pending(seen.entries)
        half = [m.name for m in self._migrations if (e := seen.entries.get(m.id)) is not None and e.undoing]
        if half:
            raise MigrationError(
                f"{', '.join(half)} was interrupted on its way back; nothing was applied. Run `down`, which "
                "goes on from there, and then `up`"
            )
        due = [migration for migration in pending if to is None or int(migration.id) <= to]
        if not allow_missing:
            _require_order(due, seen)
        return due

    def _downwards(self, seen: Reconciled, to: int | None) -> Plan[list[Migration]]:
        self._require_version(to)
        yield from self._consistent(seen.entries, ())
        known = {migration.id: migration for migration in self._migrations}
        half = [known[id].name for id, e in seen.entries.items() if e.progress is not None and not e.undoing]
        if half:
            raise MigrationError(
                f"{', '.join(half)} was interrupted on its way forth; nothing was undone. Run `up`, which "
                "goes on from there, and then `down`"
            )
        # What is half undone comes first, whenever it was applied.
        order = seen.order[::-1]
        due = [known[id] for id in sorted(order, key=lambda id: not seen.entries[id].undoing)]
        due = due[:1] if to is None else [migration for migration in due if int(migration.id) > to]
        stuck = [m.name for m in due if m.down is None]
        if stuck:
            raise MigrationError(
                f"there is no way back from {', '.join(stuck)}: no line `-- +goose Down` stands in the file; "
                "nothing was undone. Write one with the statements that undo it; with none behind it nothing "
                "is undone"
            )
        require_suitable([migration.reversed() for migration in due], self._facts.refuses, self.marker)
        return due

    def _require_version(self, version: int | None) -> None:
        if version in (None, 0) or any(int(m.id) == version for m in self._migrations):
            return
        known = ", ".join(migration.id for migration in self._migrations) or "none"
        raise ValidationError(f"there is no migration {version} in {self._folder}; there are: {known}")

    def _recovery(self, name: str) -> str:
        id = next((migration.id for migration in self._migrations if migration.name == name), name)
        # What is half done is known to our ledger only.
        return f"DELETE FROM {TABLE} WHERE version_id = {id};\n  {ledgers.recovery(id, self._source)}"

    # Carrying out

    def _again(self, ledger: Ledger, migration: Migration, entry: Entry) -> Plan[None]:
        back = migration.reversed()
        together = self._work.may_be_whole(migration) and self._work.may_be_whole(back)
        if entry.undoing or not together or self._work.rebuilds(migration) or self._work.rebuilds(back):
            yield from self._work.apply(ledger.backwards(), back)
            yield from self._work.apply(ledger, migration)
            return
        statements = (*back.up, *migration.up)
        sets_session = any(map(self._facts.sets_session, statements))
        both = Atomic(self._back_and_forth(ledger, migration))

        def plan() -> Plan[None]:
            yield both

        yield from self._facts.lock.alone(plan(), sets_session)
        self._work.done.append(migration.name)

    def _back_and_forth(self, ledger: Ledger, migration: Migration) -> Plan[None]:
        yield from self._work.whole(ledger.backwards(), migration.reversed())
        yield from self._work.whole(ledger, migration)

    # The two ledgers

    def _entries(self) -> Plan[Mapping[str, Entry]]:
        return (yield from self._seen()).entries

    def _seen(self) -> Plan[Reconciled]:
        """Both ledgers, as they are. Writes nothing."""
        entries = yield from super()._entries()
        found = yield from ledgers.find(self._facts.find_table, TABLE)
        applied = (yield from self._goose(found[0]).applied()) if found else None
        return reconcile(entries, applied)

    def _agreed(self) -> Plan[tuple[Ledger, Reconciled]]:
        """Both ledgers, made if they are not there, after they have been brought to agree."""
        ours = yield from self._ready()
        found = yield from ledgers.find(self._facts.find_table, TABLE)
        goose = self._goose(found[0] if found else ours.schema)
        if found is None:
            yield goose.create()
        applied = yield from goose.applied()
        seen = reconcile((yield from ours.entries()), applied)
        if applied is None or seen.adopted or seen.gone:
            yield Atomic(_bring_to_agree(ours, goose, seen, applied is None))
        return Ledger(self._calls, self._source, ours.schema, goose), seen

    def _goose(self, schema: str | None) -> GooseLedger:
        return GooseLedger(self._calls, self._facts.goose_table, schema)


def _bring_to_agree(ours: Ledger, goose: GooseLedger, seen: Reconciled, empty: bool) -> Plan[None]:
    if empty:
        yield from goose.fill(seen.order)
    for id in (*seen.gone, *seen.adopted):
        yield ours.forget(id)
    for id in seen.adopted:
        yield ours.adopt(id)


def _require_order(due: Sequence[Migration], seen: Reconciled) -> None:
    """goose's policy: what is new below the highest version that is applied was missed, or came late."""
    highest = max(map(int, seen.order), default=0)
    late = [m.name for m in due if int(m.id) < highest and m.id not in seen.entries]
    if late:
        raise MigrationError(
            f"found {len(late)} missing below version {highest}, which is applied; nothing was applied:\n"
            + "".join(f"  {name}\n" for name in late)
            + "Give them a version above it, or apply them out of order with --allow-missing"
        )
