"""Migrations: plans that bring a database to what a folder of files describes, each file once.

The faces call these; a session runs them: `session.plan(migrate_plan(folder, dialect, paramstyle))`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rowstead.dialects import Dialect
from rowstead.migrations.facts import facts_of
from rowstead.migrations.formats import goose, plain, states
from rowstead.migrations.formats.plain import files
from rowstead.migrations.formats.states import states_file
from rowstead.migrations.migration import Migration, MigrationEvent, MigrationStatus, OnEvent
from rowstead.migrations.runner import Runner
from rowstead.migrations.states_runner import StatesRunner
from rowstead.migrations.store import Fill, SchemaStore
from rowstead.migrations.versions import VersionedRunner
from rowstead.plan import Plan
from rowstead.statements.compiled import Compiler
from rowstead.tables.schema import Table

__all__ = [
    "LOCK_TIMEOUT",
    "Migration",
    "MigrationEvent",
    "MigrationStatus",
    "OnEvent",
    "baseline_states_plan",
    "down_plan",
    "files",
    "migrate_in_transaction_plan",
    "migrate_operations_plan",
    "migrate_plan",
    "migrate_states_plan",
    "preview_down_plan",
    "preview_plan",
    "preview_states_plan",
    "preview_up_plan",
    "redo_plan",
    "state_plan",
    "states_file",
    "states_status_plan",
    "status_plan",
    "up_plan",
    "versions_status_plan",
]

LOCK_TIMEOUT = 60.0
"""How many seconds a runner waits for another to end."""

PLAIN = "plain"
GOOSE = "goose"
STATES = "states"


def migrate_plan(
    folder: str | Path,
    dialect: Dialect,
    paramstyle: str,
    *,
    source: str = PLAIN,
    lock_timeout: float = LOCK_TIMEOUT,
    on_event: OnEvent | None = None,
) -> Plan[list[str]]:
    """Apply the pending `.sql` files of `folder`; the result is their names, in order.

    `source` keeps apart the rows of several folders that share one database. For a handle that is not
    in a transaction. Raises ValidationError (the folder or a file is wrong; nothing was applied),
    MigrationError (inconsistent, or a file failed: `error.applied`), TimeoutExceeded (another runner).
    """
    runner = _runner(folder, dialect, paramstyle, source, on_event)
    return (yield from runner.migrate(lock_timeout))


def migrate_in_transaction_plan(
    folder: str | Path,
    dialect: Dialect,
    paramstyle: str,
    *,
    source: str = PLAIN,
    lock_timeout: float = LOCK_TIMEOUT,
    on_event: OnEvent | None = None,
) -> Plan[list[str]]:
    """As `migrate_plan`, inside a transaction that is open: all of it is kept or undone with that.

    Raises UsageError if a pending file is marked no-transaction.
    """
    runner = _runner(folder, dialect, paramstyle, source, on_event)
    return (yield from runner.migrate_in_transaction(lock_timeout))


def migrate_operations_plan(
    migrations: Any,
    wanted: Mapping[str, Table],
    store: SchemaStore,
    fill: Fill,
    compiler: Compiler,
    *,
    lock_timeout: float = LOCK_TIMEOUT,
    on_event: OnEvent | None = None,
) -> Plan[list[int]]:
    """Apply what is pending of a list of schema operations; the result is the versions, in order.

    `wanted` is the schema in which the operations' definitions stand and which they lead to. For a
    handle that is not in a transaction. Raises ValidationError (the list is wrong, or rows do not fit
    what is wanted), ForeignKeyError (rows refer to none), MigrationError (the list does not go on from
    what was applied, or an operation cannot be carried out), TimeoutExceeded (another runner). Each
    migration is applied whole or not at all.
    """
    from rowstead.migrations.operating import Operating

    operating = Operating(migrations, wanted, store, fill, compiler)
    return (yield from operating.migrate(lock_timeout, on_event))


def status_plan(
    folder: str | Path, dialect: Dialect, paramstyle: str, *, source: str = PLAIN
) -> Plan[MigrationStatus]:
    """Where the files of `folder` stand. Writes nothing."""
    return (yield from _runner(folder, dialect, paramstyle, source, None).status())


def preview_plan(
    folder: str | Path, dialect: Dialect, paramstyle: str, *, source: str = PLAIN
) -> Plan[list[str]]:
    """The names that `migrate_plan` would apply, after the checks that it would make. Writes nothing."""
    return (yield from _runner(folder, dialect, paramstyle, source, None).preview())


def up_plan(
    folder: str | Path,
    dialect: Dialect,
    paramstyle: str,
    *,
    to: int | None = None,
    allow_missing: bool = False,
    lock_timeout: float = LOCK_TIMEOUT,
    on_event: OnEvent | None = None,
) -> Plan[list[str]]:
    """Apply the pending files of a folder in goose's format; the result is their names, in order.

    `to`: the last version to apply. `allow_missing`: apply also what is pending below the highest version
    that is applied. For a handle that is not in a transaction. Raises ValidationError (the folder, a file
    or the version is wrong), MigrationError (inconsistent, or a file failed: `error.applied`),
    TimeoutExceeded (another runner).
    """
    runner = _versioned(folder, dialect, paramstyle, on_event)
    return (yield from runner.up(to, allow_missing, lock_timeout))


def down_plan(
    folder: str | Path,
    dialect: Dialect,
    paramstyle: str,
    *,
    to: int | None = None,
    lock_timeout: float = LOCK_TIMEOUT,
    on_event: OnEvent | None = None,
) -> Plan[list[str]]:
    """Undo the migration that was applied last, or all above the version `to` (0: all); their names.

    Raises as `up_plan`; MigrationError also where a file has no way back.
    """
    runner = _versioned(folder, dialect, paramstyle, on_event)
    return (yield from runner.down(to, lock_timeout))


def redo_plan(
    folder: str | Path,
    dialect: Dialect,
    paramstyle: str,
    *,
    lock_timeout: float = LOCK_TIMEOUT,
    on_event: OnEvent | None = None,
) -> Plan[list[str]]:
    """Undo the migration that was applied last and apply it again; its name, none where there was none."""
    return (yield from _versioned(folder, dialect, paramstyle, on_event).redo(lock_timeout))


def versions_status_plan(folder: str | Path, dialect: Dialect, paramstyle: str) -> Plan[MigrationStatus]:
    """Where the files of a folder in goose's format stand. Writes nothing."""
    return (yield from _versioned(folder, dialect, paramstyle, None).status())


def preview_up_plan(
    folder: str | Path,
    dialect: Dialect,
    paramstyle: str,
    *,
    to: int | None = None,
    allow_missing: bool = False,
) -> Plan[list[str]]:
    """The names that `up_plan` would apply, after the checks that it would make. Writes nothing."""
    return (yield from _versioned(folder, dialect, paramstyle, None).preview_up(to, allow_missing))


def preview_down_plan(
    folder: str | Path, dialect: Dialect, paramstyle: str, *, to: int | None = None
) -> Plan[list[str]]:
    """The names that `down_plan` would undo, after the checks that it would make. Writes nothing."""
    return (yield from _versioned(folder, dialect, paramstyle, None).preview_down(to))


def migrate_states_plan(
    file: str | Path,
    dialect: Dialect,
    paramstyle: str,
    *,
    since: int | None = None,
    to: int | None = None,
    baseline: bool = False,
    lock_timeout: float = LOCK_TIMEOUT,
    on_event: OnEvent | None = None,
) -> Plan[int]:
    """Apply the pending states of a JSON file; the result is the id of the state afterwards, -1: none.

    `since`: the database is taken to be at least at this state; those up to it are noted, not run. `to`: the
    last state to apply. `baseline`: a database of which nothing is known is taken to be at the last state.
    For a handle that is not in a transaction. Raises ValidationError (the file is wrong), MigrationError
    (inconsistent, or a state failed: `error.applied`), TimeoutExceeded.
    """
    runner = _states(file, dialect, paramstyle, on_event)
    return (yield from runner.migrate_states(since, to, lock_timeout, baseline))


def baseline_states_plan(
    file: str | Path,
    dialect: Dialect,
    paramstyle: str,
    *,
    to: int | None = None,
    lock_timeout: float = LOCK_TIMEOUT,
) -> Plan[int]:
    """Note the states of a JSON file up to `to`, else all, as applied without running them; the state then.

    Raises as `migrate_states_plan`.
    """
    return (yield from _states(file, dialect, paramstyle, None).baseline(to, lock_timeout))


def preview_states_plan(
    file: str | Path, dialect: Dialect, paramstyle: str, *, to: int | None = None
) -> Plan[list[str]]:
    """What `migrate_states_plan` would apply, after the checks that it would make. Writes nothing."""
    return (yield from _states(file, dialect, paramstyle, None).preview_states(to))


def states_status_plan(file: str | Path, dialect: Dialect, paramstyle: str) -> Plan[MigrationStatus]:
    """Where the states of a JSON file stand. Writes nothing."""
    return (yield from _states(file, dialect, paramstyle, None).status())


def state_plan(dialect: Dialect, paramstyle: str) -> Plan[int]:
    """The id of the state that the database is at; -1: none was applied. Writes nothing."""
    return (yield from StatesRunner([], dialect, paramstyle, folder="", source=STATES).state())


def _states(file: str | Path, dialect: Dialect, paramstyle: str, on_event: OnEvent | None) -> StatesRunner:
    migrations = states.load(file, facts_of(dialect).syntax)
    return StatesRunner(migrations, dialect, paramstyle, folder=str(file), source=STATES, on_event=on_event)


def _versioned(
    folder: str | Path, dialect: Dialect, paramstyle: str, on_event: OnEvent | None
) -> VersionedRunner:
    migrations = goose.load(folder, facts_of(dialect).syntax)
    return VersionedRunner(
        migrations, dialect, paramstyle, folder=str(folder), source=GOOSE, on_event=on_event
    )


def _runner(
    folder: str | Path, dialect: Dialect, paramstyle: str, source: str, on_event: OnEvent | None
) -> Runner:
    migrations = plain.load(folder, facts_of(dialect).syntax)
    return Runner(migrations, dialect, paramstyle, folder=str(folder), source=source, on_event=on_event)
