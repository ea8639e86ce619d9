"""The job of a migrator: applies a folder, and dies by SIGKILL where it is told to. See `processes.py`.

An order: `{"url": …, "folder": …, "world": "async" | "sync", "runner": a key of RUNNERS,
"kill": [moment, number] | null}`, and `"verb": "up" | "down"` for a folder in goose's format, whose runners
are the keys of VERSIONED; `down` undoes all but version 1; or `"verb": "states"`, where `folder` is a file of
states and the runners are the keys of STATED. The process tells a dot for each statement that
it begins. It dies before statement `number` is sent, while it is under way, or after it was answered.

The runners beside `real` are the controls: each leaves out one thing that the real one stands on.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from processes import Tell, serve

from rowstead.database import Database
from rowstead.dialects import Dialect
from rowstead.drivers.urls import Options, make_driver
from rowstead.errors import RowsteadError
from rowstead.migrations.applying import Applying
from rowstead.migrations.doubt import Repeatable
from rowstead.migrations.facts import facts_of
from rowstead.migrations.formats import goose, plain, states
from rowstead.migrations.runner import Runner
from rowstead.migrations.states_runner import StatesRunner
from rowstead.migrations.versions import VersionedRunner
from rowstead.plan import Atomic, Call, Pinned
from rowstead.session import Session
from rowstead.sync.database import Database as SyncDatabase
from rowstead.sync.drivers.urls import make_driver as make_sync_driver
from rowstead.sync.session import Session as SyncSession

TURNS = 3
"""How often the event loop turns until a statement's bytes have left: it dies with it under way."""
LOCK_TIMEOUT = 60.0


class WithoutLock(Runner):
    """Control: whoever comes, begins."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._facts = replace(self._facts, lock=_NoLock(self._facts.lock))
        self._work = Applying(self._calls, self._facts, "plain")


class _NoLock:
    def __init__(self, lock: Any) -> None:
        self.alone = lock.alone
        self.pins = type(lock).__name__ in ("AdvisoryLock", "NamedLock")

    def hold(self, work: Any, timeout: float) -> Any:
        return (yield Pinned(work())) if self.pins else (yield from work())


class WithoutProgress(Runner):
    """Control: a no-transaction file is noted when all of it is done."""

    class applying(Applying):
        def stepwise(self, ledger: Any, migration: Any) -> Any:
            yield from _statements(migration)
            yield from ledger.add(migration)
            return True


class NotedAfterwards(Runner):
    """Control: a file's transaction, and then its row in another."""

    class applying(Applying):
        def whole(self, ledger: Any, migration: Any) -> Any:
            yield Atomic(_statements(migration))
            yield from ledger.add(migration)
            return True


def _statements(migration: Any) -> Any:
    for statement in migration.up:
        yield Call(statement.text, writes=True, raw=True)


class NeverAsks(Runner):
    """Control: takes every statement that was interrupted for one that can simply be run again."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        kinds = tuple((pattern, Repeatable()) for pattern, _ in self._facts.standing_alone)
        self._facts = replace(self._facts, standing_alone=kinds)
        self._work = Applying(self._calls, self._facts, "plain")


class GooseLater(VersionedRunner):
    """Control: goose's ledger is written when ours is, but in a transaction of its own."""

    class applying(Applying):
        def apply(self, ledger: Any, migration: Any) -> Any:
            bare = type(ledger)(self._calls, self._source, ledger.schema)
            done = yield from super().apply(bare, migration)
            mirror = ledger._mirror
            id = migration.id
            yield Atomic(mirror.remove(id) if ledger.undoing else mirror.add([id]))
            return done


class InfoLater(StatesRunner):
    """Control: `db_info` is written when our ledger is, but in a transaction of its own."""

    class applying(Applying):
        def apply(self, ledger: Any, migration: Any) -> Any:
            bare = type(ledger)(self._calls, self._source, ledger.schema)
            done = yield from super().apply(bare, migration)
            yield Atomic(ledger._mirror.add([migration.id]))
            return done


class StatesWithoutLock(StatesRunner):
    """Control: whoever comes, begins."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._facts = replace(self._facts, lock=_NoLock(self._facts.lock))
        self._work = self.applying(self._calls, self._facts, "states")


STATED: Mapping[str, type[StatesRunner]] = {
    "real": StatesRunner,
    "info later": InfoLater,
    "without lock": StatesWithoutLock,
}
VERSIONED: Mapping[str, type[VersionedRunner]] = {"real": VersionedRunner, "goose later": GooseLater}

RUNNERS: Mapping[str, type[Runner]] = {
    "real": Runner,
    "without lock": WithoutLock,
    "without progress": WithoutProgress,
    "noted afterwards": NotedAfterwards,
    "never asks": NeverAsks,
}


def migrate(order: dict[str, Any], tell: Tell) -> int:
    """Exit code 0: applied; 1: refused, with the message on stderr (controls are expected to fail)."""
    _die_when_told(order["kill"], tell)
    try:
        if order["world"] == "sync":
            _migrate_sync(order)
        else:
            asyncio.run(_migrate(order))
    except RowsteadError as error:
        if order["runner"] == "real":
            print(error, file=sys.stderr)
        return 1
    return 0


async def _migrate(order: dict[str, Any]) -> None:
    database = await Database.from_url(order["url"], Options(min_size=1, max_size=1))
    try:
        driver = database.driver
        await database.plan(_plan(order, driver.dialect, driver.paramstyle))
    finally:
        await database.close()


def _migrate_sync(order: dict[str, Any]) -> None:
    database = SyncDatabase.from_url(order["url"], Options(min_size=1, max_size=1))
    try:
        driver = database.driver
        database.plan(_plan(order, driver.dialect, driver.paramstyle))
    finally:
        database.close()


def _plan(order: dict[str, Any], dialect: Dialect, paramstyle: str) -> Any:
    folder, syntax = order["folder"], facts_of(dialect).syntax
    if "verb" not in order:
        kind = RUNNERS[order["runner"]]
        migrations = plain.load(folder, syntax)
        return kind(migrations, dialect, paramstyle, folder=folder, source="plain").migrate(LOCK_TIMEOUT)
    if order["verb"] == "states":
        stated = STATED[order["runner"]](
            states.load(folder, syntax), dialect, paramstyle, folder=folder, source="states"
        )
        return stated.migrate_states(None, None, LOCK_TIMEOUT, baseline=False)
    versioned = VERSIONED[order["runner"]](
        goose.load(folder, syntax), dialect, paramstyle, folder=folder, source="goose"
    )
    if order["verb"] == "up":
        return versioned.up(None, False, LOCK_TIMEOUT)
    return versioned.down(1, LOCK_TIMEOUT)


# Dying


def _die_when_told(kill: tuple[str, int] | None, tell: Tell) -> None:
    """From now on count every statement that a session sends, and die at the one that is named."""
    moment, number = kill or ("never", 0)
    sent = 0
    send, send_sync = Session._send, SyncSession._send

    def count() -> bool:
        nonlocal sent
        sent += 1
        tell(b".")
        if sent == number and moment == "before":
            _die()
        return sent == number

    async def counted(session: Session, connection: Any, call: Any) -> Any:
        mine = count()
        try:
            if mine and moment == "under way":
                await _begun(send(session, connection, call))
                _die()
            return await send(session, connection, call)
        finally:
            if mine:
                _die()

    def counted_sync(session: SyncSession, connection: Any, call: Any) -> Any:
        mine = count()
        try:
            return send_sync(session, connection, call)
        finally:
            if mine:
                _die()

    Session._send = counted
    SyncSession._send = counted_sync


async def _begun(statement: Any) -> None:
    task = asyncio.get_running_loop().create_task(statement)
    for _ in range(TURNS):
        await asyncio.sleep(0)
    # Kept alive until the process ends.
    _UNDER_WAY.append(task)


_UNDER_WAY: list[Any] = []


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _load_all() -> None:
    """Import the drivers once, before any fork."""
    for url in ("sqlite:///x", "postgresql+psycopg://x", "postgresql+asyncpg://x", "mysql://x"):
        make_driver(url)
    for url in ("sqlite:///x", "postgresql+psycopg://x", "mysql://x"):
        make_sync_driver(url)


if __name__ == "__main__":
    _load_all()
    serve(migrate)
