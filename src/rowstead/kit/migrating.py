"""The kit's `migrate`: its schema, its store and its defaults given to the core's migrations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rowstead.dialects import Dialect
from rowstead.kit.defaults import sequences_of
from rowstead.migrations import LOCK_TIMEOUT, OnEvent, migrate_operations_plan
from rowstead.migrations.store import Fill, SchemaStore
from rowstead.plan import Plan
from rowstead.plans.sequences import found
from rowstead.statements.compiled import Compiler
from rowstead.tables.schema import Column, Table

Migrations = Sequence[Mapping[str, Any]] | str
"""`[{"version": 1, "name": "init", "ops": [{"create_table": {"name": "users"}}, …]}, …]`, or its JSON."""


def migrate_kit_plan(
    migrations: Migrations,
    new: Mapping[str, Table],
    store: SchemaStore,
    fill: Fill,
    dialect: Dialect,
    codec: str,
    paramstyle: str,
    *,
    on_event: OnEvent | None = None,
    lock_timeout: float = LOCK_TIMEOUT,
) -> Plan[list[int]]:
    """Apply the pending migrations, which lead from the schema in `store` towards `new`; their versions.

    Raises as `migrate_operations_plan` does.
    """
    compiler = Compiler(dialect, codec, paramstyle)

    def values(table: Table, column: Column, count: int) -> Plan[Sequence[Any]]:
        # The counter of a column that is new is not there yet.
        yield from found(compiler, sequences_of({table.name: table}))
        return (yield from fill(table, column, count))

    return (
        yield from migrate_operations_plan(
            migrations, new, store, values, compiler, lock_timeout=lock_timeout, on_event=on_event
        )
    )
