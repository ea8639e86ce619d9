"""Many rows that may meet others, by way of a temporary table: copied there, then inserted from there.

The bulk path knows no ON CONFLICT. From some thousands of rows on it is worth a table of its own all the
same: 10,000 upserts take two thirds of the time that they take as arrays, since the server reads them
while they come. Below that the catalogue's own work would be the cost. Written as plans.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rowstead.errors import RowsteadError
from rowstead.language.shapes import EVERYTHING
from rowstead.plan import Call, Copy, Plan
from rowstead.statements.compiled import Compiler
from rowstead.statements.inserts import STAGE, Target
from rowstead.tables.schema import Table

STAGE_FROM = 5_000
"""Rows from which a temporary table is worth making: each leaves a dozen dead rows in the catalogue."""


def staged_insert(
    compiler: Compiler,
    table: Table,
    given: tuple[tuple[str, Any], ...],
    target: Target,
    copied: Callable[[str | None, str], Copy],
) -> Plan[int]:
    """Insert what `copied` copies into a table that it is told; the count. For use inside a transaction."""
    make, drop = stage_texts(compiler, table, given)
    yield Call(make, table=table.name)
    try:
        yield copied(None, STAGE)
    except RowsteadError as error:
        error.args = (str(error).replace(STAGE, table.name),)
        error.table = table.name
        raise
    compiled = compiler.get(("insert_staged", table, given, target))
    written: int = yield compiled.call((), None)
    # ON COMMIT DROP comes too late for a second one in the same transaction.
    yield Call(drop, table=table.name)
    return written


def stage_texts(compiler: Compiler, table: Table, given: tuple[tuple[str, Any], ...]) -> tuple[str, str]:
    """What makes the temporary table and what drops it. It has the columns' types, and no constraint."""
    spelled = compiler.dialect.stage
    assert spelled is not None
    columns = compiler.get(("select", table, tuple(name for name, _ in given), EVERYTHING)).text
    return spelled[0].format(name=STAGE, columns=columns), spelled[1].format(name=STAGE)
