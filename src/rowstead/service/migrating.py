"""`DatabaseMigrationService`: brings a database to the last state of a JSON file of commands.

It answers for its settings and for which database it works on; what is due, and how it is carried out, is
the runner's business (`rowstead.migrations`).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

from rowstead.database import Database
from rowstead.dialects import Dialect
from rowstead.errors import UsageError, ValidationError
from rowstead.migrations import (
    LOCK_TIMEOUT,
    MigrationEvent,
    MigrationStatus,
    baseline_states_plan,
    migrate_states_plan,
    state_plan,
    states_status_plan,
)
from rowstead.plan import Plan
from rowstead.service.service import Service

if TYPE_CHECKING:
    from rowstead.service.app import App

R = TypeVar("R")

NO_STATE = -1
"""The state of a database before the first one."""


class DatabaseMigrationService(Service):
    """Applies the states of a file, each once and in a transaction of its own.

        migrations = DatabaseMigrationService(database_service=database)
        await migrations.migrate()

    `migrations_file` is looked for from the working folder. By `migrate_on_start` it migrates when the
    application starts; `baseline` takes a database of which nothing is known to be at the last state, since
    its tables were just made as they are today. `lock_timeout`: how many seconds to wait for another that
    migrates. `database_service` is a DatabaseService, its name, a `rowstead.DB`, or None: the application's
    first. `locks_service` is accepted and not needed: the database itself keeps runners apart.
    """

    def __init__(
        self,
        *,
        database_service: Any = None,
        migrations_file: str | os.PathLike[str] = "./etc/migrations.json",
        migrate_on_start: bool = False,
        baseline: bool = False,
        lock_timeout: float = LOCK_TIMEOUT,
        locks_service: Any = None,
        app: App | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(app=app, name=name)
        self.migrations_file = _path(migrations_file)
        self.migrate_on_start = migrate_on_start
        self.lock_timeout = lock_timeout
        self._baseline = baseline
        self._database: Any = database_service

    def prepare(self) -> None:
        """Find the database. Raises UsageError."""
        super().prepare()
        if self._database is None or isinstance(self._database, str):
            from rowstead.service.database import DatabaseService

            self._database = self.discover(self._database, DatabaseService)

    async def init(self) -> None:
        """Migrate, where that is wanted at the start."""
        await super().init()
        if self.migrate_on_start:
            await self.migrate()

    async def migrate(
        self,
        from_: int | None = None,
        to_: int | None = None,
        migrations_file: str | os.PathLike[str] | None = None,
    ) -> int:
        """Apply the pending states with `from_` < id <= `to_`; the state afterwards, -1 for none.

        `from_` None: the state that the database is at. Above that, the states up to it are noted as applied
        and not run. `to_` None: the last one; below the database's state nothing is done, since there is no
        way back. `migrations_file`: another place of the file. Raises ValidationError (the file is wrong;
        nothing was applied), MigrationError (it does not go on from what was applied, or a state failed:
        those in `error.applied` stay), TimeoutExceeded (another migrates).
        """
        file = self._file(migrations_file)
        since, to = _state("from_", from_), _state("to_", to_)
        return await self._run(
            lambda dialect, paramstyle: migrate_states_plan(
                file,
                dialect,
                paramstyle,
                since=since,
                to=to,
                baseline=self._baseline,
                lock_timeout=self.lock_timeout,
                on_event=self._tell,
            )
        )

    async def baseline(
        self, to_: int | None = None, migrations_file: str | os.PathLike[str] | None = None
    ) -> int:
        """Note the states up to `to_` (None: all) as applied without running them; the state afterwards.

        For a database whose tables were made as they are today. Raises as `migrate`.
        """
        file, to = self._file(migrations_file), _state("to_", to_)
        return await self._run(
            lambda dialect, paramstyle: baseline_states_plan(
                file, dialect, paramstyle, to=to, lock_timeout=self.lock_timeout
            )
        )

    async def get_state(self) -> int:
        """The id of the state that the database is at; -1 before the first. Writes nothing."""
        return await self._run(state_plan)

    async def status(self, migrations_file: str | os.PathLike[str] | None = None) -> MigrationStatus:
        """Which states are applied, pending, changed since or gone from the file. Writes nothing."""
        file = self._file(migrations_file)
        return await self._run(lambda dialect, paramstyle: states_status_plan(file, dialect, paramstyle))

    async def _run(self, make: Callable[[Dialect, str], Plan[R]]) -> R:
        database = self._handle
        return await database.plan(make(database.dialect, database.driver.paramstyle))

    @property
    def _handle(self) -> Database:
        if self._database is None or isinstance(self._database, str):
            raise UsageError(
                f"{self.name} has no database yet: give it one as `database_service`, or put both into an "
                "application and start that"
            )
        session: Any = getattr(self._database, "session", self._database)
        if isinstance(session, Database):
            return session
        raise UsageError(
            f"{self.name} needs a DatabaseService, or a rowstead.DB that is in no transaction, since each "
            f"state is one; it was given a {type(self._database).__name__}"
        )

    def _file(self, given: str | os.PathLike[str] | None) -> str:
        return self.migrations_file if given is None else _path(given)

    def _tell(self, event: MigrationEvent) -> None:
        self.logger.info("%s %s (%d of %d)", event.id, event.kind, event.index, event.total)


def _path(given: Any) -> str:
    """The path that a caller gives. Raises ValidationError."""
    path: object = (
        os.fspath(cast("os.PathLike[Any]", given)) if isinstance(given, str | os.PathLike) else None
    )
    if isinstance(path, str) and path:
        return path
    raise ValidationError(f"migrations_file is the path of a JSON file of states, got {given!r}")


def _state(name: str, given: Any) -> int | None:
    """A state that a caller names. Raises ValidationError."""
    if given is None or (isinstance(given, int) and not isinstance(given, bool) and given >= NO_STATE):
        return given
    raise ValidationError(
        f"{name} is the id of a state, a whole number from {NO_STATE} on, or None; got {given!r}"
    )
