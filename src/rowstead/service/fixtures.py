"""`FixtureService`: rows that a program brings along, put into its tables when it starts.

It answers for its settings, for which services are filled and in which order, and for what is told.
`fixture_files` says which file is whose, `fixture_loading` fills the tables.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from rowstead.errors import UsageError, ValidationError, did_you_mean
from rowstead.files.progress import watched
from rowstead.service.connections import session_of
from rowstead.service.fixture_files import fixture_files, meant
from rowstead.service.fixture_loading import Filling, Load, Tables, WhatIsThere, filling, is_empty
from rowstead.service.service import Service
from rowstead.service.sessions import without_session
from rowstead.service.table_service import SQLService
from rowstead.session import Session
from rowstead.tables.dependencies import referred_first

if TYPE_CHECKING:
    from rowstead.service.app import App


class FixtureService(Service):
    """Fills the tables of services with rows of files, when it is started.

        fixtures:
          cls: FixtureService
          settings: {root_dir: ./fixtures}

    `root_dir`: a folder, looked for from the working folder, of JSON, JSON lines, CSV and YAML files:
    `tasks.json`, `tasks.2.csv`, `010_tasks.yaml` and `tasks/first.jsonl` are the service `tasks`'.
    `fixtures`: the names of the services to fill, and no others; None: all that have files.
    `empty_tables_only`: a table that has any row is left alone; otherwise rows with new keys are added to it.
    `upsert`: rows with new keys are added, and those that are there get the files' values.
    `strict`: a file that is for no service is an error; otherwise a warning.
    `services`: those to fill, where there is no application. `database_service`: of several databases, the
    one to fill; a DatabaseService or its name.
    """

    def __init__(
        self,
        *,
        root_dir: str | os.PathLike[str] = "./fixtures",
        fixtures: Collection[str] | None = None,
        empty_tables_only: bool = True,
        load_on_init: bool = True,
        upsert: bool = False,
        strict: bool = True,
        services: Iterable[Tables] | None = None,
        database_service: Any = None,
        app: App | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(app=app, name=name)
        if isinstance(fixtures, str):
            raise ValidationError(f"{self.name}: fixtures is a list of services' names, not one text")
        self.root_dir = Path(root_dir)
        self.load_on_init = load_on_init
        self._fixtures = fixtures
        self._there = _what_is_there(empty_tables_only, upsert)
        self._strict = strict
        self._given = None if services is None else list(services)
        self._database: Any = database_service

    def prepare(self) -> None:
        """Find the database that is named. Raises UsageError."""
        super().prepare()
        if isinstance(self._database, str):
            from rowstead.service.database import DatabaseService

            self._database = self.discover(self._database, DatabaseService)

    async def init(self) -> None:
        """Fill the tables, where that is wanted at the start."""
        await super().init()
        if self.load_on_init:
            await self.load()

    async def load(self) -> dict[str, int]:
        """Fill the tables from the files; by service how many rows, of those that were filled.

        All tables of a database are filled in one transaction, each behind those that its foreign keys refer
        to. It is the program itself that writes, in no session: `prepare_insert_data` and column lists hold,
        as for any caller, permissions do not keep anything from it, and after-hooks do not run.

        Raises ValidationError or a Conflict, with file and line, for what cannot be stored; UsageError for
        tables that refer to each other in a circle.
        """
        services = self._services()
        files = self._files(services)
        loaded: dict[str, int] = {}
        with without_session():
            for database, some in _by_database([services[name] for name in files]):
                for filled in await self._fill(database, some, files):
                    loaded[filled.service.name] = len(filled.rows)
        for name, rows in loaded.items():
            self.logger.info("%s: %s rows of %s", name, rows, self.root_dir)
        return loaded

    async def _fill(
        self, database: Session, services: Sequence[Tables], files: Mapping[str, Sequence[Path]]
    ) -> list[Filling]:
        """Fill those of the services of one database that are to be filled."""
        due = list(services)
        if self._there is WhatIsThere.SKIPS_TABLE:
            due = [service for service in services if await is_empty(database, service)]
            for service in services:
                if service not in due:
                    self.logger.info("%s: left alone, its table has rows", service.name)
        if not due:
            return []
        # In a thread: reading may take seconds, in which others have the event loop.
        fillings = [
            await asyncio.to_thread(filling, service, files[service.name]) for service in _in_order(due)
        ]
        with watched(None, self.name) as told:
            return await Load(database, fillings, self._there, told).run()

    def _services(self) -> dict[str, Tables]:
        """The services that have tables, by name."""
        given = self._of_application() if self._given is None else self._given
        by_name = {service.name: service for service in given}
        if len(by_name) < len(given):
            raise UsageError(f"{self.name}: two of the services have one name; give each its own, `name=…`")
        return by_name

    def _of_application(self) -> list[Tables]:
        if self.app is None:
            raise UsageError(
                f"{self.name} has no services to fill: give it some, "
                f"`{type(self).__name__}(services=[…])`, or put it into an application"
            )
        return [cast("Tables", one) for one in self.app.services.values() if isinstance(one, SQLService)]

    # Files

    def _files(self, services: Mapping[str, Tables]) -> dict[str, list[Path]]:
        """By service: its files, of those that are to be loaded."""
        if not self.root_dir.exists():
            self.logger.warning("there is no folder %s, so that nothing is loaded", self.root_dir)
            return {}
        if not self.root_dir.is_dir():
            raise ValidationError(f"{self.root_dir} is no folder; name the one that the files are in")
        found = fixture_files(self.root_dir, services)
        if self._fixtures is None:
            for path in found.strangers:
                self._tell_stranger(path, services)
            wanted = found.of_services
        else:
            wanted = {name: self._files_of(name, found.of_services, services) for name in self._fixtures}
        return {name: files for name, files in wanted.items() if self._is_of_database(services[name])}

    def _files_of(
        self, name: str, files: Mapping[str, list[Path]], services: Mapping[str, Tables]
    ) -> list[Path]:
        if name not in services:
            raise ValidationError(
                f"{self.name}: there is no service {name!r}; {did_you_mean(name, services)}"
            )
        if name not in files:
            raise ValidationError(
                f"{self.name}: {self.root_dir} has no file for {name!r}; {did_you_mean(name, files)}"
            )
        return files[name]

    def _tell_stranger(self, path: Path, services: Mapping[str, Tables]) -> None:
        name = meant(path)
        other = None if self.app is None else self.app.services.get(name)
        if other is not None:
            problem = f"{path} is for {name}, which is a {type(other).__name__} and has no table"
        else:
            problem = f"{path}: there is no service {name!r}; {did_you_mean(name, services)}"
        if self._strict:
            raise ValidationError(problem)
        self.logger.warning("%s: not loaded", problem)

    def _is_of_database(self, service: Tables) -> bool:
        return self._database is None or session_of(service.database) is session_of(self._database)


def _what_is_there(empty_tables_only: bool, upsert: bool) -> WhatIsThere:
    if upsert:
        return WhatIsThere.CHANGES
    return WhatIsThere.SKIPS_TABLE if empty_tables_only else WhatIsThere.STAYS


def _by_database(services: Iterable[Tables]) -> list[tuple[Session, list[Tables]]]:
    found: dict[int, tuple[Session, list[Tables]]] = {}
    for service in services:
        database = session_of(service.database)
        found.setdefault(id(database), (database, []))[1].append(service)
    return list(found.values())


def _in_order(services: Sequence[Tables]) -> list[Tables]:
    """Each behind those whose tables its own refers to. Several may share a table."""
    order = referred_first(list(dict.fromkeys(service.table for service in services)))
    return [service for table in order for service in services if service.table is table]
