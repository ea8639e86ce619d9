"""Comparing what a folder holds with what the ledger says, and refusing where they disagree.

Pure: values in, values out. It must not know a statement's meaning nor any database.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from rowstead.errors import MigrationError, ValidationError
from rowstead.migrations.ledger import Entry
from rowstead.migrations.migration import Migration, MigrationStatus, digest_of
from rowstead.migrations.split import Statement, transaction_word


def compare(migrations: Sequence[Migration], entries: Mapping[str, Entry]) -> MigrationStatus:
    """Where each migration stands."""
    pending: list[str] = []
    applied: list[str] = []
    drifted: list[str] = []
    for migration in migrations:
        entry = entries.get(migration.id)
        if entry is None:
            pending.append(migration.name)
        elif _has_drifted(migration, entry):
            drifted.append(migration.name)
        else:
            (applied if entry.progress is None else pending).append(migration.name)
    known = {migration.id for migration in migrations}
    missing = sorted(entries.keys() - known, key=lambda id: (len(id) if id.isdigit() else 0, id))
    return MigrationStatus(pending, applied, drifted, missing)


def require_consistent(status: MigrationStatus, folder: str, recovery: Callable[[str], str]) -> None:
    """Raise MigrationError, with the ways out, unless nothing has drifted and nothing is missing.

    `recovery` gives the statement by which a person has a migration of a name forgotten.
    """
    if status.is_consistent:
        return
    lines = ["Migration state is inconsistent; nothing was applied."]
    if status.drifted:
        lines.append(f"  changed since applied: {', '.join(status.drifted)}")
    if status.missing:
        lines.append(f"  applied, but no longer in directory {folder}: {', '.join(status.missing)}")
    lines.append("Restore each file as it was when it was applied; or, to have it forgotten:")
    lines += [f"  {recovery(name)};" for name in (*status.drifted, *status.missing)]
    lines.append("and run again, which applies a forgotten file that is there as though it were new.")
    raise MigrationError("\n".join(lines))


def require_suitable(
    migrations: Sequence[Migration], refuses: Callable[[Statement], str | None], marker: str
) -> None:
    """Raise ValidationError if a statement begins or ends a transaction, lacks something, or cannot be here.

    `refuses` gives the reason why a statement cannot; `marker` says which line asks for no transaction.
    """
    for migration in migrations:
        for statement in migration.up:
            if statement.lacks is not None:
                raise ValidationError(statement.lacks)
            place = f"{migration.name} {statement.place}"
            reason = refuses(statement)
            if reason is not None:
                raise ValidationError(f"{place} ({statement.summary}): {reason}")
            word = transaction_word(statement)
            if word is not None:
                raise ValidationError(
                    f"{place}: {word} is explicit transaction control; take it out: each migration runs in a "
                    f"transaction of its own, or, where {marker}, each statement does"
                )


def _has_drifted(migration: Migration, entry: Entry) -> bool:
    same = entry.checksum is None or entry.checksum == migration.checksum
    if entry.progress is None:
        return not same
    # No checksum proves a way back, which can be written when the way forth was gone already; what a person
    # settled is not proven either.
    if same and (not entry.undoing or entry.done is None):
        return False
    # Of an interrupted migration only what is done may not change: the rest may need mending.
    statements = (migration.down or ()) if entry.undoing else migration.up
    if entry.done is None or entry.progress > len(statements):
        return True
    return entry.done != digest_of(statements[: entry.progress])
