"""The command `db init`: creates the tables of the models that are not there yet.

It must not know what a table is: SQLAlchemy creates them, and nothing is ever dropped.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path

import sqlalchemy as sa

from rowstead.cli import output
from rowstead.cli.db_place import answer, models_of
from rowstead.cli.engines import as_ours
from rowstead.codegen.models import find_models
from rowstead.config import DatabaseConfigSchema
from rowstead.repository import PersistEngine


def init(arguments: argparse.Namespace) -> int:
    """Create the tables, and say which were made; wrong usage where there is no model at all."""

    def command(database: DatabaseConfigSchema) -> int:
        modules = models_of(arguments)
        found = [metadata for module in modules for metadata in find_models(module, Path.cwd()).metadata]
        # One MetaData may be reached from several modules.
        metadata = list({id(each): each for each in found}.values())
        made = asyncio.run(_create(database, metadata))
        there = sum(len(each.tables) for each in metadata) - len(made)
        lines = [f"created {_tables(len(made))}, {there} there already", *(f"  {name}" for name in made)]
        output.result({"created": made, "there_already": there}, lines, arguments.json)
        return output.OK

    return answer(arguments, command)


async def _create(database: DatabaseConfigSchema, metadata: Sequence[sa.MetaData]) -> list[str]:
    reached: list[object] = []
    async with PersistEngine(database) as engines:
        engine = engines.engine()
        with as_ours(engine, reached):
            async with engine.begin() as connection:
                reached.append(connection)
                return await connection.run_sync(_create_missing, metadata)


def _create_missing(connection: sa.Connection, metadata: Iterable[sa.MetaData]) -> list[str]:
    made: list[str] = []
    for each in metadata:
        inspector = sa.inspect(connection)
        made += [t.fullname for t in each.sorted_tables if not inspector.has_table(t.name, schema=t.schema)]
        each.create_all(connection)
    return made


def _tables(number: int) -> str:
    return "1 table" if number == 1 else f"{number} tables"
