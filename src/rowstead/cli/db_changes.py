"""The commands `db diff` and `db generate`: the models beside a live database.

They hold no rule of comparing: those are in `rowstead.migrations.comparing`.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from rowstead.cli import output
from rowstead.cli.db_place import answer, models_of
from rowstead.cli.engines import as_ours
from rowstead.codegen.models import find_models
from rowstead.config import DatabaseConfigSchema
from rowstead.drivers.addresses import MEMORY
from rowstead.migrations.comparing import (
    Change,
    Decision,
    Found,
    compare,
    decide,
    dialect_called,
    migration_file,
)
from rowstead.migrations.drafting import Numbering, write_new
from rowstead.repository import PersistEngine

T = TypeVar("T")


def diff(arguments: argparse.Namespace) -> int:
    """Print the differences: 1 where there are any."""

    def command(database: DatabaseConfigSchema) -> int:
        found = _compared(database, arguments)
        decision = decide(found)
        changes = [*decision.changes, *decision.waiting]
        value = {"differences": [_shown(change) for change in changes], **_undecided(decision)}
        lines = [f"{change.table}: {change.text}" for change in found.changes]
        lines += [f"possible rename: {possible.text}" for possible in decision.possible_renames]
        output.result(value, lines or ["no differences"], arguments.json)
        _note(found)
        return output.FAILED if changes else output.OK

    return answer(arguments, command)


def generate(arguments: argparse.Namespace) -> int:
    """Write the migration, if there is anything to do; 1 where something waits for a decision."""

    def command(database: DatabaseConfigSchema) -> int:
        found = _compared(database, arguments)
        decision = decide(found, arguments.rename, arguments.drop)
        file = _written(arguments, migration_file(decision, found)) if decision.changes else None
        value: dict[str, Any] = {
            "file": None if file is None else str(file),
            "changes": [_shown(change) for change in decision.changes],
            **_undecided(decision),
        }
        output.result(value, _told(file, decision), arguments.json)
        _note(found)
        for change in decision.waiting:
            output.say(f"not written: {change.table}: {change.text}")
        for possible in decision.possible_renames:
            output.say(possible.text)
        return output.FAILED if decision.waiting else output.OK

    return answer(arguments, command)


def _note(found: Found) -> None:
    for note in found.notes:
        output.say(f"note: {note}")


def _written(arguments: argparse.Namespace, text: str) -> Path:
    chosen = {"time": arguments.timestamp, "number": arguments.numbered}
    numbering = next((Numbering(name) for name, asked in chosen.items() if asked), None)
    return write_new(arguments.dir, arguments.name, text, numbering)


def _told(file: Path | None, decision: Decision) -> list[str]:
    if file is None:
        return ["nothing is written yet" if decision.waiting else "no differences; no file is written"]
    lines = [f"created {file}"]
    for change in decision.changes:
        lines.append(f"  {change.table}: {change.text}")
        lines += [f"    destructive: {change.destructive}"] if change.destructive else []
    return lines


def _shown(change: Change) -> dict[str, Any]:
    return {
        "kind": change.kind,
        "table": change.table,
        "columns": sorted(change.columns),
        "text": change.text,
        "destructive": change.destructive,
    }


def _undecided(decision: Decision) -> dict[str, Any]:
    return {
        "possible_renames": [
            {"table": p.table, "old": p.old, "new": p.new} for p in decision.possible_renames
        ]
    }


def _compared(database: DatabaseConfigSchema, arguments: argparse.Namespace) -> Found:
    metadata: dict[sa.MetaData, None] = {}
    for module in models_of(arguments):
        metadata |= dict.fromkeys(find_models(module, Path.cwd()).metadata)
    return asyncio.run(_on_connection(database, lambda connection: compare(connection, list(metadata))))


async def _on_connection(database: DatabaseConfigSchema, work: Callable[[sa.Connection], T]) -> T:
    """Do it on a connection that is rolled back; a file is opened to be read only, and never made.

    Raises the errors of the core, as every command does.
    """
    url = database.url
    dialect_called(url.get_backend_name())
    file = database.describe().get("file")
    if file is not None:
        # Opening it as a session does would make it, or change how it is written.
        return await _on_engine(create_async_engine(_to_be_read(url, file)), work)
    async with PersistEngine(database) as engines:
        return await _on_engine(engines.engine(), work)


async def _on_engine(engine: AsyncEngine, work: Callable[[sa.Connection], T]) -> T:
    reached: list[object] = []
    try:
        with as_ours(engine, reached):
            async with engine.connect() as connection:
                reached.append(connection)
                return await connection.run_sync(work)
    finally:
        await engine.dispose()


def _to_be_read(url: sa.URL, file: str) -> sa.URL:
    if file == MEMORY or not os.path.exists(file):
        return url.set(database=MEMORY, query={})
    path = Path(file).absolute().as_uri()
    return url.set(database=f"{path}?mode=ro", query={"uri": "true"})
