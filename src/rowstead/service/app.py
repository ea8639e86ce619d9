"""An application: services that are made from a file, started in its order and stopped in the reverse one.

    async with App.from_yaml("app.yaml") as app:
        await app.services["tasks"].list()

It must not know what a service does.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum
from types import MappingProxyType, TracebackType
from typing import Any, Self, TypeAlias, TypeVar

from rowstead.drivers.addresses import without_passwords
from rowstead.errors import RowsteadError, UsageError, did_you_mean
from rowstead.service.application import Application, find_file, read_file, read_mapping
from rowstead.service.entries import Entry
from rowstead.service.findings import Finding
from rowstead.service.registry import SERVICE_CLASS_REGISTRY, ServiceRegistry
from rowstead.service.service import Service

S = TypeVar("S", bound=Service)

_Step: TypeAlias = Callable[[Entry], Awaitable[None] | None]

_log = logging.getLogger(__name__)

_PART_OF: ContextVar[App | None] = ContextVar("rowstead_part_of", default=None)
"""The application whose service runs: in a step of it, and in the tasks that it started there."""


class _State(Enum):
    STOPPED = "stopped"
    STARTING = "being started"
    STARTED = "started"
    STOPPING = "being stopped"


class App:
    """Services and their order. Make one with `from_yaml` or `from_dict`.

    A service that cannot be started stops all that were started before it, and its error is raised with a
    note of its name; one that is not required is left out instead, and the log says so.
    """

    def __init__(self, application: Application) -> None:
        self._application = application.sound()
        self._services: dict[str, Service] = {}
        self._begun: list[Service] = []
        """Whose `init` was called, in that order: what has to be closed."""
        self._left_out: set[str] = set()
        self._needed: dict[str, set[str]] = {}
        """By service: those that it has found."""
        self._state = _State.STOPPED
        self._stopping = asyncio.Lock()
        self.services: Mapping[str, Service] = MappingProxyType(self._services)
        """The services by name, in their order. Empty while the application is stopped."""

    @classmethod
    def from_yaml(
        cls,
        path: str | os.PathLike[str],
        *,
        registry: ServiceRegistry = SERVICE_CLASS_REGISTRY,
        imports: Iterable[str] = (),
    ) -> Self:
        """The application that a file describes (YAML; also TOML and JSON, by its name's ending).

        `imports` are modules to import beside those that the file names, for the classes that they
        register; they are also looked for in the file's folder. Nothing is started yet.

        Raises ValidationError, with everything that is wrong and its line.
        """
        return cls(read_file(find_file(path), registry, imports))

    @classmethod
    def from_dict(
        cls,
        settings: Mapping[str, Any],
        *,
        registry: ServiceRegistry = SERVICE_CLASS_REGISTRY,
        imports: Iterable[str] = (),
    ) -> Self:
        """The application that a mapping describes, which says what a file would say.

        `${VAR}` in its texts is filled in. A class may stand for its name, and a setting may be any object.
        Raises ValidationError, with everything that is wrong.
        """
        return cls(read_mapping(settings, registry, imports))

    def __repr__(self) -> str:
        names = ", ".join(entry.name for entry in self._application.entries)
        return f"<App of {self._application.source}, {self._state.value}: {names or 'no services'}>"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        try:
            await self.stop()
        except Exception as failure:
            if error is None:
                raise
            # What went wrong first is what the caller has to know.
            error.add_note(f"and while the application was stopped: {told(failure)}")

    async def start(self) -> None:
        """Make all services, then `prepare`, `init` and `post_init` them, each in the file's order.

        Raises what a service raised, with a note of its name, when all that were started are closed. Also
        when it is cancelled nothing stays. Raises UsageError unless the application is stopped.
        """
        if self._state is not _State.STOPPED:
            raise UsageError(f"the application is {self._state.value} already; await its stop() before that")
        self._state = _State.STARTING
        try:
            await self._start()
        except BaseException as error:
            for failure in await self._close():
                error.add_note(f"and while it was stopped for that: {told(failure)}")
            raise
        self._state = _State.STARTED

    async def stop(self) -> None:
        """Close the services in the reverse order. Nothing happens where none is started.

        A service may call it too, while it is closed itself: what is being stopped goes on being stopped.

        All are tried. Raises the first error, with a note of the service and of the others.
        """
        if self._state is _State.STARTING:
            raise UsageError("the application is being started; cancel the task that starts it to stop it")
        if self._state is _State.STOPPING and _PART_OF.get() is self:
            # A service that is being closed, or a task that it waits for: to wait here is to wait for itself.
            return
        async with self._stopping:
            if self._state is not _State.STARTED:
                return
            self._state = _State.STOPPING
            failures = await self._close()
        if not failures:
            return
        # A cancellation is never swallowed.
        first = next((each for each in failures if not isinstance(each, Exception)), failures[0])
        for failure in failures:
            if failure is not first:
                first.add_note(f"and {told(failure)}")
        raise first

    def discover(self, wanted: str | S | None, kind: type[S], *, asked_by: str = "the program") -> S:
        """A service of the application: itself, the one of this name, or (None) the first of its kind.

        `asked_by` is who wants it, for the message where there is none.

        Raises UsageError where there is none, or the one of this name is of another kind.
        """
        if isinstance(wanted, kind):
            return wanted
        of_kind = [service for service in self._services.values() if isinstance(service, kind)]
        if wanted is None:
            if of_kind:
                self._needed.setdefault(asked_by, set()).add(of_kind[0].name)
                return of_kind[0]
            raise UsageError(f"{asked_by} needs a {kind.__name__}, and the application has none; add one")
        if not isinstance(wanted, str):
            raise UsageError(
                f"{asked_by} needs a {kind.__name__}, or the name of one, not a {type(wanted).__name__}"
            )
        found = self._services.get(wanted)
        if isinstance(found, kind):
            self._needed.setdefault(asked_by, set()).add(found.name)
            return found
        raise UsageError(self._none_of(wanted, found, [each.name for each in of_kind], kind, asked_by))

    def _none_of(
        self, wanted: str, found: Service | None, of_kind: list[str], kind: type[Service], asked_by: str
    ) -> str:
        """Why there is no service of this name and kind."""
        asks = f"{asked_by} asks for the {kind.__name__} {wanted!r}"
        if found is not None:
            return f"{asks}, which is a {type(found).__name__}; {did_you_mean(wanted, of_kind)}"
        for each in self._application.disabled:
            if each.name == wanted:
                return f"{asks}, which is not enabled ({each.place})"
        if wanted in self._left_out:
            return f"{asks}, which was left out, since it could not be started"
        return f"{asks}, and there is no service of this name; {did_you_mean(wanted, of_kind)}"

    async def check(self) -> list[Finding]:
        """What a start would find wrong, as far as it is told by making and preparing the services.

        None is started. Where one could not be made none is prepared: those that need it would miss it.
        """
        trial = type(self)(self._application)
        findings: list[Finding] = []
        for _, step in trial._stages[:2]:
            findings += [finding for entry in trial._there() if (finding := await _tried(entry, step))]
            if not all(finding.left_out for finding in findings):
                break
            trial._left_out.update(finding.service or "" for finding in findings)
        return findings

    async def _start(self) -> None:
        for done, step in self._stages:
            for entry in self._there():
                await self._step(entry, done, step)
        _log.info("started: %s", ", ".join(self._services))

    @property
    def _stages(self) -> Sequence[tuple[str, _Step]]:
        """What a start does with each service, one after another with all."""
        return (
            ("made", self._make),
            ("prepared", lambda entry: self._services[entry.name].prepare()),
            ("started", self._init),
            ("started", lambda entry: self._services[entry.name].post_init()),
        )

    def _there(self) -> list[Entry]:
        """The entries without those that were left out."""
        return [entry for entry in self._application.entries if entry.name not in self._left_out]

    def _make(self, entry: Entry) -> None:
        self._services[entry.name] = entry.make(self)

    def _init(self, entry: Entry) -> Awaitable[None]:
        missing = self._needed.get(entry.name, set()) & self._left_out
        if missing:
            raise UsageError(f"{entry.name} needs {', '.join(sorted(missing))}, which could not be started")
        service = self._services[entry.name]
        self._begun.append(service)
        return service.init()

    async def _step(self, entry: Entry, done: str, step: _Step) -> None:
        try:
            with self._as_part():
                await _waited(step(entry))
        except BaseException as error:
            if isinstance(error, Exception) and not entry.required:
                await self._leave_out(entry, error)
                return
            error.add_note(f"while the service {entry.name} ({entry.place}) was {done}")
            raise

    async def _leave_out(self, entry: Entry, error: Exception) -> None:
        """Go on without a service that failed. It is closed, and what that raises is only told."""
        _log.warning("the service %s is left out, which is not required: %s", entry.name, told(error))
        self._left_out.add(entry.name)
        service = self._services.pop(entry.name, None)
        if service is None or service not in self._begun:
            return
        self._begun.remove(service)
        failure = await _closed(service)
        if failure is None:
            return
        if not isinstance(failure, Exception):
            raise failure
        _log.warning("%s", told(failure))

    async def _close(self) -> list[BaseException]:
        """Close in reverse what was begun, all of it whatever happens. What was raised on the way."""
        failures: list[BaseException] = []
        with self._as_part():
            while self._begun:
                failure = await _closed(self._begun.pop())
                if failure is not None:
                    failures.append(failure)
        self._services.clear()
        self._left_out.clear()
        self._needed.clear()
        self._state = _State.STOPPED
        return failures

    @contextmanager
    def _as_part(self) -> Generator[None]:
        """Run the block on behalf of a service of this application."""
        token = _PART_OF.set(self)
        try:
            yield
        finally:
            _PART_OF.reset(token)


async def _waited(result: Any) -> None:
    """Await what a step gave, if it is to be awaited: a service may write any step either way."""
    if inspect.isawaitable(result):
        await result


async def _tried(entry: Entry, step: _Step) -> Finding | None:
    try:
        await _waited(step(entry))
    except Exception as error:
        return Finding(entry.place, told(error), entry.name, left_out=not entry.required)
    return None


async def _closed(service: Service) -> BaseException | None:
    """Close one service; what that raised, a cancellation too, with a note of its name."""
    try:
        await _waited(service.close())
    except BaseException as error:
        error.add_note(f"while the service {service.name} was closed")
        return error
    return None


def told(error: BaseException) -> str:
    """An error in one line, with its notes and without passwords."""
    notes: list[str] = getattr(error, "__notes__", [])
    kind = "" if isinstance(error, RowsteadError) else f"{type(error).__name__}: "
    return without_passwords(" ".join([f"{kind}{error}", *(f"({note})" for note in notes)]))
